//! Room that is set aside for the day the disk is full.
//!
//! Owns: the file `reserve`. On a full disk retention is what frees room, and retention must first write down what
//! it is about to delete: without room for that line nothing could be deleted. So some room is kept for it, given
//! up when it is needed, and taken again when there is some. Must not know: what the room is for.

use sha2::{Digest as _, Sha256};

use super::disk::{DiskError, Folder};

/// The file's name.
pub(super) const RESERVE: &str = "reserve";
/// Room for the longest audit line that a deletion writes ([`crate::retention::MAX_REMOVALS`] snapshots at some 350
/// bytes), and for the database pages of the same.
const RESERVE_BYTES: u64 = 512 << 10;

/// Takes the room where it is not taken yet. Where there is none now, that is no error: there may be later.
pub(super) fn take(folder: &Folder) -> Result<(), DiskError> {
    if folder.size_of(RESERVE)? == Some(RESERVE_BYTES) {
        return Ok(());
    }
    match folder.replace(RESERVE, &incompressible()) {
        Err(error) if error.is_full() => Ok(()),
        other => other,
    }
}

/// Gives the room up; `false` where it was given up already.
pub(super) fn give_up(folder: &Folder) -> bool {
    folder.unlink(RESERVE).unwrap_or(false)
}

/// Bytes that no file system can store in less room.
fn incompressible() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut block = Sha256::digest(RESERVE);
    while (bytes.len() as u64) < RESERVE_BYTES {
        bytes.extend_from_slice(&block);
        block = Sha256::digest(block);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::super::disk::fault;
    use super::*;

    #[test]
    fn room_is_taken_given_up_and_taken_again() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        take(&folder).unwrap();
        assert_eq!(folder.size_of(RESERVE).unwrap(), Some(RESERVE_BYTES));
        fault::inject(1, usize::MAX, Errno::IO);
        take(&folder).unwrap();
        assert!(fault::end().is_empty(), "what is taken is not written again");
        assert!(give_up(&folder));
        assert!(!give_up(&folder));
        fault::inject(2, usize::MAX, Errno::NOSPC);
        take(&folder).unwrap();
        fault::end();
        take(&folder).unwrap();
        assert_eq!(folder.size_of(RESERVE).unwrap(), Some(RESERVE_BYTES));
    }
}
