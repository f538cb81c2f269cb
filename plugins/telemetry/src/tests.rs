//! The collector against state files as programs write them, below `tests/fixtures/telemetry`.

use std::path::Path;

use ghostd_sdk::fake::{Host, invocation};
use ghostd_sdk::host::files::Kind;
use ghostd_sdk::{Completeness, Reading};
use serde_json::{Value, json};

use super::*;

/// 2025-07-21T12:00:00Z.
const NOW_MS: i64 = 1_753_099_200_000;

const NAMES: [&str; 4] =
    ["dashboard-state.json", "relay-telemetry-state.json", "heartbeat-state.json", "loop-auditor-state.json"];

/// A host with the fixtures, all written a second ago.
fn host() -> Host {
    let mut host = Host::new();
    for name in NAMES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/telemetry").join(name);
        host.files.write("telemetry", name, &std::fs::read(path).unwrap());
        host.files.set_modified("telemetry", name, (NOW_MS - 1000) * 1_000_000);
    }
    host
}

fn look_at(host: &mut Host, now_ms: i64, config: &str) -> (Section, Value) {
    let mut call = invocation(&[SECTION]);
    call.now_ms = now_ms;
    let section = host.collect::<TelemetryCollector>(&call, config).unwrap().remove(0);
    let body = serde_json::from_str(&section.body).unwrap();
    (section, body)
}

fn fingerprints(section: &Section) -> Vec<(&str, bool)> {
    section.findings.iter().map(|finding| (finding.fingerprint.as_str(), finding.resolved)).collect()
}

