//! The machine's own figures: processors, memory, file systems, disks, interfaces, sockets, pressure, open files.
//!
//! Owns the parsing of /proc and /sys, and the threads that ask mounts for their space. Must not know what a figure
//! means to anybody: it gives counters since boot and levels of now, without side effects, and computes no rates.

#[cfg(target_os = "linux")]
mod cpu;
#[cfg(target_os = "linux")]
mod disks;
#[cfg(not(target_os = "linux"))]
mod fallback;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod mounts;
#[cfg(target_os = "linux")]
mod network;
#[cfg(target_os = "linux")]
mod pressure;
#[cfg(target_os = "linux")]
mod sock_diag;
mod types;
#[cfg(target_os = "linux")]
mod usage;

use std::path::PathBuf;

#[cfg(not(target_os = "linux"))]
pub use fallback::Machine;
#[cfg(target_os = "linux")]
pub use linux::Machine;
pub use types::{
    Connections, Cpu, CpuTimes, Disk, FileHandles, Filesystem, MAX_CPUS, MAX_DISKS, MAX_FILESYSTEMS, MAX_INTERFACES,
    MAX_SOCKETS_LISTED, Memory, NetworkInterface, Pressure, Usage,
};

/// Where the machine is to be seen: in a container, where the real one's directories are mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Its /proc.
    pub proc: PathBuf,
    /// Its /sys.
    pub sys: PathBuf,
    /// Its /.
    pub root: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        Self { proc: "/proc".into(), sys: "/sys".into(), root: "/".into() }
    }
}
