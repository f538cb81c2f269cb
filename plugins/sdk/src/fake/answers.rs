//! The functions of the generated bindings, answered by the fake host of this thread. Each has the
//! name, arguments and result that `wit_bindgen` gives it.

use super::{Host, with};
use crate::Error;

pub(crate) mod log {
    use super::with;
    use crate::host::log::Level;

    pub(crate) fn write(level: Level, message: &str) {
        with(|host| host.log.push((level, message.to_owned())));
    }
}

pub(crate) mod state {
    use super::{Error, with};

    pub(crate) fn get(key: &str) -> Option<String> {
        with(|host| host.state.get(key).map(str::to_owned))
    }

    pub(crate) fn set(key: &str, value: &str) -> Result<(), Error> {
        with(|host| host.state.try_set(key, value))
    }

    pub(crate) fn remove(key: &str) {
        with(|host| host.state.remove(key));
    }

    pub(crate) fn keys() -> Vec<String> {
        with(|host| host.state.keys())
    }
}

pub(crate) mod redact {
    use super::{Error, Host, with};

    pub(crate) fn text(text: &str) -> String {
        with(|host| replace(host, text))
    }

    pub(crate) fn json(text: &str) -> Result<String, Error> {
        serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|error| Error::Invalid(error.to_string()))?;
        Ok(with(|host| replace(host, text)))
    }

    fn replace(host: &Host, text: &str) -> String {
        host.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "[REDACTED:fake]"))
    }
}

pub(crate) mod processes {
    use super::{Error, with};
    use crate::host::processes::{Daemon, Identity, Process, ProcessDetail, ProcessTable};

    pub(crate) fn watched() -> Result<Vec<Daemon>, Error> {
        with(|host| host.processes.watched.clone())
    }

    pub(crate) fn follow(daemon: &str, process: Identity) -> Result<bool, Error> {
        with(|host| {
            host.processes.followed.push((daemon.to_owned(), process));
            host.processes.follow.clone()
        })
    }

    pub(crate) fn stat(process: Identity) -> Result<Process, Error> {
        with(|host| {
            let table = host.processes.table.as_ref().map_err(Clone::clone)?;
            let found = table.processes.iter().find(|candidate| candidate.identity == process);
            found.cloned().ok_or_else(|| Error::NotFound(format!("no process {}", process.pid)))
        })
    }

    pub(crate) fn detail(process: Identity) -> Result<ProcessDetail, Error> {
        with(|host| host.processes.detailed.push(process));
        match with(|host| host.processes.details.get(&process).cloned()) {
            Some(answer) => answer,
            None => stat(process).map(|_| ProcessDetail::default()),
        }
    }

    pub(crate) fn table(limit: u32) -> Result<ProcessTable, Error> {
        let mut table = with(|host| host.processes.table.clone())?;
        table.processes.truncate(limit.min(32_768) as usize);
        Ok(table)
    }
}

pub(crate) mod system {
    use super::{Error, with};
    use crate::host::system::{
        ConnectionCounts, CpuState, Disk, FileHandleCounts, Filesystem, MemoryState, NetworkInterface, PressureStall,
    };

    pub(crate) fn cpu() -> Result<CpuState, Error> {
        with(|host| host.system.cpu.clone())
    }

    pub(crate) fn memory() -> Result<MemoryState, Error> {
        with(|host| host.system.memory.clone())
    }

    pub(crate) fn filesystems() -> Result<Vec<Filesystem>, Error> {
        with(|host| host.system.filesystems.clone())
    }

    pub(crate) fn disks() -> Result<Vec<Disk>, Error> {
        with(|host| host.system.disks.clone())
    }

    pub(crate) fn network_interfaces() -> Result<Vec<NetworkInterface>, Error> {
        with(|host| host.system.network_interfaces.clone())
    }

    pub(crate) fn connections() -> Result<ConnectionCounts, Error> {
        with(|host| host.system.connections.clone())
    }

    pub(crate) fn pressure() -> Result<Vec<PressureStall>, Error> {
        with(|host| host.system.pressure.clone())
    }

    pub(crate) fn file_handles() -> Result<FileHandleCounts, Error> {
        with(|host| host.system.file_handles.clone())
    }
}

pub(crate) mod files {
    use super::{Error, with};
    pub(crate) use crate::fake::files::File;
    use crate::host::files::{Found, Identity, KeptFile};

    pub(crate) fn roots() -> Vec<String> {
        with(|host| host.files.roots())
    }

    pub(crate) fn find(root: &str, pattern: &str, limit: u32) -> Result<Found, Error> {
        with(|host| host.files.find(root, pattern, limit))
    }

    pub(crate) fn open(root: &str, path: &str) -> Result<File, Error> {
        with(|host| host.files.open(root, path))
    }

    pub(crate) fn reopen(identity: Identity) -> Result<File, Error> {
        with(|host| host.files.reopen(identity))
    }

    pub(crate) fn kept() -> Vec<KeptFile> {
        with(|host| host.files.kept())
    }
}

pub(crate) mod probe {
    use super::{Error, with};
    use crate::host::probe::Observation;

    pub(crate) fn latest() -> Result<Vec<Observation>, Error> {
        with(|host| host.probe.clone())
    }
}

pub(crate) mod clock {
    use super::{Error, with};
    use crate::host::clock::{Clocks, KernelDiscipline, SntpAnswer, Tracking};

    pub(crate) fn now() -> Clocks {
        with(|host| host.clock.now)
    }

    pub(crate) fn discipline() -> Result<KernelDiscipline, Error> {
        with(|host| host.clock.discipline.clone())
    }

    pub(crate) fn sntp() -> Result<Vec<SntpAnswer>, Error> {
        with(|host| host.clock.sntp.clone())
    }

    pub(crate) fn chrony() -> Result<Tracking, Error> {
        with(|host| host.clock.chrony.clone())
    }

    pub(crate) fn steps() -> (u64, Option<i64>) {
        with(|host| host.clock.steps)
    }
}

pub(crate) mod journal {
    use super::{Error, with};
    use crate::host::journal::Entry;

    pub(crate) fn read(after: Option<&str>, limit: u32) -> Result<Vec<Entry>, Error> {
        let entries = with(|host| host.journal.clone())?;
        let start = match after {
            // The newest alone: what is there already is over.
            None => entries.len().saturating_sub(1),
            Some(cursor) => match entries.iter().position(|entry| entry.cursor == cursor) {
                Some(index) => index + 1,
                None => return Err(Error::NotFound(format!("no entry has the cursor `{cursor}`"))),
            },
        };
        Ok(entries.into_iter().skip(start).take(limit.min(4096) as usize).collect())
    }
}

pub(crate) mod sockets {
    use super::{Error, with};
    use crate::host::sockets::Listener;

    pub(crate) fn listening() -> Result<Vec<Listener>, Error> {
        with(|host| host.sockets.clone())
    }
}

pub(crate) mod units {
    use super::{Error, with};
    use crate::host::units::Unit;

    pub(crate) fn all() -> Result<Vec<Unit>, Error> {
        with(|host| host.units.clone())
    }
}

pub(crate) mod commands {
    use super::{Error, with};
    use crate::host::commands::Output;

    pub(crate) fn names() -> Vec<String> {
        with(|host| host.commands.keys().cloned().collect())
    }

    pub(crate) fn run(name: &str) -> Result<Output, Error> {
        let answer = with(|host| host.commands.get(name).cloned());
        answer.unwrap_or_else(|| Err(Error::NotFound(format!("no command `{name}`"))))
    }
}
