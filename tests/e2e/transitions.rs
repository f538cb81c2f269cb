//! What happens to daemons, as it is recorded: the time of a death, a crash loop, several of one kind; and where it can
//! be read afterwards: the timeline and the published files.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value as Json;

use crate::harness::{PATIENCE, Process, QUIET, Signal, Site, alone, until};

/// A name of this run alone.
fn name(of: &str) -> String {
    format!("{of}{}", std::process::id())
}

/// `sleep` under another name.
fn sleeper(site: &Site, name: &str) -> PathBuf {
    let program = site.path(name);
    let sleep = ["/bin/sleep", "/usr/bin/sleep"].into_iter().find(|path| Path::new(path).exists()).unwrap();
    std::fs::copy(sleep, &program).unwrap();
    program
}

#[expect(clippy::disallowed_methods, reason = "a test of recorded times needs the time")]
fn wall_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn config(name: &str, every: &str) -> String {
    format!("[[daemon]]\nname = \"{name}\"\n[heartbeat]\nevery = \"{every}\"\n{QUIET}")
}

/// The ends of processes that the history has, as events.
fn ends(site: &Site) -> Vec<Json> {
    let events = site.ghostd(&["events", "--json", "-n", "1000", "--type", "daemon_check"]).exits(0).json();
    let events = events.as_array().cloned().unwrap_or_default();
    events.into_iter().filter(|event| event["data"]["at_ms"].is_i64()).collect()
}

#[test]
fn a_kill_is_recorded_when_it_happens_with_its_signal() {
    let relay = name("killed");
    let site = Site::with(&config(&relay, "5s"));
    let program = sleeper(&site, &relay);
    let daemon = site.run();
    let (mut late, mut told) = (Vec::new(), 0);
    for round in 0..3 {
        let process = Process::start(&program, &["1000"]);
        until("it is followed", PATIENCE, || (daemon.watched(&relay)["pid"] == process.pid()).then_some(()));
        let (before, pid) = (wall_ms(), process.pid());
        process.signal(Signal::KILL);
        drop(process);
        let end = until("its end is recorded", PATIENCE, || {
            ends(&site).into_iter().find(|event| event["data"]["pid"] == pid)
        });
        let at = end["data"]["at_ms"].as_i64().unwrap();
        // The kernel tells it once the process was collected, which this test does a moment later: on a busy machine the
        // end may be recorded before.
        let signal = &end["data"]["signal"];
        assert!(*signal == 9 || signal.is_null(), "{end:#}");
        told += u32::from(!signal.is_null());
        late.push(at - before);
        // Long before the next beat, which is five seconds away; a loaded machine has its slack.
        assert!((-20..2_500).contains(&(at - before)), "round {round}: {} ms late", at - before);
        until("the verdict has it", PATIENCE, || (daemon.watched(&relay)["status"] == "failed").then_some(()));
    }
    println!("recorded so many ms after the kill: {late:?}; with its signal in {told} of 3 rounds");
    assert!(told > 0, "the signal was never told");
}

#[test]
fn a_crash_loop_has_a_lower_bound_and_is_no_storm() {
    let _alone = alone();
    let relay = name("looping");
    let site = Site::with(&config(&relay, "1s"));
    let program = sleeper(&site, &relay);
    let daemon = site.run();
    let sequence = || daemon.status()["heartbeat"]["sequence"].as_u64().unwrap_or(0);
    until("there is a beat", PATIENCE, || (sequence() > 0).then_some(()));
    let first = sequence();
    let started = std::time::Instant::now();
    let script = format!("for i in $(seq 60); do {} 0.1; done", program.display());
    let mut shell = std::process::Command::new("/bin/sh").args(["-c", &script]).spawn().unwrap();
    shell.wait().unwrap();
    let seconds = started.elapsed().as_secs();
    let row = until("the loop was noticed", PATIENCE, || {
        let row = daemon.watched(&relay);
        (row["restart_count"].as_u64().unwrap_or(0) >= 2).then_some(row)
    });
    let taken = sequence() - first;
    // One beat a second, three that a burst may trigger, and one for each ten seconds.
    assert!(taken <= seconds + seconds / 10 + 8, "{taken} heartbeats in {seconds} s");
    assert!(row["restart_count"].as_u64().unwrap() <= 59, "{row:#}");
    let body = site.snapshot();
    let rows = body["sections"]["daemon"]["body"]["daemons"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == relay.as_str()).unwrap();
    assert_eq!(row["restart_count_is_lower_bound"], true, "{row:#}");
    assert!(body["findings"].to_string().contains(":flapping"), "{:#}", body["findings"]);
}

#[test]
fn of_two_the_older_is_followed_and_the_other_counted() {
    let relay = name("doubled");
    let site = Site::with(&config(&relay, "200ms"));
    let program = sleeper(&site, &relay);
    let daemon = site.run();
    let first = Process::start(&program, &["1000"]);
    until("it runs", PATIENCE, || (daemon.watched(&relay)["pid"] == first.pid()).then_some(()));
    let second = Process::start(&program, &["1000"]);
    until("there are several", PATIENCE, || {
        let body = site.snapshot();
        let rows = body["sections"]["daemon"]["body"]["daemons"].as_array().unwrap().clone();
        rows.into_iter().find(|row| row["name"] == relay.as_str() && row["several"] == 1)
    });
    assert_eq!(daemon.watched(&relay)["pid"], first.pid());
    drop(first);
    let row = until("the other one is followed", PATIENCE, || {
        let row = daemon.watched(&relay);
        (row["pid"] == second.pid()).then_some(row)
    });
    assert_ne!(row["status"], "failed", "one of two ran on: {row:#}");
}

