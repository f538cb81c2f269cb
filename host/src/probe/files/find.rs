//! Looking for files below a root.
//!
//! Owns the walk and its bounds. Directories that are named are entered through links as the root allows; `**` enters
//! no links, so it cannot go in circles.

use std::collections::BinaryHeap;

use cap_std::fs::Dir;

use super::super::{Error, Result};
use super::glob::{Name, Pattern};
use super::open::{is_directory, metadata_without_following};
use super::{Metadata, refused};

/// How many entries one search gives at most.
pub const MAX_ENTRIES: u32 = 16_384;
/// How many entries one search looks at: a root with millions of files must not hold up who asks.
const MAX_VISITED: u32 = 262_144;
/// How deep `**` goes below where it stands.
const MAX_DEPTH: u32 = 32;

/// Something below a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the root.
    pub path: String,
    /// As it is itself, links not followed.
    pub metadata: Metadata,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Sorted by path.
    pub entries: Vec<Entry>,
    /// There are more, or there may be: a limit was reached.
    pub truncated: bool,
    /// What could not be looked at: names that are not UTF-8, directories without permission.
    pub skipped: u32,
}

/// Walks from the root. An entry that is not there is no error: nothing was found.
pub(super) fn find(root: &Dir, pattern: &Pattern, limit: u32) -> Result<Found> {
    let limit = limit.min(MAX_ENTRIES) as usize;
    let mut walk = Walk { root, limit, paths: BinaryHeap::new(), visited: 0, found: Found::default() };
    walk.enter("", &pattern.names, 0)?;
    let Walk { paths, mut found, .. } = walk;
    let mut last: Option<(String, Dir)> = None;
    for path in paths.into_sorted_vec() {
        if found.entries.last().is_some_and(|entry| entry.path == path) {
            continue;
        }
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if last.as_ref().is_none_or(|(opened, _)| opened != parent) {
            last = open_directory(root, parent).ok().map(|directory| (parent.to_owned(), directory));
        }
        let metadata = last.as_ref().map(|(_, directory)| metadata_without_following(directory, name));
        match metadata {
            Some(Ok(metadata)) => found.entries.push(Entry { path, metadata }),
            // Deleted since it was listed.
            Some(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
            _ => found.skipped += 1,
        }
    }
    Ok(found)
}

struct Walk<'a> {
    root: &'a Dir,
    limit: usize,
    /// The first paths in order, the last of them on top.
    paths: BinaryHeap<String>,
    visited: u32,
    found: Found,
}

