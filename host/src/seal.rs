//! The file of one snapshot: how its three lines are written, and how they are held to account.
//!
//! ```text
//! {"ghostd":"snapshot/1","id":"…","size":N,"sha256":"…","snapshot":
//! {"format_version":1,"id":"…", …}
//! }
//! ```
//!
//! The three lines are one JSON document, so `jq .snapshot FILE` reads it. Line 2 is the body; `size` and
//! `sha256` are of its bytes without the line feed, so `sed -n 2p FILE | tr -d '\n' | sha256sum` checks it
//! without ghostd. Lines 1 and 3 follow from the body byte for byte, apart from the optional signature in
//! line 3 (`,"seal":{"algorithm":"ed25519","public_key":"…","signature":"…"}}`), which must be there where the body
//! names a key, and be that key's: there is no byte that may change. Whose key it is, this cannot say.
//!
//! Owns: the bytes of the format. Must not know: where files are, what came before, what a section means.

use serde::{Deserialize, Serialize};

mod signature;

use crate::clean::Sanitized;
use crate::model::{Body, ChainLink, Digest, FORMAT_VERSION, SnapshotId, Wall};

/// The largest snapshot that is written or read. It bounds what a broken or hostile file can cost.
pub const MAX_FILE_BYTES: u64 = 64 << 20;

pub use signature::{ALGORITHM, Certificate, SecretKey, Signature};

/// The word in line 1 that names the format and its version.
pub const FORMAT: &str = "snapshot/1";

/// A snapshot that is ready to be stored. Only [`seal`] makes one.
#[derive(Debug, Clone)]
pub struct Sealed {
    id: SnapshotId,
    link: ChainLink,
    captured_at: Wall,
    sha256: Digest,
    bytes: Vec<u8>,
}

impl Sealed {
    /// Its name.
    pub fn id(&self) -> SnapshotId {
        self.id
    }

    /// What ties it to what came before.
    pub fn link(&self) -> &ChainLink {
        &self.link
    }

    /// When the capture was complete.
    pub fn captured_at(&self) -> Wall {
        self.captured_at
    }

    /// SHA-256 of line 2.
    pub fn sha256(&self) -> Digest {
        self.sha256
    }

    /// The whole file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Why a snapshot cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Larger than a file may be.
    #[error(
        "the snapshot has {size} bytes, more than the {MAX_FILE_BYTES} that a file may have (lower the collectors' `limits.result`)"
    )]
    TooLarge {
        /// Bytes of its body.
        size: u64,
    },
}

/// What is wrong with a snapshot's file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It ends too early.
    #[error("truncated: {0}")]
    Truncated(String),
    /// It is complete, and not what was written.
    #[error("altered: {0}")]
    Altered(String),
    /// It never was a snapshot of a format that this program knows.
    #[error("not a snapshot that this ghostd can read: {0}")]
    Unknown(String),
    /// Larger than a file may be.
    #[error("has {0} bytes, more than the {MAX_FILE_BYTES} that a snapshot may have")]
    TooLarge(u64),
}

/// A snapshot whose every byte has been checked against its own checksum. Only [`check`] makes one.
///
/// This says nothing yet of the chain: a whole file can have been replaced.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Line 2, as it is in the file.
    pub body_text: String,
    /// What it hashes to.
    pub sha256: Digest,
    /// What it says.
    pub body: Body,
    /// The signature of line 3: of the key that the body names.
    pub signature: Option<Signature>,
}

