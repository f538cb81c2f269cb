//! Putting a backup back.
//!
//! Owns: the order. All of it is read, verified and laid out in a directory of its own first; then the store decides
//! to exchange it for what is there (`crate::store::Swap`), which from there on happens even across a crash. Until
//! then nothing was touched. What was there is kept beside it.
//!
//! A restore begins a new epoch of the store: numbers go on above the highest ever given, the first new snapshot
//! names the last restored one, and the audit log that stands is added to, unless the backup has a longer one. What
//! was purged since stays purged. Must not know: who asked for it.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;

use super::{BackupError, Contents, Keys, read};
use crate::audit;
use crate::model::{SnapshotId, StoreRef, Wall};
use crate::store::{
    AUDIT, DATABASE, DiskError, Folder, LOCK, Reader, SNAPSHOTS, StateDirectory, Swap, TEMPORARY_PREFIX, WriterLock,
    check_database, id_of_mark_file, id_of_snapshot_file, snapshot_file,
};

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// What was in the backup.
    pub contents: Contents,
    /// The store as it is now.
    pub store: StoreRef,
    /// Where what was there before is now.
    pub replaced: PathBuf,
    /// Snapshots that were purged since the backup and so were not put back.
    pub purged: Vec<SnapshotId>,
    /// Why the history was not put back, where it was not.
    pub without_history: Option<String>,
}

/// What the store that stands says.
#[derive(Debug, Default)]
struct Standing {
    has_audit: bool,
    store: Option<StoreRef>,
    epoch: u64,
    highest_sequence: u64,
    last_line: u64,
    purged: HashSet<SnapshotId>,
    /// The line of the last purge.
    purged_at_line: u64,
}

