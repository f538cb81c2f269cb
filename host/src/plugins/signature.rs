//! Signatures of components: who says that these are the bytes that they made.
//!
//! `FILE.wasm.sig` stands beside `FILE.wasm`. It is an Ed25519 signature (RFC 8032) over the SHA-256 of the component,
//! with a prefix so that it can be mistaken for no other signature. Which keys count stands in the configuration; the
//! one that a signature names is a hint for people and proves nothing.
//!
//! Owns: the form of keys and signatures. Must not know: where a key is kept, who decides what runs.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use crate::model::Digest;

/// What the name of a signature's file ends with, after that of the component.
pub const SUFFIX: &str = ".sig";

/// Bytes of a signature's file.
pub const MAX_SIGNATURE_BYTES: u64 = 4096;

/// The first line of a signature's file.
const SIGNATURE_HEAD: &str = "ghostd-component-signature 1";

/// The first line of a private key's file.
const KEY_HEAD: &str = "ghostd-signing-key 1";

/// What a public key begins with.
const PUBLIC_PREFIX: &str = "ed25519:";

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is none, and one is required.
    #[error(
        "it has no signature beside it, and `collectors.require_signature` asks for one (`ghostd collector sign FILE` makes it)"
    )]
    Missing,
    /// Its file is not of the form.
    #[error("the signature beside it cannot be read: {0}")]
    Malformed(&'static str),
    /// It is none of the configured keys'.
    #[error("its signature is by none of the keys under [collectors.keys] (it names {named})")]
    Unknown {
        /// The key that it names.
        named: String,
    },
    /// It is for other bytes.
    #[error("its signature by `{by}` is for another file (sign it again, or get the file that was signed)")]
    Mismatch {
        /// Whose it should be.
        by: String,
    },
    /// A key is none.
    #[error("`collectors.keys.{0}` is no Ed25519 public key")]
    BadKey(String),
}

/// Whose signatures count, and whether there must be one.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    required: bool,
    keys: BTreeMap<String, VerifyingKey>,
}

impl Policy {
    /// From the configuration.
    pub fn new(required: bool, keys: &BTreeMap<String, String>) -> Result<Self, SignatureError> {
        let keys = keys
            .iter()
            .map(|(name, text)| {
                let key = parse_public(text).ok_or_else(|| SignatureError::BadKey(name.clone()))?;
                Ok((name.clone(), key))
            })
            .collect::<Result<_, SignatureError>>()?;
        Ok(Self { required, keys })
    }

    /// Whose signature a component has. None where it has none that counts and needs none.
    pub fn check(&self, sha256: &Digest, signature: Option<&str>) -> Result<Option<String>, SignatureError> {
        let Some(text) = signature else {
            return if self.required { Err(SignatureError::Missing) } else { Ok(None) };
        };
        if !self.required && self.keys.is_empty() {
            return Ok(None);
        }
        let parsed = parse(text)?;
        let message = message(sha256);
        if let Some((name, _)) =
            self.keys.iter().find(|(_, key)| key.verify_strict(&message, &parsed.signature).is_ok())
        {
            return Ok(Some(name.clone()));
        }
        // One that says it is by a known key and is not was made for other bytes, or by somebody else.
        let known = self.keys.iter().find(|(_, key)| public_text(key) == parsed.key);
        match known {
            Some((name, _)) => Err(SignatureError::Mismatch { by: name.clone() }),
            None if self.required => Err(SignatureError::Unknown { named: parsed.key }),
            None => Ok(None),
        }
    }
}

/// A private key as its file holds it.
pub fn key_file(seed: &[u8; 32]) -> String {
    format!("{KEY_HEAD}\n{}\n", STANDARD.encode(seed))
}

/// Reads a private key's file.
pub fn parse_key(text: &str) -> Option<SigningKey> {
    let mut lines = text.lines();
    if lines.next()?.trim() != KEY_HEAD {
        return None;
    }
    let seed: [u8; 32] = STANDARD.decode(lines.next()?.trim()).ok()?.try_into().ok()?;
    Some(SigningKey::from_bytes(&seed))
}

