//! Looking at the queue: which folders there are, which files lie in them, what those are.
//!
//! Owns the bounds of what is listed and read. Files that did not change since an earlier look are not
//! read again. Knows nothing of findings or of how anything is shown.

use std::collections::BTreeMap;

use ghostd_sdk::host::files::{self, Entry, Identity, Kind, MAX_READ_BYTES};
use ghostd_sdk::{Error, Invocation};
use serde::{Deserialize, Serialize};

use crate::config::{Folders, State};
use crate::facts::{self, Content, Facts};
use crate::name;
use crate::patch::{self, Patch};

/// The most folders that are looked into: a directory full of directories is no queue.
pub const MAX_FOLDERS: usize = 64;
/// The most entries that are listed over all folders: beyond it the counts are lower bounds.
pub const MAX_ENTRIES: u32 = 16_384;
/// The most patches of one state whose content is looked at by version, and the same again by time: a
/// history of ten thousand must not be read to show the last ten.
pub const MAX_CHOSEN: usize = 128;
/// How much is read of a patch: one read of the host's.
pub const MAX_PATCH_BYTES: u32 = MAX_READ_BYTES;
/// How many files one call reads at first; what is left is read by the next.
const MAX_READS: u32 = 512;
/// How many bytes one call reads at first, likewise.
const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Each further try on the same input reads so many times less, so that a deadline is met in the end.
const SMALLER_PER_ATTEMPT: u32 = 8;
/// The most bytes of the cache in the collector's state, whose quota is 512 KiB.
pub const MAX_CACHE_BYTES: usize = 256 * 1024;

/// What was seen.
#[derive(Debug, Default)]
pub struct Queue {
    /// Every folder, in the order of their names.
    pub folders: Vec<Folder>,
    /// The patches of the folders that stand for a state, those that are none or malformed among them.
    pub files: Vec<Patch>,
    /// Paths of files in those folders whose very name says that they are no patch.
    pub strangers: Vec<String>,
    /// Files that were chosen and not read, for want of budget: the next call reads them.
    pub unread: u32,
    /// What could not be seen and why.
    pub warnings: Vec<String>,
    /// Whether something is missing in `files`.
    pub incomplete: bool,
}

/// One folder of the queue.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Folder {
    /// Its name; `.` is the queue directory itself.
    pub name: String,
    /// What it stands for, where it stands for anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Files in it.
    pub files: u32,
}

/// What is known of files from earlier looks.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Cache(Vec<Known>);

/// A file that was read, by identity, size and time: a move to another folder changes none of them.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Known(u64, u64, u64, i64, Facts, Content);

/// What one call may read.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    files: u32,
    bytes: u64,
}

/// A listed file of a folder that stands for a state.
struct Item {
    folder: usize,
    state: State,
    file: String,
    identity: Identity,
    size_bytes: u64,
    modified_ns: i64,
}

impl Budget {
    /// What this call may read. It shrinks with each try, so that slow storage delays and never stalls.
    #[must_use]
    pub fn of(call: &Invocation) -> Self {
        let divisor = SMALLER_PER_ATTEMPT.saturating_pow(call.attempt.saturating_sub(1).min(3));
        Self {
            files: (MAX_READS / divisor).max(1),
            bytes: (MAX_BYTES / u64::from(divisor)).max(u64::from(MAX_PATCH_BYTES)),
        }
    }
}

/// Looks at the queue below a root.
///
/// # Errors
/// Where the queue directory itself cannot be listed.
pub fn look(root: &str, folders: &Folders, cache: &mut Cache, mut budget: Budget) -> Result<Queue, Error> {
    let mut queue = Queue::default();
    let mut items = list(root, folders, &mut queue)?;
    items.retain(|item| {
        let may_be = name::may_be_patch(&item.file);
        if !may_be {
            queue.strangers.push(patch::path(&queue.folders[item.folder].name, &item.file));
        }
        may_be
    });
    let chosen = choose(&items);
    let known: BTreeMap<_, _> = cache.0.drain(..).map(|known| ((known.0, known.1), known)).collect();
    for (item, chosen) in items.iter().zip(chosen) {
        let folder = queue.folders[item.folder].name.clone();
        let modified_ms = item.modified_ns / 1_000_000;
        if !chosen {
            // It comes after all that are chosen, so nobody asks for its version.
            queue.files.push(Patch::counted(&folder, &item.file, item.state, item.size_bytes, modified_ms));
            continue;
        }
        let Ok(known) = recall_or_read(root, item, &known, &mut budget, &mut queue) else { continue };
        let facts = known.as_ref().map(|known| &known.4);
        let mut patch = Patch::new(&folder, &item.file, item.state, item.size_bytes, modified_ms, facts);
        patch.content = known.as_ref().map(|known| known.5.clone());
        queue.files.push(patch);
        cache.0.extend(known);
    }
    if queue.unread > 0 {
        queue.warnings.push(format!("{} patches are yet to be read (they are by the next calls)", queue.unread));
    }
    Ok(queue)
}