fn first_line(id: SnapshotId, size: usize, sha256: Digest) -> String {
    format!(r#"{{"ghostd":"{FORMAT}","id":"{id}","size":{size},"sha256":"{sha256}","snapshot":"#)
}

fn last_line(signature: Option<&Signature>) -> String {
    match signature.map(serde_json::to_string) {
        Some(Ok(text)) => format!(r#","seal":{text}}}"#),
        _ => "}".to_owned(),
    }
}

fn assemble(id: SnapshotId, body: &str, sha256: Digest, signature: Option<&Signature>) -> Vec<u8> {
    let first = first_line(id, body.len(), sha256);
    let last = last_line(signature);
    let mut bytes = Vec::with_capacity(first.len() + body.len() + last.len() + 3);
    for line in [&first, body, &last] {
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
    }
    bytes
}

/// Gives a sanitized snapshot its name and its place in the chain, and fixes its bytes.
pub fn seal(
    sanitized: Sanitized,
    link: ChainLink,
    sign: Option<&dyn Fn(&Digest) -> Signature>,
) -> Result<Sealed, SealError> {
    let captured_at = sanitized.captured_at();
    let id = SnapshotId::new(captured_at);
    let body = body_text(id, &link, sanitized);
    let size = body.len() as u64;
    if size > MAX_FILE_BYTES - 4096 {
        return Err(SealError::TooLarge { size });
    }
    let sha256 = Digest::of(body.as_bytes());
    let signature = sign.map(|sign| sign(&sha256));
    let bytes = assemble(id, &body, sha256, signature.as_ref());
    Ok(Sealed { id, link, captured_at, sha256, bytes })
}

/// The names come first, in the order of [`Body`]'s fields; the rest follows as the draft had it.
fn body_text(id: SnapshotId, link: &ChainLink, sanitized: Sanitized) -> String {
    #[derive(Serialize)]
    struct Head<'a> {
        format_version: u32,
        id: SnapshotId,
        sequence: u64,
        store: &'a crate::model::StoreRef,
        previous: &'a Option<crate::model::Previous>,
        audit_head: &'a Option<crate::model::AuditHead>,
        heartbeats: &'a Option<crate::model::HeartbeatRange>,
        #[serde(skip_serializing_if = "Option::is_none")]
        seal: &'a Option<crate::model::SealKey>,
    }
    let ChainLink { sequence, store, previous, audit_head, heartbeats, seal } = link;
    let sequence = *sequence;
    let head = Head { format_version: FORMAT_VERSION, id, sequence, store, previous, audit_head, heartbeats, seal };
    // Neither has a map with keys other than strings, nor a number that JSON does not know.
    let head = serde_json::to_string(&head).unwrap_or_default();
    let rest = sanitized.into_json_text();
    let mut body = String::with_capacity(head.len() + rest.len());
    body.push_str(head.strip_suffix('}').unwrap_or(&head));
    body.push(',');
    body.push_str(rest.strip_prefix('{').unwrap_or(&rest));
    body
}

/// Holds a file's bytes against its own checksum, and its first and last line against its body.
pub fn check(bytes: &[u8]) -> Result<Checked, Damage> {
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Damage::TooLarge(bytes.len() as u64));
    }
    if bytes.is_empty() {
        return Err(Damage::Truncated("the file is empty".to_owned()));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| match error.error_len() {
        None => Damage::Truncated("it ends in the middle of a character".to_owned()),
        Some(_) => Damage::Altered(format!("byte {} is not UTF-8", error.valid_up_to())),
    })?;
    let mut lines = text.split_inclusive('\n');
    let first = lines.next().unwrap_or_default();
    let claimed = read_first_line(first)?;
    let body_line = lines.next().unwrap_or_default();
    let last = lines.next().unwrap_or_default();
    let body_text = body_line.strip_suffix('\n').unwrap_or(body_line);
    if (body_text.len() as u64) < claimed.size && last.is_empty() {
        return Err(Damage::Truncated(format!("the body has {} of {} bytes", body_text.len(), claimed.size)));
    }
    if last.is_empty() || !body_line.ends_with('\n') {
        return Err(Damage::Truncated("the last line is missing".to_owned()));
    }
    if lines.next().is_some() {
        return Err(Damage::Altered("there is something after the last line".to_owned()));
    }
    let sha256 = Digest::of(body_text.as_bytes());
    if sha256 != claimed.sha256 {
        return Err(Damage::Altered(format!("the body's SHA-256 is {sha256}, the first line says {}", claimed.sha256)));
    }
    let body: Body = serde_json::from_str(body_text)
        .map_err(|error| Damage::Unknown(format!("the body has the right checksum and an unknown form: {error}")))?;
    let signature = read_last_line(last)?;
    if assemble(body.id, body_text, sha256, signature.as_ref()) != bytes {
        return Err(Damage::Altered("the first or the last line does not follow from the body".to_owned()));
    }
    check_signature(&body, sha256, signature.as_ref())?;
    Ok(Checked { body_text: body_text.to_owned(), sha256, body, signature })
}

