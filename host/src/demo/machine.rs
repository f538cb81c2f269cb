//! The demo's machine: processors, memory, disks, interfaces, and its dearest processes.

use serde_json::{Value as Json, json};

use super::daemons::{self, MEMORY_BYTES};
use super::noise::Noise;
use super::section::{counter, gauge, section, tidy};
use super::story::{BROKER_AWAY, Calendar, DISK_FILLS, HOUR, OUT_OF_MEMORY, within};
use crate::model::{Metric, Section};

const GIB: f64 = (1_u64 << 30) as f64;
const PROCESSORS: u32 = 8;

/// Mount, device, size, share in use at the beginning.
const FILESYSTEMS: [(&str, &str, f64, f64); 3] =
    [("/", "/dev/vda1", 40.0, 0.412), ("/var", "/dev/vda2", 80.0, 0.553), ("/srv", "/dev/vdb1", 200.0, 0.327)];

/// The figures that everything else follows from.
struct State {
    /// Share of all processors.
    busy: f64,
    iowait: f64,
    used: f64,
    cached: f64,
    load: [f64; 3],
    receive: f64,
    transmit: f64,
    read: f64,
    write: f64,
}

fn state(now: u64, calendar: &Calendar, noise: &Noise) -> State {
    let busy_at = |at: u64| {
        let day = 0.09 + 0.3 * calendar.busy(at);
        let storm = if within(at, BROKER_AWAY) { 0.22 } else { 0.0 };
        let swapping = if within(at, (OUT_OF_MEMORY - 600, OUT_OF_MEMORY)) { 0.25 } else { 0.0 };
        (day * (1.0 + 0.5 * noise.curve("cpu", at)) + storm + swapping).clamp(0.02, 0.97)
    };
    let busy = busy_at(now);
    let filling = within(now, DISK_FILLS);
    let used = 2.4 * GIB + daemons::memory_in_use(now, noise) + 0.12 * GIB * noise.curve("memory", now);
    let used = used.min(MEMORY_BYTES * 0.985);
    let threads = f64::from(PROCESSORS);
    let mean = |span: u64| (0..4).map(|n| busy_at(now.saturating_sub(n * span / 4))).sum::<f64>() / 4.0;
    let traffic = 0.3 + calendar.busy(now);
    State {
        busy,
        iowait: (0.006 + 0.02 * noise.at("iowait", now / 15) + if filling { 0.03 } else { 0.0 }).min(0.2),
        used,
        cached: (MEMORY_BYTES - used) * 0.62,
        load: [mean(60), mean(300), mean(900)].map(|share| tidy(share * threads * 1.15)),
        receive: 420e3 * traffic * (1.0 + 0.6 * noise.curve("receive", now)),
        transmit: 610e3 * traffic * (1.0 + 0.6 * noise.curve("transmit", now)),
        read: 90e3 * (1.0 + noise.curve("read", now)),
        write: (if filling { 2.1e6 } else { 350e3 }) * (1.0 + 0.5 * noise.curve("write", now)),
    }
}

/// The share of a file system that is in use.
fn filled(mount: &str, base: f64, now: u64) -> f64 {
    let slow = base + now as f64 * 1.5e-8;
    if mount != "/var" {
        return slow;
    }
    let (from, to) = DISK_FILLS;
    match now {
        _ if now < from => slow,
        _ if now < to => slow + (now - from) as f64 / (to - from) as f64 * 0.398,
        // With the log some old spool files went, too.
        _ => slow - 0.084 + (now - to) as f64 * 2e-7,
    }
}

/// The section `metric`; the body only where it is wanted.
pub(super) fn metric(now: u64, calendar: &Calendar, noise: &Noise, with_body: bool) -> Section {
    let state = state(now, calendar, noise);
    let body = if with_body { body(now, &state, noise) } else { json!({}) };
    section("metric", body, points(now, &state, noise), Vec::new())
}

/// A total that has grown at about this rate since the boot.
fn total(now: u64, rate: f64) -> u64 {
    ((968_000.0 + now as f64) * rate) as u64
}

