//! Who listens on this machine.

pub use crate::bindings::ghost::host::sockets::Listener;

use super::backend;
use crate::Error;

/// All that listen, at most 4,096.
///
/// # Errors
/// `unavailable` on platforms that cannot tell.
pub fn listening() -> Result<Vec<Listener>, Error> {
    backend::sockets::listening()
}
