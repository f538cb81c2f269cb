//! The last step of a restore: what was put together in a directory of its own takes the place of what is there.
//!
//! Owns: the exchange, which a crash can interrupt at any point and the next start then finishes. Until its journal
//! is durable nothing was touched; from then on it will be done. What was there before is kept beside it, in a
//! directory of its own, for a person to remove. Must not know: where the new contents come from.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::audit_file;
use super::directory::{AUDIT, DATABASE, SNAPSHOTS};
use super::disk::{DiskError, Folder};
use super::error::StoreError;
use crate::audit;
use crate::model::Wall;

/// The journal's file name.
pub(super) const JOURNAL: &str = "restore.json";
const MAX_JOURNAL_BYTES: u64 = 1 << 20;
/// What is exchanged, in this order: a database's WAL must never lie beside another database.
const ITEMS: [&str; 6] = ["ghost.db-wal", "ghost.db-shm", super::renew::COPY, DATABASE, SNAPSHOTS, AUDIT];

/// An exchange that was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Swap {
    /// The directory of the new contents, below the data directory.
    pub staging: String,
    /// What is in it: `snapshots`, and perhaps `ghost.db` and `audit.jsonl`. An audit log that is not brought stays
    /// as it is; a database that is not brought is made anew.
    pub brings: Vec<String>,
    /// The directory for what was there before, below the data directory. It is made.
    pub replaced: String,
    /// When it was decided.
    pub at: Wall,
    /// What the audit log's `restore` line says.
    pub line: Json,
}

impl Swap {
    /// Decides it. From here on the next start of the store carries it out, also after a crash.
    pub fn decide(&self, folder: &Folder) -> Result<(), DiskError> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        folder.create(JOURNAL, &text)
    }

    /// The line in the audit log, if it is not there yet, and then the journal goes.
    pub(super) fn conclude(&self, folder: &Folder, log: &mut audit::Log, path: &Path) -> Result<(), StoreError> {
        let mut is_there = false;
        if let Some(mut lines) = audit_file::read_from(path, 0)? {
            let fail = |source| DiskError { operation: "read", path: path.to_owned(), source };
            audit::verify(&mut lines, &[], &mut |line| {
                is_there |=
                    line.operation == "restore" && line.at.millis() == self.at.millis() && line.data == self.line;
            })
            .map_err(fail)?;
        }
        if !is_there {
            log.append(self.at, "restore", self.line.clone())?;
        }
        log.sync()?;
        folder.unlink(JOURNAL)?;
        Ok(folder.sync()?)
    }
}

/// Carries out the exchange that was decided, as far as it is not done yet.
pub(super) fn finish(folder: &Folder) -> Result<Option<Swap>, StoreError> {
    let text = match folder.read(JOURNAL, MAX_JOURNAL_BYTES) {
        Ok(text) => text,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let unusable = |reason: String| DiskError {
        operation: "carry out the restore in",
        path: folder.path().join(JOURNAL),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, reason),
    };
    let swap: Swap = serde_json::from_slice(&text).map_err(|error| unusable(error.to_string()))?;
    if [&swap.staging, &swap.replaced].iter().any(|name| name.contains('/') || name.as_str() == "..") {
        return Err(unusable("it names a place outside".to_owned()).into());
    }
    make_directory(folder, &swap.replaced)?;
    let staging = swap.staging.as_str();
    let has_staging = folder.path().join(staging).is_dir();
    if has_staging {
        for item in ITEMS {
            exchange(folder, item, &swap)?;
        }
        // A log that is brought is one file; the parts of the old one go with it.
        if swap.brings.iter().any(|brought| brought == AUDIT) {
            for name in folder.names()?.iter().filter(|name| audit_file::is_segment(name)) {
                folder.move_below(name, &format!("{}/{name}", swap.replaced))?;
            }
        }
        for name in [staging, &swap.replaced] {
            Folder::open(&folder.path().join(name))?.sync()?;
        }
        folder.sync()?;
        let emptied = folder.path().join(staging);
        std::fs::remove_dir_all(&emptied).map_err(|source| DiskError { operation: "remove", path: emptied, source })?;
        folder.sync()?;
    }
    Ok(Some(swap))
}

/// Old out of the way, new into its place, each only where that is not done yet.
fn exchange(folder: &Folder, item: &str, swap: &Swap) -> Result<(), DiskError> {
    let staged = format!("{}/{item}", swap.staging);
    let replaced = format!("{}/{item}", swap.replaced);
    let is_there = |name: &str| folder.path().join(name).symlink_metadata().is_ok();
    let is_brought = swap.brings.iter().any(|brought| brought == item);
    // What is brought and no longer staged is in its place already.
    let is_old = if is_brought { is_there(&staged) } else { item != AUDIT };
    if is_old && !is_there(&replaced) {
        folder.move_below(item, &replaced)?;
    }
    if is_brought && is_there(&staged) {
        // The start that carries this on has made what it found missing. It is empty, and nothing else is removed.
        if item == SNAPSHOTS {
            let _ = std::fs::remove_dir(folder.path().join(item));
        }
        folder.move_below(&staged, item)?;
    }
    Ok(())
}

fn make_directory(folder: &Folder, name: &str) -> Result<(), DiskError> {
    use rustix::fs::Mode;
    match rustix::fs::mkdirat(folder.handle(), name, Mode::RWXU) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => folder.sync(),
        Err(errno) => Err(DiskError { operation: "make", path: folder.path().join(name), source: errno.into() }),
    }
}
