//! The service manager: its units and its journal, through the two programs that every systemd brings along.
//!
//! `systemctl show` and `journalctl -o json` are stable interfaces that need no library. Where systemd does not run,
//! the control groups still tell which services have processes; where there are none, the answer is `unavailable`.
//!
//! Owns the programs' arguments and output. Must not know: what a unit or an entry means to anybody.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::command::{self, Bounds, Ended};
use super::{Error, Result};

/// Units in one answer.
pub const MAX_UNITS: usize = 4096;

/// Entries of the journal in one answer.
pub const MAX_ENTRIES: usize = 4096;

/// Bytes of all entries in one answer: a guest has to hold them.
const MAX_ENTRY_BYTES: usize = 8 << 20;

/// Bytes of one entry. A longer one is cut, is therefore no JSON, and is left out.
const MAX_LINE_BYTES: usize = 256 << 10;

/// Bytes of the list of units: some 300 a unit.
const MAX_UNIT_BYTES: usize = 4 << 20;

/// How long either program may take.
const DEADLINE: Duration = Duration::from_secs(3);

/// Control groups that are looked at.
const MAX_GROUPS: usize = 8192;

/// A unit, as `systemctl show` tells of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    /// `nginx.service`.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// `loaded`, `not-found`, `masked`; `unknown` where only its control group was seen.
    pub load_state: String,
    /// `active`, `failed`, `inactive`, ...
    pub active_state: String,
    /// `running`, `exited`, `dead`, ...
    pub sub_state: String,
    /// Starts by the manager after failures, of services.
    pub restarts: Option<u64>,
    /// Its main process.
    pub main_pid: Option<u32>,
}

/// An entry of the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Where to go on.
    pub cursor: String,
    /// When it was written, in microseconds since the Unix epoch.
    pub realtime_us: u64,
    /// Its fields in the journal's names, binary ones left out.
    pub fields: Vec<(String, String)>,
}

/// The service manager: where systemd is looked for.
#[derive(Debug, Clone)]
pub struct Manager {
    booted: PathBuf,
    cgroups: PathBuf,
    systemctl: String,
    journalctl: String,
}

impl Manager {
    /// The one of the machine with this /sys and this root directory.
    pub fn new(sys: &Path, root: &Path) -> Self {
        Self {
            booted: root.join("run/systemd/system"),
            cgroups: sys.join("fs/cgroup"),
            systemctl: "systemctl".to_owned(),
            journalctl: "journalctl".to_owned(),
        }
    }

    /// All loaded units, sorted by name.
    pub fn units(&self) -> Result<Vec<Unit>> {
        if self.booted.is_dir() && command::is_there(&self.systemctl) {
            return self.shown();
        }
        let mut units = BTreeMap::new();
        let mut left = MAX_GROUPS;
        // Version 2 has one tree; before it systemd had a hierarchy of its own.
        for tree in [self.cgroups.clone(), self.cgroups.join("systemd")] {
            for slice in ["system.slice", "user.slice"] {
                services(&tree.join(slice), &mut left, &mut units);
            }
        }
        if units.is_empty() {
            return Err(Error::Unavailable(format!(
                "systemd does not run here (there is no `{}`), and no control group is named after a service",
                self.booted.display()
            )));
        }
        Ok(units.into_values().take(MAX_UNITS).collect())
    }

    fn shown(&self) -> Result<Vec<Unit>> {
        let argv = [
            &self.systemctl,
            "show",
            "--no-pager",
            "--property=Id,Description,LoadState,ActiveState,SubState,NRestarts,MainPID",
            "*",
        ];
        let bounds = Bounds { wall: DEADLINE, stdout_bytes: MAX_UNIT_BYTES, stderr_bytes: 4096 };
        let output = command::run(&argv.map(str::to_owned), bounds)?;
        if output.timed_out {
            return Err(Error::Pending(format!("systemctl did not answer within {} s", DEADLINE.as_secs())));
        }
        if output.code != Some(0) {
            let words = String::from_utf8_lossy(&output.stderr);
            return Err(Error::Unavailable(format!("systemctl: {}", words.trim())));
        }
        Ok(parse_units(&String::from_utf8_lossy(&output.stdout)))
    }

