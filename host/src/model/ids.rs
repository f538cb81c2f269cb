//! Names that are checked once, where they enter, and trusted from there on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::{NoContext, Timestamp, Uuid};

use super::Wall;

/// Why a text is no id or digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseIdError {
    /// Not a UUID in its hyphenated, lower-case form.
    #[error("`{0}` is no snapshot id (expected a UUID such as 01931f2e-7c1a-7000-8000-000000000000)")]
    Uuid(String),
    /// Not 64 hexadecimal digits.
    #[error("`{0}` is no SHA-256 digest (expected 64 lower-case hexadecimal digits)")]
    Digest(String),
}

fn parse_uuid(text: &str) -> Result<Uuid, ParseIdError> {
    let wrong = || ParseIdError::Uuid(text.chars().take(64).collect());
    // `Uuid` also reads braces, URNs and capitals; an id is used as a file name and has one spelling.
    if text.len() != 36 || text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(wrong());
    }
    Uuid::try_parse(text).map_err(|_| wrong())
}

macro_rules! uuid_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "format": "uuid" })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                parse_uuid(text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseIdError;
            fn try_from(text: String) -> Result<Self, ParseIdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

uuid_newtype! {
    /// The name of a snapshot: a UUIDv7, so that names sort roughly by time. Order is by sequence all the same.
    SnapshotId
}

uuid_newtype! {
    /// The name of a store, made once when it is created. Snapshots of another store are foreign to it.
    StoreId
}

impl SnapshotId {
    /// A new name for something captured at `now`. A clock before 1970 counts as 1970.
    pub fn new(now: Wall) -> Self {
        let ns = now.0.max(0).unsigned_abs();
        let timestamp = Timestamp::from_unix(NoContext, ns / 1_000_000_000, (ns % 1_000_000_000) as u32);
        Self(Uuid::new_v7(timestamp))
    }

    /// When it was given, to the millisecond, by the clock of that time.
    pub fn time(&self) -> Wall {
        let (seconds, ns) = self.0.get_timestamp().map_or((0, 0), |timestamp| timestamp.to_unix());
        Wall::from_millis(
            i64::try_from(seconds).unwrap_or(0).saturating_mul(1_000).saturating_add(i64::from(ns / 1_000_000)),
        )
    }
}

impl StoreId {
    /// A new, random name.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

/// A public key of Ed25519, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(pub [u8; 32]);

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Digest(self.0), f)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        text.parse::<Digest>().map(|digits| Self(digits.0))
    }
}

impl TryFrom<String> for PublicKey {
    type Error = ParseIdError;

    fn try_from(text: String) -> Result<Self, ParseIdError> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

/// A SHA-256 digest, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest that `hasher` has arrived at.
    pub fn finish(hasher: Sha256) -> Self {
        Self(hasher.finalize().into())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl schemars::JsonSchema for Digest {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Digest".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })
    }
}

impl schemars::JsonSchema for PublicKey {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PublicKey".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let wrong = || ParseIdError::Digest(text.chars().take(80).collect());
        let digit = |b: u8| match b {
            b'0'..=b'9' => Ok(b - b'0'),
            b'a'..=b'f' => Ok(b - b'a' + 10),
            _ => Err(wrong()),
        };
        if text.len() != 64 {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Digest {
    type Error = ParseIdError;
    fn try_from(text: String) -> Result<Self, ParseIdError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = SnapshotId::new(Wall(1_700_000_000_123_456_789));
        assert_eq!(id.to_string().parse::<SnapshotId>(), Ok(id));
        assert!(id.to_string().to_uppercase().parse::<SnapshotId>().is_err());
        assert!(format!("{{{id}}}").parse::<SnapshotId>().is_err());
        assert!("../../etc/passwd".parse::<SnapshotId>().is_err());
    }

    #[test]
    fn ids_sort_by_time_and_survive_odd_clocks() {
        assert!(SnapshotId::new(Wall(1_000_000_000)) < SnapshotId::new(Wall(2_000_000_000_000)));
        SnapshotId::new(Wall(-5));
        SnapshotId::new(Wall(i64::MAX));
    }

    #[test]
    fn a_digest_reads_what_it_writes() {
        let digest = Digest::of(b"abc");
        assert_eq!(digest.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!("BA".repeat(32).parse::<Digest>().is_err());
        assert!("00".parse::<Digest>().is_err());
    }
}
