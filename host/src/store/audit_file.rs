//! The audit log's files.
//!
//! ```text
//! <data>/audit.jsonl                        what is added to
//! <data>/audit-{first byte}.jsonl           what was, before it grew too large: the log's bytes from that place on
//! ```
//!
//! The log is one sequence of bytes, and its files are that sequence cut at ends of lines: put behind each other by
//! their names they are what one file would have been. So places in the log stay what they are when it is rotated, and
//! its chain knows nothing of files; one that is missing is a gap in the chain like any other.
//!
//! Owns: how they are opened, added to, cut, rotated and read. Must not know: what a line says.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::directory::AUDIT;
use super::disk::{DiskError, Folder, atomic_write, fault};
use crate::audit::{self, Log, MAX_LINE_BYTES, MAX_UNSYNCED_BYTES, Medium, Tail};

/// The most that stands at the end of the log and was never synced.
const NEVER_SYNCED_BYTES: u64 = (MAX_UNSYNCED_BYTES + MAX_LINE_BYTES) as u64;

struct AuditFile {
    file: File,
    path: PathBuf,
    /// The place in the log of the file's first byte.
    base: u64,
}

impl Medium for AuditFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        fault::hit("audit append")?;
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        fault::hit("audit sync")?;
        self.file.sync_data()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        fault::hit("audit cut")?;
        self.file.set_len(length.saturating_sub(self.base))
    }

    fn rotate(&mut self, length: u64) -> io::Result<()> {
        let folder = self.path.parent().map(Folder::open).transpose().map_err(|error| error.source)?;
        let folder = folder.ok_or(io::ErrorKind::InvalidInput)?;
        match folder.rename(AUDIT, &segment_name(self.base)) {
            // It has its new name already, and what failed then was the new file.
            Err(error) if error.is_not_found() => {}
            other => other.map_err(|error| error.source)?,
        }
        let file = open_writing(&self.path)?;
        folder.sync().map_err(|error| error.source)?;
        *self = Self { file, path: self.path.clone(), base: length };
        Ok(())
    }
}

/// Opens the log for adding to it, makes it where there is none, and says how it ends. What a power cut has left of
/// lines that were never durable goes into a file beside it: see [`hole_in`].
pub(super) fn open(path: &Path) -> Result<(Log, Tail), DiskError> {
    let fail = |source| DiskError { operation: "open", path: path.to_owned(), source };
    let mut file = fault::hit("audit open").map_err(io::Error::from).and_then(|()| open_writing(path)).map_err(fail)?;
    let segments = segments(path).map_err(fail)?;
    let base = segments.last().map_or(0, |last| last.start + last.size);
    let whole = file.metadata().map_err(fail)?.len();
    let hole = hole_in(&mut file, whole).map_err(fail)?;
    let mut tail = tail_within(&mut file, hole.unwrap_or(whole)).map_err(fail)?;
    tail.torn_bytes = whole - tail.length;
    if hole.is_some() {
        let mut torn = Vec::new();
        file.seek(SeekFrom::Start(tail.length)).and_then(|_| file.read_to_end(&mut torn)).map_err(fail)?;
        let aside = path.with_extension(format!("jsonl.torn-{}", base + tail.length));
        match atomic_write(&aside, &torn) {
            Err(error) if !error.is_full() => return Err(error),
            _ => {}
        }
    }
    // After a rotation it begins empty, and goes on from the end of the one before.
    if tail.head.is_none()
        && tail.length == 0
        && let Some(last) = segments.last()
    {
        let before = open_reading(&last.path).and_then(|mut file| tail_of(&mut file)).map_err(fail)?;
        tail = Tail { head: before.head, flaw: before.flaw, ..tail };
    }
    tail.length += base;
    let medium = AuditFile { file, path: path.to_owned(), base };
    Ok((Log::resume(Box::new(medium), &tail).beginning_at(base), tail))
}

/// The log for reading from a place on; `None` where there is none.
pub(super) fn read_from(path: &Path, offset: u64) -> Result<Option<BufReader<AuditReader>>, DiskError> {
    let fail = |source| DiskError { operation: "read", path: path.to_owned(), source };
    let Some(files) = files(path).map_err(fail)? else { return Ok(None) };
    // A place that does not follow a line feed is none of ours: then everything is read.
    if offset > 0
        && let Some(at) = files.iter().position(|one| one.start < offset && offset <= one.start + one.size)
    {
        let mut before = [0];
        let mut file = open_reading(&files[at].path).map_err(fail)?;
        let found = file.seek(SeekFrom::Start(offset - files[at].start - 1)).and_then(|_| file.read_exact(&mut before));
        if found.is_ok() && before == [b'\n'] {
            let rest = files.into_iter().skip(at + 1).map(|one| one.path).collect();
            return Ok(Some(buffered(AuditReader { now: Some(file), rest, size: 0 })));
        }
    }
    let size = files.iter().map(|one| one.size).sum();
    let rest = files.into_iter().map(|one| one.path).collect();
    Ok(Some(buffered(AuditReader { now: None, rest, size })))
}

