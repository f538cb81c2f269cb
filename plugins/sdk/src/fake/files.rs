//! Files in memory, with identities that behave like inodes: a file that is renamed keeps its own, one
//! that is deleted stays readable for whoever has it open.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::with;
use crate::Error;
use crate::host::files::{Entry, Found, Identity, KeptFile, Kind, MAX_READ_BYTES, Metadata};

/// The most entries of one listing, as with the real host.
const MAX_FOUND: u32 = 16_384;
/// The block size that `allocated` is rounded to.
const BLOCK_BYTES: u64 = 4096;

/// Roots with files. A root comes into being with the first thing that is put below it.
#[derive(Debug)]
pub struct Files {
    names: BTreeMap<String, BTreeMap<String, Rc<RefCell<Node>>>>,
    kept: BTreeMap<Identity, (KeptFile, Rc<RefCell<Node>>)>,
    faults: BTreeMap<(String, String), Error>,
    next_inode: u64,
    /// The time of the next change, in nanoseconds since the Unix epoch; it moves on by a second with each.
    pub now_ns: i64,
    /// The most files that are kept open; 256 as with the real host.
    pub keep_limit: usize,
    /// Whether [`crate::host::files::File::next_data`] is known; if not it is `unavailable`.
    pub knows_holes: bool,
    /// Paths in the order in which the collector opened them.
    pub opened: Vec<String>,
    /// How many bytes the collector read in all.
    pub read_bytes: u64,
}

/// What an inode holds.
#[derive(Debug)]
struct Node {
    identity: Identity,
    kind: Kind,
    /// Pieces of data by their offset, not touching one another; what lies between is a hole.
    extents: BTreeMap<u64, Vec<u8>>,
    size: u64,
    modified_ns: i64,
    links: u64,
    fault: Option<Error>,
}

/// An open file.
#[derive(Debug)]
pub(crate) struct File {
    node: Rc<RefCell<Node>>,
    root: String,
    path: String,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            names: BTreeMap::new(),
            kept: BTreeMap::new(),
            faults: BTreeMap::new(),
            next_inode: 1000,
            now_ns: 1_795_262_000_000_000_000,
            keep_limit: 256,
            knows_holes: true,
            opened: Vec::new(),
            read_bytes: 0,
        }
    }
}

/// What a test does to the files.
impl Files {
    /// Lends a root that may stay empty.
    pub fn root(&mut self, root: &str) {
        self.names.entry(root.to_owned()).or_default();
    }

    /// Writes a file: one that is there is truncated and keeps its identity, as `> file` does.
    pub fn write(&mut self, root: &str, path: &str, content: &[u8]) -> Identity {
        let node = self.node(root, path, Kind::File);
        let mut node = node.borrow_mut();
        node.extents = BTreeMap::from([(0, content.to_vec())]);
        node.size = content.len() as u64;
        node.modified_ns = self.tick();
        node.identity
    }

    /// Adds to the end of a file, as `>> file` does.
    pub fn append(&mut self, root: &str, path: &str, content: &[u8]) -> Identity {
        let node = self.node(root, path, Kind::File);
        let mut node = node.borrow_mut();
        let size = node.size;
        node.put(size, content);
        node.modified_ns = self.tick();
        node.identity
    }

    /// Puts data at an offset; what is skipped is a hole.
    pub fn write_at(&mut self, root: &str, path: &str, offset: u64, content: &[u8]) -> Identity {
        let node = self.node(root, path, Kind::File);
        let mut node = node.borrow_mut();
        node.put(offset, content);
        node.modified_ns = self.tick();
        node.identity
    }

    /// Makes a file end there: data behind it is gone, a hole reaches up to it.
    pub fn truncate(&mut self, root: &str, path: &str, size: u64) {
        let node = self.node(root, path, Kind::File);
        let mut node = node.borrow_mut();
        node.truncate(size);
        node.modified_ns = self.tick();
    }

    /// Replaces a file by a new one, as a writer does that renames a temporary file over it.
    pub fn replace(&mut self, root: &str, path: &str, content: &[u8]) -> Identity {
        self.remove(root, path);
        self.write(root, path, content)
    }