    /// Entries after a cursor, oldest first; without one the newest entry alone, so that there is a cursor to go on
    /// from.
    pub fn entries(&self, after: Option<&str>, limit: usize) -> Result<Vec<Entry>> {
        if !command::is_there(&self.journalctl) {
            return Err(Error::Unavailable("there is no journalctl here".to_owned()));
        }
        let mut argv: Vec<String> =
            [&self.journalctl, "--no-pager", "--quiet", "--utc", "--output=json"].map(str::to_owned).to_vec();
        match after {
            // An argument from a guest: what no cursor holds does not reach a command line.
            Some(cursor) if !is_cursor(cursor) => {
                return Err(Error::Invalid(
                    "a cursor is at most 512 of A-Z, a-z, 0-9, `=`, `;`, `_` and `-`".to_owned(),
                ));
            }
            Some(cursor) => argv.push(format!("--after-cursor={cursor}")),
            None => argv.push("--lines=1".to_owned()),
        }
        let (mut entries, mut bytes) = (Vec::new(), 0);
        let limit = limit.min(MAX_ENTRIES);
        let ended = command::lines(&argv, DEADLINE, MAX_LINE_BYTES, |line| {
            bytes += line.len();
            entries.extend(parse_entry(line));
            entries.len() < limit && bytes < MAX_ENTRY_BYTES
        })?;
        match ended {
            // What was read until then is good; the cursor of the last says where to go on.
            Ended::Enough | Ended::Deadline => {}
            Ended::Exited(status, _) if status.success() => {}
            Ended::Exited(_, words) if words.contains("ermission denied") || words.contains("insufficient") => {
                return Err(Error::Forbidden(format!("journalctl: {words}")));
            }
            Ended::Exited(_, words) if words.contains("cursor") => {
                return Err(Error::NotFound(format!("journalctl: {words}")));
            }
            Ended::Exited(_, words) if entries.is_empty() && words.contains("No journal files") => {
                return Err(Error::Unavailable(format!("journalctl: {words}")));
            }
            Ended::Exited(status, words) => {
                return Err(Error::Io(format!("journalctl ended with {}: {words}", command::status_text(status))));
            }
        }
        entries.truncate(limit);
        Ok(entries)
    }
}

/// Blocks of `Key=value`, separated by empty lines.
fn parse_units(text: &str) -> Vec<Unit> {
    let mut units = Vec::new();
    for block in text.split("\n\n") {
        let mut unit = Unit::default();
        for line in block.lines() {
            let Some((key, value)) = line.split_once('=') else { continue };
            match key {
                "Id" => unit.name = value.to_owned(),
                "Description" => unit.description = value.chars().take(256).collect(),
                "LoadState" => unit.load_state = value.to_owned(),
                "ActiveState" => unit.active_state = value.to_owned(),
                "SubState" => unit.sub_state = value.to_owned(),
                "NRestarts" => unit.restarts = value.parse().ok(),
                "MainPID" => unit.main_pid = value.parse().ok().filter(|pid| *pid != 0),
                _ => {}
            }
        }
        if !unit.name.is_empty() && units.len() < MAX_UNITS {
            units.push(unit);
        }
    }
    units.sort_by(|a, b| a.name.cmp(&b.name));
    units.dedup_by(|a, b| a.name == b.name);
    units
}

/// The services below a slice by their control groups.
fn services(dir: &Path, left: &mut usize, units: &mut BTreeMap<String, Unit>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        if *left == 0 {
            return;
        }
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        *left -= 1;
        if name.ends_with(".slice") {
            services(&entry.path(), left, units);
        } else if name.ends_with(".service") {
            let pids = fs::read_to_string(entry.path().join("cgroup.procs")).unwrap_or_default();
            let main_pid = pids.lines().next().and_then(|pid| pid.parse().ok()).filter(|pid| *pid != 0);
            // Version 2 says whether a group or one below it has processes.
            let events = fs::read_to_string(entry.path().join("cgroup.events")).unwrap_or_default();
            let populated = main_pid.is_some() || events.lines().any(|line| line == "populated 1");
            let (active, sub) = if populated { ("active", "running") } else { ("inactive", "dead") };
            let unit = Unit {
                name: name.clone(),
                load_state: "unknown".to_owned(),
                active_state: active.to_owned(),
                sub_state: sub.to_owned(),
                main_pid,
                ..Unit::default()
            };
            units.insert(name, unit);
        }
    }
}

fn is_cursor(text: &str) -> bool {
    (1..=512).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"=;_-".contains(&b))
}

