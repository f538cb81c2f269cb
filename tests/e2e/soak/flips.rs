//! One byte changed, at every place: of three snapshots, of the audit log, of a backup; and a database that is damaged
//! or gone. What was changed is named, the others can be read, ghostd starts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ghostd::model::SnapshotId;
use ghostd::store::{Gap, Reader, Source as _};

use super::{Random, SMALL, copied, is_whole, must_be_sound, rounds, some_of, whole_snapshots};
use crate::harness::Site;

/// A bit that changes a digit or a case, so that the text stays a text.
const FLIP: u8 = 0x01;

/// A store with a mark and a hole that retention made.
fn stored() -> Site {
    let site = Site::with(&format!("{SMALL}[store]\nmax_count = 1\nkeep_last = 2\nkeep_hourly = 0\n"));
    for _ in 0..5 {
        site.snapshot();
    }
    site.ghostd(&["keep", "latest~1", "--why", "a reason"]).exits(0);
    site.ghostd(&["prune"]).exits(0);
    site.snapshot();
    assert!(site.files().len() >= 3, "{:?}", site.files());
    site
}

fn places(length: usize, random: &mut Random) -> Vec<usize> {
    let all: Vec<usize> = (0..length).collect();
    some_of(&all, if is_whole() { length } else { rounds(150) }, random)
}

#[test]
fn a_flipped_byte_of_a_snapshot_is_named() {
    let site = stored();
    let mut random = Random::seeded();
    let files: Vec<PathBuf> = site.files().into_iter().rev().take(3).collect();
    let reader = Reader::open(&site.data()).unwrap();
    let id_of = |path: &Path| -> SnapshotId {
        ghostd::store::id_of_snapshot_file(path.file_name().unwrap().to_str().unwrap()).unwrap()
    };
    let mut flips = 0;
    for file in &files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let bytes = std::fs::read(file).unwrap();
        for place in places(bytes.len(), &mut random) {
            let mut changed = bytes.clone();
            changed[place] ^= FLIP;
            std::fs::write(file, &changed).unwrap();
            let told = reader.verify(&mut |_, _| {}).unwrap();
            assert!(
                told.verdicts.iter().all(|verdict| verdict.file == name) && !told.verdicts.is_empty(),
                "{name}, byte {place}: {told:#?}"
            );
            assert_eq!(told.intact, told.files - 1, "{name}, byte {place}");
            assert!(reader.read(id_of(file)).is_err(), "{name}, byte {place} is shown");
            for other in files.iter().filter(|other| *other != file) {
                reader.read(id_of(other)).unwrap();
            }
            flips += 1;
            if flips % 500 == 1 {
                std::fs::write(file, &changed).unwrap();
                let next = copied(&site, SMALL).ghostd(&["snapshot"]);
                assert_eq!(next.code, Some(0), "{name}, byte {place}: {next:?}");
            }
        }
        std::fs::write(file, &bytes).unwrap();
    }
    assert!(reader.verify(&mut |_, _| {}).unwrap().is_intact());
    println!("{flips} bytes of three snapshots flipped in turn, each named, the others readable");
}

#[test]
fn a_flipped_byte_of_the_audit_log_is_named() {
    let site = stored();
    let mut random = Random::seeded();
    let log = site.data().join("audit.jsonl");
    let bytes = std::fs::read(&log).unwrap();
    let reader = Reader::open(&site.data()).unwrap();
    let mut flips = 0;
    for place in places(bytes.len(), &mut random) {
        let mut changed = bytes.clone();
        changed[place] ^= FLIP;
        std::fs::write(&log, &changed).unwrap();
        let told = reader.verify_audit().unwrap();
        assert!(!told.findings.is_empty(), "byte {place} of the audit log goes unnoticed");
        // The line that was changed, or the one after it, which no longer fits.
        let line = 1 + bytes[..place].iter().filter(|byte| **byte == b'\n').count() as u64;
        assert!(
            told.findings.iter().any(|finding| (line..=line + 1).contains(&finding.line)),
            "byte {place} is in line {line}: {told:?}"
        );
        for entry in reader.list(&Default::default()).unwrap() {
            reader.read(entry.id).unwrap();
        }
        flips += 1;
        if flips % 150 == 1 {
            let site = copied(&site, SMALL);
            let next = site.ghostd(&["snapshot"]);
            assert_eq!(next.code, Some(0), "byte {place}: {next:?}");
            // What was changed does not heal by itself.
            site.ghostd(&["audit", "verify"]).exits(1);
        }
    }
    std::fs::write(&log, &bytes).unwrap();
    assert!(reader.verify_audit().unwrap().findings.is_empty());
    println!("{flips} of {} bytes of the audit log flipped in turn, each noticed", bytes.len());
}

