//! The demo's patches, and the state files of its telemetry.

use serde_json::{Value as Json, json};

use super::section::{finding, gauge, section};
use super::story::{BROKER_AWAY, Calendar, HOUR, MINUTE, PATCH_FAILS, PATCH_STUCK, TELEMETRY_STALE, within};
use crate::model::{Finding, Section, Severity};

struct Patch {
    id: &'static str,
    version: &'static str,
    phase: &'static str,
    /// When it is put there, when it begins, when it ends.
    life: (u64, u64, u64),
    fails: bool,
}

const NEVER: u64 = u64::MAX;

const PATCHES: [Patch; 7] = [
    Patch {
        id: "patch-v2.3.8(P7.02.01)_quieter-retries",
        version: "2.3.8",
        phase: "P7.02.01",
        life: (0, 0, 0),
        fails: false,
    },
    Patch {
        id: "patch-v2.3.9(P7.02.02)_spool-limits",
        version: "2.3.9",
        phase: "P7.02.02",
        life: (3 * HOUR, 3 * HOUR + 4 * MINUTE, 3 * HOUR + 9 * MINUTE),
        fails: false,
    },
    Patch {
        id: "patch-v2.4.0(P7.03.01)_broker-failover",
        version: "2.4.0",
        phase: "P7.03.01",
        life: (BROKER_AWAY.1 + 2 * HOUR, 8 * HOUR + 30 * MINUTE, 8 * HOUR + 36 * MINUTE),
        fails: false,
    },
    Patch {
        id: "patch-v2.4.1(P7.03.02)_schema-migration",
        version: "2.4.1",
        phase: "P7.03.02",
        life: (19 * HOUR, PATCH_FAILS.0, PATCH_FAILS.1),
        fails: true,
    },
    Patch {
        id: "patch-v2.4.2(P7.03.03)_schema-migration-again",
        version: "2.4.2",
        phase: "P7.03.03",
        life: (21 * HOUR, PATCH_FAILS.2 - 11 * MINUTE, PATCH_FAILS.2),
        fails: false,
    },
    Patch {
        id: "patch-v2.4.3(P7.04.01)_log-rotation",
        version: "2.4.3",
        phase: "P7.04.01",
        life: (42 * HOUR, 42 * HOUR + 3 * MINUTE, 42 * HOUR + 8 * MINUTE),
        fails: false,
    },
    Patch {
        id: "patch-v2.4.4(P7.04.02)_reindex-deliveries",
        version: "2.4.4",
        phase: "P7.04.02",
        life: (46 * HOUR, PATCH_STUCK, NEVER),
        fails: false,
    },
];

/// Executing for longer than this is stuck.
const STUCK_AFTER: u64 = HOUR;

impl Patch {
    fn state(&self, now: u64) -> Option<&'static str> {
        let (put, begins, ends) = self.life;
        match now {
            _ if now < put => None,
            _ if now < begins => Some("pending"),
            _ if now < ends => Some("executing"),
            _ if self.fails => Some("failed"),
            _ => Some("completed"),
        }
    }

    fn shown(&self, state: &str, calendar: &Calendar) -> Json {
        json!({
            "id": self.id, "state": state, "version": self.version, "phase": self.phase,
            "time": calendar.at(self.life.0).wall.to_string(), "time_from": "patch",
            "path": format!(".{state}/{}.json", self.id), "size_bytes": 4_096 + self.id.len() * 211,
        })
    }
}

/// The section `patch`.
pub(super) fn patch(now: u64, calendar: &Calendar) -> Section {
    let in_state =
        |wanted: &str| PATCHES.iter().filter(|patch| patch.state(now) == Some(wanted)).collect::<Vec<&Patch>>();
    let executing = in_state("executing");
    let seconds = |patch: &Patch| now - patch.life.1;
    let stuck = executing.iter().filter(|patch| seconds(patch) > STUCK_AFTER).count();
    let mut done: Vec<&Patch> = in_state("completed");
    let last = done.last().map(|patch| patch.shown("completed", calendar));
    done.extend(in_state("failed"));
    done.sort_by_key(|patch| std::cmp::Reverse(patch.life.2));
    let history: Vec<Json> =
        done.iter().map(|patch| patch.shown(patch.state(now).unwrap_or("completed"), calendar)).collect();
    let running: Vec<Json> = executing
        .iter()
        .map(|patch| {
            let mut shown = patch.shown("executing", calendar);
            shown["since"] = json!(calendar.at(patch.life.1).wall.to_string());
            shown["since_from"] = json!("seen");
            shown["seconds"] = json!(seconds(patch));
            shown["stuck"] = json!(seconds(patch) > STUCK_AFTER);
            shown
        })
        .collect();
    let pending = in_state("pending");
    let completed = 118 + done.iter().filter(|patch| !patch.fails).count();
    let failed = done.iter().filter(|patch| patch.fails).count();
    let body = json!({
        "configured": true, "root": "queue",
        "queue": {"pending": pending.len(), "executing": executing.len(), "completed": completed, "failed": failed},
        "folders": [
            {"name": ".pending", "files": pending.len()}, {"name": ".executing", "files": executing.len()},
            {"name": ".completed", "files": completed}, {"name": ".failed", "files": failed},
        ],
        "last_completed": last, "history": history, "executing": running, "stuck": stuck,
        "oldest_pending_seconds": pending.first().map(|patch| now - patch.life.0),
        "malformed": {"count": 0}, "not_patches": {"count": 0},
    });
    let mut points: Vec<_> =
        [("pending", pending.len()), ("executing", executing.len()), ("completed", completed), ("failed", failed)]
            .into_iter()
            .map(|(state, count)| gauge("patch.queue.size", "{patch}", count as f64, &[("state", state)]))
            .collect();
    let longest = executing.iter().map(|patch| seconds(patch)).max().unwrap_or(0);
    points.push(gauge("patch.executing.longest", "s", longest as f64, &[]));
    points.push(gauge("patch.executing.stuck", "{patch}", stuck as f64, &[]));
    section("patch", body, points, patch_findings(now, calendar))
}

