//! The collector against a queue with the shapes that queues in the wild have, below
//! `tests/fixtures/patch/queue`.

use std::fs;
use std::path::{Path, PathBuf};

use ghostd_sdk::fake::{Host, invocation};
use ghostd_sdk::{Completeness, Error, Section};
use serde_json::{Value, json};

use super::*;

/// 2025-08-02T00:00:00Z.
const NOW_MS: i64 = 1_754_092_800_000;
const HOUR_MS: i64 = 3_600_000;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/patch/queue")
}

/// A host with the fixture as its queue; every file was last written at the beginning of August 2025.
fn host() -> Host {
    let mut host = Host::new();
    let mut folders = vec![fixture()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(fixture()).unwrap().to_str().unwrap().to_owned();
            host.files.write("queue", &name, &fs::read(&path).unwrap());
            host.files.set_modified("queue", &name, (NOW_MS - 24 * HOUR_MS) * 1_000_000);
        }
    }
    host
}

fn look_at(host: &mut Host, now_ms: i64, config: &str) -> Section {
    let mut call = invocation(&[SECTION]);
    call.now_ms = now_ms;
    host.collect::<PatchCollector>(&call, config).unwrap().remove(0)
}

fn body(section: &Section) -> Value {
    serde_json::from_str(&section.body).unwrap()
}

fn fingerprints(section: &Section) -> Vec<(&str, bool)> {
    section.findings.iter().map(|finding| (finding.fingerprint.as_str(), finding.resolved)).collect()
}

fn ids(patches: &Value) -> Vec<&str> {
    patches.as_array().unwrap().iter().map(|patch| patch["id"].as_str().unwrap()).collect()
}

#[test]
fn a_queue_in_the_wild_is_counted_and_ordered() {
    let section = look_at(&mut host(), NOW_MS, "{}");
    let body = body(&section);
    assert_eq!(section.completeness, Completeness::Complete, "{:?}", section.warnings);
    assert_eq!(body["queue"], json!({"pending": 1, "executing": 1, "completed": 6, "failed": 2}));
    assert_eq!(
        body["last_completed"],
        json!({
            "id": "patch-v3.3.19(P11.12.06)_relay-guard", "state": "completed", "version": "3.3.19", "phase": "P11.12.06",
            "time": "2025-07-29T23:59:00.000Z", "time_from": "patch",
            "path": ".completed/patch-v3.3.19(P11.12.06)_relay-guard.json",
            "size_bytes": body["last_completed"]["size_bytes"],
        })
    );
    // An earlier version that says it came later. That another one's file was written later says little.
    assert_eq!(body["latest_completed"]["id"], "patch-v3.3.9(P11.9.00)_a-later-name-an-earlier-version");
    assert_eq!(
        ids(&body["history"]),
        [
            "patch-v3.3.19(P11.12.06)_relay-guard",
            "patch-v3.3.9(P11.9.00)_a-later-name-an-earlier-version",
            "patch-v1.4.700(P6.01.01)_render-performance",
            "patch-queue-tidy",
            "patch-queue-probe",
            "patch-v1.0.0(P0.1.01)_backup-creation",
            "unknown_FAILED_20250711_025657",
            "ghost-test-patch",
        ]
    );
    let history = &body["history"];
    assert_eq!((&history[3]["phase"], &history[3]["time"]), (&json!("P8.10.03"), &json!("2025-07-21T12:00:00.000Z")));
    assert_eq!((&history[5]["version"], &history[5]["phase"]), (&json!("1.0.0"), &json!("P0")));
    assert_eq!((&history[6]["state"], &history[6]["time_from"]), (&json!("failed"), &json!("file")));
}

#[test]
fn folders_without_a_state_are_counted_by_name() {
    let body = body(&look_at(&mut host(), NOW_MS, "{}"));
    let folder = |name: &str| {
        let folders = body["folders"].as_array().unwrap();
        folders.iter().find(|folder| folder["name"] == name).unwrap_or_else(|| panic!("no folder `{name}`")).clone()
    };
    assert_eq!(folder(".hold"), json!({"name": ".hold", "files": 1}));
    assert_eq!(folder("."), json!({"name": ".", "files": 1}));
    assert_eq!(folder(".completed"), json!({"name": ".completed", "state": "completed", "files": 8}));
    assert_eq!(folder("processed")["state"], "completed");
    // `patch-loose.json` with its version 9.9.9 belongs to no state.
    assert!(!body["history"].to_string().contains("loose"));
}

#[test]
fn what_is_malformed_and_what_is_no_patch_is_named() {
    let section = look_at(&mut host(), NOW_MS, "{}");
    let body = body(&section);
    assert_eq!(body["malformed"]["count"], 1);
    let malformed = &body["malformed"]["files"][0];
    assert_eq!(malformed["path"], ".pending/patch-v3.3.22(P11.12.09)_half-written.json");
    assert!(malformed["reason"].as_str().unwrap().starts_with("EOF while parsing a string at line 3"), "{malformed}");
    assert_eq!(
        body["not_patches"],
        json!({"count": 3, "files": [".completed/README.md", ".completed/index.json", ".completed/state.json"]})
    );
    assert!(fingerprints(&section).contains(&("patch:malformed", false)));
}