impl Cache {
    /// Drops what is beyond [`MAX_CACHE_BYTES`]: such files are read again.
    pub fn shrink(&mut self) {
        let mut bytes = 0;
        self.0.retain(|known| {
            bytes += serde_json::to_string(known).map_or(0, |text| text.len() + 1);
            bytes <= MAX_CACHE_BYTES
        });
    }
}

/// A folder's name as a pattern that matches it and nothing else.
#[must_use]
pub fn escape(name: &str) -> String {
    let mut pattern = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '*' | '?' | '[' => pattern.extend(['[', c, ']']),
            c => pattern.push(c),
        }
    }
    pattern
}

fn list(root: &str, folders: &Folders, queue: &mut Queue) -> Result<Vec<Item>, Error> {
    let mut left = MAX_ENTRIES;
    let top = files::find(root, "*", left)?;
    note(queue, ".", top.truncated, top.skipped);
    let (mut names, mut loose) = (Vec::new(), Vec::new());
    for entry in top.entries {
        match entry.metadata.kind {
            Kind::Directory => names.push(entry.path),
            Kind::File => loose.push(entry),
            Kind::SymbolicLink | Kind::Other => {}
        }
    }
    // What stands for a state comes first: the rest is counted with what is left of the bounds.
    names.sort_by_key(|name| folders.state_of(name).is_none());
    if names.len() > MAX_FOLDERS {
        queue.warnings.push(format!("{} folders, of which {MAX_FOLDERS} are looked into", names.len()));
        queue.incomplete = true;
        names.truncate(MAX_FOLDERS);
    }
    let mut items = Vec::new();
    if !loose.is_empty() || folders.state_of(".").is_some() {
        add(queue, &mut items, ".", folders.state_of("."), loose);
    }
    for name in names {
        match files::find(root, &format!("{}/*", escape(&name)), left) {
            Ok(found) => {
                note(queue, &name, found.truncated, found.skipped);
                left = left.saturating_sub(u32::try_from(found.entries.len()).unwrap_or(u32::MAX)).max(1);
                add(queue, &mut items, &name, folders.state_of(&name), found.entries);
            }
            Err(error) => {
                queue.warnings.push(format!("cannot list folder `{name}`: {error}"));
                queue.incomplete = true;
            }
        }
    }
    Ok(items)
}

fn note(queue: &mut Queue, folder: &str, truncated: bool, skipped: u32) {
    if truncated {
        queue.warnings.push(format!("folder `{folder}` holds more than can be listed ({MAX_ENTRIES} entries in all)"));
        queue.incomplete = true;
    }
    if skipped > 0 {
        queue.warnings.push(format!("{skipped} entries of folder `{folder}` could not be looked at"));
        queue.incomplete = true;
    }
}

fn add(queue: &mut Queue, items: &mut Vec<Item>, name: &str, state: Option<State>, entries: Vec<Entry>) {
    let folder = queue.folders.len();
    let entries: Vec<_> = entries.into_iter().filter(|entry| entry.metadata.kind == Kind::File).collect();
    let files = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    queue.folders.push(Folder { name: name.to_owned(), state, files });
    let Some(state) = state else { return };
    items.extend(entries.into_iter().map(|entry| Item {
        folder,
        state,
        file: entry.path.rsplit('/').next().unwrap_or_default().to_owned(),
        identity: entry.metadata.identity,
        size_bytes: entry.metadata.size,
        modified_ns: entry.metadata.modified_ns,
    }));
}

