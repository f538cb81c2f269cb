//! The audit log's file.
//!
//! Owns: how `audit.jsonl` is opened, added to and cut. Must not know: what a line says.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::disk::{DiskError, fault};
use crate::audit::{self, Log, MAX_LINE_BYTES, Medium, Tail};

struct AuditFile(File);

impl Medium for AuditFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        fault::hit("audit append")?;
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        fault::hit("audit sync")?;
        self.0.sync_data()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        fault::hit("audit cut")?;
        self.0.set_len(length)
    }
}

/// Opens the log for adding to it, makes it where there is none, and says how it ends.
pub(super) fn open(path: &Path) -> Result<(Log, Tail), DiskError> {
    let fail = |source| DiskError { operation: "open", path: path.to_owned(), source };
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = fault::hit("audit open")
        .and_then(|()| rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR))
        .map(File::from)
        .map_err(|errno| fail(errno.into()))?;
    let tail = tail_of(&mut file).map_err(fail)?;
    Ok((Log::resume(Box::new(AuditFile(file)), &tail), tail))
}

/// The log for reading from a place on; `None` where there is none.
pub(super) fn read_from(path: &Path, offset: u64) -> Result<Option<BufReader<File>>, DiskError> {
    let fail = |source| DiskError { operation: "read", path: path.to_owned(), source };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(handle) => File::from(handle),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(fail(errno.into())),
    };
    // A place that does not follow a line feed is none of ours: then everything is read.
    let mut before = [b'\n'];
    if offset > 0 {
        let found = file.seek(SeekFrom::Start(offset - 1)).and_then(|_| file.read_exact(&mut before));
        if found.is_err() || before != [b'\n'] {
            file.rewind().map_err(fail)?;
        }
    }
    Ok(Some(BufReader::with_capacity(64 << 10, file)))
}

fn tail_of(file: &mut File) -> io::Result<Tail> {
    let size = file.metadata()?.len();
    let mut piece = 64 << 10;
    loop {
        let before = size.saturating_sub(piece);
        file.seek(SeekFrom::Start(before))?;
        let mut bytes = Vec::new();
        file.take(piece).read_to_end(&mut bytes)?;
        let tail = audit::read_tail(&bytes, before);
        // Where the last line did not fit into the piece it looks damaged: look at more before saying so.
        if before == 0 || tail.head.is_some() || piece > 2 * MAX_LINE_BYTES as u64 {
            return Ok(tail);
        }
        piece *= 8;
    }
}
