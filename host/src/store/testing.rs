//! What the store's tests share: a clock, and snapshots that are whole without the stages that make real ones.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::*;
use crate::model::{ChainLink, Digest, Heartbeat, Moment, Overall, OverallStatus, SnapshotId, Wall};

/// 2026-11-21T00:00:00Z.
pub(crate) const START: Wall = Wall(1_795_219_200_000_000_000);

/// So many seconds after [`START`], in one boot.
pub(crate) fn at(seconds: i64) -> Moment {
    Moment {
        wall: START.plus_ns(seconds * 1_000_000_000),
        boottime_ns: (1_000_000 + seconds).unsigned_abs() * 1_000_000_000,
        boot_id: "boot-a".into(),
    }
}

pub(crate) fn open(path: &Path) -> (ExclusiveStore, StartReport) {
    ExclusiveStore::open(path, &at(0)).unwrap()
}

/// The body of a small snapshot.
pub(crate) fn body(link: &ChainLink, now: &Moment) -> Json {
    let mut body = json!({ "format_version": 1, "id": SnapshotId::new(now.wall) });
    let rest = json!({
        "captured_at": now.wall, "trigger": "schedule", "reason": null, "important_at_capture": false,
        "capture": {
            "started_at": now.wall, "ended_at": now.wall, "started_boottime_ns": now.boottime_ns,
            "ended_boottime_ns": now.boottime_ns, "missed": 0,
        },
        "host": {
            "id": "h", "hostname": "t", "platform": "linux", "os": "o", "kernel": "k", "arch": "a",
            "boot_id": &*now.boot_id, "uptime_seconds": 1.5, "load_average": [0.0, 0.0, 0.0], "ghostd_version": "0",
        },
        "config_sha256": Digest::of(b"c"), "sanitizer_sha256": Digest::of(b"s"), "sections": {}, "metrics": [],
        "findings": [], "collectors": [], "redactions": { "total": 0, "rules": {} },
    });
    for part in [serde_json::to_value(link).unwrap(), rest] {
        body.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
    }
    body
}

/// The three lines of a file, written here a second time so that reader and writer cannot err together.
pub(crate) fn file_of(body: &Json) -> Vec<u8> {
    let text = body.to_string();
    let first = format!(
        r#"{{"ghostd":"snapshot/1","id":{},"size":{},"sha256":"{}","snapshot":"#,
        body["id"],
        text.len(),
        Digest::of(text.as_bytes())
    );
    format!("{first}\n{text}\n}}\n").into_bytes()
}

/// Captures and stores a snapshot.
pub(crate) fn capture(store: &mut ExclusiveStore, now: &Moment) -> Entry {
    let link = store.link().unwrap();
    let stored = store.put_bytes(&file_of(&body(&link, now)), &Batch::default()).unwrap();
    assert!(stored.catalog_error().is_none(), "{:?}", stored.catalog_error());
    stored.entry().clone()
}

pub(crate) fn heartbeat(sequence: u64, now: &Moment) -> Heartbeat {
    Heartbeat {
        sequence,
        at: now.wall,
        boottime_ns: now.boottime_ns,
        boot_id: now.boot_id.to_string(),
        interval_ms: 5_000,
        overall: Overall { status: OverallStatus::Healthy, reasons: vec![] },
        daemons: vec![],
        clock_status: "unknown".to_owned(),
        clock_offset_seconds: None,
        uptime_seconds: 1.0,
        missed: 0,
    }
}
