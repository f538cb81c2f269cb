//! Tokens: `ghostd_<id>_<secret>`, twelve hexadecimal digits that name it and 43 characters (256 bits) that prove it.
//!
//! Owns: making, checking and keeping them. What is kept is a hash, in `tokens.json` in the data directory, mode 0600;
//! the token itself is shown once and then known to its owner alone. It stands in no backup.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::Refusal;
use crate::model::{Digest, Scope, StoredToken, Wall};
use crate::store;

/// The file below the data directory.
pub const FILE: &str = "tokens.json";

/// Tokens that are kept, those that were taken back included. A script that makes one on each run is told.
pub const MAX_TOKENS: usize = 256;

/// The longest name of a token.
pub const MAX_NAME_CHARS: usize = 64;

/// More than [`MAX_TOKENS`] of them ever take.
const MAX_FILE_BYTES: u64 = 1 << 20;

const PREFIX: &str = "ghostd_";

/// What a file says that this program writes.
const FORMAT_VERSION: u32 = 1;

/// Why tokens cannot be read, or kept.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The disk.
    #[error(transparent)]
    Disk(#[from] store::DiskError),
    /// The file says something else.
    #[error("`{path}` holds no tokens (remove it, and every token with it)")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Where.
        #[source]
        source: serde_json::Error,
    },
    /// Others can read it or write to it.
    #[error("`{path}` has mode {mode:04o}, others must not touch it (`chmod 600` it)")]
    Open {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// There are too many.
    #[error("there are {MAX_TOKENS} tokens already (`ghostd token revoke` takes one back)")]
    TooMany,
    /// There is none of that name.
    #[error("there is no token `{0}` (`ghostd token list` names them)")]
    NotFound(String),
    /// There are several of that name.
    #[error("several tokens are called `{0}` (give the id of one)")]
    Ambiguous(String),
    /// The random numbers of the system are not to be had.
    #[error("the system gives no random bytes")]
    Random,
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    format_version: u32,
    tokens: Vec<StoredToken>,
}

/// 32 bytes that nobody can guess, as text.
pub fn random_text() -> Result<String, TokenError> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|_| TokenError::Random)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// A new token: the token, to be shown once, and what is kept of it.
pub fn new_token(
    name: &str,
    scope: Scope,
    expires_at: Option<Wall>,
    now: Wall,
) -> Result<(String, StoredToken), TokenError> {
    let mut id = [0_u8; 6];
    getrandom::fill(&mut id).map_err(|_| TokenError::Random)?;
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let token = format!("{PREFIX}{id}_{}", random_text()?);
    let sha256 = Digest::of(token.as_bytes());
    Ok((token, StoredToken { id, name: name.to_owned(), scope, sha256, created_at: now, expires_at, revoked_at: None }))
}

/// Which of the tokens this is.
pub fn check(tokens: &[StoredToken], token: &str, now: Wall) -> Result<StoredToken, Refusal> {
    let id = token.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).map(|(id, _)| id);
    let digest = Digest::of(token.as_bytes());
    // The id is no secret; the rest is compared by its hash, and that in constant time.
    let found = tokens
        .iter()
        .find(|known| Some(known.id.as_str()) == id)
        .filter(|known| bool::from(known.sha256.as_bytes().ct_eq(digest.as_bytes())));
    match found {
        None => Err(Refusal::Unknown),
        Some(known) if known.revoked_at.is_some() => Err(Refusal::Revoked),
        Some(known) if !known.is_good(now) => Err(Refusal::Expired),
        Some(known) => Ok(known.clone()),
    }
}

/// All tokens that are kept; none where there is no file.
pub fn read(data_dir: &Path) -> Result<Vec<StoredToken>, TokenError> {
    use std::os::unix::fs::MetadataExt as _;
    let path = data_dir.join(FILE);
    let folder = store::Folder::open(data_dir)?;
    match path.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Ok(metadata) if metadata.mode() & 0o077 != 0 => {
            return Err(TokenError::Open { path, mode: metadata.mode() & 0o7777 });
        }
        _ => {}
    }
    let bytes = folder.read(FILE, MAX_FILE_BYTES)?;
    let kept: Kept = serde_json::from_slice(&bytes).map_err(|source| TokenError::Unreadable { path, source })?;
    Ok(kept.tokens)
}

fn write(data_dir: &Path, tokens: Vec<StoredToken>) -> Result<(), TokenError> {
    let kept = Kept { format_version: FORMAT_VERSION, tokens };
    let mut bytes = serde_json::to_vec_pretty(&kept)
        .map_err(|source| TokenError::Unreadable { path: data_dir.join(FILE), source })?;
    bytes.push(b'\n');
    Ok(store::atomic_write(&data_dir.join(FILE), &bytes)?)
}

/// Keeps one more. Only whoever holds the store's lock may call this.
pub fn add(data_dir: &Path, token: StoredToken) -> Result<(), TokenError> {
    let mut tokens = read(data_dir)?;
    if tokens.len() >= MAX_TOKENS {
        // Those that are good for nothing any more make room.
        tokens.retain(|known| known.is_good(token.created_at));
    }
    if tokens.len() >= MAX_TOKENS {
        return Err(TokenError::TooMany);
    }
    tokens.push(token);
    write(data_dir, tokens)
}

