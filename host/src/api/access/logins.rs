//! Browsers that logged in, and the links by which they do so without a token.
//!
//! Owns: sessions and one-time codes, both in memory alone and both by their hashes. A restart ends them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use subtle::ConstantTimeEq as _;

use super::tokens::{TokenError, random_text};
use super::{Caller, Refusal, Via};
use crate::model::{Digest, Scope};

/// Browsers that may be logged in at a time. Beyond it the one that was used longest ago is logged out.
const MAX_SESSIONS: usize = 256;

/// Links that may be open at a time.
const MAX_LINKS: usize = 16;

/// How long a browser stays logged in that does nothing.
pub const SESSION_IDLE: Duration = Duration::from_secs(12 * 3_600);

/// How long at most.
pub const SESSION_LIFE: Duration = Duration::from_secs(7 * 24 * 3_600);

/// How long a link is good for.
pub const LINK_LIFE: Duration = Duration::from_secs(10 * 60);

/// Everything of browsers.
#[derive(Debug, Default)]
pub struct Logins {
    sessions: Mutex<HashMap<Digest, Session>>,
    links: Mutex<Vec<Link>>,
}

#[derive(Debug, Clone)]
struct Session {
    caller: Caller,
    /// The token that it came from: when that is taken back, so is this.
    token: Option<String>,
    started_ns: u64,
    used_ns: u64,
}

#[derive(Debug)]
struct Link {
    sha256: Digest,
    until_ns: u64,
}

impl Logins {
    /// A new session; gives the text of its cookie.
    pub fn start(&self, who: &str, scope: Scope, token: Option<String>, now_ns: u64) -> Result<String, TokenError> {
        let text = random_text()?;
        let caller = Caller { who: who.to_owned(), scope, via: Via::Session, token: None };
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| !session.is_over(now_ns));
        if sessions.len() >= MAX_SESSIONS {
            let oldest = sessions.iter().min_by_key(|(_, session)| session.used_ns).map(|(digest, _)| *digest);
            oldest.map(|oldest| sessions.remove(&oldest));
        }
        sessions.insert(Digest::of(text.as_bytes()), Session { caller, token, started_ns: now_ns, used_ns: now_ns });
        Ok(text)
    }

    /// Whose session this is. `is_good` says whether the token that it came from still is.
    pub fn check(&self, text: &str, now_ns: u64, is_good: impl Fn(&str) -> bool) -> Result<Caller, Refusal> {
        // Found by its hash: what the search takes tells nothing of the secret.
        let digest = Digest::of(text.as_bytes());
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let session = sessions.get_mut(&digest).ok_or(Refusal::Unknown)?;
        let refusal = match &session.token {
            _ if session.is_over(now_ns) => Refusal::Expired,
            Some(token) if !is_good(token) => Refusal::Revoked,
            _ => {
                session.used_ns = now_ns;
                return Ok(session.caller.clone());
            }
        };
        sessions.remove(&digest);
        Err(refusal)
    }

    /// Ends a session.
    pub fn end(&self, text: &str) {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(&Digest::of(text.as_bytes()));
    }

    /// A new one-time code for a link.
    pub fn new_link(&self, now_ns: u64) -> Result<String, TokenError> {
        let text = random_text()?;
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|link| now_ns < link.until_ns);
        if links.len() >= MAX_LINKS {
            links.remove(0);
        }
        let until_ns = now_ns.saturating_add(u64::try_from(LINK_LIFE.as_nanos()).unwrap_or(u64::MAX));
        links.push(Link { sha256: Digest::of(text.as_bytes()), until_ns });
        Ok(text)
    }

    /// Takes a code, which is good once.
    pub fn take_link(&self, text: &str, now_ns: u64) -> bool {
        let digest = Digest::of(text.as_bytes());
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|link| now_ns < link.until_ns);
        let found = links.iter().position(|link| bool::from(link.sha256.as_bytes().ct_eq(digest.as_bytes())));
        found.map(|at| links.remove(at)).is_some()
    }
}

impl Session {
    fn is_over(&self, now_ns: u64) -> bool {
        let since = |at: u64| Duration::from_nanos(now_ns.saturating_sub(at));
        since(self.used_ns) >= SESSION_IDLE || since(self.started_ns) >= SESSION_LIFE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000_000_000;

    #[test]
    fn a_link_is_good_once_and_for_a_while() {
        let logins = Logins::default();
        let code = logins.new_link(0).unwrap();
        assert!(!logins.take_link("something else", 0));
        assert!(logins.take_link(&code, 0));
        assert!(!logins.take_link(&code, 0), "once");
        let code = logins.new_link(0).unwrap();
        assert!(!logins.take_link(&code, HOUR), "for a while");
    }

    #[test]
    fn a_session_ends_by_itself_by_logging_out_and_with_its_token() {
        let logins = Logins::default();
        let start = || logins.start("token a", Scope::Read, Some("a".to_owned()), 0).unwrap();
        let session = start();
        assert_eq!(logins.check(&session, HOUR, |_| true).unwrap().scope, Scope::Read);
        assert_eq!(logins.check(&session, 14 * HOUR, |_| true), Err(Refusal::Expired));
        let session = start();
        for hour in (0..7 * 24).step_by(6) {
            logins.check(&session, hour * HOUR, |_| true).unwrap();
        }
        assert_eq!(logins.check(&session, 7 * 24 * HOUR, |_| true), Err(Refusal::Expired), "in the end");
        let session = start();
        assert_eq!(logins.check(&session, 0, |_| false), Err(Refusal::Revoked));
        let session = start();
        logins.end(&session);
        assert_eq!(logins.check(&session, 0, |_| true), Err(Refusal::Unknown));
    }

    #[test]
    fn sessions_are_bounded() {
        let logins = Logins::default();
        for at in 0..1_000 {
            logins.start("x", Scope::Read, None, at).unwrap();
        }
        assert_eq!(logins.sessions.lock().unwrap().len(), MAX_SESSIONS);
    }
}
