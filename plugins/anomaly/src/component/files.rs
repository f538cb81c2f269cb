//! The host's `files` capability as [`Logs`].

use crate::logs::{Entry, Identity, Listing, LogFile, Logs, Meta, Trouble};
use ghostd_sdk::Error;
use ghostd_sdk::host::files::{self, File, Kind, Metadata};

/// What the host lends.
pub(super) struct HostFiles;

impl Logs for HostFiles {
    fn find(&mut self, root: &str, pattern: &str, limit: u32) -> Result<Listing, Trouble> {
        let found = files::find(root, pattern, limit).map_err(trouble)?;
        let mut listing =
            Listing { left_alone: u64::from(found.skipped), truncated: found.truncated, ..Listing::default() };
        for entry in found.entries {
            match entry.metadata.kind {
                Kind::File => listing.entries.push(Entry { path: entry.path, meta: meta(&entry.metadata) }),
                Kind::Directory => {}
                Kind::SymbolicLink | Kind::Other => listing.left_alone += 1,
            }
        }
        Ok(listing)
    }

    fn open(&mut self, root: &str, path: &str) -> Result<Box<dyn LogFile>, Trouble> {
        files::open(root, path).map(|file| Box::new(HostFile(file)) as Box<dyn LogFile>).map_err(trouble)
    }

    fn reopen(&mut self, identity: Identity) -> Result<Box<dyn LogFile>, Trouble> {
        let identity = files::Identity { device: identity.device, inode: identity.inode };
        files::reopen(identity).map(|file| Box::new(HostFile(file)) as Box<dyn LogFile>).map_err(trouble)
    }
}

struct HostFile(File);

impl LogFile for HostFile {
    fn meta(&mut self) -> Result<Meta, Trouble> {
        self.0.metadata().map(|metadata| meta(&metadata)).map_err(trouble)
    }

    fn read_at(&mut self, offset: u64, length: u32) -> Result<Vec<u8>, Trouble> {
        self.0.read_at(offset, length).map_err(trouble)
    }

    fn next_data(&mut self, offset: u64) -> Result<Option<u64>, Trouble> {
        self.0.next_data(offset).map_err(trouble)
    }

    fn keep(&mut self) -> bool {
        self.0.keep().is_ok()
    }

    fn release(&mut self) {
        self.0.release();
    }
}

fn meta(metadata: &Metadata) -> Meta {
    Meta {
        identity: Identity { device: metadata.identity.device, inode: metadata.identity.inode },
        size_bytes: metadata.size,
        allocated_bytes: metadata.allocated,
        modified_ns: metadata.modified_ns,
        links: metadata.links,
    }
}

fn trouble(error: Error) -> Trouble {
    match error {
        Error::NotFound(_) => Trouble::Gone,
        Error::Unavailable(_) => Trouble::Unsupported,
        other => Trouble::Failed(other.to_string()),
    }
}
