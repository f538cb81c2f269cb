//! The names that people give to snapshots.
//!
//! Owns: reading them. Must not know: which snapshots there are.
//!
//! | name | is |
//! | --- | --- |
//! | `01931f2e-7c1a-…` | that one; the beginning of an id will do where only one begins so |
//! | `latest`, `latest~2` | the last one; the second before the last |
//! | `@2026-11-21T03:12:00Z`, `@2026-11-21T03:12`, `@2026-11-21` | the last one captured at that time or before; UTC where no offset is given |
//! | `@-2h`, `@-1d12h` | the same, so long before now |

use chrono::{NaiveDate, NaiveDateTime};

use super::error::StoreError;
use crate::model::{SnapshotId, Wall};

/// The shortest beginning of an id that is taken for one.
pub const MIN_PREFIX: usize = 4;

/// A name, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// A whole id.
    Id(SnapshotId),
    /// The beginning of an id, in lower case.
    Prefix(String),
    /// So many before the last.
    Latest(u64),
    /// The last one captured then or before.
    At(Wall),
}

impl Name {
    /// Reads a name; `now` is what relative times are relative to.
    pub fn parse(text: &str, now: Wall) -> Result<Self, StoreError> {
        let bad = || StoreError::BadName { name: text.chars().take(80).collect() };
        if let Some(time) = text.strip_prefix('@') {
            return parse_time(time, now).map(Self::At).ok_or_else(bad);
        }
        if let Some(back) = text.strip_prefix("latest") {
            let back = match back.strip_prefix('~') {
                None if back.is_empty() => Some(0),
                None => None,
                Some("") => Some(1),
                Some(number) => number.parse().ok(),
            };
            return back.map(Self::Latest).ok_or_else(bad);
        }
        let text = text.to_ascii_lowercase();
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        let is_prefix = (MIN_PREFIX..36).contains(&text.len())
            && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'));
        if is_prefix { Ok(Self::Prefix(text)) } else { Err(bad()) }
    }
}

/// Reads a time as `@` names have it, without the `@`.
pub fn parse_time(text: &str, now: Wall) -> Option<Wall> {
    if let Some(ago) = text.strip_prefix('-') {
        return Some(now.plus_ns(-parse_duration_ns(ago)?));
    }
    if text == "now" {
        return Some(now);
    }
    let naive = |time: NaiveDateTime| time.and_utc().timestamp_nanos_opt().map(Wall);
    Wall::parse_rfc3339(text)
        .or_else(|| {
            ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"]
                .iter()
                .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
                .and_then(naive)
        })
        .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0).and_then(naive))
}

fn parse_duration_ns(text: &str) -> Option<i64> {
    let mut total = 0_i64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let number: i64 = number.parse().ok()?;
        let (unit, seconds) = [("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)]
            .into_iter()
            .find(|(unit, _)| after.starts_with(unit))?;
        total = total.checked_add(number.checked_mul(seconds)?.checked_mul(1_000_000_000)?)?;
        rest = &after[unit.len()..];
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Wall = Wall(1_795_219_200_000_000_000);

    fn time(text: &str) -> Option<String> {
        match Name::parse(text, NOW).ok()? {
            Name::At(at) => Some(at.to_string()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ids_and_their_beginnings() {
        let id = "01931f2e-7c1a-7000-8000-000000000000";
        assert_eq!(Name::parse(id, NOW).unwrap(), Name::Id(id.parse().unwrap()));
        assert_eq!(Name::parse(&id.to_uppercase(), NOW).unwrap(), Name::Id(id.parse().unwrap()));
        assert_eq!(Name::parse("01931F2e-7", NOW).unwrap(), Name::Prefix("01931f2e-7".to_owned()));
        for bad in ["", "019", "../../etc/passwd", "0193%", "snapshot-01931f2e", &format!("{id}0")] {
            assert!(matches!(Name::parse(bad, NOW), Err(StoreError::BadName { .. })), "{bad}");
        }
    }

    #[test]
    fn latest_and_before_it() {
        for (text, back) in [("latest", 0), ("latest~", 1), ("latest~0", 0), ("latest~12", 12)] {
            assert_eq!(Name::parse(text, NOW).unwrap(), Name::Latest(back));
        }
        for bad in ["latest2", "latest~x", "latest~-1", "latest~99999999999999999999"] {
            assert!(Name::parse(bad, NOW).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_absolute_and_relative() {
        assert_eq!(time("@2026-11-21T03:12:00+01:00").unwrap(), "2026-11-21T02:12:00.000Z");
        assert_eq!(time("@2026-11-21T03:12").unwrap(), "2026-11-21T03:12:00.000Z");
        assert_eq!(time("@2026-11-21 03:12:30.5").unwrap(), "2026-11-21T03:12:30.500Z");
        assert_eq!(time("@2026-11-20").unwrap(), "2026-11-20T00:00:00.000Z");
        assert_eq!(time("@-2h").unwrap(), "2026-11-20T22:00:00.000Z");
        assert_eq!(time("@-1d12h").unwrap(), "2026-11-19T12:00:00.000Z");
        assert_eq!(time("@now").unwrap(), NOW.to_string());
        for bad in ["@", "@-", "@-2", "@-h", "@-2y", "@2026-13-01", "@tomorrow", "@-99999999999w"] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }
}
