//! What a sanitizer did: how often each rule fired, and never what it saw.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How many secrets each rule took out. It holds names and counts only, so it can be stored and shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Report {
    /// Rule name -> number of replacements.
    pub counts: BTreeMap<String, u64>,
}

impl Report {
    /// Adds another report's counts to this one.
    pub fn merge(&mut self, other: &Report) {
        for (rule, count) in &other.counts {
            self.add(rule, *count);
        }
    }

    /// The number of replacements over all rules.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Whether nothing was replaced.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    pub(super) fn add(&mut self, rule: &str, count: u64) {
        if let Some(sum) = self.counts.get_mut(rule) {
            *sum = sum.saturating_add(count);
        } else {
            self.counts.insert(rule.to_owned(), count);
        }
    }
}
