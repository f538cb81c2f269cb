//! The words of the product as types: what a snapshot, a section, a finding and a heartbeat are.
//!
//! Owns: the meaning of every field that is written to disk, and its JSON form. Knows nobody: no other
//! module of this crate is used here, no file is read and no clock asked.

mod access;
mod alert;
mod finding;
mod health;
mod heartbeat;
mod ids;
mod metric;
mod section;
mod snapshot;
mod time;
mod value;

pub use access::{Scope, StoredToken};
pub use alert::{
    ALERTS, Alert, AlertBoard, AlertSeverity, AlertState, MatchOperator, Matcher, RECEIVERS, ReceiverHealth, SILENCES,
    Silence, Told,
};
pub use finding::{Finding, FindingState, Severity, SnapshotFinding};
pub use health::{CallOutcome, CollectorHealth};
pub use heartbeat::{
    BeatTime, DaemonBeat, Event, EventKind, EventSeverity, Heartbeat, HeartbeatRange, Overall, OverallStatus, PingBeat,
    SignBeat, Standing,
};
pub use ids::{Digest, ParseIdError, PublicKey, SnapshotId, StoreId};
pub use metric::{Bucket, Histogram, Metric, MetricFamily, MetricPoint, Reading};
pub use section::{Completeness, Section};
pub use snapshot::{
    AuditHead, Body, CaptureTimes, ChainLink, FORMAT_VERSION, HostInfo, Previous, Redactions, SealKey,
    SectionCompleteness, SectionEntry, StoreRef, Trigger,
};
pub use time::{Moment, Wall};
pub use value::{Attributes, Value};
