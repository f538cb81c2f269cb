//! The directory of dropped-in collectors, and every other component that stands in a file: what is there, and
//! what has changed since it was last loaded.
//!
//! A file is taken once it has been still for a while, so that one which is being copied is not loaded in half. The
//! directory must belong to us or to root and be writable by nobody else: whoever can write there decides what runs.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a file must not have changed before it is read.
pub const STILL_FOR: Duration = Duration::from_secs(2);

/// Components in the directory that are looked at. More are left out, and that is said.
const MAX_DROP_INS: usize = 256;

/// What the file system says of a file, without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified_ns: i128,
    changed_ns: i128,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let meta = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
        let ns = |seconds: i64, ns: i64| i128::from(seconds) * 1_000_000_000 + i128::from(ns);
        Some(Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.len(),
            modified_ns: ns(meta.mtime(), meta.mtime_nsec()),
            changed_ns: ns(meta.ctime(), meta.ctime_nsec()),
        })
    }
}

/// One file that is watched.
#[derive(Debug)]
struct Seen {
    stamp: Stamp,
    since_ns: u64,
    taken: bool,
}

/// Watches files for changes, by looking.
#[derive(Debug, Default)]
pub struct FileWatch {
    seen: BTreeMap<PathBuf, Seen>,
}

impl FileWatch {
    /// Looks at these files, and says which of them are new or changed and have been still for long enough. Each
    /// change is told once.
    pub fn look<'a>(&mut self, files: impl IntoIterator<Item = &'a Path>, now_ns: u64) -> Vec<PathBuf> {
        let mut there = BTreeMap::new();
        let mut changed = Vec::new();
        for path in files {
            let Some(stamp) = Stamp::of(path) else { continue };
            let mut seen = match self.seen.remove(path) {
                Some(seen) if seen.stamp == stamp => seen,
                _ => Seen { stamp, since_ns: now_ns, taken: false },
            };
            if !seen.taken && now_ns.saturating_sub(seen.since_ns) >= STILL_FOR.as_nanos() as u64 {
                seen.taken = true;
                changed.push(path.to_owned());
            }
            there.insert(path.to_owned(), seen);
        }
        self.seen = there;
        changed
    }

    /// Takes note of a file that has just been read, so that only a later change is told.
    pub fn taken(&mut self, path: &Path, now_ns: u64) {
        if let Some(stamp) = Stamp::of(path) {
            self.seen.insert(path.to_owned(), Seen { stamp, since_ns: now_ns, taken: true });
        }
    }
}

/// The components in the drop-in directory by the name of their collector. An error is worth one report, not one per
/// look. A directory that is not there holds none.
pub fn list(dir: &Path) -> Result<BTreeMap<String, PathBuf>, String> {
    let Ok(meta) = std::fs::metadata(dir) else { return Ok(BTreeMap::new()) };
    check_owner(dir, &meta)?;
    let entries = std::fs::read_dir(dir).map_err(|error| format!("cannot list `{}`: {error}", dir.display()))?;
    let mut found = BTreeMap::new();
    for entry in entries.flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "wasm") {
            continue;
        }
        let Some(name) = path.file_stem().and_then(|stem| stem.to_str()).filter(|name| is_name(name)) else { continue };
        found.insert(name.to_owned(), path.clone());
    }
    if found.len() > MAX_DROP_INS {
        return Err(format!("`{}` holds {} components, more than {MAX_DROP_INS}", dir.display(), found.len()));
    }
    Ok(found)
}

fn check_owner(dir: &Path, meta: &std::fs::Metadata) -> Result<(), String> {
    let own = rustix::process::geteuid().as_raw();
    if !meta.is_dir() {
        return Err(format!("`{}` is no directory", dir.display()));
    }
    if meta.uid() != own && meta.uid() != 0 {
        return Err(format!(
            "`{}` belongs to uid {} (it must belong to root or to the user that runs ghostd)",
            dir.display(),
            meta.uid()
        ));
    }
    if meta.mode() & 0o022 != 0 {
        return Err(format!("`{}` is writable by others (chmod go-w)", dir.display()));
    }
    Ok(())
}

/// Names of collectors, as the configuration has them.
fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "fixtures")]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const S: u64 = 1_000_000_000;

    #[test]
    fn a_file_is_told_once_it_is_still() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.wasm");
        let mut watch = FileWatch::default();
        let mut look = |now| watch.look([file.as_path()], now);
        std::fs::write(&file, "half").unwrap();
        assert!(look(0).is_empty());
        std::fs::write(&file, "the whole").unwrap();
        assert!(look(3 * S).is_empty(), "it has changed");
        assert!(look(4 * S).is_empty());
        assert_eq!(look(5 * S), std::slice::from_ref(&file));
        assert!(look(9 * S).is_empty(), "each change is told once");
        std::fs::write(&file, "another").unwrap();
        assert!(look(10 * S).is_empty());
        assert_eq!(look(12 * S), std::slice::from_ref(&file));
    }

    #[test]
    fn a_directory_that_others_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("probe-1.wasm"), "").unwrap();
        std::fs::write(dir.path().join("Bad Name.wasm"), "").unwrap();
        std::fs::write(dir.path().join("notes.txt"), "").unwrap();
        assert_eq!(list(dir.path()).unwrap().keys().collect::<Vec<_>>(), ["probe-1"]);
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(list(dir.path()).unwrap_err().contains("writable by others"));
        assert!(list(&dir.path().join("none")).unwrap().is_empty());
    }
}
