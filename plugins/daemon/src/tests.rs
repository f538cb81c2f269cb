//! The collector against the truth table, and against the cost of a beat.

use std::path::Path;

use ghostd_sdk::fake::{Host, invocation};
use ghostd_sdk::host::processes::{Candidate, Exit, Identity, Process, ProcessDetail, ProcessTable, RunState};
use ghostd_sdk::host::system::MemoryState;
use ghostd_sdk::{Completeness, Reading};
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

/// 2026-11-21T12:00:00Z, the instant that the first boot of every case began.
const BOOT_MS: i64 = 1_795_262_400_000;
/// When the second one began: a day later.
const SECOND_BOOT_MS: i64 = BOOT_MS + 86_400_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    case: String,
    steps: Vec<Step>,
}

/// One look. Times are seconds since the boot.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    at: u64,
    #[serde(default)]
    boot: Option<String>,
    #[serde(default)]
    processes: Vec<Given>,
    /// Processes that run and that the host does not find.
    #[serde(default)]
    beside: Vec<Given>,
    #[serde(default)]
    zombie: Option<Given>,
    #[serde(default)]
    exits: Vec<GivenExit>,
    #[serde(default)]
    maintenance: bool,
    #[serde(default)]
    unit_restarts: Option<u64>,
    #[serde(default)]
    error: Option<String>,
    /// Fields of the entry; null is one that must be absent, `T+n` the time n seconds after the boot.
    expect: Value,
    /// All findings of the look.
    #[serde(default)]
    findings: Option<Vec<String>>,
    #[serde(default)]
    judged: Option<u64>,
    #[serde(default)]
    partial: bool,
    /// Pid and start of the process that the host is asked to follow.
    #[serde(default)]
    follows: Option<(u32, u64)>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    pid: u32,
    started: u64,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    vanished: bool,
    #[serde(default)]
    ppid: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenExit {
    pid: u32,
    started: u64,
    at: u64,
    #[serde(default)]
    code: Option<i32>,
    #[serde(default)]
    signal: Option<i32>,
}

impl Step {
    fn boot_ms(&self) -> i64 {
        if self.boot.is_some() { SECOND_BOOT_MS } else { BOOT_MS }
    }

    fn call(&self) -> Invocation {
        let mut call = invocation(&[SECTION]);
        call.now_ms = self.boot_ms() + i64::try_from(self.at).unwrap() * 1000;
        call.monotonic_ns = self.at * 1_000_000_000;
        call.boot_id = self.boot.clone().unwrap_or_else(|| "first".to_owned());
        call
    }

    fn watched(&self) -> Daemon {
        let exit = |exit: &GivenExit| Exit {
            identity: identity(exit.pid, exit.started),
            at_ms: self.boot_ms() + i64::try_from(exit.at).unwrap() * 1000,
            at_monotonic_ns: exit.at * 1_000_000_000,
            not_before_monotonic_ns: exit.at * 1_000_000_000,
            code: exit.code,
            signal: exit.signal,
        };
        Daemon {
            unit_restarts: self.unit_restarts,
            maintenance: self.maintenance,
            error: self.error.clone(),
            exits: self.exits.iter().map(exit).collect(),
            zombie: self.zombie.as_ref().map(|zombie| identity(zombie.pid, zombie.started)),
            ..watched("relayCore", &self.processes.iter().map(|given| (given.pid, given.started)).collect::<Vec<_>>())
        }
    }

    fn table(&self) -> ProcessTable {
        let zombie = self.zombie.clone().map(|zombie| Given { state: Some("zombie".to_owned()), ..zombie });
        let given = self.processes.iter().chain(&self.beside).chain(&zombie).filter(|given| !given.vanished);
        let process = |given: &Given| {
            let state = match given.state.as_deref() {
                None => RunState::Sleeping,
                Some("stopped") => RunState::Stopped,
                Some("zombie") => RunState::Zombie,
                Some(other) => panic!("no state `{other}`"),
            };
            Process { state, ppid: given.ppid.unwrap_or(1), ..process(given.pid, given.started, self.boot_ms()) }
        };
        ProcessTable { processes: given.map(process).collect(), total: 0, unreadable: 0 }
    }
}

fn identity(pid: u32, started: u64) -> Identity {
    Identity { pid, start: started * 100 }
}

