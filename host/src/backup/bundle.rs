//! A bundle: a part of a store in one file, to be handed to somebody.
//!
//! It is a backup of a part: the same archive, checked in the same way, whose `backup.json` says which part. The
//! snapshots of a time are in it byte for byte, with the marks beside them, the history of that time, and the audit log as
//! a whole, because a hash chain is of no use in pieces. What is the installation's own stays where it is:
//! configuration, the collectors' states, keys.
//!
//! Owns: making one, and laying one out to be read. Must not know: who reads it.

use std::path::Path;

use super::create::Archive;
use super::{BackupError, Contents, Created, FORMAT, INFO, Info, Keys, read};
use crate::model::{Previous, SnapshotId, Wall};
use crate::store::{
    AUDIT, DATABASE, DiskError, EXCERPT, Excerpt, Filter, Folder, Reader, SNAPSHOTS, Source as _, atomic_write,
    audit_log, excerpt_database, is_tombstone_file, snapshot_file,
};

/// Which time a bundle is of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stretch {
    /// From then on.
    pub since: Option<Wall>,
    /// Until then.
    pub until: Option<Wall>,
}

/// Makes a bundle of a data directory, which may be written to meanwhile, and reads it back before it gets its name,
/// which must be free. `scratch` is a private directory for what is in between. `progress` is told how many of how many
/// snapshots are in it.
#[expect(clippy::too_many_arguments, reason = "each is a decision of the caller's, and none belongs to another")]
pub fn bundle(
    data_directory: &Path,
    stretch: Stretch,
    level: i32,
    now: Wall,
    scratch: &Path,
    folder: &Folder,
    name: &str,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Created, BackupError> {
    let reader = Reader::open(data_directory)?;
    let Stretch { since, until } = stretch;
    let mut entries = reader.list(&Filter { since, until, ..Filter::default() })?;
    let empty = || BackupError::Empty { path: data_directory.to_owned() };
    let newest = entries.iter().max_by_key(|entry| entry.sequence).ok_or_else(empty)?.clone();
    let first_sequence = entries.iter().map(|entry| entry.sequence).min().unwrap_or(newest.sequence);
    // A clock that was set back puts others between them: a part of a chain is one without such holes.
    entries = reader.list(&Filter::default())?;
    entries.retain(|entry| (first_sequence..=newest.sequence).contains(&entry.sequence));
    entries.reverse();
    let excerpt = Excerpt { since, until, first_sequence, last_sequence: newest.sequence };
    let copy = scratch.join(DATABASE);
    let database = match excerpt_database(&data_directory.join(DATABASE), &copy, &excerpt) {
        Ok(true) => Ok(()),
        Ok(false) => Err("there is none".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    let info = Info {
        format: FORMAT.to_owned(),
        number: 0,
        id: SnapshotId::new(now),
        created_at: now,
        store: reader.read(newest.id)?.body.link.store,
        newest: Previous { id: newest.id, sha256: newest.sha256 },
        newest_sequence: newest.sequence,
        ghostd_version: env!("CARGO_PKG_VERSION").to_owned(),
        without_database: database.as_ref().err().cloned(),
        purged: Vec::new(),
        purged_at_line: None,
        excerpt: Some(excerpt),
    };
    let path = folder.path().join(name);
    let mut left_out = Vec::new();
    let keys = Keys::default();
    let contents = folder.create_large(
        name,
        |file| {
            let mut archive = Archive::begin(file, &path, level, None, &keys, now)?;
            archive.add(INFO, &serde_json::to_vec_pretty(&info).unwrap_or_default())?;
            let snapshots = Folder::open(&data_directory.join(SNAPSHOTS))?;
            for (done, entry) in (1..).zip(&entries) {
                match reader.read(entry.id) {
                    Ok(_) => archive.add_snapshot(&snapshots, entry.id)?,
                    Err(crate::store::StoreError::NotFound { .. }) => {}
                    Err(error) => left_out.push((snapshot_file(entry.id), error.to_string())),
                }
                progress(done, entries.len() as u64);
            }
            if database.is_ok() {
                archive.add_file(DATABASE, &Folder::open(scratch)?, DATABASE)?;
            }
            for name in snapshots.names()?.iter().filter(|name| is_tombstone_file(name)) {
                archive.add(&format!("{SNAPSHOTS}/{name}"), &snapshots.read(name, read::MAX_MARK_BYTES)?)?;
            }
            if let Some((size, mut log)) = audit_log(data_directory)? {
                archive.append(AUDIT, size, &mut log)?;
            }
            archive.finish()
        },
        |written| {
            let contents = read::verify(written, &keys, &mut |_, _| {})?;
            Ok::<_, BackupError>((contents, read::digest_of(written, &mut |_, _| {})?))
        },
    )?;
    let (contents, sha256) = contents;
    Ok(Created {
        sha256,
        size_bytes: folder.size_of(name)?.unwrap_or(0),
        path,
        info,
        snapshots: contents.snapshots,
        content_bytes: contents.content_bytes,
        left_out,
    })
}

/// Lays a bundle, or a backup, out in a private directory that is empty, to be read there as a data directory. Every
/// byte of it was held to account when this returns.
pub fn unpack(archive: &Path, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Contents, BackupError> {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    let failed = |operation, path: &Path, source| DiskError { operation, path: path.to_owned(), source };
    let snapshots = to.join(SNAPSHOTS);
    std::fs::DirBuilder::new().mode(0o700).create(&snapshots).map_err(|source| failed("make", &snapshots, source))?;
    let contents = read::read_through(
        archive,
        &Keys::default(),
        &mut |member| {
            if member.name.starts_with("config/") {
                return Ok(Box::new(std::io::sink()));
            }
            // The name was checked: it leads nowhere else.
            let path = to.join(&member.name);
            let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            Ok(Box::new(file.map_err(|source| failed("create", &path, source))?))
        },
        progress,
    )?;
    if let Some(excerpt) = &contents.info.excerpt {
        atomic_write(&to.join(EXCERPT), &serde_json::to_vec_pretty(excerpt).unwrap_or_default())?;
    }
    Ok(contents)
}
