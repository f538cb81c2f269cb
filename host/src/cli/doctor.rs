//! `ghostd doctor`: what ghostd can and cannot see here, and what to do about it.

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::{Failure, Place, Places, output};
use crate::plugins::cache::Cache;
use crate::plugins::engine::new_engine;
use crate::probe;
use crate::store;
use crate::wiring::Machinery;

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
}

impl Check {
    fn new(name: &'static str, ok: bool, found: impl Into<String>, hint: &'static str) -> Self {
        Self { name, ok, found: found.into(), hint: (!ok).then_some(hint) }
    }
}

pub(crate) fn run(places: &Places) -> Result<ExitCode, Failure> {
    let place = Place::find(places)?;
    let proc = place.loaded.config.host.proc.clone();
    let data_dir = place.paths.data_dir.clone();
    let mut checks = vec![
        user(),
        hidepid(&proc),
        cgroups(&place.loaded.config.host.sys),
        journald(&place.loaded.config.host.root),
        clock(),
        data(&data_dir),
        sandbox(&data_dir),
    ];
    let machinery = Machinery::new(place.loaded.config, None)?;
    checks.insert(1, pidfd(&machinery));
    let fine = checks.iter().all(|check| check.ok);
    if places.json {
        output::print_json(&checks);
    } else {
        for check in &checks {
            output::line(format!(
                "{} {:<10} {}",
                if check.ok { "ok  " } else { "look" },
                check.name,
                output::escaped(&check.found)
            ));
            if let Some(hint) = check.hint {
                output::line(format!("     {:<10} {hint}", ""));
            }
        }
    }
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn user() -> Check {
    let uid = rustix::process::geteuid();
    Check::new(
        "user",
        uid.is_root(),
        if uid.is_root() { "root".to_owned() } else { format!("uid {}", uid.as_raw()) },
        "without root it cannot tell executables and open files of other users' processes, nor read their logs; config/ghostd.service shows which capabilities suffice",
    )
}

fn pidfd(machinery: &Machinery) -> Check {
    let told = machinery.context.services.exits_are_told();
    Check::new(
        "pidfd",
        told,
        if told { "the kernel tells when a daemon ends" } else { "no pidfds: ends are found out by looking" },
        "a kernel from 5.3 on, and a seccomp filter that lets pidfd_open pass",
    )
}

fn hidepid(proc: &Path) -> Check {
    let hidden = std::fs::read_to_string(proc.join("self/mounts")).ok().and_then(|mounts| {
        mounts
            .lines()
            .filter(|line| line.split(' ').nth(2) == Some("proc"))
            .find_map(|line| line.split([' ', ',']).find_map(|word| word.strip_prefix("hidepid=")).map(str::to_owned))
    });
    let hidden = hidden.filter(|value| value != "0" && value != "off");
    match hidden {
        Some(value) => Check::new(
            "hidepid",
            rustix::process::geteuid().is_root(),
            format!("{} is mounted with hidepid={value}", proc.display()),
            "run as root, or in the group that the mount option gid= names",
        ),
        None => Check::new("hidepid", true, "all processes can be seen", ""),
    }
}

fn cgroups(sys: &Path) -> Check {
    let version = if sys.join("fs/cgroup/cgroup.controllers").exists() {
        "version 2"
    } else if sys.join("fs/cgroup/memory").exists() {
        "version 1"
    } else {
        "none"
    };
    Check::new(
        "cgroups",
        version != "none",
        version,
        "daemons cannot be found by their unit; mount cgroup2 on /sys/fs/cgroup",
    )
}

fn journald(root: &Path) -> Check {
    let there = root.join("run/systemd/journal/socket").exists();
    Check::new(
        "journald",
        there,
        if there { "it runs" } else { "it does not run here" },
        "logs are read from files alone: name them in [collector.anomaly.files]",
    )
}

fn clock() -> Check {
    match probe::clock::discipline() {
        Ok(one) => Check::new(
            "clock",
            one.synchronised,
            format!(
                "{} (maximum error {} us)",
                if one.synchronised {
                    "the kernel says it is synchronised"
                } else {
                    "the kernel says it is not synchronised"
                },
                one.maximum_error_us
            ),
            "run chronyd or another NTP client, or name servers in [clock] to have the offset measured",
        ),
        Err(error) => Check::new("clock", false, error.to_string(), "the kernel's discipline cannot be read here"),
    }
}

fn data(data_dir: &Path) -> Check {
    let found = match store::holder(data_dir) {
        Ok(Some(holder)) => format!("{} (pid {} writes to it)", data_dir.display(), holder.pid),
        Ok(None) if data_dir.exists() => format!("{} (no ghostd runs on it)", data_dir.display()),
        Ok(None) => format!("{} (not made yet)", data_dir.display()),
        Err(error) => {
            return Check::new(
                "data",
                false,
                crate::chain::chain(&error),
                "give it to the user that runs ghostd, mode 0700",
            );
        }
    };
    Check::new("data", true, found, "")
}

fn sandbox(data_dir: &Path) -> Check {
    let engine = match new_engine() {
        Ok(engine) => engine,
        Err(error) => {
            return Check::new("sandbox", false, format!("{error:#}"), "collectors cannot run on this machine");
        }
    };
    if !data_dir.exists() {
        return Check::new("sandbox", true, "collectors can run; the cache is made at the first start", "");
    }
    match Cache::open(&data_dir.join(store::CACHE), &engine) {
        Ok(_) => Check::new("sandbox", true, "collectors can run, compiled ones are kept", ""),
        Err(error) => Check::new(
            "sandbox",
            false,
            crate::chain::chain(&error),
            "collectors are compiled in memory at each start, which costs some 50 MB",
        ),
    }
}
