//! The demo's daemons: who lives, who died and how, and what they use.

use serde_json::{Value as Json, json};

use super::noise::Noise;
use super::section::{Wanted, counter, finding, gauge, section, tidy};
use super::story::{Calendar, EXECUTOR_DIES, HEALER_STOPPED, LEAK, MAINTENANCE, MINUTE, OUT_OF_MEMORY, RELAY_MENDED};
use crate::model::{Finding, Metric, Section, Severity, Wall};

/// How long one that came back is shown as restarted.
const RESTARTED_FOR: u64 = 5 * MINUTE;
/// Within this many seconds, more than two restarts are flapping.
const FLAPPING: u64 = 45 * MINUTE;
const MIB: f64 = (1_u64 << 20) as f64;
/// The machine's memory.
pub(super) const MEMORY_BYTES: f64 = 16_384.0 * MIB;

struct Plan {
    name: &'static str,
    pid: u32,
    /// Seconds that it ran before the history begins.
    before: i64,
    cpu_percent: f64,
    memory_mib: f64,
    threads: u32,
    command: &'static str,
}

const DAEMONS: [Plan; 8] = [
    Plan {
        name: "relayCore",
        pid: 1_412,
        before: 403_211,
        cpu_percent: 14.0,
        memory_mib: 318.0,
        threads: 11,
        command: "node /srv/relay/relayCore.js --port 8787 --upstream wss://relay:hunter2-demo@hub.example/ws",
    },
    Plan {
        name: "watchdog",
        pid: 1_388,
        before: 968_404,
        cpu_percent: 0.6,
        memory_mib: 42.0,
        threads: 3,
        command: "/usr/local/bin/watchdog --config /etc/relay/watchdog.toml",
    },
    Plan {
        name: "executor",
        pid: 1_455,
        before: 402_980,
        cpu_percent: 9.0,
        memory_mib: 211.0,
        threads: 9,
        command: "python3 /srv/relay/executor.py --workers 4 --queue /srv/patches",
    },
    Plan {
        name: "healer",
        pid: 1_460,
        before: 402_976,
        cpu_percent: 1.1,
        memory_mib: 88.0,
        threads: 4,
        command: "python3 /srv/relay/healer.py",
    },
    Plan {
        name: "validationEngine",
        pid: 1_471,
        before: 402_970,
        cpu_percent: 6.5,
        memory_mib: 174.0,
        threads: 8,
        command: "node /srv/relay/validationEngine.js",
    },
    Plan {
        name: "messageQueue",
        pid: 1_420,
        before: 403_190,
        cpu_percent: 5.2,
        memory_mib: 262.0,
        threads: 14,
        command: "/usr/local/bin/messageQueue --broker 10.0.4.17:5672 --spool /var/spool/relay",
    },
    Plan {
        name: "healthAggregator",
        pid: 1_482,
        before: 402_961,
        cpu_percent: 2.0,
        memory_mib: 96.0,
        threads: 5,
        command: "node /srv/relay/healthAggregator.js --every 30",
    },
    Plan {
        name: "decisionEngine",
        pid: 1_490,
        before: 402_955,
        cpu_percent: 11.5,
        memory_mib: 540.0,
        threads: 16,
        command: "python3 /srv/relay/decisionEngine.py --model /srv/relay/models/current",
    },
];

#[derive(Clone, Copy, PartialEq)]
enum How {
    /// A signal ended it.
    Signal(i32),
    /// It ended itself.
    Code(i32),
    /// SIGSTOP: it is there and does nothing.
    Stopped,
}

struct Outage {
    name: &'static str,
    from: u64,
    /// Never, in this story, where it is beyond the end.
    to: u64,
    how: How,
}

/// In the order of time.
const OUTAGES: [Outage; 6] = [
    Outage { name: "validationEngine", from: MAINTENANCE.0 + 95, to: MAINTENANCE.1 - 70, how: How::Code(0) },
    Outage { name: "relayCore", from: OUT_OF_MEMORY, to: OUT_OF_MEMORY + 40, how: How::Signal(9) },
    Outage { name: "relayCore", from: OUT_OF_MEMORY + 780, to: OUT_OF_MEMORY + 815, how: How::Code(134) },
    Outage { name: "relayCore", from: OUT_OF_MEMORY + 1_400, to: RELAY_MENDED, how: How::Code(134) },
    Outage { name: "healer", from: HEALER_STOPPED, to: u64::MAX, how: How::Stopped },
    Outage { name: "executor", from: EXECUTOR_DIES.0, to: EXECUTOR_DIES.1, how: How::Code(1) },
];

/// A daemon at an instant.
struct Look {
    status: &'static str,
    since: i64,
    reason: Option<String>,
    /// Its process and when that started, where it lives.
    alive: Option<(u32, i64)>,
    restarts: Vec<(u64, u64, u32)>,
    exits: u64,
    last_exit: Option<(u32, u64, How)>,
    maintenance: bool,
}

