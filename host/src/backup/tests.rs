use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::tar::TarWriter;
use super::trailer::Hashing;
use super::*;
use crate::retention::Policy;
use crate::store::testing::{at, capture, heartbeat, open};
use crate::store::{
    BACKUPS, Batch, Entry, ExclusiveStore, Filter, Mark, Reader, SNAPSHOTS, Source as _, Span, Verification,
    atomic_write, fault, snapshot_file,
};

/// Five snapshots of eight are left, one of them is marked, and there are heartbeats.
fn scene(dir: &Path) -> (ExclusiveStore, Vec<Entry>) {
    let (mut store, _) = open(dir);
    let entries: Vec<Entry> = (0_i64..8)
        .map(|n| {
            let heartbeats = vec![heartbeat(n.unsigned_abs() + 1, &at(300 * n))];
            store.record(&Batch { heartbeats, ..Batch::default() }).unwrap();
            capture(&mut store, &at(300 * n))
        })
        .collect();
    let mark = Mark { by: "ada".to_owned(), why: None, at: at(1).wall, by_hand: true };
    store.keep(entries[1].id, &mark).unwrap();
    store.prune(&only(3), &at(3_000), false).unwrap();
    (store, [1, 4, 5, 6, 7].map(|n: usize| entries[n].clone()).to_vec())
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

fn make(dir: &Path) -> Created {
    make_for(dir, None)
}

fn make_for(dir: &Path, recipient: Option<Recipient>) -> Created {
    let options = Options {
        directory: dir.join(BACKUPS),
        recipient,
        level: 3,
        config: vec![("ghostd.toml".to_owned(), b"[snapshot]\n".to_vec())],
        ghostd_version: "0.1.0".to_owned(),
    };
    create(dir, &options, at(5_000).wall, &mut |_, _| {}).unwrap()
}

fn put_back(backup: &Path, dir: &Path) -> Result<Restored, BackupError> {
    restore(backup, &Keys::default(), dir, at(9_000).wall, &mut |_, _| {})
}

fn listed(dir: &Path) -> Vec<(u64, SnapshotId, bool)> {
    let entries = Reader::open(dir).unwrap().list(&Filter::default()).unwrap();
    entries.iter().rev().map(|entry| (entry.sequence, entry.id, entry.mark.is_some())).collect()
}

fn verified(dir: &Path) -> Verification {
    Reader::open(dir).unwrap().verify(&mut |_, _| {}).unwrap()
}

/// Every file below a directory with what it hashes to, but for what a refused restore may touch: who holds the lock,
/// and what SQLite lays beside a database that is read.
fn everything(dir: &Path) -> BTreeMap<PathBuf, Digest> {
    let passing = ["lock", "ghost.db-wal", "ghost.db-shm"];
    let mut found = BTreeMap::new();
    let mut left = vec![dir.to_owned()];
    while let Some(path) = left.pop() {
        for entry in std::fs::read_dir(&path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else if !passing.iter().any(|name| path.ends_with(name)) {
                found.insert(path.clone(), Digest::of(&std::fs::read(&path).unwrap()));
            }
        }
    }
    found
}

/// A file with these members, whole in itself.
fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let encoder = zstd::Encoder::new(Hashing::new(Vec::new()), 3).unwrap();
    let mut tar = TarWriter::new(encoder);
    for (name, content) in members {
        tar.append(name, content.len() as u64, 0, &mut &content[..]).unwrap();
    }
    tar.finish().unwrap().finish().unwrap().finish().unwrap()
}

/// The members of a backup.
fn members_of(path: &Path) -> Vec<(String, Vec<u8>)> {
    let bytes = std::fs::read(path).unwrap();
    let mut tar = super::tar::TarReader::new(zstd::Decoder::new(&bytes[..]).unwrap());
    let mut members = Vec::new();
    while let Some(member) = tar.next_member().unwrap() {
        let mut content = Vec::new();
        tar.content(&member, &mut content).unwrap();
        members.push((member.name, content));
    }
    members
}

