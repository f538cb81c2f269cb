//! Processes, and the daemons that the configuration tells ghostd to follow.

pub use crate::bindings::ghost::host::processes::{
    Candidate, Daemon, Exit, Identity, Process, ProcessDetail, ProcessTable, RunState,
};

use super::backend;
use crate::Error;

/// The daemons of the configuration in its order, each with the processes that fit it.
///
/// # Errors
/// What keeps ghostd from looking at processes at all.
pub fn watched() -> Result<Vec<Daemon>, Error> {
    backend::processes::watched()
}

/// Has the host follow a process, so that its end is noticed when it happens. True where the kernel
/// tells (a pidfd), false where the host looks at intervals. Following ends with the process, or when
/// the daemon is followed by another.
///
/// # Errors
/// `not-found` where it has ended already, `invalid` for a daemon that is not configured.
pub fn follow(daemon: &str, process: Identity) -> Result<bool, Error> {
    backend::processes::follow(daemon, process)
}

/// One process as it is now.
///
/// # Errors
/// `not-found` when it has ended, whoever has its pid since.
pub fn stat(process: Identity) -> Result<Process, Error> {
    backend::processes::stat(process)
}

/// More about one process, at the price of further reads.
///
/// # Errors
/// `not-found` when it has ended, `forbidden` with hidepid.
pub fn detail(process: Identity) -> Result<ProcessDetail, Error> {
    backend::processes::detail(process)
}

/// All processes, at most `limit` (and at most 32,768).
///
/// # Errors
/// What keeps ghostd from reading the process table at all.
pub fn table(limit: u32) -> Result<ProcessTable, Error> {
    backend::processes::table(limit)
}
