//! What ghostd's own prober found out about the targets that the configuration names.

pub use crate::bindings::ghost::host::probe::{Observation, Outcome};

use super::backend;
use crate::Error;

/// The latest observation of every target, each with its age.
///
/// # Errors
/// What keeps ghostd from probing at all. A target that does not answer is an observation.
pub fn latest() -> Result<Vec<Observation>, Error> {
    backend::probe::latest()
}
