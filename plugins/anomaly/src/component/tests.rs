//! The collector against a fake host: what is appended is a finding once, what is redacted stays so.

use super::{Anomaly, SECTION, STATE_KEY};
use ghostd_sdk::{Completeness, Section, Severity, fake};

const MINUTE_MS: i64 = 60_000;

struct Machine {
    host: fake::Host,
    now_ms: i64,
}

impl Machine {
    fn new() -> Self {
        let mut host = fake::Host::new();
        host.files.root("logs");
        Self { host, now_ms: fake::invocation(&[SECTION]).now_ms }
    }

    fn collect(&mut self, config: &str) -> Section {
        self.attempt(config, 1)
    }

    fn attempt(&mut self, config: &str, attempt: u32) -> Section {
        self.now_ms += MINUTE_MS;
        let call = ghostd_sdk::Invocation { now_ms: self.now_ms, attempt, ..fake::invocation(&[SECTION]) };
        self.host.collect::<Anomaly>(&call, config).unwrap().remove(0)
    }
}

fn body(section: &Section) -> serde_json::Value {
    serde_json::from_str(&section.body).unwrap()
}

#[test]
fn an_error_becomes_one_finding_with_its_place() {
    let mut machine = Machine::new();
    machine.host.files.write("logs", "app/a.log", b"2026-11-21 12:00:00 INFO fine\n");
    assert!(machine.collect("{}").findings.is_empty());
    for user in ["anna", "berta"] {
        let line = format!("2026-11-21 12:00:00 ERROR db: no answer for '{user}' in 12 ms\n");
        machine.host.files.append("logs", "app/a.log", line.as_bytes());
    }
    let section = machine.collect("{}");
    let [finding] = section.findings.as_slice() else { panic!("{:?}", section.findings) };
    assert_eq!((finding.severity, finding.count, finding.resolved), (Severity::High, 2, false));
    assert_eq!(finding.title, "db: no answer for 'anna' in 12 ms");
    assert_eq!(finding.source.as_deref(), Some("logs/app/a.log:3"));
    assert_eq!(body(&section)["open"]["high"], 1);
    // Nothing new: the finding is still open, and nothing is counted twice.
    assert_eq!(machine.collect("{}").findings[0].count, 2);
}

#[test]
fn a_secret_is_in_no_text_and_no_state() {
    let mut machine = Machine::new();
    machine.host.secrets.push("hunter".to_owned());
    machine.host.files.write("logs", "a.log", b"2026-11-21 12:00:00 ERROR login with password hunter refused\n");
    let section = machine.collect("{}");
    assert!(!format!("{section:?}").contains("hunter"));
    assert!(!machine.host.state.get(STATE_KEY).unwrap().contains("hunter"));
    assert!(section.findings[0].title.contains("REDACTED"));
}

#[test]
fn what_is_over_is_reported_once_more() {
    let mut machine = Machine::new();
    machine.host.files.write("logs", "a.log", b"2026-11-21 12:00:00 ERROR connection to database orders lost\n");
    machine.collect("{}");
    machine.host.files.append("logs", "a.log", b"2026-11-21 12:00:00 INFO connection to database orders restored\n");
    let section = machine.collect("{}");
    assert!(section.findings[0].resolved);
    assert!(machine.collect("{}").findings.is_empty());
    machine.host.files.append("logs", "a.log", b"2026-11-21 12:00:00 ERROR connection to database orders lost\n");
    let section = machine.collect("{}");
    assert!(!section.findings[0].resolved);
    assert_eq!(body(&section)["reopened"], 1);
}

#[test]
fn rules_ignore_raise_and_lower() {
    let mut machine = Machine::new();
    let config = r#"{"rules":[{"file":"noisy/*","contains":"","action":"ignore"},{"contains":"backup*late","action":"critical"}]}"#;
    machine.host.files.write("logs", "noisy/a.log", b"2026-11-21 12:00:00 ERROR x\n");
    machine.host.files.write(
        "logs",
        "b.log",
        b"2026-11-21 12:00:00 INFO the backup is very late\n2026-11-21 12:00:00 WARN other\n",
    );
    let section = machine.collect(config);
    let [finding] = section.findings.as_slice() else { panic!("{:?}", section.findings) };
    assert_eq!(finding.severity, Severity::Critical);
    assert_eq!(body(&section)["events_ignored"], 1);
}

#[test]
fn a_log_that_must_not_fall_silent() {
    let mut machine = Machine::new();
    let config = r#"{"files":[{"root":"logs","path":"*.log","expect_every_seconds":150}]}"#;
    machine.host.files.write("logs", "a.log", b"x\n");
    let now = machine.now_ms;
    machine.host.files.set_modified("logs", "a.log", now * 1_000_000);
    assert!(machine.collect(config).findings.is_empty());
    machine.collect(config);
    let section = machine.collect(config);
    assert!(section.findings[0].title.contains("nothing was written"), "{:?}", section.findings);
    assert_eq!(machine.collect(config).findings[0].count, 1);
    machine.host.files.append("logs", "a.log", b"y\n");
    assert!(machine.collect(config).findings[0].resolved);
    assert!(machine.collect(config).findings.is_empty());
}

#[test]
fn what_is_left_is_said_and_read_in_the_next_call() {
    let mut machine = Machine::new();
    machine.host.files.write("logs", "a.log", b"start\n");
    let config = r#"{"budget_bytes":1048576}"#;
    machine.collect(config);
    let mut text = b"2026-11-21 12:00:00 INFO nothing to be seen in this line\n".repeat(50_000);
    text.extend_from_slice(b"2026-11-21 12:00:00 ERROR at last\n");
    machine.host.files.append("logs", "a.log", &text);
    let first = machine.collect(config);
    assert_eq!(first.completeness, Completeness::Partial);
    assert!(body(&first)["behind_bytes"].as_u64().unwrap() > 1 << 20);
    let rest: Vec<Section> = (0..3).map(|_| machine.collect(config)).collect();
    assert_eq!(rest[2].completeness, Completeness::Complete);
    assert_eq!(rest[2].findings[0].source.as_deref(), Some("logs/a.log:50002"));
}

#[test]
fn a_block_that_misses_every_deadline_is_passed_over_and_counted() {
    let mut machine = Machine::new();
    machine.host.files.write("logs", "a.log", b"start\n");
    machine.collect("{}");
    machine.host.files.append("logs", "a.log", &b"poison ".repeat(200_000));
    machine.host.files.append("logs", "a.log", b"\n2026-11-21 12:00:00 ERROR behind it\n");
    let section = machine.attempt("{}", 4);
    assert_eq!(body(&section)["skipped_bytes"], 1 << 20);
    assert_eq!(section.findings.len(), 1);
}

#[test]
fn a_state_of_another_form_is_said_and_not_fatal() {
    let mut machine = Machine::new();
    machine.host.state.set(STATE_KEY, r#"{"version":99}"#);
    machine.host.files.write("logs", "a.log", b"2026-11-21 12:00:00 ERROR x\n");
    let section = machine.collect("{}");
    assert!(section.warnings[0].contains("starting anew"));
    assert_eq!(section.findings.len(), 1);
}
