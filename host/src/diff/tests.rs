use serde_json::json;

use super::*;
use crate::model::{ChainLink, Moment, StoreId, StoreRef};
use crate::store::testing;

fn body(now: &Moment, change: impl FnOnce(&mut Json)) -> Body {
    let store = StoreRef { id: StoreId::random(), epoch: 1, forked_from: None };
    let link = ChainLink { sequence: 1, store, previous: None, audit_head: None, heartbeats: None, seal: None };
    let mut body = testing::body(&link, now);
    change(&mut body);
    serde_json::from_value(body).unwrap()
}

fn section(schema: &str, body: &Json) -> Json {
    json!({
        "collector": "c", "schema": schema, "completeness": "complete", "collected_at": testing::START, "age_ms": 3,
        "generation": 4, "component_sha256": null, "config_sha256": null, "body": body,
    })
}

/// What is told of one section that changes so.
fn told(schema: &str, from: &Json, to: &Json) -> Vec<String> {
    told_with(schema, from, to, &Options::default())
}

fn told_with(schema: &str, from: &Json, to: &Json, options: &Options<'_>) -> Vec<String> {
    let of =
        |content: &Json, seconds| body(&testing::at(seconds), |body| body["sections"]["s"] = section(schema, content));
    let diff = diff(&of(from, 0), &of(to, 300), options);
    assert!((diff.elapsed_seconds - 300.0).abs() < 1e-9);
    assert_eq!(diff.unchanged.is_empty(), !diff.changes.is_empty());
    diff.changes.iter().map(|change| format!("{}: {}", change.kind, change.text)).collect()
}

#[test]
fn daemons_started_stopped_and_restarted() {
    let daemon = |name: &str, status: &str, pid: Option<u32>, restarts: u32, memory: u64| {
        json!({ "name": name, "status": status, "pid": pid, "restart_count": restarts, "memory_bytes": memory,
                "uptime_seconds": 5.5, "last_check": "2026-11-21T00:00:00Z", "reason": "r" })
    };
    let from = json!({ "daemons": [
        daemon("a", "unknown", None, 0, 0), daemon("b", "running", Some(7), 0, 1 << 20),
        daemon("c", "running", Some(8), 1, 100 << 20), daemon("d", "running", Some(9), 0, 1 << 20),
        daemon("e", "running", Some(10), 0, 1 << 20), daemon("old", "failed", None, 0, 0),
    ] });
    let to = json!({ "daemons": [
        daemon("a", "running", Some(5), 0, 0), daemon("b", "failed", None, 0, 0),
        daemon("c", "restarted", Some(88), 3, 200 << 20), daemon("d", "paused", Some(9), 0, 1 << 20),
        daemon("e", "running", Some(10), 0, 2 << 20), daemon("new", "unknown", None, 0, 0),
    ] });
    assert_eq!(
        told("ghost.daemon/1", &from, &to),
        [
            "daemon_stopped: b: running → failed (r)",
            "daemon_restarted: c: restarted 2 times, pid 8 → 88",
            "daemon_memory: c: memory 100 MiB → 200 MiB",
            "daemon_paused: d: running → paused (r)",
            "daemon_started: a: unknown → running (r)",
            "daemon_watched: new: watched now (unknown)",
            "daemon_unwatched: old: no longer watched",
        ]
    );
    assert!(told("ghost.daemon/1", &from, &from).is_empty());
}

#[test]
fn patches_applied_failed_and_stuck() {
    let patch =
        |id: &str, state: &str| json!({ "id": id, "path": format!("{id}.json"), "state": state, "version": "v1.2" });
    let from = json!({ "queue": { "pending": 2, "executing": 1, "completed": 1, "failed": 0 },
        "history": [patch("p1", "completed")], "executing": [{ "id": "p2", "stuck": false }] });
    let to = json!({ "queue": { "pending": 1, "executing": 1, "completed": 2, "failed": 1 },
        "history": [patch("p4", "failed"), patch("p3", "completed"), patch("p1", "completed")],
        "executing": [{ "id": "p2", "stuck": true }] });
    assert_eq!(
        told("ghost.patch/1", &from, &to),
        [
            "patch_failed: failed: p4 (v1.2)",
            "patch_stuck: stuck: p2",
            "patch_queue: failed: 0 → 1",
            "patch_applied: applied: p3 (v1.2)",
            "patch_queue: pending: 2 → 1",
            "patch_queue: completed: 1 → 2",
        ]
    );
}

