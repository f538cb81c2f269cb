//! What a condition may ask of the last heartbeat and of the daemons in it.

use crate::model::{DaemonBeat, Heartbeat, OverallStatus};

use super::tree::{Datum, Kind};

/// The verdicts, best first.
pub(super) const OVERALL: &[&str] = &["healthy", "degraded", "unhealthy", "critical"];
/// The severities of findings, least first.
pub(super) const SEVERITIES: &[&str] = &["low", "medium", "high", "critical"];
/// What a daemon's status may be. One in maintenance is `maintenance`, whatever else it is.
const DAEMON_STATUS: &[&str] = &["running", "restarted", "failed", "paused", "unknown", "maintenance"];
/// What the clock's status may be.
const CLOCK_STATUS: &[&str] = &["synced", "drift_warning", "drift_critical", "sync_failed", "unknown"];
/// How a ping may have ended. One that has no result yet is no data.
const PING_OUTCOME: &[&str] = &["ok", "wrong", "timeout", "unreachable"];
/// What a heartbeat file may be. One that was not looked at yet is no data.
const HEARTBEAT_FILE: &[&str] = &["fresh", "stale", "future", "malformed", "vanished", "missing", "unreadable"];
/// What stands where nobody has looked yet.
const PENDING: &str = "pending";
/// What stands where nobody could look.
const NO_DATA: &str = "no_data";

/// A figure of a heartbeat.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    /// As a condition names it.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) get: fn(&Heartbeat) -> Datum,
}

/// A figure of a daemon in a heartbeat.
#[derive(Debug, Clone, Copy)]
pub(super) struct DaemonField {
    /// As a condition names it.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) get: fn(&DaemonBeat) -> Datum,
}

/// The figures of a heartbeat.
pub(super) const FIELDS: &[Field] = &[
    Field { name: "overall", kind: Kind::Scale(OVERALL), get: |beat| Datum::text(overall(beat.overall.status)) },
    Field { name: "uptime_seconds", kind: Kind::Number, get: |beat| Datum::Number(beat.uptime_seconds) },
    Field { name: "clock.status", kind: Kind::Words(CLOCK_STATUS), get: |beat| status(&beat.clock_status) },
    Field { name: "clock.offset_seconds", kind: Kind::Number, get: |beat| Datum::of(beat.clock_offset_seconds) },
    Field { name: "heartbeat.missed", kind: Kind::Number, get: |beat| Datum::Number(beat.missed as f64) },
    Field { name: "daemon.watched_count", kind: Kind::Number, get: |beat| Datum::Number(beat.daemons.len() as f64) },
    Field { name: "daemon.healthy_count", kind: Kind::Number, get: |beat| count(beat, &["running", "restarted"]) },
    Field { name: "daemon.failed_count", kind: Kind::Number, get: |beat| count(beat, &["failed"]) },
    Field { name: "daemon.paused_count", kind: Kind::Number, get: |beat| count(beat, &["paused"]) },
    Field { name: "daemon.unknown_count", kind: Kind::Number, get: |beat| count(beat, &["unknown"]) },
];

/// The figures of a daemon.
pub(super) const DAEMON_FIELDS: &[DaemonField] = &[
    DaemonField { name: "status", kind: Kind::Words(DAEMON_STATUS), get: daemon_status },
    DaemonField { name: "uptime_seconds", kind: Kind::Number, get: |one| Datum::of(one.uptime_seconds) },
    DaemonField { name: "cpu_percent", kind: Kind::Number, get: |one| Datum::of(one.cpu_percent) },
    DaemonField {
        name: "memory_bytes",
        kind: Kind::Number,
        get: |one| Datum::of(one.memory_bytes.map(|bytes| bytes as f64)),
    },
    DaemonField {
        name: "restart_count",
        kind: Kind::Number,
        get: |one| Datum::of(one.restart_count.map(|count| count as f64)),
    },
    DaemonField { name: "ping_outcome", kind: Kind::Words(PING_OUTCOME), get: |one| word(one, "/ping/outcome") },
    DaemonField {
        name: "ping_latency_seconds",
        kind: Kind::Number,
        get: |one| Datum::of(figure(one, "/ping/latency_ms").map(|ms| ms / 1e3)),
    },
    DaemonField {
        name: "heartbeat_file",
        kind: Kind::Words(HEARTBEAT_FILE),
        get: |one| word(one, "/heartbeat_file/state"),
    },
    DaemonField {
        name: "heartbeat_age_seconds",
        kind: Kind::Number,
        get: |one| Datum::of(figure(one, "/heartbeat_file/age_seconds")),
    },
    DaemonField { name: "maintenance", kind: Kind::Truth, get: |one| Datum::Truth(one.maintenance) },
];

/// The names of [`FIELDS`].
pub(super) fn field_names() -> Vec<&'static str> {
    FIELDS.iter().map(|field| field.name).collect()
}

/// The names of [`DAEMON_FIELDS`].
pub(super) fn daemon_field_names() -> Vec<&'static str> {
    DAEMON_FIELDS.iter().map(|field| field.name).collect()
}

fn overall(status: OverallStatus) -> &'static str {
    match status {
        OverallStatus::Healthy => OVERALL[0],
        OverallStatus::Degraded => OVERALL[1],
        OverallStatus::Unhealthy => OVERALL[2],
        OverallStatus::Critical => OVERALL[3],
    }
}

fn status(word: &str) -> Datum {
    if word == NO_DATA { Datum::Nothing } else { Datum::text(word) }
}

/// What a beat has beside the process, in the form in which it is recorded: who has no ping has no such part.
fn beside(daemon: &DaemonBeat, pointer: &str) -> Option<serde_json::Value> {
    serde_json::to_value(daemon).ok()?.pointer_mut(pointer).map(serde_json::Value::take)
}

fn figure(daemon: &DaemonBeat, pointer: &str) -> Option<f64> {
    beside(daemon, pointer)?.as_f64()
}

fn word(daemon: &DaemonBeat, pointer: &str) -> Datum {
    match beside(daemon, pointer) {
        Some(serde_json::Value::String(word)) if word != PENDING => Datum::Text(word),
        _ => Datum::Nothing,
    }
}

fn daemon_status(daemon: &DaemonBeat) -> Datum {
    if daemon.maintenance { Datum::text("maintenance") } else { status(&daemon.status) }
}

/// How many daemons are so. Where one was not looked at, nobody knows.
fn count(beat: &Heartbeat, words: &[&str]) -> Datum {
    if beat.daemons.iter().any(|daemon| daemon.status == NO_DATA) {
        return Datum::Nothing;
    }
    let counted = beat.daemons.iter().filter(|one| !one.maintenance && words.contains(&one.status.as_str()));
    Datum::Number(counted.count() as f64)
}
