//! Heartbeats: one compact record composed of the latest sections, and the verdict that it carries.
//!
//! Owns: the overall status and its reasons. Pure: the board and the time are given.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value as Json;

use crate::board::{Board, Place};
use crate::model::{DaemonBeat, Heartbeat, Moment, Overall, OverallStatus};

/// Reasons that a verdict names. More are counted.
const MAX_REASONS: usize = 16;

/// Below this share of healthy daemons the machine is unhealthy, and below the other critical. The original's figures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// 0.8 by default.
    pub unhealthy_below: f64,
    /// 0.5 by default.
    pub critical_below: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { unhealthy_below: 0.8, critical_below: 0.5 }
    }
}

/// What a heartbeat is made of beside the board.
#[derive(Debug, Clone)]
pub struct Beat<'a> {
    /// Its number.
    pub sequence: u64,
    /// When.
    pub now: &'a Moment,
    /// The interval that is configured.
    pub interval: Duration,
    /// Beats that were due and not taken.
    pub missed: u64,
    /// The daemons of the configuration in its order.
    pub daemons: &'a [String],
    /// Daemons whose process has ended since their section was collected, with the BOOTTIME at which it did.
    pub ended: &'a BTreeMap<String, u64>,
    /// Where the verdict turns.
    pub thresholds: Thresholds,
}

/// Composes a heartbeat.
pub fn compose(board: &Board, beat: &Beat<'_>) -> Heartbeat {
    let daemon = usable(board.get("daemon"));
    let clock = usable(board.get("clock"));
    let daemons: Vec<DaemonBeat> = beat.daemons.iter().map(|name| daemon_beat(name, daemon, beat)).collect();
    let clock_body = clock.map(|place| &place.posted.section.get().body);
    let clock_status = clock_body.map_or("no_data", |body| text(body, "status").unwrap_or("unknown")).to_owned();
    let overall = verdict(&daemons, &clock_status, clock_body, beat.thresholds);
    Heartbeat {
        sequence: beat.sequence,
        at: beat.now.wall,
        boottime_ns: beat.now.boottime_ns,
        boot_id: beat.now.boot_id.to_string(),
        interval_ms: u64::try_from(beat.interval.as_millis()).unwrap_or(u64::MAX),
        overall,
        daemons,
        clock_offset_seconds: clock_body.and_then(|body| body.get("offset_seconds")).and_then(Json::as_f64),
        clock_status,
        uptime_seconds: (beat.now.boottime_ns / 1_000_000) as f64 / 1e3,
        missed: beat.missed,
    }
}

/// A section whose collector failed since is no data, never good news.
fn usable(place: Option<&Place>) -> Option<&Place> {
    place.filter(|place| place.failed.is_none())
}

fn daemon_beat(name: &str, section: Option<&Place>, beat: &Beat<'_>) -> DaemonBeat {
    let empty = |status: &str| DaemonBeat {
        name: name.to_owned(),
        status: status.to_owned(),
        pid: None,
        uptime_seconds: None,
        cpu_percent: None,
        memory_bytes: None,
        restart_count: None,
        maintenance: false,
    };
    let ended_since = |place: &Place| {
        beat.ended.get(name).is_some_and(|ended_ns| {
            place.posted.collected.boot_id == beat.now.boot_id && place.posted.collected.boottime_ns < *ended_ns
        })
    };
    let row = section
        .and_then(|place| place.posted.section.get().body.get("daemons"))
        .and_then(Json::as_array)
        .and_then(|rows| rows.iter().find(|row| text(row, "name") == Some(name)));
    match (section, row) {
        // The kernel told of its end after the collector had looked.
        (Some(place), _) if ended_since(place) => empty("failed"),
        (Some(_), Some(row)) => DaemonBeat {
            status: text(row, "status").unwrap_or("unknown").to_owned(),
            pid: row.get("pid").and_then(Json::as_u64).and_then(|pid| u32::try_from(pid).ok()),
            uptime_seconds: row.get("uptime_seconds").and_then(Json::as_f64),
            cpu_percent: row.get("cpu_percent").and_then(Json::as_f64),
            memory_bytes: row.get("memory_bytes").and_then(Json::as_u64),
            restart_count: row.get("restart_count").and_then(Json::as_u64),
            maintenance: row.get("maintenance").and_then(Json::as_bool).unwrap_or(false),
            ..empty("unknown")
        },
        _ => empty("no_data"),
    }
}

