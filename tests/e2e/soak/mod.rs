//! Campaigns: what is done to ghostd here is done at every place where it can be done, or a thousand times.
//!
//! Each runs in seconds as a test, over a part of the places that is chosen by a seed, and as a whole with
//! `tests/soak/run NAME`, which sets `SOAK_ROUNDS`. Each prints what it did; `SOAK_SEED` chooses another part.

mod clock_jumps;
mod faults;
mod flips;
mod full_disk;
mod kills;
mod many;
mod power;

use std::collections::BTreeSet;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use ghostd::store::Reader;

use crate::harness::{Answer, Site};

/// Of all collectors the daemon's alone, and nothing to watch: a capture that takes a moment.
pub(crate) const SMALL: &str = r#"
daemon = []
[collector.metric]
enabled = false
[collector.clock]
enabled = false
[collector.anomaly]
enabled = false
[collector.patch]
enabled = false
[collector.telemetry]
enabled = false
"#;

/// How many rounds, where nothing says how many: what a test has time for.
pub(crate) fn rounds(in_a_test: usize) -> usize {
    match std::env::var("SOAK_ROUNDS") {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("SOAK_ROUNDS `{text}` is no number")),
        Err(_) => in_a_test,
    }
}

/// Whether everything is to be tried, and not a part.
pub(crate) fn is_whole() -> bool {
    std::env::var_os("SOAK_ROUNDS").is_some()
}

/// Numbers that are the same whenever the seed is (SplitMix64, Steele and others, 2014).
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded() -> Self {
        Self(std::env::var("SOAK_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_124))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// At least 0, and less than `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
}

/// At most `count` of `all`, spread over them.
pub(crate) fn some_of<T: Clone>(all: &[T], count: usize, random: &mut Random) -> Vec<T> {
    if count >= all.len() {
        return all.to_vec();
    }
    let mut chosen = BTreeSet::new();
    while chosen.len() < count {
        chosen.insert(random.below(all.len() as u64) as usize);
    }
    chosen.into_iter().map(|place| all[place].clone()).collect()
}

/// Says why a campaign did nothing. It must be plain to whoever reads the log that nothing was shown.
pub(crate) fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}

/// Copies what a site has recorded to a new place with a configuration of its own. Times of files change, so that
/// ghostd takes nothing for granted there.
pub(crate) fn copied(from: &Site, config: &str) -> Site {
    let site = Site::empty();
    site.configure(config);
    copy_tree(&from.data(), &site.data());
    site
}

/// Copies a directory of private files.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else if from.file_name().is_some_and(|name| name == "cache") {
            // Compiled code is never written to in place, and is by far the most.
            std::fs::hard_link(entry.path(), target).unwrap();
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Files that only an operation that is under way may have.
pub(crate) fn temporaries(data: &Path) -> Vec<PathBuf> {
    [data.to_owned(), data.join("snapshots"), data.join("backups")]
        .iter()
        .filter_map(|dir| std::fs::read_dir(dir).ok())
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(ghostd::store::TEMPORARY_PREFIX))
        .collect()
}

/// The ids of the snapshots that have their final name. Each of them must be whole.
#[track_caller]
pub(crate) fn whole_snapshots(data: &Path) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let Ok(entries) = std::fs::read_dir(data.join("snapshots")) else { return ids };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let Some(id) = ghostd::store::id_of_snapshot_file(name) else { continue };
        let bytes = std::fs::read(&path).unwrap();
        if let Err(damage) = ghostd::seal::check(&bytes) {
            panic!("{name} has its name and is {damage}");
        }
        ids.insert(id.to_string());
    }
    ids
}

/// What `verify` finds wrong, one problem a line; empty for nothing.
#[track_caller]
pub(crate) fn faults_of(data: &Path) -> String {
    let verification = Reader::open(data).unwrap().verify(&mut |_, _| {}).unwrap();
    if verification.is_intact() {
        return String::new();
    }
    format!("{:#?}\n{:#?}\n{:#?}", verification.verdicts, verification.audit.findings, verification.heartbeats.altered)
}

/// Holds it against everything that must be true of a store that nobody has tampered with, whatever happened to it:
/// what was acknowledged is there, or was deleted for a reason on record.
#[track_caller]
pub(crate) fn must_be_sound(data: &Path, acknowledged: &BTreeSet<String>, what: &str) {
    let there = whole_snapshots(data);
    let faults = faults_of(data);
    assert!(faults.is_empty(), "{what}: {faults}");
    let gone: Vec<&String> = acknowledged.difference(&there).collect();
    if !gone.is_empty() {
        let deleted = deleted(data);
        let lost: Vec<_> = gone.into_iter().filter(|id| !deleted.contains(*id)).collect();
        assert!(lost.is_empty(), "{what}: acknowledged and lost: {lost:?}");
    }
}

/// The ids that the audit log deleted, each with a reason.
pub(crate) fn deleted(data: &Path) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let reader = Reader::open(data).unwrap();
    reader
        .audit_lines(&mut |line| {
            if matches!(line.operation.as_str(), "delete" | "purge") {
                for removed in line.data["snapshots"].as_array().into_iter().flatten() {
                    if removed["reason"].is_string() {
                        ids.extend(removed["id"].as_str().map(str::to_owned));
                    }
                }
            }
        })
        .unwrap();
    ids
}

/// Fails where a command has panicked, or ended in another way than those that are documented.
#[track_caller]
pub(crate) fn must_end_well(answer: &Answer, what: &str) {
    assert!(!answer.stderr.contains("panicked"), "{what}: {answer:?}");
    assert!(matches!(answer.code, Some(0..=2)), "{what}: {answer:?}");
}
