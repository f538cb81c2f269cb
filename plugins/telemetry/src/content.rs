//! What is in a state file: its content within bounds, and the time that it says of itself.
//!
//! Pure: it takes bytes. Owns what is malformed, what is too large or too deep to be shown, and where a
//! time is looked for.

use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::time;

/// Deeper content is not shown: ghostd refuses bodies that nest deeper than 64, ours is around it.
pub const MAX_DEPTH: usize = 48;
/// The most keys that a summary names.
const MAX_KEYS: usize = 16;
/// The longest key that it names, in bytes.
const MAX_KEY_BYTES: usize = 64;
/// The longest reason why something is malformed, in bytes.
const MAX_REASON_BYTES: usize = 160;

/// Keys under which programs say when they last wrote, the most telling first.
const TIME_KEYS: [&str; 12] = [
    "timestamp",
    "lastUpdate",
    "lastUpdated",
    "last_update",
    "last_updated",
    "updatedAt",
    "updated_at",
    "lastHeartbeat",
    "last_heartbeat",
    "lastCheck",
    "last_check",
    "time",
];

/// What a file holds.
#[derive(Debug, PartialEq)]
pub struct Content {
    /// All of it, or what is shown in its stead.
    pub shown: Shown,
    /// When it says that it was written, in milliseconds since the epoch.
    pub time_ms: Option<i64>,
}

/// What of a content is shown.
#[derive(Debug, PartialEq)]
pub enum Shown {
    /// All of it.
    Whole(Value),
    /// What it is made of, and why it is not shown whole.
    Summary(Summary),
}

/// What a content that is not shown is made of.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// `object`, `array` or `scalar`.
    pub kind: &'static str,
    /// Keys of an object or elements of an array.
    pub entries: usize,
    /// The first keys of an object.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// Why it is not shown whole.
    pub because: String,
}

/// Reads a whole file. `max_bytes` is the most that is shown of it.
///
/// # Errors
/// Where it is no JSON: the place, never the content.
pub fn read(bytes: &[u8], max_bytes: u32) -> Result<Content, String> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err("empty".to_owned());
    }
    let because = if bytes.len() as u64 > u64::from(max_bytes) {
        format!("{} bytes, of which at most {max_bytes} are shown", bytes.len())
    } else if depth(bytes) > MAX_DEPTH {
        format!("nested deeper than {MAX_DEPTH}")
    } else {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| reason(&error))?;
        let time_ms = time_in(&value).or_else(|| time_below(&value));
        return Ok(Content { shown: Shown::Whole(value), time_ms });
    };
    let mut outline = serde_json::from_slice::<Outline>(bytes).map_err(|error| reason(&error))?;
    outline.times.sort_unstable();
    outline.summary.because = because;
    let time_ms = outline.times.first().map(|&(_, time_ms)| time_ms);
    Ok(Content { shown: Shown::Summary(outline.summary), time_ms })
}

/// At most `limit` bytes of a text, cut at a character.
#[must_use]
pub fn cut(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let end = (0..=limit).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

fn reason(error: &serde_json::Error) -> String {
    cut(error.to_string(), MAX_REASON_BYTES)
}

/// The time that an object says of itself.
fn time_in(value: &Value) -> Option<i64> {
    let object = value.as_object()?;
    TIME_KEYS.iter().find_map(|&key| match object.get(key)? {
        Value::String(text) => time::parse(text),
        Value::Number(number) => time::parse(&number.to_string()),
        _ => None,
    })
}

/// The latest time that one of its parts says: a file may hold several services, or one inside a frame.
fn time_below(value: &Value) -> Option<i64> {
    match value {
        Value::Object(object) => object.values().filter_map(time_in).max(),
        Value::Array(array) => array.iter().filter_map(time_in).max(),
        _ => None,
    }
}

/// How deep brackets nest outside of strings. In what is no JSON it is some number.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for &byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The summary of a content and its times, by the rank of their keys, without keeping the rest.
#[derive(Default)]
struct Outline {
    summary: Summary,
    times: Vec<(usize, i64)>,
}

impl<'de> Deserialize<'de> for Outline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OutlineVisitor)
    }
}

struct OutlineVisitor;

impl OutlineVisitor {
    fn scalar<E>() -> Result<Outline, E> {
        Ok(Outline { summary: Summary { kind: "scalar", ..Summary::default() }, ..Outline::default() })
    }
}

impl<'de> Visitor<'de> for OutlineVisitor {
    type Value = Outline;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Outline, A::Error> {
        let mut outline = Outline { summary: Summary { kind: "object", ..Summary::default() }, ..Outline::default() };
        while let Some(key) = map.next_key::<String>()? {
            outline.summary.entries += 1;
            match TIME_KEYS.iter().position(|&known| known == key) {
                Some(rank) => {
                    let Time(time_ms) = map.next_value()?;
                    outline.times.extend(time_ms.map(|time_ms| (rank, time_ms)));
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            if outline.summary.keys.len() < MAX_KEYS {
                outline.summary.keys.push(cut(key, MAX_KEY_BYTES));
            }
        }
        Ok(outline)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Outline, A::Error> {
        let mut entries = 0;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            entries += 1;
        }
        Ok(Outline { summary: Summary { kind: "array", entries, ..Summary::default() }, ..Outline::default() })
    }

    fn visit_str<E>(self, _: &str) -> Result<Outline, E> {
        Self::scalar()
    }

    fn visit_u64<E>(self, _: u64) -> Result<Outline, E> {
        Self::scalar()
    }

    fn visit_i64<E>(self, _: i64) -> Result<Outline, E> {
        Self::scalar()
    }

    fn visit_f64<E>(self, _: f64) -> Result<Outline, E> {
        Self::scalar()
    }

    fn visit_bool<E>(self, _: bool) -> Result<Outline, E> {
        Self::scalar()
    }

    fn visit_unit<E>(self) -> Result<Outline, E> {
        Self::scalar()
    }
}

/// A time, if that is what the value is.
struct Time(Option<i64>);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TimeVisitor)
    }
}

