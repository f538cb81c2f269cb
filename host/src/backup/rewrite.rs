//! Taking out of backups what is being purged.
//!
//! A backup that holds it is written anew without it, under its own name and number, and read back before it takes
//! the old one's place. One that cannot be opened, because nobody gave its key, is named, and removed only if that is
//! asked for.
//!
//! Owns: that. Must not know: what is looked for.

use std::cell::RefCell;
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;

use serde::Serialize;

use super::create::Archive;
use super::crypt::{Keys, Recipient};
use super::{BackupError, INFO, Info, read};
use crate::chain::chain;
use crate::model::{Digest, SnapshotId, Wall};
use crate::seal;
use crate::store::{
    AUDIT, DATABASE, DiskError, Folder, Removed, SNAPSHOTS, TEMPORARY_PREFIX, erase_in_copy, holds_in, id_of_mark_file,
    id_of_snapshot_file, tombstone_file,
};

/// What is to be taken out.
pub struct Purge<'a> {
    /// These snapshots, as a whole.
    pub ids: &'a [SnapshotId],
    /// Whatever holds this.
    pub holds: Option<&'a dyn Fn(&str) -> bool>,
    /// The number of the audit line that says so.
    pub audit_line: u64,
    /// What that line says.
    pub why: &'a str,
    /// Whom rewritten backups are encrypted to, where they were encrypted.
    pub recipient: Option<&'a Recipient>,
    /// zstd's level.
    pub level: i32,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Whether those go that cannot be opened.
    pub remove_closed: bool,
}

impl std::fmt::Debug for Purge<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Purge").field("ids", &self.ids).finish_non_exhaustive()
    }
}

/// What became of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Fate {
    /// It does not hold it.
    Clean,
    /// It was written anew without it, or would be.
    Rewritten {
        /// The snapshots that it no longer has.
        snapshots: Vec<SnapshotId>,
        /// Rows of its database that are gone.
        rows: u64,
        /// What its file hashes to now; none in a dry run.
        sha256: Option<Digest>,
    },
    /// It was removed, or would be.
    Removed {
        /// Why.
        why: String,
    },
    /// It is there, and may still hold it.
    Left {
        /// Why.
        why: String,
    },
}

/// A backup and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Its file name.
    pub file: String,
    /// What became of it.
    #[serde(flatten)]
    pub fate: Fate,
}

/// Goes through all backups of a directory.
pub fn sweep(directory: &Path, keys: &Keys, purge: &Purge<'_>, now: Wall) -> Result<Vec<Swept>, BackupError> {
    let folder = match Folder::open(directory) {
        Ok(folder) => folder,
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut names: Vec<String> = folder.names()?.into_iter().filter(|name| read::number_of(name).is_some()).collect();
    names.sort();
    let mut swept = Vec::new();
    for file in names {
        let fate = match rewrite(&folder, &file, keys, purge, now) {
            Ok(fate) => fate,
            Err(error) if purge.remove_closed => {
                if !purge.dry_run {
                    folder.unlink(&file)?;
                    folder.sync()?;
                }
                Fate::Removed { why: chain(&error) }
            }
            Err(error) => Fate::Left { why: chain(&error) },
        };
        swept.push(Swept { file, fate });
    }
    Ok(swept)
}

/// What was found in a backup on the first way through.
#[derive(Default)]
struct Found {
    removed: Vec<Removed>,
    members: Vec<String>,
}

fn rewrite(folder: &Folder, file: &str, keys: &Keys, purge: &Purge<'_>, now: Wall) -> Result<Fate, BackupError> {
    let path = folder.path().join(file);
    let database = Scratch { folder, name: format!("{TEMPORARY_PREFIX}{}.db", SnapshotId::new(now)) };
    let audit = Scratch { folder, name: format!("{TEMPORARY_PREFIX}{}.jsonl", SnapshotId::new(now)) };
    let found = Rc::new(RefCell::new(Found::default()));
    let contents = read::read_through(
        &path,
        keys,
        &mut |member| {
            Ok(match &*member.name {
                DATABASE => Box::new(database.create()?),
                AUDIT => Box::new(audit.create()?),
                name => Box::new(Looked { name: name.to_owned(), bytes: Vec::new(), purge, found: Rc::clone(&found) }),
            })
        },
        &mut |_, _| {},
    )?;
    let Found { removed, members } = found.take();
    let rows = match contents.has_database {
        true => erase_in_copy(&folder.path().join(&database.name), purge.holds, &removed, now)?,
        false => 0,
    };
    if removed.is_empty() && members.is_empty() && rows == 0 {
        return Ok(Fate::Clean);
    }
    let snapshots: Vec<SnapshotId> = removed.iter().map(|one| one.id).collect();
    if purge.dry_run {
        return Ok(Fate::Rewritten { snapshots, rows, sha256: None });
    }
    let encrypted = super::is_encrypted(&path);
    let recipient = purge.recipient.filter(|_| encrypted);
    if encrypted && recipient.is_none() {
        return Err(BackupError::Damaged {
            path,
            reason: "it is encrypted, and `backup.recipient` does not say to whom it should be again".to_owned(),
        });
    }
    let reader = if encrypted { Keys::passing() } else { Keys::default() };
    let mut info = contents.info.clone();
    info.purged.extend(&snapshots);
    info.purged_at_line = Some(purge.audit_line);
    let sha256 = folder.replace_large(
        file,
        |out| {
            let archive = Archive::begin(out, &path, purge.level, recipient, &reader, info.created_at)?;
            let archive = copy(&path, keys, archive, &info, &removed, &members)?;
            finish(archive, contents.has_database.then_some(&database), contents.has_audit.then_some(&audit))
        },
        |written| {
            read::verify(written, &reader, &mut |_, _| {})?;
            read::digest_of(written, &mut |_, _| {})
        },
    )?;
    Ok(Fate::Rewritten { snapshots, rows, sha256: Some(sha256) })
}

/// Everything small that stays, and the tombstones of what goes.
fn copy<'a>(
    path: &Path,
    keys: &Keys,
    mut archive: Archive<'a>,
    info: &Info,
    removed: &[Removed],
    members: &[String],
) -> Result<Archive<'a>, BackupError> {
    archive.add(INFO, &serde_json::to_vec_pretty(info).unwrap_or_default())?;
    let archive = Rc::new(RefCell::new(archive));
    let goes = |name: &str| {
        let below = name.rsplit_once('/').map_or(name, |(_, below)| below);
        let id = id_of_snapshot_file(below).or(id_of_mark_file(below));
        id.is_some_and(|id| removed.iter().any(|one| one.id == id)) || members.iter().any(|one| one == name)
    };
    read::read_through(
        path,
        keys,
        &mut |member| {
            if matches!(&*member.name, DATABASE | AUDIT) || goes(&member.name) {
                return Ok(Box::new(io::sink()));
            }
            Ok(Box::new(Copied { name: member.name.clone(), bytes: Vec::new(), archive: Rc::clone(&archive) }))
        },
        &mut |_, _| {},
    )?;
    let archive = Rc::try_unwrap(archive).map_err(|_| DiskError {
        operation: "write",
        path: path.to_owned(),
        source: io::Error::other("a member of it was not finished"),
    })?;
    let mut archive = archive.into_inner();
    for one in removed {
        let text = serde_json::to_vec(one).unwrap_or_default();
        archive.add(&format!("{SNAPSHOTS}/{}", tombstone_file(one.id)), &text)?;
    }
    Ok(archive)
}

