//! Files for those who read what the original wrote: `heartbeat-state.json` and `snapshot-state.json`, replaced with
//! each heartbeat and each snapshot, and `events.log`, one JSON object a line.
//!
//! Owns: when which of them is written, and what is said where one cannot be. `original` has their shapes. They are
//! made of what was published, so nothing is in them that is not durable, and nothing that was not sanitized. Must not
//! know: collectors, the board, who publishes.

mod original;

use std::collections::VecDeque;
use std::path::PathBuf;

use crate::model::{Heartbeat, Wall};
use crate::publish::{Next, Publisher, Subscription, What};
use crate::store::{Filter, Folder, NumberedEvent, Reader, Readers, Source, Span, StoreError};

const HEARTBEAT_STATE: &str = "heartbeat-state.json";
const SNAPSHOT_STATE: &str = "snapshot-state.json";
const LOG: &str = "events.log";

/// What is written into the directory: the beginnings of the names, since logs are rotated.
pub const FILES: &[&str] = &[HEARTBEAT_STATE, SNAPSHOT_STATE, LOG];

/// Events in a state file, as the original has it.
const EVENTS: usize = 1_000;
/// Snapshots in a state file, the newest: as many as the original kept.
const SNAPSHOTS: u64 = 100;
/// A log that is larger is rotated.
const LOG_BYTES: u64 = 4 << 20;
/// Rotated logs that are kept.
const LOGS: u32 = 4;

/// Where the files go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The directory of the three files; none for none of them.
    pub dir: Option<PathBuf>,
    /// The file in which ghostd leaves its own sign of life, beside those of the daemons.
    pub own_file: Option<PathBuf>,
    /// Who may read them.
    pub readers: Readers,
    /// Where the store is: what was recorded before.
    pub data_dir: PathBuf,
}

/// Writes until ghostd ends or this is dropped. `report` is told what is wrong, and `None` when it is over.
pub async fn run(settings: Settings, publisher: Publisher, report: impl Fn(Option<String>)) {
    if settings.dir.is_none() && settings.own_file.is_none() {
        return std::future::pending().await;
    }
    // Before anything is read: what comes in between is then seen twice, and told apart by its number.
    let mut subscription = publisher.subscribe(None);
    let mut files = Files { settings, ..Files::default() };
    let mut result = Ok(());
    loop {
        let (after, outcome) = match tokio::task::spawn_blocking(move || {
            let outcome = result.and_then(|()| files.write());
            (files, outcome)
        })
        .await
        {
            Ok(done) => done,
            Err(_) => return,
        };
        files = after;
        report(outcome.err());
        result = Ok(());
        if !wait(&mut subscription, &mut files).await {
            return;
        }
    }
}

/// Takes in what was published, up to something that is worth writing. False when nothing comes any more.
async fn wait(subscription: &mut Subscription, files: &mut Files) -> bool {
    loop {
        match subscription.next().await {
            Next::Published(published) => match &published.what {
                What::Heartbeat(beat) => {
                    files.beat = Some(beat.clone());
                    return true;
                }
                What::Event(event) => files.take(event.clone()),
                What::Snapshot(_) => files.snapshots_changed = true,
                _ => {}
            },
            Next::Lost(lost) => {
                tracing::warn!(lost, "The published files are behind; what they missed is read from the store.");
                files.is_behind = true;
            }
            Next::Ended => return false,
        }
    }
}

/// What is in the files.
#[derive(Debug)]
struct Files {
    settings: Settings,
    /// The last so many, oldest first, with their JSON: made once, written with every beat.
    events: VecDeque<(NumberedEvent, String)>,
    /// The number of the last event in `events.log`.
    logged: u64,
    beat: Option<Heartbeat>,
    snapshots_changed: bool,
    /// Whether the store must be asked for what is missing here.
    is_behind: bool,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            settings: Settings {
                dir: None,
                own_file: None,
                readers: Readers { mode: 0o600, group: None },
                data_dir: PathBuf::new(),
            },
            events: VecDeque::new(),
            logged: 0,
            beat: None,
            snapshots_changed: true,
            is_behind: true,
        }
    }
}

