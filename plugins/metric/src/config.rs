//! What the configuration of this collector may say.

use ghostd_sdk::Failure;
use serde::Deserialize;

/// The most processes in each list of the dearest: each costs the host further reads.
pub const MAX_TOP: u32 = 50;

/// `[collector.metric.config]`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How many processes are listed by CPU, and how many by memory.
    pub top: u32,
}

/// The JSON Schema that the host holds a configuration against.
pub const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "top": {"type": "integer", "minimum": 0, "maximum": 50, "default": 10, "description": "how many processes are listed by CPU, and how many by memory"}
  }
}"#;

impl Default for Config {
    fn default() -> Self {
        Self { top: 10 }
    }
}

impl Config {
    /// # Errors
    /// [`Failure::Config`] for lists that would be too long.
    pub fn checked(self) -> Result<Self, Failure> {
        if self.top > MAX_TOP {
            return Err(Failure::Config(format!("`top` is {} (at most {MAX_TOP})", self.top)));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_has_the_default_and_the_limit() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        assert_eq!(schema["properties"]["top"]["default"], Config::default().top);
        assert_eq!(schema["properties"]["top"]["maximum"], MAX_TOP);
        assert!(Config { top: MAX_TOP + 1 }.checked().is_err());
    }
}