/// What must be the same after the database was lost.
#[derive(Debug, PartialEq)]
struct Kept {
    marks: BTreeMap<SnapshotId, Option<String>>,
    gaps: Vec<Gap>,
}

fn kept(site: &Site) -> Kept {
    let reader = Reader::open(&site.data()).unwrap();
    let entries = reader.list(&Default::default()).unwrap();
    let marks = entries.into_iter().map(|entry| (entry.id, entry.mark.and_then(|mark| mark.why))).collect();
    Kept { marks, gaps: reader.verify(&mut |_, _| {}).unwrap().gaps }
}

#[test]
fn repair_makes_up_for_a_damaged_database() {
    let base = stored();
    let before = kept(&base);
    assert_eq!(before.gaps.len(), 1, "{before:?}");
    let acknowledged = whole_snapshots(&base.data());
    let bytes = std::fs::read(base.data().join("ghost.db")).unwrap();
    let mut random = Random::seeded();
    let pages = bytes.len() / 4096;
    let mut damages: Vec<(String, Option<Vec<u8>>)> = vec![
        ("deleted".to_owned(), None),
        ("empty".to_owned(), Some(Vec::new())),
        ("cut in the middle".to_owned(), Some(bytes[..bytes.len() / 2 + 100].to_vec())),
        ("other bytes".to_owned(), Some(vec![0x5a; bytes.len()])),
    ];
    for page in 0..pages {
        let mut zeroed = bytes.clone();
        zeroed[page * 4096..(page + 1) * 4096].fill(0);
        damages.push((format!("page {page} of {pages} zeroed"), Some(zeroed)));
        let mut garbled = bytes.clone();
        for _ in 0..32 {
            garbled[page * 4096 + random.below(4096) as usize] ^= 1 << random.below(8);
        }
        damages.push((format!("32 bits of page {page} flipped"), Some(garbled)));
    }
    let chosen = if is_whole() { damages.clone() } else { some_of(&damages, rounds(5), &mut random) };
    for (what, damaged) in &chosen {
        let site = copied(&base, SMALL);
        let database = site.data().join("ghost.db");
        for suffix in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(site.data().join(format!("ghost.db{suffix}")));
        }
        match damaged {
            Some(bytes) => std::fs::write(&database, bytes).unwrap(),
            None => std::fs::remove_file(&database).unwrap(),
        }
        let told = site.ghostd(&["repair"]);
        if told.code == Some(2) && told.stderr.contains("a newer ghostd wrote it") {
            // Of a database in which nothing else is wrong nobody can say that it is not a newer one: it is left alone,
            // and moving it away is for a person.
            std::fs::remove_file(&database).unwrap();
            site.ghostd(&["repair"]).exits(0);
        } else {
            assert_eq!(told.code, Some(0), "{what}: {told:?}");
        }
        must_be_sound(&site.data(), &acknowledged, what);
        assert_eq!(kept(&site), before, "{what}");
        let next = site.ghostd(&["snapshot"]);
        assert_eq!(next.code, Some(0), "{what}: {next:?}");
        must_be_sound(&site.data(), &acknowledged, what);
    }
    println!("{} of {} kinds of damage to the database repaired", chosen.len(), damages.len());
}
