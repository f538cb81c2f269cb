//! One JSON document in each line: `{"type":…,"at":…,"record":{…}}`, with the record as it is stored.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::records::{Measured, Record, Value};
use crate::model::{Digest, SnapshotId, Wall};
use crate::store::Mark;

/// What stands around a record.
#[derive(Serialize)]
struct Line<'a, T> {
    r#type: &'static str,
    at: Wall,
    record: &'a T,
}

/// What stands around a snapshot: what of it is not in its body.
#[derive(Serialize)]
struct SnapshotLine<'a> {
    r#type: &'static str,
    at: Wall,
    id: SnapshotId,
    sha256: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<&'a Mark>,
}

/// Writes a record.
pub fn write(record: &Record, out: &mut dyn Write) -> io::Result<()> {
    match record {
        Record::Snapshot(entry, body) => {
            let (r#type, at) = ("snapshot", entry.captured_at);
            let line = SnapshotLine { r#type, at, id: entry.id, sha256: entry.sha256, mark: entry.mark.as_ref() };
            let head = serde_json::to_string(&line)?;
            // The body's own text: whoever takes it out again can hold it against the checksum.
            writeln!(out, "{},\"record\":{body}}}", head.strip_suffix('}').unwrap_or(&head))
        }
        Record::Heartbeat(beat) => self::line(out, "heartbeat", beat.at, beat),
        Record::Event(event) => self::line(out, "event", event.event.timestamp, event),
        Record::Metric(measured) => self::line(out, "metric", measured.at, &metric(measured)),
        Record::Finding(stored) => {
            let finding = json!({
                "collector": stored.collector, "opened_at": stored.opened_at, "resolved_at": stored.resolved_at,
                "resolved_by_hand": stored.by_hand, "finding": stored.finding,
            });
            self::line(out, "finding", stored.opened_at, &finding)
        }
    }
}

fn line(out: &mut dyn Write, r#type: &'static str, at: Wall, record: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Line { r#type, at, record })?;
    out.write_all(b"\n")
}

/// A reading as `ghostd history --json` has it, with its name.
fn metric(measured: &Measured) -> Json {
    let Measured { at, series, value } = measured;
    let mut told = json!({
        "collector": series.collector, "metric": series.name, "unit": series.unit, "labels": series.labels, "at": at,
    });
    let (seconds, value) = match value {
        Value::Reading(reading) => (0, serde_json::to_value(reading)),
        Value::Stretch(seconds, summary) => (*seconds, serde_json::to_value(summary)),
    };
    if let (Json::Object(told), Ok(Json::Object(value))) = (&mut told, value) {
        told.insert("seconds".to_owned(), seconds.into());
        told.extend(value);
    }
    told
}