#[test]
fn the_usual_files_are_shown_with_content_and_age() {
    let (section, body) = look_at(&mut host(), NOW_MS, "{}");
    assert_eq!(
        body["summary"],
        json!({"total": 4, "fresh": 2, "stale": 1, "missing": 0, "vanished": 0, "malformed": 1, "unreadable": 0})
    );
    let dashboard = &body["files"][0];
    assert_eq!((&dashboard["name"], &dashboard["status"]), (&json!("dashboard"), &json!("fresh")));
    assert_eq!((&dashboard["age_seconds"], &dashboard["time_from"]), (&json!(120.0), &json!("content")));
    assert_eq!(dashboard["content_time"], "2025-07-21T11:58:00.000Z");
    assert_eq!(dashboard["content"]["metrics"]["requestsTotal"], u64::MAX);
    // Written a second ago, and saying the same as an hour ago.
    let relay = &body["files"][1];
    assert_eq!((&relay["status"], &relay["age_seconds"]), (&json!("stale"), &json!(3600.0)));
    assert_eq!(relay["modified_at"], "2025-07-21T11:59:59.000Z");
    assert_eq!((&body["files"][2]["status"], &body["files"][2]["age_seconds"]), (&json!("fresh"), &json!(5.0)));
    assert_eq!(
        body["files"][3],
        json!({
            "name": "loop_auditor", "root": "telemetry", "path": "loop-auditor-state.json", "status": "malformed",
            "age_seconds": 1.0, "time_from": "file", "max_age_seconds": 300, "modified_at": "2025-07-21T11:59:59.000Z",
            "size_bytes": 46, "error": "EOF while parsing a string at line 3 column 30",
        })
    );
    assert_eq!(fingerprints(&section), [("telemetry:relay:stale", false)]);
    assert_eq!(section.completeness, Completeness::Complete);
    let (section, _) = look_at(&mut host(), NOW_MS, r#"{"max_age_seconds": 3600}"#);
    assert_eq!(fingerprints(&section), []);
}

#[test]
fn findings_begin_last_and_end() {
    let mut host = host();
    look_at(&mut host, NOW_MS, "{}");
    host.files.remove("telemetry", "heartbeat-state.json");
    look_at(&mut host, NOW_MS, "{}");
    let (section, body) = look_at(&mut host, NOW_MS, "{}");
    assert_eq!(body["files"][2]["status"], "vanished");
    assert_eq!(
        fingerprints(&section),
        [
            ("telemetry:relay:stale", false),
            ("telemetry:heartbeat:vanished", false),
            ("telemetry:loop_auditor:malformed", false)
        ]
    );
    for name in NAMES {
        host.files.replace("telemetry", name, b"{\"timestamp\": \"2025-07-21T12:00:00Z\"}");
    }
    let (section, body) = look_at(&mut host, NOW_MS, "{}");
    assert!(section.findings.len() == 3 && section.findings.iter().all(|finding| finding.resolved));
    assert_eq!(body["summary"]["fresh"], 4);
    assert_eq!(look_at(&mut host, NOW_MS, "{}").0.findings, []);
}

#[test]
fn files_that_were_never_there_are_missing_and_in_no_denominator() {
    let mut host = Host::new();
    host.files.root("telemetry");
    let (section, body) = look_at(&mut host, NOW_MS, "{}");
    assert_eq!(body["summary"]["missing"], 4);
    assert!(section.findings.is_empty() && section.metrics.is_empty());
    assert_eq!(section.completeness, Completeness::Complete);
}

#[test]
fn without_a_root_nothing_is_configured() {
    let (section, _) = look_at(&mut Host::new(), NOW_MS, "{}");
    assert_eq!((section.body.as_str(), section.completeness), (r#"{"configured":false}"#, Completeness::Complete));
}

#[test]
fn a_root_that_is_not_lent_and_a_file_that_is_none_are_said() {
    let mut host = host();
    host.files.special("telemetry", "pipe.json", Kind::Other);
    let config = r#"{"files":[{"name":"a","root":"other","path":"a.json"},{"name":"pipe","path":"pipe.json"},
                              {"name":"dashboard","path":"dashboard-state.json","max_age_seconds":60}]}"#;
    let (section, body) = look_at(&mut host, NOW_MS, config);
    assert_eq!(body["files"][0]["error"], "root `other` is not lent (add it to [collector.telemetry.files])");
    assert_eq!(
        (&body["files"][0]["status"], &body["files"][1]["status"]),
        (&json!("unreadable"), &json!("unreadable"))
    );
    assert_eq!(body["files"][2]["status"], "stale");
    assert_eq!((section.completeness, section.warnings.len()), (Completeness::Partial, 2));
}

#[test]
fn large_files_are_summarised_and_larger_ones_not_read() {
    let mut host = Host::new();
    let filler = |bytes: usize| format!(r#"{{"timestamp": "2025-07-21T11:59:00Z", "x": "{}"}}"#, "x".repeat(bytes));
    host.files.write("telemetry", "dashboard-state.json", filler(100_000).as_bytes());
    host.files.write("telemetry", "relay-telemetry-state.json", filler(3_000_000).as_bytes());
    let (section, body) = look_at(&mut host, NOW_MS, "{}");
    let summary = &body["files"][0]["content_summary"];
    assert_eq!((&summary["keys"], &summary["entries"]), (&json!(["timestamp", "x"]), &json!(2)));
    assert_eq!(body["files"][0]["age_seconds"], 60.0);
    assert_eq!(body["files"][1]["content_summary"]["kind"], "unread");
    assert!(section.body.len() < 2048);
}

#[test]
fn all_contents_together_are_bounded() {
    let mut host = Host::new();
    let mut files = Vec::new();
    for n in 0..32 {
        let content = format!(r#"{{"x": "{}"}}"#, "x".repeat(100_000));
        host.files.write("telemetry", &format!("{n}.json"), content.as_bytes());
        files.push(json!({"name": format!("f{n}"), "path": format!("{n}.json"), "max_bytes": 131_072}));
    }
    let (section, body) = look_at(&mut host, NOW_MS, &json!({"files": files}).to_string());
    assert!(section.body.len() < report::MAX_CONTENT_BYTES + 16 * 1024, "{} bytes", section.body.len());
    assert!(body["files"][1]["content"].is_object() && body["files"][2]["content_summary"].is_object());
}

#[test]
fn a_file_that_is_no_longer_configured_is_forgotten() {
    let mut host = host();
    look_at(&mut host, NOW_MS, "{}");
    let config = r#"{"files":[{"name":"dashboard","path":"dashboard-state.json"}]}"#;
    let (section, _) = look_at(&mut host, NOW_MS, config);
    assert_eq!(fingerprints(&section), [("telemetry:relay:stale", true)]);
    assert_eq!(look_at(&mut host, NOW_MS, config).0.findings, []);
    assert!(!host.state.get(STATE_KNOWN).unwrap().contains("relay"));
}

#[test]
fn two_files_of_one_name_are_refused() {
    let config = r#"{"files":[{"name":"a","path":"1"},{"name":"a","path":"2"}]}"#;
    let result = Host::new().collect::<TelemetryCollector>(&invocation(&[SECTION]), config);
    assert_eq!(result, Err(Failure::Config("two files are called `a`".to_owned())));
}

#[test]
fn metrics_say_age_and_freshness() {
    let (section, _) = look_at(&mut host(), NOW_MS, "{}");
    let fresh: Vec<_> = section.metrics.iter().filter(|metric| metric.name == "telemetry.fresh").collect();
    assert_eq!(fresh.len(), 4);
    assert_eq!((&fresh[0].reading, &fresh[1].reading), (&Reading::Gauge(1.0), &Reading::Gauge(0.0)));
}
