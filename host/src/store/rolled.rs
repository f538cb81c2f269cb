//! The stored form of a minute or an hour of heartbeats: the same as [`BeatSummary`], in as few bytes as text allows.
//!
//! There are twenty thousand of them, so names are letters, a state that all heartbeats saw is a word without its
//! count, a number over a while is a list, and its mean is rounded to seven digits.
//!
//! Owns: that form. A reader takes the long form as well, which the first stores have.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::rollup::{BeatSummary, DaemonSummary, Summary};
use crate::model::Standing;

/// What is written for a [`BeatSummary`].
#[derive(Serialize, Deserialize)]
pub(super) struct Rolled {
    #[serde(rename = "n", alias = "count")]
    count: u64,
    #[serde(rename = "m", alias = "missed", default, skip_serializing_if = "is_zero")]
    missed: u64,
    #[serde(rename = "o", alias = "overall", default)]
    overall: Words,
    #[serde(rename = "c", alias = "clock", default)]
    clock: Words,
    #[serde(rename = "f", alias = "clock_offset_seconds", default, skip_serializing_if = "Option::is_none")]
    offset: Option<Numbers>,
    #[serde(rename = "d", alias = "daemons", default)]
    daemons: BTreeMap<String, RolledDaemon>,
}

#[derive(Serialize, Deserialize)]
struct RolledDaemon {
    #[serde(rename = "s", alias = "states", default)]
    states: Words,
    #[serde(rename = "l", alias = "lasted_ms", default)]
    lasted_ms: BTreeMap<Standing, u64>,
    #[serde(rename = "m", alias = "maintenance", default, skip_serializing_if = "is_zero")]
    maintenance: u64,
    #[serde(rename = "c", alias = "cpu_percent", default, skip_serializing_if = "Option::is_none")]
    cpu: Option<Numbers>,
    #[serde(rename = "b", alias = "memory_bytes", default, skip_serializing_if = "Option::is_none")]
    memory: Option<Numbers>,
    #[serde(rename = "r", alias = "restart_count", default, skip_serializing_if = "Option::is_none")]
    restarts: Option<u64>,
}

impl RolledDaemon {
    fn of(daemon: &DaemonSummary, all: u64) -> Self {
        Self {
            states: Words::of(&daemon.states, all),
            lasted_ms: daemon.lasted_ms.iter().filter(|(_, ms)| **ms > 0).map(|(one, ms)| (*one, *ms)).collect(),
            maintenance: daemon.maintenance,
            cpu: daemon.cpu_percent.map(|summary| Numbers::of(summary, all)),
            memory: daemon.memory_bytes.map(|summary| Numbers::of(summary, all)),
            restarts: daemon.restart_count,
        }
    }

    fn whole(self, all: u64) -> DaemonSummary {
        DaemonSummary {
            states: self.states.whole(all),
            lasted_ms: self.lasted_ms,
            maintenance: self.maintenance,
            cpu_percent: self.cpu.map(|numbers| numbers.whole(all)),
            memory_bytes: self.memory.map(|numbers| numbers.whole(all)),
            restart_count: self.restarts,
        }
    }
}

impl From<&BeatSummary> for Rolled {
    fn from(summary: &BeatSummary) -> Self {
        let all = summary.count;
        let daemon = |(name, daemon): (&String, &DaemonSummary)| (name.clone(), RolledDaemon::of(daemon, all));
        Self {
            count: all,
            missed: summary.missed,
            overall: Words::of(&summary.overall, all),
            clock: Words::of(&summary.clock, all),
            offset: summary.clock_offset_seconds.map(|offset| Numbers::of(offset, all)),
            daemons: summary.daemons.iter().map(daemon).collect(),
        }
    }
}

impl From<Rolled> for BeatSummary {
    fn from(rolled: Rolled) -> Self {
        let all = rolled.count;
        Self {
            count: all,
            missed: rolled.missed,
            overall: rolled.overall.whole(all),
            clock: rolled.clock.whole(all),
            clock_offset_seconds: rolled.offset.map(|offset| offset.whole(all)),
            daemons: rolled.daemons.into_iter().map(|(name, daemon)| (name, daemon.whole(all))).collect(),
        }
    }
}

/// Counts by word; one word alone where it is that of all.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Words {
    All(String),
    Some(BTreeMap<String, u64>),
}

impl Default for Words {
    fn default() -> Self {
        Self::Some(BTreeMap::new())
    }
}

impl Words {
    fn of(counts: &BTreeMap<String, u64>, all: u64) -> Self {
        match counts.first_key_value() {
            Some((word, count)) if counts.len() == 1 && *count == all => Self::All(word.clone()),
            _ => Self::Some(counts.clone()),
        }
    }

