//! The database deleted, damaged and lost over the real ghostd: snapshots are never at stake, and history goes on.

use std::io::Write as _;

use super::harness::{PATIENCE, QUIET, Site, until};

fn events(site: &Site) -> String {
    site.ghostd(&["events", "--json", "--since", "1h"]).exits(0).stdout
}

#[test]
fn a_database_that_is_deleted_under_the_daemon_is_written_anew_and_the_next_snapshot_says_so() {
    let site = Site::with(&format!("[heartbeat]\nevery = \"200ms\"\n{QUIET}"));
    let daemon = site.run();
    site.snapshot();
    for name in ["ghost.db", "ghost.db-wal", "ghost.db-shm"] {
        std::fs::remove_file(site.data().join(name)).unwrap();
    }
    daemon.says("written anew");
    until("it is there again", PATIENCE, || site.data().join("ghost.db").exists().then_some(()));
    assert!(events(&site).contains("ghostd started"), "what was recorded before is still there");
    let next = site.snapshot();
    assert!(next["notices"][0].as_str().is_some_and(|notice| notice.contains("nothing is lost")), "{next}");
    assert!(site.snapshot().get("notices").is_none(), "it is said once");
    assert!(daemon.status()["conditions"].as_array().unwrap().is_empty());
    drop(daemon);
    site.ghostd(&["verify"]).exits(0);
}

#[test]
fn a_damaged_database_is_set_aside_and_history_goes_on_from_the_copy() {
    let site = Site::with(QUIET);
    let first = site.snapshot();
    site.ghostd(&["backup", "create"]).exits(0);
    // A repair makes the copy, as the daily check does.
    site.ghostd(&["repair"]).exits(0);
    assert!(events(&site).contains("backup_complete"));
    for _ in 0..2 {
        std::fs::File::create(site.data().join("ghost.db")).unwrap().write_all(&[0x5a; 50_000]).unwrap();
        let next = site.snapshot();
        assert!(next["notices"][0].as_str().is_some_and(|notice| notice.contains("from a copy of")), "{next}");
        assert_eq!(next["store"], first["store"]);
        assert!(events(&site).contains("backup_complete"), "the copy had it");
    }
    std::fs::remove_file(site.data().join("ghost.db")).unwrap();
    let next = site.snapshot();
    assert!(next["notices"][0].as_str().is_some_and(|notice| notice.contains("was gone")), "{next}");
    assert_eq!(site.ghostd(&["list", "--json"]).exits(0).json().as_array().unwrap().len(), 4);
    site.ghostd(&["verify"]).exits(0);
    site.ghostd(&["audit", "verify"]).exits(0);
}

#[test]
fn without_a_copy_the_history_is_lost_and_nothing_else() {
    let site = Site::with(QUIET);
    let first = site.snapshot();
    site.ghostd(&["keep", "latest", "--why", "the outage"]).exits(0);
    std::fs::File::create(site.data().join("ghost.db")).unwrap().write_all(&[0x5a; 50_000]).unwrap();
    let daemon = site.run();
    let next = site.snapshot();
    let stored = site.files().iter().map(|file| super::harness::read(file)).collect::<Vec<_>>();
    assert!(stored.iter().any(|one| one["notices"][0].as_str().is_some_and(|notice| notice.contains("are lost"))));
    assert_eq!(next["store"]["id"], first["store"]["id"]);
    assert!(site.ghostd(&["list", "--json"]).exits(0).stdout.contains("the outage"));
    drop(daemon);
    site.ghostd(&["verify"]).exits(0);
}