#[test]
fn the_timeline_has_what_happened_in_its_order() {
    let relay = name("timed");
    let site = Site::with(&config(&relay, "200ms"));
    let program = sleeper(&site, &relay);
    let daemon = site.run();
    let process = Process::start(&program, &["1000"]);
    until("it runs", PATIENCE, || (daemon.watched(&relay)["status"] == "running").then_some(()));
    drop(process);
    until("it is failed", PATIENCE, || (daemon.watched(&relay)["status"] == "failed").then_some(()));
    site.configure(&config(&relay, "300ms"));
    daemon.signal(Signal::HUP);
    daemon.says("the configuration has changed");
    let again = Process::start(&program, &["1000"]);
    until("it is back", PATIENCE, || (daemon.watched(&relay)["status"] == "restarted").then_some(()));
    let timeline = until("all of it is in the timeline", PATIENCE, || {
        let timeline = site.ghostd(&["timeline", "--json"]).exits(0).json();
        let found = timeline["entries"].as_array().unwrap().iter().any(|entry| entry["category"] == "restart");
        found.then_some(timeline)
    });
    let entries = timeline["entries"].as_array().unwrap();
    let place = |category: &str| {
        entries
            .iter()
            .position(|entry| entry["category"] == category)
            .unwrap_or_else(|| panic!("no {category} in {entries:#?}"))
    };
    assert!(place("death") < place("configuration") && place("configuration") < place("restart"), "{entries:#?}");
    assert!(place("finding") < place("restart") && place("verdict") < place("restart"), "{entries:#?}");
    let times: Vec<&str> = entries.iter().map(|entry| entry["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(!entries.iter().any(|entry| entry["message"].to_string().contains("is durable")), "routine is left out");
    // An hour ago nothing happened: ghostd did not run.
    let before = site.ghostd(&["timeline", "--around", "2h", "--window", "5m"]).exits(0);
    assert!(before.stderr.contains("nothing happened"), "{before:?}");
    let text = site.ghostd(&["timeline", "--around", "0s"]).exits(0).stdout;
    assert!(text.contains("----") && text.contains("death"), "{text}");
    site.ghostd(&["timeline", "--since", "1h", "--until", "2h"]).exits(2);
    drop(again);
}

#[test]
fn the_published_files_are_whole_and_in_the_originals_fields() {
    use std::os::unix::fs::PermissionsExt;
    let relay = name("published");
    let site = Site::with("");
    let publish = "[publish]\ndir = \"telemetry\"\nmode = \"0644\"\n";
    let own = "dir = \"beats\"\nown_file = \"ghostd.json\"\n";
    site.configure(&format!("{publish}[[daemon]]\nname = \"{relay}\"\n[heartbeat]\nevery = \"100ms\"\n{own}{QUIET}"));
    let program = sleeper(&site, &relay);
    let daemon = site.run();
    let state = site.path("telemetry/heartbeat-state.json");
    let read = |path: &Path| -> Option<Json> {
        let text = std::fs::read_to_string(path).ok()?;
        Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("half a file: {error}: {text}")))
    };
    until("the state is published", PATIENCE, || read(&state));
    let process = Process::start(&program, &["1000"]);
    let status = |expected: &str| {
        until(&format!("{relay} is published as {expected}"), PATIENCE, || {
            let state = read(&state)?;
            (state["daemonHeartbeats"][0]["status"] == expected).then_some(state)
        })
    };
    status("running");
    drop(process);
    let failed = status("failed");
    assert_eq!(failed["heartbeatStatus"]["status"], "critical", "{:#}", failed["heartbeatStatus"]);
    let events = failed["events"].as_array().unwrap();
    assert!(events.iter().any(|event| event["eventType"] == "system_startup"), "{events:#?}");
    // Whenever it is looked at it is whole.
    for _ in 0..200 {
        read(&state).expect("it is always there");
        std::thread::sleep(Duration::from_millis(5));
    }
    let mode = std::fs::metadata(&state).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    site.ghostd(&["snapshot"]).exits(0);
    let snapshots = until("the snapshot is published", PATIENCE, || {
        let snapshots = read(&site.path("telemetry/snapshot-state.json"))?;
        (snapshots["totalSnapshots"].as_u64()? >= 1).then_some(snapshots)
    });
    assert_eq!(snapshots["snapshots"][0]["checksum"].as_str().map(str::len), Some(64), "{snapshots:#}");
    let log = until("the death is in the log", PATIENCE, || {
        let log = std::fs::read_to_string(site.path("telemetry/events.log")).ok()?;
        log.contains("\"daemon_check\"").then_some(log)
    });
    for line in log.lines() {
        let line: Json = serde_json::from_str(line).unwrap();
        for key in ["timestamp", "eventType", "severity", "message", "data"] {
            assert!(line.get(key).is_some(), "no `{key}` in {line}");
        }
    }
    let own = read(&site.path("beats/ghostd.json")).unwrap();
    assert_eq!((&own["service"], &own["pid"]), (&"ghostd".into(), &daemon.pid().into()), "{own:#}");
    let left: Vec<_> =
        std::fs::read_dir(site.path("telemetry")).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(left.len() <= 4, "nothing temporary piles up: {left:?}");
}
