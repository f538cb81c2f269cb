//! Every change that ghostd makes to a file of its own goes through here.
//!
//! Owns: how a file comes into being whole or not at all ([`atomic_write`], [`Folder::create`]), how it is read
//! without following a link or waiting for a pipe, and the names of temporaries. Must not know: what is in a file.
//!
//! A file is written under a temporary name in the directory that it is meant for, synced, renamed, and the
//! directory is synced. Only then did it happen. After a failed fsync the kernel may have dropped what it could not
//! write and call the file clean, so the bytes are written anew to a new file, once.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags};
use uuid::Uuid;

/// What the names of temporaries begin with. A start removes whatever a crash has left of them.
pub const TEMPORARY_PREFIX: &str = ".tmp-";

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} `{path}`")]
pub struct DiskError {
    /// What was tried: `write`, `rename`, `sync`.
    pub operation: &'static str,
    /// With what.
    pub path: PathBuf,
    /// Why not.
    #[source]
    pub source: io::Error,
}

impl DiskError {
    /// Whether there is no room: the disk is full, or the quota is used up.
    pub fn is_full(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }

    /// Whether there is no such file.
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// Writes a file whole or not at all, mode 0600, in place of whatever had that name. Durable when this returns.
pub fn atomic_write(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    let unusable = || DiskError {
        operation: "write",
        path: path.to_owned(),
        source: io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"),
    };
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(unusable)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Folder::open(parent)?.replace(name, bytes)
}

/// An open directory. Names are resolved below it, so that a rename of the directory itself changes nothing.
#[derive(Debug)]
pub struct Folder {
    handle: OwnedFd,
    path: PathBuf,
    /// Whether a temporary file could not be removed.
    has_leftovers: AtomicBool,
}

impl Folder {
    /// Opens a directory.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        let handle = rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| failed("open", path, errno))?;
        Ok(Self { handle, path: path.to_owned(), has_leftovers: AtomicBool::new(false) })
    }

    /// Where it was when it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its descriptor.
    pub fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    /// Writes a file that must not exist yet, whole or not at all, mode 0600. Durable when this returns.
    pub fn create(&self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.write(name, bytes, RenameFlags::NOREPLACE)
    }

