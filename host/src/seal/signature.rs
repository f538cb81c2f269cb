//! Signatures: what one is over, and how keys follow each other.
//!
//! A key signs for a while and names the one that comes after it, which is made from it by a one-way function; then it
//! is destroyed. Whoever steals the key of today can sign today, and can go forwards; they cannot go back, so what was
//! signed before stays what it was. A certificate, signed by the older key, ties the two together for whoever has only
//! the first public key.
//!
//! Owns: those bytes. Must not know: where a key is kept, when it is followed by the next.

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::model::{Digest, PublicKey, SealKey};

/// The only algorithm.
pub const ALGORITHM: &str = "ed25519";
/// What a certificate's signature begins with: no signature of a body is over as many bytes.
const CERTIFICATE: &[u8] = b"ghostd seal key\0";
/// What the next key is made with.
const SUCCESSOR: &[u8] = b"ghostd seal successor\0";

/// A body's detached signature, in line 3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// `ed25519`.
    pub algorithm: String,
    /// The key that signed, 64 hexadecimal digits.
    pub public_key: String,
    /// Over the 32 bytes of the body's SHA-256, 128 hexadecimal digits.
    pub signature: String,
}

/// One key's word for the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The older key, and which it follows.
    #[serde(flatten)]
    pub key: SealKey,
    /// By the older key, over its number and the successor.
    pub signature: String,
}

/// A secret key. It is not shown, not even to a debugger's print.
pub struct SecretKey {
    seed: [u8; 32],
    number: u64,
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "secret key {}", self.number)
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.seed = std::hint::black_box([0; 32]);
    }
}

impl SecretKey {
    /// A key by its number and its 32 secret bytes.
    pub fn new(number: u64, seed: [u8; 32]) -> Self {
        Self { seed, number }
    }

    /// The 32 secret bytes.
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// Which it is, counted from 0.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The key that follows. There is no way back from it.
    pub fn successor(&self) -> Self {
        let seed = Sha256::new().chain_update(SUCCESSOR).chain_update(self.seed).finalize().into();
        Self { seed, number: self.number.saturating_add(1) }
    }

    /// What others know of it.
    pub fn public(&self) -> PublicKey {
        PublicKey(SigningKey::from_bytes(&self.seed).verifying_key().to_bytes())
    }

    /// What a body that it signs says of it.
    pub fn named(&self) -> SealKey {
        SealKey { number: self.number, public_key: self.public(), successor: self.successor().public() }
    }

    /// Signs a body.
    pub fn sign(&self, body_sha256: &Digest) -> Signature {
        let signature = SigningKey::from_bytes(&self.seed).sign(body_sha256.as_bytes());
        Signature {
            algorithm: ALGORITHM.to_owned(),
            public_key: self.public().to_string(),
            signature: hex(&signature.to_bytes()),
        }
    }

    /// Its word for the next.
    pub fn certificate(&self) -> Certificate {
        let key = self.named();
        let signature = SigningKey::from_bytes(&self.seed).sign(&certified(&key));
        Certificate { key, signature: hex(&signature.to_bytes()) }
    }
}

impl Signature {
    /// Whether it is that key's, over that body.
    pub fn is_of(&self, key: &PublicKey, body_sha256: &Digest) -> bool {
        self.algorithm == ALGORITHM
            && self.public_key == key.to_string()
            && is_signed(key, body_sha256.as_bytes(), &self.signature)
    }
}

impl Certificate {
    /// Whether the older key says so.
    pub fn is_valid(&self) -> bool {
        is_signed(&self.key.public_key, &certified(&self.key), &self.signature)
    }
}

fn certified(key: &SealKey) -> Vec<u8> {
    [CERTIFICATE, &key.number.to_be_bytes(), &key.successor.0].concat()
}

fn is_signed(key: &PublicKey, message: &[u8], signature: &str) -> bool {
    let Some(signature) = unhex(signature) else { return false };
    let Ok(key) = VerifyingKey::from_bytes(&key.0) else { return false };
    key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(&signature)).is_ok()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Lower case alone: there is one spelling.
fn unhex(text: &str) -> Option<[u8; 64]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 64];
    if text.len() != 128 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_one_key_and_one_body() {
        let key = SecretKey::new(0, [7; 32]);
        let body = Digest::of(b"body");
        let signature = key.sign(&body);
        assert!(signature.is_of(&key.public(), &body));
        assert!(!signature.is_of(&key.public(), &Digest::of(b"another")));
        assert!(!signature.is_of(&key.successor().public(), &body));
        for place in 0..128 {
            let mut text = signature.signature.clone().into_bytes();
            text[place] = if text[place] == b'0' { b'1' } else { b'0' };
            let changed = Signature { signature: String::from_utf8(text).unwrap(), ..signature.clone() };
            assert!(!changed.is_of(&key.public(), &body), "{place}");
        }
        let upper = Signature { signature: signature.signature.to_uppercase(), ..signature };
        assert!(!upper.is_of(&key.public(), &body));
    }

    #[test]
    fn a_certificate_ties_a_key_to_the_next_and_nothing_else_does() {
        let key = SecretKey::new(3, [7; 32]);
        let certificate = key.certificate();
        assert!(certificate.is_valid());
        assert_eq!(certificate.key.successor, key.successor().public());
        let thief = SecretKey::new(4, [9; 32]);
        for forged in [
            Certificate {
                key: SealKey { successor: thief.public(), ..certificate.key.clone() },
                ..certificate.clone()
            },
            Certificate { key: SealKey { number: 4, ..certificate.key.clone() }, ..certificate.clone() },
            Certificate { signature: thief.certificate().signature, ..certificate.clone() },
        ] {
            assert!(!forged.is_valid(), "{forged:?}");
        }
        let text = serde_json::to_string(&certificate).unwrap();
        assert_eq!(serde_json::from_str::<Certificate>(&text).unwrap(), certificate);
    }
}
