//! What ghostd refuses from a collector, asserted in its tests already.

use std::collections::BTreeSet;

use crate::limits::{MAX_FINGERPRINT_BYTES, MAX_TITLE_BYTES, MAX_VALUE_BYTES, MAX_WARNING_BYTES, MAX_WARNINGS};
use crate::{Attribute, Descriptor, Finding, Metric, Reading, Section, Value};

/// The most labels of one metric point.
const MAX_LABELS: usize = 16;
/// The longest name of an attribute, in bytes.
const MAX_NAME_BYTES: usize = 128;

/// # Panics
/// At the first thing that breaks the contract.
pub(super) fn check(descriptor: &Descriptor, sections: &[Section]) {
    if let Some(schema) = &descriptor.config_schema {
        assert!(
            serde_json::from_str::<serde_json::Value>(schema).is_ok_and(|schema| schema.is_object()),
            "the configuration's schema is no JSON object"
        );
    }
    let mut seen = BTreeSet::new();
    for section in sections {
        let key = &section.key;
        assert!(descriptor.sections.contains(key), "section `{key}` is not in the descriptor");
        assert!(seen.insert(key), "section `{key}` is there twice");
        assert!(section.schema.contains('/'), "schema `{}` has no version", section.schema);
        let body = serde_json::from_str::<serde_json::Value>(&section.body);
        assert!(body.is_ok_and(|body| body.is_object()), "the body of `{key}` is no JSON object");
        assert!(section.warnings.len() <= MAX_WARNINGS, "section `{key}` has too many warnings");
        for warning in &section.warnings {
            assert!(warning.len() <= MAX_WARNING_BYTES, "a warning is too long: `{warning}`");
        }
        section.metrics.iter().for_each(check_metric);
        section.findings.iter().for_each(check_finding);
        check_attributes(&section.attributes);
    }
}

fn check_metric(metric: &Metric) {
    let name = &metric.name;
    assert!(is_name(name), "metric name `{name}`");
    assert!(metric.labels.len() <= MAX_LABELS, "metric `{name}` has too many labels");
    check_attributes(&metric.labels);
    match &metric.reading {
        Reading::Gauge(value) => assert!(value.is_finite(), "metric `{name}` is not finite"),
        Reading::Counter(_) => {}
        Reading::Histogram(histogram) => {
            assert!(histogram.buckets.len() <= 64, "metric `{name}` has too many buckets");
            assert!(
                histogram.buckets.is_sorted_by(|a, b| a.upper_bound < b.upper_bound),
                "buckets of `{name}` do not ascend"
            );
        }
    }
}

fn check_finding(finding: &Finding) {
    let fingerprint = &finding.fingerprint;
    assert!(!fingerprint.is_empty() && fingerprint.len() <= MAX_FINGERPRINT_BYTES, "fingerprint `{fingerprint}`");
    assert!(!finding.title.is_empty() && finding.title.len() <= MAX_TITLE_BYTES, "title of `{fingerprint}`");
    assert!(!finding.title.contains('\n'), "title of `{fingerprint}` has several lines");
    check_attributes(&finding.attributes);
}

fn check_attributes(attributes: &[Attribute]) {
    for Attribute { key, value } in attributes {
        assert!(is_name(key) && !key.starts_with("ghost."), "attribute name `{key}`");
        match value {
            Value::S(text) => assert!(text.len() <= MAX_VALUE_BYTES, "attribute `{key}` is too long"),
            Value::F(number) => assert!(number.is_finite(), "attribute `{key}` is not finite"),
            Value::U(_) | Value::I(_) | Value::B(_) => {}
        }
    }
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.'))
}
