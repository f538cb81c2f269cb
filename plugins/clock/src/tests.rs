//! Whole calls against a fake host.

use ghostd_sdk::fake::{Host, invocation};
use ghostd_sdk::host::clock::{Clocks, KernelDiscipline, SntpAnswer, Tracking};
use ghostd_sdk::{Completeness, Error, Failure, Invocation, Section};
use serde_json::{Value, json};

use crate::Clock;

const SECOND: u64 = 1_000_000_000;

fn newcomer() -> Host {
    let mut host = Host::new();
    host.clock.now = Clocks {
        realtime_ns: 1_795_262_400_000_000_000,
        monotonic_ns: 3_000 * SECOND,
        monotonic_raw_ns: 2_999 * SECOND,
        boottime_ns: 3_600 * SECOND,
        read_ns: 300,
    };
    host.clock.discipline =
        Ok(KernelDiscipline { status: 0x40, leap: 5, maximum_error_us: 16_000_000, ..Default::default() });
    host.clock.sntp = Ok(vec![]);
    host.clock.chrony = Err(Error::NotFound("no chronyd answers".to_owned()));
    host
}

fn pass(host: &mut Host, seconds: u64) {
    let now = &mut host.clock.now;
    now.realtime_ns += (seconds * SECOND) as i64;
    now.monotonic_ns += seconds * SECOND;
    now.monotonic_raw_ns += seconds * SECOND;
    now.boottime_ns += seconds * SECOND;
}

fn call(host: &mut Host) -> (Section, Value) {
    let now_ms = host.clock.now.realtime_ns / 1_000_000;
    let call = Invocation { now_ms, ..invocation(&["clock"]) };
    let mut sections = host.collect::<Clock>(&call, "{}").unwrap();
    assert_eq!(sections.len(), 1);
    let section = sections.remove(0);
    let body = serde_json::from_str(&section.body).unwrap();
    (section, body)
}

fn answer(offset_ms: i64) -> SntpAnswer {
    SntpAnswer {
        server: "time.example".to_owned(),
        age_ms: 2_000,
        offset_ns: Some(offset_ms * 1_000_000),
        bound_ns: Some(6_000_000),
        delay_ns: Some(10_000_000),
        stratum: Some(2),
        error: None,
    }
}

#[test]
fn a_newcomers_machine_without_any_source_is_unknown_and_not_at_fault() {
    let (section, body) = call(&mut newcomer());
    assert_eq!((&body["status"], &body["in_verdict"]), (&json!("unknown"), &json!(false)));
    assert_eq!(body["offset_seconds"], Value::Null);
    assert_eq!(body["system_time"], "2026-11-21T12:00:00.000Z");
    assert_eq!(body["boot_time"], "2026-11-21T11:00:00.000Z");
    assert_eq!(body["uptime_seconds"], 3600.0);
    assert_eq!(body["suspended_seconds"], 600.0);
    assert_eq!(body["kernel"]["leap"], "unsynchronised");
    assert_eq!(section.completeness, Completeness::Complete);
    assert!(section.findings.is_empty() && section.warnings.is_empty());
}

#[test]
fn the_original_s_status_follows_the_servers_and_is_resolved_again() {
    let mut host = newcomer();
    host.clock.sntp = Ok(vec![answer(-45_000)]);
    let (section, body) = call(&mut host);
    assert_eq!((&body["status"], &body["source"]), (&json!("drift_warning"), &json!("sntp")));
    assert_eq!(body["offset_seconds"], -45.0);
    assert_eq!(section.findings[0].fingerprint, "clock.drift");
    host.clock.sntp = Ok(vec![answer(3)]);
    pass(&mut host, 5);
    let (section, body) = call(&mut host);
    assert_eq!(body["status"], "synced");
    assert!(section.findings.len() == 1 && section.findings[0].resolved);
    let offset = section.metrics.iter().find(|metric| metric.name == "system.clock.offset").unwrap();
    assert_eq!(offset.reading, ghostd_sdk::Reading::Gauge(0.003));
}

