//! Times as people and programs write them, in milliseconds since the Unix epoch.
//!
//! Owns reading and writing them. The present is never read here: it comes with the invocation.

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat};

/// Numbers below this are seconds: as milliseconds they would be times before March 1973.
const SECONDS_BELOW: i64 = 100_000_000_000;

/// Reads RFC 3339 and its everyday variants (a space for the `T`, no zone, a zone without colon, a
/// date alone), and numbers since the epoch. A time without a zone is taken as UTC.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        return from_number(number);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_millis());
    }
    for format in ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f %z"] {
        if let Ok(time) = DateTime::parse_from_str(text, format) {
            return Some(time.timestamp_millis());
        }
    }
    let plain = text.strip_suffix(" UTC").or_else(|| text.strip_suffix('Z')).unwrap_or(text);
    for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(plain, format) {
            return Some(time.and_utc().timestamp_millis());
        }
    }
    let date = NaiveDate::parse_from_str(plain, "%Y-%m-%d").ok()?;
    Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis())
}

/// Writes RFC 3339 in UTC with milliseconds; a time that no calendar has is `?`.
#[must_use]
pub fn rfc3339(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms)
        .map_or_else(|| "?".to_owned(), |time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// Seconds or milliseconds since the epoch, from 1990 to 2100; other numbers are no time.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked before and after")]
fn from_number(number: f64) -> Option<i64> {
    const YEAR_1990_MS: i64 = 631_152_000_000;
    const YEAR_2100_MS: i64 = 4_102_444_800_000;
    if !number.is_finite() || number.abs() > 1e15 {
        return None;
    }
    let ms = if (number as i64) < SECONDS_BELOW { (number * 1000.0).round() as i64 } else { number as i64 };
    (YEAR_1990_MS..YEAR_2100_MS).contains(&ms).then_some(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_instant_in_many_shapes() {
        for text in [
            "2025-07-21T12:00:00Z",
            "2025-07-21T12:00:00.000Z",
            "2025-07-21T14:00:00+02:00",
            "2025-07-21T14:00:00+0200",
            "2025-07-21 14:00:00 +0200",
            "2025-07-21 12:00:00",
            "2025-07-21 12:00:00 UTC",
            "2025-07-21T12:00",
            " 2025-07-21T12:00:00 ",
            "1753099200",
            "1753099200.0",
            "1753099200000",
        ] {
            assert_eq!(parse(text).map(rfc3339).as_deref(), Some("2025-07-21T12:00:00.000Z"), "{text}");
        }
        assert_eq!(parse("2025-07-21").map(rfc3339).as_deref(), Some("2025-07-21T00:00:00.000Z"));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in ["", "yesterday", "12345", "1e300", "nan", "-5", "2025-13-01", "2025-07-21T25:00:00Z"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(rfc3339(i64::MAX), "?");
    }
}
