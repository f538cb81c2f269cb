//! Whole calls against a fake host.

use ghostd_sdk::fake::{Host, invocation};
use ghostd_sdk::host::processes::{Process, ProcessDetail, ProcessTable, RunState};
use ghostd_sdk::host::system::{
    ConnectionCounts, CpuState, CpuTimes, Disk, FileHandleCounts, Filesystem, MemoryState, NetworkInterface,
    PressureStall, Usage,
};
use ghostd_sdk::{Completeness, Error, Invocation, Section};
use serde_json::{Value, json};

use crate::Metrics;
use crate::processes::tests::process;

/// The machine so many seconds after it was first looked at: half of both processors busy.
fn machine(host: &mut Host, seconds: u64) {
    let times = |share: u64| CpuTimes {
        user_ms: 40_000 + seconds * share * 4,
        system_ms: 9_000 + seconds * share,
        idle_ms: 800_000 + seconds * share * 5,
        ..Default::default()
    };
    let system = &mut host.system;
    system.cpu = Ok(CpuState {
        total: times(200),
        per_cpu: vec![(0, times(100)), (1, times(100))],
        count: 2,
        load: (0.5, 0.25, 0.125),
        context_switches: Some(1_000_000 + seconds * 3_000),
        forks: Some(500),
    });
    system.memory = Ok(MemoryState { total: 8 << 30, free: 1 << 30, available: 6 << 30, ..Default::default() });
    let usage = Usage {
        total_bytes: 1000 << 20,
        free_bytes: 400 << 20,
        available_bytes: 200 << 20,
        inodes: 65_536,
        inodes_free: 32_768,
    };
    system.filesystems = Ok(vec![Filesystem {
        mount: "/".to_owned(),
        device: "/dev/vda1".to_owned(),
        fs_type: "ext4".to_owned(),
        read_only: false,
        disk: Some("vda".to_owned()),
        usage: Ok(usage),
    }]);
    system.disks = Ok(vec![Disk {
        name: "vda".to_owned(),
        read_bytes: 4096 * seconds,
        written_bytes: 1 << 20,
        reads: seconds,
        writes: 256,
        busy_ms: seconds * 100,
    }]);
    system.network_interfaces = Ok(vec![NetworkInterface {
        name: "eth0".to_owned(),
        state: "up".to_owned(),
        received_bytes: 1_000 * seconds,
        received_packets: 10 * seconds,
        ..Default::default()
    }]);
    system.connections = Ok(ConnectionCounts { tcp: vec![("listen".to_owned(), 3)], udp: 1, unix: 9 });
    system.pressure = Ok(vec![PressureStall { resource: "io".to_owned(), ..Default::default() }]);
    system.file_handles = Ok(FileHandleCounts { allocated: 2_048, maximum: 1 << 20 });
}

fn table(processes: Vec<Process>) -> ProcessTable {
    ProcessTable { total: u32::try_from(processes.len()).unwrap(), processes, unreadable: 0 }
}

fn at(ms: u64, due: &str) -> Invocation {
    let call = invocation(&[due]);
    Invocation { monotonic_ns: call.monotonic_ns + ms * 1_000_000, ..call }
}

fn take(host: &mut Host, call: &Invocation) -> (Section, Value) {
    let mut sections = host.collect::<Metrics>(call, "{}").unwrap();
    assert_eq!(sections.len(), 1, "only what is due");
    let section = sections.remove(0);
    let body = serde_json::from_str(&section.body).unwrap();
    (section, body)
}

#[test]
fn the_first_call_has_levels_and_counters_and_no_rates() {
    let mut host = Host::new();
    machine(&mut host, 0);
    let (section, body) = take(&mut host, &at(0, "metric"));
    assert_eq!((section.completeness, section.warnings.len()), (Completeness::Complete, 0));
    assert_eq!(body["rate_span_seconds"], Value::Null);
    assert_eq!(body["cpu"].get("usage_percent"), None);
    assert_eq!(body["cpu"]["load_average"], json!([0.5, 0.25, 0.125]));
    assert_eq!(body["memory"]["usage_percent"], 25.0);
    assert_eq!(body["filesystems"][0]["usage_percent"], 75.0);
    assert_eq!(body["filesystems"][0]["written_bytes"], 1 << 20);
    assert_eq!(body["interfaces"][0].get("received_bytes_per_second"), None);
    assert_eq!(body["connections"], json!({"tcp_total": 3, "tcp": {"listen": 3}, "udp": 1, "unix": 9}));
    assert_eq!(body["pressure"]["io"]["some_percent"], json!([0.0, 0.0, 0.0]));
    assert_eq!(body["open_files"]["usage_percent"], 0.195);
    assert_eq!(body.get("unavailable"), None);
}