fn points(now: u64, state: &State, noise: &Noise) -> Vec<Metric> {
    let user = state.busy * 0.72;
    let mut points = vec![gauge("system.cpu.logical.count", "{cpu}", f64::from(PROCESSORS), &[])];
    for (name, load) in ["1m", "5m", "15m"].into_iter().zip(state.load) {
        points.push(gauge(&format!("system.cpu.load_average.{name}"), "{thread}", load, &[]));
    }
    for (mode, share) in [
        ("user", user),
        ("system", state.busy - user),
        ("iowait", state.iowait),
        ("idle", (1.0 - state.busy - state.iowait).max(0.0)),
    ] {
        points.push(gauge("system.cpu.utilization", "1", share, &[("cpu.mode", mode)]));
    }
    points.push(gauge("system.memory.limit", "By", MEMORY_BYTES, &[]));
    points.push(gauge("system.memory.linux.available", "By", (MEMORY_BYTES - state.used).round(), &[]));
    let free = MEMORY_BYTES - state.used - state.cached;
    for (name, bytes) in [("used", state.used), ("free", free), ("cached", state.cached)] {
        points.push(gauge("system.memory.usage", "By", bytes.round(), &[("system.memory.state", name)]));
    }
    points.push(gauge("system.memory.utilization", "1", state.used / MEMORY_BYTES, &[]));
    points.push(counter("system.memory.oom_kills", "{process}", u64::from(now >= OUT_OF_MEMORY), &[]));
    for (mount, _, size, base) in FILESYSTEMS {
        let share = filled(mount, base, now);
        let label = ("system.filesystem.mountpoint", mount);
        points.push(gauge("system.filesystem.utilization", "1", share, &[label]));
        for (name, part) in [("used", share), ("free", 1.0 - share)] {
            let bytes = (size * GIB * part).round();
            points.push(gauge("system.filesystem.usage", "By", bytes, &[label, ("system.filesystem.state", name)]));
        }
    }
    for (direction, rate) in [("read", 95e3), ("write", 420e3)] {
        let labels = [("system.device", "vda"), ("disk.io.direction", direction)];
        points.push(counter("system.disk.io", "By", total(now, rate), &labels));
    }
    for (direction, rate) in [("receive", 380e3), ("transmit", 560e3)] {
        let labels = [("network.interface.name", "eth0"), ("network.io.direction", direction)];
        points.push(counter("system.network.io", "By", total(now, rate), &labels));
    }
    for (resource, share) in [
        ("cpu", state.busy * 0.18),
        ("memory", if state.used > MEMORY_BYTES * 0.9 { 0.31 } else { 0.0 }),
        ("io", state.iowait * 0.9),
    ] {
        points.push(gauge("system.linux.pressure", "1", share, &[("resource", resource), ("kind", "some")]));
    }
    let established = 96.0 + 40.0 * noise.curve("connections", now);
    let labels = [("network.transport", "tcp"), ("network.connection.state", "established")];
    points.push(gauge("system.network.connection.count", "{connection}", established.round(), &labels));
    points.push(gauge("system.linux.file_handle.count", "{file}", (4_200.0 + established * 3.0).round(), &[]));
    points
}

fn body(now: u64, state: &State, noise: &Noise) -> Json {
    let percent = |share: f64| tidy(share * 100.0);
    let cores: Vec<Json> = (0..PROCESSORS)
        .map(|cpu| {
            let share = (state.busy * (1.0 + 0.5 * noise.curve(&format!("core{cpu}"), now))).clamp(0.01, 1.0);
            json!({"cpu": cpu, "usage_percent": percent(share), "user_percent": percent(share * 0.72),
                   "system_percent": percent(share * 0.26), "iowait_percent": percent(state.iowait), "irq_percent": 0.1,
                   "steal_percent": 0.0})
        })
        .collect();
    let filesystems: Vec<Json> = FILESYSTEMS
        .into_iter()
        .map(|(mount, device, size, base)| {
            let share = filled(mount, base, now);
            let (total, used) = ((size * GIB) as u64, (size * GIB * share) as u64);
            json!({"mount": mount, "device": device, "fs_type": "ext4", "read_only": false, "total_bytes": total,
                   "used_bytes": used, "available_bytes": total - used, "usage_percent": percent(share),
                   "inodes_usage_percent": percent(share * 0.3)})
        })
        .collect();
    json!({
        "rate_span_seconds": 15.0,
        "cpu": {
            "count": PROCESSORS, "load_average": state.load, "usage_percent": percent(state.busy),
            "user_percent": percent(state.busy * 0.72), "system_percent": percent(state.busy * 0.26),
            "iowait_percent": percent(state.iowait), "irq_percent": 0.1, "steal_percent": 0.0, "cores": cores,
        },
        "memory": {
            "total_bytes": MEMORY_BYTES as u64, "used_bytes": state.used as u64,
            "free_bytes": (MEMORY_BYTES - state.used - state.cached) as u64,
            "available_bytes": (MEMORY_BYTES - state.used) as u64, "cached_bytes": state.cached as u64,
            "buffers_bytes": 0, "dirty_bytes": 1_204_224, "usage_percent": percent(state.used / MEMORY_BYTES),
            "swap_total_bytes": 0, "swap_used_bytes": 0, "swap_usage_percent": null,
            "oom_kills": u8::from(now >= OUT_OF_MEMORY),
        },
        "filesystems": filesystems,
        "filesystems_omitted": 0,
        "disks": [{
            "name": "vda", "read_bytes": total(now, 95e3), "written_bytes": total(now, 420e3),
            "reads": total(now, 4.0), "writes": total(now, 31.0), "read_bytes_per_second": tidy(state.read),
            "written_bytes_per_second": tidy(state.write), "reads_per_second": 4.1, "writes_per_second": 33.0,
            "busy_percent": percent(state.iowait * 1.4),
        }],
        "interfaces": [{
            "name": "eth0", "state": "up", "received_bytes": total(now, 380e3), "received_packets": total(now, 610.0),
            "received_errors": 0, "received_drops": 12, "sent_bytes": total(now, 560e3), "sent_packets": total(now, 702.0),
            "sent_errors": 0, "sent_drops": 0, "received_bytes_per_second": tidy(state.receive),
            "sent_bytes_per_second": tidy(state.transmit),
        }],
        "interfaces_omitted": 0,
        "pressure": {
            "cpu": {"some_percent": ([percent(state.busy * 0.18); 3]), "some_total_us": total(now, 31_000.0)},
            "io": {"some_percent": ([percent(state.iowait * 0.9); 3]), "some_total_us": total(now, 9_000.0)},
        },
        "open_files": {"allocated": 4_512, "maximum": 1_624_312, "usage_percent": 0.28},
    })
}

