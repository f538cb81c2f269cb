//! One test for each kind of damage.

use std::path::{Path, PathBuf};

use super::super::testing::*;
use super::super::*;
use crate::audit::Flaw;
use crate::model::SnapshotId;

struct Scene {
    dir: tempfile::TempDir,
    entries: Vec<Entry>,
}

impl Scene {
    /// Six snapshots with a heartbeat each, and nobody who writes.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, _) = open(dir.path());
        let entries = (0_i64..6)
            .map(|n| {
                let heartbeats = vec![heartbeat(n.unsigned_abs() + 1, &at(300 * n))];
                store.record(&Batch { heartbeats, ..Batch::default() }).unwrap();
                capture(&mut store, &at(300 * n))
            })
            .collect();
        store.link().unwrap();
        Self { dir, entries }
    }

    fn path(&self, n: usize) -> PathBuf {
        self.dir.path().join(SNAPSHOTS).join(snapshot_file(self.entries[n].id))
    }

    fn bytes(&self, n: usize) -> Vec<u8> {
        std::fs::read(self.path(n)).unwrap()
    }

    fn write(&self, n: usize, bytes: &[u8]) {
        disk::atomic_write(&self.path(n), bytes).unwrap();
    }

    /// Rewrites a snapshot so that it is whole in itself.
    fn forge(&self, n: usize, change: impl Fn(&mut serde_json::Value)) -> crate::model::Digest {
        let checked = crate::seal::check(&self.bytes(n)).unwrap();
        let mut body: serde_json::Value = serde_json::from_str(&checked.body_text).unwrap();
        change(&mut body);
        self.write(n, &file_of(&body));
        crate::model::Digest::of(body.to_string().as_bytes())
    }

    fn verify(&self) -> Verification {
        Reader::open(self.dir.path()).unwrap().verify(&mut |_, _| {}).unwrap()
    }

    /// The one thing that is wrong: which snapshot, and what.
    fn only_problem(&self) -> (usize, Problem) {
        let checked = self.verify();
        assert_eq!(checked.verdicts.len(), 1, "{checked:?}");
        let verdict = &checked.verdicts[0];
        let place = self.entries.iter().position(|entry| Some(entry.id) == verdict.id).unwrap();
        assert_eq!(verdict.file, snapshot_file(self.entries[place].id));
        (place, verdict.problem.clone())
    }
}

fn flip(bytes: &[u8], place: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[place] ^= 1;
    bytes
}

#[test]
fn an_untouched_store_is_intact() {
    let scene = Scene::new();
    let mut told = Vec::new();
    let checked = Reader::open(scene.dir.path()).unwrap().verify(&mut |done, all| told.push((done, all))).unwrap();
    assert!(checked.is_intact(), "{checked:?}");
    assert_eq!((checked.files, checked.intact, checked.heartbeats.intact), (6, 6, 6));
    assert_eq!((checked.gaps.len(), told.last()), (0, Some(&(6, 6))));
    for entry in &scene.entries {
        let one = Reader::open(scene.dir.path()).unwrap().verify_one(entry.id).unwrap();
        assert!(one.is_intact() && one.intact == 1, "{one:?}");
        verify_file(&scene.dir.path().join(SNAPSHOTS).join(snapshot_file(entry.id))).unwrap();
    }
}

#[test]
fn any_changed_byte_of_a_snapshot_is_found_and_the_file_named() {
    let scene = Scene::new();
    let whole = scene.bytes(2);
    for place in 0..whole.len() {
        let path = scene.path(2);
        // Not through `atomic_write`: thousands of syncs would only wear the disk.
        std::fs::File::create(&path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, &flip(&whole, place)))
            .unwrap();
        let problem = verify_file(&path).unwrap_err();
        assert!(
            matches!(problem, Problem::Altered(_) | Problem::Truncated(_) | Problem::Unknown(_)),
            "byte {place}: {problem}"
        );
        if place % 97 == 0 {
            assert_eq!(scene.only_problem().0, 2, "byte {place}");
        }
    }
}

#[test]
fn a_truncated_snapshot_is_called_truncated_and_the_last_one_torn() {
    let scene = Scene::new();
    let whole = scene.bytes(2);
    for length in [0, 1, 50, 300, whole.len() - 2, whole.len() - 1] {
        scene.write(2, &whole[..length]);
        assert!(matches!(scene.only_problem(), (2, Problem::Truncated(_))), "{length}");
    }
    let scene = Scene::new();
    scene.write(5, &scene.bytes(5)[..400]);
    assert!(matches!(scene.only_problem(), (5, Problem::TornTail(_))));
}

