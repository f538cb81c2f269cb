//! What ghostd tells of itself, of the verdict and of the watched daemons.

use super::page::Page;
use crate::api::problem::Problem;
use crate::control::Status;
use crate::model::{
    AlertBoard, AlertState, CallOutcome, CollectorHealth, DaemonBeat, Heartbeat, OverallStatus, Severity, Wall,
};
use crate::store::{Reader, Source as _};

/// The verdicts, and what each is called.
const VERDICTS: [(OverallStatus, &str); 4] = [
    (OverallStatus::Healthy, "healthy"),
    (OverallStatus::Degraded, "degraded"),
    (OverallStatus::Unhealthy, "unhealthy"),
    (OverallStatus::Critical, "critical"),
];

/// What a watched daemon may be.
const STATES: [&str; 6] = ["running", "failed", "restarted", "paused", "unknown", "no_data"];

/// What the clock may be.
const CLOCKS: [&str; 6] = ["synced", "drift_warning", "drift_critical", "sync_failed", "unknown", "no_data"];

fn truth(value: bool) -> f64 {
    f64::from(u8::from(value))
}

fn seconds(at: Wall) -> f64 {
    at.0 as f64 / 1e9
}

/// What the daemon says.
pub(super) fn of_daemon(page: &mut Page, status: &Status) {
    page.gauge("ghost_build_info", "The version of ghostd, as a label.", &[("version", &status.version)], 1.0);
    page.gauge("ghost_start_time_seconds", "When ghostd started.", &[], seconds(status.started_at));
    page.counter(
        "ghost_heartbeats_missed_total",
        "Heartbeats that were due and not taken.",
        &[],
        status.missed_heartbeats,
    );
    page.counter(
        "ghost_snapshots_missed_total",
        "Snapshots that were due and not taken.",
        &[],
        status.missed_snapshots,
    );
    page.gauge("ghost_conditions", "What is wrong with ghostd itself now.", &[], status.conditions.len() as f64);
    if let Some((bytes, cpu)) = process() {
        page.gauge("ghost_process_resident_memory_bytes", "Memory of ghostd.", &[], bytes);
        let help = "Processor time of ghostd.";
        page.gauge("ghost_process_cpu_seconds", help, &[], cpu);
    }
    if let Some(beat) = &status.heartbeat {
        of_heartbeat(page, beat);
    }
    for health in &status.collectors {
        of_collector(page, health);
    }
}

fn of_heartbeat(page: &mut Page, beat: &Heartbeat) {
    page.gauge("ghost_heartbeat_timestamp_seconds", "When the last heartbeat was.", &[], seconds(beat.at));
    page.counter("ghost_heartbeats_total", "Heartbeats in the life of the store.", &[], beat.sequence);
    for (verdict, word) in VERDICTS {
        let help = "The verdict: 1 for the one that holds.";
        page.gauge("ghost_overall_status", help, &[("status", word)], truth(beat.overall.status == verdict));
    }
    for state in CLOCKS {
        let help = "The state of the clock: 1 for the one that holds.";
        page.gauge("ghost_clock_status", help, &[("status", state)], truth(beat.clock_status == state));
    }
    if let Some(offset) = beat.clock_offset_seconds {
        page.gauge("ghost_clock_offset_seconds", "How far the clock is off, where a source tells.", &[], offset);
    }
    for daemon in &beat.daemons {
        of_watched(page, daemon);
    }
}

fn of_watched(page: &mut Page, daemon: &DaemonBeat) {
    let name = [("daemon", daemon.name.as_str())];
    let up = matches!(&*daemon.status, "running" | "restarted");
    page.gauge("ghost_daemon_running", "Whether a watched daemon runs.", &name, truth(up));
    for state in STATES {
        let help = "The state of a watched daemon: 1 for the one that holds.";
        page.gauge("ghost_daemon_status", help, &[name[0], ("status", state)], truth(daemon.status == state));
    }
    page.gauge(
        "ghost_daemon_maintenance",
        "Whether a watched daemon is in maintenance.",
        &name,
        truth(daemon.maintenance),
    );
    if let Some(restarts) = daemon.restart_count {
        page.counter("ghost_daemon_seen_restarts_total", "Restarts of a watched daemon.", &name, restarts);
    }
    if let Some(uptime) = daemon.uptime_seconds {
        page.gauge("ghost_daemon_uptime_seconds", "How long a watched daemon has been running.", &name, uptime);
    }
    if let Some(percent) = daemon.cpu_percent {
        page.gauge("ghost_daemon_cpu_ratio", "Processors that a watched daemon uses.", &name, percent / 100.0);
    }
    if let Some(bytes) = daemon.memory_bytes {
        page.gauge("ghost_daemon_resident_memory_bytes", "Memory of a watched daemon.", &name, bytes as f64);
    }
}

