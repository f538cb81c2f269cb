//! The language of `when` and `clear_when`.
//!
//! ```text
//! clock.offset_seconds.abs > 30
//! daemon.failed_count >= 3
//! daemon("relayCore").status == "failed"
//! daemon("*").memory_bytes > 2GiB and daemon("*").uptime_seconds > 10m
//! system.filesystem.utilization{system.filesystem.mountpoint!="/boot"} > 90%
//! max(system.cpu.logical.utilization) > 0.95
//! findings(severity >= "high" and collector == "anomaly").count > 0
//! finding(severity == "critical")
//! overall >= "unhealthy"
//! no_data(clock.offset_seconds)
//! ```
//!
//! | what | is |
//! | --- | --- |
//! | `overall`, `clock.status`, `clock.offset_seconds`, `uptime_seconds`, `daemon.failed_count`, ... | a figure of the last heartbeat (`fields::FIELDS`) |
//! | `daemon("NAME").FIELD` | a figure of one daemon (`fields::DAEMON_FIELDS`); `daemon("*")` is each of them by itself |
//! | `findings(FILTER).count` | how many findings are open; the filter compares `severity`, `collector`, `fingerprint`, `title`, `source`, `count` |
//! | `finding(FILTER)` | each open finding by itself |
//! | any other dotted name | a metric, of a histogram its mean; `{label="x", other=~"y.*"}` chooses series; `metric("NAME")` where the name is one of the above |
//! | `X.abs`, `abs(X)` | without its sign |
//! | `max(X)`, `min(X)`, `sum(X)`, `avg(X)`, `count(X)` | of all series of a metric, or of all daemons |
//! | `no_data(X)` | whether there is nothing to judge by |
//! | `30s`, `5m`, `90%`, `2GiB` | seconds, a share, bytes |
//! | `and`, `or`, `not`, `== != < <= > >= =~ !~`, `+ - * /` | as everywhere; `=~` asks that a regular expression matches all of a text |
//!
//! What has several series is an alert of its own for each. Where a condition names several such things, those go
//! together whose labels do not contradict each other.
//!
//! Nothing is judged by what is not there: a comparison with no data is neither true nor false, `and` and `or` follow
//! where one side alone decides, and what is left over is no data.
//!
//! Owns: the grammar, its types, and what a condition comes to. Must not know: what becomes of an alert.

mod fields;
mod judge;
mod parse;
mod token;
mod tree;

use std::collections::BTreeMap;

pub use judge::{Judgement, MAX_INSTANCES};
pub(super) use parse::whole;
use tree::Node;

/// What tells one thing that a rule holds of from another: label names and values.
pub type Subject = BTreeMap<String, String>;

/// What is wrong with a condition, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at column {column}{}", .hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default())]
pub struct Flaw {
    /// The character at which it stands, counted from 1.
    pub column: usize,
    /// What is wrong, without a full stop.
    pub problem: String,
    /// How to mend it.
    pub hint: Option<String>,
}

impl Flaw {
    pub(super) fn at(column: usize, problem: impl Into<String>) -> Self {
        Self { column, problem: problem.into(), hint: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// A condition that was understood.
#[derive(Debug, Clone)]
pub struct Expression {
    text: String,
    root: Node,
}

impl Expression {
    /// Reads a condition. `daemons` are the names that are watched: another name is a flaw.
    pub fn parse(text: &str, daemons: &[&str]) -> Result<Self, Flaw> {
        let root = parse::parse(text, daemons)?;
        Ok(Self { text: text.to_owned(), root })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