    /// Replaces a file by a new one that has the old one's inode number, as can happen after a deletion.
    pub fn replace_reusing_identity(&mut self, root: &str, path: &str, content: &[u8]) -> Identity {
        let old = self.identity(root, path);
        self.remove(root, path);
        let new = self.write(root, path, content);
        let Some(old) = old else { return new };
        self.node(root, path, Kind::File).borrow_mut().identity = old;
        old
    }

    /// Gives a file another name; one that had it before loses it.
    pub fn rename(&mut self, root: &str, from: &str, to: &str) {
        let Some(node) = self.names.get_mut(root).and_then(|names| names.remove(from)) else { return };
        self.remove(root, to);
        self.names.entry(root.to_owned()).or_default().insert(to.to_owned(), node);
    }

    /// Deletes a name. Whoever has the file open can read on.
    pub fn remove(&mut self, root: &str, path: &str) {
        if let Some(node) = self.names.get_mut(root).and_then(|names| names.remove(path)) {
            node.borrow_mut().links = 0;
        }
    }

    /// Puts something there that is no regular file: a link that leads out, a FIFO, an empty directory.
    pub fn special(&mut self, root: &str, path: &str, kind: Kind) -> Identity {
        let node = self.node(root, path, kind);
        let mut node = node.borrow_mut();
        node.kind = kind;
        node.identity
    }

    /// Sets when a file was last changed, in nanoseconds since the Unix epoch.
    pub fn set_modified(&mut self, root: &str, path: &str, modified_ns: i64) {
        self.node(root, path, Kind::File).borrow_mut().modified_ns = modified_ns;
    }

    /// Makes opening a path fail.
    pub fn fail_open(&mut self, root: &str, path: &str, error: Error) {
        self.faults.insert((root.to_owned(), path.to_owned()), error);
    }

    /// Makes reading a file fail, or heals it.
    pub fn fail_read(&mut self, root: &str, path: &str, error: Option<Error>) {
        self.node(root, path, Kind::File).borrow_mut().fault = error;
    }

    /// Closes everything that was kept, as a new start of ghostd does.
    pub fn close_kept(&mut self) {
        self.kept.clear();
    }

    /// The identity of what is called so.
    #[must_use]
    pub fn identity(&self, root: &str, path: &str) -> Option<Identity> {
        Some(self.names.get(root)?.get(path)?.borrow().identity)
    }

    /// The files that the collector keeps open.
    #[must_use]
    pub fn kept(&self) -> Vec<KeptFile> {
        self.kept.values().map(|(kept, _)| kept.clone()).collect()
    }
}

/// What the collector asks.
impl Files {
    pub(super) fn roots(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    pub(super) fn find(&self, root: &str, pattern: &str, limit: u32) -> Result<Found, Error> {
        let names = self.lent(root)?;
        check_path(pattern)?;
        let pattern: Vec<&str> = pattern.split('/').collect();
        let mut entries: BTreeMap<String, Metadata> = BTreeMap::new();
        for (path, node) in names {
            if matches_path(&pattern, &path.split('/').collect::<Vec<_>>()) {
                entries.insert(path.clone(), node.borrow().metadata());
            }
            for (end, _) in path.match_indices('/') {
                let directory = &path[..end];
                if matches_path(&pattern, &directory.split('/').collect::<Vec<_>>()) {
                    entries.entry(directory.to_owned()).or_insert_with(|| directory_metadata(directory));
                }
            }
        }
        let limit = limit.min(MAX_FOUND) as usize;
        let truncated = entries.len() > limit;
        let entries = entries.into_iter().take(limit).map(|(path, metadata)| Entry { path, metadata }).collect();
        Ok(Found { entries, truncated, skipped: 0 })
    }

    pub(super) fn open(&mut self, root: &str, path: &str) -> Result<File, Error> {
        check_path(path)?;
        if let Some(error) = self.faults.get(&(root.to_owned(), path.to_owned())) {
            return Err(error.clone());
        }
        let names = self.lent(root)?;
        let Some(node) = names.get(path) else {
            let prefix = format!("{path}/");
            return Err(if names.keys().any(|name| name.starts_with(&prefix)) {
                Error::Forbidden(format!("`{path}` is no regular file"))
            } else {
                Error::NotFound(format!("no file `{path}` below `{root}`"))
            });
        };
        if node.borrow().kind != Kind::File {
            return Err(Error::Forbidden(format!("`{path}` is no regular file")));
        }
        let file = File { node: Rc::clone(node), root: root.to_owned(), path: path.to_owned() };
        self.opened.push(path.to_owned());
        Ok(file)
    }

    pub(super) fn reopen(&self, identity: Identity) -> Result<File, Error> {
        let (kept, node) =
            self.kept.get(&identity).ok_or_else(|| Error::NotFound("file is not kept open".to_owned()))?;
        Ok(File { node: Rc::clone(node), root: kept.root.clone(), path: kept.path.clone() })
    }

    fn lent(&self, root: &str) -> Result<&BTreeMap<String, Rc<RefCell<Node>>>, Error> {
        self.names.get(root).ok_or_else(|| Error::Denied(format!("root `{root}` is not lent")))
    }

    fn node(&mut self, root: &str, path: &str, kind: Kind) -> Rc<RefCell<Node>> {
        let now = self.now_ns;
        let next_inode = &mut self.next_inode;
        let names = self.names.entry(root.to_owned()).or_default();
        let node = names.entry(path.to_owned()).or_insert_with(|| {
            *next_inode += 1;
            Rc::new(RefCell::new(Node {
                identity: Identity { device: 1, inode: *next_inode },
                kind,
                extents: BTreeMap::new(),
                size: 0,
                modified_ns: now,
                links: 1,
                fault: None,
            }))
        });
        Rc::clone(node)
    }

    fn tick(&mut self) -> i64 {
        self.now_ns += 1_000_000_000;
        self.now_ns
    }
}

impl File {
    pub(crate) fn metadata(&self) -> Result<Metadata, Error> {
        Ok(self.node.borrow().metadata())
    }

