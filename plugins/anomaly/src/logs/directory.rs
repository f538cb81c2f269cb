//! [`Logs`] over a directory of this machine, for native use: tests, and programs that embed the engine. Every root
//! name means the same directory.

use super::{Entry, Identity, Listing, LogFile, Logs, Meta, Trouble};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A directory whose files may be read.
#[derive(Debug)]
pub struct Directory {
    base: PathBuf,
    kept: Rc<RefCell<BTreeMap<Identity, Rc<File>>>>,
    /// The most files that are kept open.
    pub keep_limit: usize,
}

/// Directories are not entered deeper than this: a loop of bind mounts has no end.
const MAX_DEPTH: usize = 32;

impl Directory {
    /// The files below `base`.
    pub fn new(base: impl Into<PathBuf>) -> Self {
        Self { base: base.into(), kept: Rc::default(), keep_limit: 256 }
    }

    /// Forgets what was kept open, as a restart of the process does.
    pub fn restart(&mut self) {
        self.kept.borrow_mut().clear();
    }

    /// How many files are kept open.
    pub fn kept(&self) -> usize {
        self.kept.borrow().len()
    }

    fn walk(&self, below: &Path, depth: usize, listing: &mut Listing, matches: &dyn Fn(&str) -> bool) {
        let Ok(entries) = fs::read_dir(self.base.join(below)) else {
            listing.left_alone += 1;
            return;
        };
        for entry in entries.flatten() {
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                listing.left_alone += 1;
                continue;
            };
            let path = below.join(&name);
            // The kind of the entry itself: links are not followed.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                if depth < MAX_DEPTH {
                    self.walk(&path, depth + 1, listing, matches);
                }
                continue;
            }
            let text = path.to_string_lossy().into_owned();
            if !matches(&text) {
                continue;
            }
            if metadata.is_file() {
                listing.entries.push(Entry { path: text, meta: meta_of(&metadata) });
            } else {
                listing.left_alone += 1;
            }
        }
    }

    fn file(&self, file: Rc<File>) -> Box<dyn LogFile> {
        Box::new(OpenFile { file, kept: Rc::clone(&self.kept), keep_limit: self.keep_limit })
    }
}

impl Logs for Directory {
    fn find(&mut self, _root: &str, pattern: &str, limit: u32) -> Result<Listing, Trouble> {
        let mut listing = Listing::default();
        self.walk(Path::new(""), 0, &mut listing, &|path| crate::config::glob(pattern, path));
        listing.entries.sort_by(|a, b| a.path.cmp(&b.path));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        listing.truncated = listing.entries.len() > limit;
        listing.entries.truncate(limit);
        Ok(listing)
    }

    fn open(&mut self, _root: &str, path: &str) -> Result<Box<dyn LogFile>, Trouble> {
        let path = self.base.join(path);
        // A FIFO would block in `open`, so the kind is looked at first. Between the two calls it may change: this is
        // for trusted directories; the daemon's own implementation opens without blocking.
        let kind = fs::symlink_metadata(&path).map_err(trouble)?;
        if !kind.is_file() {
            return Err(Trouble::Failed("not a regular file".to_owned()));
        }
        let file = File::open(&path).map_err(trouble)?;
        Ok(self.file(Rc::new(file)))
    }

    fn reopen(&mut self, identity: Identity) -> Result<Box<dyn LogFile>, Trouble> {
        let file = self.kept.borrow().get(&identity).cloned().ok_or(Trouble::Gone)?;
        Ok(self.file(file))
    }
}

struct OpenFile {
    file: Rc<File>,
    kept: Rc<RefCell<BTreeMap<Identity, Rc<File>>>>,
    keep_limit: usize,
}

impl LogFile for OpenFile {
    fn meta(&mut self) -> Result<Meta, Trouble> {
        self.file.metadata().map(|metadata| meta_of(&metadata)).map_err(trouble)
    }

    fn read_at(&mut self, offset: u64, length: u32) -> Result<Vec<u8>, Trouble> {
        let mut buffer = vec![0; usize::try_from(length).unwrap_or(1 << 20).min(1 << 20)];
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(trouble(error)),
            }
        }
        buffer.truncate(filled);
        Ok(buffer)
    }

    fn next_data(&mut self, _offset: u64) -> Result<Option<u64>, Trouble> {
        // std has no SEEK_DATA.
        Err(Trouble::Unsupported)
    }

    fn keep(&mut self) -> bool {
        let Ok(meta) = self.meta() else { return false };
        let mut kept = self.kept.borrow_mut();
        if kept.len() >= self.keep_limit && !kept.contains_key(&meta.identity) {
            return false;
        }
        kept.insert(meta.identity, Rc::clone(&self.file));
        true
    }

    fn release(&mut self) {
        if let Ok(meta) = self.meta() {
            self.kept.borrow_mut().remove(&meta.identity);
        }
    }
}

fn meta_of(metadata: &fs::Metadata) -> Meta {
    Meta {
        identity: Identity { device: metadata.dev(), inode: metadata.ino() },
        size_bytes: metadata.size(),
        allocated_bytes: metadata.blocks() * 512,
        modified_ns: metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec()),
        links: metadata.nlink(),
    }
}

fn trouble(error: io::Error) -> Trouble {
    if error.kind() == io::ErrorKind::NotFound { Trouble::Gone } else { Trouble::Failed(error.to_string()) }
}
