use std::time::Duration;

use super::super::testing::*;
use super::super::*;
use crate::model::{DaemonBeat, Heartbeat, Metric, Moment, OverallStatus, Reading, Wall};

const HOUR: i64 = 3_600;

fn beat(sequence: u64, seconds: i64) -> Heartbeat {
    let mut beat = heartbeat(sequence, &at(seconds));
    beat.clock_offset_seconds = Some(sequence as f64);
    beat.daemons = vec![DaemonBeat {
        name: "relay".to_owned(),
        status: if sequence.is_multiple_of(4) { "failed" } else { "running" }.to_owned(),
        pid: None,
        uptime_seconds: None,
        cpu_percent: None,
        memory_bytes: Some(sequence * 10),
        restart_count: None,
        maintenance: false,
        ping: None,
        heartbeat_file: None,
    }];
    beat
}

fn points(seconds: i64, value: f64) -> Points {
    let metric = |name: &str, reading| Metric {
        name: name.to_owned(),
        unit: String::new(),
        reading,
        labels: std::collections::BTreeMap::new(),
    };
    // Beyond 2^53, where a double would lose the last digits.
    let total = (1 << 60) + seconds.unsigned_abs();
    Points {
        collector: "m".to_owned(),
        at: at(seconds).wall,
        metrics: vec![metric("load", Reading::Gauge(value)), metric("bytes", Reading::Counter(total))],
    }
}

/// Four hours with a beat and a sample every ten seconds, and a snapshot at the end.
fn four_hours(dir: &std::path::Path) -> ExclusiveStore {
    let (mut store, _) = open(dir);
    let beats = (0_i64..4 * 360).map(|n| beat(n.unsigned_abs() + 1, n * 10)).collect();
    let points = (0..4 * 360).map(|n| points(n * 10, n as f64)).collect();
    store.record(&Batch { heartbeats: beats, points, ..Batch::default() }).unwrap();
    capture(&mut store, &at(4 * HOUR));
    store
}

fn policy(raw: i64, minutes: i64, hours: i64) -> HistoryPolicy {
    let hours_of = |hours: i64| Duration::from_secs((hours * HOUR).unsigned_abs());
    HistoryPolicy { raw: hours_of(raw), minutes: hours_of(minutes), hours: hours_of(hours) }
}

fn roll_all(store: &mut ExclusiveStore, policy: &HistoryPolicy, now: &Moment) -> usize {
    let mut steps = 1;
    while store.roll_up(policy, now).unwrap() {
        steps += 1;
    }
    steps
}

#[test]
fn what_is_old_is_kept_by_the_minute_and_then_by_the_hour_and_nothing_is_counted_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = four_hours(dir.path());
    let now = at(4 * HOUR);
    let steps = roll_all(&mut store, &policy(1, 2, 1_000), &now);
    assert!(steps > 2, "in steps: {steps}");
    let reader = Reader::open(dir.path()).unwrap();
    let beats = reader.beat_history(&Span::since(START)).unwrap();
    let widths = |width| beats.iter().filter(|stretch| stretch.width_seconds == width).count();
    // Two hours old and more by the hour, the third by the minute, the last raw with its first second.
    assert_eq!((widths(HOUR_SECONDS), widths(MINUTE_SECONDS), widths(0)), (2, 60, 360));
    assert_eq!(beats.iter().map(|stretch| stretch.beats.count).sum::<u64>(), 4 * 360);
    let first = &beats[0].beats;
    assert_eq!((beats[0].at, first.count, first.overall["healthy"]), (START, 360, 360));
    assert_eq!(first.daemons["relay"].states, [("failed".to_owned(), 90), ("running".to_owned(), 270)].into());
    let memory = first.daemons["relay"].memory_bytes.unwrap();
    assert_eq!((memory.min, memory.max, memory.last, memory.count), (10.0, 3_600.0, 3_600.0, 360));
    assert!((memory.mean - 1_805.0).abs() < 1e-6, "{}", memory.mean);

    let series = reader.series().unwrap();
    let id = |name: &str| series.iter().find(|series| series.name == name).unwrap().id;
    let load = reader.metric_history("m", id("load"), &Span::since(START)).unwrap();
    assert_eq!(load.iter().map(|point| point.value.count).sum::<u64>(), 4 * 360);
    assert_eq!(
        (load[0].width_seconds, load[0].value.min, load[0].value.max, load[0].value.last),
        (3_600, 0.0, 359.0, 359.0)
    );
    assert!((load[0].value.mean - 179.5).abs() < 1e-9);
    let bytes = reader.metric_history("m", id("bytes"), &Span::last(5)).unwrap();
    assert_eq!(bytes.len(), 5);
    assert_eq!(roll_all(&mut store, &policy(1, 2, 1_000), &now), 1, "a second time there is nothing to do");
}