/// The same backup with its members changed, and its manifest mended.
fn forged(path: &Path, change: impl FnOnce(&mut Vec<(String, Vec<u8>)>)) -> PathBuf {
    let mut members = members_of(path);
    members.pop();
    change(&mut members);
    let files = members
        .iter()
        .map(|(name, content)| FileRecord {
            name: name.clone(),
            size: content.len() as u64,
            sha256: Digest::of(content),
        })
        .collect();
    members.push((MANIFEST.to_owned(), serde_json::to_vec(&Manifest { files }).unwrap()));
    let members: Vec<(&str, &[u8])> = members.iter().map(|(name, content)| (&**name, &content[..])).collect();
    let forged = path.with_file_name("forged");
    atomic_write(&forged, &archive(&members)).unwrap();
    forged
}

#[test]
fn a_backup_is_made_beside_the_writer_listed_and_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, entries) = scene(dir.path());
    let created = make(dir.path());
    assert_eq!((created.snapshots, created.info.number, created.info.newest_sequence), (5, 1, 8));
    assert_eq!(created.info.without_database, None);
    capture(&mut store, &at(6_000));
    let contents = verify(&created.path, &Keys::default(), &mut |_, _| {}).unwrap();
    assert_eq!((contents.snapshots, contents.has_database, contents.has_audit), (5, true, true));
    assert_eq!(contents.content_bytes, created.content_bytes);
    let second = make(dir.path());
    let backups = dir.path().join(BACKUPS);
    let all = list(&backups, &Keys::default()).unwrap();
    assert_eq!(all.iter().map(|backup| backup.number).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(all[1].info.as_ref(), Some(&created.info));
    for name in ["1", &created.info.id.to_string(), created.path.to_str().unwrap()] {
        assert_eq!(resolve(&backups, name).unwrap(), created.path, "{name}");
    }
    assert_eq!(resolve(&backups, "latest").unwrap(), second.path);
    assert!(matches!(resolve(&backups, "3"), Err(BackupError::NotFound(_))));
    let names: Vec<String> = members_of(&created.path).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names[..3], [INFO, "config/ghostd.toml", &format!("{SNAPSHOTS}/{}", snapshot_file(entries[0].id))]);
    assert_eq!(names[names.len() - 3..], ["ghost.db", "audit.jsonl", MANIFEST]);
    assert_eq!(prune(&backups, 1).unwrap(), [created.path.file_name().unwrap().to_str().unwrap()]);
    assert_eq!(std::fs::read_dir(dir.path().join(BACKUPS)).unwrap().count(), 1);
}

#[test]
fn what_is_damaged_is_left_out_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let (store, entries) = scene(dir.path());
    drop(store);
    atomic_write(&dir.path().join(SNAPSHOTS).join(snapshot_file(entries[1].id)), b"{").unwrap();
    let created = make(dir.path());
    assert_eq!((created.snapshots, created.left_out.len()), (4, 1));
    assert_eq!(created.left_out[0].0, snapshot_file(entries[1].id));
}

#[test]
fn a_restore_into_nothing_brings_everything_back_and_begins_an_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let (store, entries) = scene(dir.path());
    let created = make(dir.path());
    let expected = listed(dir.path());
    drop(store);
    let fresh = tempfile::tempdir().unwrap();
    let restored = put_back(&created.path, fresh.path()).unwrap();
    assert_eq!((restored.store.epoch, &restored.store.forked_from), (2, &Some(entries[4].as_previous())));
    assert_eq!((restored.without_history, restored.purged), (None, vec![]));
    let (mut store, report) = open(fresh.path());
    assert!(report.restored);
    assert_eq!(store.identity(), &restored.store);
    assert_eq!(listed(fresh.path()), expected);
    assert_eq!(Reader::open(fresh.path()).unwrap().heartbeats(&Span::last(100)).unwrap().len(), 8);
    let next = capture(&mut store, &at(9_300));
    assert_eq!((next.sequence, next.epoch, next.previous), (9, 2, Some(entries[4].as_previous())));
    let checked = verified(fresh.path());
    assert!(checked.is_intact(), "{checked:?}");
    drop(store);
    assert_eq!(open(fresh.path()).1, crate::store::StartReport::default());
}

