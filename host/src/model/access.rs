//! Who may do what from outside.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Digest, Wall};

/// What a caller may do, least first: each includes the ones before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Look at everything.
    Read,
    /// Also take snapshots, mark them, resolve findings, silence alerts.
    Operate,
    /// Also apply retention and take a new configuration.
    Admin,
}

impl Scope {
    /// The word that is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

/// A token as it is kept: everything but the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredToken {
    /// The part of the token that may be shown: it names it.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// What it allows.
    pub scope: Scope,
    /// SHA-256 of the whole token. It has 256 random bits, so no slower hash is needed.
    pub sha256: Digest,
    /// Since when there is one.
    pub created_at: Wall,
    /// Until when it is good; for ever where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Wall>,
    /// When it was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Wall>,
}

impl StoredToken {
    /// Whether it is good at that time.
    pub fn is_good(&self, now: Wall) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|until| now < until)
    }
}