/// The whole log as it is now: how many bytes, and where they come from. `None` where there is none.
pub fn audit_log(data_directory: &Path) -> Result<Option<(u64, BufReader<AuditReader>)>, DiskError> {
    Ok(read_from(&data_directory.join(AUDIT), 0)?.map(|log| (log.get_ref().size, log)))
}

/// Whether a file's name is that of a part of the log that was rotated.
pub(super) fn is_segment(name: &str) -> bool {
    start_of(name).is_some()
}

/// The files of a log, one behind the other.
#[derive(Debug)]
pub struct AuditReader {
    now: Option<File>,
    rest: VecDeque<PathBuf>,
    size: u64,
}

impl Read for AuditReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(file) = &mut self.now {
                let count = file.read(buffer)?;
                if count > 0 || buffer.is_empty() {
                    return Ok(count);
                }
            }
            let Some(next) = self.rest.pop_front() else { return Ok(0) };
            self.now = Some(open_reading(&next)?);
        }
    }
}

fn buffered(reader: AuditReader) -> BufReader<AuditReader> {
    BufReader::with_capacity(64 << 10, reader)
}

/// A file of the log.
struct Part {
    start: u64,
    size: u64,
    path: PathBuf,
}

/// All files of the log in order; `None` where there is none. One that is rotated while this looks is not counted
/// twice: the file that is added to is looked at first.
fn files(path: &Path) -> io::Result<Option<Vec<Part>>> {
    let newest = match open_reading(path) {
        Ok(file) => Some(file.metadata()?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let mut files = segments(path)?;
    if let Some(newest) = newest {
        let is_new = |part: &Part| {
            part.path.symlink_metadata().is_ok_and(|other| (other.dev(), other.ino()) != (newest.dev(), newest.ino()))
        };
        files.retain(is_new);
        let start = files.last().map_or(0, |last| last.start + last.size);
        files.push(Part { start, size: newest.len(), path: path.to_owned() });
    }
    Ok((!files.is_empty()).then_some(files))
}

fn segments(path: &Path) -> io::Result<Vec<Part>> {
    let Some(directory) = path.parent() else { return Ok(Vec::new()) };
    let folder = Folder::open(directory).map_err(|error| error.source)?;
    let mut segments = Vec::new();
    for name in folder.names().map_err(|error| error.source)? {
        let Some(start) = start_of(&name) else { continue };
        if let Some(size) = folder.size_of(&name).map_err(|error| error.source)? {
            segments.push(Part { start, size, path: directory.join(name) });
        }
    }
    segments.sort_by_key(|part| part.start);
    Ok(segments)
}

fn segment_name(start: u64) -> String {
    format!("audit-{start:016}.jsonl")
}

fn start_of(name: &str) -> Option<u64> {
    let start = name.strip_prefix("audit-")?.strip_suffix(".jsonl")?.parse().ok()?;
    (segment_name(start) == name).then_some(start)
}

fn open_writing(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?))
}

fn open_reading(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

fn tail_of(file: &mut File) -> io::Result<Tail> {
    let size = file.metadata()?.len();
    tail_within(file, size)
}

/// Where the first NUL is near the end. No line has one: it is what a power cut leaves of bytes that were never written,
/// whatever it has left of those behind them. What is not synced is never more than this looks at, so nothing that was
/// ever said to be there is behind it.
fn hole_in(file: &mut File, size: u64) -> io::Result<Option<u64>> {
    let mut at = size.saturating_sub(NEVER_SYNCED_BYTES);
    file.seek(SeekFrom::Start(at))?;
    let mut reader = BufReader::with_capacity(64 << 10, file);
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok(None);
        }
        if let Some(place) = memchr::memchr(0, bytes) {
            return Ok(Some(at + place as u64));
        }
        let count = bytes.len();
        at += count as u64;
        reader.consume(count);
    }
}

