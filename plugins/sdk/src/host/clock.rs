//! Clocks, and what keeps them right.

pub use crate::bindings::ghost::host::clock::{Clocks, KernelDiscipline, SntpAnswer, Tracking};

use super::backend;
use crate::Error;

/// The clocks of the machine, read together.
#[must_use]
pub fn now() -> Clocks {
    backend::clock::now()
}

/// What the kernel's clock discipline says now (adjtimex(2)).
///
/// # Errors
/// `unavailable` on platforms that have none.
pub fn discipline() -> Result<KernelDiscipline, Error> {
    backend::clock::discipline()
}

/// The latest answers of the SNTP servers that ghostd's configuration names; empty where it names none.
///
/// # Errors
/// What keeps ghostd from asking at all. A server that did not answer is an entry with its error.
pub fn sntp() -> Result<Vec<SntpAnswer>, Error> {
    backend::clock::sntp()
}

/// What chronyd says of itself.
///
/// # Errors
/// `not-found` where no chronyd answers on loopback.
pub fn chrony() -> Result<Tracking, Error> {
    backend::clock::chrony()
}

/// How often the wall clock was stepped since boot as far as ghostd noticed, and the last step in
/// nanoseconds (positive: forward).
#[must_use]
pub fn steps() -> (u64, Option<i64>) {
    backend::clock::steps()
}
