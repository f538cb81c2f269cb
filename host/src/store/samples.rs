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
//! Owns: that form. Must not know: what a series is called.

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
            let text = serde_json::to_vec(histogram).unwrap_or_default();
            put_varint(points, text.len() as u64);
            points.extend_from_slice(&text);
        }
    }
}

/// The points of a row. Ends early where the row is damaged.
pub(super) fn unpack(mut points: &[u8]) -> impl Iterator<Item = (u32, Reading)> {
    std::iter::from_fn(move || {
        let head = take_varint(&mut points)?;
        let series = u32::try_from(head >> 2).ok()?;
        let reading = match u8::try_from(head & 3).ok()? {
            GAUGE => {
                let (value, rest) = points.split_first_chunk::<8>()?;
                points = rest;
                Reading::Gauge(f64::from_le_bytes(*value))
            }
            COUNTER => Reading::Counter(take_varint(&mut points)?),
            HISTOGRAM => {
                let length = usize::try_from(take_varint(&mut points)?).ok()?;
                let (text, rest) = points.split_at_checked(length)?;
                points = rest;
                Reading::Histogram(serde_json::from_slice::<Histogram>(text).ok()?)
            }
            _ => return None,
        };
        Some((series, reading))
    })
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
            any::<f64>().prop_filter("JSON has no NaN either", |value| !value.is_nan()).prop_map(Reading::Gauge),
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
        fn damaged_rows_end_early(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(unpack(&bytes).count() <= bytes.len());
        }
    }
}
