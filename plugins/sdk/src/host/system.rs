//! The machine's own figures: cumulative counters since boot and levels of now. Rates are the
//! collector's to compute, from its own [`super::state`].

pub use crate::bindings::ghost::host::system::{
    ConnectionCounts, CpuState, CpuTimes, Disk, FileHandleCounts, Filesystem, MemoryState, NetworkInterface,
    PressureStall, Usage,
};

use super::backend;
use crate::Error;

/// The processors.
///
/// # Errors
/// `unavailable` or `io` where they cannot be read.
pub fn cpu() -> Result<CpuState, Error> {
    backend::system::cpu()
}

/// MemoryState.
///
/// # Errors
/// `unavailable` or `io` where it cannot be read.
pub fn memory() -> Result<MemoryState, Error> {
    backend::system::memory()
}

/// File systems, at most 256; pseudo file systems and bind mounts of the same one are left out. One that
/// does not answer is an entry whose usage is `pending`.
///
/// # Errors
/// `unavailable` or `io` where the mounts cannot be listed.
pub fn filesystems() -> Result<Vec<Filesystem>, Error> {
    backend::system::filesystems()
}

/// Block devices, at most 256, partitions left out.
///
/// # Errors
/// `unavailable` or `io` where they cannot be read.
pub fn disks() -> Result<Vec<Disk>, Error> {
    backend::system::disks()
}

/// Network interfaces, at most 256.
///
/// # Errors
/// `unavailable` or `io` where they cannot be read.
pub fn network_interfaces() -> Result<Vec<NetworkInterface>, Error> {
    backend::system::network_interfaces()
}

/// Sockets by kind and state.
///
/// # Errors
/// `unavailable` or `io` where they cannot be read.
pub fn connections() -> Result<ConnectionCounts, Error> {
    backend::system::connections()
}

/// PressureStall stall information, one entry per resource that the kernel tells of.
///
/// # Errors
/// `unavailable` where the kernel was built or started without it.
pub fn pressure() -> Result<Vec<PressureStall>, Error> {
    backend::system::pressure()
}

/// Open files of the whole machine.
///
/// # Errors
/// `unavailable` or `io` where they cannot be read.
pub fn file_handles() -> Result<FileHandleCounts, Error> {
    backend::system::file_handles()
}