fn watched(name: &str, processes: &[(u32, u64)]) -> Daemon {
    let candidate =
        |&(pid, started): &(u32, u64)| Candidate { identity: identity(pid, started), matched_by: "script".to_owned() };
    Daemon {
        name: name.to_owned(),
        restarted_for_ms: 60_000,
        candidates: processes.iter().map(candidate).collect(),
        candidate_count: u32::try_from(processes.len()).unwrap(),
        ..Daemon::default()
    }
}

fn process(pid: u32, started: u64, boot_ms: i64) -> Process {
    Process {
        identity: identity(pid, started),
        ppid: 1,
        name: "node".to_owned(),
        state: RunState::Sleeping,
        kernel: false,
        threads: 11,
        user_ms: 0,
        system_ms: 0,
        resident_bytes: 64 << 20,
        virtual_bytes: 1 << 30,
        started_ms: boot_ms + i64::try_from(started).unwrap() * 1000,
    }
}

fn host() -> Host {
    let mut host = Host::new();
    host.system.memory = Ok(MemoryState { total: 4 << 30, ..MemoryState::default() });
    host
}

fn collect(host: &mut Host, call: &Invocation, config: &str) -> (Section, Value) {
    let section = host.collect::<DaemonCollector>(call, config).unwrap().remove(0);
    let body = serde_json::from_str(&section.body).unwrap();
    (section, body)
}

/// `T+5` becomes the time five seconds after the boot.
fn with_times(value: &Value, boot_ms: i64) -> Value {
    match value {
        Value::String(text) => match text.strip_prefix("T+").and_then(|seconds| seconds.parse::<i64>().ok()) {
            Some(seconds) => json!(time::rfc3339(boot_ms + seconds * 1000)),
            None => value.clone(),
        },
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), with_times(value, boot_ms))).collect(),
        other => other.clone(),
    }
}

#[test]
fn the_truth_table_of_states() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/daemon/states.json");
    let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(cases.len() >= 25, "{} cases", cases.len());
    for Case { case, steps } in cases {
        let mut host = host();
        for step in steps {
            let place = format!("`{case}` at {} s", step.at);
            host.processes.watched = Ok(vec![step.watched()]);
            host.processes.table = Ok(step.table());
            let (section, body) = collect(&mut host, &step.call(), "{}");
            let entry = &body["daemons"][0];
            for (key, expected) in with_times(&step.expect, step.boot_ms()).as_object().unwrap() {
                let found = entry.get(key).unwrap_or(&Value::Null);
                // An `exits_seen` of zero is left out.
                let found = if expected == &json!(0) && found.is_null() { expected } else { found };
                assert_eq!(found, expected, "{place}: `{key}` of {entry:#}");
            }
            if let Some(expected) = step.findings {
                let found: Vec<_> = section
                    .findings
                    .iter()
                    .map(|finding| {
                        format!("{}{}", finding.fingerprint, if finding.resolved { " resolved" } else { "" })
                    })
                    .collect();
                assert_eq!(found, expected, "{place}");
            }
            if let Some(judged) = step.judged {
                assert_eq!(body["summary"]["judged"], judged, "{place}");
            }
            if let Some((pid, started)) = step.follows {
                assert_eq!(
                    host.processes.followed.last(),
                    Some(&("relayCore".to_owned(), identity(pid, started))),
                    "{place}"
                );
            }
            assert_eq!(section.completeness == Completeness::Partial, step.partial, "{place}: {:?}", section.warnings);
        }
    }
}

