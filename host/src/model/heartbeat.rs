//! Heartbeats and events: the small records between two snapshots.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Digest, Wall};

/// The overall state of the machine as the original names it, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Overall {
    /// The verdict.
    pub status: OverallStatus,
    /// Why it is not better; empty for healthy.
    pub reasons: Vec<String>,
}

/// One daemon in a heartbeat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// What its last ping brought, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ping: Option<PingBeat>,
    /// What its heartbeat file comes to, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_file: Option<SignBeat>,
}

/// What a daemon's state comes to where its uptime is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Running or restarted.
    Up,
    /// Failed.
    Down,
    /// Stopped.
    Paused,
    /// In maintenance, whatever it is.
    Maintenance,
    /// Never seen.
    Unknown,
    /// Its collector did not answer.
    NoData,
}

impl Standing {
    /// How many there are.
    pub const COUNT: usize = 6;
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Up, Self::Down, Self::Paused, Self::Maintenance, Self::Unknown, Self::NoData];

    /// Of a daemon with this status.
    pub fn of(status: &str, maintenance: bool) -> Self {
        match status {
            "no_data" => Self::NoData,
            _ if maintenance => Self::Maintenance,
            "running" | "restarted" => Self::Up,
            "failed" => Self::Down,
            "paused" => Self::Paused,
            _ => Self::Unknown,
        }
    }
}

/// When a heartbeat was taken, as far as its length goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeatTime {
    /// CLOCK_BOOTTIME in nanoseconds.
    pub boottime_ns: u64,
    /// Which boot that counts from.
    pub boot_id: String,
    /// The interval that was configured, in milliseconds.
    pub interval_ms: u64,
}

impl BeatTime {
    /// How long what this heartbeat said held, in nanoseconds: until the next one, where that came within two intervals
    /// and in the same boot. Where it did not, nobody knows how long, and it counts for nothing.
    pub fn lasted_ns(&self, next: &Self) -> u64 {
        let gap_ns = next.boottime_ns.saturating_sub(self.boottime_ns);
        let longest_ns = self.interval_ms.max(next.interval_ms).saturating_mul(2_000_000);
        if self.boot_id == next.boot_id && gap_ns <= longest_ns { gap_ns } else { 0 }
    }
}

impl Heartbeat {
    /// When it was taken.
    pub fn time(&self) -> BeatTime {
        BeatTime { boottime_ns: self.boottime_ns, boot_id: self.boot_id.clone(), interval_ms: self.interval_ms }
    }
}

/// A ping in a heartbeat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PingBeat {
    /// `ok`, `wrong`, `timeout`, `unreachable`, or `pending` before the first result.
    pub outcome: String,
    /// How old the result is; of a pending one, since when it is awaited.
    pub age_seconds: f64,
    /// How long the last good answer took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// The shortest of the last 64 good answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_ms: Option<f64>,
    /// Their median.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median_ms: Option<f64>,
    /// Their 95th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95_ms: Option<f64>,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// How many results in a row were like this one.
    pub streak: u32,
    /// When the certificate that it showed expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_expires_at: Option<Wall>,
}

/// A heartbeat file in a heartbeat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SignBeat {
    /// `fresh`, `stale`, `future`, `malformed`, `vanished`, `missing`, `unreadable`, or `pending` before the first look.
    pub state: String,
    /// How old the last sign of life is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<f64>,
    /// What the daemon says its status is, in its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub says: Option<String>,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// One heartbeat: a row of the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
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
    /// A patch was taken up, completed, or failed.
    Patch,
    /// The store itself: repaired, restored, purged, a scrub.
    Store,
    /// An alert fires, or is resolved; a silence; a receiver that cannot be reached.
    Alert,
}

/// How loud an event is, in the original's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
