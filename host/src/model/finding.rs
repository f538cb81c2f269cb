//! Findings: what is wrong, or was.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Attributes, Wall};

/// How much a finding matters to somebody on call, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing when looking at the machine anyway.
    Low,
    /// Worth looking at during the day.
    Medium,
    /// Something does not work.
    High,
    /// Data or the machine is at stake.
    Critical,
}

/// A finding as a collector returned it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Stable for the same kind of trouble; unique within its collector.
    pub fingerprint: String,
    /// How much it matters.
    pub severity: Severity,
    /// One line that somebody can act on.
    pub title: String,
    /// More.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Where it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// How often it was seen in all.
    pub count: u64,
    /// When it was first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<Wall>,
    /// When it was last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Wall>,
    /// Whether it is over.
    pub resolved: bool,
    /// Further facts.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
}

/// What became of a finding since the previous snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingState {
    /// Open, and was open before.
    Open,
    /// Open, and was not in the previous snapshot.
    Opened,
    /// Was resolved since the previous snapshot.
    Resolved,
}

/// A finding as a snapshot shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotFinding {
    /// Which collector reports it.
    pub collector: String,
    /// What became of it.
    pub state: FindingState,
    /// The finding itself.
    #[serde(flatten)]
    pub finding: Finding,
}
