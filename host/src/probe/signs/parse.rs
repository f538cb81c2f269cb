//! What is in a sign of life. No two programs write the same, so the shapes are recognised by what they hold: a time,
//! a status word, and further services below.
//!
//! JSON with `timestamp` (or `lastHeartbeat`, ...) at the top, in `stats`, or in an object for each service; text that
//! is a time; text with lines such as `Last Heartbeat: ...`; and text or nothing at all, where only the file's own
//! time counts.

use chrono::{DateTime, Local, NaiveDateTime, TimeZone};
use serde_json::{Map, Value as Json};

/// Services that are told apart in one file.
const MAX_SERVICES: usize = 256;
/// The longest status word that is taken over, in characters.
const MAX_WORD: usize = 64;

/// Keys of a time, the most telling first.
const TIMES: [&str; 12] = [
    "lastHeartbeat",
    "last_heartbeat",
    "timestamp",
    "time",
    "ts",
    "lastSeen",
    "last_seen",
    "updatedAt",
    "updated_at",
    "lastUpdate",
    "last_update",
    "date",
];
const STATUSES: [&str; 3] = ["status", "state", "health"];
const NAMES: [&str; 5] = ["service", "daemon", "name", "component", "source"];
/// Objects whose entries are services.
const LISTS: [&str; 5] = ["services", "daemons", "components", "processes", "workers"];
/// Objects that belong to what they stand in.
const PARTS: [&str; 5] = ["stats", "meta", "metadata", "heartbeat", "info"];
/// Lines of text that hold the time of the last sign, the most telling first.
const LINES: [&str; 5] = ["last heartbeat", "timestamp", "system time", "updated", "time"];

/// What a file says of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    /// None for the file as a whole.
    pub(super) name: Option<String>,
    /// In milliseconds since the epoch; none where only the file's own time counts.
    pub(super) at_ms: Option<i64>,
    /// Its status in its own words.
    pub(super) says: Option<String>,
}

/// Reads a file's text. `is_json` where its name says so. The first entry is what the file says of itself.
pub(super) fn parse(text: &str, is_json: bool) -> Result<Vec<Service>, String> {
    let trimmed = text.trim_start_matches('\u{feff}').trim();
    if trimmed.is_empty() {
        // It was touched.
        return Ok(vec![Service { name: None, at_ms: None, says: None }]);
    }
    if is_json || trimmed.starts_with('{') {
        let value: Json = serde_json::from_str(trimmed).map_err(|error| format!("is no JSON: {error}"))?;
        return match value {
            Json::Object(object) => of_object(&object),
            Json::String(text) => of_text(&text),
            Json::Number(number) => {
                let at_ms = of_number(&number).ok_or("holds a number that is no time")?;
                Ok(vec![Service { name: None, at_ms: Some(at_ms), says: None }])
            }
            _ => Err("holds neither an object nor a time".to_owned()),
        };
    }
    of_text(trimmed)
}

fn of_object(object: &Map<String, Json>) -> Result<Vec<Service>, String> {
    let top = service(object, None, None)?;
    let inherited = top.at_ms;
    let mut found = vec![top];
    for (key, value) in object {
        match value {
            _ if PARTS.contains(&key.as_str()) => {}
            Json::Object(below) if LISTS.contains(&key.as_str()) => {
                for (name, value) in below {
                    found.push(entry(name, value, inherited)?);
                }
            }
            Json::Array(below) if LISTS.contains(&key.as_str()) => {
                for value in below.iter().filter_map(Json::as_object) {
                    found.push(service(value, None, inherited)?);
                }
            }
            Json::Object(below) if is_service(below) => found.push(service(below, Some(key), inherited)?),
            _ => {}
        }
        if found.len() > MAX_SERVICES {
            return Err(format!("tells of more than {MAX_SERVICES} services"));
        }
    }
    Ok(found)
}

/// An entry of a list of services: an object, or a bare pid or status word.
fn entry(name: &str, value: &Json, inherited: Option<i64>) -> Result<Service, String> {
    let bare = |says: Option<String>| Service { name: Some(name.to_owned()), at_ms: inherited, says };
    Ok(match value {
        Json::Object(object) => service(object, Some(name), inherited)?,
        Json::String(text) if !text.is_empty() && !text.chars().all(|c| c.is_ascii_digit()) => bare(Some(word(text))),
        _ => bare(None),
    })
}

