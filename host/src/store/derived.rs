//! Files that are derived from what is durable already: what others read as it stands, such as the published state.
//!
//! Owns: how such a file is replaced whole, and how a log of them grows and is rotated. Nothing here is synced: after a
//! power cut the next heartbeat makes it anew.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd;

use rustix::fs::{Gid, Mode, OFlags, RenameFlags};

use super::disk::{DiskError, Folder};

/// Who may read a derived file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readers {
    /// The permissions, such as 0o640.
    pub mode: u32,
    /// The group that it is given; none for ours.
    pub group: Option<u32>,
}

impl Readers {
    fn apply(self, file: &File) -> rustix::io::Result<()> {
        if let Some(group) = self.group {
            rustix::fs::fchown(file.as_fd(), None, Some(Gid::from_raw(group)))?;
        }
        rustix::fs::fchmod(file.as_fd(), Mode::from_raw_mode(self.mode as rustix::fs::RawMode))
    }
}

impl Folder {
    /// Replaces a file whole or not at all, for those readers. Not durable.
    pub fn replace_derived(&self, name: &str, bytes: &[u8], readers: Readers) -> Result<(), DiskError> {
        let (temporary, mut file) = self.open_temporary()?;
        let written = file
            .write_all(bytes)
            .and_then(|()| readers.apply(&file).map_err(std::io::Error::from))
            .map_err(|source| DiskError { operation: "write", path: self.path().join(name), source })
            .and_then(|()| self.rename_only(&temporary, name, RenameFlags::empty()));
        written.inspect_err(|_| self.forget(&temporary))
    }

    /// Adds to a log. Where it would grow beyond `most` bytes, it becomes `NAME.1`, that becomes `NAME.2`, and so on up
    /// to `kept`. Not durable.
    pub fn append_derived(
        &self,
        name: &str,
        bytes: &[u8],
        readers: Readers,
        most: u64,
        kept: u32,
    ) -> Result<(), DiskError> {
        let size = self.size_of(name)?.unwrap_or(0);
        if size > 0 && size.saturating_add(bytes.len() as u64) > most {
            let numbered = |number: u32| if number == 0 { name.to_owned() } else { format!("{name}.{number}") };
            for number in (0..kept).rev() {
                match self.rename_only(&numbered(number), &numbered(number + 1), RenameFlags::empty()) {
                    Err(error) if !error.is_not_found() => return Err(error),
                    _ => {}
                }
            }
        }
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let failed = |source| DiskError { operation: "append to", path: self.path().join(name), source };
        let handle = rustix::fs::openat(self.handle(), name, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|errno| failed(errno.into()))?;
        let mut file = File::from(handle);
        if file.metadata().map_err(failed)?.len() == 0 {
            readers.apply(&file).map_err(|errno| failed(errno.into()))?;
        }
        file.write_all(bytes).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_derived_file_is_replaced_whole_and_for_its_readers() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let readers = Readers { mode: 0o640, group: None };
        for text in ["one", "two"] {
            folder.replace_derived("state.json", text.as_bytes(), readers).unwrap();
            assert_eq!(std::fs::read_to_string(dir.path().join("state.json")).unwrap(), text);
        }
        let mode = std::fs::metadata(dir.path().join("state.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        assert_eq!(folder.names().unwrap(), ["state.json"], "nothing temporary is left");
    }

    #[test]
    fn a_log_is_rotated_and_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let readers = Readers { mode: 0o600, group: None };
        for line in 0..10 {
            folder.append_derived("events.log", format!("line {line}\n").as_bytes(), readers, 20, 2).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(
            (read("events.log.2"), read("events.log.1"), read("events.log")),
            ("line 4\nline 5\n".into(), "line 6\nline 7\n".into(), "line 8\nline 9\n".into())
        );
        assert_eq!(folder.names().unwrap().len(), 3);
    }
}
