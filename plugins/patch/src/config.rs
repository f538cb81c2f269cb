//! What `[collector.patch.config]` may say.
//!
//! Owns the defaults, among them which folder stands for which state. Knows nothing of files.

use serde::{Deserialize, Serialize};

/// The JSON Schema of [`Config`], as the descriptor gives it to ghostd.
pub const SCHEMA: &str = r##"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "root": {
      "description": "The name of the root below [collector.patch.files] that is the queue.",
      "type": "string", "minLength": 1, "maxLength": 128
    },
    "folders": {
      "description": "The folders that stand for each state; a state that is left out keeps its default. `.` is the queue directory itself.",
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "pending": { "$ref": "#/$defs/names" },
        "executing": { "$ref": "#/$defs/names" },
        "completed": { "$ref": "#/$defs/names" },
        "failed": { "$ref": "#/$defs/names" }
      }
    },
    "history": {
      "description": "How many completed and failed patches the history shows.",
      "type": "integer", "minimum": 0, "maximum": 100
    },
    "stuck_after_seconds": {
      "description": "A patch that has been executing for longer is stuck.",
      "type": "integer", "minimum": 1, "maximum": 31536000
    },
    "failed_is_news_for_seconds": {
      "description": "For how long a patch that failed is an open finding.",
      "type": "integer", "minimum": 1, "maximum": 31536000
    }
  },
  "$defs": {
    "names": {
      "type": "array", "maxItems": 16,
      "items": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[^/]+$" }
    }
  }
}"##;

/// What a folder says about the patches in it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Waiting for its turn.
    Pending,
    /// Being carried out.
    Executing,
    /// Carried out.
    Completed,
    /// Given up.
    Failed,
}

/// The configuration of the collector.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The root that is the queue; by default `queue`.
    pub root: Option<String>,
    /// Which folder stands for which state.
    pub folders: Folders,
    /// How many completed and failed patches the history shows.
    pub history: usize,
    /// A patch that has been executing for longer is stuck.
    pub stuck_after_seconds: u32,
    /// For how long a patch that failed is an open finding.
    pub failed_is_news_for_seconds: u32,
}

/// The folders of each state. The first that exists is no better than the others: all are counted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Folders {
    /// Folders whose patches are [`State::Pending`].
    pub pending: Vec<String>,
    /// Folders whose patches are [`State::Executing`].
    pub executing: Vec<String>,
    /// Folders whose patches are [`State::Completed`].
    pub completed: Vec<String>,
    /// Folders whose patches are [`State::Failed`].
    pub failed: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            root: None,
            folders: Folders::default(),
            history: 10,
            stuck_after_seconds: 30 * 60,
            failed_is_news_for_seconds: 24 * 60 * 60,
        }
    }
}

impl Default for Folders {
    /// The names that queues in the wild use. `.hold`, `.rejected`, `.stuck`, `.archive`, `.corrupt`,
    /// `.skip` and `.logs` are left out on purpose: what they mean differs, so they are counted by name.
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            pending: names(&[".pending", "pending", ".queue", "queue"]),
            executing: names(&[".executing", "executing"]),
            completed: names(&[".completed", "completed", ".done", "done", ".processed", "processed"]),
            failed: names(&[".failed", "failed", ".fail", "fail"]),
        }
    }
}

impl Folders {
    /// The state that a folder stands for; `.` is the queue directory itself.
    #[must_use]
    pub fn state_of(&self, folder: &str) -> Option<State> {
        [
            (&self.pending, State::Pending),
            (&self.executing, State::Executing),
            (&self.completed, State::Completed),
            (&self.failed, State::Failed),
        ]
        .into_iter()
        .find_map(|(names, state)| names.iter().any(|name| name == folder).then_some(state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_configured_is_the_usual_queue() {
        let config: Config = serde_json::from_str("{}").unwrap();
        assert_eq!(config.folders.state_of(".done"), Some(State::Completed));
        assert_eq!(config.folders.state_of(".hold"), None);
        assert_eq!((config.history, config.stuck_after_seconds), (10, 1800));
    }

    #[test]
    fn a_state_that_is_named_replaces_its_default_alone() {
        let config: Config = serde_json::from_str(r#"{"folders":{"failed":["kaputt"]}}"#).unwrap();
        assert_eq!(config.folders.state_of("kaputt"), Some(State::Failed));
        assert_eq!(config.folders.state_of(".failed"), None);
        assert_eq!(config.folders.state_of(".pending"), Some(State::Pending));
    }

    #[test]
    fn the_schema_names_every_field_and_no_other() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        let mut keys: Vec<_> = schema["properties"].as_object().unwrap().keys().cloned().collect();
        keys.sort();
        assert_eq!(keys, ["failed_is_news_for_seconds", "folders", "history", "root", "stuck_after_seconds"]);
        let wrong = serde_json::from_str::<Config>(r#"{"stuck_after": 3}"#).unwrap_err().to_string();
        for key in keys {
            assert!(wrong.contains(&key), "`{key}` is in the schema and not in {wrong}");
        }
    }
}
