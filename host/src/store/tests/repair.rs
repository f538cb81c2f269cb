use std::path::{Path, PathBuf};

use super::super::testing::*;
use super::super::*;
use crate::model::SnapshotId;
use crate::retention::Policy;

fn mark(by_hand: bool) -> Mark {
    Mark { by: "ada".to_owned(), why: Some("the outage".to_owned()), at: at(1).wall, by_hand }
}

fn only(count: u64) -> Policy {
    Policy {
        max_count: Some(count),
        max_age: None,
        max_size_bytes: None,
        keep_last: 1,
        keep_hourly: 0,
        keep_daily: 0,
        keep_weekly: 0,
        keep_monthly: 0,
        max_important: None,
    }
}

/// Eight snapshots were captured, the second is marked, retention has removed all but it and the last four.
fn scene(dir: &Path) -> (ExclusiveStore, Vec<Entry>) {
    let (mut store, _) = open(dir);
    let mut entries: Vec<Entry> = (0..8).map(|n| capture(&mut store, &at(300 * n))).collect();
    store.keep(entries[1].id, &mark(true)).unwrap();
    store.prune(&only(3), &at(3_000), false).unwrap();
    entries[1].mark = Some(mark(true));
    let kept = [1, 4, 5, 6, 7].map(|n: usize| entries[n].clone()).to_vec();
    (store, kept)
}

fn lose_database(dir: &Path) {
    for name in ["ghost.db", "ghost.db-wal", "ghost.db-shm"] {
        let _ = std::fs::remove_file(dir.join(name));
    }
}

fn listed(dir: &Path) -> Vec<Entry> {
    let mut entries = Reader::open(dir).unwrap().list(&Filter::default()).unwrap();
    entries.reverse();
    entries
}

fn verify(dir: &Path) -> Verification {
    Reader::open(dir).unwrap().verify(&mut |_, _| {}).unwrap()
}

fn path(dir: &Path, entry: &Entry) -> PathBuf {
    dir.join(SNAPSHOTS).join(snapshot_file(entry.id))
}

fn repair(dir: &Path) -> (ExclusiveStore, Repaired) {
    let (mut store, _) = open(dir);
    let repaired = store.repair(at(9_000).wall, &mut |_, _| {}).unwrap();
    (store, repaired)
}

#[test]
fn a_repair_of_what_is_whole_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (store, entries) = scene(dir.path());
    drop(store);
    let (mut store, repaired) = repair(dir.path());
    assert_eq!(repaired, Repaired { catalogued: 5, explained: 3, ..Repaired::default() });
    assert_eq!(listed(dir.path()), entries);
    assert_eq!(capture(&mut store, &at(9_300)).sequence, 9);
    assert!(verify(dir.path()).is_intact());
}

#[test]
fn a_deleted_or_damaged_database_loses_no_snapshot_and_no_mark_and_no_gap_is_called_tampering() {
    for damage in [None, Some(vec![0x55; 20_000])] {
        let dir = tempfile::tempdir().unwrap();
        let (store, entries) = scene(dir.path());
        drop(store);
        lose_database(dir.path());
        if let Some(damage) = damage {
            disk::atomic_write(&dir.path().join(DATABASE), &damage).unwrap();
        }
        assert_eq!(listed(dir.path()), entries, "without a repair, from the files");
        let (store, repaired) = repair(dir.path());
        assert_eq!((repaired.catalogued, repaired.left.len()), (5, 0));
        drop(store);
        assert_eq!(listed(dir.path()), entries);
        let checked = verify(dir.path());
        assert!(checked.is_intact(), "{checked:?}");
        assert_eq!(checked.gaps.iter().map(|gap| (gap.first, gap.last)).collect::<Vec<_>>(), [(1, 1), (3, 4)]);
        let error = Reader::open(dir.path()).unwrap().read(SnapshotId::new(at(0).wall)).unwrap_err();
        assert!(matches!(error, StoreError::NotFound { .. }));
    }
}

#[test]
fn any_page_of_the_database_overwritten_loses_no_snapshot() {
    let template = tempfile::tempdir().unwrap();
    let (store, entries) = scene(template.path());
    drop(store);
    let whole = std::fs::read(template.path().join(DATABASE)).unwrap();
    for page in 0..whole.len() / 4_096 {
        let dir = tempfile::tempdir().unwrap();
        let copied = std::process::Command::new("cp").arg("-a").arg(template.path().join(".")).arg(dir.path()).status();
        assert!(copied.unwrap().success());
        let mut damaged = whole.clone();
        damaged[page * 4_096..(page + 1) * 4_096].fill(0xa5);
        disk::atomic_write(&dir.path().join(DATABASE), &damaged).unwrap();
        let (mut store, _) = open(dir.path());
        // Damage in pages that a start does not read shows later.
        if let Err(error) = store.repair(at(9_000).wall, &mut |_, _| {}) {
            assert!(error.is_damaged_database(), "{error}");
            store.renew_database(Some(&error), &at(9_001)).unwrap();
        }
        drop(store);
        assert_eq!(listed(dir.path()), entries, "page {page}");
        assert!(verify(dir.path()).is_intact(), "page {page}");
    }
}