#[test]
fn no_content_of_a_patch_is_recorded_or_remembered() {
    let mut host = host();
    let section = look_at(&mut host, NOW_MS, "{}");
    let remembered = [STATE_MEMORY, STATE_CACHE].map(|key| host.state.get(key).unwrap_or_default().to_owned());
    for text in [format!("{section:?}"), remembered.concat()] {
        for planted in ["planted-relay-token", "tsc --noEmit", "mv .done", "replacement"] {
            assert!(!text.contains(planted), "`{planted}`");
        }
    }
}

#[test]
fn what_executes_for_too_long_is_a_finding_until_it_is_done() {
    let mut host = host();
    let path = ".executing/patch-v3.3.20(P11.12.07)_long-runner.json";
    let section = look_at(&mut host, NOW_MS, "{}");
    let executing = &body(&section)["executing"][0];
    assert_eq!(
        (&executing["stuck"], &executing["since_from"], &executing["seconds"]),
        (&json!(true), &json!("file"), &json!(86_400))
    );
    let print = section.findings[0].fingerprint.clone();
    assert!(
        print.starts_with("patch:stuck:patch-v3.3.20(P11.12.07)_long-runner-")
            || print.starts_with("patch:stuck:patch-v3.3.20_P11"),
        "{print}"
    );
    host.files.rename("queue", path, &path.replace(".executing", ".completed"));
    let section = look_at(&mut host, NOW_MS + HOUR_MS, "{}");
    assert!(fingerprints(&section).contains(&(print.as_str(), true)));
    assert_eq!(body(&section)["last_completed"]["version"], "3.3.20");
}

#[test]
fn a_patch_that_fails_between_two_looks_is_a_finding() {
    let mut host = host();
    look_at(&mut host, NOW_MS, "{}");
    let path = ".pending/patch-v3.3.21(P11.12.08)_next.json";
    host.files.rename("queue", path, &path.replace(".pending", ".failed"));
    let section = look_at(&mut host, NOW_MS + HOUR_MS, "{}");
    let failed: Vec<_> = section.findings.iter().filter(|finding| finding.fingerprint.contains(":failed:")).collect();
    assert_eq!(failed.len(), 1, "the two that were there before are no news");
    assert_eq!(failed[0].title, "patch `patch-v3.3.21(P11.12.08)_next` failed");
    assert_eq!(failed[0].first_ms, Some(NOW_MS + HOUR_MS));
}

#[test]
fn what_did_not_change_is_not_read_again_even_when_it_moves() {
    let mut host = host();
    let first = look_at(&mut host, NOW_MS, "{}");
    let path = ".completed/patch-queue-tidy.json";
    // Opening it again would fail, and cost the section its completeness.
    for path in [path, ".failed/patch-queue-tidy.json", ".completed/patch-queue-probe.json"] {
        host.files.fail_open("queue", path, Error::Io("read again".to_owned()));
    }
    let second = look_at(&mut host, NOW_MS, "{}");
    assert_eq!((first.body, &second.warnings), (second.body, &vec![]));
    host.files.rename("queue", path, ".failed/patch-queue-tidy.json");
    let third = look_at(&mut host, NOW_MS, "{}");
    assert_eq!(third.warnings, Vec::<String>::new());
    let tidy =
        body(&third)["history"].as_array().unwrap().iter().find(|patch| patch["id"] == "patch-queue-tidy").cloned();
    assert_eq!(tidy.unwrap()["state"], "failed");
}

#[test]
fn a_file_that_changed_is_read_again() {
    let mut host = host();
    look_at(&mut host, NOW_MS, "{}");
    host.files.write(
        "queue",
        ".pending/patch-v3.3.22(P11.12.09)_half-written.json",
        br#"{"id":"patch-v3.3.22(P11.12.09)_whole"}"#,
    );
    let section = look_at(&mut host, NOW_MS, "{}");
    assert_eq!(body(&section)["malformed"]["count"], 0);
    assert!(fingerprints(&section).contains(&("patch:malformed", true)));
}

