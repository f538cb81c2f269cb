//! One writer: a lock on the file `lock`, held for life, and what it says about who holds it.
//!
//! Owns: the lock and its file. Must not know: what is locked.
//!
//! The lock is the kernel's (`flock(2)`), so it ends with its process however that ends: there is no stale lock, and
//! what the file says counts only while somebody holds it.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::disk::{DiskError, Folder};
use crate::model::Wall;

/// How often the lock is tried, this far apart, before somebody else is said to hold it: a reader that asks who
/// holds it has it for an instant.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(10);
/// More than a holder ever writes.
const MAX_LOCK_BYTES: u64 = 4096;

/// Who holds the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process, in the holder's own pid namespace.
    pub pid: u32,
    /// When it took the lock.
    pub started_at: Wall,
    /// Where it answers, once it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_socket: Option<PathBuf>,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody has it.
    #[error("another ghostd{} writes to `{path}`", holder.as_ref().map_or_else(String::new, |holder| format!(" (pid {})", holder.pid)))]
    Held {
        /// The data directory.
        path: PathBuf,
        /// Who, where it could be read.
        holder: Option<Holder>,
    },
    /// It could not be tried.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// The lock, taken. It ends when this is dropped.
#[derive(Debug)]
pub struct WriterLock {
    file: File,
    path: PathBuf,
    holder: Holder,
}

impl WriterLock {
    /// Takes the lock of a data directory.
    pub fn take(directory: &Folder, name: &str, now: Wall) -> Result<Self, LockError> {
        let path = directory.path().join(name);
        let fail = |operation| {
            let path = path.clone();
            move |errno: Errno| DiskError { operation, path, source: errno.into() }
        };
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle =
            rustix::fs::openat(directory.handle(), name, flags, Mode::RUSR | Mode::WUSR).map_err(fail("open"))?;
        let mut tries = 0;
        loop {
            match rustix::fs::flock(&handle, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK) if tries < TRIES => {
                    tries += 1;
                    std::thread::sleep(BETWEEN_TRIES);
                }
                Err(Errno::WOULDBLOCK) => {
                    let holder = read_holder(&mut File::from(handle));
                    return Err(LockError::Held { path: directory.path().to_owned(), holder });
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(fail("lock")(errno).into()),
            }
        }
        let holder = Holder { pid: std::process::id(), started_at: now, control_socket: None };
        let mut lock = Self { file: File::from(handle), path, holder };
        lock.write_holder()?;
        Ok(lock)
    }

    /// The same lock once more: it ends when both are dropped.
    pub(super) fn share(&self) -> Result<Self, LockError> {
        let fail = |source| DiskError { operation: "lock", path: self.path.clone(), source };
        let file = self.file.try_clone().map_err(fail)?;
        Ok(Self { file, path: self.path.clone(), holder: self.holder.clone() })
    }

    /// Tells others where to reach the holder.
    pub fn set_control_socket(&mut self, socket: Option<&Path>) -> Result<(), LockError> {
        self.holder.control_socket = socket.map(Path::to_owned);
        self.write_holder()
    }

    /// The file is written in place: it is the lock, and a new file under its name would be another lock.
    fn write_holder(&mut self) -> Result<(), LockError> {
        let mut text = serde_json::to_vec(&self.holder).unwrap_or_default();
        text.push(b'\n');
        let written = self.file.set_len(0).and_then(|()| self.file.rewind()).and_then(|()| self.file.write_all(&text));
        match written {
            Ok(()) => Ok(()),
            // A full disk must not keep a recorder from starting: the lock holds without its text.
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                tracing::warn!(%error, path = %self.path.display(), "The lock cannot say who holds it.");
                Ok(())
            }
            Err(source) => Err(DiskError { operation: "write", path: self.path.clone(), source }.into()),
        }
    }
}

/// Who writes to a data directory now; `None` where nobody does. It needs no right to write there.
pub fn holder(data_directory: &Path) -> Result<Option<Holder>, DiskError> {
    let path = data_directory.join(super::directory::LOCK);
    let fail =
        |errno: Errno| DiskError { operation: "ask for the holder of", path: path.clone(), source: errno.into() };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let handle = match rustix::fs::open(&path, flags, Mode::empty()) {
        Ok(handle) => handle,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(fail(errno)),
    };
    match rustix::fs::flock(&handle, FlockOperation::NonBlockingLockShared) {
        Ok(()) => return Ok(None),
        Err(Errno::WOULDBLOCK) => {}
        Err(errno) => return Err(fail(errno)),
    }
    let mut file = File::from(handle);
    // It is written in place, so for an instant it can be empty or half.
    for _ in 0..TRIES {
        if let Some(holder) = read_holder(&mut file) {
            return Ok(Some(holder));
        }
        std::thread::sleep(BETWEEN_TRIES);
    }
    Ok(Some(Holder { pid: 0, started_at: Wall(0), control_socket: None }))
}

fn read_holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(MAX_LOCK_BYTES).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = super::super::directory::LOCK;

    #[test]
    fn there_is_one_writer_and_others_can_tell_who() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        assert_eq!(holder(dir.path()).unwrap(), None);
        let mut lock = WriterLock::take(&folder, NAME, Wall(7_000_000)).unwrap();
        lock.set_control_socket(Some(Path::new("/run/x.sock"))).unwrap();
        let expected =
            Holder { pid: std::process::id(), started_at: Wall(7_000_000), control_socket: Some("/run/x.sock".into()) };
        assert_eq!(holder(dir.path()).unwrap(), Some(expected.clone()));
        let error = WriterLock::take(&folder, NAME, Wall(0)).unwrap_err();
        assert!(matches!(&error, LockError::Held { holder: Some(holder), .. } if *holder == expected), "{error}");
        assert!(error.to_string().contains("(pid "), "{error}");
    }

    #[test]
    fn what_a_dead_holder_left_in_the_file_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        drop(WriterLock::take(&folder, NAME, Wall(0)).unwrap());
        assert!(dir.path().join(NAME).metadata().unwrap().len() > 0);
        assert_eq!(holder(dir.path()).unwrap(), None);
        WriterLock::take(&folder, NAME, Wall(0)).unwrap();
    }

    #[test]
    fn a_child_does_not_inherit_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let lock = WriterLock::take(&folder, NAME, Wall(0)).unwrap();
        let mut child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
        drop(lock);
        let taken = WriterLock::take(&folder, NAME, Wall(0));
        child.kill().unwrap();
        child.wait().unwrap();
        taken.unwrap();
    }
}