#[test]
fn disks_fuller_interfaces_down_and_counters_left_out() {
    let machine = |usage: f64, read_only: bool, state: &str, received: u64, errors: u64, oom: u64| {
        json!({ "filesystems": [{ "mount": "/", "device": "sda", "usage_percent": usage, "read_only": read_only, "read_bytes": received }],
                "interfaces": [{ "name": "eth0", "state": state, "received_bytes": received, "received_errors": errors }],
                "memory": { "usage_percent": usage / 4.0, "oom_kills": oom }, "cpu": { "count": 2, "context_switches": received } })
    };
    assert_eq!(
        told("ghost.metric/1", &machine(50.0, false, "up", 1, 0, 0), &machine(93.25, true, "down", 2, 4, 1)),
        [
            "filesystem_fuller: /: 50.0 % → 93.2 %",
            "read_only: /: read-only now",
            "memory_fuller: memory: 12.5 % → 23.3 %",
            "oom_kills: processes killed for want of memory: 1 more",
            "interface: eth0: up → down",
            "interface_errors: eth0 received errors: 4 more",
        ]
    );
    assert!(
        told("ghost.metric/1", &machine(50.0, false, "up", 1, 0, 0), &machine(50.4, false, "up", 99, 0, 0)).is_empty()
    );
}

#[test]
fn the_clock_and_state_files() {
    let clock = |status: &str, steps: u32| json!({ "status": status, "reason": "r", "steps": { "count": steps, "last_seconds": -2.5 }, "kernel": { "synchronised": status == "synced" }, "uptime_seconds": steps });
    assert_eq!(
        told("ghost.clock/1", &clock("synced", 0), &clock("drift_critical", 2)),
        [
            "clock_status: synced → drift_critical (r)",
            "clock_stepped: the clock was set 2 times, the last by -2.500 s",
            "clock_kernel: the kernel's clock is not synchronised now",
        ]
    );
    let files = |status: &str| json!({ "files": [{ "name": "relay", "status": status, "age_seconds": 1.5 }] });
    assert_eq!(told("ghost.telemetry/1", &files("fresh"), &files("stale")), ["telemetry_status: relay: fresh → stale"]);
}

#[test]
fn a_section_of_a_stranger_is_compared_by_its_form_without_noise() {
    let from = json!({ "version": "1.0", "requests": 5, "at": "2026-11-21T00:00:00Z", "on": true,
        "hosts": [{ "name": "a", "state": "up", "hits": 1 }, { "name": "b", "state": "up", "hits": 2 }], "gone": "x" });
    let to = json!({ "version": "1.1", "requests": 9, "at": "2026-11-21T00:05:00Z", "on": false,
        "hosts": [{ "name": "b", "state": "down", "hits": 7 }, { "name": "c", "state": "up", "hits": 1 }], "limit": null });
    let quiet = told("stranger/1", &from, &to);
    assert_eq!(
        quiet,
        [
            "changed: version: 1.0 → 1.1",
            "changed: on: true → false",
            "gone: hosts[a]: gone",
            "changed: hosts[b].state: up → down",
            "new: hosts[c]: new, {\"name\":\"c\",\"state\":\"up\",\"hits\":1}",
            "gone: gone: gone",
        ]
    );
    let everything = Options { everything: true, ..Options::default() };
    let all = told_with("stranger/1", &from, &to, &everything);
    assert!(all.contains(&"changed: requests: 5 → 9".to_owned()) && all.len() == quiet.len() + 4, "{all:?}");
}

#[test]
fn no_data_is_never_taken_as_good() {
    let of = |completeness: &str, status: &str| {
        body(&testing::at(0), |body| {
            let content = json!({ "daemons": [{ "name": "a", "status": status }] });
            body["sections"]["daemon"] = section("ghost.daemon/1", &content);
            body["sections"]["daemon"]["completeness"] = completeness.into();
            body["sections"]["daemon"]["error"] = "timed out".into();
        })
    };
    let texts = |from: &Body, to: &Body| {
        diff(from, to, &Options::default())
            .changes
            .into_iter()
            .map(|change| (change.mood, change.text))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        texts(&of("complete", "failed"), &of("carried", "running")),
        [(Mood::Worse, "complete → no data (carried) (timed out)".to_owned())]
    );
    assert_eq!(texts(&of("carried", "failed"), &of("carried", "running")), []);
}

