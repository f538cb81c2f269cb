//! Making sections, points and findings, in few words.

use serde_json::Value as Json;

use crate::model::{Attributes, Completeness, Finding, Metric, Reading, Section, Severity, Value, Wall};

/// How much of a section is made up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// All of its body: a snapshot is due.
    pub(super) body: bool,
    /// Its metric points.
    pub(super) points: bool,
}

/// A complete section.
pub(super) fn section(key: &str, body: Json, metrics: Vec<Metric>, findings: Vec<Finding>) -> Section {
    Section {
        key: key.to_owned(),
        schema: format!("ghost.{key}/1"),
        completeness: Completeness::Complete,
        warnings: Vec::new(),
        body,
        metrics,
        findings,
        attributes: Attributes::new(),
    }
}

/// A gauge.
pub(super) fn gauge(name: &str, unit: &str, value: f64, labels: &[(&str, &str)]) -> Metric {
    metric(name, unit, Reading::Gauge(tidy(value)), labels)
}

/// A counter.
pub(super) fn counter(name: &str, unit: &str, value: u64, labels: &[(&str, &str)]) -> Metric {
    metric(name, unit, Reading::Counter(value), labels)
}

fn metric(name: &str, unit: &str, reading: Reading, labels: &[(&str, &str)]) -> Metric {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
    Metric { name: name.to_owned(), unit: unit.to_owned(), reading, labels }
}

/// A finding that is open.
pub(super) fn finding(fingerprint: &str, severity: Severity, title: String, first: Wall, last: Wall) -> Finding {
    Finding {
        fingerprint: fingerprint.to_owned(),
        severity,
        title,
        detail: None,
        source: None,
        count: 1,
        first_seen: Some(first),
        last_seen: Some(last),
        resolved: false,
        attributes: Attributes::new(),
    }
}

/// Four digits behind the point: what is measured has no more.
pub(super) fn tidy(value: f64) -> f64 {
    if value.abs() < 0.01 { (value * 1e9).round() / 1e9 } else { (value * 1e4).round() / 1e4 }
}
