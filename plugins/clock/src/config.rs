//! What the configuration of this collector may say.

use ghostd_sdk::Failure;
use serde::Deserialize;

/// `[collector.clock.config]`. How far the clock may be off, in seconds.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// From here on `drift_warning`.
    pub warn_seconds: f64,
    /// From here on `drift_critical`.
    pub critical_seconds: f64,
    /// From here on `sync_failed`.
    pub failed_seconds: f64,
}

/// The JSON Schema that the host holds a configuration against.
pub const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "warn_seconds": {"type": "number", "exclusiveMinimum": 0, "default": 30, "description": "drift_warning from this offset on"},
    "critical_seconds": {"type": "number", "exclusiveMinimum": 0, "default": 60, "description": "drift_critical from this offset on"},
    "failed_seconds": {"type": "number", "exclusiveMinimum": 0, "default": 150, "description": "sync_failed from this offset on"}
  }
}"#;

impl Default for Config {
    fn default() -> Self {
        Self { warn_seconds: 30.0, critical_seconds: 60.0, failed_seconds: 150.0 }
    }
}

impl Config {
    /// Thresholds that do not ascend would hide a status for ever.
    ///
    /// # Errors
    /// [`Failure::Config`] that names them.
    pub fn checked(self) -> Result<Self, Failure> {
        let Self { warn_seconds, critical_seconds, failed_seconds } = self;
        if 0.0 < warn_seconds && warn_seconds <= critical_seconds && critical_seconds <= failed_seconds {
            return Ok(self);
        }
        Err(Failure::Config(format!(
            "`warn_seconds` {warn_seconds}, `critical_seconds` {critical_seconds} and `failed_seconds` \
             {failed_seconds} must ascend"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_must_ascend() {
        assert!(Config::default().checked().is_ok());
        let error = Config { warn_seconds: 90.0, ..Config::default() }.checked().unwrap_err();
        assert!(error.to_string().contains("`warn_seconds` 90"), "{error}");
        assert!(Config { warn_seconds: 0.0, ..Config::default() }.checked().is_err());
    }

    #[test]
    fn the_schema_has_the_defaults() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        let default = |key: &str| schema["properties"][key]["default"].as_f64().unwrap();
        let from_schema = Config {
            warn_seconds: default("warn_seconds"),
            critical_seconds: default("critical_seconds"),
            failed_seconds: default("failed_seconds"),
        };
        assert_eq!(from_schema, Config::default());
    }
}