fn patch_findings(now: u64, calendar: &Calendar) -> Vec<Finding> {
    let mut findings = Vec::new();
    let at = |seconds: u64| calendar.at(seconds).wall;
    for patch in &PATCHES {
        // What failed is told of until a later patch has set it right.
        if patch.fails && within(now, (patch.life.2, PATCH_FAILS.2)) {
            let print = format!("patch:failed:{}", patch.version);
            let title = format!("patch `{}` failed", patch.id);
            let mut open = finding(&print, Severity::Medium, title, at(patch.life.2), at(patch.life.2));
            open.source = Some(format!(".failed/{}.json", patch.id));
            findings.push(open);
        }
        if patch.state(now) == Some("executing") && now - patch.life.1 > STUCK_AFTER {
            let print = format!("patch:stuck:{}", patch.version);
            let minutes = (now - patch.life.1) / MINUTE;
            let title = format!("patch `{}` has been executing for {minutes} min", patch.id);
            let mut open = finding(&print, Severity::High, title, at(patch.life.1), at(now));
            open.source = Some(format!(".executing/{}.json", patch.id));
            findings.push(open);
        }
    }
    findings
}

/// Name, file, how old it may be.
const FILES: [(&str, &str, u64); 4] = [
    ("dashboard", "dashboard-state.json", 120),
    ("relay-telemetry", "relay-telemetry-state.json", 120),
    ("heartbeat", "heartbeat-state.json", 120),
    ("loop-auditor", "loop-auditor-state.json", 600),
];

/// The section `telemetry`.
pub(super) fn telemetry(now: u64, calendar: &Calendar) -> Section {
    let mut findings = Vec::new();
    let mut points = Vec::new();
    let mut files = Vec::new();
    let mut stale_files = 0;
    for (index, (name, path, max_age)) in FILES.into_iter().enumerate() {
        let fresh_age = (now + 7 * index as u64) % 30;
        let age = if name == "loop-auditor" && now > TELEMETRY_STALE { now - TELEMETRY_STALE + 20 } else { fresh_age };
        let stale = age > max_age;
        let written = calendar.wall(i64::try_from(now).unwrap_or_default() - i64::try_from(age).unwrap_or_default());
        files.push(json!({
            "name": name, "root": "state", "path": path, "status": if stale { "stale" } else { "fresh" },
            "age_seconds": age, "time_from": "content", "max_age_seconds": max_age,
            "content_time": written.to_string(), "modified_at": written.to_string(), "size_bytes": 812 + 97 * index,
            "content": {"status": if stale { "warning" } else { "healthy" }, "loops": 3 + index,
                        "updated": written.to_string()},
        }));
        points.push(gauge("telemetry.fresh", "1", f64::from(u8::from(!stale)), &[("name", name)]));
        points.push(gauge("telemetry.age", "s", age as f64, &[("name", name)]));
        if stale {
            stale_files += 1;
            let title = format!("telemetry `{name}` was last updated {age} s ago (at most {max_age} s)");
            let mut open = finding(
                &format!("telemetry:{name}:stale"),
                Severity::Low,
                title,
                calendar.at(TELEMETRY_STALE + max_age).wall,
                calendar.at(now).wall,
            );
            open.source = Some(format!("state/{path}"));
            findings.push(open);
        }
    }
    let body = json!({
        "configured": true,
        "summary": {"total": FILES.len(), "fresh": FILES.len() - stale_files, "stale": stale_files, "missing": 0,
                    "vanished": 0, "malformed": 0, "unreadable": 0},
        "files": files,
    });
    section("telemetry", body, points, findings)
}
