//! Making a backup.
//!
//! Owns: what goes into one, and in which order. Must not know: how one is put back.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::crypt::{Keys, Out, Recipient};
use super::tar::{TarWriter, is_plain};
use super::{BackupError, FORMAT, FileRecord, INFO, Info, MANIFEST, Manifest, read};
use crate::model::{Digest, Previous, SnapshotId, Wall};
use crate::store::{
    AUDIT, DATABASE, DiskError, Filter, Folder, Reader, SNAPSHOTS, Source as _, TEMPORARY_PREFIX, audit_log,
    copy_database, is_tombstone_file, mark_file, snapshot_file,
};

/// How a backup is made.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory that it goes into, which must be there.
    pub directory: PathBuf,
    /// Whom it is encrypted to, if to anybody.
    pub recipient: Option<Recipient>,
    /// zstd's level, 1 to 19. Beyond 3 it takes longer than it is worth.
    pub level: i32,
    /// The configuration's files, by plain name.
    pub config: Vec<(String, Vec<u8>)>,
    /// The version of ghostd.
    pub ghostd_version: String,
}

/// A backup that is durable and was read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Created {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub info: Info,
    /// How many snapshots are in it.
    pub snapshots: u64,
    /// Bytes of its contents.
    pub content_bytes: u64,
    /// Bytes of the file.
    pub size_bytes: u64,
    /// What they hash to.
    pub sha256: Digest,
    /// Snapshots that are damaged or foreign, which no backup takes, and why. They are where they were.
    pub left_out: Vec<(String, String)>,
}

