//! What could not be done, as a person and as a program are told.

use std::process::ExitCode;

use super::output;
use crate::chain::chain;

/// Why a command did not do what it was asked. Exit status 2.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// A failure in one line, or in one line per fault.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// The same with what to do about it.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Tells it on standard error and gives the exit status.
    pub(crate) fn report(&self, json: bool) -> ExitCode {
        if json {
            let document = serde_json::json!({"error": self.message, "hint": self.hint});
            output::print_json(&document);
        }
        output::complain(&self.message);
        if let Some(hint) = &self.hint {
            output::complain(&format!("hint: {hint}"));
        }
        ExitCode::from(2)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(chain(&error))
    }
}
