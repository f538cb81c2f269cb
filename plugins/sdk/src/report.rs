//! What a collector returns, put together piece by piece.
//!
//! The methods keep to the contract's limits by themselves: a text that is too long is cut, a reading
//! that is not finite is left out. One long line from a machine must not cost the whole section.

use std::borrow::Cow;

use serde::Serialize;

use crate::limits::{
    MAX_DETAIL_BYTES, MAX_FINGERPRINT_BYTES, MAX_SOURCE_BYTES, MAX_TITLE_BYTES, MAX_VALUE_BYTES, MAX_WARNING_BYTES,
    MAX_WARNINGS,
};
use crate::{
    Attribute, Bucket, Completeness, Descriptor, Failure, Finding, Histogram, Invocation, Metric, Reading, Section,
    Severity, Value,
};

impl Descriptor {
    /// A collector with its name (`[a-z0-9-]`, beginning with a letter), its semantic version and one
    /// line on what it is for.
    #[must_use]
    pub fn new(name: &str, version: &str, summary: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            summary: summary.to_owned(),
            sections: Vec::new(),
            config_schema: None,
            attributes: Vec::new(),
        }
    }

    /// Names a section that it may return (`[a-z0-9_]`, beginning with a letter).
    #[must_use]
    pub fn section(mut self, key: &str) -> Self {
        self.sections.push(key.to_owned());
        self
    }

    /// The JSON Schema of its configuration. Without one only `{}` is accepted.
    #[must_use]
    pub fn config_schema(mut self, schema: &str) -> Self {
        self.config_schema = Some(schema.to_owned());
        self
    }

    /// Adds an attribute.
    #[must_use]
    pub fn attribute(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.attributes.push(Attribute::new(key, value));
        self
    }
}

impl Invocation {
    /// Whether this section is wanted in this call.
    #[must_use]
    pub fn is_due(&self, section: &str) -> bool {
        self.due.iter().any(|key| key == section)
    }

    /// A fact about the host by its name, such as `host.os`.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<&Value> {
        self.attributes.iter().find(|attribute| attribute.key == key).map(|attribute| &attribute.value)
    }
}

impl Section {
    /// An empty, complete section. `key` is one that [`Descriptor::section`] named; `schema` names the
    /// form of the body and its version, such as `ghost.clock/1`.
    #[must_use]
    pub fn new(key: &str, schema: &str) -> Self {
        Self {
            key: key.to_owned(),
            schema: schema.to_owned(),
            completeness: Completeness::Complete,
            warnings: Vec::new(),
            body: "{}".to_owned(),
            metrics: Vec::new(),
            findings: Vec::new(),
            attributes: Vec::new(),
        }
    }

    /// Sets the body: a value that serialises to a JSON object. Numbers that are not finite become null.
    ///
    /// # Errors
    /// [`Failure::Internal`] where it cannot be serialised, which is a fault of the collector's.
    pub fn body(mut self, body: &impl Serialize) -> Result<Self, Failure> {
        self.body = serde_json::to_string(body)
            .map_err(|error| Failure::Internal(format!("cannot write the body of section `{}`: {error}", self.key)))?;
        Ok(self)
    }

    /// Adds a metric point, unless its reading is not finite (ghostd would refuse the section for it).
    #[must_use]
    pub fn metric(mut self, metric: Metric) -> Self {
        if metric.is_finite() {
            self.metrics.push(metric);
        }
        self
    }

    /// Adds metric points, those with readings that are not finite left out.
    #[must_use]
    pub fn metrics(mut self, metrics: impl IntoIterator<Item = Metric>) -> Self {
        self.metrics.extend(metrics.into_iter().filter(Metric::is_finite));
        self
    }

    /// Adds a finding.
    #[must_use]
    pub fn finding(mut self, finding: Finding) -> Self {
        self.findings.push(finding);
        self
    }

    /// Adds findings.
    #[must_use]
    pub fn findings(mut self, findings: impl IntoIterator<Item = Finding>) -> Self {
        self.findings.extend(findings);
        self
    }