fn finish(
    mut archive: Archive<'_>,
    database: Option<&Scratch<'_>>,
    audit: Option<&Scratch<'_>>,
) -> Result<(), BackupError> {
    for (name, scratch) in [(DATABASE, database), (AUDIT, audit)] {
        if let Some(scratch) = scratch {
            archive.add_file(name, scratch.folder, &scratch.name)?;
        }
    }
    archive.finish()
}

/// A file for as long as it is needed.
struct Scratch<'a> {
    folder: &'a Folder,
    name: String,
}

impl Scratch<'_> {
    fn create(&self) -> Result<std::fs::File, BackupError> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let path = self.folder.path().join(&self.name);
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        Ok(file.map_err(|source| DiskError { operation: "create", path, source })?)
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm"] {
            if let Err(error) = self.folder.unlink(&format!("{}{suffix}", self.name)) {
                tracing::debug!(%error, "A scratch file is left behind until the next start.");
            }
        }
    }
}

/// A small member that is looked through when it is complete.
struct Looked<'a> {
    name: String,
    bytes: Vec<u8>,
    purge: &'a Purge<'a>,
    found: Rc<RefCell<Found>>,
}

impl Write for Looked<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let below = self.name.rsplit_once('/').map_or(&*self.name, |(_, below)| below);
        let holds = self.purge.holds.is_some_and(|holds| holds_in(&self.bytes, holds));
        let snapshot = id_of_snapshot_file(below);
        let is_named = snapshot.is_some_and(|id| self.purge.ids.contains(&id));
        if !holds && !is_named {
            return Ok(());
        }
        // It was checked before it came here.
        match snapshot.and_then(|_| seal::check(&self.bytes).ok()) {
            Some(checked) => self.found.borrow_mut().removed.push(Removed {
                sequence: checked.body.link.sequence,
                id: checked.body.id,
                sha256: checked.sha256,
                previous: checked.body.link.previous,
                reason: Some(format!("purge: {}", self.purge.why)),
            }),
            None => self.found.borrow_mut().members.push(self.name.clone()),
        }
        Ok(())
    }
}

/// A small member that goes into the new archive when it is complete.
struct Copied<'a> {
    name: String,
    bytes: Vec<u8>,
    archive: Rc<RefCell<Archive<'a>>>,
}

impl Write for Copied<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let added = self.archive.borrow_mut().add(&self.name, &self.bytes);
        added.map_err(|error| io::Error::other(chain(&error)))
    }
}
