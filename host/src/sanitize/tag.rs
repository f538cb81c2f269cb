//! Keyed tags that make one secret recognisable within one store, and the digest of the rules.

use sha2::{Digest, Sha256};

use super::formats;
use super::programs::PROGRAMS;
use super::settings::{Checked, TagKey};

/// How much of the keyed hash is shown: enough to tell a handful of secrets apart, too little to check a guess by.
const TAG_BYTES: usize = 2;
/// Changes whenever the code judges differently, so that [`digest_of_rules`] changes with it.
const GENERATION: u32 = 1;
/// The block of SHA-256 (FIPS 180-4), which HMAC pads its key to.
const BLOCK: usize = 64;

/// The first bytes of HMAC-SHA-256 (RFC 2104) of the secret, in hexadecimal digits.
pub(super) fn tag(key: &TagKey, secret: &[u8]) -> String {
    hex(&hmac(&key.0, secret)[..TAG_BYTES])
}

fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let pad = |with: u8| -> [u8; BLOCK] { std::array::from_fn(|index| key.get(index).copied().unwrap_or(0) ^ with) };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}

/// A digest over everything that decides what is taken.
pub(super) fn digest_of_rules(settings: &Checked) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    add(&GENERATION.to_le_bytes());
    for format in formats::all() {
        add(format.name.as_bytes());
        add(format.pattern.as_bytes());
    }
    for program in PROGRAMS {
        add(format!("{program:?}").as_bytes());
    }
    for rule in &settings.rules {
        add(rule.name.as_bytes());
        add(rule.regex.as_str().as_bytes());
        add(&(rule.group as u64).to_le_bytes());
        add(rule.keywords.join("\0").as_bytes());
    }
    add(settings.keys.join("\0").as_bytes());
    for except in &settings.except {
        add(except.rule.as_deref().unwrap_or("").as_bytes());
        add(except.pattern.as_ref().map_or("", |pattern| pattern.as_str()).as_bytes());
        add(except.value.as_deref().unwrap_or("").as_bytes());
    }
    add(&[u8::from(settings.tags.is_some())]);
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_is_that_of_rfc_4231() {
        // RFC 4231, test case 2, whose key is shorter than ours and padded with zeros all the same.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        assert_eq!(
            hex(&hmac(&key, b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