    /// The same in place of whatever has that name.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.write(name, bytes, RenameFlags::empty())
    }

    /// Replaces a file of somebody's making with its mode and owner kept, as far as we may give it away.
    pub fn replace_like(&self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        let before = rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| self.failed("look at", name, errno))?;
        self.replace(name, bytes)?;
        let file = self.open_regular(name)?;
        let fail = |errno| self.failed("give its mode back to", name, errno);
        rustix::fs::fchmod(&file, Mode::from_raw_mode(before.st_mode & 0o7777)).map_err(fail)?;
        match rustix::fs::fchown(&file, None, Some(rustix::fs::Gid::from_raw(before.st_gid))) {
            Ok(()) | Err(rustix::io::Errno::PERM) => Ok(()),
            Err(errno) => Err(fail(errno)),
        }
    }

    /// Writes a file that must not exist yet and is too large to have in memory, whole or not at all, mode 0600.
    /// `check` is shown where it lies before it gets its name, and may refuse it. Durable when this returns.
    pub fn create_large<T, E: From<DiskError>>(
        &self,
        name: &str,
        write: impl FnOnce(&mut File) -> Result<(), E>,
        check: impl FnOnce(&Path) -> Result<T, E>,
    ) -> Result<T, E> {
        self.write_large(name, write, check, RenameFlags::NOREPLACE)
    }

    /// The same in place of whatever has that name.
    pub fn replace_large<T, E: From<DiskError>>(
        &self,
        name: &str,
        write: impl FnOnce(&mut File) -> Result<(), E>,
        check: impl FnOnce(&Path) -> Result<T, E>,
    ) -> Result<T, E> {
        self.write_large(name, write, check, RenameFlags::empty())
    }

    fn write_large<T, E: From<DiskError>>(
        &self,
        name: &str,
        write: impl FnOnce(&mut File) -> Result<(), E>,
        check: impl FnOnce(&Path) -> Result<T, E>,
        flags: RenameFlags,
    ) -> Result<T, E> {
        let (temporary, mut file) = self.open_temporary()?;
        let path = self.path.join(&temporary);
        let written = write(&mut file).and_then(|()| {
            fault::hit("sync")
                .map_err(io::Error::from)
                .and_then(|()| file.sync_all())
                .map_err(|source| E::from(DiskError { operation: "sync", path: self.path.join(name), source }))
        });
        let named = written.and_then(|()| check(&path)).and_then(|checked| {
            self.rename_only(&temporary, name, flags)?;
            self.sync().inspect_err(|_| {
                if flags.contains(RenameFlags::NOREPLACE) {
                    self.forget(name);
                }
            })?;
            Ok(checked)
        });
        named.inspect_err(|_| self.forget(&temporary))
    }

    /// Gives a file another name, which must be free. Durable when this returns.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        self.rename_only(from, to, RenameFlags::NOREPLACE)?;
        self.sync()
    }

    /// Makes a file that somebody else has written durable, and gives it another name, in place of whatever has that.
    pub(super) fn take_name(&self, from: &str, to: &str) -> Result<(), DiskError> {
        fault::hit("sync")
            .map_err(io::Error::from)
            .and_then(|()| self.open_regular(from).map_err(|error| error.source)?.sync_all())
            .map_err(|source| DiskError { operation: "sync", path: self.path.join(from), source })?;
        self.rename_only(from, to, RenameFlags::empty())?;
        self.sync()
    }

    /// Takes a name away, not yet durably: [`Folder::sync`] makes it so. `false` if it was not there.
    pub fn unlink(&self, name: &str) -> Result<bool, DiskError> {
        fault::hit("unlink").and_then(|()| rustix::fs::unlinkat(&self.handle, name, AtFlags::empty())).map_or_else(
            |errno| {
                if errno == rustix::io::Errno::NOENT { Ok(false) } else { Err(self.failed("remove", name, errno)) }
            },
            |()| Ok(true),
        )
    }

    /// Gives a file or directory below here another place below here, not yet durably. `false` if it is not there.
    pub(super) fn move_below(&self, from: &str, to: &str) -> Result<bool, DiskError> {
        match self.rename_only(from, to, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes what was created, renamed and unlinked here durable.
    pub fn sync(&self) -> Result<(), DiskError> {
        fault::hit("sync directory")
            .and_then(|()| rustix::fs::fsync(&self.handle))
            .map_err(|errno| failed("sync", &self.path, errno))
    }

    /// Reads a regular file of at most `limit` bytes.
    pub fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, DiskError> {
        let file = self.open_regular(name)?;
        let fail = |source| DiskError { operation: "read", path: self.path.join(name), source };
        let size = file.metadata().map_err(fail)?.len();
        let too_large = || {
            fail(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("it has more than the {limit} bytes that it may have"),
            ))
        };
        if size > limit {
            return Err(too_large());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0).saturating_add(1));
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(fail)?;
        if bytes.len() as u64 > limit { Err(too_large()) } else { Ok(bytes) }
    }

    /// Reads at most the first `length` bytes of a regular file.
    pub fn read_head(&self, name: &str, length: u64) -> Result<Vec<u8>, DiskError> {
        let mut bytes = Vec::new();
        self.open_regular(name)?.take(length).read_to_end(&mut bytes).map_err(|source| DiskError {
            operation: "read",
            path: self.path.join(name),
            source,
        })?;
        Ok(bytes)
    }

    /// The size of a regular file in bytes; `None` where there is none of that name.
    pub fn size_of(&self, name: &str) -> Result<Option<u64>, DiskError> {
        match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                Ok(Some(u64::try_from(stat.st_size).unwrap_or(0)))
            }
            Ok(_) | Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.failed("look at", name, errno)),
        }
    }

    /// The names of everything in it that are UTF-8, in no order; names of ours always are.
    pub fn names(&self) -> Result<Vec<String>, DiskError> {
        let fail = |errno| failed("list", &self.path, errno);
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.handle).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            match entry.file_name().to_str() {
                Ok("." | "..") | Err(_) => {}
                Ok(name) => names.push(name.to_owned()),
            }
        }
        Ok(names)
    }

    /// Something that changes whenever a name is added, taken away or changed here, within the kernel's clock tick.
    /// `None` where that cannot be told.
    pub fn stamp(&self) -> Option<String> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = File::from(self.handle.try_clone().ok()?).metadata().ok()?;
        Some(format!(
            "{}:{}:{}.{:09}:{}.{:09}",
            metadata.dev(),
            metadata.ino(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec()
        ))
    }

    /// Whether something of an operation that failed is left here, until [`Folder::remove_temporaries`].
    pub fn has_leftovers(&self) -> bool {
        self.has_leftovers.load(Ordering::Relaxed)
    }

    /// Removes what a crash has left under a temporary name, and says how many there were.
    pub fn remove_temporaries(&self) -> Result<usize, DiskError> {
        let mut removed = 0;
        for name in self.names()?.iter().filter(|name| name.starts_with(TEMPORARY_PREFIX)) {
            let path = self.path.join(name);
            // A restore that was not finished is a directory of files. Links in it are removed, not followed.
            if path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
                std::fs::remove_dir_all(&path).map_err(|source| DiskError { operation: "remove", path, source })?;
                removed += 1;
            } else {
                removed += usize::from(self.unlink(name)?);
            }
        }
        self.has_leftovers.store(false, Ordering::Relaxed);
        Ok(removed)
    }

    fn write(&self, name: &str, bytes: &[u8], flags: RenameFlags) -> Result<(), DiskError> {
        let temporary = match self.write_temporary(bytes) {
            Err(Unwritten { synced: false, error }) if !error.is_full() => {
                tracing::warn!(%error, source = %error.source, "Writing anew after a failed sync.");
                self.write_temporary(bytes)
            }
            other => other,
        }
        .map_err(|unwritten| DiskError { path: self.path.join(name), ..unwritten.error })?;
        let renamed = self.rename_only(&temporary, name, flags);
        if let Err(error) = renamed {
            self.forget(&temporary);
            return Err(error);
        }
        self.sync().inspect_err(|_| {
            // It may or may not survive a power cut, so nobody may rely on it. Where it replaced something the new
            // contents are as good as the old; where it is new it goes again, and the next sync settles that.
            if flags.contains(RenameFlags::NOREPLACE) {
                self.forget(name);
            }
        })
    }

    fn write_temporary(&self, bytes: &[u8]) -> Result<String, Unwritten> {
        let (name, mut file) = self.open_temporary().map_err(|error| Unwritten { synced: true, error })?;
        let written = fault::hit("write")
            .map_err(io::Error::from)
            .and_then(|()| file.write_all(bytes))
            .map_err(|source| (true, "write", source));
        let synced = written.and_then(|()| {
            fault::hit("sync")
                .map_err(io::Error::from)
                .and_then(|()| file.sync_all())
                .map_err(|source| (false, "sync", source))
        });
        synced.map(|()| name.clone()).map_err(|(synced, operation, source)| {
            self.forget(&name);
            Unwritten { synced, error: DiskError { operation, path: self.path.join(&name), source } }
        })
    }

    pub(super) fn open_temporary(&self) -> Result<(String, File), DiskError> {
        let name = format!("{TEMPORARY_PREFIX}{}", Uuid::new_v4().as_simple());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        fault::hit("create")
            .and_then(|()| rustix::fs::openat(&self.handle, &name, flags, Mode::RUSR | Mode::WUSR))
            .map(|handle| (name.clone(), File::from(handle)))
            .map_err(|errno| self.failed("create", &name, errno))
    }

    pub(super) fn rename_only(&self, from: &str, to: &str, flags: RenameFlags) -> Result<(), DiskError> {
        use rustix::io::Errno;
        let renamed = fault::hit("rename").and_then(|()| {
            if flags.is_empty() {
                return rustix::fs::renameat(&self.handle, from, &self.handle, to);
            }
            match rustix::fs::renameat_with(&self.handle, from, &self.handle, to, flags) {
                // A filesystem that cannot refuse to replace. Names of ours are unique, so looking first will do.
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                    match rustix::fs::statat(&self.handle, to, AtFlags::SYMLINK_NOFOLLOW) {
                        Err(Errno::NOENT) => rustix::fs::renameat(&self.handle, from, &self.handle, to),
                        Err(errno) => Err(errno),
                        Ok(_) => Err(Errno::EXIST),
                    }
                }
                other => other,
            }
        });
        renamed.map_err(|errno| self.failed("rename to", to, errno))
    }

    /// Removes a file that is of no use. Where that fails too, a start will do it.
    pub(super) fn forget(&self, name: &str) {
        let removed = fault::hit("forget").and_then(|()| rustix::fs::unlinkat(&self.handle, name, AtFlags::empty()));
        if let Err(error) = removed {
            tracing::debug!(%error, name, "A temporary file is left behind.");
            self.has_leftovers.store(true, Ordering::Relaxed);
        }
    }

    /// Opens a regular file for reading. Links are not followed, and pipes not waited for.
    pub fn open_regular(&self, name: &str) -> Result<File, DiskError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(&self.handle, name, flags, Mode::empty())
            .map_err(|errno| self.failed("open", name, errno))?;
        let stat = rustix::fs::fstat(&handle).map_err(|errno| self.failed("look at", name, errno))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file");
            return Err(DiskError { operation: "open", path: self.path.join(name), source });
        }
        Ok(File::from(handle))
    }

    fn failed(&self, operation: &'static str, name: &str, errno: rustix::io::Errno) -> DiskError {
        failed(operation, &self.path.join(name), errno)
    }
}