struct TimeVisitor;

impl<'de> Visitor<'de> for TimeVisitor {
    type Value = Time;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Time, E> {
        Ok(Time(time::parse(text)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Time, E> {
        Ok(Time(time::parse(&number.to_string())))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Time, E> {
        Ok(Time(None))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Time, E> {
        Ok(Time(time::parse(&number.to_string())))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Time, E> {
        Ok(Time(None))
    }

    fn visit_unit<E>(self) -> Result<Time, E> {
        Ok(Time(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Time, A::Error> {
        IgnoredAny.visit_seq(seq).map(|_| Time(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Time, A::Error> {
        IgnoredAny.visit_map(map).map(|_| Time(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2025-07-21T12:00:00Z.
    const NOON_MS: i64 = 1_753_099_200_000;

    fn time_of(text: &str) -> Option<i64> {
        read(text.as_bytes(), 65_536).unwrap().time_ms
    }

    fn summary_of(text: &str) -> Summary {
        match read(text.as_bytes(), 10).unwrap().shown {
            Shown::Summary(summary) => summary,
            Shown::Whole(value) => panic!("shown whole: {value}"),
        }
    }

    #[test]
    fn the_time_is_found_in_the_shapes_that_programs_write() {
        for text in [
            r#"{"daemon": {"status": "running", "timestamp": "2025-07-21T12:00:00Z", "memory": "256MB"}}"#,
            r#"{"timestamp": "2025-07-21T12:00:00Z", "status": "RUNNING", "services": {"ghost-bridge": "96781"}}"#,
            r#"{"service": "x", "status": "healthy", "stats": {"startTime": "2025-07-21T08:00:00Z", "lastHeartbeat": "2025-07-21T12:00:00Z"}, "uptime": 240021}"#,
            r#"{"timestamp": "2025-07-21T12:00:00Z", "runner": {"status": "healthy", "timestamp": "2025-07-21T13:00:00Z", "pid": 12345}}"#,
            r#"{"a": {"timestamp": "2025-07-21T11:00:00Z"}, "b": {"timestamp": "2025-07-21T12:00:00Z"}}"#,
            r#"[{"timestamp": 1753095600}, {"timestamp": 1753099200000}]"#,
            r#"{"timestamp": "soon", "lastUpdate": 1753099200}"#,
        ] {
            assert_eq!(time_of(text), Some(NOON_MS), "{text}");
        }
        for text in
            ["{}", "[]", "3", r#"{"timestamp": null, "uptime": 240021}"#, r#"{"startTime": "2025-07-21T08:00:00Z"}"#]
        {
            assert_eq!(time_of(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_too_large_is_summarised_with_its_time() {
        let summary = summary_of(r#"{"time": 5, "lastUpdate": "2025-07-21T12:00:00Z", "b": [1, 2]}"#);
        assert_eq!((summary.kind, summary.entries), ("object", 3));
        assert_eq!(summary.keys, ["time", "lastUpdate", "b"]);
        assert_eq!(summary.because, "62 bytes, of which at most 10 are shown");
        let large = r#"{"lastUpdate": "2025-07-21T10:00:00Z", "timestamp": "2025-07-21T12:00:00Z", "x": {}}"#;
        assert_eq!(read(large.as_bytes(), 10).unwrap().time_ms, Some(NOON_MS));
        assert_eq!(summary_of(&format!("[{}0]", "0,".repeat(99))).entries, 100);
        assert_eq!(summary_of("\"0123456789abcdef\"").kind, "scalar");
    }

    #[test]
    fn a_summary_is_bounded() {
        let text: Vec<_> = (0..1000).map(|n| format!("\"{n}{}\":{n}", "k".repeat(500))).collect();
        let summary = summary_of(&format!("{{{}}}", text.join(",")));
        assert_eq!((summary.entries, summary.keys.len(), summary.keys[0].len()), (1000, 16, 64));
    }

    #[test]
    fn what_is_too_deep_is_summarised_and_valid() {
        let nest = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(matches!(read(nest(48).as_bytes(), 65_536).unwrap().shown, Shown::Whole(_)));
        assert!(matches!(read(nest(49).as_bytes(), 65_536).unwrap().shown, Shown::Summary(_)));
        assert!(matches!(read(nest(30_000).as_bytes(), 65_536).unwrap().shown, Shown::Summary(_)));
        assert!(read("[".repeat(30_000).as_bytes(), 65_536).is_err());
        let quoted = format!(r#"{{"a": "\"{}"}}"#, "[".repeat(100));
        assert!(matches!(read(quoted.as_bytes(), 65_536).unwrap().shown, Shown::Whole(_)));
    }

    #[test]
    fn what_is_malformed_is_said_without_its_content() {
        assert_eq!(read(b" \n", 10), Err("empty".to_owned()));
        for text in ["{", r#"{"password": hunter2}"#, "hunter2", r#"{"a":1} hunter2"#, "\u{feff}{}"] {
            for max_bytes in [0, 65_536] {
                let reason = read(text.as_bytes(), max_bytes).unwrap_err();
                assert!(reason.contains("line 1") && !reason.contains("hunter2"), "{reason}");
            }
        }
    }
}