    pub(crate) fn read_at(&self, offset: u64, length: u32) -> Result<Vec<u8>, Error> {
        let node = self.node.borrow();
        if let Some(error) = &node.fault {
            return Err(error.clone());
        }
        let bytes = node.read(offset, length.min(MAX_READ_BYTES));
        with(|host| host.files.read_bytes += bytes.len() as u64);
        Ok(bytes)
    }

    pub(crate) fn next_data(&self, offset: u64) -> Result<Option<u64>, Error> {
        if !with(|host| host.files.knows_holes) {
            return Err(Error::Unavailable("file system does not tell holes".to_owned()));
        }
        Ok(self.node.borrow().next_data(offset))
    }

    pub(crate) fn keep(&self) -> Result<(), Error> {
        let identity = self.node.borrow().identity;
        with(|host| {
            let files = &mut host.files;
            if !files.kept.contains_key(&identity) && files.kept.len() >= files.keep_limit {
                return Err(Error::Exhausted(format!("{0} files are kept (at most {0})", files.keep_limit)));
            }
            let kept = KeptFile { identity, root: self.root.clone(), path: self.path.clone() };
            files.kept.insert(identity, (kept, Rc::clone(&self.node)));
            Ok(())
        })
    }

    pub(crate) fn release(&self) {
        let identity = self.node.borrow().identity;
        with(|host| host.files.kept.remove(&identity));
    }
}

impl Node {
    fn metadata(&self) -> Metadata {
        let blocks: BTreeSet<u64> = self
            .extents
            .iter()
            .flat_map(|(&start, data)| start / BLOCK_BYTES..(start + data.len() as u64).div_ceil(BLOCK_BYTES))
            .collect();
        Metadata {
            identity: self.identity,
            kind: self.kind,
            size: self.size,
            allocated: blocks.len() as u64 * BLOCK_BYTES,
            modified_ns: self.modified_ns,
            links: self.links,
        }
    }

    fn put(&mut self, offset: u64, content: &[u8]) {
        let end = offset + content.len() as u64;
        // What was there is read first, so that extents never overlap.
        let overlapping: Vec<u64> = self
            .extents
            .iter()
            .filter(|&(&start, data)| start <= end && start + data.len() as u64 >= offset)
            .map(|(&start, _)| start)
            .collect();
        let mut start = offset;
        let mut merged = content.to_vec();
        for old_start in overlapping {
            let Some(old) = self.extents.remove(&old_start) else { continue };
            if old_start < start {
                let head = old[..(start - old_start) as usize].to_vec();
                merged.splice(0..0, head);
                start = old_start;
            }
            let merged_end = start + merged.len() as u64;
            let old_end = old_start + old.len() as u64;
            if old_end > merged_end {
                merged.extend_from_slice(&old[(merged_end - old_start) as usize..]);
            }
        }
        self.extents.insert(start, merged);
        self.size = self.size.max(end);
    }

