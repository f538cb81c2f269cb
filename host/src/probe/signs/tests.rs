//! A fake `_heartbeat/`, with the shapes that are met in the wild.

use std::path::Path;
use std::time::Duration;

use super::super::testing::{put, wall};
use super::*;

fn spec(dir: &Path, daemon: &str, file: &str, service: Option<&str>) -> SignSpec {
    SignSpec {
        daemon: daemon.to_owned(),
        path: dir.join(file),
        max_age: Duration::from_secs(60),
        service: service.map(str::to_owned),
    }
}

/// The moment so many seconds after 2025-07-29T01:00:00Z.
fn at(seconds: i64) -> Moment {
    let boottime_ns = 1_000_000_000_000_u64.saturating_add_signed(seconds * 1_000_000_000);
    Moment { realtime_ns: (1_753_750_800 + seconds) * 1_000_000_000, monotonic_ns: boottime_ns, boottime_ns }
}

fn prober(specs: Vec<SignSpec>) -> SignProber {
    let prober = SignProber::new(specs, Duration::from_secs(5), wall);
    prober.table.0.lock().unwrap().at_boottime_ns = at(0).boottime_ns;
    prober
}

fn one(prober: &mut SignProber, now: Moment) -> (SignState, Option<u64>, Option<String>) {
    prober.look(now);
    let sign = prober.table().latest(now).remove(0);
    (sign.state, sign.age_ms, sign.says)
}

