//! The original's shapes, field for field, with what only ghostd knows beside them under `ghostd`.
//!
//! Times are RFC 3339, `uptime` and `systemUptime` seconds, `clockDrift` of `heartbeatStatus` seconds and of
//! `clockSyncStatus` milliseconds, latencies milliseconds, `memoryUsage` of a daemon megabytes: as the original had
//! them, except where it had a share without a whole.

use serde_json::{Value as Json, json};

use crate::model::{DaemonBeat, Event, Heartbeat, Wall};
use crate::store::{Entry, NumberedEvent};

/// What the original wrote as the version of its state.
const VERSION: &str = "1.0.0";
/// What stands as the component of each event.
const COMPONENT: &str = "ghostd";
/// The clock's threshold that the original names, in milliseconds.
const DRIFT_THRESHOLD_MS: u64 = 30_000;

/// An event of a state file.
pub(super) fn event(event: &NumberedEvent) -> Json {
    let NumberedEvent { id, event } = event;
    json!({
        "id": id.to_string(), "timestamp": event.timestamp, "eventType": event.event_type, "component": COMPONENT,
        "data": data(&event.data), "severity": event.severity, "message": event.message,
    })
}

/// A line of `events.log`.
pub(super) fn log_line(event: &Event) -> Json {
    json!({
        "timestamp": event.timestamp, "eventType": event.event_type, "severity": event.severity,
        "message": event.message, "data": data(&event.data),
    })
}

fn data(data: &Json) -> Json {
    if data.is_null() { json!({}) } else { data.clone() }
}

/// `heartbeat-state.json`.
pub(super) fn heartbeat_state<'a>(beat: &Heartbeat, events: impl Iterator<Item = &'a str>) -> String {
    let offset = beat.clock_offset_seconds;
    let pings = || beat.daemons.iter().filter_map(|daemon| daemon.ping.as_ref());
    let healthy = beat.daemons.iter().filter(|daemon| is_up(daemon)).count();
    let last_ping = pings().map(|ping| ping.age_seconds).reduce(f64::min);
    let last_ping = last_ping.map(|age| beat.at.plus_ns(-(age * 1e9) as i64));
    // The quickest answer, as the original asked one target only.
    let latency = pings().filter(|ping| ping.outcome == "ok").filter_map(|ping| ping.latency_ms).reduce(f64::min);
    let status = json!({
        "systemTime": beat.at, "clockDrift": offset.unwrap_or(0.0), "lastHeartbeat": beat.at,
        "daemonCount": beat.daemons.len(), "healthyDaemons": healthy, "systemUptime": beat.uptime_seconds,
        "heartbeatInterval": beat.interval_ms, "lastPingTime": last_ping, "pingLatency": latency,
        "status": beat.overall.status,
    });
    let clock = json!({
        "systemTime": beat.at, "ntpTime": offset.map(|offset| beat.at.plus_ns((offset * 1e9) as i64)),
        "clockDrift": offset.map(|offset| offset * 1e3), "lastSync": offset.map(|_| beat.at),
        "syncInterval": 300_000, "driftThreshold": DRIFT_THRESHOLD_MS, "status": clock_status(&beat.clock_status),
    });
    let daemons: Vec<Json> = beat.daemons.iter().map(|daemon| daemon_heartbeat(daemon, beat)).collect();
    whole(
        beat.at,
        events,
        &[
            ("heartbeatStatus", status),
            ("daemonHeartbeats", Json::from(daemons)),
            ("clockSyncStatus", clock),
            (
                "ghostd",
                json!({
                    "version": env!("CARGO_PKG_VERSION"), "sequence": beat.sequence, "reasons": beat.overall.reasons,
                    "bootId": beat.boot_id, "boottimeNs": beat.boottime_ns, "missed": beat.missed,
                    "clockStatus": beat.clock_status,
                }),
            ),
        ],
    )
}

/// `snapshot-state.json`. The original held every snapshot whole and rewrote them all with each; here they are named,
/// with where they are.
pub(super) fn snapshot_state<'a>(entries: &[Entry], now: Wall, events: impl Iterator<Item = &'a str>) -> String {
    let snapshots: Vec<Json> = entries
        .iter()
        .rev()
        .map(|entry| {
            json!({
                "id": entry.id, "timestamp": entry.captured_at, "version": VERSION, "size": entry.size_bytes,
                "checksum": entry.sha256,
                "ghostd": {"sequence": entry.sequence, "trigger": entry.trigger, "important": entry.important_at_capture},
            })
        })
        .collect();
    let size: u64 = entries.iter().map(|entry| entry.size_bytes).sum();
    let newest = entries.first().map(|entry| entry.captured_at);
    let parts = [
        ("totalSnapshots", Json::from(entries.len())),
        ("totalSize", Json::from(size)),
        ("lastSnapshot", json!(newest)),
        ("snapshots", Json::from(snapshots)),
    ];
    whole(newest.unwrap_or(now).max(now), events, &parts)
}

/// ghostd's own sign of life, in the shape that its neighbours use.
pub(super) fn own_sign(beat: &Heartbeat) -> Json {
    let services: serde_json::Map<String, Json> = beat
        .daemons
        .iter()
        .map(|daemon| (daemon.name.clone(), json!({"status": daemon.status, "pid": daemon.pid, "timestamp": beat.at})))
        .collect();
    json!({
        "service": "ghostd", "status": beat.overall.status, "timestamp": beat.at, "pid": std::process::id(),
        "sequence": beat.sequence, "intervalMs": beat.interval_ms, "reasons": beat.overall.reasons, "services": services,
    })
}