#[test]
fn damaged_files_are_set_aside_the_others_stay_and_the_hole_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let (store, entries) = scene(dir.path());
    drop(store);
    let damaged = std::fs::read(path(dir.path(), &entries[2])).unwrap();
    let damaged = [&damaged[..400], b"X", &damaged[401..]].concat();
    disk::atomic_write(&path(dir.path(), &entries[2]), &damaged).unwrap();
    disk::atomic_write(&path(dir.path(), &entries[4]), b"").unwrap();
    let (mut store, repaired) = repair(dir.path());
    let names: Vec<&String> = repaired.set_aside.keys().collect();
    let expected = [2, 4].map(|n: usize| snapshot_file(entries[n].id) + DAMAGED_SUFFIX);
    assert_eq!(names, expected.iter().collect::<Vec<_>>());
    assert_eq!(std::fs::read(dir.path().join(SNAPSHOTS).join(names[0])).unwrap(), damaged);
    assert_eq!((repaired.catalogued, &repaired.left[..]), (3, &[][..]));
    let next = capture(&mut store, &at(9_300));
    assert_eq!((next.sequence, next.previous), (9, Some(entries[4].as_previous())));
    let checked = verify(dir.path());
    assert!(checked.is_intact(), "{checked:?}");
    let reasons: Vec<String> = checked.gaps.iter().flat_map(|gap| gap.reasons.keys().cloned()).collect();
    assert!(reasons.iter().filter(|reason| reason.starts_with("set aside: ")).count() == 2, "{reasons:?}");
    assert_eq!(listed(dir.path()).len(), 4);
}

#[test]
fn a_forged_snapshot_is_set_aside_and_its_neighbours_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let (store, entries) = scene(dir.path());
    drop(store);
    let file = path(dir.path(), &entries[2]);
    let text = crate::seal::check(&std::fs::read(&file).unwrap()).unwrap().body_text;
    let mut body: serde_json::Value = serde_json::from_str(&text).unwrap();
    body["reason"] = "nothing to see".into();
    body["previous"]["id"] = entries[0].id.to_string().into();
    disk::atomic_write(&file, &file_of(&body)).unwrap();
    lose_database(dir.path());
    let (_, repaired) = repair(dir.path());
    assert_eq!(repaired.set_aside.keys().collect::<Vec<_>>(), [&(snapshot_file(entries[2].id) + DAMAGED_SUFFIX)]);
    assert_eq!((repaired.catalogued, &repaired.left[..]), (4, &[][..]));
}

#[test]
fn what_is_gone_without_a_reason_stays_so_after_a_repair() {
    let dir = tempfile::tempdir().unwrap();
    let (store, entries) = scene(dir.path());
    drop(store);
    std::fs::remove_file(path(dir.path(), &entries[2])).unwrap();
    lose_database(dir.path());
    let (_, repaired) = repair(dir.path());
    assert!(
        matches!(&repaired.left[..], [Verdict { id: Some(id), problem: Problem::Missing(_), .. }] if *id == entries[2].id)
    );
    assert_eq!(verify(dir.path()).verdicts, repaired.left);
    let error = Reader::open(dir.path()).unwrap().read(entries[2].id).unwrap_err();
    assert!(error.to_string().contains("vanished without a reason"), "{error}");
}

#[test]
fn a_mark_keeps_is_shown_and_can_be_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, entries) = scene(dir.path());
    assert_eq!(listed(dir.path())[0].mark, Some(mark(true)));
    let important = Filter { important: Some(true), ..Filter::default() };
    assert_eq!(Reader::open(dir.path()).unwrap().list(&important).unwrap().len(), 1);
    assert!(store.unkeep(entries[0].id, "ada", at(2).wall).unwrap());
    assert!(!store.unkeep(entries[0].id, "ada", at(2).wall).unwrap());
    store.prune(&only(3), &at(3_000), false).unwrap();
    assert_eq!(listed(dir.path()), entries[1..]);
    assert!(matches!(store.keep(entries[0].id, &mark(true)), Err(StoreError::NotFound { .. })));
    assert!(verify(dir.path()).is_intact());
}

#[test]
fn a_mark_that_vanished_still_counts_and_is_reported() {
    for with_database in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let (store, entries) = scene(dir.path());
        drop(store);
        let file = dir.path().join(SNAPSHOTS).join(mark_file(entries[0].id));
        std::fs::remove_file(&file).unwrap();
        if !with_database {
            lose_database(dir.path());
        }
        let (_, report) = open(dir.path());
        assert_eq!(report.marks_restored, [entries[0].id], "{with_database}");
        assert!(file.exists());
        assert_eq!(listed(dir.path()), entries);
    }
}

#[test]
fn a_mark_that_was_taken_away_stays_away() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, entries) = scene(dir.path());
    let file = dir.path().join(SNAPSHOTS).join(mark_file(entries[0].id));
    let text = std::fs::read(&file).unwrap();
    store.unkeep(entries[0].id, "ada", at(2).wall).unwrap();
    drop(store);
    // The audit line was durable, the unlink was not.
    disk::atomic_write(&file, &text).unwrap();
    lose_database(dir.path());
    drop(open(dir.path()));
    assert!(!file.exists());
    assert_eq!(listed(dir.path())[0].mark, None);
}

#[test]
fn a_mark_laid_there_by_hand_counts() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, entries) = scene(dir.path());
    store.unkeep(entries[0].id, "ada", at(2).wall).unwrap();
    drop(store);
    disk::atomic_write(&dir.path().join(SNAPSHOTS).join(mark_file(entries[2].id)), b"please keep").unwrap();
    let (mut store, report) = open(dir.path());
    assert_eq!(report, StartReport::default());
    store.prune(&only(0), &at(3_000), false).unwrap();
    let kept = listed(dir.path());
    assert_eq!(kept.iter().map(|entry| entry.id).collect::<Vec<_>>(), [entries[2].id, entries[4].id]);
    assert!(kept[0].mark.as_ref().unwrap().by_hand);
}
