//! The systemd journal.

pub use crate::bindings::ghost::host::journal::Entry;

use super::backend;
use crate::Error;

/// Entries after a cursor, oldest first, at most `limit` and at most 4,096. Without a cursor the newest entry alone:
/// reading goes on after it.
///
/// # Errors
/// `unavailable` where there is no journal, `forbidden` where it may not be read, `not-found` where no entry has the
/// cursor any more.
pub fn read(after: Option<&str>, limit: u32) -> Result<Vec<Entry>, Error> {
    backend::journal::read(after, limit)
}
