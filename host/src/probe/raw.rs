//! What no safe interface offers: the system calls `adjtimex` and `PIDFD_GET_INFO`, and tokio's watch on a descriptor.
//!
//! Owns every line of `unsafe` in `probe`. Must not know what the figures mean: it gives them as the kernel has them.

#[cfg(target_os = "linux")]
pub(crate) use linux::{adjtimex, exit_status, readable};

/// What the kernel's clock discipline says, in its own units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Timex {
    /// The return value: TIME_OK and so on.
    pub(crate) state: i32,
    /// Nanoseconds where `status` has STA_NANO, else microseconds.
    pub(crate) offset: i64,
    /// Parts per million times 65,536.
    pub(crate) frequency: i64,
    /// Microseconds.
    pub(crate) maximum_error: i64,
    /// Microseconds.
    pub(crate) estimated_error: i64,
    /// STA_ bits.
    pub(crate) status: i32,
    pub(crate) constant: i64,
    pub(crate) tai: i32,
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::mem;
    use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};

    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use super::Timex;

    /// Reads the kernel's clock discipline. `modes` is 0, so nothing is changed and no privilege is needed.
    #[expect(unsafe_code, reason = "adjtimex(2) is offered by libc alone")]
    pub(crate) fn adjtimex() -> io::Result<Timex> {
        // SAFETY: `timex` is a C structure of integers, for which all zeros is a value.
        let mut timex: libc::timex = unsafe { mem::zeroed() };
        // SAFETY: the pointer is to a live, exclusively borrowed `timex`; the kernel keeps no reference to it.
        let state = unsafe { libc::adjtimex(&raw mut timex) };
        if state < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Timex {
            state,
            offset: timex.offset,
            frequency: timex.freq,
            maximum_error: timex.maxerror,
            estimated_error: timex.esterror,
            status: timex.status,
            constant: timex.constant,
            tai: timex.tai,
        })
    }

    /// The wait status (wait(2)) of a process that has ended and was collected, which kernels from 6.15 on tell
    /// through its pidfd; none before that, and on older kernels.
    #[expect(unsafe_code, reason = "the PIDFD_GET_INFO ioctl is offered by no safe interface")]
    pub(crate) fn exit_status(pidfd: BorrowedFd<'_>) -> Option<i32> {
        // SAFETY: `pidfd_info` is a C structure of integers, for which all zeros is a value.
        let mut info: libc::pidfd_info = unsafe { mem::zeroed() };
        info.mask = u64::from(libc::PIDFD_INFO_EXIT);
        // SAFETY: the request encodes the size of this very structure, so the kernel writes no further; the pointer
        // is to a live, exclusively borrowed one; a descriptor that is no pidfd answers ENOTTY.
        let answer = unsafe { libc::ioctl(pidfd.as_raw_fd(), libc::PIDFD_GET_INFO, &raw mut info) };
        (answer == 0 && info.mask & u64::from(libc::PIDFD_INFO_EXIT) != 0).then_some(info.exit_code)
    }

    /// Has tokio watch a descriptor for being readable. Must be called within a runtime.
    #[expect(unsafe_code, reason = "tokio cannot see that an arbitrary type keeps its descriptor")]
    pub(crate) fn readable(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
        // SAFETY: an `OwnedFd` gives the same descriptor for as long as it lives and closes it when dropped.
        let watched = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) };
        watched.map_err(io::Error::from)
    }
}