#[test]
fn a_restore_over_a_store_that_went_on_forks_above_it_and_keeps_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, entries) = scene(dir.path());
    let created = make(dir.path());
    let expected = listed(dir.path());
    let later = capture(&mut store, &at(6_000));
    // Retention has since removed what the backup still has, and a mark was taken away.
    store.unkeep(entries[0].id, "ada", at(6_001).wall).unwrap();
    store.prune(&only(1), &at(6_002), false).unwrap();
    drop(store);
    let restored = put_back(&created.path, dir.path()).unwrap();
    let (mut store, _) = open(dir.path());
    assert_eq!(listed(dir.path()), expected);
    assert!(restored.replaced.join(SNAPSHOTS).join(snapshot_file(later.id)).exists());
    let next = capture(&mut store, &at(9_300));
    assert_eq!((next.sequence, next.previous), (10, Some(entries[4].as_previous())));
    let checked = verified(dir.path());
    assert!(checked.is_intact(), "{checked:?}");
    let reasons: Vec<&String> = checked.gaps.iter().flat_map(|gap| gap.reasons.keys()).collect();
    assert!(!reasons.is_empty());
    // And once more: nothing that was said before a restore is carried out after it.
    drop(store);
    put_back(&created.path, dir.path()).unwrap();
    let (mut store, _) = open(dir.path());
    assert_eq!(listed(dir.path()), expected);
    assert_eq!((capture(&mut store, &at(9_600)).sequence, store.identity().epoch), (11, 3));
    assert!(verified(dir.path()).is_intact());
}

#[test]
fn before_the_first_new_snapshot_a_restored_store_is_intact_too() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = scene(dir.path());
    let created = make(dir.path());
    capture(&mut store, &at(6_000));
    drop(store);
    put_back(&created.path, dir.path()).unwrap();
    drop(open(dir.path()));
    let checked = verified(dir.path());
    assert!(checked.is_intact(), "{checked:?}");
    // And however often it is opened before: no number is given a second time.
    drop(open(dir.path()));
    let (mut store, _) = open(dir.path());
    assert_eq!(capture(&mut store, &at(9_300)).sequence, 10);
    assert!(verified(dir.path()).is_intact());
}

#[test]
fn what_was_purged_stays_purged() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, entries) = scene(dir.path());
    let created = make(dir.path());
    let line = serde_json::json!({ "snapshots": [
        { "sequence": entries[1].sequence, "id": entries[1].id, "sha256": entries[1].sha256, "previous": entries[1].previous, "reason": "purge" },
    ] });
    store.audit(at(6_000).wall, "purge", line, true).unwrap();
    drop(store);
    let restored = put_back(&created.path, dir.path()).unwrap();
    assert_eq!(restored.purged, [entries[1].id]);
    assert!(restored.without_history.unwrap().contains("purged"));
    let (mut store, _) = open(dir.path());
    assert_eq!(listed(dir.path()).iter().map(|(sequence, ..)| *sequence).collect::<Vec<_>>(), [2, 6, 7, 8]);
    capture(&mut store, &at(9_300));
    assert!(verified(dir.path()).is_intact(), "{:?}", verified(dir.path()));
}

#[test]
fn a_store_that_is_in_use_is_not_restored_into() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, _) = scene(dir.path());
    let created = make(dir.path());
    assert!(matches!(put_back(&created.path, dir.path()), Err(BackupError::InUse(_))));
}

#[test]
fn a_backup_of_another_store_is_refused_and_nothing_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let _scene = scene(dir.path());
    let created = make(dir.path());
    drop(scene(elsewhere.path()));
    let before = everything(elsewhere.path());
    assert!(matches!(put_back(&created.path, elsewhere.path()), Err(BackupError::Foreign { .. })));
    assert_eq!(everything(elsewhere.path()), before);
}