#[test]
fn findings_new_gone_worse_and_again() {
    let finding = |fingerprint: &str, severity: &str, count: u64, state: &str| {
        json!({ "collector": "anomaly", "state": state, "fingerprint": fingerprint, "severity": severity,
                "title": fingerprint, "count": count, "resolved": state == "resolved" })
    };
    let of = |findings: Json| body(&testing::at(0), |body| body["findings"] = findings);
    let from = of(json!([
        finding("a", "low", 1, "open"),
        finding("b", "high", 1, "open"),
        finding("c", "low", 2, "open"),
        finding("d", "low", 1, "open")
    ]));
    let to = of(json!([
        finding("a", "critical", 1, "open"),
        finding("b", "high", 1, "resolved"),
        finding("c", "low", 9, "open"),
        finding("d", "low", 1, "open"),
        finding("e", "low", 1, "opened")
    ]));
    let told: Vec<_> = diff(&from, &to, &Options::default()).changes.into_iter().map(|change| change.text).collect();
    assert_eq!(told, ["worse: a", "again: c (7 more)", "new: e", "gone: b"]);
}

#[test]
fn metrics_beyond_their_usual_range() {
    let of = |value: f64| {
        body(&testing::at(0), |body| {
            body["metrics"] = json!([{ "collector": "metric", "name": "load", "unit": "1", "points": [
                { "labels": { "cpu": 1 }, "gauge": value }, { "gauge": value } ] }]);
        })
    };
    let usual = |_: &str, _: &str, labels: &Attributes| (!labels.is_empty()).then_some((0.0, 2.0));
    let options = Options { usual_range: &usual, ..Options::default() };
    let told = |from: f64, to: f64| -> Vec<String> {
        diff(&of(from), &of(to), &options).changes.into_iter().map(|change| change.text).collect()
    };
    assert_eq!(told(1.0, 5.0), ["load (1): 5 1, usually 0 to 2"]);
    assert_eq!(told(5.0, 1.0), ["load (1): 1 1, usual again"]);
    assert!(told(5.0, 6.0).is_empty() && told(0.5, 1.5).is_empty());
}

#[test]
fn the_machine_the_configuration_and_the_collectors() {
    let from = body(&testing::at(0), |body| {
        body["host"]["versions"] = json!({ "node": "v20", "gone": "1" });
        body["collectors"] = json!([collector("a", "ok", "x"), collector("b", "ok", "x"), collector("old", "ok", "x")]);
    });
    let to = body(&testing::at(0), |body| {
        body["host"]["boot_id"] = "boot-b".into();
        body["host"]["kernel"] = "k2".into();
        body["host"]["versions"] = json!({ "node": "v22" });
        body["config_sha256"] = json(&crate::model::Digest::of(b"other"));
        body["collectors"] =
            json!([collector("a", "timed_out", "x"), collector("b", "ok", "y"), collector("new", "ok", "x")]);
    });
    let told: Vec<_> = diff(&from, &to, &Options::default())
        .changes
        .into_iter()
        .map(|change| format!("{} {} {}", change.section, change.kind, change.subject))
        .collect();
    assert_eq!(
        told,
        [
            "collectors collector_status a",
            "host reboot boot",
            "host kernel kernel",
            "host version gone",
            "host version node",
            "configuration configuration configuration",
            "collectors collector_replaced b",
            "collectors collector_new new",
            "collectors collector_gone old",
        ]
    );
}

#[test]
fn what_is_too_much_is_counted() {
    let of = |prefix: &str| {
        json!((0..500).map(|n| (format!("k{n}"), json!(format!("{prefix}{n}")))).collect::<BTreeMap<_, _>>())
    };
    let of_section =
        |prefix: &str| body(&testing::at(0), |body| body["sections"]["s"] = section("stranger/1", &of(prefix)));
    let diff = diff(&of_section("a"), &of_section("b"), &Options::default());
    assert_eq!((diff.changes.len(), diff.omitted["s"]), (MAX_CHANGES_A_SECTION, 300));
}

fn collector(name: &str, status: &str, component: &str) -> Json {
    json!({ "name": name, "version": "1", "sha256": crate::model::Digest::of(component.as_bytes()), "status": status,
            "duration_ms": 1.0, "peak_memory_bytes": 1, "consecutive_failures": 0, "calls": 1, "failures": 0,
            "p50_ms": 1.0, "p95_ms": 1.0, "denied_calls": 0, "dropped_log_lines": 0, "missed": 0 })
}