fn is_service(object: &Map<String, Json>) -> bool {
    STATUSES.iter().any(|key| object.get(*key).is_some_and(Json::is_string))
        || TIMES.iter().any(|key| object.get(*key).is_some_and(|value| time_of(value).is_some()))
}

fn service(object: &Map<String, Json>, name: Option<&str>, inherited: Option<i64>) -> Result<Service, String> {
    let parts = || PARTS.iter().filter_map(|key| object.get(*key)?.as_object());
    let text = |keys: &[&str]| keys.iter().find_map(|key| object.get(*key)?.as_str());
    let mut at_ms = None;
    for place in std::iter::once(object).chain(parts()) {
        for key in TIMES {
            let Some(value) = place.get(key).filter(|value| value.is_string() || value.is_number()) else { continue };
            let time = time_of(value).ok_or_else(|| format!("holds a `{key}` that is no time"))?;
            at_ms = at_ms.max(Some(time));
        }
    }
    Ok(Service {
        name: name.or_else(|| text(&NAMES)).map(str::to_owned),
        at_ms: at_ms.or(inherited),
        says: text(&STATUSES).map(word),
    })
}

fn of_text(text: &str) -> Result<Vec<Service>, String> {
    if let Some(at_ms) = time_of(&Json::from(text)) {
        return Ok(vec![Service { name: None, at_ms: Some(at_ms), says: None }]);
    }
    let lines: Vec<(String, &str)> = text.lines().filter_map(pair).collect();
    let value = |key: &str| lines.iter().find(|(known, _)| known == key).map(|(_, value)| *value);
    let mut at_ms = None;
    for key in LINES {
        if let Some(value) = value(key).filter(|_| at_ms.is_none()) {
            let time = time_of(&Json::from(value)).ok_or_else(|| format!("holds a line `{key}` that is no time"))?;
            at_ms = Some(time);
        }
    }
    let single = (lines.is_empty() && !text.contains(char::is_whitespace)).then_some(text);
    Ok(vec![Service { name: None, at_ms, says: value("status").or(single).map(word) }])
}

/// `- **Last Heartbeat**: 2025-...` is (`last heartbeat`, `2025-...`).
fn pair(line: &str) -> Option<(String, &str)> {
    let decoration = |c: char| c.is_whitespace() || matches!(c, '*' | '-' | '#' | '|' | '`' | '_' | '>');
    let (key, value) = line.split_once(':')?;
    Some((key.trim_matches(decoration).to_lowercase(), value.trim_matches(decoration)))
}

fn word(text: &str) -> String {
    text.trim().chars().take(MAX_WORD).collect()
}

/// A time in any of the forms that are met: RFC 3339, the same without zone (local time then), date(1), RFC 2822, or
/// seconds, milliseconds or microseconds since the epoch.
fn time_of(value: &Json) -> Option<i64> {
    match value {
        Json::Number(number) => of_number(number),
        Json::String(text) => {
            let text = text.trim();
            if let Ok(number) = text.parse::<serde_json::Number>() {
                return of_number(&number);
            }
            let zoned = DateTime::parse_from_rfc3339(text)
                .or_else(|_| DateTime::parse_from_rfc2822(text))
                .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f %z"));
            if let Ok(time) = zoned {
                return Some(time.timestamp_millis());
            }
            let utc = text.strip_suffix(" UTC").unwrap_or(text);
            for form in
                ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%a %b %e %H:%M:%S UTC %Y", "%a %b %e %H:%M:%S GMT %Y"]
            {
                let Ok(naive) = NaiveDateTime::parse_from_str(utc, form) else { continue };
                let is_utc = utc.len() < text.len() || form.contains("UTC") || form.contains("GMT");
                return match is_utc {
                    true => Some(naive.and_utc().timestamp_millis()),
                    false => Local.from_local_datetime(&naive).earliest().map(|time| time.timestamp_millis()),
                };
            }
            None
        }
        _ => None,
    }
}

/// By its size: seconds are below 10^11 for the next thousand years, milliseconds below 10^14.
fn of_number(number: &serde_json::Number) -> Option<i64> {
    let value = number.as_f64().filter(|value| value.is_finite() && *value > 1e8)?;
    let ms = if value < 1e11 {
        value * 1e3
    } else if value < 1e14 {
        value
    } else {
        value / 1e3
    };
    (ms < 1e14).then_some(ms as i64)
}
