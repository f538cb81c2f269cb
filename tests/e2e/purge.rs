//! Purging over the real ghostd: nothing below the data directory has it afterwards, and the chain still verifies.

use std::io::Write as _;

use super::harness::{QUIET, Site, bounded};

const LEAK: &str = "KLMN-4711-leaked";

/// Files below the data directory that hold it as it is; a backup is looked into.
fn holders(site: &Site) -> Vec<String> {
    let mut found = Vec::new();
    for file in site.all_files() {
        let bytes = std::fs::read(&file).unwrap();
        let name = file.display().to_string();
        let bytes = if name.ends_with(".zst") { zstd::decode_all(&bytes[..]).unwrap() } else { bytes };
        if bytes.windows(LEAK.len()).any(|window| window == LEAK.as_bytes()) {
            found.push(name);
        }
    }
    found
}

fn scene() -> Site {
    let site = Site::with(QUIET);
    site.snapshot();
    site.ghostd(&["snapshot", "--reason", LEAK]).exits(0);
    site.ghostd(&["snapshot", "--reason", "fine"]).exits(0);
    site.ghostd(&["backup", "create"]).exits(0);
    assert!(holders(&site).len() >= 2, "{:?}", holders(&site));
    site
}

fn check(site: &Site) {
    assert_eq!(holders(site), Vec::<String>::new());
    assert_eq!(site.files().len(), 2);
    let verified = site.ghostd(&["verify", "--json"]).exits(0).json();
    assert_eq!(verified["stores"][0]["gaps"][0]["first"], 2);
    site.ghostd(&["backup", "verify"]).exits(0);
    site.ghostd(&["audit", "verify"]).exits(0);
}

#[test]
fn what_matches_is_gone_from_snapshots_history_and_backups_beside_the_daemon() {
    let site = scene();
    let daemon = site.run();
    let dry = site.ghostd(&["purge", "--matching", LEAK, "--dry-run", "--json"]).exits(0).json();
    assert_eq!(dry["snapshots"].as_array().map(Vec::len), Some(1));
    assert_eq!(dry["backups"][0]["state"], "rewritten");
    assert!(holders(&site).len() >= 2, "a dry run changes nothing");
    let unasked = site.ghostd(&["purge", "--matching", LEAK]).exits(2);
    assert!(unasked.stderr.contains("--yes"), "{unasked:?}");

    // From standard input it stands in no list of processes.
    let mut command = site.command(&["purge", "--matching", "-", "--fixed", "--yes", "--why", "a leak", "--json"]);
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(format!("{LEAK}\n").as_bytes()).unwrap();
    drop(writer);
    command.stdin(reader);
    let output = bounded(command);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
    drop(daemon);
    assert_eq!(holders(&site), Vec::<String>::new());
    site.ghostd(&["verify"]).exits(0);
    site.ghostd(&["backup", "verify"]).exits(0);
    site.ghostd(&["audit", "verify"]).exits(0);
}

#[test]
fn a_purge_is_obeyed_by_a_restore_of_the_rewritten_backup_on_another_machine() {
    let site = scene();
    site.ghostd(&["purge", "latest~1", "--yes", "--why", "a leak"]).exits(0);
    check(&site);
    let backup = std::fs::read_dir(site.data().join("backups")).unwrap().next().unwrap().unwrap().path();
    let other = Site::with(QUIET);
    let restored = other.ghostd(&["backup", "restore", backup.to_str().unwrap(), "--yes", "--json"]).exits(0).json();
    assert!(restored["without_history"].is_null(), "{restored}");
    assert_eq!(other.files().len(), 2);
    let verified = other.ghostd(&["verify", "--json"]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
}

#[test]
fn a_backup_made_before_a_purge_and_kept_elsewhere_does_not_bring_it_back() {
    let site = scene();
    let backup = std::fs::read_dir(site.data().join("backups")).unwrap().next().unwrap().unwrap().path();
    let elsewhere = site.path("elsewhere.tar.zst");
    std::fs::copy(&backup, &elsewhere).unwrap();
    site.ghostd(&["purge", "--matching", LEAK, "--yes"]).exits(0);
    let restored = site.ghostd(&["backup", "restore", elsewhere.to_str().unwrap(), "--yes", "--json"]).exits(0).json();
    assert_eq!(restored["purged"].as_array().map(Vec::len), Some(1));
    assert!(restored["without_history"].as_str().is_some_and(|why| why.contains("purged")), "{restored}");
    std::fs::remove_dir_all(restored["replaced"].as_str().unwrap()).unwrap();
    check(&site);
}
