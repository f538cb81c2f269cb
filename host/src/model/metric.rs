//! Metrics in OpenTelemetry's terms.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Attributes;

/// One bucket of a histogram, not cumulative.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bucket {
    /// The inclusive upper bound; absent for the last, unbounded one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper_bound: Option<f64>,
    /// Observations in this bucket alone.
    pub count: u64,
}

/// A distribution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Histogram {
    /// Ascending by bound.
    pub buckets: Vec<Bucket>,
    /// The sum of all observations, in the metric's unit.
    pub sum: f64,
    /// The number of all observations.
    pub count: u64,
}

/// What a metric read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// A value that goes up and down.
    Gauge(f64),
    /// A total that only grows until what it counts starts anew.
    Counter(u64),
    /// A distribution.
    Histogram(Histogram),
}

/// One point as a collector returned it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Metric {
    /// Dotted, lower-case, without the unit.
    pub name: String,
    /// UCUM, base units; empty for none.
    pub unit: String,
    /// What was read.
    pub reading: Reading,
    /// What tells this point from others of the same name.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub labels: Attributes,
}

/// One point of a family in a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricPoint {
    /// What tells this point from others of the family.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub labels: Attributes,
    /// What was read.
    #[serde(flatten)]
    pub reading: Reading,
}

/// All points of one name in a snapshot, so that name and unit are written once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricFamily {
    /// Which collector they come from.
    pub collector: String,
    /// Dotted, lower-case, without the unit.
    pub name: String,
    /// UCUM, base units; empty for none.
    pub unit: String,
    /// In the order in which the collector returned them.
    pub points: Vec<MetricPoint>,
}