#[test]
fn a_daemon_is_shown_with_its_figures() {
    let mut host = host();
    let step: Step = serde_json::from_str(r#"{"at":100,"processes":[{"pid":10,"started":40}],"expect":{}}"#).unwrap();
    host.processes.watched = Ok(vec![step.watched()]);
    let detail = ProcessDetail {
        command_line: "node relayCore.js".to_owned(),
        executable: Some("/usr/bin/node".to_owned()),
        cgroup: Some("/system.slice/relay.service".to_owned()),
        unit: Some("relay.service".to_owned()),
        open_files: Some(23),
        uid: Some(1000),
    };
    host.processes.details.insert(identity(10, 40), Ok(detail));
    host.processes.table = Ok(step.table());
    collect(&mut host, &step.call(), "{}");
    let mut table = step.table();
    table.processes[0].user_ms = 1000;
    table.processes[0].system_ms = 250;
    host.processes.table = Ok(table);
    let (section, body) = collect(&mut host, &Step { at: 105, ..step }.call(), "{}");
    assert_eq!(
        body["daemons"][0],
        json!({
            "name": "relayCore", "status": "running", "since": "2026-11-21T12:00:40.000Z", "pid": 10, "ppid": 1,
            "matched_by": "script", "run_state": "sleeping", "started_at": "2026-11-21T12:00:40.000Z",
            "uptime_seconds": 65.0, "cpu_percent": 25.0, "cpu_span_seconds": 5.0, "cpu_percent_since_start": 1.92,
            "memory_bytes": 67_108_864, "memory_percent": 1.56, "threads": 11, "open_files": 23, "uid": 1000,
            "cgroup": "/system.slice/relay.service", "unit": "relay.service", "executable": "/usr/bin/node",
            "command_line": "node relayCore.js", "details_at": "2026-11-21T12:01:40.000Z", "restart_count": 0,
            "restart_count_is_lower_bound": true, "end_told_by_kernel": true, "last_check": "2026-11-21T12:01:45.000Z",
        })
    );
    assert_eq!(
        body["summary"],
        json!({"total": 1, "running": 1, "restarted": 0, "paused": 0, "failed": 0, "unknown": 0, "maintenance": 0, "judged": 1})
    );
    let reading = |name: &str| {
        let of_daemon = |metric: &&ghostd_sdk::Metric| metric.name == name && metric.labels[0].key == "name";
        section.metrics.iter().find(of_daemon).map(|metric| metric.reading.clone())
    };
    assert_eq!(reading("daemon.up"), Some(Reading::Gauge(1.0)));
    assert_eq!(reading("daemon.cpu.utilization"), Some(Reading::Gauge(0.25)));
    assert_eq!(reading("daemon.restarts"), Some(Reading::Counter(0)));
    assert_eq!(reading("daemon.open_files"), Some(Reading::Gauge(23.0)));
}

/// A host with eight daemons that run.
fn eight() -> (Host, Vec<Daemon>) {
    let mut host = host();
    let all: Vec<_> = (1..=8).map(|n| watched(&format!("daemon{n}"), &[(n, 10)])).collect();
    host.processes.watched = Ok(all.clone());
    let processes = (1..=8).map(|n| process(n, 10, BOOT_MS)).collect();
    host.processes.table = Ok(ProcessTable { processes, total: 8, unreadable: 0 });
    (host, all)
}

fn beat(host: &mut Host, at_ms: u64) -> (Section, Value) {
    let mut call = invocation(&[SECTION]);
    call.now_ms = BOOT_MS + i64::try_from(at_ms).unwrap();
    call.monotonic_ns = at_ms * 1_000_000;
    collect(host, &call, "{}")
}

#[test]
fn beats_read_details_at_first_sight_and_then_once_a_minute_or_so() {
    let (mut host, _) = eight();
    beat(&mut host, 100_000);
    assert_eq!(host.processes.detailed.len(), 8);
    // A minute of beats, five a second.
    for n in 1..300 {
        beat(&mut host, 100_000 + n * 200);
    }
    assert_eq!(host.processes.detailed.len(), 8);
    for n in 300..375 {
        beat(&mut host, 100_000 + n * 200);
    }
    assert_eq!(host.processes.detailed.len(), 16);
}

#[test]
fn details_are_read_again_when_the_command_name_changes() {
    let (mut host, _) = eight();
    beat(&mut host, 100_000);
    host.processes.table.as_mut().unwrap().processes[2].name = "relay".to_owned();
    beat(&mut host, 100_200);
    assert_eq!(host.processes.detailed[8..], [identity(3, 10)]);
    beat(&mut host, 100_400);
    assert_eq!(host.processes.detailed.len(), 9);
}

#[test]
fn a_beat_writes_little_and_leaves_what_did_not_change() {
    let (mut host, _) = eight();
    beat(&mut host, 100_000);
    beat(&mut host, 105_000);
    let daemons = host.state.get(STATE_DAEMONS).unwrap().to_owned();
    beat(&mut host, 110_000);
    assert_eq!(host.state.get(STATE_DAEMONS), Some(daemons.as_str()));
    assert!(host.state.get(STATE_LOOK).unwrap().len() < 1024);
}

#[test]
fn the_machines_memory_is_read_seldom_and_its_absence_costs_the_share_alone() {
    let (mut host, _) = eight();
    beat(&mut host, 100_000);
    host.system.memory = Err(Error::Io("no".to_owned()));
    let (_, body) = beat(&mut host, 105_000);
    assert_eq!(body["daemons"][0]["memory_percent"], 1.56);
    let (mut without, _) = eight();
    without.system.memory = Err(Error::Unavailable("no".to_owned()));
    let (section, body) = beat(&mut without, 100_000);
    assert_eq!((body["daemons"][0].get("memory_percent"), section.completeness), (None, Completeness::Complete));
    assert_eq!(body["daemons"][0]["memory_bytes"], 67_108_864);
}

#[test]
fn a_daemon_that_is_no_longer_configured_vanishes_and_leaves_nothing_open() {
    let (mut host, all) = eight();
    beat(&mut host, 100_000);
    host.processes.table.as_mut().unwrap().processes.clear();
    let (section, _) = beat(&mut host, 105_000);
    assert_eq!(section.findings.len(), 8);
    host.processes.watched = Ok(all[..1].iter().map(|one| Daemon { candidates: vec![], ..one.clone() }).collect());
    let (section, body) = beat(&mut host, 110_000);
    assert_eq!(section.findings.iter().filter(|finding| finding.resolved).count(), 7);
    assert_eq!(body["daemons"].as_array().unwrap().len(), 1);
    let (section, _) = beat(&mut host, 115_000);
    assert_eq!(section.findings.len(), 1);
    assert!(!host.state.get(STATE_DAEMONS).unwrap().contains("daemon2"));
}

#[test]
fn a_process_that_cannot_be_read_runs_without_figures() {
    let (mut host, all) = eight();
    host.processes.watched = Ok(all[..1].to_vec());
    host.processes.table = Err(Error::Forbidden("hidepid".to_owned()));
    let (section, body) = beat(&mut host, 100_000);
    assert_eq!(body["daemons"][0]["status"], "running");
    assert_eq!(body["daemons"][0]["error"], "cannot read process 1: forbidden: hidepid");
    assert_eq!(section.warnings, ["daemon `daemon1`: cannot read process 1: forbidden: hidepid"]);
}

#[test]
fn more_daemons_than_can_be_watched_are_said() {
    let mut host = host();
    host.processes.watched = Ok((0..200).map(|n| watched(&format!("daemon{n}"), &[])).collect());
    let (section, body) = beat(&mut host, 100_000);
    assert_eq!(body["summary"]["total"], 128);
    assert_eq!(section.warnings, ["200 daemons are configured, the first 128 are watched"]);
}

#[test]
fn what_does_not_fit_into_the_state_costs_details_and_no_counts() {
    let (mut host, _) = eight();
    for n in 1..=8 {
        let detail = ProcessDetail { command_line: "x".repeat(4096), ..ProcessDetail::default() };
        host.processes.details.insert(identity(n, 10), Ok(detail));
    }
    host.state.quota_bytes = 4096;
    beat(&mut host, 100_000);
    let state = host.state.get(STATE_DAEMONS).unwrap();
    assert!(state.contains("daemon8") && !state.contains("xxx"));
}

#[test]
fn without_processes_there_is_no_section_and_the_past_stays() {
    let (mut host, _) = eight();
    beat(&mut host, 100_000);
    let before = host.state.get(STATE_DAEMONS).map(str::to_owned);
    host.processes.watched = Err(Error::Unavailable("no".to_owned()));
    let result = host.collect::<DaemonCollector>(&invocation(&[SECTION]), "{}");
    assert_eq!(result, Err(Failure::Unavailable("no".to_owned())));
    assert_eq!(host.state.get(STATE_DAEMONS).map(str::to_owned), before);
}

#[test]
fn no_daemons_are_an_empty_section() {
    let mut host = host();
    host.processes.watched = Ok(vec![]);
    let (section, body) = beat(&mut host, 100_000);
    assert_eq!((&body["daemons"], section.completeness), (&json!([]), Completeness::Complete));
}
