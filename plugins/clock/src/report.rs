//! The body and the metrics of section `clock`.

use ghostd_sdk::Metric;
use ghostd_sdk::host::clock::{Clocks, KernelDiscipline, Tracking};
use ghostd_sdk::time::rfc3339;
use serde::Serialize;

use crate::config::Config;
use crate::history::{Change, Rate, Steps, seconds};
use crate::verdict::{Status, Verdict};
use crate::witness::{Server, Witness, micros};

/// Everything that one call found out.
pub(crate) struct Seen<'a> {
    pub(crate) clocks: &'a Clocks,
    pub(crate) change: &'a Change,
    pub(crate) steps: &'a Steps,
    pub(crate) discipline: Option<&'a KernelDiscipline>,
    pub(crate) servers: &'a [Server],
    pub(crate) server_gap_seconds: Option<f64>,
    pub(crate) tracking: Option<&'a Tracking>,
    pub(crate) witnesses: &'a [Witness],
    pub(crate) verdict: &'a Verdict,
    pub(crate) config: &'a Config,
}

/// The body, `ghost.clock/1`. Offsets are what the clock must be moved by: positive when it is behind.
#[derive(Debug, Serialize)]
pub(crate) struct Body<'a> {
    status: Status,
    /// What is unknown counts neither for nor against the machine.
    in_verdict: bool,
    reason: &'a str,
    /// The witness whose offset this is.
    source: Option<&'static str>,
    offset_seconds: Option<f64>,
    /// The offset is right within this much.
    offset_bound_seconds: Option<f64>,
    contradicted_by: &'a [&'static str],
    thresholds: Thresholds,
    system_time: String,
    boot_time: String,
    /// Suspend included.
    uptime_seconds: f64,
    suspended_seconds: f64,
    suspended_since_last_seconds: f64,
    steps: StepBody,
    /// How the system clock runs against the bare oscillator.
    drift: Option<Rate>,
    kernel: Option<KernelBody>,
    sntp: SntpBody<'a>,
    chrony: Option<ChronyBody>,
    witnesses: &'a [Witness],
}

#[derive(Debug, Serialize)]
struct Thresholds {
    warn_seconds: f64,
    critical_seconds: f64,
    failed_seconds: f64,
}

#[derive(Debug, Serialize)]
struct StepBody {
    /// In this boot.
    count: u64,
    /// Positive: forward.
    last_seconds: Option<f64>,
    last_at: Option<String>,
    since_last_seconds: Option<f64>,
}

/// adjtimex(2).
#[derive(Debug, Serialize)]
struct KernelBody {
    synchronised: bool,
    offset_seconds: f64,
    frequency_ppm: f64,
    maximum_error_seconds: f64,
    estimated_error_seconds: f64,
    status_bits: u32,
    leap: &'static str,
    time_constant: i64,
    tai_offset_seconds: i32,
    /// For how long the maximum error has grown as it does when nobody corrects the clock.
    uncorrected_seconds: Option<f64>,
}

#[derive(Debug, Serialize)]
struct SntpBody<'a> {
    servers: &'a [Server],
    /// How far apart two servers are beyond their bounds.
    disagreement_seconds: Option<f64>,
}

/// `chronyc tracking`, but for the sign of the offset.
#[derive(Debug, Serialize)]
struct ChronyBody {
    reference_id: String,
    stratum: u16,
    leap: &'static str,
    offset_seconds: f64,
    last_offset_seconds: f64,
    rms_offset_seconds: f64,
    frequency_ppm: f64,
    skew_ppm: f64,
    root_delay_seconds: f64,
    root_dispersion_seconds: f64,
    update_interval_seconds: f64,
    age_seconds: f64,
}

