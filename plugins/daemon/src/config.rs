//! What `[collector.daemon.config]` may say. Which daemons are watched, and how each is found, stands in
//! `[[daemon]]` and is the host's business.

use serde::Deserialize;

/// The JSON Schema of [`Config`], as the descriptor gives it to ghostd.
pub const SCHEMA: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "flapping_restarts": {
      "description": "A daemon that restarts more often than this within `flapping_seconds` is flapping.",
      "type": "integer", "minimum": 1, "maximum": 30
    },
    "flapping_seconds": {
      "description": "The span within which restarts are counted. A daemon is calm again after as long without one.",
      "type": "integer", "minimum": 1, "maximum": 86400
    },
    "paused_seconds": {
      "description": "A daemon that is stopped for longer is a finding.",
      "type": "integer", "minimum": 0, "maximum": 86400
    },
    "boot_grace_seconds": {
      "description": "How long after a boot a daemon that ran before it may take to come back.",
      "type": "integer", "minimum": 0, "maximum": 86400
    },
    "detail_seconds": {
      "description": "How often command line, control group and open files of a daemon are read again.",
      "type": "integer", "minimum": 1, "maximum": 86400
    }
  }
}"#;

/// The configuration of the collector. Times are in seconds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// More restarts than this within `flapping_seconds` are flapping. At most 30, since no more are kept.
    pub flapping_restarts: u32,
    /// The span within which restarts are counted.
    pub flapping_seconds: u32,
    /// A daemon that is stopped for longer is a finding.
    pub paused_seconds: u32,
    /// How long after a boot a daemon that ran before it may take to come back.
    pub boot_grace_seconds: u32,
    /// How often what is dear to read is read again.
    pub detail_seconds: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            flapping_restarts: 3,
            flapping_seconds: 600,
            paused_seconds: 30,
            boot_grace_seconds: 120,
            detail_seconds: 60,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_names_every_field_and_no_other() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        let mut keys: Vec<_> = schema["properties"].as_object().unwrap().keys().cloned().collect();
        keys.sort();
        assert_eq!(
            keys,
            ["boot_grace_seconds", "detail_seconds", "flapping_restarts", "flapping_seconds", "paused_seconds"]
        );
        let wrong = serde_json::from_str::<Config>(r#"{"flapping": 3}"#).unwrap_err().to_string();
        assert!(keys.iter().all(|key| wrong.contains(key)), "{wrong}");
        assert_eq!(serde_json::from_str::<Config>("{}").unwrap().flapping_restarts, 3);
    }
}
