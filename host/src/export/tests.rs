use std::sync::Arc;

use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
use ::parquet::record::RowAccessor as _;
use serde_json::Value as Json;

use super::*;
use crate::model::{
    Event, EventKind, EventSeverity, Finding, Heartbeat, Histogram, Metric, Moment, Overall, OverallStatus, Reading,
    Severity, Wall,
};
use crate::store::{Batch, ExclusiveStore, Points, Reader, StoreError, StoredFinding};

fn at(second: i64) -> Wall {
    Wall(1_795_000_000_000_000_000 + second * 1_000_000_000)
}

/// A history of three days with little in it.
fn recorded() -> (tempfile::TempDir, Reader) {
    let dir = tempfile::tempdir().unwrap();
    let now = Moment { wall: at(0), boottime_ns: 1, boot_id: Arc::from("boot") };
    let (mut store, _) = ExclusiveStore::open(dir.path(), &now).unwrap();
    for number in 0..4_u64 {
        let when = at(number as i64 * 86_400);
        let beat = Heartbeat {
            sequence: number + 1,
            at: when,
            boottime_ns: number,
            boot_id: "boot".to_owned(),
            interval_ms: 5_000,
            overall: Overall { status: OverallStatus::Degraded, reasons: vec!["a \"quoted\" reason".to_owned()] },
            daemons: Vec::new(),
            clock_status: "unknown".to_owned(),
            clock_offset_seconds: (number % 2 == 1).then_some(0.25),
            uptime_seconds: 7.5,
            missed: 0,
        };
        let event = Event {
            timestamp: when,
            event_type: EventKind::DaemonCheck,
            severity: EventSeverity::Warning,
            message: format!("event {number}\nwith a second line"),
            data: if number == 0 { Json::Null } else { serde_json::json!({ "number": number }) },
        };
        let metric = |name: &str, reading| Metric {
            name: name.to_owned(),
            unit: "By".to_owned(),
            reading,
            labels: [("mount".to_owned(), "/".into())].into(),
        };
        let metrics = vec![
            metric("a", Reading::Gauge(1.5)),
            metric("b", Reading::Counter(u64::MAX)),
            metric("c", Reading::Histogram(Histogram { buckets: Vec::new(), sum: 3.0, count: 2 })),
        ];
        let finding = Finding {
            fingerprint: format!("f{number}"),
            severity: Severity::High,
            title: "it broke".to_owned(),
            detail: None,
            source: None,
            count: 3,
            first_seen: Some(when),
            last_seen: Some(when),
            resolved: false,
            attributes: Default::default(),
        };
        let batch = Batch {
            heartbeats: vec![beat],
            events: vec![event],
            points: vec![Points { collector: "metric".to_owned(), at: when, metrics }],
            findings: vec![StoredFinding {
                collector: "anomaly".to_owned(),
                opened_at: when,
                resolved_at: None,
                by_hand: None,
                finding,
            }],
            ..Batch::default()
        };
        store.record(&batch).unwrap();
    }
    drop(store);
    let reader = Reader::open(dir.path()).unwrap();
    (dir, reader)
}

fn all(reader: &Reader, kind: Kind, selection: &Selection) -> Vec<Record> {
    let mut all = Vec::new();
    let visit = &mut |record| {
        all.push(record);
        Ok::<_, StoreError>(())
    };
    each(reader, kind, selection, visit, &mut |_, _| {}).unwrap();
    all
}

#[test]
fn days_of_history_come_in_order_and_by_time() {
    let (_dir, reader) = recorded();
    let everything = Selection::default();
    for (kind, count) in [(Kind::Heartbeats, 4), (Kind::Events, 4), (Kind::Metrics, 12), (Kind::Findings, 4)] {
        assert_eq!(all(&reader, kind, &everything).len(), count, "{kind:?}");
    }
    let middle = Selection { since: Some(at(1)), until: Some(at(2 * 86_400)) };
    for (kind, count) in [(Kind::Heartbeats, 2), (Kind::Events, 2), (Kind::Metrics, 6)] {
        assert_eq!(all(&reader, kind, &middle).len(), count, "{kind:?}");
    }
    // A finding that was opened before and is still open was open then too.
    assert_eq!(all(&reader, Kind::Findings, &middle).len(), 3);
    let none = Selection { since: Some(at(10 * 86_400)), until: None };
    assert!(all(&reader, Kind::Events, &none).is_empty());
}

#[test]
fn every_line_is_one_document_and_loses_nothing() {
    let (_dir, reader) = recorded();
    let mut out = Vec::new();
    for kind in Kind::ALL {
        for record in all(&reader, kind, &Selection::default()) {
            ndjson::write(&record, &mut out).unwrap();
        }
    }
    let lines: Vec<Json> =
        String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4 + 4 + 12 + 4);
    let event = lines.iter().find(|line| line["type"] == "event").unwrap();
    assert_eq!(event["record"]["message"], "event 0\nwith a second line");
    let counter = lines.iter().find(|line| line["record"]["metric"] == "b").unwrap();
    assert!(counter.to_string().contains(&u64::MAX.to_string()), "{counter}");
}

#[test]
fn tables_have_what_was_recorded() {
    let (_dir, reader) = recorded();
    let table = |kind: Kind| {
        let mut bytes = Vec::new();
        let mut table = parquet::Table::begin(kind, &mut bytes).unwrap();
        for record in all(&reader, kind, &Selection::default()) {
            table.add(&record).unwrap();
        }
        table.end().unwrap();
        SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap()
    };
    for (kind, count) in [(Kind::Snapshots, 0), (Kind::Events, 4), (Kind::Metrics, 12), (Kind::Findings, 4)] {
        assert_eq!(table(kind).metadata().file_metadata().num_rows(), count, "{kind:?}");
    }
    let table = table(Kind::Heartbeats);
    let beats: Vec<_> = table.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(beats.len(), 4);
    assert_eq!(beats[1].get_long(0).unwrap(), 2);
    assert_eq!(beats[1].get_timestamp_micros(1).unwrap(), at(86_400).0 / 1_000);
    assert_eq!(beats[1].get_string(2).unwrap(), "degraded");
    assert_eq!(beats[1].get_double(5).unwrap(), 0.25);
    assert!(beats[0].get_double(5).is_err(), "there is none");
}

#[test]
fn a_record_of_another_kind_is_refused() {
    let (_dir, reader) = recorded();
    let mut bytes = Vec::new();
    let mut table = parquet::Table::begin(Kind::Events, &mut bytes).unwrap();
    let beat = all(&reader, Kind::Heartbeats, &Selection::default()).remove(0);
    assert!(table.add(&beat).is_err());
}