#[test]
fn any_changed_byte_and_any_cut_is_found_and_nothing_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    drop(scene(dir.path()));
    let created = make(dir.path());
    let whole = std::fs::read(&created.path).unwrap();
    let damaged = dir.path().join("damaged");
    let write = |bytes: &[u8]| std::fs::File::create(&damaged).unwrap().write_all(bytes).unwrap();
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        write(&bytes);
        let error = verify(&damaged, &Keys::default(), &mut |_, _| {}).unwrap_err();
        assert!(error.to_string().contains("damaged"), "byte {place}: {error}");
    }
    for length in (0..whole.len()).step_by(61) {
        write(&whole[..length]);
        assert!(verify(&damaged, &Keys::default(), &mut |_, _| {}).is_err(), "cut at {length}");
    }
    let before = everything(dir.path());
    assert!(put_back(&damaged, dir.path()).is_err());
    assert_eq!(everything(dir.path()), before);
}

#[test]
fn hostile_archives_are_refused_and_nothing_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    let (store, entries) = scene(dir.path());
    let created = make(dir.path());
    drop(store);
    let refused = |what: &str, path: &Path| {
        let before = everything(dir.path());
        let error = put_back(path, dir.path()).unwrap_err();
        let mut said = error.to_string();
        if let Some(source) = std::error::Error::source(&error) {
            said += &source.to_string();
        }
        assert!(said.contains(what), "{what}: {said}");
        assert_eq!(everything(dir.path()), before, "{what}");
    };
    let add = |name: &str, content: &[u8]| {
        forged(&created.path, |members| members.insert(1, (name.to_owned(), content.to_vec())))
    };
    refused("a file named `authorized_keys`", &add("authorized_keys", b"x"));
    refused("a file named `snapshots/lock`", &add("snapshots/lock", b"x"));
    refused("a file named `cache/x`", &add("cache/x", b"x"));
    let mark = format!("{SNAPSHOTS}/snapshot-{}.keep", entries[2].id);
    refused("with 70000 bytes", &add(&mark, &[b' '; 70_000]));
    refused("is in it twice", &add(&format!("{SNAPSHOTS}/snapshot-{}.keep", entries[0].id), b"{}"));
    refused("more than", &add("config/bomb", &vec![0; 400 << 20]));
    let exchange =
        |at: usize, change: &dyn Fn(&mut Vec<u8>)| forged(&created.path, |members| change(&mut members[at].1));
    refused("truncated", &exchange(2, &|content| content.truncate(300)));
    refused("altered", &exchange(2, &|content| content[400] ^= 1));
    refused("does not begin with", &forged(&created.path, |members| members.swap(0, 1)));
    refused(
        "its format",
        &exchange(0, &|content| {
            *content = String::from_utf8(content.clone()).unwrap().replace("backup/1", "backup/9").into_bytes();
        }),
    );
    refused(
        "its database",
        &forged(&created.path, |members| {
            let database = members.iter_mut().find(|(name, _)| name == "ghost.db").unwrap();
            database.1[4_096..].fill(0x5a);
        }),
    );
    refused(
        "is not in it",
        &forged(&created.path, |members| {
            members.retain(|(name, _)| !name.contains(&entries[4].id.to_string()));
        }),
    );
    let members = members_of(&created.path);
    let as_they_are: Vec<(&str, &[u8])> = members.iter().map(|(name, content)| (&**name, &content[..])).collect();
    let path = dir.path().join(BACKUPS).join("forged");
    atomic_write(&path, &archive(&as_they_are[..as_they_are.len() - 1])).unwrap();
    refused("no manifest", &path);
    let without_one = [&as_they_are[..3], &as_they_are[4..]].concat();
    atomic_write(&path, &archive(&without_one)).unwrap();
    refused("not those of its manifest", &path);
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&created.path, &path).unwrap();
    refused("cannot open", &path);
}

