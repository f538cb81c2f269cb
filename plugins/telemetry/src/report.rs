//! The section: every state file, in the form `ghost.telemetry/1`.
//!
//! Owns names and bounds of what is shown. Decides nothing.

use ghostd_sdk::Metric;
use serde::Serialize;
use serde_json::Value;

use crate::config::Target;
use crate::content::{Shown, Summary, cut};
use crate::judge::{Judged, Status, TimeFrom};
use crate::time::rfc3339;

/// The name and version of the body's form.
pub const SCHEMA: &str = "ghost.telemetry/1";
/// The most content that all files together show, in bytes; what is beyond is summarised.
pub const MAX_CONTENT_BYTES: usize = 256 * 1024;
/// The longest error that is shown, in bytes.
const MAX_ERROR_BYTES: usize = 300;

/// The body of the section.
#[derive(Debug, Serialize)]
pub struct Body {
    /// Whether there is anything to look at. Where there is not, there is nothing else here.
    pub configured: bool,
    /// Files by status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Counts>,
    /// The files in the order of the configuration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Entry>,
}

/// Files by status.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[expect(missing_docs, reason = "each field but the first counts the files of the status of that name")]
pub struct Counts {
    pub total: usize,
    pub fresh: usize,
    pub stale: usize,
    pub missing: usize,
    pub vanished: usize,
    pub malformed: usize,
    pub unreadable: usize,
}

/// One file.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// Its name in the configuration.
    pub name: String,
    /// The root that it lies below.
    pub root: String,
    /// Where it lies below that.
    pub path: String,
    /// What it is.
    pub status: Status,
    /// How old it is in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<f64>,
    /// Whose word that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_from: Option<TimeFrom>,
    /// It is stale when it is older.
    pub max_age_seconds: u32,
    /// When it says that it was written, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_time: Option<String>,
    /// When the file was last written, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<String>,
    /// Its size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Why it is malformed or unreadable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Its content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Value>,
    /// What its content is made of, where that is not shown whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_summary: Option<Summary>,
}

impl Body {
    /// There is nothing to look at.
    #[must_use]
    pub fn not_configured() -> Self {
        Self { configured: false, summary: None, files: Vec::new() }
    }

    /// What was seen of some files.
    #[must_use]
    pub fn new(files: Vec<(Target, Judged)>) -> Self {
        let mut left = MAX_CONTENT_BYTES;
        let files: Vec<_> = files.into_iter().map(|(target, judged)| Entry::new(target, judged, &mut left)).collect();
        Self { configured: true, summary: Some(Counts::of(&files)), files }
    }

    /// The metric points that go with it.
    #[must_use]
    pub fn metrics(&self) -> Vec<Metric> {
        let point = |entry: &Entry| {
            let fresh = f64::from(u8::from(entry.status == Status::Fresh));
            let up = Metric::gauge("telemetry.fresh", "1", fresh).label("name", entry.name.as_str());
            let age = entry.age_seconds;
            let age = age.map(|age| Metric::gauge("telemetry.age", "s", age).label("name", entry.name.as_str()));
            // What was never there is in no denominator.
            (entry.status != Status::Missing).then_some(up).into_iter().chain(age)
        };
        self.files.iter().flat_map(point).collect()
    }
}

impl Counts {
    fn of(files: &[Entry]) -> Self {
        let mut counts = Self { total: files.len(), ..Self::default() };
        for file in files {
            let count = match file.status {
                Status::Fresh => &mut counts.fresh,
                Status::Stale => &mut counts.stale,
                Status::Missing => &mut counts.missing,
                Status::Vanished => &mut counts.vanished,
                Status::Malformed => &mut counts.malformed,
                Status::Unreadable => &mut counts.unreadable,
            };
            *count += 1;
        }
        counts
    }
}

impl Entry {
    /// `left` is how many bytes of content may still be shown.
    fn new(target: Target, judged: Judged, left: &mut usize) -> Self {
        let (content, content_summary) = match judged.shown {
            Some(Shown::Whole(value)) => within(value, left),
            Some(Shown::Summary(summary)) => (None, Some(summary)),
            None => (None, None),
        };
        Self {
            name: target.name,
            root: target.root,
            path: target.path,
            status: judged.status,
            age_seconds: judged.age.map(|(seconds, _)| seconds),
            time_from: judged.age.map(|(_, from)| from),
            max_age_seconds: target.max_age_seconds,
            content_time: judged.content_ms.map(rfc3339),
            modified_at: judged.seen.map(|seen| rfc3339(seen.modified_ms)),
            size_bytes: judged.seen.map(|seen| seen.size_bytes),
            error: judged.error.map(|error| cut(error, MAX_ERROR_BYTES)),
            content,
            content_summary,
        }
    }
}

/// The content as far as there is room: what one file writes compactly may be longer when written anew.
fn within(value: Value, left: &mut usize) -> (Option<Value>, Option<Summary>) {
    let bytes = serde_json::to_string(&value).map_or(usize::MAX, |text| text.len());
    if let Some(rest) = left.checked_sub(bytes) {
        *left = rest;
        return (Some(value), None);
    }
    let (kind, entries) = match &value {
        Value::Object(object) => ("object", object.len()),
        Value::Array(array) => ("array", array.len()),
        _ => ("scalar", 0),
    };
    let because = format!("the contents of all files together exceed {MAX_CONTENT_BYTES} bytes");
    (None, Some(Summary { kind, entries, keys: Vec::new(), because }))
}
