//! What a guest returned is network input: everything that is held against it before it counts as a section.
//!
//! Owns: the limits of the contract (`wit/collector.wit` names them item by item). Must not know: what a
//! section means, where it goes.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::bindings::ghost::collector::types as wit;
use super::strict_json;
use crate::model::{
    Attributes, Bucket, Completeness, Finding, Histogram, Metric, Reading, Section, Severity, Value, Wall,
};

/// Metric points of one call. More are dropped and counted: each is a series that is kept for days.
pub const MAX_METRICS: usize = 2_000;
/// Labels of one point.
pub const MAX_LABELS: usize = 16;
/// Findings of one call. More are dropped and counted.
pub const MAX_FINDINGS: usize = 2_000;
/// Attributes of one record.
pub const MAX_ATTRIBUTES: usize = 64;
/// Warnings of one section.
pub const MAX_WARNINGS: usize = 64;
/// Bytes of a warning, a finding's title.
pub const MAX_SHORT_TEXT: usize = 512;
/// Bytes of a finding's detail.
pub const MAX_DETAIL: usize = 16 << 10;
/// Bytes of an attribute's text and of a finding's source.
pub const MAX_VALUE_TEXT: usize = 4096;
/// Bytes of a name: an attribute, a metric, a fingerprint, a schema.
pub const MAX_NAME: usize = 128;
/// Section keys that belong to the host.
pub const RESERVED_KEYS: [&str; 4] = ["ghost", "host", "store", "findings"];

/// Why what a guest returned is not a section.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {fault}")]
pub struct Invalid {
    /// `section clock`, `descriptor`.
    pub place: String,
    /// What is wrong there.
    pub fault: String,
}

impl Invalid {
    fn new(place: impl Into<String>, fault: impl Into<String>) -> Self {
        Self { place: place.into(), fault: fault.into() }
    }
}

/// What a collector says of itself, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Descriptor {
    /// Its own name; the configuration's may differ.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One line.
    pub summary: String,
    /// The sections that it may return.
    pub sections: Vec<String>,
    /// The schema of its configuration.
    pub config_schema: Option<Json>,
    /// Further facts.
    pub attributes: Attributes,
}

