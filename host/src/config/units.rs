//! Durations and sizes as people write them. Owns their grammar in both directions.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// What mends a duration.
pub(super) const DURATION_HINT: &str = "write a number and a unit, such as `200ms`, `5s`, `5m`, `1h`, `7d` or `1h30m`";
/// What mends a size.
pub(super) const SIZE_HINT: &str = "write a whole number and a unit, such as `512KiB`, `32MiB` or `1GiB`";
/// The grammar of durations for the schema; that units descend is left to the parser.
pub(super) const DURATION_PATTERN: &str = "([0-9]+(ms|s|m|h|d))+";
/// The grammar of sizes for the schema.
pub(super) const SIZE_PATTERN: &str = "[0-9]+(B|KiB|MiB|GiB|TiB|kB|MB|GB|TB)";

/// From the largest to the smallest, in milliseconds.
const TIME_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// `512KiB`, `32MiB`, `1GB`: a whole number and a unit, binary or decimal. None where it is no size.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let (_, factor) = SIZE_UNITS.iter().find(|(name, _)| *name == unit)?;
        number.parse::<u64>().ok()?.checked_mul(*factor).map(Self)
    }
}

/// In the largest binary unit that gives a whole number.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = SIZE_UNITS.iter().filter(|(name, _)| name.ends_with("iB"));
        match binary.into_iter().find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor)) {
            Some((name, factor)) => write!(f, "{}{name}", self.0 / factor),
            None => write!(f, "{}B", self.0),
        }
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// `200ms`, `5s`, `1h30m`: whole numbers, each unit at most once, the larger first. None where it is no duration.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total: u64 = 0;
    let mut smallest: Option<usize> = None;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let rank = TIME_UNITS.iter().position(|(name, _)| *name == unit)?;
        if smallest.is_some_and(|smallest| rank <= smallest) {
            return None;
        }
        smallest = Some(rank);
        let part = number.parse::<u64>().ok()?.checked_mul(TIME_UNITS[rank].1)?;
        total = total.checked_add(part)?;
        rest = tail;
    }
    smallest.map(|_| Duration::from_millis(total))
}

/// The shortest text that [`parse_duration`] reads as the same, to the millisecond.
pub fn format_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, factor) in TIME_UNITS {
        if rest >= factor {
            text.push_str(&format!("{}{unit}", rest / factor));
            rest %= factor;
        }
    }
    text
}

/// For `#[serde(serialize_with)]`: the same text for `300s` and `5m`, so that a spelling changes no hash.
pub(super) fn serialize_duration<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format_duration(*duration))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, milliseconds, shortest) in [
            ("200ms", 200, "200ms"),
            ("5s", 5_000, "5s"),
            ("300s", 300_000, "5m"),
            ("1h30m", 5_400_000, "1h30m"),
            ("7d", 604_800_000, "7d"),
            ("1d2h3m4s5ms", 93_784_005, "1d2h3m4s5ms"),
            ("0s", 0, "0s"),
        ] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(duration.as_millis(), milliseconds, "{text}");
            assert_eq!(format_duration(duration), shortest);
            assert_eq!(parse_duration(shortest), Some(duration));
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "5",
            "s",
            "5 s",
            "5 parsecs",
            "1.5s",
            "-1s",
            "+1s",
            "5S",
            "5m5m",
            "5s1m",
            "1ms1s",
            "5s ",
            "٥s",
            "99999999999999999999s",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        assert_eq!(parse_duration("18446744073709551615d"), None);
    }

    #[test]
    fn sizes_are_read_and_written() {
        for (text, bytes, shortest) in [
            ("32MiB", 33_554_432, "32MiB"),
            ("1024KiB", 1 << 20, "1MiB"),
            ("1GB", 1_000_000_000, "1000000000B"),
            ("7B", 7, "7B"),
            ("0B", 0, "0B"),
            ("1TiB", 1 << 40, "1TiB"),
        ] {
            let size = ByteSize::parse(text).unwrap();
            assert_eq!(size, ByteSize(bytes), "{text}");
            assert_eq!(size.to_string(), shortest);
            assert_eq!(ByteSize::parse(shortest), Some(size));
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "32", "MiB", "32 MiB", "32mib", "32M", "1.5GiB", "-1B", "99999999TiB"] {
            assert_eq!(ByteSize::parse(text), None, "{text}");
        }
    }
}
