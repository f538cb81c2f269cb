//! Looking for signs of life, on a schedule of its own and away from the main loop: the directory may be on a disk that
//! hangs.

use std::collections::HashMap;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};

use super::super::{Moment, WallClock};
use super::parse::{Service, parse};
use super::{Looked, Seen, SignSpec, SignTable};

/// The largest file that is read. Signs of life are a few hundred bytes.
const MAX_BYTES: u64 = 256 << 10;

/// Looks for its files until it is dropped.
#[derive(Debug)]
pub struct SignProber {
    pub(super) files: Files,
    every: Duration,
    wall: WallClock,
    pub(super) table: SignTable,
}

/// The files and what was last read of each.
#[derive(Debug)]
pub(super) struct Files {
    specs: Vec<SignSpec>,
    pub(super) known: HashMap<PathBuf, Known>,
}

#[derive(Debug)]
pub(super) struct Known {
    stamp: Stamp,
    pub(super) content: Result<Vec<Service>, String>,
    mtime_ms: i64,
    /// What was read last made no sense, and is given another look.
    is_doubted: bool,
}

/// What changes when a file does.
type Stamp = (u64, u64, u64, i64, i64, i64, i64);

impl SignProber {
    /// Looks for these, every so often. Looks for nothing before [`SignProber::run`].
    pub fn new(specs: Vec<SignSpec>, every: Duration, wall: WallClock) -> Self {
        let table = SignTable::default();
        if let Ok(mut looked) = table.0.lock() {
            *looked = Looked {
                seen: specs.iter().map(|spec| (spec.clone(), Seen::Pending)).collect(),
                at_boottime_ns: Moment::now(wall).boottime_ns,
                every,
            };
        }
        Self { files: Files { specs, known: HashMap::new() }, every, wall, table }
    }

    /// Where the results are to be read.
    pub fn table(&self) -> SignTable {
        self.table.clone()
    }

    /// Looks at intervals, for ever; dropping it ends it. A look that hangs is the last one until it is over.
    pub async fn run(self) {
        let Self { mut files, every, wall, table } = self;
        if files.specs.is_empty() {
            return std::future::pending().await;
        }
        loop {
            let looked = tokio::task::spawn_blocking(move || {
                let seen = files.look();
                (files, seen)
            });
            let Ok((after, seen)) = looked.await else { return std::future::pending().await };
            files = after;
            table.note(seen, Moment::now(wall));
            tokio::time::sleep(every).await;
        }
    }
}

impl Files {
    fn look(&mut self) -> Vec<Seen> {
        let mut fresh: HashMap<&Path, Result<(), Seen>> = HashMap::new();
        for spec in &self.specs {
            if !fresh.contains_key(spec.path.as_path()) {
                fresh.insert(&spec.path, read_again(&spec.path, &mut self.known));
            }
        }
        let seen = |spec: &SignSpec| match (&fresh[spec.path.as_path()], self.known.get(&spec.path)) {
            (Err(seen), _) => seen.clone(),
            (Ok(()), Some(known)) => of(spec, known),
            (Ok(()), None) => Seen::Missing,
        };
        self.specs.iter().map(seen).collect()
    }
}

/// Reads a file again where it is another than before.
fn read_again(path: &Path, known: &mut HashMap<PathBuf, Known>) -> Result<(), Seen> {
    let unreadable = |error: &std::io::Error| Seen::Unreadable(format!("cannot be read: {error}"));
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // What was read of it is kept: that it was there is what makes it vanished.
            return Err(if known.contains_key(path) { Seen::Vanished } else { Seen::Missing });
        }
        Err(error) => return Err(unreadable(&error)),
    };
    if !metadata.is_file() {
        return Err(Seen::Unreadable("is no regular file".to_owned()));
    }
    let stamp = stamp(&metadata);
    // Half a file is written again in a moment, perhaps within the clock tick that its stamp has.
    if known.get(path).is_some_and(|known| known.stamp == stamp && known.content.is_ok()) {
        return Ok(());
    }
    let text = read(path).map_err(|error| unreadable(&error))?;
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let content = match text {
        Some(text) => parse(&text, is_json),
        None => Err(format!("is larger than {MAX_BYTES} bytes or not UTF-8")),
    };
    let mtime_ms = metadata.mtime().saturating_mul(1_000).saturating_add(metadata.mtime_nsec() / 1_000_000);
    match known.get_mut(path) {
        // Once may be a moment between truncation and writing; the same again is not.
        Some(before) if content.is_err() && before.content.is_ok() && !before.is_doubted => {
            before.is_doubted = true;
            before.stamp = (0, 0, 0, 0, 0, 0, 0);
            return Ok(());
        }
        _ => known.insert(path.to_owned(), Known { stamp, content, mtime_ms, is_doubted: false }),
    };
    Ok(())
}

fn stamp(metadata: &std::fs::Metadata) -> Stamp {
    (
        metadata.dev(),
        metadata.ino(),
        metadata.size(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    )
}

/// None for what is too large or not UTF-8. A pipe that was put in its place meanwhile does not hold us up.
fn read(path: &Path) -> std::io::Result<Option<String>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = std::fs::File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(String::from_utf8(bytes).ok().filter(|text| text.len() as u64 <= MAX_BYTES))
}

/// What a file says of one daemon.
fn of(spec: &SignSpec, known: &Known) -> Seen {
    let services = match &known.content {
        Ok(services) => services,
        Err(why) => return Seen::Malformed(why.clone()),
    };
    let named =
        |wanted: &str| services.iter().find(|one| one.name.as_deref().is_some_and(|name| plain(name) == plain(wanted)));
    let service = match &spec.service {
        Some(wanted) => match named(wanted) {
            Some(service) => service,
            None => return Seen::Malformed(format!("tells of no service `{wanted}`")),
        },
        // The file as a whole comes first; where it says nothing of itself and of one service only, it is that one's.
        None => match (named(&spec.daemon), services.as_slice()) {
            (Some(service), _) => service,
            (None, [top, only]) if top.at_ms.is_none() => only,
            (None, [top, ..]) => top,
            (None, []) => return Seen::Malformed("tells of nothing".to_owned()),
        },
    };
    Seen::At { at_ms: service.at_ms.unwrap_or(known.mtime_ms), says: service.says.clone() }
}

/// A name as it is compared: `ghost-bridge`, `ghost_bridge` and `GhostBridge` are the same.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
impl SignProber {
    /// One look, now.
    pub(super) fn look(&mut self, now: Moment) {
        let seen = self.files.look();
        self.table.note(seen, now);
    }
}
