use std::collections::BTreeMap;

use serde_json::json;

use super::super::testing::*;
use super::super::*;
use crate::model::{
    CallOutcome, CollectorHealth, Completeness, Event, EventKind, EventSeverity, Finding, Metric, Reading, Section,
    Severity, Wall,
};

fn section(key: &str, load: f64) -> StoredSection {
    StoredSection {
        collector: "metric".to_owned(),
        collected_at: at(5),
        generation: 3,
        component_sha256: None,
        config_sha256: None,
        section: Section {
            key: key.to_owned(),
            schema: "ghost.metric/1".to_owned(),
            completeness: Completeness::Complete,
            warnings: vec![],
            body: json!({ "load": load }),
            metrics: vec![],
            findings: vec![],
            attributes: BTreeMap::new(),
        },
    }
}

fn finding(fingerprint: &str, resolved_at: Option<Wall>) -> StoredFinding {
    StoredFinding {
        collector: "anomaly".to_owned(),
        opened_at: START,
        resolved_at,
        by_hand: None,
        finding: Finding {
            fingerprint: fingerprint.to_owned(),
            severity: Severity::High,
            title: "t".to_owned(),
            detail: None,
            source: None,
            count: 1,
            first_seen: None,
            last_seen: None,
            resolved: resolved_at.is_some(),
            attributes: BTreeMap::new(),
        },
    }
}

fn health(name: &str) -> CollectorHealth {
    CollectorHealth {
        name: name.to_owned(),
        version: None,
        sha256: None,
        status: CallOutcome::Ok,
        error: None,
        duration_ms: 1.0,
        peak_memory_bytes: 1,
        last_success: None,
        consecutive_failures: 0,
        calls: 1,
        failures: 0,
        p50_ms: 1.0,
        p95_ms: 1.0,
        denied_calls: 0,
        dropped_log_lines: 0,
        missed: 0,
    }
}

fn event(n: i64) -> Event {
    Event {
        timestamp: START.plus_ns(n),
        event_type: EventKind::Store,
        severity: EventSeverity::Info,
        message: n.to_string(),
        data: json!({}),
    }
}

fn state(entries: &[(&str, &str)]) -> CollectorState {
    let entries = entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    CollectorState { collector: "anomaly".to_owned(), entries }
}

#[test]
fn what_is_recorded_is_loaded_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    let probe = |at, document| Document { namespace: "probe".to_owned(), key: "gw".to_owned(), at, document };
    let batch = Batch {
        sections: vec![section("load", 0.1), section("disk", 0.2)],
        states: vec![state(&[("a", "1"), ("b", "2")])],
        healths: vec![health("metric")],
        findings: vec![finding("one", None), finding("two", Some(START))],
        heartbeats: vec![heartbeat(1, &at(5))],
        events: vec![event(1)],
        documents: vec![probe(START, json!({ "ms": 1.5 }))],
        ..Batch::default()
    };
    store.record(&batch).unwrap();
    let again = Batch {
        durable: true,
        sections: vec![section("load", 0.3)],
        dropped_sections: vec![("metric".to_owned(), "disk".to_owned())],
        states: vec![state(&[("b", "3")])],
        ..Batch::default()
    };
    store.record(&again).unwrap();
    drop(store);
    let loaded = open(dir.path()).0.load().unwrap();
    let expected = Loaded {
        sections: vec![section("load", 0.3)],
        states: vec![state(&[("b", "3")])],
        healths: vec![health("metric")],
        findings: vec![finding("one", None), finding("two", Some(START))],
        settled: Vec::new(),
        documents: vec![probe(START, json!({ "ms": 1.5 }))],
        last_heartbeat: Some(heartbeat(1, &at(5))),
        last_snapshot: None,
    };
    assert_eq!(loaded, expected);
}

#[test]
fn findings_resolved_before_the_last_snapshot_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    capture(&mut store, &at(100));
    let findings = vec![finding("old", Some(at(99).wall)), finding("new", Some(at(101).wall)), finding("open", None)];
    store.record(&Batch { findings, ..Batch::default() }).unwrap();
    let loaded = store.load().unwrap();
    let names: Vec<&str> = loaded.findings.iter().map(|stored| &*stored.finding.fingerprint).collect();
    assert_eq!(names, ["new", "open"]);
}

#[test]
fn a_batch_is_recorded_as_a_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    store.record(&Batch { heartbeats: vec![heartbeat(1, &at(0))], ..Batch::default() }).unwrap();
    let batch = Batch {
        sections: vec![section("load", 0.1)],
        heartbeats: vec![heartbeat(2, &at(5)), heartbeat(1, &at(5))],
        ..Batch::default()
    };
    store.record(&batch).unwrap_err();
    assert_eq!(store.load().unwrap().sections, []);
    assert_eq!(store.link().unwrap().heartbeats.unwrap().count, 1);
    assert_eq!(store.next_heartbeat_sequence(), 2);
}

#[test]
fn labels_that_never_repeat_are_dropped_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    let metric = |n: usize| Metric {
        name: "process.cpu".to_owned(),
        unit: "1".to_owned(),
        reading: Reading::Gauge(0.5),
        labels: [("pid".to_owned(), crate::model::Value::Unsigned(n as u64))].into(),
    };
    let points = |range: std::ops::Range<usize>| Batch {
        points: vec![Points { collector: "m".to_owned(), at: START, metrics: range.map(metric).collect() }],
        ..Batch::default()
    };
    assert_eq!(store.record(&points(0..MAX_SERIES_PER_COLLECTOR)).unwrap().dropped_points, 0);
    assert_eq!(store.record(&points(0..MAX_SERIES_PER_COLLECTOR + 7)).unwrap().dropped_points, 7);
    drop(store);
    let (mut store, _) = open(dir.path());
    assert_eq!(
        store.record(&points(MAX_SERIES_PER_COLLECTOR - 1..MAX_SERIES_PER_COLLECTOR + 2)).unwrap().dropped_points,
        2
    );
}

#[test]
fn events_are_capped_and_the_oldest_go_first() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    let all: Vec<_> = (0..i64::try_from(MAX_EVENTS).unwrap() + 3).map(event).collect();
    store.record(&Batch { events: all, ..Batch::default() }).unwrap();
    store.record(&Batch { events: vec![event(7)], ..Batch::default() }).unwrap();
    let kept: (i64, i64) =
        store.db.query_row("SELECT count(*), min(at) FROM events", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(kept, (MAX_EVENTS.cast_signed(), START.0 + 4));
}