/// Why a temporary file was not written, and whether another attempt could help.
struct Unwritten {
    synced: bool,
    error: DiskError,
}

fn failed(operation: &'static str, path: &Path, errno: rustix::io::Errno) -> DiskError {
    DiskError { operation, path: path.to_owned(), source: errno.into() }
}

/// Lets a test fail the k-th operation. Compiled to nothing in the program.
pub(crate) mod fault {
    #[cfg(not(test))]
    pub(crate) fn hit(_operation: &'static str) -> rustix::io::Result<()> {
        Ok(())
    }

    #[cfg(test)]
    pub(crate) use testing::*;

    #[cfg(test)]
    mod testing {
        use std::cell::RefCell;

        use rustix::io::Errno;

        #[derive(Debug, Default)]
        struct Plan {
            seen: Vec<&'static str>,
            first: usize,
            count: usize,
            errno: Option<Errno>,
            with_cleanup: bool,
        }

        thread_local! {
            static PLAN: RefCell<Plan> = RefCell::default();
        }

        /// Fails `count` operations of this thread, from the `first` (counted from 1) on.
        pub(crate) fn inject(first: usize, count: usize, errno: Errno) {
            PLAN.set(Plan { first, count, errno: Some(errno), ..Plan::default() });
        }

        /// The same, and removing what an operation that failed has left counts as one too.
        pub(crate) fn inject_with_cleanup(first: usize, count: usize, errno: Errno) {
            PLAN.set(Plan { first, count, errno: Some(errno), with_cleanup: true, ..Plan::default() });
        }