#[test]
fn what_is_older_than_the_last_resolution_goes() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = four_hours(dir.path());
    roll_all(&mut store, &policy(0, 0, 0), &at(5 * HOUR));
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(reader.beat_history(&Span::since(START)).unwrap(), []);
    drop(store);
    let (mut store, _) = open(dir.path());
    assert_eq!(store.next_heartbeat_sequence(), 4 * 360 + 1);
    // Neither a row nor a snapshot has the number any more.
    store.record(&Batch { heartbeats: vec![beat(4 * 360 + 1, 4 * HOUR)], ..Batch::default() }).unwrap();
    roll_all(&mut store, &policy(0, 0, 0), &at(6 * HOUR));
    drop(store);
    assert_eq!(open(dir.path()).0.next_heartbeat_sequence(), 4 * 360 + 2);
}

#[test]
fn a_digest_of_heartbeats_that_were_rolled_up_is_no_longer_kept_and_not_altered() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = four_hours(dir.path());
    roll_all(&mut store, &policy(1, 2, 1_000), &at(4 * HOUR));
    let checked = Reader::open(dir.path()).unwrap().verify(&mut |_, _| {}).unwrap();
    assert!(checked.is_intact());
    assert_eq!((checked.heartbeats.no_longer_kept, checked.heartbeats.intact), (1, 0));
    // What was rolled up is not hashed again, and the number goes on, also after a start.
    drop(store);
    let (mut store, _) = open(dir.path());
    assert_eq!(store.link().unwrap().heartbeats, None);
    assert_eq!(store.next_heartbeat_sequence(), 4 * 360 + 1);
}

#[test]
fn a_step_of_the_clock_shrinks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = four_hours(dir.path());
    for step in [-HOUR, 30 * 24 * HOUR, 365 * 24 * HOUR, -START.0 / 1_000_000_000] {
        let mut now = at(4 * HOUR + 60);
        now.wall = now.wall.plus_ns(step * 1_000_000_000);
        assert_eq!(roll_all(&mut store, &HistoryPolicy::default(), &now), 1);
        let raw = Reader::open(dir.path()).unwrap().heartbeats(&Span::since(Wall(0))).unwrap();
        assert_eq!((raw.len(), raw[0].overall.status), (4 * 360, OverallStatus::Healthy));
    }
}

#[test]
fn counters_stay_exact() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = four_hours(dir.path());
    roll_all(&mut store, &policy(1, 2, 1_000), &at(4 * HOUR));
    let row: Vec<u8> = store
        .db
        .query_row("SELECT points FROM sample_summaries WHERE width = 3600 ORDER BY at LIMIT 1", [], |row| row.get(0))
        .unwrap();
    let counters: Vec<_> = samples::unpack_summaries(&row)
        .filter_map(|(_, summary)| match summary {
            samples::SampleSummary::Counter { min, max, last, count } => Some((min, max, last, count)),
            _ => None,
        })
        .collect();
    assert_eq!(counters, [(1 << 60, (1 << 60) + 3_590, (1 << 60) + 3_590, 360)]);
}
