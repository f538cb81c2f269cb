//! A wall clock that jumps, while ghostd runs and before it starts: nothing is deleted for it, `latest` is the latest,
//! and the rhythm stays. The clock is libfaketime's, for this one process, never the machine's.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{SMALL, must_be_sound, rounds, skipped, some_of, whole_snapshots};
use crate::harness::{PATIENCE, Process, Signal, Site, alone, until};

/// How often a snapshot is due.
const EVERY: Duration = Duration::from_millis(400);
/// How long the rhythm is watched after each jump.
const WATCHED: Duration = Duration::from_secs(4);

const CONFIG: &str = r#"
[snapshot]
every = "400ms"
[heartbeat]
every = "200ms"
[store]
max_count = 100000
max_age = "7d"
keep_last = 1
keep_hourly = 0
max_important = 0
cleanup_every = "1s"
"#;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// By how many seconds the clock is off after each jump. The last two are told against the time of the test.
fn jumps() -> Vec<(&'static str, i64)> {
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    vec![
        ("an hour back", -HOUR),
        ("30 days ahead", 30 * DAY),
        ("a year ahead", 365 * DAY),
        ("to 1970", 100 - now),
        ("past 2038", 2_150_000_000 - now),
        ("back to what is right", 0),
    ]
}

fn libfaketime() -> Option<PathBuf> {
    let libs = std::fs::read_dir("/usr/lib").ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    libs.map(|dir| dir.join("faketime/libfaketime.so.1"))
        .chain([PathBuf::from("/usr/lib/faketime/libfaketime.so.1")])
        .find(|path| path.exists())
}

/// The daemon with a clock that reads its error from a file.
fn start(site: &Site, lib: &PathBuf) -> Process {
    let log = std::fs::OpenOptions::new().append(true).create(true).open(site.path("log")).unwrap();
    let mut command = site.command(&["run"]);
    command.env("LD_PRELOAD", lib).env("FAKETIME_TIMESTAMP_FILE", site.path("faketime"));
    command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("FAKETIME_DONT_RESET", "1");
    command.stdout(Stdio::from(log.try_clone().unwrap())).stderr(Stdio::from(log));
    Process(command.spawn().unwrap())
}

fn set(site: &Site, seconds: i64) {
    let sign = if seconds < 0 { '-' } else { '+' };
    // In place of the file as a whole: it is read while it is written.
    std::fs::write(site.path("faketime.new"), format!("{sign}{}\n", seconds.abs())).unwrap();
    std::fs::rename(site.path("faketime.new"), site.path("faketime")).unwrap();
}

fn sequence(site: &Site) -> u64 {
    let listed = site.ghostd(&["list", "--json", "--limit", "1"]).json();
    listed[0]["sequence"].as_u64().unwrap_or(0)
}

#[test]
fn a_clock_that_jumps() {
    let Some(lib) = libfaketime() else {
        return skipped("libfaketime is not there (Debian: apt-get install faketime)");
    };
    let _alone = alone();
    let site = Site::with(&format!("{SMALL}{CONFIG}"));
    let mut acknowledged = BTreeSet::new();
    let all = jumps();
    let chosen = some_of(&all, rounds(3), &mut super::Random::seeded());
    let mut report = Vec::new();
    set(&site, 0);
    let mut daemon = start(&site, &lib);
    until("the first snapshots", PATIENCE, || (site.files().len() > 3).then_some(()));
    for (name, seconds) in &chosen {
        for at_start in [false, true] {
            let what = format!("{name}{}", if at_start { ", at a start" } else { "" });
            if at_start {
                end(&mut daemon, &site);
                set(&site, *seconds);
                daemon = start(&site, &lib);
                let before = site.files().len();
                until("a snapshot after the start", PATIENCE, || (site.files().len() > before).then_some(()));
            } else {
                set(&site, *seconds);
            }
            let (from, started) = (sequence(&site), Instant::now());
            std::thread::sleep(WATCHED);
            let (to, elapsed) = (sequence(&site), started.elapsed());
            let due = elapsed.as_secs_f64() / EVERY.as_secs_f64();
            let taken = (to - from) as f64;
            assert!(taken <= 2.0 * due && taken >= due / 2.0, "{what}: {taken} snapshots where {due:.1} were due");
            let there = whole_snapshots(&site.data());
            let lost: Vec<_> = acknowledged.difference(&there).collect();
            assert!(lost.is_empty(), "{what}: deleted because of a clock: {lost:?}");
            acknowledged.extend(there);
            let listed = site.ghostd(&["list", "--json"]).json();
            let newest = listed.as_array().unwrap().iter().max_by_key(|one| one["sequence"].as_u64()).unwrap().clone();
            assert_eq!(listed[0], newest, "{what}");
            let shown = site.ghostd(&["show", "latest", "--json"]).exits(0).json();
            assert!(shown["sequence"].as_u64() >= newest["sequence"].as_u64(), "{what}: `latest` is not the latest");
            assert!(daemon.0.try_wait().unwrap().is_none(), "{what}: {}", said(&site));
            report.push(format!("{what}: {taken} taken, {due:.1} due"));
        }
    }
    end(&mut daemon, &site);
    must_be_sound(&site.data(), &acknowledged, "after all jumps");
    println!("clock jumps, nothing deleted:\n{}", report.join("\n"));
}

fn end(daemon: &mut Process, site: &Site) {
    daemon.signal(Signal::TERM);
    let status = until("it ends", PATIENCE, || daemon.0.try_wait().unwrap());
    assert!(status.success(), "{status}: {}", said(site));
}

fn said(site: &Site) -> String {
    String::from_utf8_lossy(&std::fs::read(site.path("log")).unwrap()).into_owned()
}