    /// Says that something could not be read and why, and makes the section partial. Beyond
    /// [`crate::limits::MAX_WARNINGS`] they are counted in the last one.
    #[must_use]
    pub fn warn(mut self, warning: impl Into<String>) -> Self {
        self.completeness = Completeness::Partial;
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(cut(warning.into(), MAX_WARNING_BYTES));
        } else if let Some(last) = self.warnings.last_mut() {
            // The 64th itself gives way to the count, hence two when the 65th arrives.
            let more = last.strip_suffix(MORE_WARNINGS).and_then(|count| count.parse().ok()).unwrap_or(1_u64);
            *last = format!("{}{MORE_WARNINGS}", more.saturating_add(1));
        }
        self
    }

    /// Adds warnings, each as [`Section::warn`] does; none leave the section as it is.
    #[must_use]
    pub fn warnings(self, warnings: impl IntoIterator<Item = String>) -> Self {
        warnings.into_iter().fold(self, Self::warn)
    }

    /// Adds an attribute.
    #[must_use]
    pub fn attribute(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.attributes.push(Attribute::new(key, value));
        self
    }
}

const MORE_WARNINGS: &str = " more warnings";

impl Metric {
    /// A value that goes up and down. `name` as OpenTelemetry writes it, `unit` as UCUM does: `s`, `By`,
    /// `1`, `{process}`.
    #[must_use]
    pub fn gauge(name: &str, unit: &str, value: f64) -> Self {
        Self::new(name, unit, Reading::Gauge(value))
    }

    /// A total that only grows, and starts anew when what it counts does.
    #[must_use]
    pub fn counter(name: &str, unit: &str, value: u64) -> Self {
        Self::new(name, unit, Reading::Counter(value))
    }

    /// A distribution: buckets as (inclusive upper bound, observations in this bucket alone), ascending.
    #[must_use]
    pub fn histogram(name: &str, unit: &str, buckets: &[(f64, u64)], sum: f64) -> Self {
        let count = buckets.iter().map(|(_, count)| count).sum();
        let buckets = buckets.iter().map(|&(upper_bound, count)| Bucket { upper_bound, count }).collect();
        Self::new(name, unit, Reading::Histogram(Histogram { buckets, sum, count }))
    }

    /// What tells this point from others of the same name; at most 16, with few different values each.
    #[must_use]
    pub fn label(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.labels.push(Attribute::new(key, value));
        self
    }

    fn new(name: &str, unit: &str, reading: Reading) -> Self {
        Self { name: name.to_owned(), unit: unit.to_owned(), reading, labels: Vec::new() }
    }

    fn is_finite(&self) -> bool {
        match &self.reading {
            Reading::Gauge(value) => value.is_finite(),
            Reading::Counter(_) => true,
            Reading::Histogram(histogram) => histogram.sum.is_finite(),
        }
    }
}

impl Finding {
    /// Something that is wrong, seen once so far and open.
    ///
    /// `fingerprint` stays the same for the same kind of trouble, across calls, restarts and machines;
    /// it is made from text that holds no secret ([`crate::host::redact`]). Characters that may not stand
    /// in it become `_`. `title` is one line that somebody can act on.
    #[must_use]
    pub fn new(fingerprint: &str, severity: Severity, title: impl Into<String>) -> Self {
        Self {
            fingerprint: clean_fingerprint(fingerprint),
            severity,
            title: cut(title.into(), MAX_TITLE_BYTES),
            detail: None,
            source: None,
            count: 1,
            first_ms: None,
            last_ms: None,
            resolved: false,
            attributes: Vec::new(),
        }
    }

