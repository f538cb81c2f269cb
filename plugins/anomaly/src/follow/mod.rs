//! Following files: each byte is looked at once, whatever happens to names.
//!
//! A file is known by its identity (device and inode), by the hash of its first bytes (inodes are reused) and of the
//! bytes before the place reached (contents are replaced). A capture lists what is there, brings that together with
//! what is known ([`Follower::reconcile`]), and reads what is new within a budget. What a rotation moved away is read
//! to its end through a handle that the host kept, or under its new name; of a file that was copied and truncated the
//! copy is taken over. What cannot be read any more is a [`Loss`], never silence.

mod read;
mod track;

use crate::config::Source;
use crate::event::Event;
use crate::logs::{Entry, Identity, LogFile, Logs, Meta, Trouble};
use crate::prefilter::Prefilter;
use crate::scanner::{Counts, Options};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use track::{HEAD_BYTES, Mark, Track};

/// The most files that are followed at once; the most recently changed ones. The state has to fit its quota.
pub const MAX_FILES: usize = 800;
/// The most entries that a listing asks for.
const MAX_LISTED: u32 = 16_384;
/// A file that was not found under any name, and cannot be reopened, is forgotten after so many captures.
const MISSING_CAPTURES: u32 = 3;
/// A file that was rotated away is let go after it has not grown for so long: its writer may still hold it.
const ROTATED_IDLE_MS: i64 = 10 * 60_000;
/// A file changed this long before the last capture may still have been missed by it.
const CLOCK_SLACK_NS: i64 = 2_000_000_000;
/// What a deadline that is missed again and again is charged to: the block that is read first.
pub const SKIPPED_BLOCK_BYTES: u64 = 1 << 20;
/// A call is tried so often before its first block is passed over.
pub const MAX_ATTEMPTS: u32 = 3;
/// Names that end so hold no text.
const PACKED: [&str; 9] = [".gz", ".xz", ".zst", ".bz2", ".zip", ".lz4", ".lzma", ".Z", ".7z"];

/// One capture's conditions.
pub struct Turn<'t> {
    /// Now, in milliseconds since the epoch.
    pub now_ms: i64,
    /// 1 for the first try, more after tries that failed or ran out of time.
    pub attempt: u32,
    /// How much may be read.
    pub budget_bytes: u64,
    /// How much of a file that is first seen is read.
    pub first_sight_bytes: u64,
    /// What the scanner hands out.
    pub options: Options,
    /// What lets lines through to it.
    pub filter: &'t Prefilter,
    /// Whether it is time to stop. Asked between blocks.
    pub expired: &'t dyn Fn() -> bool,
}

/// An event with its place.
#[derive(Debug)]
pub struct Sighting<'s> {
    /// The file, as `root/path`.
    pub source: &'s str,
    /// The number of the first line, where it is known.
    pub line: Option<u64>,
    /// The event. Its own line numbers are relative to what was read.
    pub event: Event,
}

/// Bytes that were written and can no longer be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The file, as `root/path`.
    pub source: String,
    /// How many at least; `None` if not even that is known.
    pub at_least_bytes: Option<u64>,
    /// What happened to the file.
    pub how: &'static str,
}

/// What a capture did.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Files that are followed.
    pub files: u64,
    /// Files that are there and are not followed, because there are more than [`MAX_FILES`].
    pub not_followed: u64,
    /// Names that are no regular files, packed files, and what could not be looked at.
    pub left_alone: u64,
    /// Bytes looked at.
    pub read_bytes: u64,
    /// Bytes carried over to the next capture, and in how many files.
    pub behind_bytes: u64,
    /// See `behind_bytes`.
    pub behind_files: u64,
    /// Bytes passed over because reading them missed the deadline again and again.
    pub skipped_bytes: u64,
    /// What was lost.
    pub losses: Vec<Loss>,
    /// What was met in the lines.
    pub counts: Counts,
    /// What could not be done, for people.
    pub warnings: Vec<String>,
}

/// Everything that is remembered between captures.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Follower {
    tracks: Vec<Track>,
    /// The time of the last capture; `None` before the first.
    #[serde(default)]
    last_ms: Option<i64>,
    /// Counts captures.
    #[serde(default)]
    turn: u64,
    /// The budget of the next capture, after one that missed its deadline.
    #[serde(default)]
    cautious_bytes: Option<u64>,
}

/// A file of the listing, or one beside it that rotation made of one of the listing.
struct Found {
    root: String,
    path: String,
    /// What it was called before, see [`Track::home`].
    home: String,
    meta: Meta,
}

