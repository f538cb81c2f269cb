//! What the record proves to somebody who does not trust the machine: signatures, published heads, a log that is rotated.

use std::path::Path;
use std::process::Command;

use super::harness::{PATIENCE, Process, QUIET, Site, until};

fn sealed(more: &str) -> (Site, String) {
    let site = Site::with(QUIET);
    let key = site.path("seal.key");
    let public = site.ghostd(&["key", "new", key.to_str().unwrap()]).exits(0).stdout.trim().to_owned();
    let file = site.path("heads.jsonl");
    site.configure(&format!(
        "[security]\nseal_key_file = {key:?}\nhead_file = {file:?}\n{more}\n{QUIET}",
        key = key.to_str().unwrap(),
        file = file.to_str().unwrap(),
    ));
    (site, public)
}

#[test]
fn the_public_key_of_the_first_day_proves_every_later_snapshot() {
    let (site, public) = sealed("seal_key_every = \"1s\"");
    let first = std::fs::read(site.path("seal.key")).unwrap();
    for _ in 0..3 {
        site.snapshot();
    }
    let daemon = site.run();
    let last = site.snapshot();
    drop(daemon);
    assert!(last["seal"]["number"].as_u64() > Some(2), "{}", last["seal"]);
    assert_ne!(std::fs::read(site.path("seal.key")).unwrap(), first, "the first secret is gone");
    let good = site.ghostd(&["verify", "--public-key", &public, "--json"]).exits(0).json();
    assert!(good["signatures"]["good"].as_u64() >= Some(4), "{good}");
    let other = site.ghostd(&["key", "new", site.path("other.key").to_str().unwrap()]).exits(0).stdout;
    site.ghostd(&["verify", "--public-key", other.trim()]).exits(1);

    // Without ghostd: the second line hashes to what the first says, and the whole is JSON.
    let file = site.files().pop().unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let sum =
        Command::new("sh").arg("-c").arg("sed -n 2p \"$0\" | tr -d '\\n' | sha256sum").arg(&file).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    assert!(text.lines().next().unwrap().contains(&sum[..64]), "{sum}");
    assert!(text.lines().nth(2).unwrap().contains("\"algorithm\":\"ed25519\""));
    // Every byte of the last line counts.
    let from = text.len() - text.lines().nth(2).unwrap().len() - 1;
    for place in (from..text.len()).step_by(5) {
        let mut bytes = text.clone().into_bytes();
        bytes[place] ^= 1;
        write(&file, &bytes);
        site.ghostd(&["verify", file.to_str().unwrap()]).exits(1);
    }
    write(&file, text.as_bytes());
    site.ghostd(&["verify"]).exits(0);

    // Without its key it does not start: what is not signed could not be told from what somebody put there.
    std::fs::remove_file(site.path("seal.key")).unwrap();
    assert!(site.ghostd(&["snapshot"]).exits(2).stderr.contains("seal key"));
}

#[test]
fn a_tail_that_was_cut_off_is_given_away_by_the_published_heads_alone() {
    let (site, _) = sealed("");
    let daemon = site.run();
    for _ in 0..3 {
        site.snapshot();
    }
    let heads = site.path("heads.jsonl");
    let count = || std::fs::read_to_string(&heads).map_or(0, |text| text.lines().count());
    until("every head is published", PATIENCE, || (count() >= site.files().len()).then_some(()));
    drop(daemon);
    let heads = heads.to_str().unwrap();
    site.ghostd(&["verify", "--heads", heads]).exits(0);
    let audit = std::fs::read_to_string(site.data().join("audit.jsonl")).unwrap();
    // Somebody takes the last snapshot away, and everything on this machine that remembers it.
    let last = site.files().pop().unwrap();
    let id = last.file_stem().unwrap().to_str().unwrap().trim_start_matches("snapshot-").to_owned();
    std::fs::remove_file(&last).unwrap();
    let lines: Vec<&str> = audit.lines().take_while(|line| !line.contains(&id)).collect();
    write(&site.data().join("audit.jsonl"), format!("{}\n", lines.join("\n")).as_bytes());
    for name in ["ghost.db", "ghost.db-wal", "ghost.db-shm"] {
        let _ = std::fs::remove_file(site.data().join(name));
    }
    site.ghostd(&["verify"]).exits(0);
    let found = site.ghostd(&["verify", "--heads", heads]).exits(1);
    assert!(found.stdout.contains(&id), "{found:?}");
}

#[test]
fn the_audit_log_is_rotated_and_its_chain_goes_on() {
    let site = Site::with(&format!("[security]\naudit_rotate = \"4KiB\"\n{QUIET}"));
    let daemon = site.run();
    for _ in 0..6 {
        site.snapshot();
        site.ghostd(&["keep", "latest", "--why", &"a reason that is long ".repeat(20)]).exits(0);
    }
    drop(daemon);
    let parts = || -> Vec<_> {
        let names = site
            .all_files()
            .into_iter()
            .filter(|file| file.file_name().unwrap().to_str().is_some_and(|name| name.starts_with("audit-")));
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    };
    assert!(!parts().is_empty());
    let checked = site.ghostd(&["audit", "verify", "--json"]).exits(0).json();
    let shown = site.ghostd(&["audit", "--json", "-n", "1000"]).exits(0).json();
    assert_eq!(checked["lines"].as_u64(), shown.as_array().map(|lines| lines.len() as u64));
    site.ghostd(&["verify"]).exits(0);
    site.ghostd(&["backup", "create"]).exits(0);
    site.ghostd(&["backup", "restore", "latest", "--yes"]).exits(0);
    site.ghostd(&["audit", "verify"]).exits(0);
    site.ghostd(&["verify"]).exits(0);
    std::fs::remove_file(parts().remove(0)).unwrap();
    site.ghostd(&["audit", "verify"]).exits(1);
}

#[test]
fn the_snapshots_around_a_failure_are_kept_and_say_why() {
    let site = Site::empty();
    let program = site.path("fragile");
    std::fs::copy("/bin/sleep", &program).unwrap();
    let site = {
        let config = format!("[heartbeat]\nevery = \"200ms\"\n{QUIET}[[daemon]]\nname = \"fragile\"\n");
        let other = Site::with(&config);
        std::fs::copy(&program, other.path("fragile")).unwrap();
        other
    };
    let daemon = site.run();
    let process = Process::start(&site.path("fragile"), &["1000"]);
    until("it is seen", PATIENCE, || (daemon.watched("fragile")["status"] == "running").then_some(()));
    let before = site.snapshot();
    drop(process);
    let marks = || -> Vec<(String, String)> {
        let list = site.ghostd(&["list", "--json"]).exits(0).json();
        let marked = list.as_array().unwrap().iter().filter(|entry| entry["mark"].is_object());
        marked
            .map(|entry| (entry["id"].as_str().unwrap().to_owned(), entry["mark"]["why"].as_str().unwrap().to_owned()))
            .collect()
    };
    until("both are marked", PATIENCE, || (marks().len() == 2).then_some(()));
    let marks = marks();
    assert_eq!(marks[1].0, before["id"].as_str().unwrap());
    assert!(marks[1].1.contains("the last before: daemon fragile failed"), "{marks:?}");
    assert!(marks[0].1.contains("the first after: daemon fragile failed"), "{marks:?}");
}

fn write(path: &Path, bytes: &[u8]) {
    use std::io::Write as _;
    std::fs::File::create(path).unwrap().write_all(bytes).unwrap();
}
