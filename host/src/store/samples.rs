//! Metric points of one collector at one instant, packed into one row.
//!
//! A collector returns some hundred points every few seconds. A row for each would cost ten times the CPU and the
//! room of one row for all; a series is read rarely, and then its rows are read through.
//!
//! ```text
//! point = varint(series << 2 | kind) value
//! value = kind 0, gauge: 8 bytes, f64, little endian
//!         kind 1, counter: varint
//!         kind 2, histogram: varint(length) and that many bytes of JSON
//! varint = LEB128: seven bits a byte, lowest first, the eighth set where more follow
//! ```
//!
//! A row of summaries has the same points with other values:
//!
//! ```text
//! value = kind 0, gauge: varint(count) min mean max last, each 8 bytes, f64, little endian
//!         kind 1, counter: varint(count) varint(min) varint(max) varint(last): totals stay exact
//!         kind 2, histogram: varint(count) varint(length) and the last one as JSON
//! ```
//!
//! Owns: that form. Must not know: what a series is called.

use std::collections::BTreeMap;

use super::rollup::Summary;
use crate::model::{Histogram, Reading};

/// The kinds of readings, as stored. Never change one.
pub(super) const GAUGE: u8 = 0;
/// See [`GAUGE`].
pub(super) const COUNTER: u8 = 1;
/// See [`GAUGE`].
pub(super) const HISTOGRAM: u8 = 2;

/// The kind of a reading.
pub(super) fn kind_of(reading: &Reading) -> u8 {
    match reading {
        Reading::Gauge(_) => GAUGE,
        Reading::Counter(_) => COUNTER,
        Reading::Histogram(_) => HISTOGRAM,
    }
}

/// Adds a point.
pub(super) fn pack(points: &mut Vec<u8>, series: u32, reading: &Reading) {
    put_varint(points, u64::from(series) << 2 | u64::from(kind_of(reading)));
    match reading {
        Reading::Gauge(value) => points.extend_from_slice(&value.to_le_bytes()),
        Reading::Counter(value) => put_varint(points, *value),
        Reading::Histogram(histogram) => {
            put_json(points, histogram);
        }
    }
}

/// The points of a row. Ends early where the row is damaged.
pub(super) fn unpack(mut points: &[u8]) -> impl Iterator<Item = (u32, Reading)> {
    std::iter::from_fn(move || {
        let head = take_varint(&mut points)?;
        let series = u32::try_from(head >> 2).ok()?;
        let reading = match u8::try_from(head & 3).ok()? {
            GAUGE => Reading::Gauge(take_f64(&mut points)?),
            COUNTER => Reading::Counter(take_varint(&mut points)?),
            HISTOGRAM => Reading::Histogram(take_json(&mut points)?),
            _ => return None,
        };
        Some((series, reading))
    })
}

/// A series over a minute or an hour.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum SampleSummary {
    Gauge(Summary),
    Counter { count: u64, min: u64, max: u64, last: u64 },
    Histogram { count: u64, last: Histogram },
}

impl SampleSummary {
    pub(super) fn of(reading: Reading) -> Self {
        match reading {
            Reading::Gauge(value) => Self::Gauge(Summary::of(value)),
            Reading::Counter(value) => Self::Counter { count: 1, min: value, max: value, last: value },
            Reading::Histogram(last) => Self::Histogram { count: 1, last },
        }
    }

    /// Takes in what came later.
    pub(super) fn merge(&mut self, later: &Self) {
        match (&mut *self, later) {
            (Self::Gauge(before), Self::Gauge(later)) => before.merge(later),
            (
                Self::Counter { count, min, max, last },
                Self::Counter { count: more, min: less, max: greater, last: later },
            ) => {
                *count += more;
                *min = (*min).min(*less);
                *max = (*max).max(*greater);
                *last = *later;
            }
            (Self::Histogram { count, last }, Self::Histogram { count: more, last: later }) => {
                *count += more;
                last.clone_from(later);
            }
            // A series has one kind for life; where a damaged row says otherwise, the later one counts.
            (before, later) => before.clone_from(later),
        }
    }
}