/// The public key as it stands in the configuration.
pub fn public(key: &SigningKey) -> String {
    public_text(&key.verifying_key())
}

/// The text of a signature's file.
pub fn sign(key: &SigningKey, sha256: &Digest) -> String {
    let signature = key.sign(&message(sha256));
    format!(
        "{SIGNATURE_HEAD}\nsha256 {sha256}\nkey {}\nsignature {}\n",
        public(key),
        STANDARD.encode(signature.to_bytes())
    )
}

fn public_text(key: &VerifyingKey) -> String {
    format!("{PUBLIC_PREFIX}{}", STANDARD_NO_PAD.encode(key.as_bytes()))
}

fn parse_public(text: &str) -> Option<VerifyingKey> {
    let text = text.strip_prefix(PUBLIC_PREFIX)?.trim_end_matches('=');
    let bytes: [u8; 32] = STANDARD_NO_PAD.decode(text).ok()?.try_into().ok()?;
    VerifyingKey::from_bytes(&bytes).ok()
}

fn message(sha256: &Digest) -> Vec<u8> {
    format!("{SIGNATURE_HEAD}\n{sha256}\n").into_bytes()
}

struct Parsed {
    key: String,
    signature: Signature,
}

fn parse(text: &str) -> Result<Parsed, SignatureError> {
    let mut lines = text.lines();
    if lines.next().map(str::trim) != Some(SIGNATURE_HEAD) {
        return Err(SignatureError::Malformed("it does not begin as one"));
    }
    let field = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).map(|value| value.trim().to_owned())
    };
    let bytes: [u8; 64] = field("signature")
        .and_then(|text| STANDARD.decode(text).ok())
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(SignatureError::Malformed("it has no signature of 64 bytes"))?;
    let key = field("key").filter(|key| key.len() < 128 && key.is_ascii()).unwrap_or_else(|| "no key".to_owned());
    Ok(Parsed { key, signature: Signature::from_bytes(&bytes) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(required: bool, keys: &[(&str, &SigningKey)]) -> Policy {
        let keys = keys.iter().map(|(name, key)| ((*name).to_owned(), public(key))).collect();
        Policy::new(required, &keys).unwrap()
    }

    #[test]
    fn only_a_configured_keys_signature_of_these_bytes_counts() {
        let (alice, eve) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
        let (good, other) = (Digest::of(b"good"), Digest::of(b"other"));
        let signature = sign(&alice, &good);
        let strict = policy(true, &[("alice", &alice)]);
        assert_eq!(strict.check(&good, Some(&signature)), Ok(Some("alice".to_owned())));
        assert_eq!(strict.check(&good, None), Err(SignatureError::Missing));
        assert_eq!(strict.check(&other, Some(&signature)), Err(SignatureError::Mismatch { by: "alice".to_owned() }));
        assert!(matches!(strict.check(&good, Some(&sign(&eve, &good))), Err(SignatureError::Unknown { .. })));
        // A lie about the key gains nothing.
        let lie = sign(&eve, &good).replace(&public(&eve), &public(&alice));
        assert_eq!(strict.check(&good, Some(&lie)), Err(SignatureError::Mismatch { by: "alice".to_owned() }));
        assert!(matches!(strict.check(&good, Some("junk")), Err(SignatureError::Malformed(_))));

        let lax = policy(false, &[("alice", &alice)]);
        assert_eq!(lax.check(&good, None), Ok(None));
        assert_eq!(lax.check(&good, Some(&sign(&eve, &good))), Ok(None), "a stranger's signature is no harm");
        assert!(lax.check(&other, Some(&signature)).is_err(), "what alice signed was changed");
    }

    #[test]
    fn keys_survive_their_files() {
        let key = parse_key(&key_file(&[7; 32])).unwrap();
        assert_eq!(key.to_bytes(), [7; 32]);
        assert!(parse_key("ghostd-signing-key 1\nshort\n").is_none() && parse_key("").is_none());
        let keys = BTreeMap::from([("a".to_owned(), "ed25519:AAAA".to_owned())]);
        assert_eq!(Policy::new(false, &keys).unwrap_err(), SignatureError::BadKey("a".to_owned()));
    }
}