fn tail_within(file: &mut File, size: u64) -> io::Result<Tail> {
    let mut piece = 64 << 10;
    loop {
        let before = size.saturating_sub(piece);
        file.seek(SeekFrom::Start(before))?;
        let mut bytes = Vec::new();
        (&mut *file).take(size - before).read_to_end(&mut bytes)?;
        let tail = audit::read_tail(&bytes, before);
        // Where the last line did not fit into the piece it looks damaged: look at more before saying so.
        if before == 0 || tail.head.is_some() || piece > 2 * MAX_LINE_BYTES as u64 {
            return Ok(tail);
        }
        piece *= 8;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Wall;

    /// A log in several files, with its lines.
    fn scene(dir: &Path) -> Vec<String> {
        let path = dir.join(AUDIT);
        let (mut log, _) = open(&path).unwrap();
        log.rotate_at(2_000);
        for n in 0..40 {
            log.append(Wall(n), "capture", json!({ "n": n })).unwrap();
            if n % 7 == 0 {
                log.sync().unwrap();
            }
            if n % 11 == 0 {
                drop(log);
                log = open(&path).unwrap().0;
                log.rotate_at(2_000);
            }
        }
        log.sync().unwrap();
        let mut text = String::new();
        read_from(&path, 0).unwrap().unwrap().read_to_string(&mut text).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn verify(dir: &Path) -> audit::Verification {
        audit::verify(&mut read_from(&dir.join(AUDIT), 0).unwrap().unwrap(), &[], &mut |_| {}).unwrap()
    }

    fn parts(dir: &Path) -> Vec<PathBuf> {
        files(&dir.join(AUDIT)).unwrap().unwrap().into_iter().map(|part| part.path).collect()
    }

    #[test]
    fn a_log_that_is_rotated_is_the_same_log() {
        let dir = tempfile::tempdir().unwrap();
        let lines = scene(dir.path());
        assert_eq!((lines.len(), parts(dir.path()).len() > 3), (40, true));
        let checked = verify(dir.path());
        assert_eq!((checked.lines, checked.findings), (40, vec![]));
        // Every end of a line is a place to read on from, whichever file it is in; any other place means the beginning.
        let mut place = 0;
        for (n, line) in lines.iter().enumerate() {
            place += line.len() as u64 + 1;
            let mut rest = String::new();
            read_from(&dir.path().join(AUDIT), place).unwrap().unwrap().read_to_string(&mut rest).unwrap();
            assert_eq!(rest.lines().count(), 40 - n - 1, "{place}");
        }
        let mut all = String::new();
        read_from(&dir.path().join(AUDIT), 5).unwrap().unwrap().read_to_string(&mut all).unwrap();
        assert_eq!(all.lines().count(), 40);
        let (size, _) = audit_log(dir.path()).unwrap().unwrap();
        assert_eq!(size, place);
        assert_eq!(open(&dir.path().join(AUDIT)).unwrap().1.length, place);
    }

    #[test]
    fn a_part_that_is_missing_cut_or_changed_is_found() {
        let damages: [(&str, &dyn Fn(&Path)); 4] = [
            ("missing", &|path| std::fs::remove_file(path).unwrap()),
            ("cut within a line", &|path| cut(path, 10)),
            ("empty", &|path| cut(path, u64::MAX)),
            ("changed", &|path| {
                let mut bytes = std::fs::read(path).unwrap();
                let place = bytes.len() / 2;
                bytes[place] ^= 1;
                super::super::disk::atomic_write(path, &bytes).unwrap();
            }),
        ];
        for (what, damage) in damages {
            for part in 0..3 {
                let dir = tempfile::tempdir().unwrap();
                scene(dir.path());
                damage(&parts(dir.path())[part]);
                assert!(!verify(dir.path()).findings.is_empty(), "{what} {part}");
            }
        }
        fn cut(path: &Path, count: u64) {
            let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(file.metadata().unwrap().len().saturating_sub(count)).unwrap();
        }
    }

    #[test]
    fn a_rotation_that_a_crash_or_fault_interrupts_loses_nothing() {
        use rustix::io::Errno;
        for step in 1..40 {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(AUDIT);
            let (mut log, _) = open(&path).unwrap();
            log.rotate_at(1_000);
            let mut written = 0;
            fault::inject(step, 3, Errno::IO);
            for n in 0..20 {
                written += u64::from(log.append(Wall(n), "capture", json!({ "n": n })).is_ok());
            }
            fault::end();
            log.sync().unwrap();
            drop(log);
            let (mut log, _) = open(&path).unwrap();
            log.append(Wall(99), "capture", json!({})).unwrap();
            log.sync().unwrap();
            let checked = verify(dir.path());
            assert_eq!((checked.lines, checked.findings), (written + 1, vec![]), "step {step}");
        }
    }
}