#[test]
fn a_removed_snapshot_is_missing() {
    for place in 0..6 {
        let scene = Scene::new();
        std::fs::remove_file(scene.path(place)).unwrap();
        assert!(matches!(scene.only_problem(), (found, Problem::Missing(_)) if found == place));
    }
}

#[test]
fn several_removed_snapshots_are_missing_each() {
    let scene = Scene::new();
    for place in [1, 2, 3] {
        std::fs::remove_file(scene.path(place)).unwrap();
    }
    let checked = scene.verify();
    let missing: Vec<_> = checked.verdicts.iter().map(|verdict| (verdict.sequence, verdict.id)).collect();
    assert_eq!(missing, [2, 3, 4].map(|n| (Some(n), Some(scene.entries[n as usize - 1].id))));
}

#[test]
fn a_removed_snapshot_stays_missing_after_a_start_noticed_it() {
    let scene = Scene::new();
    std::fs::remove_file(scene.path(3)).unwrap();
    assert_eq!(open(scene.dir.path()).1.vanished, [scene.entries[3].id]);
    assert!(matches!(scene.only_problem(), (3, Problem::Missing(_))));
}

#[test]
fn a_rewritten_snapshot_with_its_own_checksum_mended_is_altered() {
    for place in 0..6 {
        let scene = Scene::new();
        scene.forge(place, |body| body["reason"] = "nothing to see".into());
        verify_file(&scene.path(place)).unwrap();
        assert!(matches!(scene.only_problem(), (found, Problem::Altered(_)) if found == place), "{place}");
        let one = Reader::open(scene.dir.path()).unwrap().verify_one(scene.entries[place].id).unwrap();
        assert_eq!(one.verdicts.len(), 1, "{place}: {one:?}");
    }
}

#[test]
fn without_an_audit_log_a_rewritten_snapshot_is_found_through_the_next() {
    let scene = Scene::new();
    scene.forge(2, |body| body["reason"] = "nothing to see".into());
    std::fs::remove_file(scene.dir.path().join(AUDIT)).unwrap();
    let checked = scene.verify();
    assert!(
        matches!(&checked.verdicts[..], [Verdict { id: Some(id), problem: Problem::Altered(_), .. }] if *id == scene.entries[2].id)
    );
    assert!(matches!(checked.audit.findings[0].flaw, Flaw::Cut { .. }), "the log itself is missed");
}

#[test]
fn a_chain_rewritten_to_its_end_still_differs_from_the_audit_log() {
    let scene = Scene::new();
    let mut previous = scene.forge(3, |body| body["reason"] = "nothing to see".into());
    for place in [4, 5] {
        previous = scene.forge(place, |body| body["previous"]["sha256"] = previous.to_string().into());
    }
    let checked = scene.verify();
    let altered: Vec<_> = checked.verdicts.iter().map(|verdict| verdict.sequence).collect();
    assert_eq!(altered, [Some(4), Some(5), Some(6)]);
    assert!(checked.verdicts.iter().all(|verdict| matches!(verdict.problem, Problem::Altered(_))));
}

#[test]
fn exchanged_files_are_out_of_order() {
    let scene = Scene::new();
    let (one, other) = (scene.bytes(1), scene.bytes(3));
    scene.write(1, &other);
    scene.write(3, &one);
    let checked = scene.verify();
    let named: Vec<_> = checked.verdicts.iter().map(|verdict| verdict.file.clone()).collect();
    assert_eq!(named, [1, 3].map(|n: usize| snapshot_file(scene.entries[n].id)));
    assert!(checked.verdicts.iter().all(|verdict| matches!(verdict.problem, Problem::OutOfOrder(_))));
    assert!(matches!(verify_file(&scene.path(1)), Err(Problem::OutOfOrder(_))));
}

#[test]
fn a_second_snapshot_in_the_same_place_is_out_of_order() {
    let scene = Scene::new();
    let mut body: serde_json::Value =
        serde_json::from_str(&crate::seal::check(&scene.bytes(2)).unwrap().body_text).unwrap();
    let twin = SnapshotId::new(at(100_000).wall);
    body["id"] = twin.to_string().into();
    disk::atomic_write(&scene.dir.path().join(SNAPSHOTS).join(snapshot_file(twin)), &file_of(&body)).unwrap();
    let checked = scene.verify();
    assert!(
        matches!(&checked.verdicts[..], [Verdict { id: Some(id), problem: Problem::OutOfOrder(_), .. }] if *id == twin)
    );
}

