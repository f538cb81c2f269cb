//! Who asks, and what they may do.
//!
//! Owns: tokens, sessions, one-time logins, the peers of the Unix socket, the names under which this server may be
//! addressed, and the brake on those who guess. Must not know: what is asked for.

pub mod failures;
pub mod hosts;
pub mod logins;
pub mod peers;
pub mod tokens;

use crate::model::Scope;

/// How somebody showed who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// A token in the `Authorization` header.
    Token,
    /// The cookie of a browser that logged in: what another site could send along, so its origin is looked at.
    Session,
    /// The Unix socket, by uid.
    Socket,
}

/// Somebody who may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// What the audit log calls them: `token 1a2b3c4d5e6f (laptop)`, `uid 1000`.
    pub who: String,
    /// What they may do.
    pub scope: Scope,
    /// How that is known.
    pub via: Via,
    /// The id of the token, where it is one.
    pub token: Option<String>,
}

/// Why somebody may not ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing was shown.
    Nothing,
    /// What was shown is no token or session that there ever was, as far as is known.
    Unknown,
    /// It was good once.
    Expired,
    /// It was taken back.
    Revoked,
}
