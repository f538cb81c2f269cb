//! The sections that ghostd's own collectors make, compared by what they mean.
//!
//! Owns: what is worth telling of each. Must not know: the rest of a snapshot. A body that lacks something, because
//! an older or newer collector made it, is compared as far as it goes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::{Adder, Mood};

/// By how many points of a percent a filesystem or the memory must differ to be told.
const USAGE_POINTS: f64 = 1.0;
/// The same for memory, which breathes.
const MEMORY_POINTS: f64 = 10.0;
/// A daemon's memory is told when it grew by half, and by this much.
const DAEMON_MEMORY_BYTES: f64 = 32.0 * 1_048_576.0;

/// Compares two bodies of a form that is known; `false` where it is not.
pub(super) fn compare(changes: &mut Adder<'_>, schema: &str, from: &Json, to: &Json) -> bool {
    match schema {
        "ghost.daemon/1" => daemons(changes, from, to),
        "ghost.patch/1" => patches(changes, from, to),
        "ghost.metric/1" => machine(changes, from, to),
        "ghost.processes/1" => processes(changes, from, to),
        "ghost.clock/1" => clock(changes, from, to),
        "ghost.telemetry/1" => telemetry(changes, from, to),
        // What it has to say are findings.
        "ghost.anomaly/1" => anomaly(changes, from, to),
        _ => return false,
    }
    true
}

fn daemons(changes: &mut Adder<'_>, from: &Json, to: &Json) {
    for (name, was, is) in matched(&from["daemons"], &to["daemons"], "name") {
        let (was, is) = match (was, is) {
            (None, Some(is)) => {
                let text = format!("{name}: watched now ({})", word(&is["status"]));
                changes.add("daemon_watched", name, Mood::Neutral, text, Json::Null, is["status"].clone());
                continue;
            }
            (Some(was), None) => {
                let text = format!("{name}: no longer watched");
                changes.add("daemon_unwatched", name, Mood::Neutral, text, was["status"].clone(), Json::Null);
                continue;
            }
            (Some(was), Some(is)) => (was, is),
            (None, None) => continue,
        };
        daemon(changes, name, was, is);
    }
}

fn daemon(changes: &mut Adder<'_>, name: &str, was: &Json, is: &Json) {
    let (before, after) = (word(&was["status"]), word(&is["status"]));
    let is_up = |status: &str| matches!(status, "running" | "restarted");
    let why = is["reason"].as_str().map_or_else(String::new, |why| format!(" ({why})"));
    let restarts = number(&is["restart_count"]) - number(&was["restart_count"]);
    let has_another_pid = !was["pid"].is_null() && !is["pid"].is_null() && was["pid"] != is["pid"];
    let mut add = |kind: &str, mood, text: String| {
        changes.add(kind, name, mood, text, was["status"].clone(), is["status"].clone());
    };
    match (is_up(before), is_up(after)) {
        (false, true) => add("daemon_started", Mood::Better, format!("{name}: {before} → {after}{why}")),
        (true, false) if after == "paused" => {
            add("daemon_paused", Mood::Worse, format!("{name}: {before} → {after}{why}"));
        }
        (true, false) if after == "failed" => {
            add("daemon_stopped", Mood::Worse, format!("{name}: {before} → {after}{why}"));
        }
        (true, true) if restarts > 0.0 || has_another_pid => {
            let times = if restarts > 1.0 { format!(" {restarts} times") } else { String::new() };
            let pids = format!(", pid {} → {}", was["pid"], is["pid"]);
            add("daemon_restarted", Mood::Worse, format!("{name}: restarted{times}{pids}"));
        }
        _ if before != after => {
            let mood = if after == "failed" { Mood::Worse } else { Mood::Neutral };
            add("daemon_status", mood, format!("{name}: {before} → {after}{why}"));
        }
        _ => {}
    }
    let (less, more) = (number(&was["memory_bytes"]), number(&is["memory_bytes"]));
    if less > 0.0 && more > less * 1.5 && more - less > DAEMON_MEMORY_BYTES {
        let text = format!("{name}: memory {} → {}", bytes(less), bytes(more));
        changes.add("daemon_memory", name, Mood::Worse, text, was["memory_bytes"].clone(), is["memory_bytes"].clone());
    }
    if was["maintenance"] != is["maintenance"] {
        let word = if is["maintenance"] == true { "in maintenance" } else { "out of maintenance" };
        let text = format!("{name}: {word}");
        changes.add("maintenance", name, Mood::Neutral, text, was["maintenance"].clone(), is["maintenance"].clone());
    }
}