#[test]
fn the_second_call_has_rates_over_the_time_between() {
    let mut host = Host::new();
    machine(&mut host, 0);
    take(&mut host, &at(0, "metric"));
    machine(&mut host, 15);
    let (section, body) = take(&mut host, &at(15_000, "metric"));
    assert_eq!(body["rate_span_seconds"], 15.0);
    assert_eq!((&body["cpu"]["usage_percent"], &body["cpu"]["user_percent"]), (&json!(50.0), &json!(40.0)));
    assert_eq!(
        body["cpu"]["cores"][1],
        json!({"cpu": 1, "usage_percent": 50.0, "user_percent": 40.0,
        "system_percent": 10.0, "iowait_percent": 0.0, "irq_percent": 0.0, "steal_percent": 0.0})
    );
    assert_eq!(body["cpu"]["context_switches_per_second"], 3_000.0);
    assert_eq!(body["disks"][0]["read_bytes_per_second"], 4_096.0);
    assert_eq!(body["disks"][0]["busy_percent"], 10.0);
    assert_eq!(body["filesystems"][0]["read_bytes_per_second"], 4_096.0);
    assert_eq!(body["interfaces"][0]["received_packets_per_second"], 10.0);
    for name in ["system.cpu.utilization", "system.memory.usage", "system.filesystem.usage", "system.network.io"] {
        assert!(section.metrics.iter().any(|metric| metric.name == name), "{name}");
    }
}

#[test]
fn calls_within_a_second_keep_the_older_base() {
    let mut host = Host::new();
    for (seconds, ms, span) in
        [(0, 0, Value::Null), (0, 400, Value::Null), (1, 900, Value::Null), (2, 2_000, json!(2.0))]
    {
        machine(&mut host, seconds);
        let (_, body) = take(&mut host, &at(ms, "metric"));
        assert_eq!(body["rate_span_seconds"], span, "{ms} ms");
        if span == json!(2.0) {
            assert_eq!(body["interfaces"][0]["received_bytes_per_second"], 1_000.0);
        }
    }
}

#[test]
fn a_reboot_in_between_leaves_no_rates_and_begins_anew() {
    let mut host = Host::new();
    machine(&mut host, 1_000);
    take(&mut host, &at(0, "metric"));
    let rebooted = |ms: u64| Invocation { boot_id: "another".to_owned(), ..at(ms, "metric") };
    machine(&mut host, 2_000);
    assert_eq!(take(&mut host, &rebooted(5_000)).1["rate_span_seconds"], Value::Null);
    machine(&mut host, 2_005);
    let (_, body) = take(&mut host, &rebooted(10_000));
    assert_eq!((&body["rate_span_seconds"], &body["cpu"]["usage_percent"]), (&json!(5.0), &json!(50.0)));
}

#[test]
fn a_source_that_fails_is_a_warning_and_the_others_stay() {
    let mut host = Host::new();
    machine(&mut host, 0);
    take(&mut host, &at(0, "metric"));
    machine(&mut host, 5);
    host.system.disks = Err(Error::Io("input/output error".to_owned()));
    host.system.pressure = Err(Error::Unavailable("kernel has no PSI".to_owned()));
    let (section, body) = take(&mut host, &at(5_000, "metric"));
    assert_eq!(section.completeness, Completeness::Partial);
    assert_eq!(section.warnings, ["disks: io: input/output error"]);
    assert_eq!((&body["disks"], &body["pressure"]), (&Value::Null, &Value::Null));
    assert_eq!(body["unavailable"], json!({"pressure": "kernel has no PSI"}));
    assert_eq!(body["cpu"]["usage_percent"], 50.0);
    // It comes back without a base, and with rates one call later.
    machine(&mut host, 10);
    assert_eq!(take(&mut host, &at(10_000, "metric")).1["disks"][0].get("busy_percent"), None);
    machine(&mut host, 15);
    assert_eq!(take(&mut host, &at(15_000, "metric")).1["disks"][0]["busy_percent"], 10.0);
}