#[test]
fn the_shapes_of_the_original_are_understood() {
    let dir = tempfile::tempdir().unwrap();
    let t = "2025-07-29T00:59:30.000Z";
    let early = "2025-07-29T00:30:00.000Z";
    let fresh = |says: &str| (SignState::Fresh, Some(30_000), Some(says.to_owned()));
    let stale = |says: &str| (SignState::Stale, Some(1_800_000), Some(says.to_owned()));
    let several = format!(
        r#"{{"timestamp":"{t}","source":"aggregator","status":"aggregating","runner":{{"status":"healthy","timestamp":"{early}","pid":12345}},"bridge":{{"status":"connected","timestamp":"{t}"}}}}"#
    );
    let services =
        format!(r#"{{"status":"RUNNING","timestamp":"{t}","services":{{"ghost-bridge":"96781","relay":"down"}}}}"#);
    let cases = [
        (
            format!(r#"{{"daemon":{{"status":"running","timestamp":"{t}","memory":"256MB"}}}}"#),
            "x",
            None,
            fresh("running"),
        ),
        (services.clone(), "ghostBridge", None, (SignState::Fresh, Some(30_000), None)),
        (services.clone(), "relay", None, fresh("down")),
        (services, "other", None, fresh("RUNNING")),
        (
            format!(r#"{{"service":"disk","status":"warning","timestamp":"{t}","disk_usage":"2%","node_server":"2"}}"#),
            "x",
            None,
            fresh("warning"),
        ),
        (several.clone(), "x", Some("runner"), stale("healthy")),
        (several.clone(), "bridge", None, fresh("connected")),
        (several, "x", None, fresh("aggregating")),
        (
            format!(
                r#"{{"service":"s","status":"healthy","stats":{{"startTime":"{early}","lastHeartbeat":"{t}"}},"uptime":240021}}"#
            ),
            "s",
            None,
            fresh("healthy"),
        ),
        (r#"{"ts":1753750770,"state":"ok"}"#.to_owned(), "x", None, fresh("ok")),
        (r#"{"ts":1753750770000,"state":"ok"}"#.to_owned(), "x", None, fresh("ok")),
    ];
    for (index, (text, daemon, service, expected)) in cases.into_iter().enumerate() {
        let file = format!(".beat-{index}.json");
        put(&dir.path().join(&file), &text);
        let mut prober = prober(vec![spec(dir.path(), daemon, &file, service)]);
        assert_eq!(one(&mut prober, at(0)), expected, "{text} for {daemon} {service:?}");
    }
}

#[test]
fn text_is_understood_and_a_touched_file_counts_by_its_own_time() {
    let dir = tempfile::tempdir().unwrap();
    let clock = "# Clock Status\n\n- **System Time**: Tue Jul 29 00:58:00 UTC 2025\n- **Clock Drift**: 0.01s\n\
                 - **Last Heartbeat**: 2025-07-29T00:59:30.000Z\n- **Heartbeat Interval**: 5s\n";
    put(&dir.path().join(".clock-status.md"), clock);
    put(&dir.path().join("plain"), "2025-07-29 00:59:30 UTC\n");
    put(&dir.path().join("word"), "alive\n");
    put(&dir.path().join("touched"), "");
    let of = |file: &str, now| one(&mut prober(vec![spec(dir.path(), "x", file, None)]), now);
    assert_eq!(of(".clock-status.md", at(0)), (SignState::Fresh, Some(30_000), None));
    assert_eq!(of("plain", at(0)), (SignState::Fresh, Some(30_000), None));
    assert_eq!(of("plain", at(31)).0, SignState::Stale);
    // These two were written just now, whatever the clock of the test says.
    let now = Moment::now(wall);
    let (state, age, says) = of("word", now);
    assert!(state == SignState::Fresh && age.unwrap() < 60_000 && says.as_deref() == Some("alive"));
    assert_eq!(of("touched", now).0, SignState::Fresh);
    let later = Moment { realtime_ns: now.realtime_ns + 61_000_000_000, ..now };
    assert_eq!(of("touched", later).0, SignState::Stale);
}

#[test]
fn malformed_future_and_vanished_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.json");
    let mut prober = prober(vec![spec(dir.path(), "a", "a.json", None)]);
    assert_eq!(one(&mut prober, at(0)).0, SignState::Missing);
    put(&path, r#"{"timestamp":"2025-07-29T01:00:00Z"}"#);
    assert_eq!(one(&mut prober, at(1)).0, SignState::Fresh);
    // Half of a file that is being written is given a second look.
    put(&path, r#"{"timestamp":"2025-"#);
    assert_eq!(one(&mut prober, at(2)).0, SignState::Fresh);
    assert_eq!(one(&mut prober, at(3)).0, SignState::Malformed);
    put(&path, r#"{"timestamp":"yesterday"}"#);
    assert_eq!(one(&mut prober, at(4)).0, SignState::Malformed);
    let detail = prober.table().latest(at(4)).remove(0).detail.unwrap();
    assert_eq!(detail, "holds a `timestamp` that is no time");
    put(&path, r#"{"timestamp":"2025-07-29T03:00:00Z"}"#);
    assert_eq!(one(&mut prober, at(5)), (SignState::Future, Some(0), None));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(one(&mut prober, at(6)).0, SignState::Vanished);
    std::fs::create_dir(&path).unwrap();
    assert_eq!(one(&mut prober, at(7)).0, SignState::Unreadable);
    std::fs::remove_dir(&path).unwrap();
    put(&path, vec![b' '; 300 << 10]);
    one(&mut prober, at(8));
    assert_eq!(one(&mut prober, at(9)).0, SignState::Malformed);
    put(&path, r#"{"timestamp":"2025-07-29T01:00:10Z"}"#);
    assert_eq!(one(&mut prober, at(10)).0, SignState::Fresh);
    let silent = prober.table().latest(at(60)).remove(0);
    assert_eq!(silent.state, SignState::Unreadable, "nobody has looked for 50 s");
}

#[test]
fn a_file_that_stays_the_same_is_not_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.json");
    put(&path, r#"{"timestamp":"2025-07-29T01:00:00Z"}"#);
    let specs = vec![spec(dir.path(), "a", "a.json", None), spec(dir.path(), "b", "a.json", Some("missing"))];
    let mut prober = prober(specs);
    prober.look(at(0));
    // What is known of it counts, although nobody could read it now.
    if let Some(known) = prober.files.known.get_mut(&path) {
        known.content =
            Ok(vec![parse::Service { name: None, at_ms: Some(1_753_750_800_000), says: Some("kept".into()) }]);
    }
    prober.look(at(1));
    let signs = prober.table().latest(at(1));
    assert_eq!(signs[0].says.as_deref(), Some("kept"));
    assert_eq!(
        (signs[1].state, signs[1].detail.as_deref()),
        (SignState::Malformed, Some("tells of no service `missing`"))
    );
}
