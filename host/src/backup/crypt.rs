//! Backups that only the holder of a key can read.
//!
//! The form is age's (<https://age-encryption.org/v1>), so `age -d -i KEY FILE | zstd -dc | tar -t` opens one without
//! ghostd. What is on this machine is the public key alone: whoever takes the machine does not have the old backups.
//! Every chunk is authenticated, so a byte that changed is found by whoever has the identity.
//!
//! Owns: keys of that form, and the streams. Must not know: what is in a backup.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret as _;

use super::trailer::Hashing;

/// What the name of an encrypted backup ends with.
pub(super) const SUFFIX: &str = ".age";
/// The largest identity file that is read.
const MAX_IDENTITY_BYTES: u64 = 64 << 10;

/// A public key that backups are encrypted to: `age1...`.
#[derive(Clone)]
pub struct Recipient(age::x25519::Recipient);

impl Recipient {
    /// Reads `age1...`; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.trim().parse().map(Self).map_err(|error: &str| error.to_owned())
    }
}

impl std::fmt::Debug for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl PartialEq for Recipient {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_string() == other.0.to_string()
    }
}

/// Secret keys that open encrypted backups; none opens those that are not encrypted.
#[derive(Clone, Default)]
pub struct Keys(Vec<age::x25519::Identity>);

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
}

/// Why an identity file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be read.
    #[error("cannot read identity file `{path}`")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// No key stands in it.
    #[error("`{path}` holds no age identity (a line that begins with `AGE-SECRET-KEY-1`)")]
    None {
        /// Which.
        path: PathBuf,
    },
}

impl Keys {
    /// Reads an identity file, as `ghostd backup key` and `age-keygen` write it.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let fail = |source| KeyError::Io { path: path.to_owned(), source };
        let mut text = String::new();
        File::open(path).and_then(|file| file.take(MAX_IDENTITY_BYTES).read_to_string(&mut text)).map_err(fail)?;
        let keys: Vec<age::x25519::Identity> = text.lines().filter_map(|line| line.trim().parse().ok()).collect();
        if keys.is_empty() { Err(KeyError::None { path: path.to_owned() }) } else { Ok(Self(keys)) }
    }

    /// A new key: the text of its identity file, and the recipient that goes into the configuration.
    pub fn generate() -> (String, String) {
        let key = age::x25519::Identity::generate();
        let recipient = key.to_public().to_string();
        (format!("# public key: {recipient}\n{}\n", key.to_string().expose_secret()), recipient)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A key that lives only as long as this: what it is given to can be read back by whoever wrote it.
    pub(super) fn passing() -> Self {
        Self(vec![age::x25519::Identity::generate()])
    }
}

/// Where the bytes of an archive go: to the file and its trailer, or through the encryption.
pub(super) enum Out<W: Write> {
    Plain(Hashing<W>),
    Sealed(Box<age::stream::StreamWriter<W>>),
}

impl<W: Write> Out<W> {
    /// Begins. `reader` can read it too, as long as it lives.
    pub(super) fn begin(out: W, recipient: Option<&Recipient>, reader: &Keys) -> io::Result<Self> {
        let Some(recipient) = recipient else { return Ok(Self::Plain(Hashing::new(out))) };
        let readers: Vec<age::x25519::Recipient> = reader.0.iter().map(age::x25519::Identity::to_public).collect();
        let all = std::iter::once(&recipient.0).chain(&readers).map(|one| one as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(all).map_err(io::Error::other)?;
        Ok(Self::Sealed(Box::new(encryptor.wrap_output(out)?)))
    }

    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.finish().map(drop),
            Self::Sealed(out) => out.finish().and_then(|mut out| out.flush()),
        }
    }
}

impl<W: Write> Write for Out<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::Sealed(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            Self::Sealed(out) => out.flush(),
        }
    }
}

/// Why an encrypted backup is not opened.
pub(super) enum Closed {
    /// None of the keys fits.
    NoKey,
    /// Its beginning is not what was written.
    Damaged(String),
    /// It cannot be read.
    Io(io::Error),
}

/// The contents of an encrypted file.
pub(super) fn open<R: Read + 'static>(file: R, keys: &Keys) -> Result<Box<dyn Read>, Closed> {
    let closed = |error| match error {
        age::DecryptError::NoMatchingKeys => Closed::NoKey,
        age::DecryptError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Closed::Damaged("it ends too early".to_owned())
        }
        age::DecryptError::Io(error) => Closed::Io(error),
        other => Closed::Damaged(other.to_string()),
    };
    let decryptor = age::Decryptor::new_buffered(BufReader::new(file)).map_err(closed)?;
    let keys = keys.0.iter().map(|key| key as &dyn age::Identity);
    Ok(Box::new(decryptor.decrypt(keys).map_err(closed)?))
}
