//! Why the machine could not be asked: one to one the `error` of `ghost:host/types`.

use std::io;

/// The result of a probe.
pub type Result<T> = std::result::Result<T, Error>;

/// Why there is no answer. The texts say what was asked for, and a hint where there is one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The configuration does not allow it.
    #[error("denied: {0}")]
    Denied(String),
    /// The operating system refused it: permissions, hidepid, a namespace, a link out of its root.
    #[error("forbidden: {0}")]
    Forbidden(String),
    /// It is not there, or no longer.
    #[error("not found: {0}")]
    NotFound(String),
    /// This platform cannot tell.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// It is being determined and there is no result yet.
    #[error("pending: {0}")]
    Pending(String),
    /// The argument makes no sense.
    #[error("invalid: {0}")]
    Invalid(String),
    /// A limit was reached; the text says which, its value, and what was asked for.
    #[error("exhausted: {0}")]
    Exhausted(String),
    /// Reading failed.
    #[error("cannot read: {0}")]
    Io(String),
}

impl Error {
    /// An error of the operating system, told apart by what can be done about it. `what` says what was tried.
    pub fn from_io(what: &str, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::NotFound(what.to_owned()),
            io::ErrorKind::PermissionDenied => Self::Forbidden(format!("{what}: {error}")),
            io::ErrorKind::Unsupported => Self::Unavailable(format!("{what}: {error}")),
            _ => match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
                // A process that ended between open and read answers ESRCH.
                Some(rustix::io::Errno::SRCH) => Self::NotFound(what.to_owned()),
                Some(rustix::io::Errno::PERM) => Self::Forbidden(format!("{what}: {error}")),
                Some(rustix::io::Errno::OPNOTSUPP) => Self::Unavailable(format!("{what}: {error}")),
                Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => {
                    Self::Exhausted(format!("{what}: {error} (raise the limit of open files)"))
                }
                _ => Self::Io(format!("{what}: {error}")),
            },
        }
    }

    /// The same for an error of rustix.
    pub(crate) fn from_errno(what: &str, errno: rustix::io::Errno) -> Self {
        Self::from_io(what, &io::Error::from(errno))
    }

    /// Whether it says that something is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_ended_while_it_was_read_is_not_found() {
        assert_eq!(Error::from_errno("process `1`", rustix::io::Errno::SRCH), Error::NotFound("process `1`".into()));
    }

    #[test]
    fn permissions_and_full_tables_are_told_apart() {
        assert!(matches!(Error::from_errno("x", rustix::io::Errno::ACCESS), Error::Forbidden(_)));
        assert!(matches!(Error::from_errno("x", rustix::io::Errno::PERM), Error::Forbidden(_)));
        assert!(matches!(Error::from_errno("x", rustix::io::Errno::MFILE), Error::Exhausted(_)));
        assert!(matches!(Error::from_errno("x", rustix::io::Errno::IO), Error::Io(_)));
    }
}
