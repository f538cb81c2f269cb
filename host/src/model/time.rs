//! Instants. Wall time is what people read; boot time is what ages are computed from.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Nanoseconds in a millisecond.
const NS_PER_MS: i64 = 1_000_000;

/// Wall-clock time in nanoseconds since the Unix epoch (1678 to 2262), as CLOCK_REALTIME showed it.
///
/// It can jump, so nothing is scheduled, kept or deleted by the difference of two of these alone.
/// Written as RFC 3339 in UTC with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall(pub i64);

impl Wall {
    /// From milliseconds since the Unix epoch; what does not fit is brought to the nearest end.
    pub fn from_millis(ms: i64) -> Self {
        // Whole milliseconds at both ends, so that what is written can be read again.
        const ENDS: (i64, i64) = (i64::MIN / NS_PER_MS, i64::MAX / NS_PER_MS);
        Self(ms.clamp(ENDS.0, ENDS.1) * NS_PER_MS)
    }

    /// Milliseconds since the Unix epoch, rounded down.
    pub fn millis(self) -> i64 {
        self.0.div_euclid(NS_PER_MS)
    }

    /// This much later (or earlier, for a negative number of nanoseconds).
    pub fn plus_ns(self, ns: i64) -> Self {
        Self(self.0.saturating_add(ns))
    }

    /// This much earlier.
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// The same instant for chrono.
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_nanos(self.0)
    }

    /// Reads RFC 3339 with any offset.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text).ok()?.timestamp_nanos_opt().map(Self)
    }
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_utc().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl schemars::JsonSchema for Wall {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Wall".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}

impl Serialize for Wall {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Wall {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse_rfc3339(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is no time (expected RFC 3339)")))
    }
}

/// One reading of all clocks that matter, taken together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// What people read.
    pub wall: Wall,
    /// CLOCK_BOOTTIME in nanoseconds: never jumps, goes on in suspend, starts anew at boot.
    pub boottime_ns: u64,
    /// Which boot `boottime_ns` counts from.
    pub boot_id: Arc<str>,
}

impl Moment {
    /// How long ago `earlier` was: exact within one boot, by the wall clock across boots, never negative.
    pub fn since(&self, earlier: &Moment) -> Duration {
        if self.boot_id == earlier.boot_id {
            Duration::from_nanos(self.boottime_ns.saturating_sub(earlier.boottime_ns))
        } else {
            Duration::from_nanos(self.wall.0.saturating_sub(earlier.wall.0).max(0).unsigned_abs())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_is_written_in_utc_with_milliseconds() {
        let wall = Wall::from_millis(1_795_000_000_250);
        assert_eq!(wall.to_string(), "2026-11-18T11:06:40.250Z");
        assert_eq!(Wall::parse_rfc3339("2026-11-18T12:06:40.250+01:00"), Some(wall));
        assert_eq!(Wall::parse_rfc3339("yesterday"), None);
    }

    #[test]
    fn what_does_not_fit_is_brought_to_an_end_that_can_be_read_again() {
        for ms in [i64::MIN, i64::MAX, -1, 0] {
            let wall = Wall::from_millis(ms);
            assert_eq!(Wall::parse_rfc3339(&wall.to_string()), Some(wall), "{ms}");
        }
    }

    #[test]
    fn age_goes_by_boot_time_unless_there_was_a_boot() {
        let at = |wall, boottime_ns, boot: &str| Moment { wall: Wall(wall), boottime_ns, boot_id: boot.into() };
        // The wall clock went back by an hour; the age is what really passed.
        assert_eq!(at(0, 5_000, "a").since(&at(3_600, 1_000, "a")), Duration::from_nanos(4_000));
        assert_eq!(at(9_000, 10, "b").since(&at(2_000, 99, "a")), Duration::from_nanos(7_000));
        assert_eq!(at(1_000, 10, "b").since(&at(2_000, 99, "a")), Duration::ZERO);
    }
}