    fn truncate(&mut self, size: u64) {
        self.extents.retain(|&start, _| start < size);
        for (&start, data) in &mut self.extents {
            data.truncate(usize::try_from(size - start).unwrap_or(usize::MAX));
        }
        self.size = size;
    }

    fn read(&self, offset: u64, length: u32) -> Vec<u8> {
        let end = self.size.min(offset.saturating_add(u64::from(length)));
        if offset >= end {
            return Vec::new();
        }
        let mut bytes = vec![0; (end - offset) as usize];
        for (&start, data) in &self.extents {
            let from = start.max(offset);
            let to = (start + data.len() as u64).min(end);
            if from < to {
                bytes[(from - offset) as usize..(to - offset) as usize]
                    .copy_from_slice(&data[(from - start) as usize..(to - start) as usize]);
            }
        }
        bytes
    }

    fn next_data(&self, offset: u64) -> Option<u64> {
        self.extents
            .iter()
            .filter(|(_, data)| !data.is_empty())
            .find(|&(&start, data)| start + data.len() as u64 > offset)
            .map(|(&start, _)| start.max(offset))
    }
}

fn directory_metadata(path: &str) -> Metadata {
    // Stable, and apart from those of files, which count up from a thousand.
    let inode = path.bytes().fold(1 << 32, |hash: u64, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
    Metadata {
        identity: Identity { device: 1, inode },
        kind: Kind::Directory,
        size: BLOCK_BYTES,
        allocated: BLOCK_BYTES,
        modified_ns: 0,
        links: 2,
    }
}

fn check_path(path: &str) -> Result<(), Error> {
    if path.is_empty() || path.split('/').any(|name| matches!(name, "" | "." | "..")) {
        return Err(Error::Invalid(format!("path `{path}`")));
    }
    Ok(())
}

fn matches_path(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), _) => (0..=path.len()).any(|skipped| matches_path(rest, &path[skipped..])),
        (Some((first, rest)), Some((name, names))) => {
            matches_name(first.as_bytes(), name.as_bytes()) && matches_path(rest, names)
        }
        _ => false,
    }
}

