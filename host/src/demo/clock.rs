//! The demo's clock: kept right by chronyd, but for an hour and a half after the machine was moved.

use serde_json::{Value as Json, json};

use super::noise::Noise;
use super::section::{Wanted, counter, finding, gauge, section, tidy};
use super::story::{BEHIND_SECONDS, CLOCK_BEHIND, Calendar, HOUR, within};
use crate::model::{Finding, Moment, Section, Severity};

/// For so long a step is worth a finding.
const STEP_OPEN: u64 = HOUR;

/// What the clock must be moved by then, and the words for its state.
fn offset(now: u64, noise: &Noise) -> (f64, &'static str, String) {
    if within(now, CLOCK_BEHIND) {
        let offset = BEHIND_SECONDS + (now - CLOCK_BEHIND.0) as f64 * 2.4e-6 + 0.000_2 * noise.curve("clock", now);
        let reason = format!("sntp: {offset:.1} s behind time.example.org; chronyd has no source it trusts");
        return (offset, "drift_warning", reason);
    }
    let offset = 0.000_35 * noise.smooth("clock", now, 1_900) + 0.000_06 * noise.curve("clock", now);
    (offset, "synced", "chrony: tied to time.example.org, stratum 3".to_owned())
}

/// The section; between two snapshots with what a heartbeat takes of it, and no more.
pub(super) fn clock(now: u64, calendar: &Calendar, noise: &Noise, wanted: Wanted) -> Section {
    let moment = calendar.at(now);
    let (offset, status, reason) = offset(now, noise);
    let moved = within(now, CLOCK_BEHIND);
    let stepped = now >= CLOCK_BEHIND.1;
    let uptime = (moment.boottime_ns / 1_000_000) as f64 / 1e3;
    let drift_ppm = 12.4 + 0.6 * noise.smooth("drift", now, 7_200);
    let body = if wanted.body {
        full(now, &moment, calendar, noise, (offset, status, &reason), drift_ppm)
    } else {
        json!({"status": status, "reason": reason, "offset_seconds": tidy(offset)})
    };
    let metrics = if wanted.points {
        vec![
            gauge("system.uptime", "s", uptime, &[]),
            counter("system.clock.steps", "{step}", u64::from(stepped), &[]),
            gauge("system.clock.offset", "s", offset, &[("source", "sntp")]),
            gauge("system.clock.offset.bound", "s", 0.012, &[("source", "sntp")]),
            gauge("system.clock.synchronised", "1", f64::from(u8::from(!moved)), &[]),
            gauge("system.clock.drift", "1", drift_ppm / 1e6, &[]),
        ]
    } else {
        Vec::new()
    };
    section("clock", body, metrics, findings(now, calendar, offset))
}

