//! Reading backups: which there are, and whether one is whole.
//!
//! Owns: the refusal of everything that is no backup of ghostd, or no longer one, before anything of it is used:
//! links, devices and names that lead elsewhere (see `tar`), files that no backup has, bombs, bytes that were
//! changed. Must not know: where the contents go.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::crypt::{self, Closed, Keys};
use super::tar::{Member, TarError, TarReader};
use super::trailer::{self, TRAILER_BYTES};
use super::{BackupError, FORMAT, FileRecord, INFO, Info, MANIFEST, Manifest};
use crate::model::{Digest, SnapshotId, Wall};
use crate::seal;
use crate::store::{
    AUDIT, DATABASE, DiskError, Folder, SNAPSHOTS, id_of_mark_file, id_of_snapshot_file, is_tombstone_file,
};

/// How many times larger than its file the contents of a backup may be. Snapshots of a quiet machine shrink to a
/// fiftieth; a bomb to a hundred thousandth.
const MAX_RATIO: u64 = 1_000;
/// What a small backup may have in any case.
const FREE_BYTES: u64 = 64 << 20;
/// zstd's window, as a power of two: 8 MiB of memory. Ours have 2 MiB.
const MAX_WINDOW_LOG: u32 = 23;
const MAX_INFO_BYTES: u64 = 64 << 10;
pub(super) const MAX_MARK_BYTES: u64 = 64 << 10;
const MAX_CONFIG_BYTES: u64 = 16 << 20;
const MAX_MANIFEST_BYTES: u64 = 512 << 20;

/// A backup that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its number.
    pub number: u64,
    /// Where it is.
    pub path: PathBuf,
    /// Its name.
    pub id: SnapshotId,
    /// When it was begun, as its name says.
    pub created_at: Wall,
    /// Bytes of the file.
    pub size_bytes: u64,
    /// Whether it takes a key to read it.
    pub encrypted: bool,
    /// What it says it is; absent where its beginning cannot be read, or not without a key.
    pub info: Option<Info>,
}

/// What is in a backup that was found whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contents {
    /// What it is.
    pub info: Info,
    /// How many snapshots are in it.
    pub snapshots: u64,
    /// Whether the database is.
    pub has_database: bool,
    /// Whether the audit log is.
    pub has_audit: bool,
    /// Bytes of its contents.
    pub content_bytes: u64,
}

/// The backups in a directory, newest first. Only their beginnings are read.
pub fn list(directory: &Path, keys: &Keys) -> Result<Vec<Listed>, BackupError> {
    let folder = Folder::open(directory)?;
    let mut listed = Vec::new();
    for name in folder.names()? {
        let Some((number, id)) = parts_of(&name) else { continue };
        let Some(size_bytes) = folder.size_of(&name)? else { continue };
        let path = folder.path().join(&name);
        let info =
            open_file(&path).and_then(|file| Opened::of(file, &path, keys)).and_then(|mut opened| opened.info()).ok();
        let encrypted = is_encrypted(&path);
        listed.push(Listed { number, path, id, created_at: id.time(), size_bytes, encrypted, info });
    }
    listed.sort_by_key(|backup| std::cmp::Reverse(backup.number));
    Ok(listed)
}

/// The file of a backup by its number, its id or the beginning of that, its path, or `latest`.
pub fn resolve(directory: &Path, name: &str) -> Result<PathBuf, BackupError> {
    if name.contains('/') {
        return Ok(PathBuf::from(name));
    }
    let folder = Folder::open(directory)?;
    let mut names: Vec<(u64, String)> =
        folder.names()?.into_iter().filter_map(|file| number_of(&file).map(|number| (number, file))).collect();
    names.sort();
    let found = if name == "latest" {
        names.pop()
    } else {
        let is_meant = |(number, file): &&(u64, String)| {
            file == name
                || name.parse() == Ok(*number)
                || id_in(file).is_some_and(|id| name.len() >= 4 && id.starts_with(name))
        };
        let mut meant = names.iter().filter(is_meant);
        meant.next().filter(|_| meant.next().is_none()).cloned()
    };
    found
        .map(|(_, file)| folder.path().join(file))
        .ok_or_else(|| BackupError::NotFound(name.chars().take(80).collect()))
}