#[test]
fn a_dead_mount_costs_one_warning() {
    let mut host = Host::new();
    machine(&mut host, 0);
    if let Ok(filesystems) = &mut host.system.filesystems {
        let mut dead = filesystems[0].clone();
        dead.mount = "/mnt/backup".to_owned();
        dead.usage = Err(Error::Pending("no answer for 30 s".to_owned()));
        filesystems.push(dead);
    }
    let (section, body) = take(&mut host, &at(0, "metric"));
    assert_eq!(section.warnings, ["file system `/mnt/backup`: pending: no answer for 30 s"]);
    assert_eq!(body["filesystems"][1]["error"], "pending: no answer for 30 s");
    assert_eq!(body["filesystems"][0]["used_bytes"], 600 << 20);
}

#[test]
fn the_dearest_processes_have_command_lines_and_the_others_cost_nothing() {
    let mut host = Host::new();
    machine(&mut host, 0);
    let many = |busy_ms: u64| -> Vec<Process> {
        (1..=2_000).map(|pid| process(pid, 7, if pid <= 15 { u64::from(pid) * busy_ms } else { 0 })).collect()
    };
    host.processes.table = Ok(table(many(1_000)));
    let (_, body) = take(&mut host, &at(0, "processes"));
    assert_eq!(body["rate_span_seconds"], Value::Null);
    assert_eq!((&body["top_cpu"][0]["pid"], body["top_cpu"][0].get("cpu_percent")), (&json!(15), None));

    let busy = host.processes.table.as_ref().unwrap().processes[14].identity;
    let detail = ProcessDetail { command_line: "node relay.js".to_owned(), uid: Some(0), ..Default::default() };
    host.processes.details.insert(busy, Ok(detail));
    host.processes.detailed.clear();
    host.processes.table = Ok(table(many(1_100)));
    let (section, body) = take(&mut host, &at(10_000, "processes"));
    assert_eq!(body["rate_span_seconds"], 10.0);
    let top = body["top_cpu"].as_array().unwrap();
    assert_eq!((top.len(), &top[0]["pid"], &top[0]["cpu_percent"]), (10, &json!(15), &json!(15.0)));
    assert_eq!((&top[0]["command_line"], &top[0]["uid"]), (&json!("node relay.js"), &json!(0)));
    assert_eq!(body["top_memory"][0]["pid"], 2_000);
    assert_eq!(body["top_memory"][0]["memory_percent"], 24.414);
    assert_eq!(host.processes.detailed.len(), 20);
    assert!(section.warnings.is_empty());
}

#[test]
fn processes_are_counted_by_state() {
    let mut host = Host::new();
    let mut processes = vec![process(1, 1, 5), process(2, 2, 0), process(3, 3, 0)];
    processes[1].state = RunState::Zombie;
    (processes[2].state, processes[2].kernel) = (RunState::Idle, true);
    host.processes.table = Ok(ProcessTable { total: 5, processes, unreadable: 2 });
    let (section, body) = take(&mut host, &at(0, "processes"));
    assert_eq!(body["by_state"], json!({"idle": 1, "sleeping": 1, "zombie": 1}));
    assert_eq!(
        (&body["total"], &body["unreadable"], &body["kernel"], &body["threads"]),
        (&json!(5), &json!(2), &json!(1), &json!(6))
    );
    assert!(section.warnings.is_empty(), "no memory on this platform and two that ended are no trouble");
}

#[test]
fn details_that_are_refused_are_one_warning_and_one_that_ended_is_none() {
    let mut host = Host::new();
    let processes = vec![process(1, 1, 5), process(2, 2, 9), process(3, 3, 7)];
    for (index, error) in
        [Error::NotFound("ended".to_owned()), Error::Forbidden("hidepid".to_owned())].into_iter().enumerate()
    {
        host.processes.details.insert(processes[index].identity, Err(error));
    }
    host.processes.table = Ok(table(processes));
    let (section, body) = take(&mut host, &at(0, "processes"));
    assert_eq!(section.warnings, ["details of process 2: forbidden: hidepid"]);
    assert_eq!(body["top_cpu"][0]["error"], "forbidden: hidepid");
    assert_eq!(body["top_cpu"][2]["error"], "not-found: ended");
}

#[test]
fn without_a_table_there_is_no_section_but_a_failure() {
    let mut host = Host::new();
    host.processes.table = Err(Error::Forbidden("no /proc".to_owned()));
    assert!(host.collect::<Metrics>(&at(0, "processes"), "{}").is_err());
    // It does not take the other section with it.
    machine(&mut host, 0);
    let call = Invocation { due: vec!["metric".to_owned(), "processes".to_owned()], ..at(0, "metric") };
    let sections = host.collect::<Metrics>(&call, "{}").unwrap();
    assert_eq!(sections[0].completeness, Completeness::Complete);
    assert_eq!(sections[1].warnings, ["denied: no /proc"]);
}

