//! Where a value of the configuration came from. Owns the wording of places; knows no key.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value as Json, json};

/// Who said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The embedded `config/default.toml`.
    Default,
    /// A configuration file.
    File(Arc<Path>),
    /// An environment variable, by its name.
    Environment(Arc<str>),
    /// An argument of the command line, as it was given.
    CommandLine(Arc<str>),
}

/// A place in one of the sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The source.
    pub origin: Origin,
    /// Counted from 1; 0 where the source has no lines.
    pub line: u32,
    /// Counted from 1 in characters; 0 where the source has no lines.
    pub column: u32,
}

impl Place {
    /// A place in a source that has no lines.
    pub(super) fn whole(origin: Origin) -> Self {
        Self { origin, line: 0, column: 0 }
    }

    /// As `config show --json` writes it.
    pub(super) fn to_json(&self) -> Json {
        match &self.origin {
            Origin::Default => json!({ "source": "default", "line": self.line }),
            Origin::File(path) => json!({ "source": "file", "file": path.to_string_lossy(), "line": self.line }),
            Origin::Environment(name) => json!({ "source": "environment", "variable": &**name }),
            Origin::CommandLine(argument) => json!({ "source": "command line", "argument": &**argument }),
        }
    }
}

/// `file:line:column`, which editors and terminals can jump to.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Default => f.write_str("default.toml")?,
            Origin::File(path) => write!(f, "{}", path.display())?,
            Origin::Environment(name) => write!(f, "environment {name}")?,
            Origin::CommandLine(argument) => write!(f, "command line {argument}")?,
        }
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if self.column > 0 {
            write!(f, ":{}", self.column)?;
        }
        Ok(())
    }
}