        /// Ends the faults, and tells the operations seen since they began.
        pub(crate) fn end() -> Vec<&'static str> {
            PLAN.take().seen
        }

        pub(crate) fn hit(operation: &'static str) -> rustix::io::Result<()> {
            PLAN.with_borrow_mut(|plan| {
                if operation == "forget" && !plan.with_cleanup {
                    return Ok(());
                }
                plan.seen.push(operation);
                let place = plan.seen.len();
                match plan.errno {
                    Some(errno) if place >= plan.first && place - plan.first < plan.count => Err(errno),
                    _ => Ok(()),
                }
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use rustix::io::Errno;

    use super::*;

    fn names(folder: &Folder) -> Vec<String> {
        let mut names = folder.names().unwrap();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_private_whole_and_replaced_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        atomic_write(&path, b"one").unwrap();
        atomic_write(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(&Folder::open(dir.path()).unwrap()), ["file"]);
    }

    #[test]
    fn create_never_replaces() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        folder.create("file", b"one").unwrap();
        let error = folder.create("file", b"two").unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(folder.read("file", 10).unwrap(), b"one");
        assert_eq!(names(&folder), ["file"]);
    }

    #[test]
    fn a_fault_at_any_step_leaves_no_trace_of_a_new_file() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        folder.create("calibrate", b"x").unwrap();
        let steps = fault::end();
        assert_eq!(steps, ["create", "write", "sync", "rename", "sync directory"]);
        for errno in [Errno::NOSPC, Errno::IO, Errno::ROFS, Errno::MFILE] {
            for step in 1..=steps.len() {
                fault::inject(step, usize::MAX, errno);
                let error = folder.create("file", b"bytes").unwrap_err();
                fault::end();
                assert_eq!(error.is_full(), errno == Errno::NOSPC);
                assert_eq!(names(&folder), ["calibrate"], "after {errno} at {step}");
            }
        }
    }

    #[test]
    fn a_failed_sync_is_answered_by_a_new_file() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        fault::inject(3, 1, Errno::IO);
        folder.create("file", b"bytes").unwrap();
        assert_eq!(fault::end(), ["create", "write", "sync", "create", "write", "sync", "rename", "sync directory"]);
        assert_eq!(names(&folder), ["file"]);
    }

    #[test]
    fn links_and_pipes_are_not_read_and_nothing_waits_for_them() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        folder.create("file", b"bytes").unwrap();
        std::os::unix::fs::symlink("file", dir.path().join("link")).unwrap();
        rustix::fs::mkfifoat(folder.handle(), "pipe", Mode::RUSR | Mode::WUSR).unwrap();
        assert!(folder.read("link", 10).is_err());
        assert!(folder.read("pipe", 10).is_err());
        assert!(folder.read("file", 4).is_err());
        assert_eq!(folder.read("file", 5).unwrap(), b"bytes");
        assert_eq!(folder.read_head("file", 2).unwrap(), b"by");
    }

    #[test]
    fn temporaries_are_recognised_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        folder.create("file", b"bytes").unwrap();
        let left = folder.write_temporary(b"half").map_err(|unwritten| unwritten.error).unwrap();
        assert!(left.starts_with(TEMPORARY_PREFIX));
        assert_eq!(folder.remove_temporaries().unwrap(), 1);
        assert_eq!(names(&folder), ["file"]);
    }
}
