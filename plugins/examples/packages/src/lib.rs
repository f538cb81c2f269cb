//! An example collector: what changed on this machine? Packages installed, removed and upgraded, by the logs that
//! package managers keep.
//!
//! `[collector.packages] grant = ["files"]`, `files = { log = "/var/log" }`. It reads dpkg.log (Debian), dnf.rpm.log
//! (Fedora, RHEL), zypp/history (SUSE) and pacman.log (Arch) on from where it last stopped, also across a rotation.
//!
//! - `parse`: one line of each log. Pure.

mod parse;

use std::collections::BTreeMap;

use ghostd_sdk::host::files::{self, File};
use ghostd_sdk::{Collector, Descriptor, Error, Failure, Invocation, Metric, Section, host};
use serde::{Deserialize, Serialize};

use parse::{Change, Format};

const SECTION: &str = "packages";
const STATE_PLACES: &str = "places";
const STATE_RECENT: &str = "recent";

/// The root that the logs are read from.
const ROOT: &str = "log";

/// The logs, with what each looks like.
const LOGS: [(&str, Format); 4] = [
    ("dpkg.log", Format::Dpkg),
    ("dnf.rpm.log", Format::Rpm),
    ("zypp/history", Format::Zypp),
    ("pacman.log", Format::Pacman),
];

/// Bytes of one log that one call reads; the rest is for the next. The first call begins so far before the end.
const MAX_BYTES: u64 = 4 << 20;

/// What may be configured.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// So many of the newest changes are shown.
    keep: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { keep: 200 }
    }
}

const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"properties":{
  "keep":{"type":"integer","minimum":1,"maximum":2000}}}"#;

/// Up to where a log was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    device: u64,
    inode: u64,
    offset: u64,
}

#[derive(Debug, Default, Serialize)]
struct Body {
    /// The logs that there are.
    logs: Vec<String>,
    /// Counted since the last call.
    since_last: BTreeMap<&'static str, u64>,
    /// The newest last.
    changes: Vec<Change>,
}

/// The collector.
#[derive(Debug)]
pub struct Packages;

impl Collector for Packages {
    type Config = Config;

    fn describe() -> Descriptor {
        Descriptor::new("packages", env!("CARGO_PKG_VERSION"), "Packages installed, removed and upgraded.")
            .section(SECTION)
            .config_schema(SCHEMA)
    }

    fn collect(_: &Invocation, config: Config) -> Result<Vec<Section>, Failure> {
        if !files::roots().iter().any(|root| root == ROOT) {
            let line = "the root `log` is not lent (add `files = { log = \"/var/log\" }`)";
            return Err(Failure::Config(line.to_owned()));
        }
        let mut places: BTreeMap<String, Place> = host::state::load(STATE_PLACES).unwrap_or_default();
        let first_call = places.is_empty();
        let mut changes: Vec<Change> = host::state::load(STATE_RECENT).unwrap_or_default();
        let (mut body, mut warnings, mut fresh) = (Body::default(), Vec::new(), Vec::new());
        for (path, format) in LOGS {
            let place = places.entry(path.to_owned()).or_default();
            match follow(path, place) {
                Ok(text) => {
                    body.logs.push(path.to_owned());
                    fresh.extend(text.lines().filter_map(|line| parse::line(format, line)));
                }
                Err(Error::NotFound(_)) => {
                    places.remove(path);
                }
                Err(error) => {
                    body.logs.push(path.to_owned());
                    warnings.push(format!("cannot read `{path}`: {error}"));
                }
            }
        }
        if body.logs.is_empty() {
            return Err(Failure::Unavailable("there is no log of a package manager that is known here".to_owned()));
        }
        if !first_call {
            // What was there before the first look is history, not news.
            for change in &fresh {
                *body.since_last.entry(change.action.word()).or_insert(0) += 1;
            }
        }
        changes.extend(fresh);
        let excess = changes.len().saturating_sub(config.keep);
        changes.drain(..excess);
        host::state::store(STATE_PLACES, &places)?;
        host::state::store(STATE_RECENT, &changes)?;
        let total: u64 = body.since_last.values().sum();
        body.changes = changes;
        let section = Section::new(SECTION, "example.packages/1")
            .body(&body)?
            .metric(Metric::gauge("packages.changed", "{package}", total as f64))
            .warnings(warnings);
        Ok(vec![section])
    }
}

ghostd_sdk::export!(Packages);

/// The whole lines that were added since the last call. A log that was rotated is read to its end under its new name
/// first.
fn follow(path: &str, place: &mut Place) -> Result<String, Error> {
    let file = files::open(ROOT, path)?;
    let metadata = file.metadata()?;
    let mut text = String::new();
    let same = place.device == metadata.identity.device && place.inode == metadata.identity.inode;
    if !same {
        if place.inode != 0
            && let Ok(old) = files::open(ROOT, &format!("{path}.1"))
            && old.metadata().is_ok_and(|old| old.identity.device == place.device && old.identity.inode == place.inode)
        {
            read_on(&old, &mut place.offset, &mut text)?;
        }
        let start = if place.inode == 0 { metadata.size.saturating_sub(MAX_BYTES) } else { 0 };
        *place = Place { device: metadata.identity.device, inode: metadata.identity.inode, offset: start };
    } else if metadata.size < place.offset {
        // It was emptied and is written anew.
        place.offset = 0;
    }
    read_on(&file, &mut place.offset, &mut text)?;
    Ok(text)
}

/// Reads whole lines from an offset on, which it moves behind them.
fn read_on(file: &File, offset: &mut u64, text: &mut String) -> Result<(), Error> {
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < MAX_BYTES {
        let chunk = file.read_at(*offset + bytes.len() as u64, files::MAX_READ_BYTES)?;
        if chunk.is_empty() {
            break;
        }
        bytes.extend_from_slice(&chunk);
    }
    // A line that is being written is for the next call.
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    text.push_str(&String::from_utf8_lossy(&bytes[..end]));
    *offset += end as u64;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ghostd_sdk::fake;

    fn collect(host: &mut fake::Host) -> Section {
        host.collect::<Packages>(&fake::invocation(&[SECTION]), "{}").unwrap().remove(0)
    }

    #[test]
    fn news_are_what_was_added_since_the_last_call() {
        let mut host = fake::Host::new();
        host.files.write("log", "dpkg.log", b"2026-11-20 10:00:00 upgrade nginx:amd64 1.0 1.1\n");
        let first = collect(&mut host);
        assert!(first.body.contains(r#""since_last":{}"#) && first.body.contains("nginx"), "{}", first.body);

        host.files.write(
            "log",
            "dpkg.log",
            b"2026-11-20 10:00:00 upgrade nginx:amd64 1.0 1.1\n\
              2026-11-21 10:00:00 install curl:amd64 <none> 8.1\n2026-11-21 10:00:01 remove tel",
        );
        let second = collect(&mut host);
        assert!(second.body.contains(r#""since_last":{"installed":1}"#), "{}", second.body);
        assert!(collect(&mut host).body.contains(r#""since_last":{}"#));
    }

    #[test]
    fn a_machine_without_such_a_log_says_so() {
        let mut host = fake::Host::new();
        let call = fake::invocation(&[SECTION]);
        assert!(matches!(host.collect::<Packages>(&call, "{}"), Err(Failure::Config(_))));
        host.files.write("log", "syslog", b"");
        assert!(matches!(host.collect::<Packages>(&call, "{}"), Err(Failure::Unavailable(_))));
    }
}