fn patches(changes: &mut Adder<'_>, from: &Json, to: &Json) {
    let key = |patch: &Json| format!("{} {}", word(&patch["id"]), word(&patch["path"]));
    let known: BTreeSet<String> = list(&from["history"]).iter().map(key).collect();
    for patch in list(&to["history"]).iter().filter(|patch| !known.contains(&key(patch))) {
        let id = word(&patch["id"]);
        let version = patch["version"].as_str().map_or_else(String::new, |version| format!(" ({version})"));
        match word(&patch["state"]) {
            "failed" => {
                let text = format!("failed: {id}{version}");
                changes.add("patch_failed", id, Mood::Worse, text, Json::Null, patch.clone());
            }
            _ => {
                let text = format!("applied: {id}{version}");
                changes.add("patch_applied", id, Mood::Better, text, Json::Null, patch.clone());
            }
        }
    }
    let running: BTreeSet<&str> = list(&from["executing"]).iter().map(|patch| word(&patch["id"])).collect();
    let stuck: BTreeSet<&str> = list(&from["executing"])
        .iter()
        .filter(|patch| patch["stuck"] == true)
        .map(|patch| word(&patch["id"]))
        .collect();
    for patch in list(&to["executing"]) {
        let id = word(&patch["id"]);
        if patch["stuck"] == true && !stuck.contains(id) {
            changes.add("patch_stuck", id, Mood::Worse, format!("stuck: {id}"), Json::Null, patch.clone());
        } else if !running.contains(id) {
            changes.add("patch_executing", id, Mood::Neutral, format!("executing: {id}"), Json::Null, patch.clone());
        }
    }
    for state in ["pending", "executing", "completed", "failed"] {
        let (was, is) = (&from["queue"][state], &to["queue"][state]);
        if was != is {
            let mood = if state == "failed" && number(is) > number(was) { Mood::Worse } else { Mood::Neutral };
            changes.add("patch_queue", state, mood, format!("{state}: {was} → {is}"), was.clone(), is.clone());
        }
    }
}

fn machine(changes: &mut Adder<'_>, from: &Json, to: &Json) {
    for (mount, was, is) in matched(&from["filesystems"], &to["filesystems"], "mount") {
        match (was, is) {
            (None, Some(is)) => {
                changes.add(
                    "mounted",
                    mount,
                    Mood::Neutral,
                    format!("{mount}: mounted"),
                    Json::Null,
                    is["device"].clone(),
                );
            }
            (Some(was), None) => {
                let text = format!("{mount}: no longer mounted");
                changes.add("unmounted", mount, Mood::Worse, text, was["device"].clone(), Json::Null);
            }
            (Some(was), Some(is)) => {
                percent(changes, "filesystem", mount, "", (&was["usage_percent"], &is["usage_percent"]), USAGE_POINTS);
                percent(
                    changes,
                    "inodes",
                    mount,
                    " inodes",
                    (&was["inodes_percent"], &is["inodes_percent"]),
                    USAGE_POINTS,
                );
                if was["read_only"] != is["read_only"] {
                    let (mood, word) =
                        if is["read_only"] == true { (Mood::Worse, "read-only") } else { (Mood::Better, "writable") };
                    let text = format!("{mount}: {word} now");
                    changes.add("read_only", mount, mood, text, was["read_only"].clone(), is["read_only"].clone());
                }
            }
            (None, None) => {}
        }
    }
    let memory = (&from["memory"]["usage_percent"], &to["memory"]["usage_percent"]);
    percent(changes, "memory", "memory", "", memory, MEMORY_POINTS);
    let swap = (&from["memory"]["swap_usage_percent"], &to["memory"]["swap_usage_percent"]);
    percent(changes, "swap", "swap", "", swap, MEMORY_POINTS);
    more(
        changes,
        "oom_kills",
        "processes killed for want of memory",
        &from["memory"]["oom_kills"],
        &to["memory"]["oom_kills"],
    );
    for (name, was, is) in matched(&from["interfaces"], &to["interfaces"], "name") {
        let state = |of: Option<&Json>| of.map_or("gone", |of| word(&of["state"])).to_owned();
        let (before, after) = (state(was), state(is));
        if before != after {
            let mood = if after == "up" {
                Mood::Better
            } else if before == "up" {
                Mood::Worse
            } else {
                Mood::Neutral
            };
            let text = format!("{name}: {before} → {after}");
            changes.add("interface", name, mood, text, before.into(), after.into());
        }
        if let (Some(was), Some(is)) = (was, is) {
            for field in ["received_errors", "sent_errors"] {
                more(
                    changes,
                    "interface_errors",
                    &format!("{name} {}", field.replace('_', " ")),
                    &was[field],
                    &is[field],
                );
            }
        }
    }
    let cpus = (&from["cpu"]["count"], &to["cpu"]["count"]);
    if cpus.0 != cpus.1 {
        changes.add(
            "cpus",
            "cpu",
            Mood::Neutral,
            format!("processors: {} → {}", cpus.0, cpus.1),
            cpus.0.clone(),
            cpus.1.clone(),
        );
    }
}

fn processes(changes: &mut Adder<'_>, from: &Json, to: &Json) {
    let states = |of: &Json| number(&of["by_state"]["zombie"]);
    let (was, is) = (states(from), states(to));
    if is > was {
        changes.add("zombies", "zombie", Mood::Worse, format!("zombies: {was} → {is}"), was.into(), is.into());
    }
}

