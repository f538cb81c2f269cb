//! The figures of a Linux machine, as /proc and /sys tell them.
//!
//! Owns where each figure is to be read; the parsers beside it take text.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::super::units::Units;
use super::super::{Error, Result};
use super::types::{Connections, Cpu, Disk, FileHandles, Filesystem, Memory, NetworkInterface, Pressure};
use super::usage::Workers;
use super::{Paths, cpu, disks, memory, mounts, network, pressure, sock_diag};

/// More than any of the files that are read whole has: /proc/stat of a machine with 1024 processors has 200 KiB, a
/// mountinfo of a container host a megabyte.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// The machine, as the paths show it.
#[derive(Debug)]
pub struct Machine {
    paths: Paths,
    units: Units,
    workers: Mutex<Workers>,
}

impl Machine {
    /// Reads nothing yet.
    pub fn new(paths: Paths) -> Self {
        Self { paths, units: Units::of_this_machine(), workers: Mutex::default() }
    }

    /// The processors now.
    pub fn cpu(&self) -> Result<Cpu> {
        let stat = self.proc("stat")?;
        let load = self.proc("loadavg")?;
        cpu::parse(&stat, &load, self.units).ok_or_else(|| malformed("stat or loadavg"))
    }

    /// Memory now.
    pub fn memory(&self) -> Result<Memory> {
        let mut memory = memory::parse(&self.proc("meminfo")?).ok_or_else(|| malformed("meminfo"))?;
        memory.oom_kills = self.proc("vmstat").ok().as_deref().and_then(memory::oom_kills);
        if let Ok(groups) = self.proc("self/cgroup") {
            let limit = memory::cgroup(&self.paths.sys.join("fs/cgroup"), &groups, memory.total);
            (memory.cgroup_limit, memory.cgroup_used) = limit;
        }
        Ok(memory)
    }

    /// The file systems, those that are pseudo or mounted a second time left out. A mount that does not answer is
    /// pending, and never holds up the others for longer than a second.
    pub fn filesystems(&self) -> Result<Vec<Filesystem>> {
        let mounts = mounts::select(&self.mountinfo()?);
        let places = mounts.iter().map(|mount| self.below_root(&mount.path)).collect::<Vec<PathBuf>>();
        let usages = self.workers.lock().unwrap_or_else(PoisonError::into_inner).ask(&places);
        let block = disks::BlockDevices::new(&self.paths.sys);
        Ok(mounts
            .into_iter()
            .zip(usages)
            .map(|(mount, usage)| Filesystem {
                disk: block.under(mount.device_number, &mount.source),
                mount: mount.path,
                device: mount.source,
                fs_type: mount.fs_type,
                read_only: mount.read_only,
                usage,
            })
            .collect())
    }

    /// The block devices, partitions left out.
    pub fn disks(&self) -> Result<Vec<Disk>> {
        Ok(disks::parse(&self.proc("diskstats")?, &disks::BlockDevices::new(&self.paths.sys)))
    }

    /// The network interfaces.
    pub fn network_interfaces(&self) -> Result<Vec<NetworkInterface>> {
        let class = self.paths.sys.join("class/net");
        Ok(network::interfaces(&self.net("dev")?, |name| {
            read(&class.join(name).join("operstate")).map_or_else(|_| "unknown".to_owned(), |state| state.trim().into())
        }))
    }

    /// Sockets by kind and state.
    pub fn connections(&self) -> Result<Connections> {
        let sums = network::Sums::parse(&self.net("sockstat")?, self.net("sockstat6").ok().as_deref());
        let tcp = if sums.tcp_listed() <= super::MAX_SOCKETS_LISTED {
            // The kernel's diagnostics tell of our own network namespace alone.
            let own = self.paths.proc == Path::new("/proc");
            let told = own.then(sock_diag::count_by_state).flatten().map(|counts| network::named(&counts));
            told.or_else(|| network::tcp_states(["tcp", "tcp6"].map(|file| File::open(self.net_path(file)).ok())))
        } else {
            None
        };
        Ok(Connections {
            tcp: tcp.unwrap_or_else(|| sums.tcp()),
            udp: sums.udp(),
            unix: network::unix_sockets(&self.net("protocols").unwrap_or_default())
                .or_else(|| network::count_lines(File::open(self.net_path("unix")).ok()?))
                .unwrap_or(0),
        })
    }

    /// Pressure of each resource that the kernel tells of.
    pub fn pressure(&self) -> Result<Vec<Pressure>> {
        let told: Vec<Pressure> = ["cpu", "memory", "io", "irq"]
            .into_iter()
            .filter_map(|resource| pressure::parse(resource, &self.proc(&format!("pressure/{resource}")).ok()?))
            .collect();
        if told.is_empty() {
            let hint = "pressure stall information (the kernel was built without it, or needs `psi=1` at boot)";
            return Err(Error::Unavailable(hint.to_owned()));
        }
        Ok(told)
    }

