//! The key that seals snapshots: its file, and when it gives way to the next.
//!
//! ```text
//! {"format":"ghostd-seal-key/1","number":12,"seed":"…64 hexadecimal digits…"}
//! ```
//!
//! The file is 0600 and is replaced by each successor; the old bytes are overwritten in place before they are let go,
//! which a disk that keeps old blocks (flash, a copy-on-write file system, a snapshot of the volume) may thwart. It is in
//! no backup.
//!
//! Owns: that file. Must not know: what is signed, when a snapshot is taken.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Digest, PublicKey, SealKey};
use crate::seal::{Certificate, SecretKey, Signature};
use crate::store::{DiskError, Folder};

const FORMAT: &str = "ghostd-seal-key/1";
const MAX_FILE_BYTES: u64 = 4 << 10;

/// Why there is no key to seal with.
#[derive(Debug, thiserror::Error)]
pub enum SealerError {
    /// Its file cannot be read or written.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// It is no key of ours.
    #[error("`{path}` is no seal key of ghostd (`ghostd key new FILE` makes one)")]
    Form {
        /// Which.
        path: PathBuf,
    },
    /// Others may read it, or it is not ours.
    #[error(
        "seal key `{path}` has mode {mode:04o} and belongs to uid {owner}: only ghostd itself may read it (`chmod 600`)"
    )]
    Open {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Whose it is.
        owner: u32,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    format: String,
    number: u64,
    /// 32 bytes, as a digest writes them.
    seed: Digest,
}

/// The key in use.
#[derive(Debug)]
pub struct Sealer {
    path: PathBuf,
    every: Duration,
    key: SecretKey,
    due_ns: u64,
}

impl Sealer {
    /// Reads the key. It gives way to the next with the first seal, and then each `every`: what lay about while ghostd
    /// did not run is used for nothing. `now_ns` is BOOTTIME.
    pub fn load(path: &Path, every: Duration, now_ns: u64) -> Result<Self, SealerError> {
        Ok(Self { path: path.to_owned(), every, key: read(path)?, due_ns: now_ns })
    }

    /// What a body says of the key.
    pub fn named(&self) -> SealKey {
        self.key.named()
    }

    /// Signs a body.
    pub fn sign(&self, body_sha256: &Digest) -> Signature {
        self.key.sign(body_sha256)
    }

    /// The word for the next key, when its time has come. It has to be on record before [`Sealer::advance`].
    pub fn due(&self, now_ns: u64) -> Option<Certificate> {
        (now_ns >= self.due_ns).then(|| self.key.certificate())
    }

    /// Goes over to the next key and destroys the one before. Where that fails the old one stays in use.
    pub fn advance(&mut self, now_ns: u64) -> Result<(), SealerError> {
        let next = self.key.successor();
        let old = open(&self.path, true)?;
        let (folder, name) = place(&self.path)?;
        folder.replace(name, text(&next).as_bytes())?;
        destroy(old);
        self.key = next;
        self.due_ns = now_ns.saturating_add(u64::try_from(self.every.as_nanos()).unwrap_or(u64::MAX));
        Ok(())
    }
}

/// Makes a new key where no file is, and says what its public key is: the one to verify with.
pub fn generate(path: &Path) -> Result<PublicKey, SealerError> {
    let mut seed = [0; 32];
    let source = Path::new("/dev/urandom");
    File::open(source).and_then(|mut file| file.read_exact(&mut seed)).map_err(|error| DiskError {
        operation: "read",
        path: source.to_owned(),
        source: error,
    })?;
    let key = SecretKey::new(0, seed);
    let (folder, name) = place(path)?;
    folder.create(name, text(&key).as_bytes())?;
    Ok(key.public())
}

/// What others may know of the key in a file.
pub fn public(path: &Path) -> Result<SealKey, SealerError> {
    Ok(read(path)?.named())
}

