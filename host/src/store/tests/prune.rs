use std::path::Path;

use rustix::io::Errno;

use super::super::disk::fault;
use super::super::testing::*;
use super::super::*;
use crate::retention::{KeepReason, Policy, RemoveReason};

fn keep(count: u64) -> Policy {
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

fn ten(dir: &Path) -> (ExclusiveStore, Vec<Entry>) {
    let (mut store, _) = open(dir);
    let entries = (0..10).map(|n| capture(&mut store, &at(300 * n))).collect();
    (store, entries)
}

fn files(dir: &Path) -> Vec<String> {
    let mut names = disk::Folder::open(&dir.join(SNAPSHOTS)).unwrap().names().unwrap();
    names.sort();
    names
}

fn verify(dir: &Path) -> Verification {
    Reader::open(dir).unwrap().verify(&mut |_, _| {}).unwrap()
}

#[test]
fn what_goes_and_what_stays_is_said_and_done() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, entries) = ten(dir.path());
    let dry = store.prune(&keep(4), &at(3_000), true).unwrap();
    assert_eq!(files(dir.path()).len(), 10);
    let pruned = store.prune(&keep(4), &at(3_000), false).unwrap();
    for said in [&dry, &pruned] {
        let removed: Vec<_> = said.removed.iter().map(|gone| (gone.entry.id, gone.reason)).collect();
        let expected: Vec<_> = entries[..5].iter().map(|entry| (entry.id, RemoveReason::MaxCount)).collect();
        assert_eq!(removed, expected);
        assert_eq!((said.kept.len(), &said.kept[0].reasons[..]), (5, &[KeepReason::Newest][..]));
        assert_eq!(said.freed_bytes, entries[..5].iter().map(|entry| entry.size_bytes).sum::<u64>());
    }
    assert_eq!(files(dir.path()), entries[5..].iter().map(|entry| snapshot_file(entry.id)).collect::<Vec<_>>());
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(reader.list(&Filter::default()).unwrap().len(), 5);
    let error = reader.read(entries[0].id).unwrap_err();
    assert!(error.to_string().ends_with("(removed: retention: max_count)"), "{error}");
    let checked = verify(dir.path());
    assert!(checked.is_intact(), "{checked:?}");
    assert_eq!(checked.gaps, [Gap { first: 1, last: 5, reasons: [("retention: max_count".to_owned(), 5)].into() }]);
}

#[test]
fn a_gap_that_retention_made_stays_explained_without_the_database() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = ten(dir.path());
    store.prune(&keep(4), &at(3_000), false).unwrap();
    drop(store);
    for name in ["ghost.db", "ghost.db-wal", "ghost.db-shm"] {
        let _ = std::fs::remove_file(dir.path().join(name));
    }
    assert!(verify(dir.path()).is_intact());
    let (mut store, report) = open(dir.path());
    assert_eq!((report.found.len(), report.vanished_count), (5, 0));
    capture(&mut store, &at(4_000));
    let checked = verify(dir.path());
    assert!(checked.is_intact(), "{checked:?}");
    assert_eq!(checked.gaps.len(), 1);
}

#[test]
fn what_is_damaged_or_exchanged_is_never_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, entries) = ten(dir.path());
    let path = |n: usize| dir.path().join(SNAPSHOTS).join(snapshot_file(entries[n].id));
    disk::atomic_write(&path(0), b"{").unwrap();
    disk::atomic_write(&path(1), &std::fs::read(path(2)).unwrap()).unwrap();
    std::fs::remove_file(path(3)).unwrap();
    disk::atomic_write(&dir.path().join(SNAPSHOTS).join(mark_file(entries[4].id)), b"{}").unwrap();
    let pruned = store.prune(&keep(4), &at(3_000), false).unwrap();
    let spared: Vec<_> = pruned.spared.iter().map(|spared| spared.entry.sequence).collect();
    assert_eq!((spared, pruned.removed.len()), (vec![1, 2, 4, 5], 1));
    assert!(path(0).exists() && path(1).exists() && path(4).exists() && !path(2).exists());
}

#[test]
fn a_fault_at_any_step_of_a_deletion_is_made_good_by_the_next_pass_or_the_next_start() {
    let calibrate = tempfile::tempdir().unwrap();
    let (mut store, _) = ten(calibrate.path());
    fault::end();
    store.prune(&keep(4), &at(3_000), false).unwrap();
    let steps = fault::end();
    assert_eq!(steps.len(), 2 + 10 + 1, "{steps:?}");
    for (step, count) in (1..=steps.len()).flat_map(|step| [(step, 1), (step, 3), (step, usize::MAX)]) {
        for by_restart in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let (mut store, entries) = ten(dir.path());
            fault::inject(step, count, Errno::IO);
            let _ = store.prune(&keep(4), &at(3_000), false);
            fault::end();
            if by_restart {
                drop(store);
                store = open(dir.path()).0;
            }
            // A capture in between must not make an intent be forgotten.
            capture(&mut store, &at(3_300));
            store.prune(&keep(5), &at(3_600), false).unwrap();
            let kept: Vec<_> = entries[5..].iter().map(|entry| snapshot_file(entry.id)).collect();
            assert_eq!(files(dir.path())[..5], kept, "step {step}, {count} times, restart {by_restart}");
            let checked = verify(dir.path());
            assert!(checked.is_intact(), "step {step}: {checked:?}");
            drop(store);
            assert_eq!(open(dir.path()).1, StartReport::default());
        }
    }
}

#[test]
fn a_start_finishes_what_was_intended() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, entries) = ten(dir.path());
    // The process dies after the intent was synced: every unlink fails, and nothing else is called.
    fault::inject(3, usize::MAX, Errno::IO);
    store.prune(&keep(8), &at(3_000), false).unwrap_err();
    fault::end();
    drop(store);
    assert_eq!(files(dir.path()).len(), 10);
    let (_, report) = open(dir.path());
    assert_eq!(report.deletions_finished, [entries[0].id]);
    assert_eq!(files(dir.path()).len(), 9);
    assert!(verify(dir.path()).is_intact());
}

#[test]
fn a_full_disk_does_not_keep_retention_from_freeing_room() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, entries) = ten(dir.path());
    // The first write of the audit line finds no room. The second does, once the reserve is given up.
    fault::inject(1, 1, Errno::NOSPC);
    let pruned = store.prune(&keep(4), &at(3_000), false).unwrap();
    let steps = fault::end();
    assert_eq!(pruned.removed.len(), 5);
    let expected = ["audit append", "audit cut", "audit append", "unlink", "audit append", "audit sync", "unlink"];
    assert_eq!(steps[..7], expected, "the reserve is unlinked, and the line written again");
    assert!(dir.path().join("reserve").exists(), "taken again once there is room");
    assert_eq!(files(dir.path()).len(), entries.len() - 5);
    assert!(verify(dir.path()).is_intact());
}