/// The whole body.
fn full(
    now: u64,
    moment: &Moment,
    calendar: &Calendar,
    noise: &Noise,
    (offset, status, reason): (f64, &str, &str),
    drift_ppm: f64,
) -> Json {
    let (moved, stepped) = (within(now, CLOCK_BEHIND), now >= CLOCK_BEHIND.1);
    let uptime = (moment.boottime_ns / 1_000_000) as f64 / 1e3;
    let (source, bound) = if moved { ("sntp", 0.012) } else { ("chrony", 0.004) };
    let ticks = noise.at("sntp", now / 300);
    json!({
        "status": status,
        "in_verdict": true,
        "reason": reason,
        "source": source,
        "offset_seconds": tidy(offset),
        "offset_bound_seconds": bound,
        "contradicted_by": [],
        "thresholds": {"warn_seconds": 30.0, "critical_seconds": 60.0, "failed_seconds": 150.0},
        "system_time": moment.wall.to_string(),
        "boot_time": moment.wall.plus_ns(-i64::try_from(moment.boottime_ns).unwrap_or_default()).to_string(),
        "uptime_seconds": uptime,
        "suspended_seconds": 0.0,
        "suspended_since_last_seconds": 0.0,
        "steps": {
            "count": u8::from(stepped),
            "last_seconds": stepped.then_some(BEHIND_SECONDS),
            "last_at": stepped.then(|| calendar.at(CLOCK_BEHIND.1).wall.to_string()),
            "since_last_seconds": if now == CLOCK_BEHIND.1 { BEHIND_SECONDS } else { 0.0 },
        },
        "drift": {"rate_ppm": tidy(drift_ppm), "span_seconds": 300.0},
        "kernel": {
            "synchronised": !moved, "offset_seconds": tidy(offset / 9.0), "frequency_ppm": tidy(drift_ppm),
            "maximum_error_seconds": if moved { 0.5 } else { 0.021 }, "estimated_error_seconds": 0.0004,
            "status_bits": if moved { 8_256 } else { 8_193 }, "leap": "none", "time_constant": 7, "tai_offset_seconds": 37,
            "uncorrected_seconds": moved.then(|| now - CLOCK_BEHIND.0),
        },
        "sntp": {
            "servers": [
                {"server": "time.example.org", "usable": true, "best": true, "offset_seconds": tidy(offset),
                 "bound_seconds": 0.012, "delay_seconds": tidy(0.018 + 0.004 * ticks), "stratum": 2,
                 "age_seconds": now % 300, "error": null},
                {"server": "ntp.example.net", "usable": true, "best": false, "offset_seconds": tidy(offset + 0.0007),
                 "bound_seconds": 0.021, "delay_seconds": tidy(0.034 + 0.006 * ticks), "stratum": 2,
                 "age_seconds": now % 300, "error": null},
            ],
            "disagreement_seconds": null,
        },
        "chrony": {
            "reference_id": if moved { "00000000" } else { "C0000235" }, "stratum": if moved { 16 } else { 3 },
            "leap": if moved { "unsynchronised" } else { "none" }, "offset_seconds": tidy(offset),
            "last_offset_seconds": tidy(offset * 0.7), "rms_offset_seconds": 0.000_31, "frequency_ppm": tidy(drift_ppm),
            "skew_ppm": 0.09, "root_delay_seconds": 0.021, "root_dispersion_seconds": 0.0011,
            "update_interval_seconds": 64.2, "age_seconds": now % 64,
        },
        "witnesses": [
            {"name": "chrony", "says": if moved { "unsynchronised" } else { "synchronised" },
             "reason": if moved { "it has no source" } else { "it is tied to a source" },
             "offset_seconds": (!moved).then(|| tidy(offset)), "bound_seconds": (!moved).then_some(0.004)},
            {"name": "sntp", "says": if moved { "unsynchronised" } else { "synchronised" },
             "reason": "two servers agree", "offset_seconds": tidy(offset), "bound_seconds": 0.012},
            {"name": "kernel", "says": if moved { "unsynchronised" } else { "synchronised" },
             "reason": "its maximum error and its flags", "offset_seconds": null, "bound_seconds": null},
        ],
    })
}

fn findings(now: u64, calendar: &Calendar, offset: f64) -> Vec<Finding> {
    let (moved, mended) = (calendar.at(CLOCK_BEHIND.0).wall, calendar.at(CLOCK_BEHIND.1).wall);
    if within(now, CLOCK_BEHIND) {
        let title = format!("clock is {BEHIND_SECONDS:.1} s behind");
        let mut open = finding("clock.drift", Severity::Medium, title, moved, calendar.at(now).wall);
        open.detail = Some("chronyd has no source it trusts; two SNTP servers agree with each other".to_owned());
        open.attributes.insert("offset_seconds".to_owned(), crate::model::Value::Float(tidy(offset)));
        return vec![open];
    }
    if within(now, (CLOCK_BEHIND.1, CLOCK_BEHIND.1 + STEP_OPEN)) {
        let title = format!("clock was stepped forward by {BEHIND_SECONDS:.3} s");
        return vec![finding("clock.step", Severity::Low, title, mended, mended)];
    }
    Vec::new()
}
