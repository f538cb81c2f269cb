//! Pressure stall information, and the machine's open files.

use std::collections::BTreeMap;

use ghostd_sdk::Metric;
use ghostd_sdk::host::system::{FileHandleCounts, PressureStall};
use serde::Serialize;

use crate::rate::percent;

/// One of `pressure` in the body, by resource.
#[derive(Debug, Serialize)]
pub(crate) struct Pressure {
    /// Percent of time in which at least one task waited, over 10, 60 and 300 seconds.
    pub(crate) some_percent: [f64; 3],
    /// Since boot, in microseconds.
    pub(crate) some_total_us: u64,
    /// In which all tasks waited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) full_percent: Option<[f64; 3]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) full_total_us: Option<u64>,
}

/// `open_files` in the body.
#[derive(Debug, Serialize)]
pub(crate) struct OpenFiles {
    pub(crate) allocated: u64,
    pub(crate) maximum: u64,
    pub(crate) usage_percent: Option<f64>,
}

/// By resource: `cpu`, `memory`, `io`, `irq`.
#[must_use]
pub(crate) fn pressure(now: &[PressureStall]) -> BTreeMap<String, Pressure> {
    let averages = |(ten, sixty, three_hundred): (f64, f64, f64)| [ten, sixty, three_hundred];
    now.iter()
        .map(|stall| {
            let body = Pressure {
                some_percent: averages(stall.some_avg),
                some_total_us: stall.some_total_us,
                full_percent: stall.full_avg.map(averages),
                full_total_us: stall.full_total_us,
            };
            (stall.resource.clone(), body)
        })
        .collect()
}

/// The shares over 10 seconds. OpenTelemetry has no name for them yet.
#[must_use]
pub(crate) fn pressure_metrics(pressure: &BTreeMap<String, Pressure>) -> Vec<Metric> {
    let point = |resource: &str, kind: &str, percent: f64| {
        Metric::gauge("system.linux.pressure", "1", percent / 100.0).label("resource", resource).label("kind", kind)
    };
    pressure
        .iter()
        .flat_map(|(resource, body)| {
            let [some, ..] = body.some_percent;
            let full = body.full_percent.map(|[full, ..]| point(resource, "full", full));
            [Some(point(resource, "some", some)), full]
        })
        .flatten()
        .collect()
}

/// Open files of the machine.
#[must_use]
pub(crate) fn open_files(now: &FileHandleCounts) -> OpenFiles {
    OpenFiles { allocated: now.allocated, maximum: now.maximum, usage_percent: percent(now.allocated, now.maximum) }
}

/// Likewise without a name of OpenTelemetry's.
#[must_use]
pub(crate) fn open_file_metrics(files: &OpenFiles) -> Vec<Metric> {
    vec![
        Metric::gauge("system.linux.file_handle.count", "{file}", files.allocated as f64),
        Metric::gauge("system.linux.file_handle.limit", "{file}", files.maximum as f64),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_has_full_only_where_the_kernel_tells() {
        let cpu = PressureStall {
            resource: "cpu".to_owned(),
            some_avg: (12.5, 3.0, 0.0),
            some_total_us: 9,
            ..Default::default()
        };
        let io = PressureStall { resource: "io".to_owned(), full_avg: Some((50.0, 0.0, 0.0)), ..Default::default() };
        let metrics = pressure_metrics(&pressure(&[io, cpu]));
        assert_eq!(metrics.len(), 3);
        assert_eq!(metrics[0].reading, ghostd_sdk::Reading::Gauge(0.125));
    }

    #[test]
    fn an_unlimited_table_has_no_usage() {
        assert_eq!(open_files(&FileHandleCounts { allocated: 5, maximum: 0 }).usage_percent, None);
        let files = open_files(&FileHandleCounts { allocated: 1_024, maximum: u64::MAX });
        assert_eq!(files.usage_percent, Some(0.0));
    }
}
