//! Which snapshots there are: the catalog held against the directory.
//!
//! Owns: the difference between the two. The files win: one that the catalog does not have is listed, and an entry
//! whose file is gone is not. Without a catalog the files alone are enough, only slower.

use std::collections::HashSet;

use rusqlite::Connection;
use serde::Deserialize;

use super::catalog::{self, Entry};
use super::directory;
use super::disk::Folder;
use super::found::read_mark;
use crate::model::{SnapshotId, StoreRef};
use crate::seal;

/// More than everything in a file before `captured_at`.
const HEAD_BYTES: u64 = 8 << 10;

/// Where the directory differs from the catalog.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// Files of this store that the catalog does not have, newest first.
    pub(super) extra: Vec<(u64, SnapshotId)>,
    /// Entries whose file is gone.
    pub(super) gone: HashSet<SnapshotId>,
    /// Files of another store.
    pub(super) foreign: Vec<SnapshotId>,
    /// Files whose beginning says nothing.
    pub(super) unreadable: Vec<SnapshotId>,
}

impl Difference {
    pub(super) fn find(
        snapshots: &Folder,
        db: Option<&Connection>,
        identity: Option<&StoreRef>,
    ) -> Result<Self, super::StoreError> {
        // Where nobody else has changed anything the catalog knows all.
        if let Some(db) = db
            && let Some(stamp) = snapshots.stamp()
            && super::database::meta(db, super::start::STAMP).is_ok_and(|known| known == Some(stamp))
        {
            return Ok(Self::default());
        }
        let files: HashSet<SnapshotId> =
            snapshots.names()?.iter().filter_map(|name| directory::id_of_snapshot_file(name)).collect();
        let known: HashSet<SnapshotId> = match db {
            Some(db) => {
                catalog::ids(db).map_err(super::database::refused("list", snapshots.path()))?.into_iter().collect()
            }
            None => HashSet::new(),
        };
        let mut found = Self { gone: known.difference(&files).copied().collect(), ..Self::default() };
        let mut extra: Vec<SnapshotId> = files.difference(&known).copied().collect();
        extra.sort_unstable_by(|a, b| b.cmp(a));
        // Where nothing else says which store this is, the newest file does.
        let mut ours = identity.map(|identity| identity.id);
        for id in extra {
            match Head::read(snapshots, id) {
                None => found.unreadable.push(id),
                Some(head) if *ours.get_or_insert(head.store.id) != head.store.id => found.foreign.push(id),
                Some(head) => found.extra.push((head.sequence, id)),
            }
        }
        found.extra.sort_unstable_by(|a, b| b.cmp(a));
        Ok(found)
    }
}

/// What stands at the beginning of a snapshot's body, not verified.
#[derive(Debug, Deserialize)]
pub(super) struct Head {
    pub(super) sequence: u64,
    pub(super) store: StoreRef,
}

impl Head {
    /// Reads it from the first bytes of a file: asking 100,000 files for their place must not mean reading them.
    fn read(snapshots: &Folder, id: SnapshotId) -> Option<Self> {
        let bytes = snapshots.read_head(&directory::snapshot_file(id), HEAD_BYTES).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let (_, body) = text.split_once('\n')?;
        // The first fields are ours alone; no text of anybody else can stand before `captured_at`.
        let (head, _) = body.split_once(r#","captured_at":"#)?;
        serde_json::from_str(&format!("{head}}}")).ok()
    }
}

/// The entry of a file that the catalog does not have.
pub(super) fn entry_of_file(snapshots: &Folder, id: SnapshotId) -> Option<Entry> {
    let bytes = snapshots.read(&directory::snapshot_file(id), seal::MAX_FILE_BYTES).ok()?;
    let checked = seal::check(&bytes).ok()?;
    if checked.body.id != id {
        return None;
    }
    let mut entry = Entry::of(&checked.body, checked.sha256, bytes.len() as u64);
    entry.mark = read_mark(snapshots, id).ok().flatten();
    Some(entry)
}