fn verdict(daemons: &[DaemonBeat], clock_status: &str, clock: Option<&Json>, thresholds: Thresholds) -> Overall {
    let mut status = OverallStatus::Healthy;
    let mut reasons = Vec::new();
    let mut worsen = |to: OverallStatus, reason: String| {
        status = status.max(to);
        reasons.push(reason);
    };
    // Never seen, in maintenance, or not looked at: outside the denominator.
    let counted: Vec<&DaemonBeat> = daemons
        .iter()
        .filter(|daemon| !daemon.maintenance && !matches!(daemon.status.as_str(), "unknown" | "no_data"))
        .collect();
    let (healthy, ill): (Vec<&DaemonBeat>, Vec<&DaemonBeat>) =
        counted.iter().partition(|daemon| matches!(daemon.status.as_str(), "running" | "restarted"));
    if !ill.is_empty() {
        let share = healthy.len() as f64 / counted.len() as f64;
        let level = if share < thresholds.critical_below {
            OverallStatus::Critical
        } else if share < thresholds.unhealthy_below {
            OverallStatus::Unhealthy
        } else {
            OverallStatus::Degraded
        };
        let names: Vec<String> =
            ill.iter().map(|daemon| format!("daemon {} is {}", daemon.name, daemon.status)).collect();
        worsen(level, format!("{} of {} daemons healthy: {}", healthy.len(), counted.len(), names.join(", ")));
    }
    if daemons.iter().any(|daemon| daemon.status == "no_data") {
        worsen(OverallStatus::Degraded, "no data on daemons: the collector `daemon` has not answered".to_owned());
    }
    match clock_status {
        "drift_warning" | "drift_critical" | "sync_failed" => {
            let why = clock.and_then(|body| text(body, "reason")).unwrap_or("its offset is beyond the threshold");
            worsen(OverallStatus::Degraded, format!("the clock is off ({clock_status}): {why}"));
        }
        "no_data" => {
            worsen(OverallStatus::Degraded, "no data on the clock: the collector `clock` has not answered".to_owned())
        }
        _ => {}
    }
    if reasons.len() > MAX_REASONS {
        let more = reasons.len() - MAX_REASONS;
        reasons.truncate(MAX_REASONS);
        reasons.push(format!("and {more} more"));
    }
    Overall { status, reasons }
}

fn text<'a>(object: &'a Json, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Json::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn daemons(states: &[&str]) -> Vec<DaemonBeat> {
        states
            .iter()
            .enumerate()
            .map(|(i, status)| DaemonBeat {
                name: format!("d{i}"),
                status: status.trim_start_matches('m').to_owned(),
                pid: None,
                uptime_seconds: None,
                cpu_percent: None,
                memory_bytes: None,
                restart_count: None,
                maintenance: status.starts_with('m'),
            })
            .collect()
    }

    fn status(states: &[&str], clock: &str) -> OverallStatus {
        verdict(&daemons(states), clock, None, Thresholds::default()).status
    }

    #[test]
    fn nothing_to_watch_yet_is_healthy() {
        assert_eq!(status(&["unknown"; 8], "unknown"), OverallStatus::Healthy);
        assert_eq!(status(&[], "synced"), OverallStatus::Healthy);
    }

    #[test]
    fn the_verdict_follows_the_share_of_healthy_daemons() {
        let with_failed = |failed: usize| {
            let mut states = vec!["running"; 10 - failed];
            states.extend(vec!["failed"; failed]);
            status(&states, "synced")
        };
        assert_eq!(with_failed(0), OverallStatus::Healthy);
        assert_eq!(with_failed(1), OverallStatus::Degraded);
        assert_eq!(with_failed(2), OverallStatus::Degraded, "80 % is not below 80 %");
        assert_eq!(with_failed(3), OverallStatus::Unhealthy);
        assert_eq!(with_failed(5), OverallStatus::Unhealthy, "50 % is not below 50 %");
        assert_eq!(with_failed(6), OverallStatus::Critical);
    }

    #[test]
    fn maintenance_and_never_seen_are_outside_the_denominator() {
        assert_eq!(status(&["running", "mfailed", "unknown", "unknown"], "synced"), OverallStatus::Healthy);
        assert_eq!(status(&["failed", "unknown", "unknown", "unknown"], "synced"), OverallStatus::Critical);
        assert_eq!(status(&["restarted", "paused"], "synced"), OverallStatus::Unhealthy);
    }

    #[test]
    fn no_data_is_never_good_news() {
        let overall = verdict(&daemons(&["no_data"]), "synced", None, Thresholds::default());
        assert_eq!(overall.status, OverallStatus::Degraded);
        assert!(overall.reasons[0].contains("no data on daemons"));
        assert_eq!(status(&["running"], "no_data"), OverallStatus::Degraded);
    }

    #[test]
    fn a_clock_that_is_off_degrades_and_says_why() {
        let body = serde_json::json!({"reason": "42 s ahead of ntp.example"});
        let overall = verdict(&daemons(&["running"]), "drift_warning", Some(&body), Thresholds::default());
        assert_eq!(overall.status, OverallStatus::Degraded);
        assert_eq!(overall.reasons, ["the clock is off (drift_warning): 42 s ahead of ntp.example"]);
    }
}