fn check_signature(body: &Body, sha256: Digest, signature: Option<&Signature>) -> Result<(), Damage> {
    let altered = |what: &str| Err(Damage::Altered(what.to_owned()));
    match (&body.link.seal, signature) {
        (None, None) => Ok(()),
        (Some(key), Some(signature)) if signature.is_of(&key.public_key, &sha256) => Ok(()),
        (Some(_), Some(_)) => altered("the signature is not that of the key that the body names"),
        (Some(_), None) => altered("the body names a key, and its signature is gone"),
        (None, Some(_)) => altered("there is a signature, and the body names no key"),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstLine {
    ghostd: String,
    #[expect(dead_code, reason = "compared by rebuilding the whole line")]
    id: String,
    size: u64,
    sha256: Digest,
    #[expect(dead_code, reason = "stands in for the body")]
    snapshot: u8,
}

fn read_first_line(line: &str) -> Result<FirstLine, Damage> {
    let Some(line) = line.strip_suffix('\n') else {
        return Err(Damage::Truncated("the first line has no end".to_owned()));
    };
    let first: FirstLine = serde_json::from_str(&format!("{line}0}}"))
        .map_err(|_| Damage::Altered("the first line is not that of a snapshot".to_owned()))?;
    if first.ghostd != FORMAT {
        return Err(Damage::Unknown(format!(
            "its format is `{}`, this ghostd knows `{FORMAT}` (a newer ghostd may have written it)",
            first.ghostd.escape_debug()
        )));
    }
    Ok(first)
}

fn read_last_line(line: &str) -> Result<Option<Signature>, Damage> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct LastLine {
        #[expect(dead_code, reason = "stands in for the body")]
        snapshot: u8,
        seal: Option<Signature>,
    }
    let Some(line) = line.strip_suffix('\n') else {
        return Err(Damage::Truncated("the last line has no end".to_owned()));
    };
    serde_json::from_str::<LastLine>(&format!(r#"{{"snapshot":0{line}"#))
        .map(|last| last.seal)
        .map_err(|_| Damage::Altered("the last line is not that of a snapshot".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::Board;
    use crate::clean;
    use crate::merge::{self, About, Expected};
    use crate::model::{HostInfo, Moment, StoreId, StoreRef, Trigger};
    use crate::sanitize::Sanitizer;

    fn link(sequence: u64) -> ChainLink {
        ChainLink {
            sequence,
            store: StoreRef { id: StoreId::random(), epoch: 1, forked_from: None },
            previous: None,
            audit_head: None,
            heartbeats: None,
            seal: None,
        }
    }

    fn sealed(key: Option<&SecretKey>) -> Sealed {
        let at = Moment { wall: Wall::from_millis(1_795_000_000_000), boottime_ns: 7, boot_id: "boot".into() };
        let about = About {
            trigger: Trigger::Manual,
            reason: Some("password=hunter2hunter2".to_owned()),
            important: false,
            started: at.clone(),
            ended: at,
            missed: 0,
            notices: vec![],
            config_sha256: Digest::of(b"c"),
            sanitizer_sha256: Digest::of(b"s"),
        };
        let host = HostInfo {
            id: "h".to_owned(),
            hostname: "box".to_owned(),
            platform: "linux".to_owned(),
            os: "Debian".to_owned(),
            kernel: "6.1".to_owned(),
            arch: "x86_64".to_owned(),
            boot_id: "boot".to_owned(),
            uptime_seconds: 1.5,
            load_average: [0.1, 0.2, 0.3],
            ghostd_version: "0.1.0".to_owned(),
            versions: Default::default(),
        };
        let expected =
            [Expected { key: "clock".to_owned(), collector: "clock".to_owned(), why_missing: "late".to_owned() }];
        let draft = merge::merge(about, host, &Board::default(), &expected, vec![]);
        let link = ChainLink { seal: key.map(SecretKey::named), ..link(1) };
        let sign = key.map(|key| |sha256: &Digest| key.sign(sha256));
        let sign = sign.as_ref().map(|sign| sign as &dyn Fn(&Digest) -> Signature);
        seal(clean::clean(&Sanitizer::builtin(), draft).unwrap(), link, sign).unwrap()
    }

    #[test]
    fn what_is_sealed_checks_and_reads_back() {
        let sealed = sealed(None);
        let checked = check(sealed.bytes()).unwrap();
        assert_eq!(checked.body.id, sealed.id());
        assert_eq!(checked.sha256, sealed.sha256());
        assert_eq!(checked.body.link.sequence, 1);
        assert_eq!(checked.body.redactions.total, 1);
        assert!(!checked.body_text.contains("hunter2"));
        let document: serde_json::Value = serde_json::from_slice(sealed.bytes()).unwrap();
        assert_eq!(document["snapshot"]["sections"]["clock"]["error"], "late");
    }

    #[test]
    fn the_order_of_keys_is_that_of_the_documented_struct() {
        let checked = check(sealed(None).bytes()).unwrap();
        assert_eq!(serde_json::to_string(&checked.body).unwrap(), checked.body_text);
    }

    #[test]
    fn no_byte_may_change() {
        let whole = sealed(Some(&SecretKey::new(3, [7; 32])));
        let checked = check(whole.bytes()).unwrap();
        assert!(checked.signature.is_some());
        assert_eq!(serde_json::to_string(&checked.body).unwrap(), checked.body_text);
        for at in 0..whole.bytes().len() {
            for change in [0x01, 0x20, 0x80] {
                let mut bytes = whole.bytes().to_vec();
                bytes[at] ^= change;
                assert!(check(&bytes).is_err(), "byte {at} can be changed by {change:#x}");
            }
        }
        // Nor may a signature be taken away, or put where none belongs.
        let text = String::from_utf8(whole.bytes().to_vec()).unwrap();
        let from = text.rfind(",\"seal\":").unwrap();
        assert!(matches!(check(format!("{}}}\n", &text[..from]).as_bytes()), Err(Damage::Altered(_))));
        let plain = String::from_utf8(sealed(None).bytes().to_vec()).unwrap();
        let given = format!("{}{}", plain.trim_end().strip_suffix('}').unwrap(), &text[from..]);
        assert!(matches!(check(given.as_bytes()), Err(Damage::Altered(_))));
    }

    #[test]
    fn a_file_that_ends_early_is_truncated_wherever_it_ends() {
        let whole = sealed(None);
        for end in 0..whole.bytes().len() {
            let damage = check(&whole.bytes()[..end]).unwrap_err();
            assert!(matches!(damage, Damage::Truncated(_)), "cut at {end}: {damage}");
        }
        let mut longer = whole.bytes().to_vec();
        longer.push(b'\n');
        assert!(matches!(check(&longer), Err(Damage::Altered(_))));
    }

    #[test]
    fn a_newer_format_is_said_to_be_one() {
        let text = String::from_utf8(sealed(None).bytes().to_vec()).unwrap();
        let newer = text.replacen("snapshot/1", "snapshot/2", 1);
        assert!(matches!(check(newer.as_bytes()), Err(Damage::Unknown(_))));
    }
}
