//! What was written cannot be changed unnoticed: no byte of a file, and no file as a whole.

use std::path::Path;

use serde_json::Value as Json;

use crate::harness::Site;

#[test]
fn no_byte_of_a_file_can_change() {
    // A small one: each of its bytes is a case.
    let off = ["metric", "clock", "anomaly"].map(|name| format!("[collector.{name}]\nenabled = false\n"));
    let site = Site::with(&format!("daemon = []\n{}", off.concat()));
    site.snapshot();
    let bytes = std::fs::read(&site.files()[0]).unwrap();
    ghostd::seal::check(&bytes).expect("it is whole as it was written");

    for place in 0..bytes.len() {
        // A bit that changes digits and punctuation, and the one that changes a letter's case.
        for bit in [0x01, 0x20] {
            let mut changed = bytes.clone();
            changed[place] ^= bit;
            assert!(ghostd::seal::check(&changed).is_err(), "byte {place} with {bit:#x} flipped goes unnoticed");
        }
    }
    for length in [0, 1, bytes.len() / 2, bytes.len() - 3, bytes.len() - 1] {
        assert!(ghostd::seal::check(&bytes[..length]).is_err(), "cut to {length} bytes it goes unnoticed");
    }
    for more in ["\n", " ", "{}"] {
        assert!(ghostd::seal::check(&[&bytes, more.as_bytes()].concat()).is_err(), "`{more}` behind it goes unnoticed");
    }
}

#[test]
fn verify_names_the_file_that_was_changed() {
    let site = Site::with("");
    for _ in 0..3 {
        site.snapshot();
    }
    let file = site.files().remove(1);
    let name = file.file_name().unwrap().to_str().unwrap().to_owned();
    let bytes = std::fs::read(&file).unwrap();
    let ends: Vec<usize> =
        bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(place, _)| place).collect();
    let lines = [(0, ends[0]), (ends[0] + 1, ends[1]), (ends[1] + 1, ends[2])];

    for (line, (from, to)) in (1..).zip(lines) {
        // The first, the middle and the last of the line's own bytes, and its line feed.
        for place in [from, from + (to - from) / 2, to - 1, to] {
            let mut changed = bytes.clone();
            changed[place] ^= 0x01;
            std::fs::write(&file, &changed).unwrap();
            let told = site.ghostd(&["verify"]).exits(1);
            assert!(told.stdout.contains(&format!("BAD     {name}")), "byte {place} in line {line}: {}", told.stdout);
            let alone = site.ghostd(&["verify", "--json", file.to_str().unwrap()]).exits(1).json();
            assert_eq!(alone["intact"], false, "byte {place} in line {line}");
            site.ghostd(&["show", name.trim_start_matches("snapshot-").trim_end_matches(".json")]).exits(2);
        }
    }
    std::fs::write(&file, &bytes).unwrap();
    let told = site.ghostd(&["verify"]).exits(0);
    assert!(told.stdout.contains("3 of 3 snapshots intact"), "{}", told.stdout);
}

#[test]
fn a_snapshot_that_was_rewritten_with_its_checksum_is_caught_by_the_next_one() {
    let site = Site::with("");
    for _ in 0..4 {
        site.snapshot();
    }
    let files = site.files();
    let before = std::fs::read(&files[1]).unwrap();
    rewrite(&files[1], |body| body["host"]["hostname"] = "another".into());
    let name = |file: &Path| file.file_name().unwrap().to_str().unwrap().to_owned();

    // The file alone is whole: only what came after it knows better.
    site.ghostd(&["verify", files[1].to_str().unwrap()]).exits(0);
    let told = site.ghostd(&["verify", "--json"]).exits(1).json();
    let verdicts = told["stores"][0]["verdicts"].as_array().unwrap().clone();
    assert!(verdicts.iter().any(|verdict| verdict["file"] == name(&files[1]).as_str()), "{verdicts:#?}");
    assert!(!verdicts.iter().any(|verdict| verdict["file"] == name(&files[3]).as_str()), "{verdicts:#?}");

    // Without the audit log there is the chain alone, and it is enough.
    std::fs::remove_file(site.data().join("audit.jsonl")).unwrap();
    let told = site.ghostd(&["verify", "--json"]).exits(1).json();
    let verdicts = told["stores"][0]["verdicts"].as_array().unwrap().clone();
    let by_chain = verdicts.iter().find(|verdict| verdict["file"] == name(&files[1]).as_str()).expect("it is named");
    let next = name(&files[2]);
    let next = next.trim_start_matches("snapshot-").trim_end_matches(".json");
    assert!(by_chain["reason"].as_str().unwrap().contains(next), "{by_chain:#} does not name who says so");

    std::fs::write(&files[1], before).unwrap();
    let told = site.ghostd(&["verify", "--json"]).json();
    assert_eq!(told["stores"][0]["verdicts"].as_array().unwrap().len(), 0, "{told:#}");
}

/// Changes a snapshot's body and mends its size and its checksum, as somebody would who knows the format.
fn rewrite(file: &Path, change: impl FnOnce(&mut Json)) {
    let text = std::fs::read_to_string(file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut body: Json = serde_json::from_str(lines[1]).unwrap();
    change(&mut body);
    let body = body.to_string();
    let id = read_id(lines[0]);
    let sha256 = ghostd::model::Digest::of(body.as_bytes());
    let first = format!(r#"{{"ghostd":"snapshot/1","id":"{id}","size":{},"sha256":"{sha256}","snapshot":"#, body.len());
    let whole = format!("{first}\n{body}\n{}\n", lines[2]);
    ghostd::seal::check(whole.as_bytes()).expect("the forgery is a good one");
    std::fs::write(file, whole).unwrap();
}

fn read_id(first: &str) -> String {
    let whole: Json = serde_json::from_str(&format!("{first}0}}")).unwrap();
    whole["id"].as_str().unwrap().to_owned()
}
