//! As much of tar as a backup needs, and nothing that could do harm.
//!
//! Owns: writing and reading ustar archives (POSIX.1-1988) of regular files with plain names. A reader gives out
//! nothing else: links, devices, directories, absolute paths, `..`, extended headers are refused, so an archive can
//! name no place but those that the caller has for it. Must not know: what is in the files.
//!
//! It is tar so that somebody without ghostd, at three in the morning, gets at what is inside with
//! `zstd -dc FILE | tar -t`.

use std::io::{self, Read, Write};

use sha2::{Digest as _, Sha256};

use crate::model::Digest;

const BLOCK: usize = 512;
/// The longest name that a header has room for.
const MAX_NAME_BYTES: usize = 100;

/// Why an archive is not read any further.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// It cannot be read.
    #[error("cannot read the archive")]
    Io(#[from] io::Error),
    /// Its bytes are no archive.
    #[error("the archive is damaged: {0}")]
    Damaged(String),
    /// It holds what no backup holds.
    #[error("the archive holds {0}, which no backup of ghostd does (it is refused as a whole)")]
    Refused(String),
}

/// Writes an archive.
#[derive(Debug)]
pub(super) struct TarWriter<W> {
    out: W,
}

impl<W: Write> TarWriter<W> {
    /// Begins one.
    pub(super) fn new(out: W) -> Self {
        Self { out }
    }

    /// Adds a file of exactly `size` bytes and says what they hash to. Where `content` ends early, this fails, and
    /// the archive is of no use.
    pub(super) fn append(
        &mut self,
        name: &str,
        size: u64,
        mtime_seconds: u64,
        content: &mut dyn Read,
    ) -> io::Result<Digest> {
        self.out.write_all(&header(name, size, mtime_seconds)?)?;
        let mut hasher = Sha256::new();
        let mut left = size;
        let mut buffer = vec![0; 64 << 10];
        while left > 0 {
            let room = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let count = content.read(&mut buffer[..room])?;
            if count == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter while it was read"));
            }
            hasher.update(&buffer[..count]);
            self.out.write_all(&buffer[..count])?;
            left -= count as u64;
        }
        self.out.write_all(&[0; BLOCK][..padding(size)])?;
        Ok(Digest::finish(hasher))
    }

    /// Ends it.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        Ok(self.out)
    }
}

/// Reads an archive, file by file.
#[derive(Debug)]
pub(super) struct TarReader<R> {
    input: R,
}

/// A file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// Its name: plain parts, separated by slashes.
    pub(super) name: String,
    /// Its size in bytes.
    pub(super) size: u64,
}

impl<R: Read> TarReader<R> {
    /// Begins.
    pub(super) fn new(input: R) -> Self {
        Self { input }
    }

    /// The next file, whose content must then be read with [`TarReader::content`]; `None` at the end.
    pub(super) fn next_member(&mut self) -> Result<Option<Member>, TarError> {
        let mut block = [0; BLOCK];
        self.read_block(&mut block)?;
        if block == [0; BLOCK] {
            self.read_block(&mut block)?;
            let mut rest = [0];
            if block != [0; BLOCK] || self.input.read(&mut rest)? != 0 {
                return Err(TarError::Damaged("there is something behind its end".to_owned()));
            }
            return Ok(None);
        }
        let member = parse_header(&block)?;
        // A header has one form; whatever differs from it was not written by ghostd.
        let mtime = octal(&block[136..148]).unwrap_or(0);
        if header(&member.name, member.size, mtime)? != block {
            return Err(TarError::Damaged(format!("the header of `{}` is not one of ghostd's", member.name)));
        }
        Ok(Some(member))
    }

    /// Writes the content of the member to `out`, and says what it hashes to.
    pub(super) fn content(&mut self, member: &Member, out: &mut dyn Write) -> Result<Digest, TarError> {
        let mut hasher = Sha256::new();
        let mut left = member.size;
        let mut buffer = vec![0; 64 << 10];
        while left > 0 {
            let room = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let count = self.input.read(&mut buffer[..room])?;
            if count == 0 {
                return Err(TarError::Damaged(format!("it ends within `{}`", member.name)));
            }
            hasher.update(&buffer[..count]);
            out.write_all(&buffer[..count])?;
            left -= count as u64;
        }
        let mut block = [0; BLOCK];
        let padding = &mut block[..padding(member.size)];
        self.input.read_exact(padding)?;
        if padding.iter().any(|&byte| byte != 0) {
            return Err(TarError::Damaged(format!("there is something between `{}` and the next file", member.name)));
        }
        Ok(Digest::finish(hasher))
    }

    fn read_block(&mut self, block: &mut [u8; BLOCK]) -> Result<(), TarError> {
        self.input.read_exact(block).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => TarError::Damaged("it ends too early".to_owned()),
            _ => TarError::Io(error),
        })
    }
}

/// Whether a name has plain parts alone: it can lead nowhere but below where it is put.
pub(super) fn is_plain(name: &str) -> bool {
    let is_plain_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
    };
    name.len() <= MAX_NAME_BYTES && !name.is_empty() && name.split('/').all(is_plain_part)
}

fn padding(size: u64) -> usize {
    let over = (size % BLOCK as u64) as usize;
    if over == 0 { 0 } else { BLOCK - over }
}

