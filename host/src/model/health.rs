//! How a collector is doing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Digest, Wall};

/// How the last call of a collector ended, or why there was none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// It returned sections.
    Ok,
    /// It was not called yet.
    Pending,
    /// It returned a failure of its own.
    Failed,
    /// It was still running at its deadline.
    TimedOut,
    /// It trapped: a panic, an access out of bounds, an import that is not granted.
    Trapped,
    /// It reached a limit other than time: memory, results, host calls.
    LimitExceeded,
    /// What it returned was not valid.
    Invalid,
    /// It was refused before anything ran: grants, hash, contract, configuration.
    Refused,
    /// It failed too often in a row and is left alone until its next try.
    Quarantined,
}

impl CallOutcome {
    /// The word that is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Pending => "pending",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Trapped => "trapped",
            Self::LimitExceeded => "limit_exceeded",
            Self::Invalid => "invalid",
            Self::Refused => "refused",
            Self::Quarantined => "quarantined",
        }
    }
}

/// One collector in a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CollectorHealth {
    /// Its name in the configuration.
    pub name: String,
    /// What it says its version is; absent when it could not be loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// SHA-256 of the component's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// How its last call ended.
    pub status: CallOutcome,
    /// Why, where it did not end well: which limit, its value, what was used; the panic's message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long the last call took, in milliseconds of wall-clock time.
    pub duration_ms: f64,
    /// The most memory that it had in the last call, in bytes, all its memories together.
    pub peak_memory_bytes: u64,
    /// When it last returned sections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Wall>,
    /// Failures in a row.
    pub consecutive_failures: u32,
    /// Calls since ghostd started.
    pub calls: u64,
    /// Calls that failed since ghostd started.
    pub failures: u64,
    /// Median and 95th percentile of the duration of the last calls, in milliseconds.
    pub p50_ms: f64,
    /// See `p50_ms`.
    pub p95_ms: f64,
    /// Host calls that were refused, since ghostd started.
    pub denied_calls: u64,
    /// Log lines that were dropped beyond the quota, since ghostd started.
    pub dropped_log_lines: u64,
    /// Schedules that came while the previous call was still running, since ghostd started.
    pub missed: u64,
}