/// The text of a state file: the events are text already, and many.
fn whole<'a>(at: Wall, events: impl Iterator<Item = &'a str>, parts: &[(&str, Json)]) -> String {
    let mut text = format!("{{\"timestamp\":{at},\"lastUpdate\":{at},\"version\":\"{VERSION}\"", at = json!(at));
    for (name, value) in parts {
        text.push_str(&format!(",\"{name}\":{value}"));
    }
    text.push_str(",\"events\":[");
    for (index, event) in events.enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(event);
    }
    text.push_str("]}\n");
    text
}

fn daemon_heartbeat(daemon: &DaemonBeat, beat: &Heartbeat) -> Json {
    let error = match daemon.status.as_str() {
        "failed" => Some("Process not found"),
        "no_data" => Some("No data"),
        _ => None,
    };
    json!({
        "id": daemon.name, "name": daemon.name, "status": status(&daemon.status), "lastHeartbeat": beat.at,
        "uptime": daemon.uptime_seconds.unwrap_or(0.0), "restartCount": daemon.restart_count.unwrap_or(0),
        "pid": daemon.pid, "memoryUsage": daemon.memory_bytes.map_or(0.0, |bytes| (bytes / 1_000) as f64 / 1e3),
        "cpuUsage": daemon.cpu_percent.unwrap_or(0.0),
        "responseTime": daemon.ping.as_ref().and_then(|ping| ping.latency_ms).unwrap_or(0.0), "error": error,
        "ghostd": {"status": daemon.status, "memoryBytes": daemon.memory_bytes, "maintenance": daemon.maintenance,
                   "ping": daemon.ping, "heartbeatFile": daemon.heartbeat_file},
    })
}

fn is_up(daemon: &DaemonBeat) -> bool {
    matches!(daemon.status.as_str(), "running" | "restarted")
}

/// The original knows no `no_data`.
fn status(status: &str) -> &str {
    if status == "no_data" { "unknown" } else { status }
}

/// The original knows four; what it could not tell it called so.
fn clock_status(status: &str) -> &str {
    match status {
        "synced" | "drift_warning" | "drift_critical" => status,
        _ => "sync_failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EventKind, EventSeverity, Overall, OverallStatus};

    fn beat() -> Heartbeat {
        Heartbeat {
            sequence: 7,
            at: Wall(1_795_219_200_000_000_000),
            boottime_ns: 5,
            boot_id: "b".to_owned(),
            interval_ms: 5_000,
            overall: Overall { status: OverallStatus::Degraded, reasons: vec!["why".to_owned()] },
            daemons: vec![DaemonBeat {
                name: "relayCore".to_owned(),
                status: "running".to_owned(),
                pid: Some(12),
                uptime_seconds: Some(3.5),
                cpu_percent: None,
                memory_bytes: Some(64_000_000),
                restart_count: Some(2),
                maintenance: false,
                ping: None,
                heartbeat_file: None,
            }],
            clock_status: "synced".to_owned(),
            clock_offset_seconds: Some(-0.25),
            uptime_seconds: 100.0,
            missed: 0,
        }
    }

    #[test]
    fn a_state_has_every_field_of_the_original() {
        let told = NumberedEvent {
            id: 3,
            event: Event {
                timestamp: Wall(0),
                event_type: EventKind::DaemonCheck,
                severity: EventSeverity::Error,
                message: "m".to_owned(),
                data: Json::Null,
            },
        };
        let events = [event(&told).to_string()];
        let text = heartbeat_state(&beat(), events.iter().map(String::as_str));
        let state: Json = serde_json::from_str(&text).unwrap();
        let has = |value: &Json, keys: &[&str]| {
            for key in keys {
                assert!(value.get(key).is_some(), "no `{key}` in {value:#}");
            }
        };
        has(
            &state,
            &["timestamp", "events", "heartbeatStatus", "daemonHeartbeats", "clockSyncStatus", "lastUpdate", "version"],
        );
        has(
            &state["heartbeatStatus"],
            &[
                "systemTime",
                "clockDrift",
                "lastHeartbeat",
                "daemonCount",
                "healthyDaemons",
                "systemUptime",
                "heartbeatInterval",
                "lastPingTime",
                "pingLatency",
                "status",
            ],
        );
        has(
            &state["daemonHeartbeats"][0],
            &[
                "id",
                "name",
                "status",
                "lastHeartbeat",
                "uptime",
                "restartCount",
                "pid",
                "memoryUsage",
                "cpuUsage",
                "responseTime",
            ],
        );
        has(
            &state["clockSyncStatus"],
            &["systemTime", "ntpTime", "clockDrift", "lastSync", "syncInterval", "driftThreshold", "status"],
        );
        has(&state["events"][0], &["id", "timestamp", "eventType", "component", "data", "severity", "message"]);
        assert_eq!(state["heartbeatStatus"]["clockDrift"], -0.25);
        assert_eq!(state["clockSyncStatus"]["clockDrift"], -250.0);
        assert_eq!(state["daemonHeartbeats"][0]["memoryUsage"], 64.0);
        let line = log_line(&told.event);
        assert_eq!(line["data"], json!({}));
        has(&line, &["timestamp", "eventType", "severity", "message", "data"]);
        let state: Json = serde_json::from_str(&snapshot_state(&[], Wall(0), std::iter::empty())).unwrap();
        has(
            &state,
            &[
                "timestamp",
                "events",
                "snapshots",
                "lastSnapshot",
                "totalSnapshots",
                "totalSize",
                "lastUpdate",
                "version",
            ],
        );
    }
}