fn header(name: &str, size: u64, mtime_seconds: u64) -> io::Result<[u8; BLOCK]> {
    // Eleven octal digits: 8 GiB.
    if !is_plain(name) || size >= 1 << 33 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{name}` has no place in a backup")));
    }
    let mut block = [0; BLOCK];
    let mut put = |place: usize, bytes: &[u8]| block[place..place + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, format!("{:011o}\0", mtime_seconds & 0o77_777_777_777).as_bytes());
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(block)
}

fn parse_header(block: &[u8; BLOCK]) -> Result<Member, TarError> {
    let damaged = |what: &str| TarError::Damaged(what.to_owned());
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(place, &byte)| match place {
            148..156 => u32::from(b' '),
            _ => u32::from(byte),
        })
        .sum();
    if octal(&block[148..156]) != Some(u64::from(sum)) {
        return Err(damaged("a header does not fit its checksum"));
    }
    let end = block[..MAX_NAME_BYTES].iter().position(|&byte| byte == 0).unwrap_or(MAX_NAME_BYTES);
    let name = String::from_utf8_lossy(&block[..end]).into_owned();
    let shown = || name.escape_debug().to_string();
    match block[156] {
        b'0' | 0 => {}
        b'1' => return Err(TarError::Refused(format!("a hard link (`{}`)", shown()))),
        b'2' => return Err(TarError::Refused(format!("a symbolic link (`{}`)", shown()))),
        b'3' | b'4' => return Err(TarError::Refused(format!("a device (`{}`)", shown()))),
        b'5' => return Err(TarError::Refused(format!("a directory (`{}`)", shown()))),
        b'6' => return Err(TarError::Refused(format!("a pipe (`{}`)", shown()))),
        other => return Err(TarError::Refused(format!("an entry of type {other} (`{}`)", shown()))),
    }
    if !is_plain(&name) || block[345] != 0 {
        return Err(TarError::Refused(format!("a file named `{}`", shown())));
    }
    let size = octal(&block[124..136]).ok_or_else(|| damaged("a size is no number"))?;
    Ok(Member { name, size })
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    u64::from_str_radix(text, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = TarWriter::new(Vec::new());
        for (name, content) in files {
            let digest = writer.append(name, content.len() as u64, 7, &mut &content[..]).unwrap();
            assert_eq!(digest, Digest::of(content));
        }
        writer.finish().unwrap()
    }

    fn read_all(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, TarError> {
        let mut reader = TarReader::new(bytes);
        let mut files = Vec::new();
        while let Some(member) = reader.next_member()? {
            let mut content = Vec::new();
            reader.content(&member, &mut content)?;
            files.push((member.name, content));
        }
        Ok(files)
    }

    /// A header with something else in it and its checksum mended.
    fn forged(change: impl Fn(&mut [u8])) -> Vec<u8> {
        let mut bytes = archive(&[("file", b"")]);
        change(&mut bytes[..BLOCK]);
        bytes[148..156].fill(b' ');
        let sum: u32 = bytes[..BLOCK].iter().map(|&byte| u32::from(byte)).sum();
        bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        bytes
    }

    #[test]
    fn what_is_written_is_read() {
        let long = vec![b'x'; 1_000_000];
        let files: [(&str, &[u8]); 4] = [("a", b""), ("b/c.json", b"one"), ("d", &[1; 512]), ("e", &long)];
        let expected: Vec<_> = files.iter().map(|(name, content)| ((*name).to_owned(), content.to_vec())).collect();
        assert_eq!(read_all(&archive(&files)).unwrap(), expected);
    }

    #[test]
    fn tar_itself_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.tar");
        crate::store::atomic_write(&path, &archive(&[("a", b"one"), ("b/c", b"two")])).unwrap();
        let output = std::process::Command::new("tar").arg("-tf").arg(&path).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "a\nb/c\n");
    }

    #[test]
    fn whatever_is_no_plain_file_is_refused() {
        for (kind, word) in [
            (b'1', "hard link"),
            (b'2', "symbolic link"),
            (b'3', "device"),
            (b'4', "device"),
            (b'5', "directory"),
            (b'6', "pipe"),
            (b'x', "type"),
            (b'L', "type"),
        ] {
            let error = read_all(&forged(|header| header[156] = kind)).unwrap_err();
            assert!(matches!(&error, TarError::Refused(what) if what.contains(word)), "{error}");
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in ["/etc/passwd", "../x", "a/../../x", "a//b", "./a", ".ssh", "a/", "a b", "a\n", "ä", "C:x"] {
            assert!(!is_plain(name), "{name}");
            let bytes = forged(|header| {
                header[..MAX_NAME_BYTES].fill(0);
                header[..name.len()].copy_from_slice(name.as_bytes());
            });
            assert!(matches!(read_all(&bytes), Err(TarError::Refused(_))), "{name}");
        }
        assert!(matches!(read_all(&forged(|header| header[345] = b'/')), Err(TarError::Refused(_))), "a prefix");
        assert!(TarWriter::new(Vec::new()).append("../x", 0, 0, &mut io::empty()).is_err());
    }

    #[test]
    fn every_changed_byte_outside_the_contents_is_found() {
        let bytes = archive(&[("file", b"content"), ("other", b"")]);
        for place in (0..bytes.len()).filter(|place| !(512..519).contains(place)) {
            let mut copy = bytes.clone();
            copy[place] ^= 1;
            // The time is of no account; its checksum is held all the same.
            assert!(read_all(&copy).is_err(), "byte {place}");
        }
        for length in 0..bytes.len() {
            assert!(read_all(&bytes[..length]).is_err(), "cut at {length}");
        }
    }

    #[test]
    fn a_file_that_shrinks_while_it_is_read_is_an_error() {
        assert!(TarWriter::new(Vec::new()).append("file", 5, 0, &mut &b"four"[..]).is_err());
    }
}