/// What else runs there: name, command line, share of a processor, memory.
const OTHERS: [(u32, &str, &str, f64, f64); 7] = [
    (1, "systemd", "/sbin/init", 0.1, 13.0),
    (412, "systemd-journal", "/lib/systemd/systemd-journald", 0.9, 61.0),
    (655, "chronyd", "/usr/sbin/chronyd -F 1", 0.1, 4.0),
    (702, "sshd", "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", 0.0, 9.0),
    (811, "postgres", "postgres: checkpointer", 2.4, 402.0),
    (812, "postgres", "postgres: relay relaydb 127.0.0.1(51122) idle", 3.1, 188.0),
    (903, "nginx", "nginx: worker process", 1.6, 24.0),
];

/// The section `processes`.
pub(super) fn processes(now: u64, calendar: &Calendar, noise: &Noise) -> Section {
    let at = |seconds: i64| calendar.wall(seconds).to_string();
    let entry = |pid: u32, name: &str, command: &str, cpu: f64, memory: f64, threads: u32, started: i64| {
        let lived = i64::try_from(now).unwrap_or_default() - started;
        json!({
            "pid": pid, "ppid": 1, "name": name, "state": "sleeping", "threads": threads, "cpu_percent": tidy(cpu),
            "cpu_seconds": tidy(lived as f64 * cpu / 100.0), "resident_bytes": memory as u64,
            "memory_percent": tidy(memory * 100.0 / MEMORY_BYTES), "started_at": at(started), "command_line": command,
        })
    };
    let mut entries: Vec<Json> = daemons::running(now, calendar, noise)
        .into_iter()
        .map(|(pid, name, command, cpu, memory, threads, started)| {
            entry(pid, name, command, cpu, memory, threads, started)
        })
        .collect();
    for (pid, name, command, cpu, mib) in OTHERS {
        let cpu = cpu * (0.4 + calendar.busy(now)) * (1.0 + 0.4 * noise.curve(command, now));
        let memory = mib * GIB / 1_024.0 * (1.0 + 0.05 * noise.curve(name, now));
        entries.push(entry(pid, name, command, cpu.max(0.0), memory, 1, -(11 * 24 * HOUR as i64)));
    }
    let dearest = |key: &str| {
        let figure = |entry: &Json| entry.get(key).and_then(Json::as_f64).unwrap_or_default();
        let mut sorted = entries.clone();
        sorted.sort_by(|a, b| figure(b).total_cmp(&figure(a)));
        sorted.truncate(10);
        sorted
    };
    let total = 131 + (noise.at("processes", now / 60) * 9.0) as u64;
    let body = json!({
        "rate_span_seconds": 300.0, "total": total, "unreadable": 0, "kernel": 71, "threads": total + 148,
        "by_state": {"running": 2, "sleeping": total - 73, "idle": 71},
        "top_cpu": dearest("cpu_percent"), "top_memory": dearest("resident_bytes"),
    });
    let points = vec![
        gauge("system.process.count", "{process}", (total - 73) as f64, &[("process.state", "sleeping")]),
        gauge("system.process.threads", "{thread}", (total + 148) as f64, &[]),
    ];
    section("processes", body, points, Vec::new())
}