/// Reads all of a backup and holds every byte of it to account. `progress` is told how many of how many bytes of the
/// file were read.
pub fn verify(path: &Path, keys: &Keys, progress: &mut dyn FnMut(u64, u64)) -> Result<Contents, BackupError> {
    read_through(path, keys, &mut |_| Ok(Box::new(io::sink())), progress)
}

/// Whether it takes a key to read a backup, as its name says.
pub fn is_encrypted(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == &crypt::SUFFIX[1..])
}

/// What all bytes of a backup's file hash to: what the audit log says of it can be held against that without a key.
pub fn digest_of(path: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Digest, BackupError> {
    use sha2::Digest as _;
    let fail = |source| DiskError { operation: "read", path: path.to_owned(), source };
    let mut file = open_file(path)?;
    let size = file.metadata().map_err(fail)?.len();
    let mut hasher = sha2::Sha256::new();
    let (mut buffer, mut done) = (vec![0; 64 << 10], 0);
    loop {
        let count = file.read(&mut buffer).map_err(fail)?;
        if count == 0 {
            return Ok(Digest::finish(hasher));
        }
        hasher.update(&buffer[..count]);
        done += count as u64;
        progress(done, size);
    }
}

/// The file name of a backup.
pub(super) fn file_name(number: u64, id: SnapshotId, encrypted: bool) -> String {
    format!("backup-{number:06}-{id}.tar.zst{}", if encrypted { crypt::SUFFIX } else { "" })
}

/// The number in a backup's file name; `None` for any other name.
pub(super) fn number_of(name: &str) -> Option<u64> {
    parts_of(name).map(|(number, _)| number)
}

/// The number and the id in a backup's file name; `None` for any other name.
pub(super) fn parts_of(name: &str) -> Option<(u64, SnapshotId)> {
    let number = name.strip_prefix("backup-")?.split_once('-')?.0.parse().ok()?;
    let id = id_in(name)?.parse().ok()?;
    (file_name(number, id, name.ends_with(crypt::SUFFIX)) == name).then_some((number, id))
}

/// The numbers that are taken.
pub(super) fn numbers(folder: &Folder) -> Result<Vec<u64>, BackupError> {
    Ok(folder.names()?.iter().filter_map(|name| number_of(name)).collect())
}

/// Where the content of a member goes.
pub(super) type Sink<'a> = dyn FnMut(&Member) -> Result<Box<dyn Write + 'a>, BackupError> + 'a;

/// Reads all of it, gives the contents to `sink`, and says only at the end whether they are what was written: until
/// then they are to be believed nothing.
pub(super) fn read_through(
    path: &Path,
    keys: &Keys,
    sink: &mut Sink<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Contents, BackupError> {
    let mut opened = Opened::open_whole(path, keys)?;
    let info = opened.info()?;
    let mut contents =
        Contents { info, snapshots: 0, has_database: false, has_audit: false, content_bytes: opened.content_bytes };
    let mut names: HashSet<String> = HashSet::new();
    let mut manifest: Option<Manifest> = None;
    while let Some(member) = opened.next()? {
        if manifest.is_some() {
            return Err(opened.damaged(format!("`{}` stands behind the manifest", member.name)));
        }
        if !names.insert(member.name.clone()) {
            return Err(opened.damaged(format!("`{}` is in it twice", member.name)));
        }
        match Kind::of(&member.name) {
            Kind::Manifest => {
                let bytes = opened.small(&member, MAX_MANIFEST_BYTES)?;
                let read =
                    serde_json::from_slice(&bytes).map_err(|error| opened.damaged(format!("its manifest: {error}")))?;
                manifest = Some(read);
            }
            Kind::Snapshot(id) => {
                contents.snapshots += 1;
                let bytes = opened.record(&member, seal::MAX_FILE_BYTES)?;
                opened.check_snapshot(&contents.info, id, &bytes)?;
                opened.give(&member, &bytes, sink)?;
            }
            Kind::Mark | Kind::Tombstone => {
                let bytes = opened.record(&member, MAX_MARK_BYTES)?;
                opened.give(&member, &bytes, sink)?;
            }
            Kind::Config => {
                let bytes = opened.record(&member, MAX_CONFIG_BYTES)?;
                opened.give(&member, &bytes, sink)?;
            }
            Kind::Database | Kind::Audit => {
                contents.has_database |= member.name == DATABASE;
                contents.has_audit |= member.name == AUDIT;
                let mut out = sink(&member)?;
                opened.stream(&member, &mut out)?;
            }
            Kind::Info | Kind::Unknown => {
                let source = TarError::Refused(format!("a file named `{}`", member.name));
                return Err(BackupError::Archive { path: path.to_owned(), source });
            }
        }
        progress(opened.read_bytes(), opened.size_bytes);
    }
    match manifest {
        None => Err(opened.damaged("it has no manifest".to_owned())),
        Some(manifest) if manifest.files != opened.records => {
            Err(opened.damaged("its contents are not those of its manifest".to_owned()))
        }
        Some(_) => {
            contents.content_bytes = opened.content_bytes;
            Ok(contents)
        }
    }
}

/// What a name in the archive stands for.
enum Kind {
    Info,
    Config,
    Snapshot(SnapshotId),
    Mark,
    Tombstone,
    Database,
    Audit,
    Manifest,
    Unknown,
}

impl Kind {
    fn of(name: &str) -> Self {
        match name {
            INFO => Self::Info,
            MANIFEST => Self::Manifest,
            DATABASE => Self::Database,
            AUDIT => Self::Audit,
            _ => match name.split_once('/') {
                Some(("config", rest)) if !rest.contains('/') => Self::Config,
                Some((SNAPSHOTS, rest)) => match (id_of_snapshot_file(rest), id_of_mark_file(rest)) {
                    (Some(id), _) => Self::Snapshot(id),
                    (_, Some(_)) => Self::Mark,
                    _ if is_tombstone_file(rest) => Self::Tombstone,
                    _ => Self::Unknown,
                },
                _ => Self::Unknown,
            },
        }
    }
}

/// Counts what was read of the file, so that progress and ratio can be told.
struct Counted {
    file: io::Take<File>,
    count: std::rc::Rc<std::cell::Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.count.set(self.count.get() + count as u64);
        Ok(count)
    }
}

/// A backup that is being read.
struct Opened {
    path: PathBuf,
    tar: TarReader<zstd::Decoder<'static, io::BufReader<Box<dyn Read>>>>,
    records: Vec<FileRecord>,
    size_bytes: u64,
    count: std::rc::Rc<std::cell::Cell<u64>>,
    content_bytes: u64,
}

impl Opened {
    /// Opens one whose every byte is what was written, or was written by somebody who could mend the trailer too.
    fn open_whole(path: &Path, keys: &Keys) -> Result<Self, BackupError> {
        let fail = |source| DiskError { operation: "read", path: path.to_owned(), source };
        let mut file = open_file(path)?;
        if begins_encrypted(&mut file).map_err(fail)? {
            return Self::of(file, path, keys);
        }
        let size = file.metadata().map_err(fail)?.len();
        match trailer::check(&mut file, size).map_err(fail)? {
            Ok(()) => Self::of(file, path, keys),
            Err(reason) => Err(BackupError::Damaged { path: path.to_owned(), reason }),
        }
    }

    fn of(mut file: File, path: &Path, keys: &Keys) -> Result<Self, BackupError> {
        let fail = |source| DiskError { operation: "open", path: path.to_owned(), source };
        let size_bytes = file.metadata().map_err(fail)?.len();
        let is_encrypted = begins_encrypted(&mut file).map_err(fail)?;
        let count = std::rc::Rc::default();
        let length = if is_encrypted { size_bytes } else { size_bytes.saturating_sub(TRAILER_BYTES) };
        let counted = Counted { file: file.take(length), count: std::rc::Rc::clone(&count) };
        let input: Box<dyn Read> = if is_encrypted {
            crypt::open(counted, keys).map_err(|closed| match closed {
                Closed::NoKey => BackupError::Encrypted { path: path.to_owned() },
                Closed::Damaged(reason) => BackupError::Damaged { path: path.to_owned(), reason },
                Closed::Io(source) => fail(source).into(),
            })?
        } else {
            Box::new(counted)
        };
        let decoder = zstd::Decoder::new(input).and_then(|mut decoder| {
            decoder.window_log_max(MAX_WINDOW_LOG)?;
            Ok(decoder)
        });
        let tar = TarReader::new(decoder.map_err(fail)?);
        Ok(Self { path: path.to_owned(), tar, records: Vec::new(), size_bytes, count, content_bytes: 0 })
    }

    fn read_bytes(&self) -> u64 {
        self.count.get()
    }

    /// The first member.
    fn info(&mut self) -> Result<Info, BackupError> {
        let member = self.next()?.filter(|member| member.name == INFO);
        let Some(member) = member else {
            return Err(self.damaged(format!("it does not begin with `{INFO}`")));
        };
        let bytes = self.record(&member, MAX_INFO_BYTES)?;
        let info: Info = serde_json::from_slice(&bytes).map_err(|error| self.damaged(format!("`{INFO}`: {error}")))?;
        if info.format != FORMAT {
            let shown = info.format.escape_debug();
            return Err(self.damaged(format!("its format is `{shown}`, this ghostd knows `{FORMAT}`")));
        }
        Ok(info)
    }

    fn next(&mut self) -> Result<Option<Member>, BackupError> {
        let member = self.tar.next_member().map_err(|source| self.unreadable(source))?;
        if let Some(member) = &member {
            self.content_bytes = self.content_bytes.saturating_add(member.size);
            let allowed = self.size_bytes.saturating_mul(MAX_RATIO).saturating_add(FREE_BYTES);
            if self.content_bytes > allowed {
                let what = format!("more than {allowed} bytes in a file of {}", self.size_bytes);
                return Err(self.unreadable(TarError::Refused(what)));
            }
        }
        Ok(member)
    }

    /// The content of a small member, which the manifest does not name.
    fn small(&mut self, member: &Member, limit: u64) -> Result<Vec<u8>, BackupError> {
        if member.size > limit {
            let what = format!("`{}` with {} bytes", member.name, member.size);
            return Err(self.unreadable(TarError::Refused(what)));
        }
        let mut bytes = Vec::new();
        self.tar.content(member, &mut bytes).map_err(|source| self.unreadable(source))?;
        Ok(bytes)
    }

    /// The content of a small member, which the manifest names.
    fn record(&mut self, member: &Member, limit: u64) -> Result<Vec<u8>, BackupError> {
        let bytes = self.small(member, limit)?;
        let sha256 = crate::model::Digest::of(&bytes);
        self.records.push(FileRecord { name: member.name.clone(), size: member.size, sha256 });
        Ok(bytes)
    }

    fn stream(&mut self, member: &Member, out: &mut dyn Write) -> Result<(), BackupError> {
        let sha256 = self.tar.content(member, out).map_err(|source| self.unreadable(source))?;
        out.flush().map_err(|source| self.unreadable(source.into()))?;
        self.records.push(FileRecord { name: member.name.clone(), size: member.size, sha256 });
        Ok(())
    }

    fn give(&self, member: &Member, bytes: &[u8], sink: &mut Sink<'_>) -> Result<(), BackupError> {
        let mut out = sink(member)?;
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|source| self.unreadable(source.into()))
    }

    fn check_snapshot(&self, info: &Info, id: SnapshotId, bytes: &[u8]) -> Result<(), BackupError> {
        let checked = seal::check(bytes).map_err(|damage| self.damaged(format!("snapshot `{id}` is {damage}")))?;
        if checked.body.id != id || checked.body.link.store.id != info.store.id {
            return Err(self.damaged(format!("snapshot `{id}` is another one, or of another store")));
        }
        Ok(())
    }

    fn damaged(&self, reason: String) -> BackupError {
        BackupError::Damaged { path: self.path.clone(), reason }
    }

    fn unreadable(&self, source: TarError) -> BackupError {
        BackupError::Archive { path: self.path.clone(), source }
    }
}

fn open_file(path: &Path) -> Result<File, BackupError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    Ok(Folder::open(parent)?.open_regular(name)?)
}

fn id_in(name: &str) -> Option<&str> {
    let name = name.strip_suffix(crypt::SUFFIX).unwrap_or(name);
    name.strip_prefix("backup-")?.split_once('-')?.1.strip_suffix(".tar.zst")
}

/// What a file is goes by its first bytes: a name can be given to anything. The file is left at its beginning.
fn begins_encrypted(file: &mut File) -> io::Result<bool> {
    use std::io::Seek as _;
    const MARK: &[u8] = b"age-encryption.org/";
    let mut head = Vec::new();
    file.take(MARK.len() as u64).read_to_end(&mut head)?;
    file.rewind()?;
    Ok(head == MARK)
}