    /// More about it.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(cut(detail.into(), MAX_DETAIL_BYTES));
        self
    }

    /// Where it was seen: a file with its line, a unit, a mount.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(cut(source.into(), MAX_SOURCE_BYTES));
        self
    }

    /// How often it was seen in all, not since the last call.
    #[must_use]
    pub fn count(mut self, count: u64) -> Self {
        self.count = count;
        self
    }

    /// When it was first and last seen, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn seen(mut self, first_ms: i64, last_ms: i64) -> Self {
        self.first_ms = Some(first_ms);
        self.last_ms = Some(last_ms);
        self
    }

    /// It is over. A resolved finding is reported once more with this set.
    #[must_use]
    pub fn resolved(mut self) -> Self {
        self.resolved = true;
        self
    }

    /// Adds an attribute.
    #[must_use]
    pub fn attribute(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.attributes.push(Attribute::new(key, value));
        self
    }
}

impl Attribute {
    /// A named scalar. A text is cut at [`crate::limits::MAX_VALUE_BYTES`].
    #[must_use]
    pub fn new(key: &str, value: impl Into<Value>) -> Self {
        let value = match value.into() {
            Value::S(text) => Value::S(cut(text, MAX_VALUE_BYTES)),
            other => other,
        };
        Self { key: key.to_owned(), value }
    }
}

macro_rules! value_from {
    ($($from:ty => $case:ident as $to:ty),+ $(,)?) => {
        $(impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$case(<$to>::from(value))
            }
        })+
    };
}

value_from! {
    u8 => U as u64, u16 => U as u64, u32 => U as u64, u64 => U as u64,
    i8 => I as i64, i16 => I as i64, i32 => I as i64, i64 => I as i64,
    f32 => F as f64, f64 => F as f64,
    bool => B as bool,
    &str => S as String, String => S as String, Cow<'_, str> => S as String,
}

/// At most `limit` bytes of a text, cut at a character boundary and then ending in `…`.
fn cut(mut text: String, limit: usize) -> String {
    const ELLIPSIS: char = '…';
    if text.len() <= limit {
        return text;
    }
    let mut end = limit.saturating_sub(ELLIPSIS.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push(ELLIPSIS);
    text
}

fn clean_fingerprint(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '/' | '-');
    text.chars().take(MAX_FINGERPRINT_BYTES).map(|c| if allowed(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let title = "ä".repeat(400);
        let finding = Finding::new("a b/ü", Severity::Low, title);
        assert_eq!(finding.fingerprint, "a_b/_");
        assert!(finding.title.len() <= MAX_TITLE_BYTES && finding.title.len() > MAX_TITLE_BYTES - 5);
        assert!(finding.title.ends_with("ä…"));
    }

    #[test]
    fn readings_that_are_not_finite_are_left_out() {
        let section = Section::new("a", "a/1")
            .metric(Metric::gauge("a", "1", f64::NAN))
            .metrics([Metric::gauge("b", "1", f64::INFINITY), Metric::gauge("c", "1", 0.5)]);
        assert_eq!(section.metrics, [Metric::gauge("c", "1", 0.5)]);
    }

    #[test]
    fn a_warning_makes_a_section_partial_and_many_are_counted() {
        let section = Section::new("a", "a/1");
        assert_eq!(section.completeness, Completeness::Complete);
        let section = section.warnings((0..100).map(|n| format!("warning {n}")));
        assert_eq!(section.completeness, Completeness::Partial);
        assert_eq!(section.warnings.len(), MAX_WARNINGS);
        assert_eq!(section.warnings[62], "warning 62");
        assert_eq!(section.warnings[63], "37 more warnings");
    }

    #[test]
    fn a_histogram_counts_its_buckets() {
        let metric = Metric::histogram("a", "s", &[(0.1, 3), (f64::INFINITY, 2)], 1.5);
        let Reading::Histogram(histogram) = metric.reading else { panic!("a histogram") };
        assert_eq!(histogram.count, 5);
    }

    #[test]
    fn a_body_is_json_text() {
        let section = Section::new("a", "a/1").body(&serde_json::json!({"a": 1})).unwrap();
        assert_eq!(section.body, r#"{"a":1}"#);
    }
}
