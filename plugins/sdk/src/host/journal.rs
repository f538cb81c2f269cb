//! The systemd journal.

pub use crate::bindings::ghost::host::journal::Entry;

use super::backend;
use crate::Error;

/// Entries after a cursor (from now on where there is none), at most `limit` and at most 4,096.
///
/// # Errors
/// `unavailable` where there is no journal, `forbidden` where it may not be read.
pub fn read(after: Option<&str>, limit: u32) -> Result<Vec<Entry>, Error> {
    backend::journal::read(after, limit)
}
