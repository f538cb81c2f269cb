//! The first command on a fresh machine: no configuration, nothing stored, nothing compiled.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::harness::{Site, bounded, read};

const SECTIONS: [&str; 7] = ["anomaly", "clock", "daemon", "metric", "patch", "processes", "telemetry"];

#[test]
fn a_snapshot_without_any_configuration_has_all_sections_and_can_be_checked_without_ghostd() {
    let site = Site::empty();
    let answer = site.ghostd(&["snapshot", "--reason", "the first"]).exits(0);
    let id = answer.stdout.trim();

    let files = site.files();
    assert_eq!(files.len(), 1, "{files:?}");
    let file = &files[0];
    assert!(file.to_str().unwrap().ends_with(&format!("snapshot-{id}.json")), "{id} is not {file:?}");

    let body = read(file);
    let sections: Vec<&str> = body["sections"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(sections, SECTIONS);
    for (key, section) in body["sections"].as_object().unwrap() {
        // What a container hides of its machine is a warning in a partial section, and not this test's business.
        let completeness = section["completeness"].as_str().unwrap();
        assert!(matches!(completeness, "complete" | "partial"), "{key}: {section:#}");
        assert!(
            completeness == "complete" || !section["warnings"].as_array().unwrap().is_empty(),
            "{key}: {section:#}"
        );
        assert_eq!(section["generation"], 1, "{key}");
        assert!(!section["body"].as_object().unwrap().is_empty(), "{key}");
    }
    assert_eq!(body["sections"]["daemon"]["body"]["daemons"].as_array().unwrap().len(), 8);
    assert!(body["sections"]["metric"]["body"]["memory"]["total_bytes"].as_u64().unwrap() > 1 << 20);
    for collector in body["collectors"].as_array().unwrap() {
        assert_eq!(collector["status"], "ok", "{collector:#}");
    }
    assert_eq!((&body["id"], &body["sequence"], &body["reason"]), (&id.into(), &1.into(), &"the first".into()));
    assert!(body["previous"].is_null());

    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(file), 0o600);
    assert_eq!(mode(file.parent().unwrap()), 0o700);
    assert_eq!(mode(&site.data()), 0o700);
    for file in site.all_files() {
        assert_eq!(mode(&file) & 0o077, 0, "others may read {file:?}");
    }
}

#[test]
fn the_checksum_is_that_of_line_two_as_a_shell_sees_it() {
    let site = Site::with("");
    site.snapshot();
    let file = site.files().remove(0);

    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.matches('\n').count(), 3);
    let first = text.lines().next().unwrap();
    let (_, rest) = first.split_once(r#""sha256":""#).unwrap();

    let mut shell = Command::new("sh");
    shell.args(["-c", r#"sed -n 2p "$1" | tr -d '\n' | sha256sum"#, "sh"]).arg(&file);
    let output = bounded(shell);
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed.split_whitespace().next().unwrap(), rest.split('"').next().unwrap());

    site.ghostd(&["verify"]).exits(0);
    site.ghostd(&["verify", file.to_str().unwrap()]).exits(0);
    site.ghostd(&["show", "latest"]).exits(0);
}