/// Checks a descriptor.
pub fn descriptor(raw: wit::Descriptor) -> Result<Descriptor, Invalid> {
    let wrong = |fault: String| Invalid::new("descriptor", fault);
    let name_fits = |name: &str| {
        (1..=64).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if !name_fits(&raw.name) {
        return Err(wrong(format!("the name `{}` is not 1 to 64 of a-z, 0-9 and -", shown(&raw.name))));
    }
    if raw.version.is_empty() || raw.version.len() > MAX_NAME || !raw.version.is_ascii() {
        return Err(wrong("the version is empty, too long or not ASCII".to_owned()));
    }
    if raw.sections.is_empty() || raw.sections.len() > 16 {
        return Err(wrong(format!("it names {} sections, and 1 to 16 are allowed", raw.sections.len())));
    }
    let mut seen = BTreeSet::new();
    for key in &raw.sections {
        check_key(key).map_err(wrong)?;
        if !seen.insert(key) {
            return Err(wrong(format!("it names the section `{key}` twice")));
        }
    }
    let config_schema = match &raw.config_schema {
        None => None,
        Some(text) if text.len() > 64 << 10 => {
            return Err(wrong(format!("the configuration schema has {} bytes, more than 65536", text.len())));
        }
        Some(text) => {
            Some(strict_json::parse(text).map_err(|fault| wrong(format!("the configuration schema: {fault}")))?)
        }
    };
    Ok(Descriptor {
        name: raw.name,
        version: raw.version,
        summary: cut(clean_line(&raw.summary), 256),
        sections: raw.sections,
        config_schema,
        attributes: attributes(raw.attributes, "descriptor")?,
    })
}

fn check_key(key: &str) -> Result<(), String> {
    let fits = (1..=64).contains(&key.len())
        && key.starts_with(|c: char| c.is_ascii_lowercase())
        && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !fits {
        return Err(format!("the section key `{}` is not 1 to 64 of a-z, 0-9 and _", shown(key)));
    }
    if RESERVED_KEYS.contains(&key) {
        return Err(format!("the section key `{key}` belongs to the host"));
    }
    Ok(())
}

/// Checks all that one call returned. What is over a count is dropped with a warning; what is wrong in itself
/// refuses the call, because a collector that returns nonsense in one place is not to be believed in another.
pub fn sections(raw: Vec<wit::Section>, allowed: &[String]) -> Result<Vec<Section>, Invalid> {
    let mut seen = BTreeSet::new();
    let (mut metrics_left, mut findings_left) = (MAX_METRICS, MAX_FINDINGS);
    let mut checked = Vec::with_capacity(raw.len().min(16));
    for one in raw {
        if !allowed.contains(&one.key) {
            return Err(Invalid::new(
                format!("section `{}`", shown(&one.key)),
                format!("its descriptor names only {}", allowed.join(", ")),
            ));
        }
        if !seen.insert(one.key.clone()) {
            return Err(Invalid::new(format!("section `{}`", one.key), "returned twice"));
        }
        checked.push(section(one, &mut metrics_left, &mut findings_left)?);
    }
    Ok(checked)
}

fn section(raw: wit::Section, metrics_left: &mut usize, findings_left: &mut usize) -> Result<Section, Invalid> {
    let place = format!("section `{}`", raw.key);
    let wrong = |fault: String| Invalid::new(place.clone(), fault);
    if raw.schema.is_empty() || raw.schema.len() > MAX_NAME || raw.schema.contains(char::is_control) {
        return Err(wrong("the schema is empty, too long or has control characters".to_owned()));
    }
    let body = strict_json::parse(&raw.body).map_err(|fault| wrong(format!("the body: {fault}")))?;
    if !body.is_object() {
        return Err(wrong("the body is not a JSON object".to_owned()));
    }
    let mut warnings: Vec<String> =
        raw.warnings.iter().take(MAX_WARNINGS).map(|text| cut(clean_line(text), MAX_SHORT_TEXT)).collect();
    if raw.warnings.len() > MAX_WARNINGS {
        warnings.push(format!("{} further warnings were dropped", raw.warnings.len() - MAX_WARNINGS));
    }
    let dropped_metrics = raw.metrics.len().saturating_sub(*metrics_left);
    let dropped_findings = raw.findings.len().saturating_sub(*findings_left);
    let metrics =
        raw.metrics.into_iter().take(*metrics_left).map(|raw| metric(raw, &place)).collect::<Result<Vec<_>, _>>()?;
    let mut fingerprints = BTreeSet::new();
    let mut findings = Vec::with_capacity(raw.findings.len().min(*findings_left));
    for raw in raw.findings.into_iter().take(*findings_left) {
        let finding = finding(raw, &place)?;
        if !fingerprints.insert(finding.fingerprint.clone()) {
            return Err(wrong(format!("the finding `{}` is there twice", finding.fingerprint)));
        }
        findings.push(finding);
    }
    *metrics_left -= metrics.len();
    *findings_left -= findings.len();
    if dropped_metrics > 0 {
        warnings.push(format!("{dropped_metrics} metric points beyond {MAX_METRICS} were dropped"));
    }
    if dropped_findings > 0 {
        warnings.push(format!("{dropped_findings} findings beyond {MAX_FINDINGS} were dropped"));
    }
    let dropped = dropped_metrics + dropped_findings > 0;
    Ok(Section {
        completeness: match raw.completeness {
            wit::Completeness::Complete if !dropped => Completeness::Complete,
            _ => Completeness::Partial,
        },
        attributes: attributes(raw.attributes, &place)?,
        key: raw.key,
        schema: raw.schema,
        warnings,
        body,
        metrics,
        findings,
    })
}

fn metric(raw: wit::Metric, place: &str) -> Result<Metric, Invalid> {
    let wrong = |fault: String| Invalid::new(format!("{place}: metric `{}`", shown(&raw.name)), fault);
    if !is_name(&raw.name) {
        return Err(wrong("the name is not 1 to 128 of a-z, 0-9, _ and .".to_owned()));
    }
    if raw.unit.len() > 32 || !raw.unit.is_ascii() || raw.unit.contains(|c: char| c.is_control()) {
        return Err(wrong("the unit is no UCUM unit of at most 32 bytes".to_owned()));
    }
    if raw.labels.len() > MAX_LABELS {
        return Err(wrong(format!("it has {} labels, more than {MAX_LABELS}", raw.labels.len())));
    }
    let finite = |value: f64| if value.is_finite() { Ok(value) } else { Err(wrong(format!("its value is {value}"))) };
    let reading = match raw.reading {
        wit::Reading::Gauge(value) => Reading::Gauge(finite(value)?),
        wit::Reading::Counter(value) => Reading::Counter(value),
        wit::Reading::Histogram(ref raw) => {
            if raw.buckets.len() > 64 {
                return Err(wrong(format!("it has {} buckets, more than 64", raw.buckets.len())));
            }
            let mut buckets = Vec::with_capacity(raw.buckets.len());
            let mut before = f64::NEG_INFINITY;
            for bucket in &raw.buckets {
                if bucket.upper_bound.is_nan() || bucket.upper_bound <= before {
                    return Err(wrong("the bounds of its buckets do not ascend".to_owned()));
                }
                before = bucket.upper_bound;
                let upper_bound = bucket.upper_bound.is_finite().then_some(bucket.upper_bound);
                buckets.push(Bucket { upper_bound, count: bucket.count });
            }
            Reading::Histogram(Histogram { buckets, sum: finite(raw.sum)?, count: raw.count })
        }
    };
    let labels = attributes(raw.labels, place)?;
    Ok(Metric { name: raw.name, unit: raw.unit, reading, labels })
}

fn finding(raw: wit::Finding, place: &str) -> Result<Finding, Invalid> {
    let fits = (1..=MAX_NAME).contains(&raw.fingerprint.len())
        && raw.fingerprint.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:/-".contains(&b));
    let place = format!("{place}: finding `{}`", shown(&raw.fingerprint));
    if !fits {
        return Err(Invalid::new(place, "the fingerprint is not 1 to 128 of A-Z, a-z, 0-9, _ . : / and -"));
    }
    if raw.title.trim().is_empty() {
        return Err(Invalid::new(place, "the title is empty"));
    }
    Ok(Finding {
        severity: match raw.severity {
            wit::Severity::Low => Severity::Low,
            wit::Severity::Medium => Severity::Medium,
            wit::Severity::High => Severity::High,
            wit::Severity::Critical => Severity::Critical,
        },
        title: cut(clean_line(&raw.title), MAX_SHORT_TEXT),
        detail: raw.detail.map(|text| cut(text, MAX_DETAIL)),
        source: raw.source.map(|text| cut(clean_line(&text), 1024)),
        count: raw.count,
        first_seen: raw.first_ms.map(Wall::from_millis),
        last_seen: raw.last_ms.map(Wall::from_millis),
        resolved: raw.resolved,
        attributes: attributes(raw.attributes, &place)?,
        fingerprint: raw.fingerprint,
    })
}

fn attributes(raw: Vec<wit::Attribute>, place: &str) -> Result<Attributes, Invalid> {
    if raw.len() > MAX_ATTRIBUTES {
        return Err(Invalid::new(place, format!("{} attributes, more than {MAX_ATTRIBUTES}", raw.len())));
    }
    let mut attributes = Attributes::new();
    for wit::Attribute { key, value } in raw {
        let wrong = |fault: &str| Invalid::new(format!("{place}: attribute `{}`", shown(&key)), fault);
        if !is_name(&key) {
            return Err(wrong("the name is not 1 to 128 of a-z, 0-9, _ and ."));
        }
        if key.starts_with("ghost.") {
            return Err(wrong("names that begin with `ghost.` belong to the host"));
        }
        let value = match value {
            wit::Value::U(value) => Value::Unsigned(value),
            wit::Value::I(value) => u64::try_from(value).map_or(Value::Signed(value), Value::Unsigned),
            wit::Value::F(value) if value.is_finite() => Value::Float(value),
            wit::Value::F(_) => return Err(wrong("it is no finite number")),
            wit::Value::B(value) => Value::Bool(value),
            wit::Value::S(text) if text.len() > MAX_VALUE_TEXT => {
                return Err(wrong("its text is longer than 4096 bytes"));
            }
            wit::Value::S(text) => Value::Text(text),
        };
        if attributes.insert(key.clone(), value).is_some() {
            return Err(wrong("it is there twice"));
        }
    }
    Ok(attributes)
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'.')
}

