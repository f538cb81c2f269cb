//! `ghost:host/files`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use wasmtime::Result;
use wasmtime::component::Resource;

use super::super::bindings::ghost::host::files as wit;
use super::super::state::CallState;
use super::{Answer, answer, may_block};
use crate::probe::files as probe;

/// Bytes of one read. Larger ones are answered in part, as POSIX allows.
const MAX_READ_BYTES: u32 = 1 << 20;

/// Entries of one search.
const MAX_ENTRIES: u32 = 16_384;

/// The directories that one collector is lent.
#[derive(Debug)]
pub struct FilesLent {
    roots: probe::Roots,
    max_kept: usize,
}

impl FilesLent {
    /// These roots, and so many files kept open between calls.
    pub fn new(roots: &BTreeMap<String, PathBuf>, max_kept: usize) -> Self {
        let roots = roots.iter().map(|(name, path)| (name.clone(), path.clone()));
        Self { roots: probe::Roots::new(roots), max_kept }
    }
}

/// A file that a guest has open.
#[derive(Debug)]
pub struct OpenFile(Arc<probe::OpenFile>);

impl CallState {
    fn opened(&mut self, file: crate::probe::Result<Arc<probe::OpenFile>>) -> Answer<Resource<OpenFile>> {
        match file {
            Ok(file) => Ok(Ok(self.table().push(OpenFile(file))?)),
            Err(error) => Ok(Err(super::wit_error(error))),
        }
    }

    fn file(&mut self, handle: &Resource<OpenFile>) -> Result<Arc<probe::OpenFile>> {
        Ok(Arc::clone(&self.table().get(handle)?.0))
    }
}

impl wit::Host for CallState {
    fn roots(&mut self) -> Result<Vec<String>> {
        self.lent.collecting()?;
        Ok(self.lent.files.roots.names())
    }

    fn find(&mut self, root: String, pattern: String, limit: u32) -> Answer<wit::Found> {
        self.lent.collecting()?;
        let files = Arc::clone(&self.lent.files);
        let found = may_block(|| files.roots.find(&root, &pattern, limit.min(MAX_ENTRIES)));
        answer(found, |found| wit::Found {
            entries: found
                .entries
                .into_iter()
                .map(|entry| wit::Entry { path: entry.path, metadata: metadata(entry.metadata) })
                .collect(),
            truncated: found.truncated,
            skipped: found.skipped,
        })
    }

    fn open(&mut self, root: String, path: String) -> Answer<Resource<OpenFile>> {
        self.lent.collecting()?;
        let files = Arc::clone(&self.lent.files);
        let file = may_block(|| files.roots.open(&root, &path)).map(Arc::new);
        self.opened(file)
    }

    fn reopen(&mut self, identity: wit::Identity) -> Answer<Resource<OpenFile>> {
        self.lent.collecting()?;
        let file = self.registry().reopen(&self.lent.collector, plain(identity));
        self.opened(file)
    }

    fn kept(&mut self) -> Result<Vec<wit::KeptFile>> {
        self.lent.collecting()?;
        let kept = self.registry().list(&self.lent.collector);
        Ok(kept
            .into_iter()
            .map(|one| wit::KeptFile { identity: wire(one.identity), root: one.root, path: one.path })
            .collect())
    }
}

impl CallState {
    fn registry(&self) -> std::sync::MutexGuard<'_, probe::Kept> {
        self.lent.services.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl wit::HostFile for CallState {
    fn metadata(&mut self, handle: Resource<OpenFile>) -> Answer<wit::Metadata> {
        self.lent.collecting()?;
        let file = self.file(&handle)?;
        answer(may_block(|| file.metadata()), metadata)
    }

    fn read_at(&mut self, handle: Resource<OpenFile>, offset: u64, length: u32) -> Answer<Vec<u8>> {
        self.lent.collecting()?;
        let file = self.file(&handle)?;
        let mut buffer = vec![0; length.min(MAX_READ_BYTES) as usize];
        let read = may_block(|| file.read_at(offset, &mut buffer));
        self.lent.bytes_lent += read.as_ref().map_or(0, |read| *read as u64);
        answer(read, |read| {
            buffer.truncate(read);
            buffer
        })
    }

    fn next_data(&mut self, handle: Resource<OpenFile>, offset: u64) -> Answer<Option<u64>> {
        self.lent.collecting()?;
        let file = self.file(&handle)?;
        answer(may_block(|| file.next_data(offset)), |next| next)
    }

    fn keep(&mut self, handle: Resource<OpenFile>) -> Answer<()> {
        self.lent.collecting()?;
        let file = self.file(&handle)?;
        let kept = self.registry().keep(&self.lent.collector, &file, self.lent.files.max_kept);
        answer(kept, |()| ())
    }

    fn release(&mut self, handle: Resource<OpenFile>) -> Result<()> {
        self.lent.collecting()?;
        let file = self.file(&handle)?;
        self.registry().release(&self.lent.collector, file.identity());
        Ok(())
    }

    fn drop(&mut self, handle: Resource<OpenFile>) -> Result<()> {
        self.table().delete(handle)?;
        Ok(())
    }
}

fn plain(identity: wit::Identity) -> probe::Identity {
    probe::Identity { device: identity.device, inode: identity.inode }
}

fn wire(identity: probe::Identity) -> wit::Identity {
    wit::Identity { device: identity.device, inode: identity.inode }
}

fn metadata(metadata: probe::Metadata) -> wit::Metadata {
    wit::Metadata {
        identity: wire(metadata.identity),
        kind: match metadata.kind {
            probe::Kind::File => wit::Kind::File,
            probe::Kind::Directory => wit::Kind::Directory,
            probe::Kind::SymbolicLink => wit::Kind::SymbolicLink,
            probe::Kind::Other => wit::Kind::Other,
        },
        size: metadata.size,
        allocated: metadata.allocated,
        modified_ns: metadata.modified_ns,
        links: metadata.links,
    }
}