/// Takes one back, by its id or its name. Only whoever holds the store's lock may call this.
pub fn revoke(data_dir: &Path, name: &str, now: Wall) -> Result<StoredToken, TokenError> {
    let mut tokens = read(data_dir)?;
    let matching: Vec<usize> = (0..tokens.len())
        .filter(|&at| tokens[at].revoked_at.is_none() && (tokens[at].id == name || tokens[at].name == name))
        .collect();
    let at = match matching.as_slice() {
        [] => return Err(TokenError::NotFound(name.to_owned())),
        [at] => *at,
        _ => return Err(TokenError::Ambiguous(name.to_owned())),
    };
    tokens[at].revoked_at = Some(now);
    let token = tokens[at].clone();
    write(data_dir, tokens)?;
    Ok(token)
}

/// The tokens as a server has them: read again when the file is another.
#[derive(Debug)]
pub struct Tokens {
    data_dir: PathBuf,
    known: Mutex<(Option<Stamp>, Vec<StoredToken>)>,
}

/// What tells one state of the file from another: it is always replaced, never changed in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    changed: (i64, i64),
    size: u64,
}

impl Tokens {
    /// Those of this data directory.
    pub fn new(data_dir: &Path) -> Self {
        Self { data_dir: data_dir.to_owned(), known: Mutex::default() }
    }

    /// Which token this is.
    pub fn check(&self, token: &str, now: Wall) -> Result<StoredToken, Refusal> {
        check(&self.now()?, token, now)
    }

    /// A token that is kept, by its id.
    pub fn find(&self, id: &str) -> Option<StoredToken> {
        self.now().ok()?.into_iter().find(|known| known.id == id)
    }

    /// A file that cannot be read lets nobody in.
    fn now(&self) -> Result<Vec<StoredToken>, Refusal> {
        use std::os::unix::fs::MetadataExt as _;
        let stamp = self.data_dir.join(FILE).symlink_metadata().ok().map(|metadata| Stamp {
            inode: metadata.ino(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            size: metadata.len(),
        });
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != stamp {
            match read(&self.data_dir) {
                Ok(tokens) => *known = (stamp, tokens),
                Err(error) => {
                    tracing::error!(
                        error = crate::chain::chain(&error),
                        "The tokens cannot be read; nobody is let in."
                    );
                    *known = (None, Vec::new());
                    return Err(Refusal::Unknown);
                }
            }
        }
        Ok(known.1.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Wall = Wall(1_000_000);

    #[test]
    fn a_token_is_shown_once_and_only_its_hash_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (token, kept) = new_token("laptop", Scope::Read, Some(Wall(2_000_000)), NOW).unwrap();
        assert_eq!(token.len(), "ghostd_".len() + 12 + 1 + 43);
        add(dir.path(), kept).unwrap();
        let text = std::fs::read_to_string(dir.path().join(FILE)).unwrap();
        let secret = token.rsplit_once('_').unwrap().1;
        assert!(!text.contains(secret), "{text}");
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode() & 0o7777, 0o600);

        let tokens = Tokens::new(dir.path());
        assert_eq!(tokens.check(&token, NOW).unwrap().name, "laptop");
        assert_eq!(tokens.check(&token, Wall(2_000_000)), Err(Refusal::Expired));
        let mut other = token.clone();
        other.pop();
        for wrong in ["", "ghostd_", "Bearer", &token[..30], &other, &format!("{token}A")] {
            assert_eq!(tokens.check(wrong, NOW), Err(Refusal::Unknown), "{wrong}");
        }
        revoke(dir.path(), "laptop", NOW).unwrap();
        assert_eq!(tokens.check(&token, NOW), Err(Refusal::Revoked), "the file is read again");
        assert!(matches!(revoke(dir.path(), "laptop", NOW), Err(TokenError::NotFound(_))));
    }

    #[test]
    fn a_file_that_others_may_read_lets_nobody_in() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let (token, kept) = new_token("a", Scope::Admin, None, NOW).unwrap();
        add(dir.path(), kept).unwrap();
        std::fs::set_permissions(dir.path().join(FILE), std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(read(dir.path()), Err(TokenError::Open { mode: 0o644, .. })));
        assert_eq!(Tokens::new(dir.path()).check(&token, NOW), Err(Refusal::Unknown));
    }

    #[test]
    fn there_is_room_for_no_more_than_so_many_that_are_good() {
        let dir = tempfile::tempdir().unwrap();
        let many: Vec<StoredToken> = (0..MAX_TOKENS)
            .map(|at| StoredToken { id: format!("{at:012x}"), ..new_token("x", Scope::Read, None, NOW).unwrap().1 })
            .collect();
        write(dir.path(), many).unwrap();
        let one = || new_token("one more", Scope::Read, None, NOW).unwrap().1;
        assert!(matches!(add(dir.path(), one()), Err(TokenError::TooMany)));
        assert!(matches!(revoke(dir.path(), "x", NOW), Err(TokenError::Ambiguous(_))));
        revoke(dir.path(), "00000000000a", NOW).unwrap();
        add(dir.path(), one()).unwrap();
    }
}