fn clock(changes: &mut Adder<'_>, from: &Json, to: &Json) {
    let (was, is) = (word(&from["status"]), word(&to["status"]));
    if was != is {
        let rank = |status: &str| {
            ["synced", "drift_warning", "drift_critical", "sync_failed"].iter().position(|other| *other == status)
        };
        let mood = match (rank(was), rank(is)) {
            (Some(before), Some(after)) if after > before => Mood::Worse,
            (Some(_), Some(_)) => Mood::Better,
            _ => Mood::Neutral,
        };
        let why = to["reason"].as_str().map_or_else(String::new, |why| format!(" ({why})"));
        changes.add("clock_status", "clock", mood, format!("{was} → {is}{why}"), was.into(), is.into());
    }
    let steps = (&from["steps"]["count"], &to["steps"]["count"]);
    if number(steps.1) > number(steps.0) {
        let by =
            to["steps"]["last_seconds"].as_f64().map_or_else(String::new, |by| format!(", the last by {by:+.3} s"));
        let text = format!("the clock was set {} times{by}", number(steps.1) - number(steps.0));
        changes.add("clock_stepped", "clock", Mood::Worse, text, steps.0.clone(), steps.1.clone());
    }
    let kernel = (&from["kernel"]["synchronised"], &to["kernel"]["synchronised"]);
    if kernel.0 != kernel.1 {
        let (mood, word) =
            if *kernel.1 == true { (Mood::Better, "synchronised") } else { (Mood::Worse, "not synchronised") };
        let text = format!("the kernel's clock is {word} now");
        changes.add("clock_kernel", "kernel", mood, text, kernel.0.clone(), kernel.1.clone());
    }
}

fn telemetry(changes: &mut Adder<'_>, from: &Json, to: &Json) {
    for (name, was, is) in matched(&from["files"], &to["files"], "name") {
        let status = |of: Option<&Json>| of.map_or("not watched", |of| word(&of["status"])).to_owned();
        let (before, after) = (status(was), status(is));
        if before != after {
            let mood = match (before.as_str(), after.as_str()) {
                (_, "fresh") => Mood::Better,
                ("fresh", _) => Mood::Worse,
                _ => Mood::Neutral,
            };
            let why = is.and_then(|is| is["error"].as_str()).map_or_else(String::new, |why| format!(" ({why})"));
            let text = format!("{name}: {before} → {after}{why}");
            changes.add("telemetry_status", name, mood, text, before.into(), after.into());
        }
    }
}

fn anomaly(changes: &mut Adder<'_>, from: &Json, to: &Json) {
    more(changes, "log_skipped", "bytes of logs that were skipped", &from["skipped_bytes"], &to["skipped_bytes"]);
    let lost = (list(&from["lost"]).len(), list(&to["lost"]).len());
    if lost.1 > lost.0 {
        let text = format!("stretches of logs that were lost: {} → {}", lost.0, lost.1);
        changes.add("log_lost", "lost", Mood::Worse, text, from["lost"].clone(), to["lost"].clone());
    }
}

fn percent(changes: &mut Adder<'_>, kind: &str, subject: &str, what: &str, (was, is): (&Json, &Json), points: f64) {
    let (Some(before), Some(after)) = (was.as_f64(), is.as_f64()) else { return };
    if (after - before).abs() >= points {
        let (mood, word) = if after > before { (Mood::Worse, "fuller") } else { (Mood::Better, "emptier") };
        let text = format!("{subject}{what}: {before:.1} % → {after:.1} %");
        changes.add(&format!("{kind}_{word}"), subject, mood, text, was.clone(), is.clone());
    }
}

/// A total that should not grow.
fn more(changes: &mut Adder<'_>, kind: &str, what: &str, was: &Json, is: &Json) {
    if number(is) > number(was) && !was.is_null() {
        let text = format!("{what}: {} more", number(is) - number(was));
        changes.add(kind, what, Mood::Worse, text, was.clone(), is.clone());
    }
}

/// The members of two arrays by a name, in the order of the second, then what is only in the first.
fn matched<'a>(from: &'a Json, to: &'a Json, name: &str) -> Vec<(&'a str, Option<&'a Json>, Option<&'a Json>)> {
    let mut before: BTreeMap<&str, &Json> = list(from).iter().map(|member| (word(&member[name]), member)).collect();
    let mut all: Vec<_> =
        list(to).iter().map(|member| (word(&member[name]), before.remove(word(&member[name])), Some(member))).collect();
    all.extend(before.into_iter().map(|(name, member)| (name, Some(member), None)));
    all
}

fn list(value: &Json) -> &[Json] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn word(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}

fn number(value: &Json) -> f64 {
    value.as_f64().unwrap_or(0.0)
}

fn bytes(count: f64) -> String {
    format!("{:.0} MiB", count / 1_048_576.0)
}
