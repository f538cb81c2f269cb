use super::super::disk::atomic_write;
use super::super::testing::*;
use super::super::*;

fn snapshots_in(dir: &std::path::Path) -> usize {
    std::fs::read_dir(dir.join(SNAPSHOTS)).unwrap().count()
}

#[test]
fn what_a_crash_left_half_written_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    atomic_write(&dir.path().join(SNAPSHOTS).join(".tmp-1"), b"half").unwrap();
    atomic_write(&dir.path().join(".tmp-2"), b"half").unwrap();
    let (_, report) = open(dir.path());
    assert_eq!(report.temporaries_removed, 2);
    assert_eq!(snapshots_in(dir.path()), 0);
}

#[test]
fn a_file_that_the_catalog_does_not_have_is_taken_in() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    let first = capture(&mut store, &at(0));
    // The process dies between the rename and the transaction.
    let second = body(&store.link().unwrap(), &at(300));
    drop(store);
    let id = second["id"].as_str().unwrap().parse().unwrap();
    atomic_write(&dir.path().join(SNAPSHOTS).join(snapshot_file(id)), &file_of(&second)).unwrap();
    let (mut store, report) = open(dir.path());
    assert_eq!(report.found, [id]);
    let third = capture(&mut store, &at(600));
    assert_eq!((third.sequence, third.previous.as_ref().map(|previous| previous.id)), (3, Some(id)));
    assert_ne!(third.previous, Some(first.as_previous()));
}

#[test]
fn a_lost_database_is_made_again_from_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    let identity = store.identity().clone();
    let entries: Vec<_> = (0..5).map(|n| capture(&mut store, &at(300 * n))).collect();
    drop(store);
    for name in ["ghost.db", "ghost.db-wal", "ghost.db-shm"] {
        let _ = std::fs::remove_file(dir.path().join(name));
    }
    let (mut store, report) = open(dir.path());
    assert_eq!(report.database, DatabaseStart::Lost);
    assert_eq!(report.found.len(), 5);
    assert_eq!(store.identity(), &identity);
    assert_eq!(store.newest(), entries.last());
    assert_eq!(capture(&mut store, &at(9_000)).sequence, 6);
}

#[test]
fn a_damaged_database_is_set_aside_and_hides_nothing() {
    for damage in [&b"not a database at all, but long enough to be taken for one"[..], &[0xff; 8_192]] {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, _) = open(dir.path());
        let identity = store.identity().clone();
        capture(&mut store, &at(0));
        drop(store);
        atomic_write(&dir.path().join(DATABASE), damage).unwrap();
        let (mut store, report) = open(dir.path());
        let DatabaseStart::SetAside { path, why } = &report.database else {
            panic!("{report:?}");
        };
        assert_eq!(std::fs::read(path).unwrap(), damage);
        assert!(!why.is_empty());
        assert_eq!((report.found.len(), store.identity()), (1, &identity));
        assert_eq!(capture(&mut store, &at(300)).sequence, 2);
        drop(store);
        assert_eq!(open(dir.path()).1, StartReport::default());
    }
}

#[test]
fn database_and_audit_log_gone_the_chain_still_goes_on_above_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    let identity = store.identity().clone();
    let last = (0..3).map(|n| capture(&mut store, &at(300 * n))).last().unwrap();
    drop(store);
    for name in ["ghost.db", "ghost.db-wal", "ghost.db-shm", AUDIT] {
        let _ = std::fs::remove_file(dir.path().join(name));
    }
    let (mut store, _) = open(dir.path());
    assert_eq!(store.identity(), &identity);
    let next = capture(&mut store, &at(9_000));
    assert_eq!((next.sequence, next.previous), (4, Some(last.as_previous())));
}

#[test]
fn a_snapshot_that_vanished_is_reported_once_and_its_number_is_not_given_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    capture(&mut store, &at(0));
    let last = capture(&mut store, &at(300));
    drop(store);
    std::fs::remove_file(dir.path().join(SNAPSHOTS).join(snapshot_file(last.id))).unwrap();
    let (mut store, report) = open(dir.path());
    assert_eq!((report.vanished, report.vanished_count), (vec![last.id], 1));
    let next = capture(&mut store, &at(600));
    assert_eq!((next.sequence, next.previous), (3, Some(last.as_previous())));
    drop(store);
    assert_eq!(open(dir.path()).1, StartReport::default());
}

#[test]
fn files_of_another_store_and_damaged_ones_stay_and_are_not_taken_in() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    capture(&mut store, &at(0));
    drop(store);
    let (mut other, _) = open(elsewhere.path());
    let foreign = capture(&mut other, &at(60));
    let from = elsewhere.path().join(SNAPSHOTS).join(snapshot_file(foreign.id));
    std::fs::copy(&from, dir.path().join(SNAPSHOTS).join(snapshot_file(foreign.id))).unwrap();
    let damaged = crate::model::SnapshotId::new(at(90).wall);
    atomic_write(&dir.path().join(SNAPSHOTS).join(snapshot_file(damaged)), b"{").unwrap();
    let (mut store, report) = open(dir.path());
    assert_eq!(report.found, []);
    assert!(report.rejected[&snapshot_file(foreign.id)].contains("belongs to store"));
    assert!(report.rejected[&snapshot_file(damaged)].contains("truncated"));
    assert_eq!(capture(&mut store, &at(300)).sequence, 2);
    assert_eq!(snapshots_in(dir.path()), 4);
}

#[test]
fn a_torn_audit_line_is_cut_off_and_noted() {
    use std::io::Write as _;
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let mut log = std::fs::OpenOptions::new().append(true).open(dir.path().join(AUDIT)).unwrap();
    log.write_all(b"{\"sequence\":2,\"at").unwrap();
    let (mut store, report) = open(dir.path());
    assert_eq!(report.audit_torn_bytes, 17);
    capture(&mut store, &at(0));
    store.link().unwrap();
    let text = std::fs::read(dir.path().join(AUDIT)).unwrap();
    let checked = crate::audit::verify(&mut &text[..], &[], &mut |_| {}).unwrap();
    assert_eq!((checked.lines, checked.findings), (3, vec![]));
}
