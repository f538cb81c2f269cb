//! The process table through sysinfo, for platforms without a /proc that is worth reading.
//!
//! Owns what sysinfo cannot tell: kernel threads, threads per process and control groups are absent, and new pids are
//! found by listing only.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sysinfo::{Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind};

use super::super::{Error, Moment, NS_PER_MS, Result};
use super::cut;
use super::types::{Detail, Identity, MAX_COMMAND_LINE_BYTES, MAX_TABLE, Process, RunState, Scrub, Table};

/// The processes of this machine. The path is kept for messages only.
#[derive(Debug)]
pub struct ProcRoot {
    path: PathBuf,
    system: Mutex<System>,
}

impl ProcRoot {
    /// Fails where sysinfo does not know the platform.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let system = System::new().map_err(|error| Error::Unavailable(format!("the process table: {error}")))?;
        Ok(Self { path: path.into(), system: Mutex::new(system) })
    }

    /// What was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// One process as it is now.
    pub fn stat(&self, identity: Identity, now: Moment) -> Result<Process> {
        let process = self.process(identity.pid, now)?;
        if process.identity == identity { Ok(process) } else { Err(ended(identity.pid)) }
    }

    /// More about one process. Control groups and open files are not to be had.
    pub fn detail(&self, identity: Identity, scrub: &dyn Scrub, now: Moment) -> Result<Detail> {
        let mut argv = Vec::new();
        let readable = self.command_line(identity.pid, &mut argv).is_ok() && !argv.is_empty();
        let executable = self.executable(identity.pid);
        let uid = self.with(identity.pid, |process| process.user_id().and_then(|uid| uid.to_string().parse().ok()));
        self.stat(identity, now)?;
        Ok(Detail {
            command_line: if readable { cut(scrub.argv(&argv), MAX_COMMAND_LINE_BYTES) } else { String::new() },
            executable,
            cgroup: None,
            unit: None,
            open_files: None,
            uid: uid.flatten(),
        })
    }

    /// All processes, at most `limit` of them.
    pub fn table(&self, limit: u32, _now: Moment) -> Result<Table> {
        let mut system = self.lock();
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, refresh());
        let limit = limit.min(MAX_TABLE) as usize;
        let mut processes: Vec<Process> = system.processes().values().map(convert).collect();
        let total = u32::try_from(processes.len()).unwrap_or(u32::MAX);
        processes.sort_by_key(|process| process.identity.pid);
        processes.truncate(limit);
        Ok(Table { processes, total, unreadable: 0 })
    }

    /// Nothing is known to hinder.
    pub fn hindrance(&self) -> Option<String> {
        None
    }

    pub(super) fn own_pid(&self) -> Option<u32> {
        Some(std::process::id())
    }

    pub(super) fn process(&self, pid: u32, _now: Moment) -> Result<Process> {
        self.with(pid, convert).ok_or_else(|| ended(pid))
    }

    pub(super) fn each_pid(&self, visit: &mut dyn FnMut(u32)) -> Result<()> {
        let mut system = self.lock();
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, ProcessRefreshKind::nothing());
        let pids: Vec<u32> = system.processes().keys().map(|pid| pid.as_u32()).collect();
        drop(system);
        pids.into_iter().for_each(visit);
        Ok(())
    }

    pub(super) fn command_line(&self, pid: u32, into: &mut Vec<u8>) -> Result<()> {
        into.clear();
        self.with(pid, |process| {
            for argument in process.cmd() {
                into.extend_from_slice(argument.as_encoded_bytes());
                into.push(0);
            }
        })
        .ok_or_else(|| ended(pid))
    }

    pub(super) fn last_pid(&self) -> Option<u32> {
        None
    }

    pub(super) fn is_leader(&self, _pid: u32) -> bool {
        true
    }

    pub(super) fn executable(&self, pid: u32) -> Option<String> {
        self.with(pid, |process| process.exe().map(|path| path.display().to_string())).flatten()
    }

    pub(super) fn cgroup(&self, _pid: u32) -> Option<String> {
        None
    }

    pub(super) fn age_ns(&self, process: &Process, now: Moment) -> u64 {
        let started_ns = process.started_ms.saturating_mul(NS_PER_MS as i64);
        u64::try_from(now.realtime_ns.saturating_sub(started_ns)).unwrap_or(0)
    }

    fn with<T>(&self, pid: u32, read: impl FnOnce(&sysinfo::Process) -> T) -> Option<T> {
        let mut system = self.lock();
        let pid = Pid::from_u32(pid);
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, refresh());
        system.process(pid).map(read)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, System> {
        self.system.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refresh() -> ProcessRefreshKind {
    ProcessRefreshKind::nothing()
        .with_cpu()
        .with_memory()
        .with_cmd(UpdateKind::OnlyIfNotSet)
        .with_exe(UpdateKind::OnlyIfNotSet)
        .with_user(UpdateKind::OnlyIfNotSet)
}

fn convert(process: &sysinfo::Process) -> Process {
    let pid = process.pid().as_u32();
    Process {
        // Whole seconds are all that sysinfo tells; a pid is not reused within one.
        identity: Identity { start: process.start_time().saturating_mul(1_000_000), pid },
        ppid: process.parent().map_or(0, Pid::as_u32),
        name: process.name().to_string_lossy().into_owned(),
        state: match process.status() {
            ProcessStatus::Run => RunState::Running,
            ProcessStatus::Sleep => RunState::Sleeping,
            ProcessStatus::UninterruptibleDiskSleep => RunState::DiskSleep,
            ProcessStatus::Stop => RunState::Stopped,
            ProcessStatus::Tracing => RunState::Traced,
            ProcessStatus::Zombie => RunState::Zombie,
            ProcessStatus::Dead => RunState::Dead,
            ProcessStatus::Idle => RunState::Idle,
            _ => RunState::Other,
        },
        kernel: false,
        threads: 1,
        // Not told apart: all of it is shown as user time.
        user_ms: process.accumulated_cpu_time(),
        system_ms: 0,
        resident_bytes: process.memory(),
        virtual_bytes: process.virtual_memory(),
        started_ms: i64::try_from(process.start_time()).unwrap_or(0).saturating_mul(1_000),
    }
}

fn ended(pid: u32) -> Error {
    Error::NotFound(format!("process `{pid}` has ended"))
}
