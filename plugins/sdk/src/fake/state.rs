//! The fake key-value store, with the real one's quota.

use std::collections::BTreeMap;

use crate::Error;

/// What a collector stored. It lives in the [`super::Host`] and so from one call to the next.
#[derive(Clone, Debug)]
pub struct State {
    values: BTreeMap<String, String>,
    /// The most bytes of keys and values together; 512 KiB as with the real host.
    pub quota_bytes: usize,
}

impl State {
    /// The JSON text under a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// Puts something there before the collector runs.
    pub fn set(&mut self, key: &str, json: &str) {
        self.values.insert(key.to_owned(), json.to_owned());
    }

    /// Forgets everything, as after a lost database.
    pub fn clear(&mut self) {
        self.values.clear();
    }

    /// How much of the quota is used, in bytes.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.values.iter().map(|(key, value)| key.len() + value.len()).sum()
    }

    pub(super) fn try_set(&mut self, key: &str, json: &str) -> Result<(), Error> {
        if key.is_empty() || key.len() > 128 {
            return Err(Error::Invalid(format!("key `{key}` has {} bytes (1 to 128)", key.len())));
        }
        serde_json::from_str::<serde::de::IgnoredAny>(json).map_err(|error| Error::Invalid(error.to_string()))?;
        let replaced = self.values.get(key).map_or(0, |value| key.len() + value.len());
        let wanted = self.used_bytes() - replaced + key.len() + json.len();
        if wanted > self.quota_bytes {
            return Err(Error::Exhausted(format!("state has {wanted} bytes (at most {})", self.quota_bytes)));
        }
        self.set(key, json);
        Ok(())
    }

    pub(super) fn remove(&mut self, key: &str) {
        self.values.remove(key);
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.values.keys().cloned().collect()
    }
}

impl Default for State {
    fn default() -> Self {
        Self { values: BTreeMap::new(), quota_bytes: 512 * 1024 }
    }
}
