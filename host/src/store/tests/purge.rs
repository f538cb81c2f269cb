use serde_json::json;

use super::super::testing::*;
use super::super::*;
use crate::model::{Event, EventKind, EventSeverity};

const SECRET: &str = "hunter2-was-here";

fn scene(dir: &std::path::Path) -> (ExclusiveStore, Vec<Entry>) {
    let (mut store, _) = open(dir);
    let entries = (0..6)
        .map(|n| {
            let now = at(300 * n);
            let mut body = body(&store.link().unwrap(), &now);
            if n == 2 || n == 3 {
                body["reason"] = SECRET.into();
            }
            store.put_bytes(&file_of(&body), &Batch::default()).unwrap().entry().clone()
        })
        .collect();
    let event = |message: &str| Event {
        timestamp: START,
        event_type: EventKind::Store,
        severity: EventSeverity::Info,
        message: message.to_owned(),
        data: json!({}),
    };
    let states = vec![CollectorState {
        collector: "c".to_owned(),
        entries: [("a".to_owned(), format!("\"{SECRET}\"")), ("b".to_owned(), "1".to_owned())].into(),
    }];
    let events = vec![event("fine"), event(SECRET)];
    store.record(&Batch { events, states, ..Batch::default() }).unwrap();
    (store, entries)
}

/// Every file below a directory that has the secret in it.
fn holders(dir: &std::path::Path) -> Vec<String> {
    let output = std::process::Command::new("grep").arg("-rl").arg(SECRET).arg(dir).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn what_matches_is_gone_from_every_file_and_the_chain_is_verifiable_around_the_holes() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, entries) = scene(dir.path());
    let holds = |text: &str| text.contains(SECRET);
    let dry = store.purge_matching(&holds, "ada", "a leak", at(2_000).wall, true).unwrap();
    assert!(holders(dir.path()).len() >= 3);
    let purged = store.purge_matching(&holds, "ada", "a leak", at(2_000).wall, false).unwrap();
    assert_eq!(dry, Purged { audit_line: None, ..purged.clone() });
    let mut ids = purged.snapshots.clone();
    ids.sort();
    assert_eq!(ids, [entries[2].id, entries[3].id]);
    assert_eq!(
        purged.rows,
        [("events".to_owned(), 1), ("states".to_owned(), 1), ("snapshots".to_owned(), 0)]
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .collect()
    );
    assert_eq!(holders(dir.path()), Vec::<String>::new());
    capture(&mut store, &at(3_000));
    for _ in 0..2 {
        let checked = Reader::open(dir.path()).unwrap().verify(&mut |_, _| {}).unwrap();
        assert!(checked.is_intact(), "{checked:?}");
        assert_eq!(checked.gaps, [Gap { first: 3, last: 4, reasons: [("purge: a leak".to_owned(), 2)].into() }]);
        // And by the tombstones alone.
        let _ = std::fs::remove_file(dir.path().join(DATABASE));
    }
    let error = Reader::open(dir.path()).unwrap().read(entries[2].id).unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }));
}

#[test]
fn a_tombstone_explains_the_hole_when_the_audit_log_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, entries) = scene(dir.path());
    let purged = store.purge(&[entries[2].id], "ada", "a leak", at(2_000).wall, false).unwrap();
    assert_eq!(purged.snapshots, [entries[2].id]);
    drop(store);
    std::fs::remove_file(dir.path().join(AUDIT)).unwrap();
    let checked = Reader::open(dir.path()).unwrap().verify(&mut |_, _| {}).unwrap();
    assert_eq!((checked.verdicts.len(), checked.gaps.len()), (0, 1), "{checked:?}");
    let (mut store, _) = open(dir.path());
    assert_eq!(capture(&mut store, &at(3_000)).sequence, 7);
}

#[test]
fn a_purge_that_was_interrupted_is_finished_by_the_next_start() {
    use super::super::disk::fault;
    let dir = tempfile::tempdir().unwrap();
    let (mut store, entries) = scene(dir.path());
    // Everything after the intent fails.
    fault::inject(3, usize::MAX, rustix::io::Errno::IO);
    store.purge(&[entries[2].id], "ada", "a leak", at(2_000).wall, false).unwrap_err();
    fault::end();
    drop(store);
    let (_, report) = open(dir.path());
    assert_eq!(report.deletions_finished, [entries[2].id]);
    let checked = Reader::open(dir.path()).unwrap().verify(&mut |_, _| {}).unwrap();
    assert!(checked.is_intact(), "{checked:?}");
}