#[test]
fn a_patch_of_megabytes_is_read_to_the_limit_and_counts() {
    let mut host = Host::new();
    let big = format!(r#"{{"id":"patch-v2.0.0(P1.1)_big","contents":"{}"}}"#, "x".repeat(3 << 20));
    host.files.write("queue", ".completed/patch-big.json", big.as_bytes());
    let body = body(&look_at(&mut host, NOW_MS, "{}"));
    assert_eq!(
        (&body["last_completed"]["id"], &body["last_completed"]["version"]),
        (&json!("patch-v2.0.0(P1.1)_big"), &json!("2.0.0"))
    );
    assert_eq!(body["malformed"]["count"], 0);
}

#[test]
fn a_patch_that_moves_on_under_the_look_is_not_counted_where_it_was() {
    let mut host = host();
    let path = ".executing/patch-v3.3.20(P11.12.07)_long-runner.json";
    host.files.fail_open("queue", path, Error::NotFound("moved".to_owned()));
    let section = look_at(&mut host, NOW_MS, "{}");
    assert_eq!(body(&section)["queue"]["executing"], 0);
    assert_eq!(section.completeness, Completeness::Complete);
}

#[test]
fn a_patch_that_cannot_be_read_counts_and_is_said() {
    let mut host = host();
    let path = ".completed/patch-queue-tidy.json";
    host.files.fail_open("queue", path, Error::Forbidden("permission".to_owned()));
    let section = look_at(&mut host, NOW_MS, "{}");
    assert_eq!(body(&section)["queue"]["completed"], 6);
    assert_eq!(section.warnings, ["cannot read `.completed/patch-queue-tidy.json`: forbidden: permission"]);
}

#[test]
fn a_large_history_is_counted_whole_and_read_in_part() {
    let mut host = Host::new();
    for n in 0..3000 {
        host.files.write(
            "queue",
            &format!(".completed/patch-v1.{n}.0_x.json"),
            format!(r#"{{"id":"patch-v1.{n}.0_x"}}"#).as_bytes(),
        );
    }
    let section = look_at(&mut host, NOW_MS, "{}");
    let body = body(&section);
    assert_eq!(body["queue"]["completed"], 3000);
    assert_eq!(body["last_completed"]["version"], "1.2999.0");
    assert!(host.state.get(STATE_CACHE).unwrap().len() <= queue::MAX_CACHE_BYTES + 2);
    assert!(section.body.len() < 8 * 1024, "{} bytes", section.body.len());
}

#[test]
fn a_call_with_little_budget_leaves_the_rest_to_the_next() {
    let mut host = Host::new();
    for n in 0..20 {
        host.files.write("queue", &format!(".pending/patch-{n}.json"), format!(r#"{{"id":"p{n}"}}"#).as_bytes());
    }
    let mut call = invocation(&[SECTION]);
    call.attempt = 4;
    let first = host.collect::<PatchCollector>(&call, "{}").unwrap().remove(0);
    assert_eq!((&body(&first)["unread"], first.completeness), (&json!(19), Completeness::Partial));
    assert_eq!(body(&first)["queue"]["pending"], 20);
    let second = look_at(&mut host, NOW_MS, "{}");
    assert_eq!((body(&second).get("unread"), second.completeness), (None, Completeness::Complete));
}

#[test]
fn without_a_root_the_section_is_whole_and_says_so() {
    let section = look_at(&mut Host::new(), NOW_MS, "{}");
    assert_eq!((section.body.as_str(), section.completeness), (r#"{"configured":false}"#, Completeness::Complete));
    let section = look_at(&mut Host::new(), NOW_MS, r#"{"root":"patches"}"#);
    assert_eq!(section.warnings, ["root `patches` is not lent (add it to [collector.patch.files])"]);
}

#[test]
fn a_queue_that_cannot_be_listed_is_partial_and_closes_nothing() {
    let mut host = host();
    let before = look_at(&mut host, NOW_MS, "{}");
    let memory: Memory = serde_json::from_str(host.state.get(STATE_MEMORY).unwrap()).unwrap();
    let section = unseen("queue", Some(&memory), &Error::NotFound("no directory".to_owned())).unwrap();
    assert_eq!(section.warnings, ["cannot list the queue `queue`: not-found: no directory"]);
    assert_eq!(
        (section.body.as_str(), section.completeness),
        (r#"{"configured":true,"root":"queue"}"#, Completeness::Partial)
    );
    assert_eq!(fingerprints(&section), fingerprints(&before));
}

#[test]
fn an_empty_queue_is_an_answer_and_closes_everything() {
    let mut host = host();
    let open = look_at(&mut host, NOW_MS, "{}").findings.len();
    host.files = ghostd_sdk::fake::Files::default();
    host.files.root("queue");
    let section = look_at(&mut host, NOW_MS, "{}");
    assert_eq!(section.completeness, Completeness::Complete);
    assert!(section.findings.iter().all(|finding| finding.resolved) && section.findings.len() == open && open > 0);
}

#[test]
fn folders_of_another_name_can_be_given_a_state() {
    let body = body(&look_at(
        &mut host(),
        NOW_MS,
        r#"{"folders":{"pending":[".hold","."],"completed":[".archive"]},"history":1}"#,
    ));
    assert_eq!(body["queue"], json!({"pending": 2, "executing": 1, "completed": 1, "failed": 2}));
    assert_eq!(body["history"].as_array().unwrap().len(), 1);
}

#[test]
fn metrics_have_a_point_for_every_state() {
    let section = look_at(&mut host(), NOW_MS, "{}");
    let sizes = section.metrics.iter().filter(|metric| metric.name == "patch.queue.size").count();
    assert_eq!(sizes, 4);
}
