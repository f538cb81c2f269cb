use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::super::testing::*;
use super::super::*;
use crate::model::{SnapshotId, Wall};

/// Five snapshots, 300 s apart.
fn five(dir: &Path) -> (ExclusiveStore, Vec<Entry>) {
    let (mut store, _) = open(dir);
    let entries = (0..5).map(|n| capture(&mut store, &at(300 * n))).collect();
    (store, entries)
}

fn remove_database(dir: &Path) {
    for name in ["ghost.db", "ghost.db-wal", "ghost.db-shm"] {
        let _ = std::fs::remove_file(dir.join(name));
    }
}

fn sequences(reader: &Reader, filter: &Filter) -> Vec<u64> {
    reader.list(filter).unwrap().iter().map(|entry| entry.sequence).collect()
}

fn resolve(reader: &Reader, name: &str) -> Result<SnapshotId, StoreError> {
    reader.resolve(&Name::parse(name, at(1_250).wall)?)
}

/// What a reader is asked, whatever it has to work with.
fn everything_is_found(reader: &Reader, entries: &[Entry]) {
    let newest_first: Vec<Entry> = entries.iter().rev().cloned().collect();
    assert_eq!(reader.list(&Filter::default()).unwrap(), newest_first);
    let some = Filter { since: Some(at(300).wall), until: Some(at(900).wall), limit: Some(2), ..Filter::default() };
    assert_eq!(sequences(reader, &some), [4, 3]);
    assert!(sequences(reader, &Filter { important: Some(true), ..Filter::default() }).is_empty());
    assert_eq!(resolve(reader, "latest").unwrap(), entries[4].id);
    assert_eq!(resolve(reader, "latest~4").unwrap(), entries[0].id);
    assert!(matches!(resolve(reader, "latest~5"), Err(StoreError::NotFound { .. })));
    assert_eq!(resolve(reader, "@-10m").unwrap(), entries[2].id);
    assert!(matches!(resolve(reader, "@2026-11-20"), Err(StoreError::NotFound { .. })));
    for entry in entries {
        assert_eq!(resolve(reader, &entry.id.to_string()[..18]).unwrap(), entry.id);
        assert_eq!(reader.read(entry.id).unwrap().sha256, entry.sha256);
        assert_eq!(reader.entry(entry.id).unwrap().as_ref(), Some(entry));
    }
    assert!(matches!(resolve(reader, &entries[0].id.to_string()[..5]), Err(StoreError::Ambiguous { count: 5, .. })));
    assert!(matches!(resolve(reader, "ffff"), Err(StoreError::NotFound { .. })));
}

#[test]
fn a_reader_beside_the_writer_finds_everything() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, mut entries) = five(dir.path());
    let reader = Reader::open(dir.path()).unwrap();
    everything_is_found(&reader, &entries);
    entries.push(capture(&mut store, &at(1_500)));
    assert_eq!(resolve(&reader, "latest").unwrap(), entries[5].id);
}

#[test]
fn a_reader_without_a_database_finds_everything() {
    let dir = tempfile::tempdir().unwrap();
    let (store, entries) = five(dir.path());
    drop(store);
    remove_database(dir.path());
    let reader = Reader::open(dir.path()).unwrap();
    assert!(reader.database_error().is_none());
    everything_is_found(&reader, &entries);
    assert_eq!(reader.heartbeats(&Span::last(5)).unwrap(), []);
}

#[test]
fn a_reader_with_a_damaged_database_finds_everything_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (store, entries) = five(dir.path());
    drop(store);
    disk::atomic_write(&dir.path().join(DATABASE), &[1; 10_000]).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    assert!(reader.database_error().unwrap().is_damaged_database());
    everything_is_found(&reader, &entries);
}