    /// Open files of the machine.
    pub fn file_handles(&self) -> Result<FileHandles> {
        pressure::file_handles(&self.proc("sys/fs/file-nr")?).ok_or_else(|| malformed("sys/fs/file-nr"))
    }

    fn proc(&self, file: &str) -> Result<String> {
        read(&self.paths.proc.join(file))
    }

    /// `net` belongs to the namespace of who reads it; the machine's own is that of its init.
    fn net_path(&self, file: &str) -> PathBuf {
        let of_init = self.paths.proc.join("1/net").join(file);
        if self.is_foreign() && of_init.exists() { of_init } else { self.paths.proc.join("net").join(file) }
    }

    fn net(&self, file: &str) -> Result<String> {
        read(&self.net_path(file))
    }

    /// The mounts of the machine's init where the machine is seen from a container, else our own.
    fn mountinfo(&self) -> Result<String> {
        if self.is_foreign()
            && let Ok(of_init) = self.proc("1/mountinfo")
        {
            return Ok(of_init);
        }
        self.proc("self/mountinfo")
    }

    fn is_foreign(&self) -> bool {
        self.paths.proc != Path::new("/proc")
    }

    fn below_root(&self, mount: &str) -> PathBuf {
        self.paths.root.join(mount.trim_start_matches('/'))
    }
}

/// Reads a whole small file as text.
pub(super) fn read(path: &Path) -> Result<String> {
    let failed = |error: &std::io::Error| Error::from_io(&format!("`{}`", path.display()), error);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| failed(&error))?;
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

fn malformed(file: &str) -> Error {
    Error::Io(format!("{file} of /proc is malformed"))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::put;
    use super::*;

    #[test]
    fn this_machine_tells_all_of_it() {
        let machine = Machine::new(Paths::default());
        let cpu = machine.cpu().unwrap();
        assert!(cpu.count >= 1 && cpu.per_cpu.len() == cpu.count as usize && cpu.total.idle_ms > 0);
        let memory = machine.memory().unwrap();
        assert!(memory.total > memory.free && memory.available <= memory.total);
        let filesystems = machine.filesystems().unwrap();
        let root = filesystems.iter().find(|fs| fs.mount == "/").unwrap();
        assert!(root.usage.as_ref().unwrap().total_bytes > 0, "{root:?}");
        assert!(machine.network_interfaces().unwrap().iter().any(|interface| interface.name == "lo"));
        let connections = machine.connections().unwrap();
        assert!(connections.tcp.iter().all(|(state, count)| !state.is_empty() && *count > 0));
        assert!(machine.file_handles().unwrap().allocated > 0);
        machine.disks().unwrap();
    }

    #[test]
    fn a_listening_socket_is_counted() {
        let machine = Machine::new(Paths::default());
        let count = |state: &str| {
            let tcp = machine.connections().unwrap().tcp;
            tcp.iter().find(|(name, _)| name == state).map_or(0, |(_, count)| *count)
        };
        let sockets: Vec<_> = (0..50).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        assert!(count("listen") >= sockets.len() as u64);
    }

    #[test]
    fn a_machine_seen_from_a_container_is_its_inits() {
        let fake = tempfile::tempdir().unwrap();
        let (proc, sys, root) = (fake.path().join("proc"), fake.path().join("sys"), fake.path().join("root"));
        put(&proc.join("self/mountinfo"), "1 0 0:20 / / rw - overlay overlay rw\n");
        put(&proc.join("1/mountinfo"), "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / /var ro - xfs /dev/sda2 rw\n");
        put(&proc.join("net/dev"), "a\nb\n eth9: 1 1 0 0 0 0 0 0 2 2 0 0 0 0 0 0\n");
        put(&proc.join("1/net/dev"), "a\nb\n eth0: 5 1 0 0 0 0 0 0 2 2 0 0 0 0 0 0\n");
        put(&sys.join("class/net/eth0/operstate"), "up\n");
        std::fs::create_dir_all(root.join("var")).unwrap();
        let machine = Machine::new(Paths { proc, sys, root });
        let filesystems = machine.filesystems().unwrap();
        assert_eq!(filesystems.iter().map(|fs| fs.mount.as_str()).collect::<Vec<_>>(), ["/", "/var"]);
        assert!(filesystems[1].usage.is_ok() && filesystems[1].read_only);
        let interfaces = machine.network_interfaces().unwrap();
        assert_eq!((interfaces[0].name.as_str(), interfaces[0].state.as_str()), ("eth0", "up"));
        assert!(matches!(machine.pressure(), Err(Error::Unavailable(_))));
        assert!(machine.cpu().unwrap_err().is_not_found());
    }
}