fn look(plan: &Plan, now: u64) -> Look {
    let mut look = Look {
        status: "running",
        since: -plan.before,
        reason: None,
        alive: Some((plan.pid, -plan.before)),
        restarts: Vec::new(),
        exits: 0,
        last_exit: None,
        maintenance: plan.name == "validationEngine" && (MAINTENANCE.0..MAINTENANCE.1).contains(&now),
    };
    for outage in OUTAGES.iter().filter(|outage| outage.name == plan.name && outage.from <= now) {
        let pid = look.alive.map_or(plan.pid, |(pid, _)| pid);
        if outage.how == How::Stopped {
            if now < outage.to {
                look.status = "paused";
                look.since = signed(outage.from);
                look.reason = Some("stopped by a signal (SIGSTOP)".to_owned());
            }
            continue;
        }
        look.exits += 1;
        look.last_exit = Some((pid, outage.from, outage.how));
        if now < outage.to {
            look.status = "failed";
            look.since = signed(outage.from);
            look.reason = Some(match outage.how {
                How::Signal(signal) => format!("its process {pid} was ended by signal {signal}"),
                How::Code(code) => format!("its process {pid} ended with status {code}"),
                How::Stopped => String::new(),
            });
            look.alive = None;
        } else {
            let next = 20_000 + u32::try_from(outage.to % 9_973).unwrap_or_default();
            look.alive = Some((next, signed(outage.to)));
            look.restarts.push((outage.from, outage.to, pid));
            let shown = now < outage.to + RESTARTED_FOR;
            look.status = if shown { "restarted" } else { "running" };
            look.since = signed(if shown { outage.to } else { outage.to + RESTARTED_FOR });
            look.reason = shown.then(|| format!("a new process: {next} after {pid}"));
        }
    }
    look
}

fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// How much memory one uses, in bytes.
fn memory(plan: &Plan, now: u64, started: i64, noise: &Noise) -> f64 {
    let base = plan.memory_mib * MIB * (1.0 + 0.04 * noise.curve(plan.name, now));
    if plan.name != "relayCore" || !(LEAK..RELAY_MENDED).contains(&now) {
        return base;
    }
    // It loses more after each restart: the clients that it lost all come back at once.
    let since = now.saturating_sub(LEAK.max(u64::try_from(started).unwrap_or_default()));
    let (rate, most) = if started < 0 { (0.3, 13_500.0) } else { (17.0, 13_500.0) };
    base + (since as f64 * rate).min(most) * MIB
}

/// All memory that the daemons use.
pub(super) fn memory_in_use(now: u64, noise: &Noise) -> f64 {
    DAEMONS.iter().filter_map(|plan| look(plan, now).alive.map(|(_, started)| memory(plan, now, started, noise))).sum()
}

/// One of the dearest processes: pid, name, command line, CPU, memory, threads, start.
pub(super) type Running = (u32, &'static str, &'static str, f64, f64, u32, i64);

/// The daemons' processes.
pub(super) fn running(now: u64, calendar: &Calendar, noise: &Noise) -> Vec<Running> {
    DAEMONS
        .iter()
        .filter_map(|plan| {
            let (pid, started) = look(plan, now).alive?;
            let name = plan.command.split([' ', '/']).find(|part| !part.is_empty()).unwrap_or(plan.name);
            let name = if matches!(name, "node" | "python3") { name } else { plan.name };
            let cpu = cpu_percent(plan, now, calendar, noise);
            Some((pid, name, plan.command, cpu, memory(plan, now, started, noise), plan.threads, started))
        })
        .collect()
}

fn cpu_percent(plan: &Plan, now: u64, calendar: &Calendar, noise: &Noise) -> f64 {
    if look(plan, now).status == "paused" {
        return 0.0;
    }
    let busy = 0.35 + 0.9 * calendar.busy(now);
    tidy((plan.cpu_percent * busy * (1.0 + 0.45 * noise.curve(plan.command, now))).max(0.05))
}

/// The section; between two snapshots with what a heartbeat takes of it, and no more.
pub(super) fn daemon(now: u64, calendar: &Calendar, noise: &Noise, wanted: Wanted) -> Section {
    let looks: Vec<(&Plan, Look)> = DAEMONS.iter().map(|plan| (plan, look(plan, now))).collect();
    let count = |status: &str| looks.iter().filter(|(_, look)| look.status == status).count();
    let in_maintenance = looks.iter().filter(|(_, look)| look.maintenance).count();
    let summary = json!({
        "total": looks.len(), "running": count("running"), "restarted": count("restarted"), "paused": count("paused"),
        "failed": count("failed"), "unknown": 0, "maintenance": in_maintenance, "judged": looks.len() - in_maintenance,
    });
    let full = wanted.body;
    let rows: Vec<Json> = looks.iter().map(|(plan, look)| row(plan, look, now, calendar, noise, full)).collect();
    let body = json!({
        "summary": summary,
        "previous_check": calendar.wall(signed(now) - 5).to_string(),
        "daemons": rows,
    });
    let metrics = if wanted.points {
        looks.iter().flat_map(|(plan, look)| metrics(plan, look, now, calendar, noise)).collect()
    } else {
        Vec::new()
    };
    let findings = looks.iter().flat_map(|(plan, look)| findings(plan, look, now, calendar)).collect();
    section("daemon", body, metrics, findings)
}

