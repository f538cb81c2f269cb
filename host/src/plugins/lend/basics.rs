//! What every collector is lent: `log`, `state`, `redact`.

use wasmtime::Result;

use super::super::bindings::ghost::host as wit;
use super::super::state::CallState;
use super::super::stdio::Level;
use super::super::strict_json;
use crate::sanitize::Report;

/// Bytes of a key in a collector's state.
const MAX_STATE_KEY_BYTES: usize = 128;

/// Bytes of a text that `redact` takes at a time; more is cut.
const MAX_REDACT_BYTES: usize = 1 << 20;

impl wit::types::Host for CallState {}

impl super::super::bindings::ghost::collector::types::Host for CallState {}

impl wit::log::Host for CallState {
    fn write(&mut self, level: wit::log::Level, message: String) -> Result<()> {
        let level = match level {
            wit::log::Level::Trace => Level::Trace,
            wit::log::Level::Debug => Level::Debug,
            wit::log::Level::Info => Level::Info,
            wit::log::Level::Warn => Level::Warn,
            wit::log::Level::Error => Level::Error,
        };
        self.lent.log.push(level, message.as_bytes());
        Ok(())
    }
}

impl wit::state::Host for CallState {
    fn get(&mut self, key: String) -> Result<Option<String>> {
        self.lent.collecting()?;
        Ok(self.lent.state.get(&key).cloned())
    }

    fn set(&mut self, key: String, value: String) -> Result<Result<(), wit::types::Error>> {
        self.lent.collecting()?;
        if key.is_empty() || key.len() > MAX_STATE_KEY_BYTES {
            return Ok(Err(wit::types::Error::Invalid(format!(
                "a key has 1 to {MAX_STATE_KEY_BYTES} bytes, this one has {}",
                key.len()
            ))));
        }
        if let Err(fault) = strict_json::parse(&value) {
            return Ok(Err(wit::types::Error::Invalid(format!("the value is not JSON: {fault}"))));
        }
        let others: usize =
            self.lent.state.iter().filter(|(other, _)| **other != key).map(|(k, v)| k.len() + v.len()).sum();
        let wanted = (others + key.len() + value.len()) as u64;
        if wanted > self.lent.state_bytes {
            return Ok(Err(wit::types::Error::Exhausted(format!(
                "state quota of {} bytes exceeded: {wanted} wanted (raise `limits.state`)",
                self.lent.state_bytes
            ))));
        }
        self.lent.state.insert(key, value);
        self.lent.state_changed = true;
        Ok(Ok(()))
    }

    fn remove(&mut self, key: String) -> Result<()> {
        self.lent.collecting()?;
        self.lent.state_changed |= self.lent.state.remove(&key).is_some();
        Ok(())
    }

    fn keys(&mut self) -> Result<Vec<String>> {
        self.lent.collecting()?;
        Ok(self.lent.state.keys().cloned().collect())
    }
}

impl wit::redact::Host for CallState {
    fn text(&mut self, mut text: String) -> Result<String> {
        self.lent.collecting()?;
        if text.len() > MAX_REDACT_BYTES {
            let mut end = MAX_REDACT_BYTES;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
        }
        // Counted where the section passes, not here: what a guest asks about may never be recorded.
        Ok(self.lent.services.sanitizer.text(&text, &mut Report::default()).into_owned())
    }

    fn json(&mut self, text: String) -> Result<Result<String, wit::types::Error>> {
        self.lent.collecting()?;
        let mut value = match strict_json::parse(&text) {
            Ok(value) => value,
            Err(fault) => return Ok(Err(wit::types::Error::Invalid(fault))),
        };
        self.lent.services.sanitizer.json(&mut value, &mut Report::default());
        Ok(Ok(value.to_string()))
    }
}