#[test]
fn thresholds_are_configurable() {
    let mut host = newcomer();
    host.clock.sntp = Ok(vec![answer(700)]);
    let config = r#"{"warn_seconds":0.5,"critical_seconds":1,"failed_seconds":2}"#;
    let sections = host.collect::<Clock>(&invocation(&["clock"]), config).unwrap();
    let body: Value = serde_json::from_str(&sections[0].body).unwrap();
    assert_eq!(body["status"], "drift_warning");
    let wrong = host.collect::<Clock>(&invocation(&["clock"]), r#"{"warn_seconds":100}"#);
    assert!(matches!(wrong, Err(Failure::Config(_))));
}

#[test]
fn a_step_between_two_calls_is_a_finding_and_voids_older_answers() {
    let mut host = newcomer();
    host.clock.sntp = Ok(vec![answer(1)]);
    call(&mut host);
    pass(&mut host, 5);
    host.clock.now.realtime_ns += 120 * SECOND as i64;
    host.clock.steps = (1, Some(120 * SECOND as i64));
    host.clock.sntp = Ok(vec![SntpAnswer { age_ms: 7_000, ..answer(1) }]);
    let (section, body) = call(&mut host);
    assert_eq!(body["steps"]["count"], 1);
    assert_eq!(body["steps"]["since_last_seconds"], 120.0);
    let titles: Vec<&str> = section.findings.iter().map(|finding| finding.title.as_str()).collect();
    assert!(titles.contains(&"clock was stepped forward by 120.000 s"), "{titles:?}");
    assert_eq!(body["status"], "unknown", "the answer is about the clock before the step");
    // The prober asks again: now the clock is 120 s ahead.
    pass(&mut host, 5);
    host.clock.sntp = Ok(vec![SntpAnswer { age_ms: 500, ..answer(-120_000) }]);
    let (_, body) = call(&mut host);
    assert_eq!((&body["status"], &body["steps"]["count"]), (&json!("drift_critical"), &json!(1)));
}

#[test]
fn chronyd_in_local_mode_is_tied_to_nothing() {
    let mut host = newcomer();
    host.clock.chrony = Ok(Tracking { reference_id: 0x7F7F_0101, stratum: 3, ..Default::default() });
    let (_, body) = call(&mut host);
    assert_eq!(body["status"], "unknown");
    assert!(body["reason"].as_str().unwrap().contains("tied to nothing"), "{}", body["reason"]);
    assert_eq!(body["chrony"]["reference_id"], "7F7F0101");
}

#[test]
fn a_kernel_that_nobody_corrects_any_more_is_a_failure_after_hours() {
    let mut host = newcomer();
    let mut maximum_error_us = 1_000;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        host.clock.discipline = Ok(KernelDiscipline { synchronised: true, maximum_error_us, ..Default::default() });
        statuses.push(call(&mut host).1["status"].as_str().unwrap().to_owned());
        pass(&mut host, 2_000);
        maximum_error_us += 1_000_000;
    }
    assert_eq!(statuses, ["synced", "synced", "synced", "synced", "sync_failed"]);
}

#[test]
fn what_could_not_be_read_is_a_warning_in_a_partial_section() {
    let mut host = newcomer();
    host.clock.discipline = Err(Error::Forbidden("seccomp".to_owned()));
    let (section, body) = call(&mut host);
    assert_eq!(section.completeness, Completeness::Partial);
    assert_eq!(section.warnings, ["kernel discipline: forbidden: seccomp"]);
    assert_eq!((&body["kernel"], &body["status"]), (&Value::Null, &json!("unknown")));
}

#[test]
fn a_platform_without_a_discipline_is_no_warning() {
    let mut host = newcomer();
    host.clock.discipline = Err(Error::Unavailable("no adjtimex on this platform".to_owned()));
    let (section, _) = call(&mut host);
    assert!(section.warnings.is_empty());
}

#[test]
fn an_unreadable_state_begins_anew() {
    let mut host = newcomer();
    host.state.set("clock.1", r#"{"history":[]}"#);
    assert_eq!(call(&mut host).1["steps"]["count"], 0);
}

/// The form that readers of `ghost.clock/1` rely on: a server's machine, kept by chronyd, stepped once.
#[test]
fn the_body_is_that_of_the_fixture() {
    let mut host = newcomer();
    host.clock.discipline = Ok(KernelDiscipline {
        synchronised: true,
        offset_ns: -18_211,
        frequency_ppm: -13.731_689,
        maximum_error_us: 11_250,
        estimated_error_us: 42,
        status: 0x2001,
        leap: 0,
        time_constant: 7,
        tai_offset: 37,
    });
    let far = SntpAnswer {
        server: "pool.example".to_owned(),
        delay_ns: Some(48_000_000),
        bound_ns: Some(39_000_000),
        ..answer(7)
    };
    let dead =
        SntpAnswer { server: "dead.example".to_owned(), error: Some("no answer".to_owned()), ..Default::default() };
    host.clock.sntp = Ok(vec![far, answer(2), dead]);
    host.clock.chrony = Ok(Tracking {
        reference_id: 0xA29F_C87B,
        stratum: 3,
        leap: 0,
        offset_seconds: -0.000_021,
        last_offset_seconds: 0.000_013,
        rms_offset_seconds: 0.000_094,
        frequency_ppm: -13.732,
        skew_ppm: 0.041,
        root_delay_seconds: 0.018_4,
        root_dispersion_seconds: 0.000_9,
        update_interval_seconds: 1_032.5,
        age_ms: 4_200,
    });
    call(&mut host);
    pass(&mut host, 60);
    host.clock.now.realtime_ns -= 2_500_000_000;
    host.clock.now.monotonic_raw_ns += 600;
    let (section, body) = call(&mut host);
    let expected: Value = serde_json::from_str(include_str!("../../../tests/fixtures/clock/clock.json")).unwrap();
    assert_eq!(body, expected, "{}", section.body);
}
