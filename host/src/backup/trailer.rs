//! The last bytes of a backup's file: what all before them hash to.
//!
//! A skippable frame of zstd (RFC 8878, 3.1.2), so that other tools pass over it:
//!
//! ```text
//! 50 2A 4D 18   20 00 00 00   32 bytes: SHA-256 of everything before this frame
//! ```
//!
//! zstd has bits that mean nothing and checksums of 32 bits; with this there is no byte that may change.
//!
//! Owns: that frame. Must not know: what is before it.

use std::fs::File;
use std::io::{self, Read, Seek as _, Write};

use sha2::{Digest as _, Sha256};

use crate::model::Digest;

const HEAD: [u8; 8] = [0x50, 0x2a, 0x4d, 0x18, 32, 0, 0, 0];
/// Bytes of the frame.
pub(super) const TRAILER_BYTES: u64 = 40;

/// Hashes what is written, and adds the trailer.
#[derive(Debug)]
pub(super) struct Hashing<W> {
    out: W,
    hasher: Sha256,
}

impl<W: Write> Hashing<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, hasher: Sha256::new() }
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&HEAD)?;
        self.out.write_all(Digest::finish(self.hasher).as_bytes())?;
        self.out.flush()?;
        Ok(self.out)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Holds a file against its trailer, and leaves it at its beginning. What is wrong is told in words.
pub(super) fn check(file: &mut File, size: u64) -> io::Result<Result<(), String>> {
    let Some(before) = size.checked_sub(TRAILER_BYTES) else {
        return Ok(Err("it ends too early".to_owned()));
    };
    file.rewind()?;
    let mut hasher = Sha256::new();
    let mut left = before;
    let mut buffer = vec![0; 64 << 10];
    while left > 0 {
        let room = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count = file.read(&mut buffer[..room])?;
        if count == 0 {
            return Ok(Err("it became shorter while it was read".to_owned()));
        }
        hasher.update(&buffer[..count]);
        left -= count as u64;
    }
    let mut trailer = [0; TRAILER_BYTES as usize];
    file.read_exact(&mut trailer)?;
    file.rewind()?;
    let (head, claimed) = trailer.split_at(HEAD.len());
    if head != HEAD {
        return Ok(Err("its end is cut off, or is not that of a backup".to_owned()));
    }
    let sha256 = Digest::finish(hasher);
    Ok(if claimed == sha256.as_bytes() { Ok(()) } else { Err("its bytes are not those that were written".to_owned()) })
}
