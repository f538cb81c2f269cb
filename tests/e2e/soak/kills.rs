//! `kill -9` at random moments of `ghostd run`: what was acknowledged stays, what was begun is finished or undone,
//! and no log line is lost from the findings or counted twice.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::{Random, must_be_sound, rounds, temporaries};
use crate::harness::{PATIENCE, Site, until};

const CONFIG: &str = r#"
daemon = []
[snapshot]
every = "200ms"
[heartbeat]
every = "100ms"
[store]
max_count = 20
keep_last = 5
keep_hourly = 0
max_important = 0
cleanup_every = "1s"
[collector.metric]
enabled = false
[collector.clock]
enabled = false
[collector.patch]
enabled = false
[collector.telemetry]
enabled = false
[collector.anomaly]
every = "100ms"
"#;

/// Between two lines of the log that is read meanwhile.
const BETWEEN_LINES: Duration = Duration::from_millis(5);
/// A kill comes at most so long after the start: then several snapshots, a pass of retention and a roll-up are past.
const LONGEST_LIFE_MS: u64 = 1_200;
/// Each so many rounds the daemon is let go on until it has taken a snapshot.
const LET_LIVE_EVERY: usize = 10;

#[test]
fn killed_at_random_moments() {
    let rounds = rounds(12);
    let mut random = Random::seeded();
    let site = Site::with("");
    let logs = site.path("logs");
    std::fs::create_dir(&logs).unwrap();
    site.configure(&format!("{CONFIG}files = {{ logs = {:?} }}\n", logs.to_str().unwrap()));
    let log = logs.join("app.log");
    std::fs::write(&log, "").unwrap();
    // The log's beginning is known before lines that count are written to it.
    let mut child = start(&site, "first");
    until("the first snapshot", PATIENCE, || site.newest());
    kill(&mut child);

    let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut acknowledged = BTreeSet::new();
    let mut left_behind = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| write_log(&log, &stop, &written));
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..rounds {
                let name = format!("run-{}", round % 2);
                let before = site.files().len();
                let found = temporaries(&site.data());
                let mut child = start(&site, &name);
                std::thread::sleep(Duration::from_millis(random.below(LONGEST_LIFE_MS)));
                if round % LET_LIVE_EVERY == LET_LIVE_EVERY - 1 {
                    until("a snapshot after a kill", PATIENCE, || (!ids(&site, &name).is_empty()).then_some(()));
                }
                let status = child.try_wait().unwrap();
                assert!(status.is_none(), "round {round}: it ended by itself: {status:?}\n{}", said(&site, &name));
                kill(&mut child);
                let told = ids(&site, &name);
                if !told.is_empty() {
                    // It had started: nothing of what the kill before left is there any more.
                    let still: Vec<_> = found.iter().filter(|path| path.exists()).collect();
                    assert!(still.is_empty(), "round {round}: {still:?}");
                    left_behind += found.len();
                }
                acknowledged.extend(told);
                must_be_sound(&site.data(), &acknowledged, &format!("round {round}, {before} files before"));
                let text = said(&site, &name);
                assert!(!text.contains("panicked") && !text.contains("cannot be trusted"), "round {round}: {text}");
            }
        }));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = run {
            std::panic::resume_unwind(panic);
        }
    });

    // Everything that was written while it lived and died is in the finding, once.
    let written = written.load(Ordering::Relaxed);
    let mut child = start(&site, "last");
    let counted = || {
        let findings = site.ghostd(&["findings", "--all", "--json"]).json();
        let all = findings.as_array().unwrap().clone();
        let ours = all.into_iter().filter(|one| one["collector"] == "anomaly");
        ours.filter_map(|one| one["count"].as_u64()).sum::<u64>()
    };
    until("every line is counted", PATIENCE, || (counted() >= written).then_some(()));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(counted(), written, "lines were counted twice");
    kill(&mut child);
    must_be_sound(&site.data(), &acknowledged, "the end");
    println!(
        "kill -9: {rounds} times; {} snapshots acknowledged, none lost; {left_behind} temporaries left and removed; \
         {written} log lines written, each counted once",
        acknowledged.len()
    );
}

fn write_log(log: &Path, stop: &AtomicBool, written: &AtomicU64) {
    let mut file = std::fs::OpenOptions::new().append(true).open(log).unwrap();
    while !stop.load(Ordering::Relaxed) {
        let number = written.load(Ordering::Relaxed) + 1;
        writeln!(file, "2026-11-24T12:00:00Z ERROR payment service: request {number} failed: connection refused")
            .unwrap();
        written.store(number, Ordering::Relaxed);
        std::thread::sleep(BETWEEN_LINES);
    }
}

/// Starts the daemon with its output in a file: what it said before it was killed must not be lost with a pipe.
fn start(site: &Site, name: &str) -> Child {
    let file = std::fs::File::create(site.path(name)).unwrap();
    let stderr = file.try_clone().unwrap();
    site.command(&["run"]).stdout(Stdio::from(file)).stderr(Stdio::from(stderr)).spawn().unwrap()
}

fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn said(site: &Site, name: &str) -> String {
    String::from_utf8_lossy(&std::fs::read(site.path(name)).unwrap()).into_owned()
}

/// The snapshots that the daemon said were durable.
fn ids(site: &Site, name: &str) -> BTreeSet<String> {
    let text = said(site, name);
    let lines = text.lines().filter(|line| line.contains("A snapshot is durable."));
    lines.filter_map(|line| Some(line.split_once("id=")?.1.split_whitespace().next()?.to_owned())).collect()
}
