//! Heartbeats and events: the small records between two snapshots.

use serde::{Deserialize, Serialize};

use super::{Digest, Wall};

/// The overall state of the machine as the original names it, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverallStatus {
    /// Nothing is known to be wrong.
    Healthy,
    /// Something is not as it should be: the clock, a stale heartbeat file.
    Degraded,
    /// Less than four in five daemons are healthy.
    Unhealthy,
    /// Less than half of the daemons are healthy.
    Critical,
}

/// A verdict, always with its reasons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Overall {
    /// The verdict.
    pub status: OverallStatus,
    /// Why it is not better; empty for healthy.
    pub reasons: Vec<String>,
}

/// One daemon in a heartbeat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DaemonBeat {
    /// Its name in the configuration.
    pub name: String,
    /// `running`, `failed`, `restarted`, `paused`, `unknown`, or `no_data` where the section is too old.
    pub status: String,
    /// Its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// How long it has been running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime_seconds: Option<f64>,
    /// Share of one processor, 0 to 100 times the number of processors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
    /// Resident memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Restarts since ghostd knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_count: Option<u64>,
    /// Whether it is in maintenance.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub maintenance: bool,
}

/// One heartbeat: a row of the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Grows by one with each, for the life of the store.
    pub sequence: u64,
    /// Wall-clock time.
    pub at: Wall,
    /// CLOCK_BOOTTIME in nanoseconds.
    pub boottime_ns: u64,
    /// Which boot that counts from.
    pub boot_id: String,
    /// The interval that was configured when it was taken, in milliseconds.
    pub interval_ms: u64,
    /// The verdict.
    pub overall: Overall,
    /// The daemons in the configuration's order.
    pub daemons: Vec<DaemonBeat>,
    /// `synced`, `drift_warning`, `drift_critical`, `sync_failed`, `unknown`, or `no_data`.
    pub clock_status: String,
    /// The clock's offset, where a source tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_offset_seconds: Option<f64>,
    /// Uptime of the machine.
    pub uptime_seconds: f64,
    /// Beats that were due and not taken since the one before.
    pub missed: u64,
}

/// Which heartbeats lie between two snapshots, and what they hash to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatRange {
    /// Sequence of the first.
    pub first: u64,
    /// Sequence of the last.
    pub last: u64,
    /// How many there are.
    pub count: u64,
    /// SHA-256 over their stored JSON texts in order, each followed by a line feed.
    pub sha256: Digest,
}

/// What kind of event it is, in the original's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A heartbeat of note.
    Heartbeat,
    /// The clock: a step, a source found or lost.
    ClockSync,
    /// A daemon changed its state.
    DaemonCheck,
    /// The overall status changed.
    SystemStatus,
    /// A finding was opened, got worse, or was resolved.
    Anomaly,
    /// Something of ghostd's own failed.
    Error,
    /// ghostd started.
    SystemStartup,
    /// ghostd ended in an orderly way.
    SystemShutdown,
    /// The configuration was read anew.
    ConfigUpdate,
    /// A capture began.
    SnapshotStart,
    /// A snapshot is durable.
    SnapshotComplete,
    /// A capture failed.
    SnapshotError,
    /// A backup began.
    BackupStart,
    /// A backup is durable and verified.
    BackupComplete,
    /// Retention removed something.
    Cleanup,
    /// A collector was loaded, refused, quarantined or resumed.
    Collector,
    /// The store itself: repaired, restored, purged, a scrub.
    Store,
    /// An alert fires, or is resolved; a silence; a receiver that cannot be reached.
    Alert,
}

/// How loud an event is, in the original's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventSeverity {
    /// For the record.
    Info,
    /// Not as it should be.
    Warning,
    /// Something failed.
    Error,
    /// Somebody should look now.
    Critical,
}

/// Something that happened, at an instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub timestamp: Wall,
    /// What kind.
    pub event_type: EventKind,
    /// How loud.
    pub severity: EventSeverity,
    /// One line.
    pub message: String,
    /// Further facts: a JSON object.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub data: serde_json::Value,
}
