//! The body of a snapshot: line 2 of its file.
//!
//! The order of the fields here is the order on disk, and a golden test pins it. A reader ignores
//! fields that it does not know, and fields that came later have defaults.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Attributes, CollectorHealth, Digest, HeartbeatRange, MetricFamily, PublicKey, SnapshotFinding, SnapshotId, StoreId,
    Wall,
};

/// The version of the body's form that this program writes.
pub const FORMAT_VERSION: u32 = 1;

/// Why a snapshot was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Its time had come.
    Schedule,
    /// ghostd started, and the last one was older than the interval.
    Start,
    /// Somebody asked for it.
    Manual,
    /// Something happened: a daemon failed, an alert fired.
    Event,
}

impl Trigger {
    /// The word that is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Start => "start",
            Self::Manual => "manual",
            Self::Event => "event",
        }
    }
}

/// Which store a snapshot belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoreRef {
    /// The store's name.
    pub id: StoreId,
    /// 1 at first; each restore begins another.
    pub epoch: u64,
    /// The last snapshot that was restored, where this epoch began with a restore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<Previous>,
}

/// The snapshot before, and what its body hashes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Previous {
    /// Its id.
    pub id: SnapshotId,
    /// SHA-256 of its line 2.
    pub sha256: Digest,
}

/// The last line of the audit log that was durable when the snapshot was sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditHead {
    /// Its sequence in the audit log.
    pub sequence: u64,
    /// Its hash.
    pub sha256: Digest,
}

/// What ties a snapshot to everything before it. Taken under the store's lock, at the seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChainLink {
    /// Its place in the store's order; gaps are deletions.
    pub sequence: u64,
    /// The store.
    pub store: StoreRef,
    /// The snapshot before; none for the first.
    pub previous: Option<Previous>,
    /// The audit log's head.
    pub audit_head: Option<AuditHead>,
    /// The heartbeats since the snapshot before.
    pub heartbeats: Option<HeartbeatRange>,
    /// The key that signs this snapshot, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<SealKey>,
}

/// A key that signs snapshots, and the one that follows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SealKey {
    /// Which it is, counted from 0, the one that `ghostd key new` made.
    pub number: u64,
    /// The key.
    pub public_key: PublicKey,
    /// The next key: made from this one, and no way back.
    pub successor: PublicKey,
}

/// When and for how long the capture ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaptureTimes {
    /// When it began.
    pub started_at: Wall,
    /// When everything was there.
    pub ended_at: Wall,
    /// CLOCK_BOOTTIME at its beginning, in nanoseconds; with `host.boot_id` it orders what the wall clock does not.
    pub started_boottime_ns: u64,
    /// CLOCK_BOOTTIME at its end.
    pub ended_boottime_ns: u64,
    /// Captures that were due and not taken since the snapshot before.
    pub missed: u64,
}

/// The machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostInfo {
    /// Stable for an installation: a keyed hash of the machine id, which itself is not shown.
    pub id: String,
    /// As the kernel tells it.
    pub hostname: String,
    /// `linux`, `macos`.
    pub platform: String,
    /// `Debian GNU/Linux 12`.
    pub os: String,
    /// `6.1.0-13-amd64`.
    pub kernel: String,
    /// `x86_64`, `aarch64`.
    pub arch: String,
    /// Changes with each boot.
    pub boot_id: String,
    /// Since boot.
    pub uptime_seconds: f64,
    /// Over 1, 5 and 15 minutes.
    pub load_average: [f64; 3],
    /// The version of ghostd that wrote this.
    pub ghostd_version: String,
    /// What the configured commands answered at start.
    #[serde(default)]
    pub versions: BTreeMap<String, String>,
}

/// Whether a section in a snapshot is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SectionCompleteness {
    /// Everything that was asked for is there.
    Complete,
    /// Something could not be read; the warnings say what.
    Partial,
    /// The collector failed since; this is its last good section, and a verdict takes it as no data.
    Carried,
    /// There is none: `error` says why.
    Missing,
}

/// One section of a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SectionEntry {
    /// Which collector it comes from.
    pub collector: String,
    /// Name and version of the body's form; empty when missing.
    pub schema: String,
    /// Whether it is whole.
    pub completeness: SectionCompleteness,
    /// When it was collected; absent when missing.
    pub collected_at: Option<Wall>,
    /// How old it was when the capture ended, in milliseconds, suspend included.
    pub age_ms: Option<u64>,
    /// How many sections of this key were collected before it, plus one: the same number is the same section.
    pub generation: u64,
    /// SHA-256 of the component that made it.
    pub component_sha256: Option<Digest>,
    /// SHA-256 of the configuration that the collector was given.
    pub config_sha256: Option<Digest>,
    /// Why it is carried or missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Further facts.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
    /// What could not be read and why.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// A JSON object; null when missing.
    pub body: serde_json::Value,
}

/// How often the sanitizer replaced something. It never says what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Redactions {
    /// All together.
    pub total: u64,
    /// By rule.
    pub rules: BTreeMap<String, u64>,
}

/// A snapshot's body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Body {
    /// The version of this form: [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The snapshot's name, as in its file's name and first line.
    pub id: SnapshotId,
    /// What ties it to everything before it.
    #[serde(flatten)]
    pub link: ChainLink,
    /// When the capture was complete: the time that people mean.
    pub captured_at: Wall,
    /// Why it was taken.
    pub trigger: Trigger,
    /// What whoever asked for it said, or what happened.
    pub reason: Option<String>,
    /// Whether it was marked to be kept when it was taken. Later marks are files beside it.
    pub important_at_capture: bool,
    /// When and for how long the capture ran.
    pub capture: CaptureTimes,
    /// The machine.
    pub host: HostInfo,
    /// SHA-256 of the effective configuration.
    pub config_sha256: Digest,
    /// SHA-256 of the sanitizer's rules.
    pub sanitizer_sha256: Digest,
    /// The sections by key.
    pub sections: BTreeMap<String, SectionEntry>,
    /// Metric points of sections that are not carried.
    pub metrics: Vec<MetricFamily>,
    /// What is open, and what was opened or resolved since the snapshot before.
    pub findings: Vec<SnapshotFinding>,
    /// Every configured collector.
    pub collectors: Vec<CollectorHealth>,
    /// What befell the record since the snapshot before: a history that was lost, a database that was set aside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
    /// What the sanitizer replaced.
    pub redactions: Redactions,
}
