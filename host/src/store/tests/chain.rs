use rustix::io::Errno;

use super::super::disk::fault;
use super::super::testing::*;
use super::super::*;
use crate::model::{Digest, Wall};
use crate::seal;

#[test]
fn snapshots_are_numbered_and_linked() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, report) = open(dir.path());
    assert!(report.created);
    let first = capture(&mut store, &at(0));
    let second = capture(&mut store, &at(300));
    assert_eq!((first.sequence, first.previous.as_ref()), (1, None));
    assert_eq!((second.sequence, second.previous.clone()), (2, Some(first.as_previous())));
    assert_eq!(store.newest(), Some(&second));
    let bytes = std::fs::read(dir.path().join(SNAPSHOTS).join(snapshot_file(second.id))).unwrap();
    let checked = seal::check(&bytes).unwrap();
    assert_eq!(checked.sha256, second.sha256);
    assert_eq!(checked.body.link.audit_head.unwrap().sequence, 2, "create, and the first capture");
}

#[test]
fn the_chain_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    let first = capture(&mut store, &at(0));
    let identity = store.identity().clone();
    drop(store);
    let (mut store, report) = open(dir.path());
    assert_eq!(report, StartReport::default());
    assert_eq!(store.identity(), &identity);
    assert_eq!(capture(&mut store, &at(300)).previous, Some(first.as_previous()));
}

#[test]
fn a_snapshot_sealed_for_another_place_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    let link = store.link().unwrap();
    let late = file_of(&body(&link, &at(1)));
    capture(&mut store, &at(0));
    let error = store.put_bytes(&late, &Batch::default()).unwrap_err();
    assert!(matches!(error, StoreError::OutOfPlace { sealed: 1, next: 2, .. }), "{error}");
    assert_eq!(std::fs::read_dir(dir.path().join(SNAPSHOTS)).unwrap().count(), 1);
}

#[test]
fn what_could_not_be_read_again_is_not_stored() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    let mut bytes = file_of(&body(&store.link().unwrap(), &at(1)));
    bytes[200] ^= 1;
    assert!(matches!(store.put_bytes(&bytes, &Batch::default()), Err(StoreError::Damaged { .. })));
    assert_eq!(std::fs::read_dir(dir.path().join(SNAPSHOTS)).unwrap().count(), 0);
}

#[test]
fn heartbeats_between_two_snapshots_are_in_the_second() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    let record = |store: &mut ExclusiveStore, sequence| {
        let heartbeats = vec![heartbeat(sequence, &at(5))];
        store.record(&Batch { heartbeats, ..Batch::default() }).unwrap();
    };
    record(&mut store, 1);
    record(&mut store, 2);
    let texts: String =
        [1, 2].map(|sequence| serde_json::to_string(&heartbeat(sequence, &at(5))).unwrap() + "\n").concat();
    let range = store.link().unwrap().heartbeats.unwrap();
    assert_eq!((range.first, range.last, range.count), (1, 2, 2));
    assert_eq!(range.sha256, Digest::of(texts.as_bytes()));

    // One more comes between the link and the snapshot: it is the next one's.
    let link = store.link().unwrap();
    record(&mut store, 3);
    store.put_bytes(&file_of(&body(&link, &at(6))), &Batch::default()).unwrap();
    let range = store.link().unwrap().heartbeats.unwrap();
    assert_eq!((range.first, range.last, range.count), (3, 3, 1));

    drop(store);
    let (mut store, _) = open(dir.path());
    assert_eq!(store.link().unwrap().heartbeats, Some(range));
    assert_eq!(store.next_heartbeat_sequence(), 4);
    capture(&mut store, &at(7));
    assert_eq!(store.link().unwrap().heartbeats, None);
}

