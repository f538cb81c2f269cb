//! Links that somebody planted, directories that others can write to or own: refused, with what is behind them untouched.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::harness::{QUIET, Site};

/// What every command that writes says, with the target as it was.
#[track_caller]
fn refused(site: &Site, words: &str) {
    for arguments in [&["snapshot"][..], &["run"], &["backup", "create"], &["repair"], &["prune"]] {
        let answer = site.ghostd(arguments).exits(2);
        assert!(answer.stderr.contains(words), "{arguments:?}: {answer:?}");
    }
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_planted_link_is_refused_and_its_target_is_untouched() {
    let site = Site::with(QUIET);
    site.snapshot();
    let target = site.path("target");
    std::fs::copy(site.data().join("ghost.db"), &target).unwrap();
    let before = std::fs::read(&target).unwrap();
    for name in ["ghost.db", "ghost.db-wal", "ghost.db.copy", "audit.jsonl", "lock", "reserve"] {
        let place = site.data().join(name);
        let aside = site.path("aside");
        let was_there = std::fs::rename(&place, &aside).is_ok();
        symlink(&target, &place).unwrap();
        refused(&site, "symbolic link");
        assert_eq!(std::fs::read(&target).unwrap(), before, "{name}");
        std::fs::remove_file(&place).unwrap();
        if was_there {
            std::fs::rename(&aside, &place).unwrap();
        }
    }
    // A snapshot's own file: it is not read through the link, and verify says that it is gone or unreadable.
    let file = site.files().pop().unwrap();
    let elsewhere = site.path("elsewhere.json");
    std::fs::rename(&file, &elsewhere).unwrap();
    symlink(&elsewhere, &file).unwrap();
    site.ghostd(&["show", "latest"]).exits(2);
    site.ghostd(&["verify"]).exits(1);
}

#[test]
fn a_directory_that_others_can_write_to_or_own_is_refused() {
    let site = Site::with(QUIET);
    site.snapshot();
    for dir in [site.data(), site.data().join("snapshots"), site.data().join("backups")] {
        chmod(&dir, 0o770);
        refused(&site, "others may write to it");
        chmod(&dir, 0o700);
    }
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(site.data(), Some(65_534), None).unwrap();
        refused(&site, "belongs to uid 65534");
        std::os::unix::fs::chown(site.data(), Some(0), None).unwrap();
    } else {
        eprintln!("SKIPPED: only root can give a directory to somebody else");
    }
    site.snapshot();
    site.ghostd(&["verify"]).exits(0);
}
