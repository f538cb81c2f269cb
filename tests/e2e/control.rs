//! Beside a running daemon: requests, a daemon that does not answer, a second one, and a new configuration.

use std::time::{Duration, Instant};

use crate::harness::{PATIENCE, QUIET, Signal, Site, read, until};

#[test]
fn a_snapshot_beside_a_daemon_is_taken_by_it() {
    let site = Site::with(QUIET);
    let mut daemon = site.run();
    until("the snapshot at the start", PATIENCE, || site.newest());
    let answer = site.ghostd(&["snapshot", "--reason", "by hand", "--json"]).exits(0).json();
    let body = read(std::path::Path::new(answer["path"].as_str().unwrap()));
    assert_eq!((&body["trigger"], &body["reason"]), (&"manual".into(), &"by hand".into()));
    assert_eq!(body["id"], answer["id"]);
    let status = daemon.status();
    assert_eq!(status["last_snapshot"], answer["id"], "the daemon knows of it");
    assert_eq!(status["pid"], daemon.pid());

    // Many at once: each is answered with a snapshot of its own.
    let ids: std::collections::BTreeSet<String> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..4).map(|_| scope.spawn(|| site.ghostd(&["snapshot"]).exits(0).stdout)).collect();
        asked.into_iter().map(|one| one.join().unwrap().trim().to_owned()).collect()
    });
    assert_eq!(ids.len(), 4, "{ids:?}");

    daemon.signal(Signal::TERM);
    assert!(daemon.ended(PATIENCE).success());
    assert!(!site.path("control.sock").exists(), "it takes its socket with it");
    let gone = site.ghostd(&["status"]).exits(2);
    assert!(gone.stderr.contains("no ghostd runs on"), "{}", gone.stderr);
    // Without a daemon the command takes it alone.
    assert_eq!(site.snapshot()["sequence"], 7);
    site.ghostd(&["verify"]).exits(0);
}

#[test]
fn a_daemon_that_does_not_answer_is_a_timeout() {
    let site = Site::with(QUIET);
    let daemon = site.run();
    daemon.signal(Signal::STOP);
    let asked = Instant::now();
    let answer = site.ghostd(&["snapshot", "--timeout", "1"]).exits(2);
    assert!(answer.stderr.contains("did not answer within 1 s"), "{}", answer.stderr);
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    let answer = site.ghostd(&["status"]).exits(2);
    assert!(answer.stderr.contains("did not answer within 5 s"), "{}", answer.stderr);
    daemon.signal(Signal::CONT);
    until("it answers again", PATIENCE, || daemon.try_status());
}

#[test]
fn one_ghostd_writes_to_a_data_directory() {
    let site = Site::with(QUIET);
    let mut daemon = site.run();
    let answer = site.ghostd(&["run"]).exits(2);
    assert!(answer.stderr.contains(&daemon.pid().to_string()), "the pid is not told: {}", answer.stderr);
    assert!(answer.stderr.contains("--data-dir"), "{}", answer.stderr);
    daemon.status();

    // One that was killed leaves its socket and its name behind, and is in nobody's way.
    daemon.signal(Signal::KILL);
    daemon.ended(PATIENCE);
    assert!(site.path("control.sock").exists());
    let after = site.run();
    assert_eq!(after.status()["pid"], after.pid());
}

#[test]
fn a_new_configuration_is_taken_whole_or_not_at_all() {
    let with = |every: &str| format!("[snapshot]\nevery = \"{every}\"\n{QUIET}");
    let site = Site::with(&with("1h"));
    let daemon = site.run();
    until("the snapshot at the start", PATIENCE, || site.newest());

    site.configure(&with("300ms"));
    daemon.signal(Signal::HUP);
    daemon.says("the configuration has changed: snapshot");
    until("the new interval is kept", PATIENCE, || (site.files().len() >= 4).then_some(()));

    site.configure(&with("5 parsecs"));
    daemon.signal(Signal::HUP);
    daemon.says("The configuration was not taken; the old one stays.");
    daemon.says("`5 parsecs` is not a duration");
    let before = site.files().len();
    until("the old interval is kept", PATIENCE, || (site.files().len() >= before + 3).then_some(()));

    site.configure(&format!("{}[collector.telemetry]\nenabled = false\n", with("300ms")));
    daemon.signal(Signal::HUP);
    until("a collector that is switched off leaves at once", PATIENCE, || {
        site.newest().filter(|body| body["sections"].get("telemetry").is_none())
    });
    site.ghostd(&["verify"]).exits(0);
}
