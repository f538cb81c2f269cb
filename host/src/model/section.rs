//! A section as a collector returned it, after validation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Attributes, Finding, Metric};

/// Whether a section says all that it was meant to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Completeness {
    /// Everything that was asked for is there.
    Complete,
    /// Something could not be read; the warnings say what.
    Partial,
}

/// One part of a snapshot: a description of a state, never a delta.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Section {
    /// Its name in the snapshot.
    pub key: String,
    /// Name and version of the body's form, such as `ghost.clock/1`.
    pub schema: String,
    /// Whether something is missing.
    pub completeness: Completeness,
    /// What could not be read and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// A JSON object.
    pub body: serde_json::Value,
    /// Points taken with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// All that are open, and those resolved since the last call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// Further facts.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
}