/// What is known of a track in this capture.
#[derive(Default)]
struct Now {
    meta: Option<Meta>,
    file: Option<Box<dyn LogFile>>,
    /// It is no longer where the configuration looks.
    rotated: bool,
    /// What was read is no longer in it.
    truncated: bool,
    /// The inode was given to another file under another name: nothing was truncated.
    reused: bool,
    /// It is gone, and a packed file stands beside where it was.
    packed: bool,
}

impl Follower {
    /// When each followed file last grew: source and time, for files that are where the configuration looks.
    pub fn growth(&self) -> impl Iterator<Item = (String, &str, i64)> {
        self.tracks.iter().filter(|t| t.missing == 0).map(|t| (source_of(t), t.path.as_str(), t.grown_ms))
    }

    /// Looks at all files once.
    pub fn capture(
        &mut self,
        logs: &mut dyn Logs,
        sources: &[Source],
        turn: &Turn<'_>,
        sink: &mut dyn FnMut(Sighting<'_>),
    ) -> Outcome {
        let mut outcome = Outcome::default();
        self.turn += 1;
        let found = list(logs, sources, &mut outcome);
        let mut now = self.reconcile(logs, found, turn, &mut outcome);
        self.read_all(logs, &mut now, turn, &mut outcome, sink);
        self.let_go(&mut now, turn, &mut outcome);
        outcome.files = self.tracks.len() as u64;
        self.last_ms = Some(turn.now_ms);
        outcome
    }

    /// Brings what is known together with what is there. The result stands beside `self.tracks`.
    fn reconcile(
        &mut self,
        logs: &mut dyn Logs,
        mut found: BTreeMap<Identity, Found>,
        turn: &Turn<'_>,
        outcome: &mut Outcome,
    ) -> Vec<Now> {
        let mut now: Vec<Now> = Vec::with_capacity(self.tracks.len());
        for track in &mut self.tracks {
            match found.remove(&track.identity) {
                Some(entry) => {
                    let moved = track.path != entry.path;
                    (track.root, track.path) = (entry.root, entry.path);
                    track.home.clear();
                    let mut state = look(logs, track, entry.meta, outcome);
                    state.reused = state.truncated && (moved || track.missing > 0);
                    track.missing = 0;
                    now.push(state);
                }
                None => now.push(Now { rotated: true, ..Now::default() }),
            }
        }
        let taken: BTreeSet<(String, String)> = found.values().map(|f| (f.root.clone(), f.path.clone())).collect();
        self.find_rotated(logs, &mut now, &mut found, &taken, turn);
        self.recognise_copies(&mut now, outcome);
        self.adopt(logs, found, &mut now, turn, outcome);
        now
    }

    /// Looks for tracks that the listing does not have: by the handle that was kept, else by identity among the
    /// names beside the old one. New names beside it that begin like it were rotated between two captures.
    fn find_rotated(
        &mut self,
        logs: &mut dyn Logs,
        now: &mut [Now],
        found: &mut BTreeMap<Identity, Found>,
        taken: &BTreeSet<(String, String)>,
        turn: &Turn<'_>,
    ) {
        let mut rotations: BTreeSet<(String, String, String)> = BTreeSet::new();
        let mut beside: BTreeMap<(String, String), Vec<Entry>> = BTreeMap::new();
        for (track, state) in self.tracks.iter_mut().zip(now.iter_mut()) {
            let moved = state.rotated || taken.contains(&(track.root.clone(), track.path.clone()));
            if !moved && !state.truncated {
                continue;
            }
            if state.rotated
                && let Ok(mut file) = logs.reopen(track.identity)
            {
                state.meta = file.meta().ok();
                state.file = Some(file);
            }
            let directory = track.path.rsplit_once('/').map_or("", |(directory, _)| directory).to_owned();
            let entries = beside.entry((track.root.clone(), directory.clone())).or_insert_with(|| {
                let pattern = if directory.is_empty() { "*".to_owned() } else { format!("{directory}/*") };
                logs.find(&track.root, &pattern, MAX_LISTED).map(|listing| listing.entries).unwrap_or_default()
            });
            let path = track.home().to_owned();
            state.packed = entries
                .iter()
                .any(|e| packed(&e.path) && e.path.starts_with(&path) && e.meta.modified_ns >= track.seen_modified_ns);
            if state.rotated
                && let Some(entry) = entries.iter().find(|e| e.meta.identity == track.identity)
            {
                if state.file.is_none()
                    && let Some(mut file) = open_same(logs, track, &entry.path)
                {
                    // Nobody held the inode meanwhile: it may have been given to another file.
                    if track.is_same(file.as_mut()).unwrap_or(false) {
                        state.meta = Some(entry.meta);
                        state.file = Some(file);
                    } else {
                        track.identity = Identity::default();
                    }
                }
                if state.file.is_some() && track.path != entry.path {
                    track.home.clone_from(&path);
                    track.path.clone_from(&entry.path);
                }
            }
            rotations.insert((track.root.clone(), directory, path));
        }
        let known: BTreeSet<Identity> = self.tracks.iter().map(|t| t.identity).collect();
        let since = self.last_ms.unwrap_or(turn.now_ms).saturating_mul(1_000_000) - CLOCK_SLACK_NS;
        for (root, directory, path) in rotations {
            let Some(entries) = beside.get(&(root.clone(), directory)) else { continue };
            for entry in entries.iter().filter(|e| {
                is_sibling(&path, &e.path)
                    && !packed(&e.path)
                    && !known.contains(&e.meta.identity)
                    && e.meta.modified_ns >= since
            }) {
                found.entry(entry.meta.identity).or_insert_with(|| Found {
                    root: root.clone(),
                    path: entry.path.clone(),
                    home: path.clone(),
                    meta: entry.meta,
                });
            }
        }
    }

    /// A followed file whose content was replaced may be the copy of another one: a copy that is written over the
    /// copy of the rotation before.
    fn recognise_copies(&mut self, now: &mut [Now], outcome: &mut Outcome) {
        for index in 0..now.len().min(self.tracks.len()) {
            let Some(meta) = now[index].meta.filter(|_| now[index].truncated) else { continue };
            let Some(mut file) = now[index].file.take() else { continue };
            match self.copy_of(file.as_mut(), &meta, now, Some(index)) {
                Copy::Taken(original) => {
                    let mut copy = self.tracks[index].clone();
                    let original_track = &mut self.tracks[original];
                    copy.go_on_from(original_track);
                    outcome.losses.push(Loss {
                        source: source_of(original_track),
                        at_least_bytes: None,
                        how: "copied and truncated",
                    });
                    original_track.restart();
                    self.tracks[index] = copy;
                    (now[index].truncated, now[original].truncated) = (false, false);
                }
                Copy::Ahead => {
                    // All of it was read in the original.
                    let track = &mut self.tracks[index];
                    (track.offset, track.seen_bytes) = (meta.size_bytes, meta.size_bytes);
                    (track.line, track.context, track.skipping) = (None, None, false);
                    track.seen_modified_ns = meta.modified_ns;
                    track.head = Mark::default();
                    now[index].truncated = track.mark(file.as_mut()).is_err();
                }
                Copy::None => {}
            }
            now[index].file = Some(file);
        }
    }

    /// Begins to follow what is new.
    fn adopt(
        &mut self,
        logs: &mut dyn Logs,
        found: BTreeMap<Identity, Found>,
        now: &mut Vec<Now>,
        turn: &Turn<'_>,
        outcome: &mut Outcome,
    ) {
        let mut fresh: Vec<Found> = found.into_values().collect();
        // The most recently changed first: these are the ones that are worth a place.
        fresh.sort_by(|a, b| b.meta.modified_ns.cmp(&a.meta.modified_ns).then_with(|| a.path.cmp(&b.path)));
        let known = self.tracks.len();
        let mut taken = Vec::new();
        for entry in fresh {
            if self.tracks.len() >= MAX_FILES && !self.make_room(now, entry.meta.modified_ns) {
                outcome.not_followed += 1;
                continue;
            }
            let mut track = Track {
                root: entry.root,
                path: entry.path,
                home: entry.home,
                identity: entry.meta.identity,
                grown_ms: entry.meta.modified_ns / 1_000_000,
                line: Some(1),
                ..Track::default()
            };
            let known = known.min(self.tracks.len());
            let mut opened = None;
            if known > 0 && entry.meta.size_bytes > 0 {
                opened = open_same(logs, &track, &track.path);
                if let Some(file) = &mut opened {
                    match self.copy_of(file.as_mut(), &entry.meta, &now[..known], None) {
                        Copy::Taken(index) => {
                            // Goes on in the copy where the original was left.
                            let original = &mut self.tracks[index];
                            track.go_on_from(original);
                            original.restart();
                            // What was written between the copy and the truncation nobody can know.
                            outcome.losses.push(Loss {
                                source: source_of(original),
                                at_least_bytes: None,
                                how: "copied and truncated",
                            });
                            self.tracks.push(track);
                            taken.push(index);
                            now.push(Now { meta: Some(entry.meta), rotated: true, file: opened, ..Now::default() });
                            continue;
                        }
                        Copy::Ahead => continue,
                        Copy::None => {}
                    }
                }
            }
            let successor = self.tracks[..known].iter().zip(now.iter()).any(|(t, s)| {
                t.root == track.root
                    && (t.home() == track.path && s.rotated
                        || is_sibling(t.home(), &track.path)
                        || s.rotated && is_sibling(&track.path, &t.path))
            });
            let since = self.last_ms.map(|ms| ms.saturating_mul(1_000_000) - CLOCK_SLACK_NS);
            let born_since = since.is_some_and(|since| entry.meta.modified_ns >= since);
            if !(successor || born_since) && entry.meta.size_bytes > turn.first_sight_bytes {
                track.offset = entry.meta.size_bytes - turn.first_sight_bytes;
                track.line = None;
                // It begins in the middle of a line.
                track.skipping = true;
            }
            self.tracks.push(track);
            now.push(Now { meta: Some(entry.meta), file: opened, ..Now::default() });
        }
        for index in taken {
            now[index].truncated = false;
        }
    }

    /// Whether a new file is a copy of one that is followed.
    fn copy_of(&self, file: &mut dyn LogFile, meta: &Meta, now: &[Now], except: Option<usize>) -> Copy {
        let Ok(head) = file.read_at(0, HEAD_BYTES) else { return Copy::None };
        for (index, (track, state)) in self.tracks.iter().zip(now).enumerate() {
            let length = track.head.0 as usize;
            if Some(index) == except || length < 16 || head.len() < length || Mark::of(&head[..length]) != track.head {
                continue;
            }
            if meta.size_bytes < track.offset {
                return Copy::Ahead;
            }
            let before = track.offset.saturating_sub(u64::from(track.anchor.0));
            if !track.anchor.holds(file, before).unwrap_or(false) {
                continue;
            }
            return if state.truncated { Copy::Taken(index) } else { Copy::Ahead };
        }
        Copy::None
    }

    /// Gives up the track that changed longest ago, if that is before `modified_ns`.
    fn make_room(&mut self, now: &mut Vec<Now>, modified_ns: i64) -> bool {
        let oldest = (0..self.tracks.len())
            .min_by_key(|i| self.tracks[*i].seen_modified_ns.max(self.tracks[*i].grown_ms.saturating_mul(1_000_000)));
        match oldest {
            Some(index)
                if self.tracks[index].seen_modified_ns < modified_ns
                    && self.tracks[index].seen_bytes == self.tracks[index].offset
                    && self.tracks[index].served > 0 =>
            {
                self.tracks.remove(index);
                now.remove(index);
                true
            }
            _ => false,
        }
    }

    /// Forgets what is gone for good.
    fn let_go(&mut self, now: &mut Vec<Now>, turn: &Turn<'_>, outcome: &mut Outcome) {
        let mut states = std::mem::take(now).into_iter();
        self.tracks.retain_mut(|track| {
            let Some(mut state) = states.next() else { return true };
            let drained = track.offset >= track.seen_bytes;
            let idle = turn.now_ms - track.grown_ms > ROTATED_IDLE_MS;
            let keep = match (&state.meta, state.rotated) {
                (None, _) => {
                    track.missing = track.missing.saturating_add(1);
                    track.gone += 1;
                    if track.gone == MISSING_CAPTURES {
                        outcome.losses.extend(vanished(track, &state, turn));
                    }
                    track.gone < MISSING_CAPTURES
                }
                // Deleted: nobody but its writer can add to it.
                (Some(meta), true) => {
                    !(drained && idle || drained && meta.links == 0 && track.missing >= MISSING_CAPTURES)
                }
                (Some(_), false) => true,
            };
            if state.meta.is_some() {
                track.gone = 0;
            }
            track.rotated |= state.rotated && state.meta.is_some();
            if state.rotated && state.meta.is_some() && drained {
                track.missing = track.missing.saturating_add(1);
            }
            if !keep && let Some(file) = &mut state.file {
                file.release();
            }
            keep
        });
    }
}

/// What is lost with a file that is gone and that nobody held open. What was seen and not read is a number; what was
/// written to it since, where it was being written to, nobody knows.
fn vanished(track: &Track, state: &Now, turn: &Turn<'_>) -> Option<Loss> {
    let unread = track.seen_bytes.saturating_sub(track.offset);
    let lively = !track.rotated && turn.now_ms.saturating_sub(track.grown_ms) < ROTATED_IDLE_MS;
    (unread > 0 || lively).then(|| Loss {
        source: source_of(track),
        at_least_bytes: (unread > 0).then_some(unread),
        how: if state.packed { "compressed" } else { "deleted or moved away" },
    })
}

enum Copy {
    None,
    /// A copy of the track with this index, which was truncated.
    Taken(usize),
    /// A copy of what was read already, or of a file that still stands.
    Ahead,
}

/// The file of a track under this name, or by the handle that was kept; `None` where the name means another file by
/// now.
fn open_same(logs: &mut dyn Logs, track: &Track, path: &str) -> Option<Box<dyn LogFile>> {
    let mut file = match logs.open(&track.root, path) {
        Ok(file) => file,
        Err(_) => return logs.reopen(track.identity).ok(),
    };
    match file.meta() {
        Ok(meta) if meta.identity == track.identity => Some(file),
        _ => logs.reopen(track.identity).ok(),
    }
}

/// Looks at a file that is where it should be: whether it changed, and if so, whether what was read is still there.
fn look(logs: &mut dyn Logs, track: &Track, meta: Meta, outcome: &mut Outcome) -> Now {
    let mut state = Now { meta: Some(meta), ..Now::default() };
    if meta.size_bytes == track.seen_bytes && meta.modified_ns == track.seen_modified_ns {
        return state;
    }
    if meta.size_bytes < track.offset {
        state.truncated = true;
        state.file = open_same(logs, track, &track.path);
        return state;
    }
    let opened = match open_same(logs, track, &track.path) {
        Some(file) => Ok(file),
        // Between listing and opening the name went to another file: what is under it says nothing of this one.
        None => match logs.open(&track.root, &track.path) {
            Ok(_) => return state,
            Err(trouble) => Err(trouble),
        },
    };
    match opened.and_then(|mut file| Ok((track.is_same(file.as_mut())?, file))) {
        Ok((same, file)) => {
            state.truncated = !same;
            state.file = Some(file);
        }
        // It went between listing and opening: the next capture finds out where to.
        Err(Trouble::Gone) => state.meta = None,
        Err(trouble) => {
            outcome.warnings.push(format!("cannot read `{}`: {trouble}", source_of(track)));
            state.meta = None;
        }
    }
    state
}

fn list(logs: &mut dyn Logs, sources: &[Source], outcome: &mut Outcome) -> BTreeMap<Identity, Found> {
    let mut found = BTreeMap::new();
    for source in sources {
        match logs.find(&source.root, &source.path, MAX_LISTED) {
            Ok(listing) => {
                outcome.left_alone += listing.left_alone;
                if listing.truncated {
                    outcome.warnings.push(format!(
                        "more than {MAX_LISTED} files match `{}/{}`: the rest is not looked at",
                        source.root, source.path
                    ));
                }
                for entry in listing.entries {
                    if packed(&entry.path) {
                        outcome.left_alone += 1;
                        continue;
                    }
                    found.entry(entry.meta.identity).or_insert(Found {
                        root: source.root.clone(),
                        path: entry.path,
                        home: String::new(),
                        meta: entry.meta,
                    });
                }
            }
            Err(trouble) => outcome.warnings.push(format!("cannot list `{}/{}`: {trouble}", source.root, source.path)),
        }
    }
    found
}

fn packed(path: &str) -> bool {
    PACKED.iter().any(|end| path.ends_with(end))
}

/// Whether `other` is a name that rotation gives a file called `path`: `app.log.1`, `app.log-20240102`,
/// `app-20240102.log`, `app.1.log`.
fn is_sibling(path: &str, other: &str) -> bool {
    if path == other {
        return false;
    }
    let marked =
        |rest: &str| rest.starts_with(['.', '-', '_']) && rest.contains(|c: char| c.is_ascii_digit() || rest == ".old");
    if let Some(rest) = other.strip_prefix(path) {
        return marked(rest);
    }
    let (stem, end) = match path.rsplit_once('.') {
        Some((stem, end)) if !end.contains('/') && !stem.is_empty() => (stem, end),
        _ => return false,
    };
    other
        .strip_prefix(stem)
        .and_then(|rest| rest.strip_suffix(end))
        .and_then(|rest| rest.strip_suffix('.'))
        .is_some_and(marked)
}

fn source_of(track: &Track) -> String {
    if track.root.is_empty() { track.path.clone() } else { format!("{}/{}", track.root, track.path) }
}
