//! Files that stay open between the calls of a collector.
//!
//! Owns the descriptors and their bound. A file that is kept keeps its inode, so its identity means it and no other
//! for as long as it is kept.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::super::{Error, Result};
use super::{Identity, OpenFile};

/// How many files are kept for one collector unless its configuration says otherwise: descriptors are the host's.
pub const MAX_KEPT: usize = 256;

/// A file that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFile {
    /// Which one.
    pub identity: Identity,
    /// The root it was opened below.
    pub root: String,
    /// What it was called when it was opened.
    pub path: String,
}

/// The files kept for all collectors, by the collector's name.
#[derive(Debug, Default)]
pub struct Kept {
    collectors: HashMap<String, BTreeMap<Identity, Arc<OpenFile>>>,
}

impl Kept {
    /// Keeps a file; one that is kept already is kept on. Exhausted where the collector has `limit` of them.
    pub fn keep(&mut self, collector: &str, file: &Arc<OpenFile>, limit: usize) -> Result<()> {
        let files = self.collectors.entry(collector.to_owned()).or_default();
        if files.contains_key(&file.identity()) {
            return Ok(());
        }
        if files.len() >= limit {
            return Err(Error::Exhausted(format!(
                "{} files are kept open for `{collector}` and {limit} are allowed (release some)",
                files.len()
            )));
        }
        files.insert(file.identity(), Arc::clone(file));
        Ok(())
    }

    /// Keeps it no longer; one that is not kept is no error.
    pub fn release(&mut self, collector: &str, identity: Identity) {
        if let Some(files) = self.collectors.get_mut(collector) {
            files.remove(&identity);
        }
    }

    /// A file that is kept.
    pub fn reopen(&self, collector: &str, identity: Identity) -> Result<Arc<OpenFile>> {
        let file = self.collectors.get(collector).and_then(|files| files.get(&identity));
        file.cloned().ok_or_else(|| {
            let Identity { device, inode } = identity;
            Error::NotFound(format!("file `{device}:{inode}` is not kept for `{collector}`"))
        })
    }

    /// All that are kept for a collector, by identity.
    pub fn list(&self, collector: &str) -> Vec<KeptFile> {
        let files = self.collectors.get(collector).into_iter().flat_map(BTreeMap::values);
        files
            .map(|file| KeptFile {
                identity: file.identity(),
                root: file.root().to_owned(),
                path: file.path().to_owned(),
            })
            .collect()
    }

    /// Closes all files of a collector: it was removed, or its roots have changed.
    pub fn forget(&mut self, collector: &str) {
        self.collectors.remove(collector);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::put;
    use super::super::Roots;
    use super::*;

    #[test]
    fn kept_files_are_bounded_per_collector_and_outlive_their_names() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            put(&directory.path().join(name), name);
        }
        let roots = Roots::new([("r".to_owned(), directory.path().to_owned())]);
        let open = |name: &str| Arc::new(roots.open("r", name).unwrap());
        let (a, b, c) = (open("a"), open("b"), open("c"));
        let mut kept = Kept::default();
        kept.keep("one", &a, 2).unwrap();
        kept.keep("one", &b, 2).unwrap();
        kept.keep("one", &open("a"), 2).unwrap();
        assert!(matches!(kept.keep("one", &c, 2), Err(Error::Exhausted(_))));
        kept.keep("two", &c, 2).unwrap();
        assert!(kept.reopen("two", a.identity()).unwrap_err().is_not_found(), "not another collector's");

        std::fs::remove_file(directory.path().join("a")).unwrap();
        let again = kept.reopen("one", a.identity()).unwrap();
        let mut buffer = [0; 8];
        assert_eq!((again.read_at(0, &mut buffer).unwrap(), again.metadata().unwrap().links), (1, 0));
        let mut paths: Vec<_> = kept.list("one").into_iter().map(|file| file.path).collect();
        paths.sort();
        assert_eq!(paths, ["a", "b"]);

        kept.release("one", a.identity());
        kept.keep("one", &c, 2).unwrap();
        kept.forget("one");
        assert_eq!((kept.list("one").len(), kept.list("two").len()), (0, 1));
    }
}