#[test]
fn a_crash_or_fault_at_any_step_of_a_restore_leaves_the_old_store_or_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let (mut store, _) = scene(dir.path());
    let created = make(dir.path());
    let restored = listed(dir.path());
    capture(&mut store, &at(6_000));
    let standing = listed(dir.path());
    drop(store);
    let (mut old, mut new) = (0, 0);
    for step in 1.. {
        let copy = tempfile::tempdir().unwrap();
        let copied = std::process::Command::new("cp").arg("-a").arg(dir.path().join(".")).arg(copy.path()).status();
        assert!(copied.unwrap().success());
        fault::inject(step, usize::MAX, Errno::IO);
        let result = put_back(&created.path, copy.path()).map(drop);
        let opened = ExclusiveStore::open(copy.path(), &at(9_100)).map(drop);
        let seen = fault::end().len();
        let (mut store, _) = open(copy.path());
        let now = listed(copy.path());
        if result.is_err() || now == standing {
            assert_eq!(now, standing, "step {step}");
            old += 1;
        } else {
            assert_eq!(now, restored, "step {step}");
            new += 1;
        }
        capture(&mut store, &at(9_300));
        let checked = verified(copy.path());
        assert!(checked.is_intact(), "step {step}: {checked:?}");
        let left: Vec<_> = std::fs::read_dir(copy.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| !name.to_string_lossy().starts_with(".tmp")), "step {step}: {left:?}");
        if step > seen {
            assert!(opened.is_ok());
            break;
        }
    }
    assert!(old > 2 && new > 8, "{old} {new}");
}

#[test]
fn an_encrypted_backup_is_read_back_as_it_is_made_and_opens_with_its_key_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = scene(dir.path());
    drop(store);
    let (identity, recipient) = Keys::generate();
    let file = dir.path().join("identity");
    atomic_write(&file, identity.as_bytes()).unwrap();
    let keys = Keys::read(&file).unwrap();
    let created = make_for(dir.path(), Some(Recipient::parse(&recipient).unwrap()));
    assert!(is_encrypted(&created.path));
    assert_eq!(digest_of(&created.path, &mut |_, _| {}).unwrap(), created.sha256);
    let listed = list(&dir.path().join(BACKUPS), &Keys::default()).unwrap();
    assert_eq!((listed[0].encrypted, listed[0].info.is_none(), listed[0].number), (true, true, 1));
    assert_eq!(verify(&created.path, &keys, &mut |_, _| {}).unwrap().snapshots, 5);
    let whole = std::fs::read(&created.path).unwrap();
    for name in ["snapshot-", "ustar", "backup.json"] {
        assert!(!whole.windows(name.len()).any(|bytes| bytes == name.as_bytes()), "{name}");
    }
    let other = Keys::passing();
    for wrong in [&Keys::default(), &other] {
        let error = verify(&created.path, wrong, &mut |_, _| {}).unwrap_err();
        assert!(matches!(error, BackupError::Encrypted { .. }), "{error}");
    }
    // Every byte of the header, and one in seven of the rest: each is authenticated in the same way.
    let damaged = dir.path().join("damaged");
    for place in (0..400).chain((400..whole.len()).step_by(7)) {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        std::fs::File::create(&damaged).unwrap().write_all(&bytes).unwrap();
        assert!(verify(&damaged, &keys, &mut |_, _| {}).is_err(), "byte {place}");
    }
    for length in (0..whole.len()).step_by(101) {
        std::fs::File::create(&damaged).unwrap().write_all(&whole[..length]).unwrap();
        assert!(verify(&damaged, &keys, &mut |_, _| {}).is_err(), "cut at {length}");
    }
    let fresh = tempfile::tempdir().unwrap();
    restore(&created.path, &keys, fresh.path(), at(9_000).wall, &mut |_, _| {}).unwrap();
    drop(open(fresh.path()));
    assert_eq!(listed_ids(fresh.path()), listed_ids(dir.path()));
}

fn listed_ids(dir: &Path) -> Vec<SnapshotId> {
    listed(dir).into_iter().map(|(_, id, _)| id).collect()
}