#[test]
fn a_snapshot_of_another_store_is_foreign() {
    let scene = Scene::new();
    let other = tempfile::tempdir().unwrap();
    let foreign = capture(&mut open(other.path()).0, &at(700));
    let name = snapshot_file(foreign.id);
    std::fs::copy(other.path().join(SNAPSHOTS).join(&name), scene.dir.path().join(SNAPSHOTS).join(&name)).unwrap();
    for with_database in [true, false] {
        if !with_database {
            std::fs::remove_file(scene.dir.path().join(DATABASE)).unwrap();
        }
        let checked = scene.verify();
        assert!(
            matches!(&checked.verdicts[..], [Verdict { id: Some(id), problem: Problem::Foreign(_), .. }] if *id == foreign.id),
            "{checked:?}"
        );
    }
}

#[test]
fn a_newer_format_is_unknown_and_not_called_altered() {
    let scene = Scene::new();
    let text = String::from_utf8(scene.bytes(2)).unwrap().replacen("snapshot/1", "snapshot/9", 1);
    scene.write(2, text.as_bytes());
    assert!(matches!(scene.only_problem(), (2, Problem::Unknown(_))));
}

#[test]
fn a_link_in_place_of_a_snapshot_is_unreadable() {
    let scene = Scene::new();
    std::fs::remove_file(scene.path(2)).unwrap();
    std::os::unix::fs::symlink(scene.path(3), scene.path(2)).unwrap();
    assert!(matches!(scene.only_problem(), (2, Problem::Unreadable(_))));
}

#[test]
fn changed_heartbeats_are_altered_and_lost_ones_are_not() {
    let scene = Scene::new();
    let db = rusqlite::Connection::open(scene.dir.path().join(DATABASE)).unwrap();
    db.execute("UPDATE heartbeats SET beat = replace(beat, 'healthy', 'critical') WHERE sequence = 2", []).unwrap();
    db.execute("DELETE FROM heartbeats WHERE sequence = 4", []).unwrap();
    drop(db);
    let checked = scene.verify();
    assert_eq!(checked.heartbeats.altered, [scene.entries[1].id]);
    assert_eq!((checked.heartbeats.intact, checked.heartbeats.no_longer_kept), (4, 1));
    assert!(!checked.is_intact() && checked.verdicts.is_empty());
}

#[test]
fn a_cut_audit_log_is_found_by_what_the_snapshots_have_seen() {
    let scene = Scene::new();
    let path = scene.dir.path().join(AUDIT);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    assert_eq!(lines.len(), 7);
    disk::atomic_write(&path, lines[..4].concat().as_bytes()).unwrap();
    let checked = scene.verify();
    assert_eq!(checked.audit.findings[0].flaw, Flaw::Cut { count: 2 });
    assert_eq!(Reader::open(scene.dir.path()).unwrap().verify_audit().unwrap().findings, checked.audit.findings);
}

#[test]
fn verifying_one_names_what_is_beside_it() {
    let scene = Scene::new();
    std::fs::remove_file(scene.path(2)).unwrap();
    let reader = Reader::open(scene.dir.path()).unwrap();
    assert!(matches!(reader.verify_one(scene.entries[2].id), Err(StoreError::NotFound { .. })));
    let beside = reader.verify_one(scene.entries[3].id).unwrap();
    assert_eq!(beside.verdicts.iter().map(|verdict| verdict.id).collect::<Vec<_>>(), [Some(scene.entries[2].id)]);
    assert!(reader.verify_one(scene.entries[5].id).unwrap().is_intact());
    assert!(reader.verify_one(scene.entries[0].id).unwrap().is_intact());
    scene.write(4, &flip(&scene.bytes(4), 300));
    let damaged = reader.verify_one(scene.entries[4].id).unwrap();
    assert!(matches!(damaged.verdicts[0].problem, Problem::Altered(_)));
    assert!(reader.verify_one(scene.entries[5].id).unwrap().is_intact(), "a neighbour's damage is its own");
}

#[test]
fn a_file_elsewhere_is_checked_by_its_path() {
    let scene = Scene::new();
    let copy = scene.dir.path().join("copy.json");
    std::fs::copy(scene.path(1), &copy).unwrap();
    assert_eq!(verify_file(&copy).unwrap().body.id, scene.entries[1].id);
    assert!(matches!(verify_file(Path::new("/nowhere/at/all")), Err(Problem::Unreadable(_))));
}
