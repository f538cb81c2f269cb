//! A private key-value store that outlives the call, the daemon and the machine's reboot.
//!
//! What is set is seen at once by the call that set it, and kept only if that call succeeds in time. So
//! a count that lives here is right even where a call is repeated.

use serde::{Serialize, de::DeserializeOwned};

use super::backend;
use crate::Error;

/// The value under a key, if it is there and can be read as a `T`.
///
/// A value of another shape, left by an earlier version of the collector, counts as none: a collector
/// that cannot read its own past must start anew rather than fail for ever. It is told in the log.
#[must_use]
pub fn load<T: DeserializeOwned>(key: &str) -> Option<T> {
    let text = get(key)?;
    match serde_json::from_str(&text) {
        Ok(value) => Some(value),
        Err(error) => {
            super::log::warn(&format!("state `{key}` is not readable and is ignored: {error}"));
            None
        }
    }
}

/// Sets a key to the JSON of a value.
///
/// # Errors
/// `exhausted` when the quota would be exceeded, `invalid` when the value has no JSON form.
pub fn store<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<(), Error> {
    let text = serde_json::to_string(value)
        .map_err(|error| Error::Invalid(format!("value of state `{key}` has no JSON form: {error}")))?;
    set(key, &text)
}

/// The JSON text under a key, or none.
#[must_use]
pub fn get(key: &str) -> Option<String> {
    backend::state::get(key)
}

/// Sets a key (1 to 128 bytes) to JSON text. Secrets in it are removed before it is written to disk.
///
/// # Errors
/// `exhausted` when the quota (512 KiB by default, keys included) would be exceeded, `invalid` when the
/// value is not JSON.
pub fn set(key: &str, value: &str) -> Result<(), Error> {
    backend::state::set(key, value)
}

/// Removes a key; one that is not there is no error.
pub fn remove(key: &str) {
    backend::state::remove(key);
}

/// All keys, sorted.
#[must_use]
pub fn keys() -> Vec<String> {
    backend::state::keys()
}
