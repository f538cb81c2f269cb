//! The units of the service manager.

pub use crate::bindings::ghost::host::units::Unit;

use super::backend;
use crate::Error;

/// All units that are loaded, at most 4,096.
///
/// # Errors
/// `unavailable` where there is no service manager that answers.
pub fn all() -> Result<Vec<Unit>, Error> {
    backend::units::all()
}