fn matches_name(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=name.len()).any(|skipped| matches_name(rest, &name[skipped..])),
        (Some((b'?', rest)), Some((_, bytes))) => matches_name(rest, bytes),
        (Some((b'[', rest)), Some((byte, bytes))) => match rest.iter().position(|&c| c == b']') {
            Some(end) => in_set(&rest[..end], *byte) && matches_name(&rest[end + 1..], bytes),
            None => *byte == b'[' && matches_name(rest, bytes),
        },
        (Some((literal, rest)), Some((byte, bytes))) => literal == byte && matches_name(rest, bytes),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn in_set(set: &[u8], byte: u8) -> bool {
    let (negated, mut set) = match set.split_first() {
        Some((b'!', rest)) => (true, rest),
        _ => (false, set),
    };
    let mut found = false;
    while let Some((&low, rest)) = set.split_first() {
        if let [b'-', high, after @ ..] = rest {
            found |= (low..=*high).contains(&byte);
            set = after;
        } else {
            found |= low == byte;
            set = rest;
        }
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Host;
    use crate::host::files;

    #[test]
    fn a_kept_file_is_read_to_its_end_after_it_was_rotated_away() {
        let mut host = Host::new();
        let identity = host.files.write("logs", "a.log", b"one\n");
        host.run(|| files::open("logs", "a.log").unwrap().keep().unwrap());
        host.files.append("logs", "a.log", b"two\n");
        host.files.rename("logs", "a.log", "a.log.1");
        host.files.remove("logs", "a.log.1");
        let new = host.files.write("logs", "a.log", b"three\n");
        assert_ne!(identity, new);
        host.run(|| {
            let old = files::reopen(identity).unwrap();
            assert_eq!(old.read_all(1024).unwrap(), b"one\ntwo\n");
            assert_eq!(old.metadata().unwrap().links, 0);
            assert_eq!(files::kept()[0].path, "a.log");
            old.release();
            assert!(matches!(files::reopen(identity), Err(Error::NotFound(_))));
        });
    }

    #[test]
    fn holes_are_skipped_and_read_as_zeroes() {
        let mut host = Host::new();
        host.files.write("logs", "a", b"head");
        host.files.write_at("logs", "a", 1 << 30, b"tail");
        host.run(|| {
            let file = files::open("logs", "a").unwrap();
            let metadata = file.metadata().unwrap();
            assert_eq!((metadata.size, metadata.allocated), ((1 << 30) + 4, 8192));
            assert_eq!(file.next_data(2), Ok(Some(2)));
            assert_eq!(file.next_data(4), Ok(Some(1 << 30)));
            assert_eq!(file.next_data((1 << 30) + 4), Ok(None));
            assert_eq!(file.read_at((1 << 30) - 2, 100).unwrap(), b"\0\0tail");
            assert!(file.read_at(1 << 31, 10).unwrap().is_empty());
            assert!(matches!(file.read_all(100), Err(Error::Exhausted(_))));
        });
    }

    #[test]
    fn overlapping_writes_leave_the_newer_bytes() {
        let mut host = Host::new();
        host.files.write("r", "a", b"0123456789");
        host.files.write_at("r", "a", 3, b"abc");
        host.files.write_at("r", "a", 9, b"xyz");
        host.run(|| assert_eq!(files::open("r", "a").unwrap().read_all(100).unwrap(), b"012abc678xyz"));
        host.files.truncate("r", "a", 4);
        host.run(|| assert_eq!(files::open("r", "a").unwrap().read_all(100).unwrap(), b"012a"));
    }

    #[test]
    fn patterns_find_names_sets_and_directories() {
        let mut host = Host::new();
        for path in ["a.log", "b.txt", "d/c.log", "d/e/f.log", "d/x1.log"] {
            host.files.write("r", path, b"");
        }
        let find = |host: &mut Host, pattern: &str| -> Vec<String> {
            host.run(|| files::find("r", pattern, 100).unwrap().entries.into_iter().map(|entry| entry.path).collect())
        };
        assert_eq!(find(&mut host, "*"), ["a.log", "b.txt", "d"]);
        assert_eq!(find(&mut host, "*.log"), ["a.log"]);
        assert_eq!(find(&mut host, "**/*.log"), ["a.log", "d/c.log", "d/e/f.log", "d/x1.log"]);
        assert_eq!(find(&mut host, "d/[a-w]*.log"), ["d/c.log"]);
        assert_eq!(find(&mut host, "d/?[!a-z].log"), ["d/x1.log"]);
        host.run(|| {
            assert!(files::find("r", "**/*.log", 2).unwrap().truncated);
            assert!(matches!(files::find("r", "../x", 2), Err(Error::Invalid(_))));
            assert!(matches!(files::find("s", "*", 2), Err(Error::Denied(_))));
        });
    }

    #[test]
    fn what_is_no_regular_file_is_not_opened() {
        let mut host = Host::new();
        host.files.special("r", "pipe", Kind::Other);
        host.files.write("r", "d/a", b"");
        host.files.write("r", "b", b"");
        host.files.fail_open("r", "b", Error::Forbidden("mode 0600".to_owned()));
        host.run(|| {
            for path in ["pipe", "d", "b"] {
                assert!(matches!(files::open("r", path), Err(Error::Forbidden(_))), "{path}");
            }
            assert!(matches!(files::open("r", "none"), Err(Error::NotFound(_))));
        });
    }

    #[test]
    fn keeping_has_a_limit() {
        let mut host = Host::new();
        host.files.keep_limit = 1;
        host.files.write("r", "a", b"");
        host.files.write("r", "b", b"");
        host.run(|| {
            let a = files::open("r", "a").unwrap();
            a.keep().unwrap();
            a.keep().unwrap();
            assert!(matches!(files::open("r", "b").unwrap().keep(), Err(Error::Exhausted(_))));
        });
        host.files.close_kept();
        assert!(host.files.kept().is_empty());
    }
}