/// Which items are worth reading: of each state the latest by what the names say, and the latest by time.
fn choose(items: &[Item]) -> Vec<bool> {
    let mut chosen = vec![false; items.len()];
    for state in [State::Pending, State::Executing, State::Completed, State::Failed] {
        let mut of_state: Vec<usize> = (0..items.len()).filter(|&at| items[at].state == state).collect();
        let mut choose_last = |of_state: &[usize]| {
            of_state.iter().rev().take(MAX_CHOSEN).for_each(|&at| chosen[at] = true);
        };
        of_state.sort_by_key(|&at| items[at].modified_ns);
        choose_last(&of_state);
        if of_state.len() > MAX_CHOSEN {
            // Stable, so that time still decides between equal names.
            of_state.sort_by_cached_key(|&at| {
                let label = name::parse(&items[at].file);
                (label.version, label.phase)
            });
            choose_last(&of_state);
        }
    }
    chosen
}

/// It went on to another folder between the listing and now.
struct Gone;

fn recall_or_read(
    root: &str,
    item: &Item,
    known: &BTreeMap<(u64, u64), Known>,
    budget: &mut Budget,
    queue: &mut Queue,
) -> Result<Option<Known>, Gone> {
    let Identity { device, inode } = item.identity;
    if let Some(known) = known.get(&(device, inode))
        && (known.2, known.3) == (item.size_bytes, item.modified_ns)
    {
        return Ok(Some(known.clone()));
    }
    let wanted = item.size_bytes.min(u64::from(MAX_PATCH_BYTES));
    if budget.files == 0 || budget.bytes < wanted {
        queue.unread += 1;
        queue.incomplete = true;
        return Ok(None);
    }
    budget.files -= 1;
    budget.bytes -= wanted;
    let path = patch::path(&queue.folders[item.folder].name, &item.file);
    match read(root, &path) {
        Ok((facts, content)) => Ok(Some(Known(device, inode, item.size_bytes, item.modified_ns, facts, content))),
        Err(Error::NotFound(_)) => Err(Gone),
        Err(error) => {
            queue.warnings.push(format!("cannot read `{path}`: {error}"));
            Ok(None)
        }
    }
}

fn read(root: &str, path: &str) -> Result<(Facts, Content), Error> {
    let file = files::open(root, path)?;
    let bytes = file.read_at(0, MAX_PATCH_BYTES)?;
    let length = bytes.len() as u64;
    let whole = length < u64::from(MAX_PATCH_BYTES) || file.metadata()?.size <= length;
    Ok(facts::read(&bytes, whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(file: &str, modified_ns: i64) -> Item {
        Item {
            folder: 0,
            state: State::Completed,
            file: file.to_owned(),
            identity: Identity::default(),
            size_bytes: 1,
            modified_ns,
        }
    }

    #[test]
    fn a_folder_is_escaped_into_a_pattern_of_its_own() {
        assert_eq!(escape(".done"), ".done");
        assert_eq!(escape("a*[b]?"), "a[*][[]b][?]");
    }

    #[test]
    fn of_many_the_latest_by_version_and_the_latest_by_time_are_chosen() {
        let mut items: Vec<_> = (0..1000).map(|n| item(&format!("patch-v1.0.{n}_a.json"), 1000 - n)).collect();
        items.push(item("patch-plain.json", 5000));
        let chosen = choose(&items);
        assert!(chosen[999] && chosen[872] && !chosen[871], "the last 128 versions");
        assert!(chosen[0] && chosen[126] && !chosen[127] && chosen[1000], "the last 128 times");
    }

    #[test]
    fn of_few_all_are_chosen() {
        assert!(choose(&[item("a.json", 3), item("b.json", 1)]).iter().all(|&chosen| chosen));
    }

    #[test]
    fn a_call_that_was_late_reads_less_each_time_and_never_nothing() {
        let budget = |attempt| Budget::of(&Invocation { attempt, ..Default::default() });
        assert_eq!(budget(1).files, 512);
        assert_eq!(budget(2).files, 64);
        assert_eq!((budget(9).files, budget(9).bytes), (1, u64::from(MAX_PATCH_BYTES)));
    }
}
