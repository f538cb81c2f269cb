//! The two error types of the contract, with the texts that people read.
//!
//! They stand in for the generated ones, whose `Display` is that of `Debug`. Their cases must be
//! those of `wit/`, in that order: the bindings match on every one of them.

use std::fmt;

/// Why a host function could not answer (`ghost:host/types.error`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The configuration does not allow it; the text names the line that would.
    Denied(String),
    /// The operating system refused it: permissions, hidepid, a namespace.
    Forbidden(String),
    /// It is not there: a file that does not exist, a process that has ended.
    NotFound(String),
    /// This platform, or this version of ghostd, cannot tell.
    Unavailable(String),
    /// It is being determined and there is no earlier result: a mount that does not answer.
    Pending(String),
    /// The argument makes no sense.
    Invalid(String),
    /// A limit was reached; the text says which, its value and what was asked for.
    Exhausted(String),
    /// Reading failed.
    Io(String),
}

/// Why nothing could be collected at all (`ghost:collector/types.failure`). What could be collected in
/// part is a partial section instead: see [`crate::Section::warn`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The configuration is wrong in a way that its schema cannot say.
    Config(String),
    /// Something that is needed was refused by the host or the machine.
    Denied(String),
    /// What is observed is not there (yet): the next call may succeed.
    Unavailable(String),
    /// A fault of the collector's own.
    Internal(String),
}

impl Error {
    /// The host's text without the kind.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Denied(text)
            | Self::Forbidden(text)
            | Self::NotFound(text)
            | Self::Unavailable(text)
            | Self::Pending(text)
            | Self::Invalid(text)
            | Self::Exhausted(text)
            | Self::Io(text) => text,
        }
    }

    /// The kind in the contract's word: `denied`, `not-found`, ...
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Denied(_) => "denied",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) => "not-found",
            Self::Unavailable(_) => "unavailable",
            Self::Pending(_) => "pending",
            Self::Invalid(_) => "invalid",
            Self::Exhausted(_) => "exhausted",
            Self::Io(_) => "io",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        f.write_str(": ")?;
        f.write_str(self.message())
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, text) = match self {
            Self::Config(text) => ("config", text),
            Self::Denied(text) => ("denied", text),
            Self::Unavailable(text) => ("unavailable", text),
            Self::Internal(text) => ("internal", text),
        };
        f.write_str(kind)?;
        f.write_str(": ")?;
        f.write_str(text)
    }
}

impl std::error::Error for Failure {}

/// So that `?` turns an answer without which nothing can be said into the collector's failure.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(text) | Error::Forbidden(text) => Self::Denied(text),
            Error::NotFound(text) | Error::Unavailable(text) | Error::Pending(text) | Error::Io(text) => {
                Self::Unavailable(text)
            }
            Error::Invalid(text) | Error::Exhausted(text) => Self::Internal(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_as_its_kind_and_text() {
        let error = Error::NotFound("no file `a`".to_owned());
        assert_eq!(error.to_string(), "not-found: no file `a`");
        assert_eq!(Failure::from(error), Failure::Unavailable("no file `a`".to_owned()));
    }
}
