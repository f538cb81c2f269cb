//! Block devices: what was read and written.

use std::collections::BTreeMap;

use ghostd_sdk::Metric;
use ghostd_sdk::host::system::Disk;
use serde::Serialize;

use crate::rate::{Span, growth, per_second, tidy};

/// The most devices that get series of their own, the busiest since boot. All are in the body.
pub(crate) const MAX_SERIES: usize = 16;

/// What is kept for the next call: by name, the five counters.
pub(crate) type Base = BTreeMap<String, Counters>;
/// Bytes read and written, reads, writes, and busy milliseconds.
pub(crate) type Counters = [u64; 5];

/// One of `disks` in the body.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Body {
    pub(crate) name: String,
    /// Since boot.
    pub(crate) read_bytes: u64,
    pub(crate) written_bytes: u64,
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    #[serde(flatten)]
    pub(crate) rates: Option<Rates>,
}

/// Over the span of the section.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Rates {
    pub(crate) read_bytes_per_second: f64,
    pub(crate) written_bytes_per_second: f64,
    pub(crate) reads_per_second: f64,
    pub(crate) writes_per_second: f64,
    /// The share of time in which it had something to do.
    pub(crate) busy_percent: f64,
}

/// What the next call compares with.
#[must_use]
pub(crate) fn base(disks: &[Disk]) -> Base {
    disks.iter().map(|disk| (disk.name.clone(), counters(disk))).collect()
}

/// In the host's order.
#[must_use]
pub(crate) fn body(disks: &[Disk], base: Option<&Base>, span: Span) -> Vec<Body> {
    let rates = |disk: &Disk| {
        let seconds = span.seconds()?;
        let [read_bytes, written_bytes, reads, writes, busy_ms] = growth(counters(disk), *base?.get(&disk.name)?)?;
        Some(Rates {
            read_bytes_per_second: per_second(read_bytes, seconds),
            written_bytes_per_second: per_second(written_bytes, seconds),
            reads_per_second: per_second(reads, seconds),
            writes_per_second: per_second(writes, seconds),
            // The kernel counts in ticks, which can add up to a little more than the span.
            busy_percent: tidy((busy_ms as f64 / seconds / 10.0).min(100.0)),
        })
    };
    let body = |disk: &Disk| Body {
        name: disk.name.clone(),
        read_bytes: disk.read_bytes,
        written_bytes: disk.written_bytes,
        reads: disk.reads,
        writes: disk.writes,
        rates: rates(disk),
    };
    disks.iter().map(body).collect()
}

/// OpenTelemetry's `system.disk.*`.
#[must_use]
pub(crate) fn metrics(disks: &[Body]) -> Vec<Metric> {
    let mut busiest: Vec<&Body> = disks.iter().filter(|disk| disk.reads + disk.writes > 0).collect();
    busiest.sort_by_key(|disk| std::cmp::Reverse(disk.read_bytes.saturating_add(disk.written_bytes)));
    let mut metrics = Vec::new();
    for disk in busiest.into_iter().take(MAX_SERIES) {
        for (name, unit, direction, value) in [
            ("system.disk.io", "By", "read", disk.read_bytes),
            ("system.disk.io", "By", "write", disk.written_bytes),
            ("system.disk.operations", "{operation}", "read", disk.reads),
            ("system.disk.operations", "{operation}", "write", disk.writes),
        ] {
            let point = Metric::counter(name, unit, value);
            metrics.push(point.label("system.device", disk.name.as_str()).label("disk.io.direction", direction));
        }
    }
    metrics
}

fn counters(disk: &Disk) -> Counters {
    [disk.read_bytes, disk.written_bytes, disk.reads, disk.writes, disk.busy_ms]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(name: &str, read_bytes: u64, busy_ms: u64) -> Disk {
        Disk { name: name.to_owned(), read_bytes, reads: read_bytes / 4096, busy_ms, ..Default::default() }
    }

    #[test]
    fn rates_are_since_the_base() {
        let before = base(&[disk("sda", 0, 0)]);
        let body = body(&[disk("sda", 40_960, 2_500)], Some(&before), Span::Seconds(5.0));
        let rates = body[0].rates.unwrap();
        assert_eq!((rates.read_bytes_per_second, rates.reads_per_second, rates.busy_percent), (8_192.0, 2.0, 50.0));
    }

    #[test]
    fn a_device_that_was_replaced_or_is_new_begins_anew() {
        let before = base(&[disk("sda", 100, 10)]);
        let body = body(&[disk("sda", 50, 20), disk("sdb", 50, 20)], Some(&before), Span::Seconds(5.0));
        assert!(body.iter().all(|disk| disk.rates.is_none()));
    }

    #[test]
    fn only_devices_that_did_something_get_series() {
        let mut disks: Vec<Disk> = (0..100).map(|n| disk(&format!("loop{n}"), 0, 0)).collect();
        disks.extend((0..40).map(|n| disk(&format!("sd{n}"), 1 << n, 0)));
        let metrics = metrics(&body(&disks, None, Span::None));
        assert_eq!(metrics.len(), MAX_SERIES * 4);
        assert_eq!(metrics[0].labels[0].value, "sd39".into());
    }
}