/// Makes a backup of a data directory, which may be written to meanwhile, and reads it back before it gets its name.
/// `progress` is told how many of how many snapshots are in it.
pub fn create(
    data_directory: &Path,
    options: &Options,
    now: Wall,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Created, BackupError> {
    let reader = Reader::open(data_directory)?;
    let mut entries = reader.list(&Filter::default())?;
    let newest = entries.first().ok_or_else(|| BackupError::Empty { path: data_directory.to_owned() })?;
    let id = SnapshotId::new(now);
    let folder = Folder::open(&options.directory)?;
    let number = read::numbers(&folder)?.into_iter().max().unwrap_or(0) + 1;
    let database = Copy::of_database(data_directory, &folder, id);
    let info = Info {
        format: FORMAT.to_owned(),
        number,
        id,
        created_at: now,
        store: reader.read(newest.id)?.body.link.store,
        newest: Previous { id: newest.id, sha256: newest.sha256 },
        newest_sequence: newest.sequence,
        ghostd_version: options.ghostd_version.clone(),
        without_database: database.as_ref().err().cloned(),
        purged: Vec::new(),
        purged_at_line: None,
        excerpt: None,
    };
    entries.reverse();
    let name = read::file_name(number, id, options.recipient.is_some());
    let path = folder.path().join(&name);
    let mut left_out = Vec::new();
    // What is encrypted to somebody else is read back with a key that nobody has afterwards.
    let keys = if options.recipient.is_some() { Keys::passing() } else { Keys::default() };
    let contents = folder.create_large(
        &name,
        |file| {
            let mut archive = Archive::begin(file, &path, options.level, options.recipient.as_ref(), &keys, now)?;
            archive.add(INFO, &serde_json::to_vec_pretty(&info).unwrap_or_default())?;
            for (name, bytes) in options.config.iter().filter(|(name, _)| is_plain(name) && !name.contains('/')) {
                archive.add(&format!("config/{name}"), bytes)?;
            }
            let snapshots = Folder::open(&data_directory.join(SNAPSHOTS))?;
            for (done, entry) in (1..).zip(&entries) {
                // What retention has removed since the list was made is no longer there; what is damaged is not
                // what anybody wants back.
                match reader.read(entry.id) {
                    Ok(_) => archive.add_snapshot(&snapshots, entry.id)?,
                    Err(crate::store::StoreError::NotFound { .. }) => {}
                    Err(error) => left_out.push((snapshot_file(entry.id), error.to_string())),
                }
                progress(done, entries.len() as u64);
            }
            for name in snapshots.names()?.iter().filter(|name| is_tombstone_file(name)) {
                archive.add(&format!("{SNAPSHOTS}/{name}"), &snapshots.read(name, read::MAX_MARK_BYTES)?)?;
            }
            if let Ok(copy) = &database {
                archive.add_file(DATABASE, &copy.folder, &copy.name)?;
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
        size_bytes: folder.size_of(&name)?.unwrap_or(0),
        path,
        info,
        snapshots: contents.snapshots,
        content_bytes: contents.content_bytes,
        left_out,
    })
}

/// All but the newest `keep` backups of a directory, oldest first, by file name.
pub fn surplus(directory: &Path, keep: usize) -> Result<Vec<String>, BackupError> {
    let folder = Folder::open(directory)?;
    let mut names: Vec<(u64, String)> =
        folder.names()?.into_iter().filter_map(|name| read::number_of(&name).map(|number| (number, name))).collect();
    names.sort();
    names.truncate(names.len().saturating_sub(keep.max(1)));
    Ok(names.into_iter().map(|(_, name)| name).collect())
}

/// When the newest backup of a directory was begun, as its name says.
pub fn newest(directory: &Path) -> Result<Option<Wall>, BackupError> {
    let names = Folder::open(directory)?.names()?;
    Ok(names.iter().filter_map(|name| read::parts_of(name)).max().map(|(_, id)| id.time()))
}

/// Removes all but the newest `keep` backups, and says which.
pub fn prune(directory: &Path, keep: usize) -> Result<Vec<String>, BackupError> {
    let names = surplus(directory, keep)?;
    let folder = Folder::open(directory)?;
    for name in &names {
        folder.unlink(name)?;
    }
    if !names.is_empty() {
        folder.sync()?;
    }
    Ok(names)
}

/// A copy of the database, for as long as it is needed.
struct Copy {
    folder: Folder,
    name: String,
}

impl Copy {
    /// A database that cannot be copied is no reason to have no backup of the snapshots.
    fn of_database(data_directory: &Path, backups: &Folder, id: SnapshotId) -> Result<Self, String> {
        let describe = |error: &dyn std::error::Error| match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        let folder = Folder::open(backups.path()).map_err(|error| describe(&error))?;
        let copy = Self { folder, name: format!("{TEMPORARY_PREFIX}{id}.db") };
        match copy_database(&data_directory.join(DATABASE), &copy.folder.path().join(&copy.name)) {
            Ok(true) => Ok(copy),
            Ok(false) => Err("there is none".to_owned()),
            Err(error) => Err(describe(&error)),
        }
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Err(error) = self.folder.unlink(&self.name) {
            tracing::debug!(%error, "A copy of the database is left behind until the next start.");
        }
    }
}

/// An archive that is being written.
pub(super) struct Archive<'a> {
    tar: TarWriter<zstd::Encoder<'static, Out<&'a mut File>>>,
    path: &'a Path,
    manifest: Manifest,
    mtime_seconds: u64,
}

impl<'a> Archive<'a> {
    pub(super) fn begin(
        file: &'a mut File,
        path: &'a Path,
        level: i32,
        recipient: Option<&Recipient>,
        keys: &Keys,
        now: Wall,
    ) -> Result<Self, BackupError> {
        let encoder = Out::begin(file, recipient, keys).and_then(|out| {
            let mut encoder = zstd::Encoder::new(out, level.clamp(1, 19))?;
            encoder.include_checksum(true)?;
            Ok(encoder)
        });
        Ok(Self {
            tar: TarWriter::new(encoder.map_err(|source| failed("write", path, source))?),
            path,
            manifest: Manifest { files: Vec::new() },
            mtime_seconds: u64::try_from(now.millis() / 1_000).unwrap_or(0),
        })
    }

    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), BackupError> {
        self.append(name, bytes.len() as u64, &mut &bytes[..])
    }

    pub(super) fn add_snapshot(&mut self, snapshots: &Folder, id: SnapshotId) -> Result<(), BackupError> {
        for name in [snapshot_file(id), mark_file(id)] {
            match snapshots.read(&name, crate::seal::MAX_FILE_BYTES) {
                Ok(bytes) => self.add(&format!("{SNAPSHOTS}/{name}"), &bytes)?,
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Adds a file as long as it is now; what is added to it meanwhile is not in the backup.
    pub(super) fn add_file(&mut self, name: &str, folder: &Folder, from: &str) -> Result<(), BackupError> {
        let mut file = match folder.open_regular(from) {
            Ok(file) => file,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let size = file.metadata().map_err(|source| failed("look at", &folder.path().join(from), source))?.len();
        self.append(name, size, &mut file)
    }

    pub(super) fn append(&mut self, name: &str, size: u64, content: &mut dyn io::Read) -> Result<(), BackupError> {
        let sha256 = self
            .tar
            .append(name, size, self.mtime_seconds, content)
            .map_err(|source| failed("write", self.path, source))?;
        self.manifest.files.push(FileRecord { name: name.to_owned(), size, sha256 });
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<(), BackupError> {
        let manifest = serde_json::to_vec(&self.manifest).unwrap_or_default();
        self.add(MANIFEST, &manifest)?;
        let path = self.path;
        let finish = self.tar.finish().and_then(zstd::Encoder::finish).and_then(Out::finish);
        finish.map_err(|source| failed("write", path, source))
    }
}

fn failed(operation: &'static str, path: &Path, source: io::Error) -> BackupError {
    DiskError { operation, path: path.to_owned(), source }.into()
}
