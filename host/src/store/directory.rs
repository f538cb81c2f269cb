//! The state directory: that it is ours alone, and what is where in it.
//!
//! Owns: the names of everything below the data directory, and the refusal to work in one that somebody else could
//! tamper with. Must not know: what is in the files.

use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::disk::{DiskError, Folder};
use crate::model::SnapshotId;

/// The database's file name.
pub const DATABASE: &str = "ghost.db";
/// The audit log's file name.
pub const AUDIT: &str = "audit.jsonl";
/// The lock's file name.
pub const LOCK: &str = "lock";
/// The directory of snapshots.
pub const SNAPSHOTS: &str = "snapshots";
/// The directory of backups.
pub const BACKUPS: &str = "backups";
/// The directory of compiled collectors.
pub const CACHE: &str = "cache";

const DIRECTORIES: [&str; 3] = [SNAPSHOTS, BACKUPS, CACHE];
const FILES: [&str; 9] = [
    DATABASE,
    "ghost.db-wal",
    "ghost.db-shm",
    super::renew::COPY,
    AUDIT,
    LOCK,
    "tokens.json",
    super::reserve::RESERVE,
    super::swap::JOURNAL,
];

/// Why a directory is not worked in.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It could not be made or looked at.
    #[error("cannot use data directory `{path}`")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It is something else.
    #[error("`{path}` is no directory (name another with `--data-dir`)")]
    NoDirectory {
        /// Which.
        path: PathBuf,
    },
    /// Somebody else owns it.
    #[error(
        "`{path}` belongs to uid {owner}, and this ghostd runs as uid {us} (run it as its owner, or name another with `--data-dir`)"
    )]
    Foreign {
        /// Which.
        path: PathBuf,
        /// Whose.
        owner: u32,
        /// Ours.
        us: u32,
    },
    /// Others could change what is in it.
    #[error("`{path}` has mode {mode:04o}: others may write to it (`chmod go-w` it after looking at what is in it)")]
    Writable {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file of ours is a link, a pipe, a device.
    #[error(
        "`{path}` is {what}, where ghostd keeps a file of its own (somebody planted it, remove it after looking at where it leads)"
    )]
    Planted {
        /// Which.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
}

/// A data directory that was found to be ours.
#[derive(Debug, Clone)]
pub struct StateDirectory {
    path: PathBuf,
}

impl StateDirectory {
    /// Makes sure that there is one and that nobody else can write to it, and makes what is missing in it.
    pub fn prepare(path: &Path) -> Result<Self, DirectoryError> {
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| DirectoryError::Io { path, source }
        };
        make_private(path).map_err(fail(path))?;
        check_directory(path)?;
        for name in DIRECTORIES {
            let below = path.join(name);
            make_private(&below).map_err(fail(&below))?;
            check_directory(&below)?;
        }
        for name in FILES {
            check_file(&path.join(name))?;
        }
        // SQLite, told to follow no link, refuses one anywhere in the path, such as macOS has in `/tmp`.
        let path = path.canonicalize().map_err(fail(path))?;
        Ok(Self { path })
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory, open.
    pub fn open(&self) -> Result<Folder, DiskError> {
        Folder::open(&self.path)
    }

    /// The directory of snapshots, open.
    pub fn open_snapshots(&self) -> Result<Folder, DiskError> {
        Folder::open(&self.path.join(SNAPSHOTS))
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// The audit log.
    pub fn audit(&self) -> PathBuf {
        self.path.join(AUDIT)
    }

    /// The directory of backups.
    pub fn backups(&self) -> PathBuf {
        self.path.join(BACKUPS)
    }

    /// The directory of compiled collectors.
    pub fn cache(&self) -> PathBuf {
        self.path.join(CACHE)
    }
}

/// The file name of a snapshot.
pub fn snapshot_file(id: SnapshotId) -> String {
    format!("snapshot-{id}.json")
}

/// The file name of the mark beside a snapshot.
pub fn mark_file(id: SnapshotId) -> String {
    format!("snapshot-{id}.keep")
}

/// The file name of what is left of a snapshot that was purged.
pub fn tombstone_file(id: SnapshotId) -> String {
    format!("snapshot-{id}.purged")
}

/// Whether a file's name is a tombstone's.
pub fn is_tombstone_file(name: &str) -> bool {
    name.strip_prefix("snapshot-")
        .and_then(|rest| rest.strip_suffix(".purged"))
        .is_some_and(|id| id.parse::<SnapshotId>().is_ok())
}

/// The id in a snapshot's file name; `None` for any other name, in any other spelling.
pub fn id_of_snapshot_file(name: &str) -> Option<SnapshotId> {
    name.strip_prefix("snapshot-")?.strip_suffix(".json")?.parse().ok()
}

/// The id in a mark's file name.
pub fn id_of_mark_file(name: &str) -> Option<SnapshotId> {
    name.strip_prefix("snapshot-")?.strip_suffix(".keep")?.parse().ok()
}

fn make_private(path: &Path) -> io::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Ok(());
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn check_directory(path: &Path) -> Result<(), DirectoryError> {
    let metadata = path.symlink_metadata().map_err(|source| DirectoryError::Io { path: path.to_owned(), source })?;
    // A link is as bad as a file here: who can change where it leads can change what we read.
    if !metadata.is_dir() {
        return Err(DirectoryError::NoDirectory { path: path.to_owned() });
    }
    check_owner(path, &metadata)?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(DirectoryError::Writable { path: path.to_owned(), mode });
    }
    Ok(())
}

