//! Who asked for what, for the audit log.
//!
//! Logging in and out, every order (what is not a GET or a HEAD) and every refusal up to the brake of
//! [`super::access::failures`] has a line of its own. What merely reads is summed up: one line for each caller in
//! [`EVERY`], with how often which route was asked, so that a dashboard left open or a scrape every 15 seconds does not
//! push everything else out of the log.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value as Json, json};

/// How often reads are summed up.
pub(super) const EVERY: Duration = Duration::from_secs(300);

/// Callers that are told apart; the rest are one.
const MAX_CALLERS: usize = 64;

/// The routes of the table, and what is none.
const MAX_ROUTES: usize = 64;

/// Reads since the last sum.
#[derive(Debug, Default)]
pub(super) struct Account(Mutex<BTreeMap<String, BTreeMap<String, u64>>>);

impl Account {
    /// Notes that somebody read something.
    pub(super) fn read(&self, who: &str, route: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = all.len() < MAX_CALLERS || all.contains_key(who);
        let routes = all.entry(if room { who } else { "others" }.to_owned()).or_default();
        let room = routes.len() < MAX_ROUTES || routes.contains_key(route);
        *routes.entry(if room { route } else { "others" }.to_owned()).or_default() += 1;
    }

    /// What the audit log is told, and begins anew.
    pub(super) fn sum(&self) -> Vec<Json> {
        let all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        all.into_iter()
            .map(|(who, routes)| {
                json!({"by": who, "reads": routes.values().sum::<u64>(), "routes": routes, "within_seconds": EVERY.as_secs()})
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_summed_up_and_bounded() {
        let account = Account::default();
        for at in 0..200 {
            account.read(&format!("uid {at}"), "/api/v1/status");
            account.read("uid 0", &format!("/{at}"));
        }
        let sums = account.sum();
        assert_eq!(sums.len(), MAX_CALLERS + 1);
        let reads: u64 = sums.iter().filter_map(|sum| sum["reads"].as_u64()).sum();
        assert_eq!(reads, 400, "none is lost");
        assert!(account.sum().is_empty());
    }
}