impl Walk<'_> {
    /// Looks below a directory for the names that are left. `depth` counts the directories that `**` has entered.
    fn enter(&mut self, path: &str, names: &[Name], depth: u32) -> Result<()> {
        let Some((name, rest)) = names.split_first() else { return Ok(()) };
        if self.visited >= MAX_VISITED {
            self.found.truncated = true;
            return Ok(());
        }
        if let Name::Literal(literal) = name {
            self.visited += 1;
            let below = join(path, literal);
            return if rest.is_empty() { self.take_if_there(path, literal) } else { self.enter(&below, rest, depth) };
        }
        let directory = match open_directory(self.root, path) {
            Ok(directory) => directory,
            Err(error) if path.is_empty() => return Err(refused("the root", &error)),
            Err(error) => return self.skip(path, &error),
        };
        if matches!(name, Name::AnyDepth) {
            // None at all is a number of directories as well.
            self.enter(path, rest, depth)?;
        }
        let entries = match directory.entries() {
            Ok(entries) => entries,
            Err(error) => return self.skip(path, &error),
        };
        for entry in entries {
            if self.visited >= MAX_VISITED {
                self.found.truncated = true;
                break;
            }
            self.visited += 1;
            let Ok(entry) = entry else {
                self.found.skipped += 1;
                continue;
            };
            let Ok(file_name) = entry.file_name().into_string() else {
                self.found.skipped += 1;
                continue;
            };
            let is_dir = || match entry.file_type() {
                Ok(kind) if kind.is_dir() || kind.is_file() || kind.is_symlink() => kind.is_dir(),
                // Some file systems do not say what an entry is.
                _ => is_directory(&directory, &file_name),
            };
            if matches!(name, Name::AnyDepth) {
                if is_dir() {
                    if depth >= MAX_DEPTH {
                        self.found.truncated = true;
                    } else {
                        self.enter(&join(path, &file_name), names, depth + 1)?;
                    }
                }
            } else if name.matches(&file_name) {
                if rest.is_empty() {
                    self.take(join(path, &file_name));
                } else {
                    self.enter(&join(path, &file_name), rest, depth)?;
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, path: String) {
        if self.paths.len() < self.limit {
            self.paths.push(path);
            return;
        }
        self.found.truncated = true;
        if self.paths.peek().is_some_and(|last| path < *last) {
            self.paths.pop();
            self.paths.push(path);
        }
    }

    fn take_if_there(&mut self, path: &str, name: &str) -> Result<()> {
        let there = open_directory(self.root, path)
            .and_then(|directory| metadata_without_following(&directory, name).map(drop));
        match there {
            Ok(()) => {
                self.take(join(path, name));
                Ok(())
            }
            Err(error) => self.skip(path, &error),
        }
    }

    /// What is not there or no directory was not meant; what may not be entered is counted.
    fn skip(&mut self, path: &str, error: &std::io::Error) -> Result<()> {
        match refused(&format!("`{path}`"), error) {
            Error::NotFound(_) => {}
            failed @ Error::Exhausted(_) => return Err(failed),
            _ => self.found.skipped += 1,
        }
        Ok(())
    }
}

/// Always from the root, so that links are judged by the root and not by where they stand.
fn open_directory(root: &Dir, path: &str) -> std::io::Result<Dir> {
    root.open_dir(if path.is_empty() { "." } else { path })
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;

    use super::super::super::testing::put;
    use super::super::{Kind, Roots};
    use super::*;

    fn lent(files: &[&str]) -> (tempfile::TempDir, Roots) {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("root");
        std::fs::create_dir(&root).unwrap();
        for file in files {
            put(&root.join(file), "x");
        }
        (outer, Roots::new([("r".to_owned(), root)]))
    }

    fn paths(roots: &Roots, pattern: &str) -> Vec<String> {
        roots.find("r", pattern, 100).unwrap().entries.into_iter().map(|entry| entry.path).collect()
    }

    #[test]
    fn patterns_select_by_name_and_by_depth() {
        let (_outer, roots) = lent(&["b.log", "a.log", ".c.log", "x/d.log", "x/y/e.log", "x/y/z/f.txt"]);
        assert_eq!(paths(&roots, "*.log"), [".c.log", "a.log", "b.log"]);
        assert_eq!(paths(&roots, "*"), [".c.log", "a.log", "b.log", "x"]);
        assert_eq!(paths(&roots, "**/*.log"), [".c.log", "a.log", "b.log", "x/d.log", "x/y/e.log"]);
        assert_eq!(paths(&roots, "x/**"), ["x/d.log", "x/y", "x/y/e.log", "x/y/z", "x/y/z/f.txt"]);
        assert_eq!(paths(&roots, "x/*/*.log"), ["x/y/e.log"]);
        assert_eq!(paths(&roots, "**/z/*"), ["x/y/z/f.txt"]);
        assert_eq!(paths(&roots, "**/y/**/f.txt"), ["x/y/z/f.txt"]);
        assert_eq!(paths(&roots, "a.log"), ["a.log"]);
        assert_eq!(paths(&roots, "missing/*"), [""; 0]);
        assert_eq!(paths(&roots, "a.log/x"), [""; 0]);
    }

    #[test]
    fn several_ways_to_one_path_give_it_once() {
        let (_outer, roots) = lent(&["a/a/a/x"]);
        assert_eq!(paths(&roots, "**/a/**/x"), ["a/a/a/x"]);
    }

    #[test]
    fn the_limit_keeps_the_first_in_order() {
        let (_outer, roots) = lent(&["e", "d", "c", "b", "a"]);
        let found = roots.find("r", "*", 2).unwrap();
        assert!(found.truncated);
        assert_eq!(found.entries.iter().map(|entry| entry.path.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(!roots.find("r", "*", 5).unwrap().truncated);
    }

    #[test]
    fn twenty_thousand_entries_are_bounded() {
        let (outer, roots) = lent(&[]);
        for n in 0..20_000 {
            std::fs::File::create(outer.path().join(format!("root/{n:05}"))).unwrap();
        }
        let found = roots.find("r", "**", u32::MAX).unwrap();
        assert_eq!((found.entries.len(), found.truncated), (MAX_ENTRIES as usize, true));
        assert_eq!(found.entries.last().unwrap().path, "16383");
    }

    #[test]
    fn links_are_told_as_such_and_lead_nowhere_outside() {
        let (outer, roots) = lent(&["a/log"]);
        let root = outer.path().join("root");
        put(&outer.path().join("outside/secret"), "x");
        symlink("../outside", root.join("out")).unwrap();
        symlink("a", root.join("inside")).unwrap();
        symlink(".", root.join("a/circle")).unwrap();
        let found = roots.find("r", "*", 100).unwrap();
        let kinds: Vec<_> = found.entries.iter().map(|entry| (entry.path.as_str(), entry.metadata.kind)).collect();
        assert_eq!(kinds, [("a", Kind::Directory), ("inside", Kind::SymbolicLink), ("out", Kind::SymbolicLink)]);
        let out = roots.find("r", "out/*", 100).unwrap();
        assert_eq!((out.entries.len(), out.skipped), (0, 1));
        assert_eq!(roots.find("r", "out/secret", 100).unwrap().entries, []);
        assert_eq!(paths(&roots, "inside/*"), ["inside/circle", "inside/log"]);
        assert_eq!(paths(&roots, "**/log"), ["a/log"]);
    }

    #[test]
    fn a_directory_that_climbs_out_is_skipped_while_its_siblings_are_found() {
        let (outer, roots) = lent(&["a/log", "b/log"]);
        symlink("../../", outer.path().join("root/c")).unwrap();
        let found = roots.find("r", "*/*", 100).unwrap();
        assert_eq!((found.entries.len(), found.skipped), (2, 1));
    }

    #[test]
    fn names_that_are_no_text_are_counted() {
        let (outer, roots) = lent(&["a"]);
        put(&outer.path().join("root").join(std::ffi::OsStr::from_bytes(b"b\xff")), "x");
        let found = roots.find("r", "*", 100).unwrap();
        assert_eq!((found.entries.len(), found.skipped), (1, 1));
    }

    #[test]
    fn depth_is_bounded() {
        let deep = vec!["d"; 40].join("/");
        let (_outer, roots) = lent(&[&format!("{deep}/x")]);
        let found = roots.find("r", "**/x", 100).unwrap();
        assert_eq!((found.entries.len(), found.truncated), (0, true));
    }
}
