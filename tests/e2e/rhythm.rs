//! A minute of `ghostd run` at a high rate: nothing is left out in silence, nothing grows, and it ends when it is told to.

use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::harness::{PATIENCE, Signal, Site, alone, read, until};

const CONFIG: &str = r#"
[snapshot]
every = "1s"
[heartbeat]
every = "200ms"
[collector.daemon]
every = "200ms"
[store]
keep_last = 1000
"#;

/// What the daemon may hold more after a minute than after a quarter of one.
const GROWTH_BYTES: u64 = 2 << 20;

/// What the daemon may wait for a processor in the minute. Where it has to wait longer, the machine is busy with others,
/// and how many snapshots it took says nothing of the daemon; that each is accounted for is asked all the same.
const STARVED: Duration = Duration::from_secs(6);

/// SIGTERM ends it within a second; a machine that does much else may take longer to let it.
const END_WITHIN: Duration = Duration::from_secs(4);

#[test]
fn a_minute_at_a_high_rate() {
    let _alone = alone();
    let site = Site::with(CONFIG);
    let mut daemon = site.run();
    until("the first snapshot", PATIENCE, || site.newest());

    let started = Instant::now();
    let first = site.files().len();
    let starved_before = daemon.starved();
    std::thread::sleep(Duration::from_secs(15));
    let rss_early = daemon.rss_bytes();
    std::thread::sleep(Duration::from_secs(60).saturating_sub(started.elapsed()));
    let rss_late = daemon.rss_bytes();
    let taken = site.files().len() - first;
    let starved = daemon.starved().saturating_sub(starved_before);
    let status = daemon.status();
    let missed = status["missed_snapshots"].as_u64().unwrap();
    eprintln!(
        "{taken} snapshots taken and {missed} missed in a minute, in which it waited {starved:?} for a processor"
    );
    eprintln!("{rss_early} bytes after 15 s, {rss_late} after 60 s");

    assert!(taken >= 57 || starved > STARVED, "{taken} of 60, {missed} missed, {starved:?} waited for a processor");
    assert!(taken as u64 + missed >= 59, "{taken} were taken and {missed} missed: some are not accounted for");
    assert!(rss_late <= rss_early + GROWTH_BYTES, "{rss_early} bytes have become {rss_late}");

    let beats = status["heartbeat"]["sequence"].as_u64().unwrap();
    let missed_beats = status["missed_heartbeats"].as_u64().unwrap();
    assert!(beats + missed_beats >= 290, "{beats} beats and {missed_beats} missed in a minute at 200 ms");
    assert!(beats >= 285 || starved > STARVED, "{beats} beats, {missed_beats} missed, {starved:?} waited");

    let asked = Instant::now();
    daemon.signal(Signal::TERM);
    let ended = daemon.ended(END_WITHIN);
    eprintln!("ended after {} ms", asked.elapsed().as_millis());
    assert!(ended.success(), "{ended}");

    let bodies: Vec<Json> = site.files().iter().map(|file| read(file)).collect();
    let sequences: Vec<u64> = bodies.iter().map(|body| body["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>(), "no number is left out");
    // The heartbeats between snapshots are contiguous too, and counted.
    let ranges: Vec<&Json> = bodies.iter().map(|body| &body["heartbeats"]).filter(|range| !range.is_null()).collect();
    for pair in ranges.windows(2) {
        assert_eq!(pair[0]["last"].as_u64().unwrap() + 1, pair[1]["first"].as_u64().unwrap(), "{pair:?}");
    }
    let counted: u64 = ranges.iter().map(|range| range["count"].as_u64().unwrap()).sum();
    assert!(counted + 10 >= beats, "{counted} of {beats} heartbeats are behind a digest");

    let verified = site.ghostd(&["verify", "--json"]).exits(0).json();
    assert_eq!(verified["stores"][0]["intact"], bodies.len());
}

#[test]
fn what_was_missed_while_the_daemon_did_not_run_is_counted() {
    let site = Site::with(CONFIG);
    let daemon = site.run();
    let before = until("three snapshots", PATIENCE, || Some(site.files().len()).filter(|count| *count >= 3));
    daemon.signal(Signal::STOP);
    std::thread::sleep(Duration::from_secs(4));
    daemon.signal(Signal::CONT);

    until("it goes on", PATIENCE, || (site.files().len() >= before + 4).then_some(()));
    let status = daemon.status();
    assert!(status["missed_snapshots"].as_u64().unwrap() >= 2, "{status:#}");
    assert!(status["missed_heartbeats"].as_u64().unwrap() >= 10, "{status:#}");
    let bodies: Vec<Json> = site.files().iter().map(|file| read(file)).collect();
    let told: u64 = bodies.iter().map(|body| body["capture"]["missed"].as_u64().unwrap()).sum();
    assert!(told >= 2, "the snapshots say that {told} were missed");
    for (sequence, body) in (1..).zip(&bodies) {
        assert_eq!(body["sequence"], sequence, "a missed capture takes no number");
    }
}