fn check_file(path: &Path) -> Result<(), DirectoryError> {
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(DirectoryError::Io { path: path.to_owned(), source }),
    };
    if !metadata.is_file() {
        let what = if metadata.is_symlink() { "a symbolic link" } else { "no regular file" };
        return Err(DirectoryError::Planted { path: path.to_owned(), what });
    }
    check_owner(path, &metadata)?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(DirectoryError::Writable { path: path.to_owned(), mode });
    }
    Ok(())
}

fn check_owner(path: &Path, metadata: &std::fs::Metadata) -> Result<(), DirectoryError> {
    let us = rustix::process::geteuid().as_raw();
    let owner = metadata.uid();
    if owner != us {
        return Err(DirectoryError::Foreign { path: path.to_owned(), owner, us });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn chmod(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_is_missing_is_made_for_us_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap().join("a/b");
        let state = StateDirectory::prepare(&path).unwrap();
        for made in [path.clone(), path.join(SNAPSHOTS), state.backups(), state.cache()] {
            assert_eq!(made.metadata().unwrap().mode() & 0o777, 0o700, "{}", made.display());
        }
        StateDirectory::prepare(&path).unwrap();
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for mode in [0o770, 0o702, 0o1777] {
            chmod(dir.path(), mode);
            let error = StateDirectory::prepare(dir.path()).unwrap_err();
            assert!(matches!(error, DirectoryError::Writable { mode: told, .. } if told == mode), "{error}");
        }
        chmod(dir.path(), 0o755);
        StateDirectory::prepare(dir.path()).unwrap();
        chmod(&dir.path().join(SNAPSHOTS), 0o777);
        assert!(matches!(StateDirectory::prepare(dir.path()), Err(DirectoryError::Writable { .. })));
    }

    #[test]
    fn a_directory_of_somebody_else_is_refused() {
        // Whoever runs the test, one of these two belongs to somebody else, or is reached as root.
        let us = rustix::process::geteuid();
        let dir = tempfile::tempdir().unwrap();
        if us.is_root() {
            std::os::unix::fs::chown(dir.path(), Some(65_534), None).unwrap();
            let error = StateDirectory::prepare(dir.path()).unwrap_err();
            assert!(matches!(error, DirectoryError::Foreign { owner: 65_534, us: 0, .. }), "{error}");
        } else {
            let error = check_directory(Path::new("/")).unwrap_err();
            assert!(matches!(error, DirectoryError::Foreign { owner: 0, .. }), "{error}");
        }
    }

    #[test]
    fn planted_links_are_refused_and_their_target_is_untouched() {
        let elsewhere = tempfile::tempdir().unwrap();
        let target = elsewhere.path().join("target");
        std::fs::File::create(&target).unwrap();
        for name in FILES {
            let dir = tempfile::tempdir().unwrap();
            symlink(&target, dir.path().join(name)).unwrap();
            let error = StateDirectory::prepare(dir.path()).unwrap_err();
            assert!(matches!(error, DirectoryError::Planted { .. }), "{name}: {error}");
        }
        for name in DIRECTORIES {
            let dir = tempfile::tempdir().unwrap();
            symlink(elsewhere.path(), dir.path().join(name)).unwrap();
            let error = StateDirectory::prepare(dir.path()).unwrap_err();
            assert!(matches!(error, DirectoryError::NoDirectory { .. }), "{name}: {error}");
        }
        let dir = tempfile::tempdir().unwrap();
        symlink(elsewhere.path(), dir.path().join("state")).unwrap();
        assert!(matches!(StateDirectory::prepare(&dir.path().join("state")), Err(DirectoryError::NoDirectory { .. })));
        assert_eq!(target.metadata().unwrap().len(), 0);
        assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 1);
    }

    #[test]
    fn file_names_have_one_spelling() {
        let id: SnapshotId = "01931f2e-7c1a-7000-8000-000000000000".parse().unwrap();
        assert_eq!(id_of_snapshot_file(&snapshot_file(id)), Some(id));
        assert_eq!(id_of_mark_file(&mark_file(id)), Some(id));
        assert_eq!(id_of_snapshot_file("snapshot-01931F2E-7C1A-7000-8000-000000000000.json"), None);
        assert_eq!(id_of_snapshot_file("snapshot-state.json"), None);
        assert_eq!(id_of_snapshot_file(&format!("{}.damaged", snapshot_file(id))), None);
    }
}