/// A text from a guest as it may stand in a message.
fn shown(text: &str) -> String {
    cut(clean_line(text), 80)
}

fn clean_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// Cuts at a character boundary, and shows that something was cut.
fn cut(mut text: String, max_bytes: usize) -> String {
    if text.len() > max_bytes {
        let mut end = max_bytes.saturating_sub('…'.len_utf8());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(key: &str, body: &str) -> wit::Section {
        wit::Section {
            key: key.to_owned(),
            schema: "test/1".to_owned(),
            completeness: wit::Completeness::Complete,
            warnings: vec![],
            body: body.to_owned(),
            metrics: vec![],
            findings: vec![],
            attributes: vec![],
        }
    }

    fn gauge(name: &str, value: f64) -> wit::Metric {
        wit::Metric { name: name.to_owned(), unit: "s".to_owned(), reading: wit::Reading::Gauge(value), labels: vec![] }
    }

    #[track_caller]
    fn refused(section: wit::Section, because: &str) {
        let error = sections(vec![section], &["a".to_owned()]).unwrap_err().to_string();
        assert!(error.contains(because), "`{error}` does not say `{because}`");
    }

    #[test]
    fn a_section_must_be_its_own_and_an_object() {
        refused(raw("b", "{}"), "its descriptor names only a");
        refused(raw("a", "[]"), "not a JSON object");
        refused(raw("a", "{"), "the body");
        refused(raw("a", r#"{"x":1,"x":2}"#), "twice");
        let twice = sections(vec![raw("a", "{}"), raw("a", "{}")], &["a".to_owned()]).unwrap_err();
        assert!(twice.to_string().contains("returned twice"));
    }

    #[test]
    fn numbers_that_json_does_not_know_are_refused() {
        refused(wit::Section { metrics: vec![gauge("up", f64::NAN)], ..raw("a", "{}") }, "NaN");
        refused(wit::Section { metrics: vec![gauge("Up Time", 1.0)], ..raw("a", "{}") }, "the name is not");
    }

    #[test]
    fn what_is_the_hosts_cannot_be_taken() {
        let attribute = wit::Attribute { key: "ghost.verdict".to_owned(), value: wit::Value::B(true) };
        refused(wit::Section { attributes: vec![attribute], ..raw("a", "{}") }, "belong to the host");
        let descriptor = wit::Descriptor {
            name: "x".to_owned(),
            version: "1".to_owned(),
            summary: String::new(),
            sections: vec!["host".to_owned()],
            config_schema: None,
            attributes: vec![],
        };
        assert!(super::descriptor(descriptor).unwrap_err().to_string().contains("belongs to the host"));
    }

    #[test]
    fn too_many_points_are_dropped_and_said() {
        let metrics = (0..MAX_METRICS + 5).map(|i| gauge(&format!("m{i}"), 1.0)).collect();
        let checked = sections(vec![wit::Section { metrics, ..raw("a", "{}") }], &["a".to_owned()]).unwrap();
        assert_eq!(checked[0].metrics.len(), MAX_METRICS);
        assert_eq!(checked[0].completeness, Completeness::Partial);
        assert!(checked[0].warnings[0].starts_with("5 metric points"));
    }

    #[test]
    fn control_characters_do_not_reach_a_title() {
        let finding = wit::Finding {
            fingerprint: "f".to_owned(),
            severity: wit::Severity::Low,
            title: "a\x1b[2Jb\nc".to_owned(),
            detail: None,
            source: None,
            count: 1,
            first_ms: None,
            last_ms: Some(0),
            resolved: false,
            attributes: vec![],
        };
        let checked = sections(vec![wit::Section { findings: vec![finding], ..raw("a", "{}") }], &["a".to_owned()]);
        assert_eq!(checked.unwrap()[0].findings[0].title, "a [2Jb c");
    }
}
