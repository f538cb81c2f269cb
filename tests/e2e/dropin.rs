//! A stranger's component, put into the directory of a running daemon: no code touched, no SDK, no grant.

use std::io::Write;
use std::time::Duration;

use crate::guests;
use crate::harness::{PATIENCE, QUIET, Site, collector, make_private, until};

const RHYTHM: &str = "[snapshot]\nevery = \"500ms\"\n";

#[test]
fn a_component_that_is_copied_in_slowly_is_loaded_whole_and_leaves_with_its_file() {
    let wasm = guests::raw();
    let site = Site::with(&format!("{RHYTHM}{QUIET}"));
    make_private(&site.path("collectors.d"));
    let file = site.path("collectors.d").join("raw.wasm");
    let daemon = site.run();
    until("the first snapshot", PATIENCE, || site.newest());

    // A slow copy: half of it, a pause, the rest.
    let (half, rest) = wasm.split_at(wasm.len() / 2);
    let mut copy = std::fs::File::create(&file).unwrap();
    copy.write_all(half).unwrap();
    copy.sync_all().unwrap();
    std::thread::sleep(Duration::from_millis(1200));
    copy.write_all(rest).unwrap();
    drop(copy);

    let body = until("its section is in a snapshot", PATIENCE, || {
        site.newest().filter(|body| body["sections"]["raw"]["completeness"] == "complete")
    });
    let section = &body["sections"]["raw"];
    assert_eq!(section["body"]["answer"], 42);
    assert_eq!(section["collector"], "raw");
    assert_eq!(section["component_sha256"], ghostd::model::Digest::of(&wasm).to_string());
    assert_eq!(collector(&body, "raw")["status"], "ok");
    let log = daemon.log();
    assert!(!log.contains("refused"), "half of it was taken for the whole:\n{log}");
    assert_eq!(log.matches("A collector was loaded. collector=\"raw\"").count(), 1, "{log}");

    std::fs::remove_file(&file).unwrap();
    let body =
        until("its section is gone", PATIENCE, || site.newest().filter(|body| body["sections"].get("raw").is_none()));
    assert!(body["collectors"].as_array().unwrap().iter().all(|one| one["name"] != "raw"), "{:#}", body["collectors"]);
    assert!(
        body["sections"]["clock"]["completeness"] == "complete",
        "the others stay: {:#}",
        body["sections"]["clock"]
    );
}

#[test]
fn a_file_that_stays_half_is_refused_and_the_last_good_version_goes_on() {
    let wasm = guests::raw();
    let site = Site::with(&format!("{RHYTHM}{QUIET}"));
    make_private(&site.path("collectors.d"));
    let file = site.path("collectors.d").join("raw.wasm");
    std::fs::write(&file, &wasm).unwrap();
    let daemon = site.run();
    let whole = |body: &serde_json::Value| body["sections"]["raw"]["completeness"] == "complete";
    until("its section is there", PATIENCE, || site.newest().filter(whole));

    std::fs::write(&file, &wasm[..wasm.len() / 2]).unwrap();
    daemon.says("A collector was refused.");
    daemon.says("Its last good version goes on running.");
    let before = site.newest().unwrap()["sections"]["raw"]["generation"].as_u64().unwrap();
    until("the last good version goes on", PATIENCE, || {
        site.newest().filter(whole).filter(|body| body["sections"]["raw"]["generation"].as_u64() > Some(before + 1))
    });
}

#[test]
fn a_directory_that_others_may_write_to_is_not_trusted() {
    use std::os::unix::fs::PermissionsExt;
    let wasm = guests::raw();
    let site = Site::with(QUIET);
    let dir = site.path("collectors.d");
    make_private(&dir);
    std::fs::write(dir.join("raw.wasm"), wasm).unwrap();
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o777)).unwrap();
    let answer = site.ghostd(&["snapshot"]).exits(0);
    assert!(answer.stderr.contains("is writable by others (chmod go-w)"), "{}", answer.stderr);
    let body = site.newest().unwrap();
    assert!(body["sections"].get("raw").is_none(), "it ran all the same");

    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(site.snapshot()["sections"]["raw"]["body"]["answer"], 42);
}