#[test]
fn a_fault_at_any_step_loses_nothing_that_was_acknowledged_and_the_next_capture_succeeds() {
    let calibrate = tempfile::tempdir().unwrap();
    let (mut store, _) = open(calibrate.path());
    capture(&mut store, &at(0));
    fault::end();
    capture(&mut store, &at(300));
    let steps = fault::end();
    assert_eq!(steps, ["audit sync", "create", "write", "sync", "rename", "sync directory", "audit append"]);
    for errno in [Errno::NOSPC, Errno::IO, Errno::ROFS] {
        for (step, count) in (1..=steps.len()).flat_map(|step| [(step, 1), (step, 3), (step, usize::MAX)]) {
            let dir = tempfile::tempdir().unwrap();
            let (mut store, _) = open(dir.path());
            let mut acknowledged = vec![capture(&mut store, &at(0)).id];
            fault::inject(step, count, errno);
            if let Ok(link) = store.link()
                && let Ok(stored) = store.put_bytes(&file_of(&body(&link, &at(300))), &Batch::default())
            {
                acknowledged.push(stored.entry().id);
            }
            fault::end();
            acknowledged.push(capture(&mut store, &at(600)).id);
            drop(store);
            let (mut store, report) = open(dir.path());
            assert_eq!((report.temporaries_removed, report.vanished_count), (0, 0), "{errno} at {step}");
            acknowledged.push(capture(&mut store, &at(900)).id);
            for id in acknowledged {
                let bytes = std::fs::read(dir.path().join(SNAPSHOTS).join(snapshot_file(id))).unwrap();
                seal::check(&bytes).unwrap();
            }
        }
    }
}

#[test]
fn another_writer_is_refused_and_told_who() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    store.set_control_socket(Some(std::path::Path::new("/run/ghostd.sock"))).unwrap();
    let error = ExclusiveStore::open(dir.path(), &at(0)).unwrap_err();
    let StoreError::Lock(LockError::Held { holder: Some(holder), .. }) = error else {
        panic!("{error}");
    };
    assert_eq!(holder.control_socket.as_deref(), Some(std::path::Path::new("/run/ghostd.sock")));
    assert_eq!(holder.started_at, Wall(START.0));
}

#[test]
fn a_snapshot_whose_catalog_entry_failed_is_found_and_taken_in_later() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    capture(&mut store, &at(0));
    let link = store.link().unwrap();
    fault::inject(1 + 5, 1, Errno::NOSPC);
    let stored = store.put_bytes(&file_of(&body(&link, &at(300))), &Batch::default()).unwrap();
    assert!(fault::end().ends_with(&["audit append", "audit cut", "audit append"]));
    assert!(stored.catalog_error().unwrap().is_full());
    let listed = |limit| {
        let filter = Filter { limit: Some(limit), ..Filter::default() };
        let entries = Reader::open(dir.path()).unwrap().list(&filter).unwrap();
        entries.into_iter().map(|entry| entry.sequence).collect::<Vec<_>>()
    };
    assert_eq!((store.uncatalogued(), listed(9)), (1, vec![2, 1]));
    capture(&mut store, &at(600));
    assert_eq!((store.uncatalogued(), listed(9)), (0, vec![3, 2, 1]));
    drop(store);
    assert_eq!(open(dir.path()).1, StartReport::default());
    assert_eq!(listed(9), [3, 2, 1]);
}

#[test]
fn a_snapshot_that_can_neither_be_made_durable_nor_taken_back_does_not_break_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    capture(&mut store, &at(0));
    let link = store.link().unwrap();
    let file = file_of(&body(&link, &at(300)));
    fault::inject_with_cleanup(5, 2, Errno::IO);
    store.put_bytes(&file, &Batch::default()).unwrap_err();
    fault::end();
    let next = capture(&mut store, &at(600));
    assert_eq!(next.sequence, 3);
    drop(store);
    assert_eq!(open(dir.path()).1.vanished_count, 0);
    let checked = Reader::open(dir.path()).unwrap().verify(&mut |_, _| {}).unwrap();
    assert!(checked.is_intact(), "{checked:?}");
}

#[test]
fn a_temporary_that_could_not_be_removed_goes_with_the_next_pass_of_retention() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = open(dir.path());
    capture(&mut store, &at(0));
    let link = store.link().unwrap();
    // The sync of the first file fails, and removing it; the second file succeeds.
    fault::inject_with_cleanup(3, 2, Errno::IO);
    store.put_bytes(&file_of(&body(&link, &at(300))), &Batch::default()).unwrap();
    fault::end();
    let names = || disk::Folder::open(&dir.path().join(SNAPSHOTS)).unwrap().names().unwrap();
    assert_eq!(names().len(), 3);
    let policy = crate::retention::Policy {
        max_count: None,
        max_age: None,
        max_size_bytes: None,
        keep_last: 1,
        keep_hourly: 0,
        keep_daily: 0,
        keep_weekly: 0,
        keep_monthly: 0,
        max_important: None,
    };
    store.prune(&policy, &at(600), false).unwrap();
    assert_eq!(names().len(), 2);
    assert!(store.stamp.is_some());
}