/// Packs the summaries of one collector.
pub(super) fn pack_summaries(summaries: &BTreeMap<u32, SampleSummary>) -> Vec<u8> {
    let mut points = Vec::new();
    for (series, summary) in summaries {
        let mut head = |kind: u8, count: u64| {
            put_varint(&mut points, u64::from(*series) << 2 | u64::from(kind));
            put_varint(&mut points, count);
        };
        match summary {
            SampleSummary::Gauge(Summary { min, mean, max, last, count }) => {
                head(GAUGE, *count);
                [min, mean, max, last].iter().for_each(|value| points.extend_from_slice(&value.to_le_bytes()));
            }
            SampleSummary::Counter { count, min, max, last } => {
                head(COUNTER, *count);
                [min, max, last].iter().for_each(|value| put_varint(&mut points, **value));
            }
            SampleSummary::Histogram { count, last } => {
                head(HISTOGRAM, *count);
                put_json(&mut points, last);
            }
        }
    }
    points
}

/// The summaries of a row. Ends early where the row is damaged.
pub(super) fn unpack_summaries(mut points: &[u8]) -> impl Iterator<Item = (u32, SampleSummary)> {
    std::iter::from_fn(move || {
        let head = take_varint(&mut points)?;
        let series = u32::try_from(head >> 2).ok()?;
        let count = take_varint(&mut points)?;
        let summary = match u8::try_from(head & 3).ok()? {
            GAUGE => {
                let [min, mean, max, last] = [(); 4].map(|()| take_f64(&mut points));
                SampleSummary::Gauge(Summary { min: min?, mean: mean?, max: max?, last: last?, count })
            }
            COUNTER => {
                let [min, max, last] = [(); 3].map(|()| take_varint(&mut points));
                SampleSummary::Counter { count, min: min?, max: max?, last: last? }
            }
            HISTOGRAM => SampleSummary::Histogram { count, last: take_json(&mut points)? },
            _ => return None,
        };
        Some((series, summary))
    })
}

fn put_json(bytes: &mut Vec<u8>, histogram: &Histogram) {
    let text = serde_json::to_vec(histogram).unwrap_or_default();
    put_varint(bytes, text.len() as u64);
    bytes.extend_from_slice(&text);
}

fn take_json(bytes: &mut &[u8]) -> Option<Histogram> {
    let length = usize::try_from(take_varint(bytes)?).ok()?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    serde_json::from_slice(text).ok()
}

fn take_f64(bytes: &mut &[u8]) -> Option<f64> {
    let (value, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    Some(f64::from_le_bytes(*value))
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Bucket;

    fn reading() -> impl Strategy<Value = Reading> {
        prop_oneof![
            (-1e300..1e300).prop_map(Reading::Gauge),
            any::<u64>().prop_map(Reading::Counter),
            (any::<u64>(), 0.0..1e9).prop_map(|(count, sum)| {
                Reading::Histogram(Histogram { buckets: vec![Bucket { upper_bound: Some(1.5), count }], sum, count })
            }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(points in proptest::collection::vec((0..u32::MAX >> 2, reading()), 0..40)) {
            let mut packed = Vec::new();
            for (series, reading) in &points {
                pack(&mut packed, *series, reading);
            }
            prop_assert_eq!(unpack(&packed).collect::<Vec<_>>(), points);
        }

        #[test]
        fn summaries_that_are_packed_are_unpacked(
            points in proptest::collection::btree_map(0..u32::MAX >> 2, proptest::collection::vec(reading(), 1..5), 0..20),
        ) {
            let summarise = |readings: Vec<Reading>| {
                let mut summaries = readings.into_iter().map(SampleSummary::of);
                let mut first = summaries.next().unwrap();
                summaries.for_each(|later| first.merge(&later));
                first
            };
            let summaries: BTreeMap<u32, SampleSummary> =
                points.into_iter().map(|(series, readings)| (series, summarise(readings))).collect();
            let packed = pack_summaries(&summaries);
            prop_assert_eq!(unpack_summaries(&packed).collect::<BTreeMap<_, _>>(), summaries);
        }

        #[test]
        fn damaged_rows_end_early(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(unpack(&bytes).count() <= bytes.len());
            prop_assert!(unpack_summaries(&bytes).count() <= bytes.len());
        }
    }
}