impl Files {
    fn take(&mut self, event: NumberedEvent) {
        if self.events.back().is_some_and(|(last, _)| event.id <= last.id) {
            return;
        }
        let text = original::event(&event).to_string();
        self.events.push_back((event, text));
        if self.events.len() > EVENTS {
            self.events.pop_front();
        }
    }

    /// Writes what there is to write.
    fn write(&mut self) -> Result<(), String> {
        let chain = |error: &dyn std::error::Error| crate::chain::chain(error);
        if self.is_behind {
            let first = self.events.is_empty();
            self.catch_up().map_err(|error| chain(&error))?;
            // A log goes on where it was: what is older than this start is in it, or in an earlier one.
            if first {
                self.logged = self.events.back().map_or(0, |(event, _)| event.id);
            }
            self.is_behind = false;
        }
        if let (Some(path), Some(beat)) = (&self.settings.own_file, &self.beat) {
            let text = original::own_sign(beat).to_string();
            self.put(path, text.as_bytes())?;
        }
        let Some(dir) = self.settings.dir.clone() else { return Ok(()) };
        let folder = open(&dir)?;
        self.log(&folder)?;
        let events = || self.events.iter().map(|(_, text)| text.as_str());
        if let Some(beat) = &self.beat {
            let text = original::heartbeat_state(beat, events());
            folder
                .replace_derived(HEARTBEAT_STATE, text.as_bytes(), self.settings.readers)
                .map_err(|error| chain(&error))?;
        }
        if self.snapshots_changed {
            let entries = self.snapshots().map_err(|error| chain(&error))?;
            let now = self.beat.as_ref().map_or(Wall(0), |beat| beat.at);
            let text = original::snapshot_state(&entries, now, events());
            folder
                .replace_derived(SNAPSHOT_STATE, text.as_bytes(), self.settings.readers)
                .map_err(|error| chain(&error))?;
            self.snapshots_changed = false;
        }
        Ok(())
    }

    /// Takes in what is stored and not here.
    fn catch_up(&mut self) -> Result<(), StoreError> {
        let reader = Reader::open(&self.settings.data_dir)?;
        let newest = std::mem::take(&mut self.events);
        for event in reader.events(&Span::last(EVENTS as u64))? {
            self.take(event);
        }
        for (event, _) in newest {
            self.take(event);
        }
        Ok(())
    }

    fn snapshots(&self) -> Result<Vec<crate::store::Entry>, StoreError> {
        let reader = Reader::open(&self.settings.data_dir)?;
        reader.list(&Filter { limit: Some(SNAPSHOTS), ..Filter::default() })
    }

    fn log(&mut self, folder: &Folder) -> Result<(), String> {
        let mut lines = String::new();
        for (event, _) in self.events.iter().filter(|(event, _)| event.id > self.logged) {
            lines.push_str(&original::log_line(&event.event).to_string());
            lines.push('\n');
        }
        if !lines.is_empty() {
            folder
                .append_derived(LOG, lines.as_bytes(), self.settings.readers, LOG_BYTES, LOGS)
                .map_err(|error| crate::chain::chain(&error))?;
            self.logged = self.events.back().map_or(self.logged, |(event, _)| event.id);
        }
        Ok(())
    }

    fn put(&self, path: &std::path::Path, bytes: &[u8]) -> Result<(), String> {
        let (Some(dir), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
            return Err(format!("`{}` names no file", path.display()));
        };
        open(dir)?.replace_derived(name, bytes, self.settings.readers).map_err(|error| crate::chain::chain(&error))
    }
}

/// Opens a directory; one that is not there is made, but nothing above it.
fn open(dir: &std::path::Path) -> Result<Folder, String> {
    use std::os::unix::fs::DirBuilderExt;
    match std::fs::DirBuilder::new().mode(0o755).create(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(format!("cannot make `{}`: {error}", dir.display()));
        }
        _ => {}
    }
    Folder::open(dir).map_err(|error| crate::chain::chain(&error))
}
