//! Heartbeats: one compact record composed of the latest sections, and the verdict that it carries.
//!
//! Owns: the overall status and its reasons. Pure: the board and the time are given.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value as Json;

use crate::board::{Board, Place};
use crate::model::{DaemonBeat, Heartbeat, Moment, Overall, OverallStatus, PingBeat, SignBeat};

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
    /// What was found out about daemons beside their processes.
    pub beside: &'a BTreeMap<String, Beside>,
    /// Where the verdict turns.
    pub thresholds: Thresholds,
}

/// What is known of a daemon beside its process.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Beside {
    /// Whether it is in maintenance.
    pub maintenance: bool,
    /// Its ping.
    pub ping: Option<PingBeat>,
    /// Its heartbeat file.
    pub heartbeat_file: Option<SignBeat>,
}

/// Words with which a daemon says of itself that it is not well. Others are shown and mean nothing here.
const ILL_WORDS: [&str; 9] =
    ["failed", "failing", "error", "unhealthy", "critical", "down", "dead", "crashed", "stopped"];

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
    let beside = beat.beside.get(name).cloned().unwrap_or_default();
    let empty = |status: &str| DaemonBeat {
        name: name.to_owned(),
        status: status.to_owned(),
        pid: None,
        uptime_seconds: None,
        cpu_percent: None,
        memory_bytes: None,
        restart_count: None,
        maintenance: beside.maintenance,
        ping: beside.ping.clone(),
        heartbeat_file: beside.heartbeat_file.clone(),
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
    // Neither counts in the share: the process runs, and what is wrong may be the way to it.
    for daemon in daemons.iter().filter(|daemon| !daemon.maintenance) {
        let name = &daemon.name;
        if let Some(ping) = daemon.ping.as_ref().filter(|ping| !matches!(ping.outcome.as_str(), "ok" | "pending")) {
            let why = ping.detail.as_deref().unwrap_or(&ping.outcome);
            worsen(
                OverallStatus::Degraded,
                format!("daemon {name} does not answer its ping ({}): {why}", ping.outcome),
            );
        }
        let Some(file) = &daemon.heartbeat_file else { continue };
        let is_awaited = match file.state.as_str() {
            "fresh" | "pending" => false,
            // A daemon that was never seen need not have left one, and of one that is dead it is no news.
            "missing" | "stale" | "vanished" => matches!(daemon.status.as_str(), "running" | "restarted" | "paused"),
            _ => true,
        };
        if is_awaited {
            let why = file.detail.as_deref().unwrap_or_default();
            worsen(OverallStatus::Degraded, format!("heartbeat file of {name} is {}: {why}", file.state));
        } else if let Some(word) = file.says.as_deref().filter(|_| file.state == "fresh")
            && ILL_WORDS.contains(&word.to_lowercase().as_str())
        {
            worsen(OverallStatus::Degraded, format!("daemon {name} says that it is {word}"));
        }
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
                ping: None,
                heartbeat_file: None,
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

    fn with_file(status: &str, state: &str, says: Option<&str>) -> Overall {
        let mut daemons = daemons(&[status]);
        daemons[0].heartbeat_file = Some(SignBeat {
            state: state.to_owned(),
            age_seconds: Some(70.0),
            says: says.map(str::to_owned),
            detail: Some("why".to_owned()),
        });
        verdict(&daemons, "synced", None, Thresholds::default())
    }

    #[test]
    fn a_sign_of_life_that_is_missed_degrades_and_one_that_nobody_expects_does_not() {
        assert_eq!(with_file("running", "fresh", Some("healthy")).status, OverallStatus::Healthy);
        assert_eq!(with_file("running", "stale", None).reasons, ["heartbeat file of d0 is stale: why"]);
        assert_eq!(with_file("running", "future", None).status, OverallStatus::Degraded);
        assert_eq!(with_file("unknown", "missing", None).status, OverallStatus::Healthy);
        assert_eq!(with_file("unknown", "malformed", None).status, OverallStatus::Degraded);
        assert_eq!(with_file("mrunning", "stale", None).status, OverallStatus::Healthy);
        assert_eq!(with_file("running", "fresh", Some("ERROR")).reasons, ["daemon d0 says that it is ERROR"]);
    }

    #[test]
    fn a_ping_without_answer_degrades_and_a_pending_one_does_not() {
        let ping = |outcome: &str| PingBeat {
            outcome: outcome.to_owned(),
            age_seconds: 1.0,
            latency_ms: None,
            min_ms: None,
            median_ms: None,
            p95_ms: None,
            detail: Some("connection refused".to_owned()),
            streak: 2,
            certificate_expires_at: None,
        };
        let overall = |outcome: &str| {
            let mut daemons = daemons(&["running"]);
            daemons[0].ping = Some(ping(outcome));
            verdict(&daemons, "synced", None, Thresholds::default())
        };
        assert_eq!(overall("ok").status, OverallStatus::Healthy);
        assert_eq!(overall("pending").status, OverallStatus::Healthy);
        let bad = overall("unreachable");
        assert_eq!(bad.status, OverallStatus::Degraded);
        assert_eq!(bad.reasons, ["daemon d0 does not answer its ping (unreachable): connection refused"]);
    }

    #[test]
    fn a_clock_that_is_off_degrades_and_says_why() {
        let body = serde_json::json!({"reason": "42 s ahead of ntp.example"});
        let overall = verdict(&daemons(&["running"]), "drift_warning", Some(&body), Thresholds::default());
        assert_eq!(overall.status, OverallStatus::Degraded);
        assert_eq!(overall.reasons, ["the clock is off (drift_warning): 42 s ahead of ntp.example"]);
    }
}