/// What is written down of a call.
pub(crate) fn body<'a>(seen: &Seen<'a>) -> Body<'a> {
    let verdict = seen.verdict;
    let system_ms = seen.clocks.realtime_ns.div_euclid(1_000_000);
    let boot_ms = system_ms.saturating_sub(i64::try_from(seen.clocks.boottime_ns / 1_000_000).unwrap_or(i64::MAX));
    Body {
        status: verdict.status,
        in_verdict: verdict.status != Status::Unknown,
        reason: &verdict.reason,
        source: verdict.source,
        offset_seconds: verdict.offset_seconds,
        offset_bound_seconds: verdict.offset_bound_seconds,
        contradicted_by: &verdict.contradicted_by,
        thresholds: Thresholds {
            warn_seconds: seen.config.warn_seconds,
            critical_seconds: seen.config.critical_seconds,
            failed_seconds: seen.config.failed_seconds,
        },
        system_time: rfc3339(system_ms),
        boot_time: rfc3339(boot_ms),
        uptime_seconds: seconds(seen.clocks.boottime_ns),
        suspended_seconds: seconds(seen.change.suspended_total_ns),
        suspended_since_last_seconds: seconds(seen.change.suspended_ns),
        steps: StepBody {
            count: seen.steps.count,
            last_seconds: seen.steps.last_ns.map(|ns| ns as f64 / 1e9),
            last_at: (seen.steps.last_ms > 0).then(|| rfc3339(seen.steps.last_ms)),
            since_last_seconds: seen.change.stepped_ns.map(|ns| ns as f64 / 1e9),
        },
        drift: seen.change.rate,
        kernel: seen.discipline.map(|discipline| kernel(discipline, seen.change.uncorrected_seconds)),
        sntp: SntpBody { servers: seen.servers, disagreement_seconds: seen.server_gap_seconds },
        chrony: seen.tracking.map(chrony),
        witnesses: seen.witnesses,
    }
}

/// The metrics. OpenTelemetry has names for the uptime alone; the others follow its manner.
pub(crate) fn metrics(seen: &Seen<'_>) -> Vec<Metric> {
    let mut metrics = vec![
        Metric::gauge("system.uptime", "s", seconds(seen.clocks.boottime_ns)),
        Metric::counter("system.clock.steps", "{step}", seen.steps.count),
    ];
    for witness in seen.witnesses {
        let mut add = |name: &str, value: Option<f64>| {
            metrics.extend(value.map(|value| Metric::gauge(name, "s", value).label("source", witness.name)));
        };
        add("system.clock.offset", witness.offset_seconds);
        add("system.clock.offset.bound", witness.bound_seconds);
    }
    if let Some(discipline) = seen.discipline {
        let synchronised = if discipline.synchronised { 1.0 } else { 0.0 };
        metrics.extend([
            Metric::gauge("system.clock.synchronised", "1", synchronised),
            Metric::gauge("system.clock.maximum_error", "s", micros(discipline.maximum_error_us)),
            Metric::gauge("system.clock.estimated_error", "s", micros(discipline.estimated_error_us)),
            Metric::gauge("system.clock.frequency_correction", "1", discipline.frequency_ppm / 1e6),
        ]);
    }
    metrics.extend(seen.change.rate.map(|rate| Metric::gauge("system.clock.drift", "1", rate.rate_ppm / 1e6)));
    metrics
}

fn kernel(discipline: &KernelDiscipline, uncorrected_seconds: Option<f64>) -> KernelBody {
    KernelBody {
        synchronised: discipline.synchronised,
        offset_seconds: discipline.offset_ns as f64 / 1e9,
        frequency_ppm: discipline.frequency_ppm,
        maximum_error_seconds: micros(discipline.maximum_error_us),
        estimated_error_seconds: micros(discipline.estimated_error_us),
        status_bits: discipline.status,
        leap: kernel_leap(discipline.leap),
        time_constant: discipline.time_constant,
        tai_offset_seconds: discipline.tai_offset,
        uncorrected_seconds,
    }
}

/// The words of adjtimex(2) for its return value.
fn kernel_leap(state: i32) -> &'static str {
    match state {
        0 => "none",
        1 => "insert_second",
        2 => "delete_second",
        3 => "in_progress",
        4 => "occurred",
        5 => "unsynchronised",
        _ => "unknown",
    }
}

fn chrony(tracking: &Tracking) -> ChronyBody {
    ChronyBody {
        reference_id: format!("{:08X}", tracking.reference_id),
        stratum: tracking.stratum,
        leap: match tracking.leap {
            0 => "none",
            1 => "insert_second",
            2 => "delete_second",
            3 => "unsynchronised",
            _ => "unknown",
        },
        offset_seconds: -tracking.offset_seconds,
        last_offset_seconds: tracking.last_offset_seconds,
        rms_offset_seconds: tracking.rms_offset_seconds,
        frequency_ppm: tracking.frequency_ppm,
        skew_ppm: tracking.skew_ppm,
        root_delay_seconds: tracking.root_delay_seconds,
        root_dispersion_seconds: tracking.root_dispersion_seconds,
        update_interval_seconds: tracking.update_interval_seconds,
        age_seconds: tracking.age_ms as f64 / 1e3,
    }
}
