//! The host's sanitizer as a function.
//!
//! All that a collector returns goes through it anyway. This is for what must be clean earlier, such as
//! the text from which a fingerprint is made.

use super::backend;
use crate::Error;

/// The text with every secret replaced by `[REDACTED:rule]`; one beyond 1 MiB is cut.
#[must_use]
pub fn text(text: &str) -> String {
    backend::redact::text(text)
}

/// The same for JSON text, by structure: key names decide too.
///
/// # Errors
/// `invalid` when it is not JSON.
pub fn json(text: &str) -> Result<String, Error> {
    backend::redact::json(text)
}