/// One object a line. Fields that are no text are arrays of bytes or null: left out. A field that is there more than
/// once is an array of texts: the last counts.
fn parse_entry(line: &[u8]) -> Option<Entry> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(line).ok()?;
    let mut entry = Entry::default();
    for (key, value) in object {
        let text = match value {
            serde_json::Value::String(text) => text,
            serde_json::Value::Array(many) => match many.into_iter().next_back() {
                Some(serde_json::Value::String(text)) => text,
                _ => continue,
            },
            _ => continue,
        };
        match key.as_str() {
            "__CURSOR" => entry.cursor = text,
            "__REALTIME_TIMESTAMP" => entry.realtime_us = text.parse().ok()?,
            key if key.starts_with("__") => {}
            _ => entry.fields.push((key, text)),
        }
    }
    (!entry.cursor.is_empty()).then_some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::testing::put;

    fn at(dir: &Path) -> Manager {
        Manager::new(&dir.join("sys"), &dir.join("root"))
    }

    /// A program that prints what a real one printed.
    fn program(dir: &Path, name: &str, script: &str) -> String {
        use std::os::unix::fs::PermissionsExt;
        let path = dir.join(name);
        put(&path, format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    #[test]
    fn units_as_systemctl_shows_them() {
        let dir = tempfile::tempdir().unwrap();
        let mut systemd = at(dir.path());
        std::fs::create_dir_all(&systemd.booted).unwrap();
        systemd.systemctl = program(
            dir.path(),
            "systemctl",
            "printf 'MainPID=812\\nNRestarts=3\\nId=ssh.service\\nDescription=OpenBSD = Shell\\nLoadState=loaded\\nActiveState=active\\nSubState=running\\n\\nId=boot.mount\\nDescription=/boot\\nLoadState=loaded\\nActiveState=failed\\nSubState=failed\\n\\nMainPID=0\\nNRestarts=0\\nId=a.service\\nLoadState=masked\\nActiveState=inactive\\nSubState=dead\\n'",
        );
        let units = systemd.units().unwrap();
        assert_eq!(
            units.iter().map(|unit| unit.name.as_str()).collect::<Vec<_>>(),
            ["a.service", "boot.mount", "ssh.service"]
        );
        assert_eq!((units[2].restarts, units[2].main_pid), (Some(3), Some(812)));
        assert_eq!(units[2].description, "OpenBSD = Shell");
        assert_eq!((units[1].restarts, units[0].main_pid), (None, None));

        systemd.systemctl = program(dir.path(), "broken", "echo 'Failed to connect to bus' >&2; exit 1");
        assert_eq!(systemd.units().unwrap_err(), Error::Unavailable("systemctl: Failed to connect to bus".to_owned()));
    }

    #[test]
    fn without_systemd_the_control_groups_tell_what_runs() {
        let dir = tempfile::tempdir().unwrap();
        let systemd = at(dir.path());
        let error = systemd.units().unwrap_err();
        assert!(error.to_string().contains("systemd does not run here"), "{error}");
        let slice = systemd.cgroups.join("system.slice");
        put(&slice.join("nginx.service/cgroup.procs"), "42\n43\n");
        put(&slice.join("system-getty.slice/getty@tty1.service/cgroup.procs"), "");
        let units = systemd.units().unwrap();
        let shown: Vec<_> = units.iter().map(|unit| (&*unit.name, &*unit.active_state, unit.main_pid)).collect();
        assert_eq!(shown, [("getty@tty1.service", "inactive", None), ("nginx.service", "active", Some(42))]);
    }

    #[test]
    fn the_journal_goes_on_after_a_cursor_and_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let mut systemd = at(dir.path());
        systemd.journalctl = program(
            dir.path(),
            "journalctl",
            r#"echo '{"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"17","MESSAGE":"'"$*"'","BIN":[1,2],"_PID":["1","2"],"BIG":null}'
               yes '{"__CURSOR":"s=1;i=3","__REALTIME_TIMESTAMP":"18","MESSAGE":"more"}'"#,
        );
        let entries = systemd.entries(Some("s=1;i=1"), 3).unwrap();
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[0].cursor, "s=1;i=2");
        let message = &entries[0].fields.iter().find(|(key, _)| key == "MESSAGE").unwrap().1;
        assert_eq!(message, "--no-pager --quiet --utc --output=json --after-cursor=s=1;i=1");
        assert!(entries[0].fields.contains(&("_PID".to_owned(), "2".to_owned())));
        assert_eq!(entries[0].fields.len(), 2);
        for bad in ["", "a b", "x\n--file=/etc/shadow", "$(id)"] {
            assert!(matches!(systemd.entries(Some(bad), 3), Err(Error::Invalid(_))), "{bad}");
        }
    }

    #[test]
    fn what_the_journal_cannot_say_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let mut systemd = at(dir.path());
        systemd.journalctl = "/no/such/journalctl".to_owned();
        assert!(matches!(systemd.entries(None, 1), Err(Error::Unavailable(_))));
        for (words, wanted) in [
            ("No journal files were found.", "unavailable"),
            ("Failed to seek to cursor: Invalid argument", "not found"),
            ("Failed to open: Permission denied", "forbidden"),
            ("something", "cannot read"),
        ] {
            systemd.journalctl = program(dir.path(), "journalctl", &format!("echo '{words}' >&2; exit 1"));
            let error = systemd.entries(None, 1).unwrap_err().to_string();
            assert!(error.starts_with(wanted), "{error}");
        }
    }
}
