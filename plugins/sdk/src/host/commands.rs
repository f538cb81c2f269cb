//! Commands that the configuration names with their whole argument list.

pub use crate::bindings::ghost::host::commands::Output;

use super::backend;
use crate::Error;

/// The names that are lent, sorted.
#[must_use]
pub fn names() -> Vec<String> {
    backend::commands::names()
}

/// Runs one and waits for it, at most for the time that the configuration gives it.
///
/// # Errors
/// `not-found` for a name that is not configured, `io` where it cannot be started.
pub fn run(name: &str) -> Result<Output, Error> {
    backend::commands::run(name)
}
