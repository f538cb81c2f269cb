//! Important by itself: what was there just before something went wrong, and just after.
//!
//! When a daemon fails, a finding becomes critical or an alert fires, an episode begins: the last snapshot before is
//! marked, one is taken at once, and the first that is durable after is marked too. Once for each episode, which is over
//! when what began it is; whatever flaps within it marks nothing more. Such marks protect up to `store.max_important`
//! snapshots, and are below a mark by hand.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Daemon;
use crate::model::{Moment, SnapshotId, Trigger};
use crate::schedule::TokenBucket;
use crate::store::Mark;

/// Who marks.
const BY: &str = "ghostd";
/// Episodes that are remembered; the names in them are others'. Beyond it, one more marks nothing.
const MAX_EPISODES: usize = 1_024;
/// Reasons that one mark tells.
const MAX_REASONS: usize = 5;
/// Snapshots taken for episodes: so many at once, and then one in this time. Many daemons that die together are one
/// snapshot or two.
const AT_ONCE: u32 = 2;
const ONE_MORE_EACH: Duration = Duration::from_secs(60);

/// The episodes.
#[derive(Debug)]
pub(super) struct Episodes {
    under_way: BTreeSet<String>,
    /// What began since the last snapshot.
    begun: Vec<String>,
    captures: TokenBucket,
}

impl Episodes {
    pub(super) fn new(now: &Moment) -> Self {
        Self {
            under_way: BTreeSet::new(),
            begun: Vec::new(),
            captures: TokenBucket::new(AT_ONCE, ONE_MORE_EACH, now.boottime_ns),
        }
    }

    /// Whether this begins one.
    fn begin(&mut self, key: &str, what: &str) -> bool {
        if self.under_way.len() >= MAX_EPISODES || !self.under_way.insert(key.to_owned()) {
            return false;
        }
        if self.begun.len() < MAX_REASONS {
            self.begun.push(what.to_owned());
        }
        true
    }

    fn end(&mut self, key: &str) {
        self.under_way.remove(key);
    }
}

impl Daemon {
    /// Something went wrong. `key` names it for as long as it lasts, `what` says it.
    pub(super) fn episode_begins(&mut self, key: &str, what: &str, now: &Moment) {
        if !self.episodes.begin(key, what) {
            return;
        }
        if let Some(before) = self.captures.last {
            self.mark(before, format!("the last before: {what}"));
        }
        if self.episodes.captures.take(now.boottime_ns) {
            self.begin_capture(Trigger::Event, Some(what.to_owned()), false, None, now);
        }
    }

    /// It is over.
    pub(super) fn episode_ends(&mut self, key: &str) {
        self.episodes.end(key);
    }

    /// A snapshot is durable: it is the first after whatever began since the one before.
    pub(super) fn mark_after(&mut self, id: SnapshotId) {
        let begun = std::mem::take(&mut self.episodes.begun);
        if !begun.is_empty() {
            self.mark(id, format!("the first after: {}", begun.join("; ")));
        }
    }

    fn mark(&self, id: SnapshotId, why: String) {
        let why = self.clean(&why);
        self.recorder.run(
            move |store, now| {
                // Somebody's own word stays.
                if store.mark_of(id)?.is_none() {
                    store.keep(id, &Mark { by: BY.to_owned(), why: Some(why), at: now.wall, by_hand: false })?;
                }
                Ok(())
            },
            |result| {
                if let Err(error) = result {
                    tracing::warn!(error, "A snapshot is not marked as important.");
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Wall;

    fn now() -> Moment {
        Moment { wall: Wall(0), boottime_ns: 0, boot_id: "b".into() }
    }

    #[test]
    fn what_flaps_is_one_episode_until_it_is_over() {
        let mut episodes = Episodes::new(&now());
        assert!(episodes.begin("daemon:a", "a failed"));
        assert!(!episodes.begin("daemon:a", "a failed again"));
        assert!(episodes.begin("daemon:b", "b failed"));
        episodes.end("daemon:a");
        assert!(episodes.begin("daemon:a", "a failed"));
        assert_eq!(episodes.begun, ["a failed", "b failed", "a failed"]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut episodes = Episodes::new(&now());
        assert_eq!((0..5_000).filter(|n| episodes.begin(&format!("{n}"), "x")).count(), MAX_EPISODES);
        assert_eq!(episodes.begun.len(), MAX_REASONS);
    }
}