#[test]
fn a_reader_needs_no_right_to_write() {
    use std::os::unix::process::CommandExt as _;
    const DIRECTORY: &str = "GHOSTD_TEST_READ_ONLY_STORE";
    let entries_of = |reader: &Reader| reader.list(&Filter::default()).unwrap();
    if let Some(dir) = std::env::var_os(DIRECTORY) {
        let reader = Reader::open(Path::new(&dir)).unwrap();
        assert!(reader.database().is_some(), "{:?}", reader.database_error());
        let mut entries = entries_of(&reader);
        entries.reverse();
        return everything_is_found(&reader, &entries);
    }
    let dir = tempfile::tempdir().unwrap();
    drop(five(dir.path()));
    let open_to = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    for entry in std::fs::read_dir(dir.path().join(SNAPSHOTS)).unwrap() {
        open_to(&entry.unwrap().path(), 0o444);
    }
    open_to(&dir.path().join(DATABASE), 0o444);
    open_to(&dir.path().join(SNAPSHOTS), 0o555);
    open_to(dir.path(), 0o555);
    // Root may write wherever a mode says not, so the reading is done by somebody else: this test once more.
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.env(DIRECTORY, dir.path()).args(["--exact", "--nocapture"]);
    child.arg(std::thread::current().name().unwrap());
    if rustix::process::geteuid().is_root() {
        child.uid(65_534);
    }
    let output = child.output().unwrap();
    open_to(dir.path(), 0o700);
    open_to(&dir.path().join(SNAPSHOTS), 0o700);
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn a_file_that_the_catalog_does_not_have_is_listed_and_one_that_is_gone_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, entries) = five(dir.path());
    let crashed = body(&store.link().unwrap(), &at(1_500));
    let id: SnapshotId = crashed["id"].as_str().unwrap().parse().unwrap();
    disk::atomic_write(&dir.path().join(SNAPSHOTS).join(snapshot_file(id)), &file_of(&crashed)).unwrap();
    std::fs::remove_file(dir.path().join(SNAPSHOTS).join(snapshot_file(entries[1].id))).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(sequences(&reader, &Filter::default()), [6, 5, 4, 3, 1]);
    assert_eq!(resolve(&reader, "latest").unwrap(), id);
    assert!(matches!(reader.read(entries[1].id), Err(StoreError::NotFound { .. })));
}

#[test]
fn latest_goes_by_sequence_whatever_the_clock_did() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = five(dir.path());
    let mut past = at(1_500);
    past.wall = Wall(0);
    let last = capture(&mut store, &past);
    assert_eq!(resolve(&Reader::open(dir.path()).unwrap(), "latest").unwrap(), last.id);
    drop(store);
    remove_database(dir.path());
    assert_eq!(resolve(&Reader::open(dir.path()).unwrap(), "latest").unwrap(), last.id);
}

#[test]
fn a_changed_or_exchanged_file_is_named_on_reading() {
    let dir = tempfile::tempdir().unwrap();
    let (store, entries) = five(dir.path());
    drop(store);
    let path = |n: usize| dir.path().join(SNAPSHOTS).join(snapshot_file(entries[n].id));
    let whole = std::fs::read(path(1)).unwrap();
    let mut altered = whole.clone();
    altered[500] ^= 1;
    disk::atomic_write(&path(1), &altered).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    assert!(
        matches!(reader.read(entries[1].id), Err(StoreError::Damaged { path: named, .. }) if named.ends_with(path(1).file_name().unwrap()))
    );
    disk::atomic_write(&path(1), &std::fs::read(path(2)).unwrap()).unwrap();
    assert!(matches!(reader.read(entries[1].id), Err(StoreError::Replaced { .. })));
    // Its own checksum mended, as somebody would who does not want it noticed.
    let mut forged: serde_json::Value = serde_json::to_value(crate::seal::check(&whole).unwrap().body).unwrap();
    forged["reason"] = "nothing happened".into();
    disk::atomic_write(&path(1), &file_of(&forged)).unwrap();
    assert!(matches!(reader.read(entries[1].id), Err(StoreError::Replaced { .. })));
}