    fn whole(self, all: u64) -> BTreeMap<String, u64> {
        match self {
            Self::All(word) => [(word, all)].into(),
            Self::Some(counts) => counts,
        }
    }
}

/// `[min, mean, max, last]`, and the count where it is not that of all.
struct Numbers {
    summary: Summary,
    is_of_all: bool,
}

impl Numbers {
    fn of(summary: Summary, all: u64) -> Self {
        Self { summary, is_of_all: summary.count == all }
    }

    fn whole(self, all: u64) -> Summary {
        if self.is_of_all { Summary { count: all, ..self.summary } } else { self.summary }
    }
}

/// Seven digits.
fn rounded(value: f64) -> f64 {
    format!("{value:.6e}").parse().unwrap_or(value)
}

impl Serialize for Numbers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Summary { min, mean, max, last, count } = self.summary;
        let mut list = vec![Number(min), Number(rounded(mean)), Number(max), Number(last)];
        list.extend((!self.is_of_all).then_some(Number(count as f64)));
        list.serialize(serializer)
    }
}

/// A whole number is written without `.0`.
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// Beyond it not every whole number is a double.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if self.0.fract() == 0.0 && self.0.abs() < EXACT {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            List(Vec<f64>),
            Long(Summary),
        }
        match Form::deserialize(deserializer)? {
            Form::Long(summary) => Ok(Self { summary, is_of_all: false }),
            Form::List(list) => match list.as_slice() {
                [min, mean, max, last] => {
                    let summary = Summary { min: *min, mean: *mean, max: *max, last: *last, count: 0 };
                    Ok(Self { summary, is_of_all: true })
                }
                [min, mean, max, last, count] => {
                    let summary = Summary { min: *min, mean: *mean, max: *max, last: *last, count: *count as u64 };
                    Ok(Self { summary, is_of_all: false })
                }
                _ => Err(serde::de::Error::invalid_length(list.len(), &"four or five numbers")),
            },
        }
    }
}

/// How daemons stood, and nothing else of a row: what uptime asks for.
#[derive(Deserialize)]
pub(super) struct RolledStandings {
    #[serde(rename = "d", alias = "daemons", default)]
    pub(super) daemons: BTreeMap<String, RolledStanding>,
}

/// See [`RolledStandings`].
#[derive(Deserialize)]
pub(super) struct RolledStanding {
    #[serde(rename = "l", alias = "lasted_ms", default)]
    pub(super) lasted_ms: BTreeMap<Standing, u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> BeatSummary {
        let numbers = |count| Summary { min: 1.5, mean: 2.25, max: 3.0, last: 3.0, count };
        let daemon = DaemonSummary {
            states: [("running".to_owned(), 11), ("failed".to_owned(), 1)].into(),
            lasted_ms: [(Standing::Up, 55_000), (Standing::Down, 5_000)].into(),
            maintenance: 2,
            cpu_percent: Some(numbers(11)),
            memory_bytes: Some(numbers(12)),
            restart_count: Some(1),
        };
        BeatSummary {
            count: 12,
            missed: 1,
            overall: [("healthy".to_owned(), 12)].into(),
            clock: [("synced".to_owned(), 12)].into(),
            clock_offset_seconds: Some(numbers(12)),
            daemons: [("relay".to_owned(), daemon)].into(),
        }
    }

    #[test]
    fn the_short_form_says_the_same_in_a_third_of_the_bytes() {
        let text = serde_json::to_string(&Rolled::from(&summary())).unwrap();
        assert_eq!(
            text,
            r#"{"n":12,"m":1,"o":"healthy","c":"synced","f":[1.5,2.25,3,3],"d":{"relay":{"s":{"failed":1,"running":11},"l":{"up":55000,"down":5000},"m":2,"c":[1.5,2.25,3,3,11],"b":[1.5,2.25,3,3],"r":1}}}"#
        );
        let again: Rolled = serde_json::from_str(&text).unwrap();
        assert_eq!(BeatSummary::from(again), summary());
        let standings: RolledStandings = serde_json::from_str(&text).unwrap();
        assert_eq!(standings.daemons["relay"].lasted_ms[&Standing::Down], 5_000);
    }

    #[test]
    fn the_long_form_is_read_as_well() {
        let text = serde_json::to_string(&summary()).unwrap();
        let long: Rolled = serde_json::from_str(&text).unwrap();
        assert_eq!(BeatSummary::from(long), summary());
        assert_eq!(rounded(64_938_001.066_666_67), 64_938_000.0);
    }
}
