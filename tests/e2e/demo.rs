//! `ghostd demo`: two days of history that hold together and that every other command can read.

use std::io::Read;
use std::process::Stdio;

use serde_json::Value as Json;

use crate::harness::{PATIENCE, Site, until};

const UNTIL: &str = "2026-11-24T12:00:00Z";

#[test]
fn a_demo_holds_together_and_tells_its_story() {
    let site = Site::empty();
    // Without optimisation, beside other tests, two days take their time.
    let mut demo = site.command(&["demo", "--until", UNTIL, "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let status = until("the demo is written", 6 * PATIENCE, || demo.try_wait().unwrap());
    assert!(status.success(), "{status}");
    let mut told = String::new();
    demo.stdout.take().unwrap().read_to_string(&mut told).unwrap();
    let told: Json = serde_json::from_str(&told).unwrap();
    assert_eq!(told["heartbeats"], 48 * 720 + 1);
    assert_eq!(told["sealed"], 48 * 12 + 1 + 1, "every five minutes, one of them by hand, and one by an event");
    site.ghostd(&["verify"]).exits(0);
    site.ghostd(&["audit", "verify"]).exits(0);

    let list = site.ghostd(&["list", "--json"]).exits(0).json();
    let list = list.as_array().unwrap();
    assert_eq!(list.len() as u64, told["snapshots"].as_u64().unwrap());
    assert!(list.iter().any(|entry| entry["trigger"] == "event" && entry["important_at_capture"] == true), "{list:?}");

    let events = site.ghostd(&["events", "--json", "--since", "2026-11-20T00:00:00Z"]).exits(0).stdout;
    for what in [
        "daemon relayCore is failed",
        "daemon relayCore is restarted",
        "the clock was stepped forward",
        "new: patch `patch-v2.4.1",
        "new: cannot publish to broker",
        "resolved: cannot publish to broker",
        "overall status is degraded",
        "retention removed",
    ] {
        assert!(events.contains(what), "no event says `{what}`");
    }
    let findings = site.ghostd(&["findings", "--json"]).stdout;
    for what in ["certificate has expired", "is paused", "has been executing for", "slow query"] {
        assert!(findings.contains(what), "no finding says `{what}`: {findings}");
    }
    // The disk of the story: above nine tenths at its worst, and well below once it was cleared.
    let disk = |at: &str| {
        let shown = site.ghostd(&["show", at, "--section", "metric", "--json"]).exits(0).json();
        let filesystems = shown.pointer("/filesystems").or_else(|| shown.pointer("/body/filesystems"));
        let filesystems = filesystems.and_then(Json::as_array).unwrap_or_else(|| panic!("{shown:#}")).clone();
        filesystems.iter().find(|one| one["mount"] == "/var").unwrap()["usage_percent"].as_f64().unwrap()
    };
    assert!(disk("@2026-11-24T05:10:00Z") > 90.0 && disk("@2026-11-24T08:00:00Z") < 60.0);

    // What is secret on its command lines is in none of its files.
    let mut redacted = 0;
    for file in site.files() {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains("hunter2"), "{}", file.display());
        redacted += usize::from(text.contains("[REDACTED:"));
    }
    assert!(redacted > 10, "the demo's command line with a password is in its snapshots");
    let database = std::fs::read(site.data().join("ghost.db")).unwrap();
    assert!(!database.windows(7).any(|bytes| bytes == b"hunter2"));
}

#[test]
fn a_directory_that_is_not_empty_is_refused() {
    let site = Site::empty();
    crate::harness::make_private(&site.data());
    std::fs::write(site.data().join("mine"), "").unwrap();
    let answer = site.ghostd(&["demo"]).exits(2);
    assert!(answer.stderr.contains("is not empty") && answer.stderr.contains("hint:"), "{answer:?}");
    assert_eq!(site.all_files().len(), 1);
}