fn row(plan: &Plan, look: &Look, now: u64, calendar: &Calendar, noise: &Noise, full: bool) -> Json {
    let at = |seconds: i64| calendar.wall(seconds).to_string();
    let mut row = json!({"name": plan.name, "status": look.status, "restart_count": look.restarts.len()});
    let mut add = |key: &str, value: Json| {
        if let Some(row) = row.as_object_mut() {
            row.insert(key.to_owned(), value);
        }
    };
    if let Some(reason) = &look.reason {
        add("reason", json!(reason));
    }
    if look.maintenance {
        add("maintenance", json!(true));
    }
    if let Some((pid, started)) = look.alive {
        let bytes = memory(plan, now, started, noise).round();
        add("pid", json!(pid));
        add("uptime_seconds", json!(signed(now) - started));
        add("cpu_percent", json!(cpu_percent(plan, now, calendar, noise)));
        add("memory_bytes", json!(bytes as u64));
        if !full {
            return row;
        }
        add("ppid", json!(1));
        add("matched_by", json!("the default rule"));
        add("run_state", json!(if look.status == "paused" { "stopped" } else { "sleeping" }));
        add("started_at", json!(at(started)));
        add("cpu_span_seconds", json!(5.0));
        add("memory_percent", json!(tidy(bytes * 100.0 / MEMORY_BYTES)));
        add("threads", json!(plan.threads));
        add("open_files", json!(plan.threads * 3 + 14));
        add("uid", json!(998));
        add("unit", json!(format!("{}.service", plan.name)));
        add("command_line", json!(plan.command));
    }
    if !full {
        return row;
    }
    add("since", json!(at(look.since)));
    add("last_check", json!(at(signed(now))));
    add("restart_count_is_lower_bound", json!(true));
    add("end_told_by_kernel", json!(true));
    if let Some((from, to, former)) = look.restarts.last() {
        let (ended, started) = (at(signed(*from)), at(signed(*to)));
        add(
            "last_restart",
            json!({"noticed_at": started, "ended_not_after": ended, "started_at": started, "former_pid": former}),
        );
    }
    if let Some((pid, ended, how)) = look.last_exit {
        add("exits_seen", json!(look.exits));
        let mut exit = json!({"pid": pid, "at": at(signed(ended))});
        match how {
            How::Signal(signal) => exit["signal"] = json!(signal),
            How::Code(code) => exit["code"] = json!(code),
            How::Stopped => {}
        }
        add("last_exit", exit);
    }
    row
}

fn metrics(plan: &Plan, look: &Look, now: u64, calendar: &Calendar, noise: &Noise) -> Vec<Metric> {
    let labels = [("name", plan.name)];
    let up = f64::from(u8::from(matches!(look.status, "running" | "restarted")));
    let mut metrics = vec![
        gauge("daemon.up", "1", up, &labels),
        counter("daemon.restarts", "{restart}", look.restarts.len() as u64, &labels),
    ];
    if let Some((_, started)) = look.alive {
        metrics.extend([
            gauge("daemon.uptime", "s", (signed(now) - started) as f64, &labels),
            gauge("daemon.cpu.utilization", "1", cpu_percent(plan, now, calendar, noise) / 100.0, &labels),
            gauge("daemon.memory.usage", "By", memory(plan, now, started, noise).round(), &labels),
            gauge("daemon.threads", "{thread}", f64::from(plan.threads), &labels),
        ]);
    }
    metrics
}

fn findings(plan: &Plan, look: &Look, now: u64, calendar: &Calendar) -> Vec<Finding> {
    let slug = plan.name.to_lowercase();
    let at = |seconds: i64| -> Wall { calendar.wall(seconds) };
    let why = look.reason.clone().unwrap_or_default();
    let mut findings = Vec::new();
    if look.status == "failed" && !look.maintenance {
        let title = format!("daemon `{}` does not run: {why}", plan.name);
        let mut open =
            finding(&format!("daemon:{slug}:failed"), Severity::High, title, at(look.since), at(signed(now)));
        open.count = look.exits;
        open.detail = Some(format!("Ends noticed: {}, restarts: {}.", look.exits, look.restarts.len()));
        findings.push(open);
    }
    if look.status == "paused" && signed(now) - look.since >= signed(5 * MINUTE) {
        let title = format!("daemon `{}` is paused: {why}", plan.name);
        let mut open =
            finding(&format!("daemon:{slug}:paused"), Severity::Medium, title, at(look.since), at(signed(now)));
        open.detail = Some("Its process is there and does nothing. `kill -CONT` continues it.".to_owned());
        findings.push(open);
    }
    let recent = look.restarts.iter().filter(|(_, to, _)| now.saturating_sub(*to) < FLAPPING).count();
    if recent >= 2 {
        let title = format!("daemon `{}` keeps restarting: {recent} times within 45 min", plan.name);
        let first = look.restarts.first().map_or(now, |(_, to, _)| *to);
        let mut open =
            finding(&format!("daemon:{slug}:flapping"), Severity::High, title, at(signed(first)), at(signed(now)));
        open.count = look.restarts.len() as u64;
        findings.push(open);
    }
    findings
}