#[test]
fn a_limit_that_was_reached_is_said() {
    let mut host = Host::new();
    host.processes.table = Ok(ProcessTable { total: 40_000, processes: vec![process(1, 1, 1)], unreadable: 0 });
    let (section, _) = take(&mut host, &at(0, "processes"));
    assert_eq!(section.warnings, ["1 of 40000 processes were looked at"]);
}

#[test]
fn both_sections_in_one_call_and_the_state_stays_small() {
    let mut host = Host::new();
    machine(&mut host, 0);
    host.processes.table = Ok(table((1..=30_000).map(|pid| process(pid, 1_000_000, 3_600_000)).collect()));
    let call = Invocation { due: vec!["metric".to_owned(), "processes".to_owned()], ..at(0, "metric") };
    assert_eq!(host.collect::<Metrics>(&call, r#"{"top":3}"#).unwrap().len(), 2);
    assert!(host.state.used_bytes() < 256 * 1024, "{}", host.state.used_bytes());
    assert_eq!(host.processes.detailed.len(), 6);
}

/// The forms that readers of `ghost.metric/1` and `ghost.processes/1` rely on.
#[test]
fn the_bodies_are_those_of_the_fixtures() {
    let mut host = Host::new();
    let due = Invocation { due: vec!["metric".to_owned(), "processes".to_owned()], ..at(0, "metric") };
    let processes = |busy_ms: u64| {
        let mut relay = process(412, 8_211, 61_200 + busy_ms);
        (relay.name, relay.state, relay.threads) = ("node".to_owned(), RunState::Running, 11);
        let mut kernel = process(2, 0, 0);
        (kernel.name, kernel.kernel, kernel.resident_bytes, kernel.threads) = ("kthreadd".to_owned(), true, 0, 1);
        table(vec![kernel, relay, process(1, 1, 900)])
    };
    machine(&mut host, 0);
    host.processes.table = Ok(processes(0));
    host.collect::<Metrics>(&due, "{}").unwrap();

    machine(&mut host, 15);
    if let (Ok(filesystems), Ok(memory)) = (&mut host.system.filesystems, &mut host.system.memory) {
        let mut dead = filesystems[0].clone();
        (dead.mount, dead.device, dead.fs_type) =
            ("/mnt/backup".to_owned(), "nas:/export".to_owned(), "nfs4".to_owned());
        (dead.disk, dead.usage) = (None, Err(Error::Pending("no answer for 30 s".to_owned())));
        filesystems.push(dead);
        (memory.cgroup_limit, memory.cgroup_used, memory.oom_kills) = (Some(1 << 30), Some(1 << 28), Some(1));
    }
    host.system.pressure = Ok(vec![
        PressureStall {
            resource: "cpu".to_owned(),
            some_avg: (1.5, 0.75, 0.2),
            some_total_us: 123,
            ..Default::default()
        },
        PressureStall {
            resource: "io".to_owned(),
            some_avg: (0.0, 0.1, 0.2),
            some_total_us: 456,
            full_avg: Some((0.0, 0.0, 0.1)),
            full_total_us: Some(78),
        },
    ]);
    host.processes.table = Ok(processes(7_500));
    let relay = host.processes.table.as_ref().unwrap().processes[1].identity;
    let detail = ProcessDetail {
        command_line: "node relayCore.js --token [REDACTED:flag]".to_owned(),
        executable: Some("/usr/bin/node".to_owned()),
        cgroup: Some("/system.slice/relay.service".to_owned()),
        unit: Some("relay.service".to_owned()),
        open_files: Some(42),
        uid: Some(1000),
    };
    host.processes.details.insert(relay, Ok(detail));
    let later = Invocation { monotonic_ns: due.monotonic_ns + 15_000_000_000, ..due };
    let sections = host.collect::<Metrics>(&later, "{}").unwrap();
    for (section, fixture) in sections.iter().zip([
        include_str!("../../../tests/fixtures/metric/metric.json"),
        include_str!("../../../tests/fixtures/metric/processes.json"),
    ]) {
        let body: Value = serde_json::from_str(&section.body).unwrap();
        let expected: Value = serde_json::from_str(fixture).unwrap();
        assert_eq!(body, expected, "{}", section.body);
    }
}
