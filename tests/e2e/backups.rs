//! Backups over the real ghostd: beside the daemon, on its schedule, encrypted, and the way back.

use std::io::Write as _;
use std::path::PathBuf;

use super::harness::{PATIENCE, QUIET, Site, make_private, until};

fn site(backup: &str) -> Site {
    Site::with(&format!("[backup]\n{backup}\n{QUIET}"))
}

fn files(site: &Site) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(site.data().join("backups")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn operations(site: &Site) -> Vec<String> {
    let lines = site.ghostd(&["audit", "--json", "-n", "1000"]).exits(0).json();
    lines.as_array().unwrap().iter().map(|line| line["operation"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_backup_beside_the_daemon_comes_back_after_the_store_is_gone() {
    let site = site("every = \"24h\"");
    let daemon = site.run();
    let first = site.snapshot();
    let id = first["id"].as_str().unwrap();
    site.ghostd(&["keep", "latest", "--why", "the outage"]).exits(0);
    let made = site.ghostd(&["backup", "create", "--json"]).exits(0).json();
    assert_eq!((made["number"].as_u64(), made["encrypted"].as_bool()), (Some(1), Some(false)));
    assert_eq!((&made["left_out"], &made["without_database"]), (&serde_json::json!([]), &serde_json::Value::Null));
    site.snapshot();
    let running = site.ghostd(&["backup", "restore", "latest", "--yes"]).exits(2);
    assert!(running.stderr.contains("in use"), "{running:?}");
    drop(daemon);

    let listed = site.ghostd(&["backup", "list", "--json"]).exits(0).json();
    assert_eq!(listed[0]["info"]["newest"]["id"], first["id"]);
    site.ghostd(&["backup", "verify"]).exits(0);
    let unasked = site.ghostd(&["backup", "restore", "latest"]).exits(2);
    assert!(unasked.stderr.contains("--yes"), "{unasked:?}");

    std::fs::remove_dir_all(site.data().join("snapshots")).unwrap();
    std::fs::remove_file(site.data().join("ghost.db")).unwrap();
    let restored = site.ghostd(&["backup", "restore", "1", "--yes", "--json"]).exits(0).json();
    assert_eq!(restored["store"]["epoch"], 2);
    assert!(restored["without_history"].is_null(), "{restored}");
    assert!(site.ghostd(&["show", id, "--json"]).exits(0).stdout.contains(id));
    assert!(site.ghostd(&["list", "--json"]).exits(0).stdout.contains("the outage"));
    site.ghostd(&["verify"]).exits(0);
    site.ghostd(&["audit", "verify"]).exits(0);
    let next = site.snapshot();
    assert_eq!((&next["store"]["epoch"], &next["store"]["forked_from"]["id"]), (&2.into(), &first["id"]));
    // The number goes on above the one that was lost.
    assert!(next["sequence"].as_u64() > first["sequence"].as_u64().map(|sequence| sequence + 1), "{next}");
    site.ghostd(&["verify"]).exits(0);
}

#[test]
fn the_daemon_makes_backups_by_itself_and_removes_the_oldest() {
    let site = site("every = \"1s\"\nkeep = 2");
    let daemon = site.run();
    until("the first backup is rotated away", PATIENCE, || {
        let files = files(&site);
        (!files.is_empty() && !files[0].to_str().unwrap().contains("backup-000001")).then_some(())
    });
    until("that is on record", PATIENCE, || operations(&site).contains(&"backup_delete".to_owned()).then_some(()));
    let events = site.ghostd(&["events", "--json", "--since", "1h"]).exits(0).stdout;
    assert!(events.contains("backup_start") && events.contains("backup_complete"), "{events}");
    assert!(daemon.status()["conditions"].as_array().unwrap().is_empty());
    drop(daemon);
    site.ghostd(&["backup", "verify"]).exits(0);
    site.ghostd(&["audit", "verify"]).exits(0);
}

#[test]
fn a_place_that_is_away_is_a_condition_until_it_is_back() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("mount");
    let site = site(&format!("every = \"1s\"\ndir = {:?}", dir.to_str().unwrap()));
    let daemon = site.run();
    let conditions = || daemon.status()["conditions"].as_array().unwrap().len();
    until("it is a condition", PATIENCE, || (conditions() == 1).then_some(()));
    make_private(&dir);
    until("it is over", PATIENCE, || (conditions() == 0).then_some(()));
    assert!(std::fs::read_dir(&dir).unwrap().count() > 0);
    let events = site.ghostd(&["events", "--json", "--since", "1h"]).exits(0).stdout;
    assert_eq!(events.matches("no backup was made").count(), 1, "said once: {events}");
}

#[test]
fn an_encrypted_backup_is_checked_without_its_key_and_restored_with_it() {
    let site = site("enabled = false");
    let key = site.path("key.txt");
    let recipient = site.ghostd(&["backup", "key", key.to_str().unwrap()]).exits(0).stdout.trim().to_owned();
    site.ghostd(&["backup", "key", key.to_str().unwrap()]).exits(2);
    site.configure(&format!("[backup]\nrecipient = {recipient:?}\n{QUIET}"));
    let snapshot = site.snapshot();
    site.ghostd(&["backup", "create"]).exits(0);
    let unopened = site.ghostd(&["backup", "verify", "--json"]).exits(0).json();
    assert_eq!(unopened["backups"][0]["state"], "unopened");
    let identity = ["--identity", key.to_str().unwrap()];
    let opened = site.ghostd(&[&["backup", "verify", "--json"][..], &identity].concat()).exits(0).json();
    assert_eq!(opened["backups"][0]["contents"]["snapshots"], 1);
    let closed = site.ghostd(&["backup", "restore", "latest", "--yes"]).exits(2);
    assert!(closed.stderr.contains("--identity"), "{closed:?}");
    site.ghostd(&[&["backup", "restore", "latest", "--yes"][..], &identity].concat()).exits(0);
    site.ghostd(&["show", snapshot["id"].as_str().unwrap()]).exits(0);

    let file = files(&site).remove(0);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::File::create(&file).unwrap().write_all(&bytes).unwrap();
    site.ghostd(&["backup", "verify"]).exits(1);
    site.ghostd(&[&["backup", "verify"][..], &identity].concat()).exits(1);

    site.configure(&format!("[backup]\nrecipient = \"age1nonsense\"\n{QUIET}"));
    let refused = site.ghostd(&["config", "check"]);
    assert!(
        refused.code != Some(0) && refused.stdout.contains("age recipient") | refused.stderr.contains("age recipient")
    );
}

#[test]
fn a_hostile_archive_and_a_planted_link_are_refused_and_nothing_is_touched() {
    let site = site("enabled = false");
    site.snapshot();
    site.ghostd(&["backup", "create"]).exits(0);
    let backup = files(&site).remove(0);
    // What SQLite lays beside a database that is read is not counted.
    let all = || -> Vec<_> {
        site.all_files().into_iter().filter(|file| !file.to_str().unwrap().contains("ghost.db-")).collect()
    };
    let before = all();

    let hostile = site.path("hostile.tar.zst");
    std::fs::File::create(&hostile).unwrap().write_all(b"../../../etc/passwd").unwrap();
    let refused = site.ghostd(&["backup", "restore", hostile.to_str().unwrap(), "--yes"]).exits(2);
    assert!(refused.stderr.contains("damaged") || refused.stderr.contains("archive"), "{refused:?}");
    let link = site.path("link.tar.zst");
    std::os::unix::fs::symlink(&backup, &link).unwrap();
    site.ghostd(&["backup", "restore", link.to_str().unwrap(), "--yes"]).exits(2);
    assert_eq!(all(), before);

    // A directory of backups that leads elsewhere.
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::rename(site.data().join("backups"), site.path("aside")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), site.data().join("backups")).unwrap();
    let planted = site.ghostd(&["backup", "create"]).exits(2);
    assert!(planted.stderr.contains("backups"), "{planted:?}");
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}