fn read(path: &Path) -> Result<SecretKey, SealerError> {
    let mut bytes = Vec::new();
    open(path, false)?.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(|source| DiskError {
        operation: "read",
        path: path.to_owned(),
        source,
    })?;
    let form = || SealerError::Form { path: path.to_owned() };
    let file: KeyFile = serde_json::from_slice(&bytes).map_err(|_| form())?;
    if file.format != FORMAT {
        return Err(form());
    }
    Ok(SecretKey::new(file.number, *file.seed.as_bytes()))
}

fn open(path: &Path, for_writing: bool) -> Result<File, SealerError> {
    use rustix::fs::{Mode, OFlags};
    let fail = |source: io::Error| DiskError { operation: "open seal key", path: path.to_owned(), source };
    let access = if for_writing { OFlags::RDWR } else { OFlags::RDONLY };
    let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| fail(errno.into()))?);
    let metadata = file.metadata().map_err(fail)?;
    let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
    if mode & 0o077 != 0 || owner != rustix::process::geteuid().as_raw() || !metadata.is_file() {
        return Err(SealerError::Open { path: path.to_owned(), mode, owner });
    }
    Ok(file)
}

/// The file has no name any more; its bytes are overwritten where they are, as far as the disk does that.
fn destroy(mut file: File) {
    let length = file.metadata().map_or(0, |metadata| metadata.len().min(MAX_FILE_BYTES));
    let zeros = vec![0; usize::try_from(length).unwrap_or(0)];
    if let Err(error) = file.write_all(&zeros).and_then(|()| file.sync_data()) {
        tracing::warn!(%error, "An old seal key could not be overwritten.");
    }
}

fn place(path: &Path) -> Result<(Folder, &str), SealerError> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| SealerError::Form { path: path.to_owned() })?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((Folder::open(parent)?, name))
}

fn text(key: &SecretKey) -> String {
    let file = KeyFile { format: FORMAT.to_owned(), number: key.number(), seed: Digest::from_bytes(*key.seed()) };
    let mut text = serde_json::to_string(&file).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_goes_forwards_and_its_past_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seal.key");
        let first = generate(&path).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert!(matches!(generate(&path), Err(SealerError::Disk(_))), "a key is never overwritten");
        let before = std::fs::read_to_string(&path).unwrap();
        let old = File::open(&path).unwrap();
        let mut sealer = Sealer::load(&path, Duration::from_secs(10), 5).unwrap();
        assert_eq!((sealer.named().public_key, sealer.named().number), (first, 0));
        let certificate = sealer.due(5).unwrap();
        sealer.advance(5).unwrap();
        assert!(certificate.is_valid());
        assert_eq!(sealer.named().public_key, certificate.key.successor);
        assert_eq!((sealer.due(10_000_000_004), sealer.due(10_000_000_005).is_some()), (None, true));
        // Neither the file nor the place on the disk where it was has the old secret.
        let seed = &before[before.len() - 30..before.len() - 3];
        assert!(!std::fs::read_to_string(&path).unwrap().contains(seed));
        let mut bytes = Vec::new();
        (&old).read_to_end(&mut bytes).unwrap();
        assert!(bytes.iter().all(|&byte| byte == 0));
        assert_eq!(public(&path).unwrap(), sealer.named());
    }

    #[test]
    fn a_key_that_others_may_read_or_that_is_a_link_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seal.key");
        generate(&path).unwrap();
        std::os::unix::fs::symlink(&path, dir.path().join("link")).unwrap();
        assert!(matches!(public(&dir.path().join("link")), Err(SealerError::Disk(_))));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = public(&path).unwrap_err();
        assert!(matches!(error, SealerError::Open { mode: 0o640, .. }), "{error}");
        crate::store::atomic_write(&dir.path().join("other"), b"{}").unwrap();
        assert!(matches!(public(&dir.path().join("other")), Err(SealerError::Form { .. })));
    }
}
