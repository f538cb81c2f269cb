//! What a daemon can be.

use serde::{Deserialize, Serialize};

/// The state of a daemon. A maintenance window is not one: it stands beside it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It was never seen to run, or it cannot be looked at. It counts in no denominator.
    #[default]
    Unknown,
    /// It runs.
    Running,
    /// It runs, and is another process than before since a short while.
    Restarted,
    /// It is stopped, by a signal or by a debugger.
    Paused,
    /// It ran, and does not any more.
    Failed,
}

impl Status {
    /// Whether it does what it is there for.
    #[must_use]
    pub fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Restarted)
    }
}
