//! The form of the program that ghostd grew out of, so that what read its files goes on working.
//!
//! A snapshot there is `{id, timestamp, version, systemInfo, daemonStatus, telemetryData, patchInfo, systemMetrics,
//! anomalies, size, checksum}`; the state of the heartbeat is `{heartbeatStatus, daemonHeartbeats, clockSyncStatus,
//! events}`; `events.log` has one event in each line. Units are the original's: seconds, bytes, percent; times in RFC
//! 3339. What there is nothing of is `null`, or an empty list.
//!
//! `size` and `checksum` are reckoned as there: over the document with `0` and an empty text in their places. They prove
//! nothing of ghostd's own file, whose seal is the one to check.

use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use crate::model::{Body, Event, Heartbeat, SectionEntry, SnapshotFinding};

/// The version of the original that had this form.
const VERSION: &str = "3.8.06";
/// The most anomalies that a snapshot had.
const MAX_ANOMALIES: usize = 50;
/// The most patches that a history had.
const MAX_HISTORY: usize = 10;
/// The state files of the original's telemetry, and the names that their contents had in a snapshot.
const TELEMETRY: [(&str, &str); 4] = [
    ("dashboard-state.json", "dashboardState"),
    ("relay-telemetry-state.json", "relayTelemetry"),
    ("heartbeat-state.json", "heartbeatStatus"),
    ("loop-auditor-state.json", "loopAuditor"),
];

/// A snapshot in the original's form.
pub fn snapshot(body: &Body) -> Json {
    let section = |key: &str| body.sections.get(key).map_or(&Json::Null, |entry: &SectionEntry| &entry.body);
    let mut document = json!({
        "id": body.id,
        "timestamp": body.captured_at,
        "version": VERSION,
        "systemInfo": {
            "hostname": body.host.hostname,
            "platform": body.host.platform,
            "arch": body.host.arch,
            "nodeVersion": body.host.versions.get("node"),
            "uptime": body.host.uptime_seconds,
            "loadAverage": body.host.load_average,
        },
        "daemonStatus": daemons(section("daemon"), body),
        "telemetryData": telemetry(section("telemetry")),
        "patchInfo": patches(section("patch")),
        "systemMetrics": metrics(section("metric")),
        "anomalies": anomalies(&body.findings),
        "size": 0,
        "checksum": "",
    });
    let text = document.to_string();
    document["size"] = text.len().into();
    document["checksum"] = hex(&Sha256::digest(text.as_bytes())).into();
    document
}

/// The state of the heartbeat in the original's form, with what happened lately, oldest first.
pub fn heartbeat(beat: &Heartbeat, events: &[Event]) -> Json {
    let running = beat.daemons.iter().filter(|daemon| matches!(&*daemon.status, "running" | "restarted")).count();
    json!({
        "heartbeatStatus": {
            "timestamp": beat.at,
            "status": beat.overall.status,
            "reasons": beat.overall.reasons,
            "uptime": beat.uptime_seconds,
            "daemonCount": beat.daemons.len(),
            "healthyDaemons": running,
            "clockDrift": beat.clock_offset_seconds,
        },
        "daemonHeartbeats": beat.daemons.iter().map(|daemon| json!({
            "name": daemon.name,
            "status": daemon.status,
            "pid": daemon.pid,
            "uptime": daemon.uptime_seconds,
            "memoryUsage": daemon.memory_bytes,
            "cpuUsage": daemon.cpu_percent,
            "lastHeartbeat": beat.at,
        })).collect::<Vec<_>>(),
        "clockSyncStatus": {
            "status": beat.clock_status,
            "systemTime": beat.at,
            "clockDrift": beat.clock_offset_seconds,
        },
        "events": events.iter().map(event).collect::<Vec<_>>(),
    })
}

/// An event in the original's form.
pub fn event(event: &Event) -> Json {
    json!({
        "timestamp": event.timestamp,
        "eventType": event.event_type,
        "severity": event.severity,
        "message": event.message,
        "data": event.data,
    })
}

fn daemons(section: &Json, body: &Body) -> Json {
    let checked_at = body.sections.get("daemon").and_then(|entry| entry.collected_at);
    list(&section["daemons"])
        .map(|daemon| {
            json!({
                "name": daemon["name"],
                "status": daemon["status"],
                "pid": daemon["pid"],
                "uptime": daemon["uptime_seconds"],
                "memoryUsage": daemon["memory_percent"],
                "cpuUsage": daemon["cpu_percent"],
                "lastCheck": checked_at,
            })
        })
        .collect()
}

fn telemetry(section: &Json) -> Json {
    let content = |file: &str| {
        let is_it = |entry: &&Json| entry["path"].as_str().and_then(|path| path.rsplit('/').next()) == Some(file);
        list(&section["files"]).find(is_it).map_or(Json::Null, |entry| entry["content"].clone())
    };
    TELEMETRY.iter().map(|(file, name)| ((*name).to_owned(), content(file))).collect::<serde_json::Map<_, _>>().into()
}

fn patches(section: &Json) -> Json {
    let patch = |patch: &Json| {
        json!({
            "id": patch["id"],
            "version": patch["version"],
            "phase": patch["phase"],
            "timestamp": patch["time"],
            "status": patch["state"],
        })
    };
    let last = &section["last_completed"];
    let count = |state: &str| section["queue"][state].as_u64().unwrap_or(0);
    json!({
        "lastPatch": if last.is_null() { Json::Null } else { patch(last) },
        "patchQueue": {
            "pending": count("pending"), "executing": count("executing"), "failed": count("failed"),
        },
        "patchHistory": list(&section["history"]).take(MAX_HISTORY).map(patch).collect::<Vec<_>>(),
    })
}

fn metrics(section: &Json) -> Json {
    let (cpu, memory) = (&section["cpu"], &section["memory"]);
    let root = list(&section["filesystems"]).find(|filesystem| filesystem["mount"] == "/").unwrap_or(&Json::Null);
    let sum = |key: &str| -> u64 {
        let outside = list(&section["interfaces"]).filter(|interface| interface["name"] != "lo");
        outside.filter_map(|interface| interface[key].as_u64()).sum()
    };
    json!({
        "cpu": { "usage": cpu["usage_percent"], "loadAverage": cpu["load_average"], "cores": cpu["count"] },
        "memory": {
            "total": memory["total_bytes"], "used": memory["used_bytes"], "available": memory["available_bytes"],
            "usage": memory["usage_percent"],
        },
        "disk": {
            "total": root["total_bytes"], "used": root["used_bytes"], "available": root["available_bytes"],
            "usage": root["usage_percent"],
        },
        "network": {
            "bytesIn": sum("received_bytes"), "bytesOut": sum("sent_bytes"),
            "connections": section["connections"]["tcp"]["established"],
        },
    })
}

/// The worst first, and of the same severity the newest: the original had room for fifty.
fn anomalies(findings: &[SnapshotFinding]) -> Json {
    let mut all: Vec<&SnapshotFinding> = findings.iter().collect();
    all.sort_by_key(|one| std::cmp::Reverse((one.finding.severity, one.finding.last_seen)));
    all.into_iter()
        .take(MAX_ANOMALIES)
        .map(|one| {
            json!({
                "timestamp": one.finding.last_seen,
                "type": one.collector,
                "severity": one.finding.severity,
                "message": one.finding.title,
                "source": one.finding.source,
                "resolved": one.finding.resolved,
            })
        })
        .collect()
}

fn list(value: &Json) -> impl Iterator<Item = &Json> {
    value.as_array().into_iter().flatten()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