/// Puts a backup back into a data directory, which nobody may be using. The next start of the store completes it.
pub fn restore(
    backup: &Path,
    keys: &Keys,
    data_directory: &Path,
    now: Wall,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Restored, BackupError> {
    let directory = StateDirectory::prepare(data_directory).map_err(crate::store::StoreError::from)?;
    let folder = directory.open()?;
    let _lock = WriterLock::take(&folder, LOCK, now).map_err(BackupError::InUse)?;
    let staging = Staging::make(&directory)?;
    let standing = Standing::of(directory.path())?;
    let mut purged = Vec::new();
    let contents = read::read_through(
        backup,
        keys,
        &mut |member| {
            let id =
                member.name.rsplit_once('/').and_then(|(_, name)| id_of_snapshot_file(name).or(id_of_mark_file(name)));
            // The configuration is not the store's to write: it is for a person to take from the archive.
            if member.name.starts_with("config/") {
                return Ok(Box::new(std::io::sink()));
            }
            match id.filter(|id| standing.purged.contains(id)) {
                Some(id) => {
                    purged.push(id);
                    Ok(Box::new(std::io::sink()))
                }
                None => staging.file(&member.name),
            }
        },
        progress,
    )?;
    let info = &contents.info;
    if info.excerpt.is_some() {
        return Err(BackupError::Part { path: backup.to_owned() });
    }
    if let Some(ours) = standing.store.as_ref().filter(|ours| ours.id != info.store.id) {
        return Err(BackupError::Foreign {
            path: backup.to_owned(),
            theirs: info.store.id.to_string(),
            data_directory: directory.path().to_owned(),
            ours: ours.id.to_string(),
        });
    }
    let is_there = staging.has(&format!("{SNAPSHOTS}/{}", snapshot_file(info.newest.id)));
    if !is_there && purged.is_empty() && !info.purged.contains(&info.newest.id) {
        let reason = format!("its newest snapshot `{}` is not in it", info.newest.id);
        return Err(BackupError::Damaged { path: backup.to_owned(), reason });
    }
    let theirs = staging.audit_tail(backup)?;
    let mut brings = vec![SNAPSHOTS.to_owned()];
    let without_history = staging.reason_against_history(backup, &contents, &standing, theirs.last_line)?;
    if without_history.is_none() {
        brings.push(DATABASE.to_owned());
    }
    // The longer log knows more. Theirs is a beginning of ours, unless ours was cut or lost.
    if theirs.last_line > standing.last_line || !standing.has_audit {
        brings.push(AUDIT.to_owned());
    }
    let store = StoreRef {
        id: info.store.id,
        epoch: standing.epoch.max(theirs.epoch).max(info.store.epoch) + 1,
        forked_from: Some(info.newest.clone()),
    };
    let highest = standing.highest_sequence.max(theirs.highest_sequence).max(info.newest_sequence);
    purged.sort_unstable();
    purged.dedup();
    let replaced = format!("replaced-{}", staging.token);
    let swap = Swap {
        staging: staging.name.clone(),
        brings,
        replaced: replaced.clone(),
        at: now,
        line: json!({
            "backup": { "number": info.number, "id": info.id, "created_at": info.created_at },
            "store": store, "restored_up_to": info.newest_sequence, "highest_sequence": highest,
            "snapshots": contents.snapshots, "purged": purged.len(), "replaced": replaced,
            "without_history": without_history,
        }),
    };
    staging.settle(&swap.brings)?;
    swap.decide(&folder)?;
    staging.keep();
    Ok(Restored { replaced: directory.path().join(replaced), contents, store, purged, without_history })
}

impl Standing {
    fn of(data_directory: &Path) -> Result<Self, BackupError> {
        let reader = Reader::open(data_directory)?;
        let mut standing = Self { store: reader.identity().cloned(), ..Self::default() };
        standing.has_audit = reader.audit_lines(&mut |line| standing.hear(line))?;
        standing.has_audit &= standing.last_line > 0;
        Ok(standing)
    }

    fn hear(&mut self, line: &audit::Line) {
        self.last_line = self.last_line.max(line.sequence);
        let store = || serde_json::from_value::<StoreRef>(line.data["store"].clone()).ok();
        match line.operation.as_str() {
            "create" | "restore" => {
                if let Some(store) = store() {
                    self.epoch = self.epoch.max(store.epoch);
                    self.store = Some(store);
                }
                let highest = line.data["highest_sequence"].as_u64().unwrap_or(0);
                self.highest_sequence = self.highest_sequence.max(highest);
            }
            "capture" => {
                let sequence = line.data["sequence"].as_u64().unwrap_or(0);
                self.highest_sequence = self.highest_sequence.max(sequence);
            }
            "purge" => {
                self.purged_at_line = line.sequence;
                let ids = line.data["snapshots"].as_array().into_iter().flatten();
                self.purged.extend(ids.filter_map(|one| serde_json::from_value::<SnapshotId>(one["id"].clone()).ok()));
            }
            _ => {}
        }
    }
}

/// The directory in which the new contents are laid out. It goes when this is dropped, unless it is kept.
struct Staging {
    path: PathBuf,
    name: String,
    token: String,
    is_kept: std::cell::Cell<bool>,
}

impl Staging {
    fn make(directory: &StateDirectory) -> Result<Self, BackupError> {
        use std::os::unix::fs::DirBuilderExt as _;
        let token = uuid::Uuid::new_v4().as_simple().to_string();
        let name = format!("{TEMPORARY_PREFIX}restore-{token}");
        let path = directory.path().join(&name);
        let mut builder = std::fs::DirBuilder::new();
        builder.mode(0o700).recursive(true);
        let made = path.join(SNAPSHOTS);
        builder.create(&made).map_err(|source| failed("make", &made, source))?;
        Ok(Self { path, name, token, is_kept: std::cell::Cell::new(false) })
    }

    /// A new file in it. The name was checked; it leads nowhere else.
    fn file(&self, name: &str) -> Result<Box<dyn Write>, BackupError> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let path = self.path.join(name);
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|source| failed("create", &path, source))?;
        Ok(Box::new(Synced(file)))
    }

    fn has(&self, name: &str) -> bool {
        self.path.join(name).exists()
    }

    /// What the backup's own audit log says, which must be whole.
    fn audit_tail(&self, backup: &Path) -> Result<Standing, BackupError> {
        let mut theirs = Standing::default();
        if self.has(AUDIT) {
            let file = Folder::open(&self.path)?.open_regular(AUDIT)?;
            let mut lines = std::io::BufReader::new(file);
            let checked = audit::verify(&mut lines, &[], &mut |line| theirs.hear(line))
                .map_err(|source| failed("read", &self.path.join(AUDIT), source))?;
            // The live log may have been in the middle of a line when it was copied.
            let flaw = checked.findings.iter().find(|finding| finding.flaw != audit::Flaw::Torn);
            if let Some(finding) = flaw {
                tracing::warn!(backup = %backup.display(), line = finding.line, flaw = %finding.flaw, "The backup's audit log was damaged before it was backed up.");
            }
        }
        Ok(theirs)
    }

    fn reason_against_history(
        &self,
        backup: &Path,
        contents: &Contents,
        standing: &Standing,
        backup_line: u64,
    ) -> Result<Option<String>, BackupError> {
        if !contents.has_database {
            let why = contents.info.without_database.clone();
            return Ok(Some(format!("it is not in the backup: {}", why.unwrap_or_default())));
        }
        if standing.purged_at_line > backup_line.max(contents.info.purged_at_line.unwrap_or(0)) {
            return Ok(Some("something was purged since, and the backup's history may still hold it".to_owned()));
        }
        match check_database(&self.path.join(DATABASE)).map(|said| said.first().cloned()) {
            Ok(None) => Ok(None),
            Ok(Some(wrong)) => {
                Err(BackupError::Damaged { path: backup.to_owned(), reason: format!("its database: {wrong}") })
            }
            Err(error) => {
                Err(BackupError::Damaged { path: backup.to_owned(), reason: format!("its database: {error}") })
            }
        }
    }

    /// Leaves in it what is brought, durable.
    fn settle(&self, brings: &[String]) -> Result<(), BackupError> {
        let folder = Folder::open(&self.path)?;
        for name in [AUDIT, DATABASE] {
            if !brings.iter().any(|brought| brought == name) {
                folder.unlink(name)?;
            }
        }
        // Checking the database may have left these beside it.
        for name in ["ghost.db-wal", "ghost.db-shm"] {
            folder.unlink(name)?;
        }
        Folder::open(&self.path.join(SNAPSHOTS))?.sync()?;
        Ok(folder.sync()?)
    }

    fn keep(&self) {
        self.is_kept.set(true);
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.is_kept.get()
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::debug!(%error, "A staging directory is left behind until the next start.");
        }
    }
}

/// A file that is durable once it is flushed.
struct Synced(std::fs::File);

impl Write for Synced {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.sync_all()
    }
}

fn failed(operation: &'static str, path: &Path, source: std::io::Error) -> BackupError {
    DiskError { operation, path: path.to_owned(), source }.into()
}