fn of_collector(page: &mut Page, health: &CollectorHealth) {
    let name = [("collector", health.name.as_str())];
    let good = matches!(health.status, CallOutcome::Ok);
    page.gauge("ghost_collector_ok", "Whether the last call of a collector ended well.", &name, truth(good));
    page.counter("ghost_collector_calls_total", "Calls of a collector.", &name, health.calls);
    page.counter("ghost_collector_failures_total", "Calls of a collector that failed.", &name, health.failures);
    page.counter(
        "ghost_collector_denied_calls_total",
        "Host calls of a collector that were refused.",
        &name,
        health.denied_calls,
    );
    let help = "Log lines of a collector that were dropped.";
    page.counter("ghost_collector_dropped_log_lines_total", help, &name, health.dropped_log_lines);
    let help = "Calls of a collector that were due while the one before was running.";
    page.counter("ghost_collector_missed_calls_total", help, &name, health.missed);
    let help = "Memory of a collector in its last call, at most.";
    page.gauge("ghost_collector_peak_memory_bytes", help, &name, health.peak_memory_bytes as f64);
    page.gauge(
        "ghost_collector_last_call_seconds",
        "How long the last call of a collector took.",
        &name,
        health.duration_ms / 1e3,
    );
    for (quantile, ms) in [("0.5", health.p50_ms), ("0.95", health.p95_ms)] {
        let help = "How long the last calls of a collector took.";
        page.quantile("ghost_collector_call_seconds", help, &[name[0], ("quantile", quantile)], ms / 1e3);
    }
    if let Some(at) = health.last_success {
        let help = "When a collector last returned something.";
        page.gauge("ghost_collector_last_success_timestamp_seconds", help, &name, seconds(at));
    }
}

/// What the store says.
pub(super) fn of_store(page: &mut Page, reader: &Reader) -> Result<(), Problem> {
    let (count, bytes) = reader.totals()?;
    page.gauge("ghost_snapshots", "Snapshots that are kept.", &[], count as f64);
    page.gauge("ghost_snapshots_size_bytes", "The files of all snapshots.", &[], bytes as f64);
    if let Some(newest) = reader.list(&crate::store::Filter { limit: Some(1), ..Default::default() })?.first() {
        page.gauge("ghost_snapshot_timestamp_seconds", "When the last snapshot was.", &[], seconds(newest.captured_at));
        page.gauge("ghost_snapshot_size_bytes", "The file of the last snapshot.", &[], newest.size_bytes as f64);
        page.counter("ghost_snapshots_total", "Snapshots in the life of the store.", &[], newest.sequence);
    }
    page.gauge("ghost_database_size_bytes", "The database with its journal.", &[], reader.database_bytes() as f64);
    let mut open = [0_u64; 4];
    for stored in reader.findings(Wall(i64::MAX))? {
        open[stored.finding.severity as usize] += 1;
    }
    for (severity, word) in [
        (Severity::Low, "low"),
        (Severity::Medium, "medium"),
        (Severity::High, "high"),
        (Severity::Critical, "critical"),
    ] {
        page.gauge(
            "ghost_findings_open",
            "Findings that are open.",
            &[("severity", word)],
            open[severity as usize] as f64,
        );
    }
    let documents = reader.documents()?;
    let rows = documents.iter().map(|one| (one.namespace.as_str(), one.key.as_str(), &one.document));
    let board = AlertBoard::from_documents(rows);
    for (state, word) in
        [(AlertState::Pending, "pending"), (AlertState::Firing, "firing"), (AlertState::Resolved, "resolved")]
    {
        let count = board.alerts.iter().filter(|alert| alert.state == state).count();
        page.gauge("ghost_alerts", "Alerts by their state.", &[("state", word)], count as f64);
    }
    for receiver in &board.receivers {
        let name = [("receiver", receiver.name.as_str())];
        page.gauge("ghost_alert_notifications_queued", "Notifications that wait.", &name, receiver.queued as f64);
        let help = "Notifications that a receiver has taken.";
        page.counter("ghost_alert_notifications_delivered_total", help, &name, receiver.delivered);
        page.counter("ghost_alert_notifications_failed_total", "Attempts that failed.", &name, receiver.failures);
        page.counter(
            "ghost_alert_notifications_dropped_total",
            "Notifications that were given up.",
            &name,
            receiver.dropped,
        );
    }
    Ok(())
}

/// Resident bytes and seconds of processor time of this process, proc(5).
fn process() -> Option<(f64, f64)> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: f64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    let usage = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let cpu = usage.tv_sec as f64 + usage.tv_nsec as f64 / 1e9;
    Some((pages * rustix::param::page_size() as f64, cpu))
}
