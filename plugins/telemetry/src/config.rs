//! What `[collector.telemetry.config]` may say.
//!
//! Owns the defaults and the bounds of settings. Knows nothing of files.

use std::collections::BTreeSet;

use ghostd_sdk::Failure;
use serde::Deserialize;

/// The root that files are looked for in where the configuration names none.
pub const DEFAULT_ROOT: &str = "telemetry";
/// A file that changed longer ago is stale, where nothing else is configured.
pub const DEFAULT_MAX_AGE_SECONDS: u32 = 300;
/// The content of a larger file is summarised, where nothing else is configured.
pub const DEFAULT_MAX_BYTES: u32 = 64 * 1024;

/// The JSON Schema of [`Config`], as the descriptor gives it to ghostd.
pub const SCHEMA: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "files": {
      "description": "The state files, each with a name of its own. Where none are named and a root `telemetry` is lent: dashboard, relay, heartbeat and loop_auditor under their usual file names.",
      "type": "array", "maxItems": 32,
      "items": {
        "type": "object",
        "additionalProperties": false,
        "required": ["name", "path"],
        "properties": {
          "name": { "type": "string", "pattern": "^[A-Za-z0-9_.-]+$", "maxLength": 64 },
          "root": { "description": "A root below [collector.telemetry.files].", "type": "string", "minLength": 1, "maxLength": 128 },
          "path": { "description": "The file below that root.", "type": "string", "minLength": 1, "maxLength": 1024 },
          "max_age_seconds": { "type": "integer", "minimum": 1, "maximum": 31536000 },
          "max_bytes": { "type": "integer", "minimum": 0, "maximum": 131072 }
        }
      }
    },
    "max_age_seconds": {
      "description": "A file that changed longer ago is stale.",
      "type": "integer", "minimum": 1, "maximum": 31536000
    },
    "max_bytes": {
      "description": "The content of a larger file is summarised.",
      "type": "integer", "minimum": 0, "maximum": 131072
    }
  }
}"#;

/// The configuration of the collector.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The files; none where nothing is configured.
    pub files: Option<Vec<FileConfig>>,
    /// For files that say nothing of their own.
    pub max_age_seconds: u32,
    /// Likewise.
    pub max_bytes: u32,
}

/// One file as it is configured.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// What it is called in the section.
    pub name: String,
    /// The root that it lies below.
    #[serde(default)]
    pub root: Option<String>,
    /// Where it lies below that.
    pub path: String,
    /// It is stale when it changed longer ago.
    #[serde(default)]
    pub max_age_seconds: Option<u32>,
    /// Its content is summarised when it is larger.
    #[serde(default)]
    pub max_bytes: Option<u32>,
}

/// One file to look at, with all that holds for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// What it is called in the section.
    pub name: String,
    /// The root that it lies below.
    pub root: String,
    /// Where it lies below that.
    pub path: String,
    /// It is stale when it changed longer ago.
    pub max_age_seconds: u32,
    /// Its content is summarised when it is larger.
    pub max_bytes: u32,
}

/// The state files that the programs of the original write.
const USUAL: [(&str, &str); 4] = [
    ("dashboard", "dashboard-state.json"),
    ("relay", "relay-telemetry-state.json"),
    ("heartbeat", "heartbeat-state.json"),
    ("loop_auditor", "loop-auditor-state.json"),
];

impl Default for Config {
    fn default() -> Self {
        Self { files: None, max_age_seconds: DEFAULT_MAX_AGE_SECONDS, max_bytes: DEFAULT_MAX_BYTES }
    }
}

impl Config {
    /// The files to look at, given the roots that are lent. None where there is nothing to look at.
    ///
    /// # Errors
    /// [`Failure::Config`] for two files of one name, which the schema cannot say.
    pub fn targets(&self, roots: &[String]) -> Result<Option<Vec<Target>>, Failure> {
        let Some(files) = &self.files else {
            let lent = roots.iter().any(|root| root == DEFAULT_ROOT);
            let usual = USUAL.iter().map(|(name, path)| self.target(name, DEFAULT_ROOT, path, None, None));
            return Ok(lent.then(|| usual.collect()));
        };
        let mut names = BTreeSet::new();
        if let Some(twice) = files.iter().find(|file| !names.insert(&file.name)) {
            return Err(Failure::Config(format!("two files are called `{}`", twice.name)));
        }
        let target = |file: &FileConfig| {
            let root = file.root.as_deref().unwrap_or(DEFAULT_ROOT);
            self.target(&file.name, root, &file.path, file.max_age_seconds, file.max_bytes)
        };
        Ok((!files.is_empty()).then(|| files.iter().map(target).collect()))
    }

    fn target(&self, name: &str, root: &str, path: &str, max_age: Option<u32>, max_bytes: Option<u32>) -> Target {
        Target {
            name: name.to_owned(),
            root: root.to_owned(),
            path: path.to_owned(),
            max_age_seconds: max_age.unwrap_or(self.max_age_seconds),
            max_bytes: max_bytes.unwrap_or(self.max_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(config: &str, roots: &[&str]) -> Result<Option<Vec<Target>>, Failure> {
        let roots: Vec<_> = roots.iter().map(|&root| root.to_owned()).collect();
        serde_json::from_str::<Config>(config).unwrap().targets(&roots)
    }

    #[test]
    fn the_usual_files_are_looked_for_where_their_root_is_lent() {
        assert_eq!(targets("{}", &[]), Ok(None));
        assert_eq!(targets("{}", &["logs"]), Ok(None));
        let usual = targets(r#"{"max_age_seconds":60}"#, &["telemetry"]).unwrap().unwrap();
        assert_eq!(usual.len(), 4);
        assert_eq!((usual[3].name.as_str(), usual[3].path.as_str()), ("loop_auditor", "loop-auditor-state.json"));
        assert_eq!((usual[0].max_age_seconds, usual[0].max_bytes), (60, 65_536));
    }

    #[test]
    fn a_file_may_say_its_own() {
        let config =
            r#"{"files":[{"name":"a","root":"r","path":"x/a.json","max_age_seconds":5},{"name":"b","path":"b.json"}]}"#;
        let files = targets(config, &["r"]).unwrap().unwrap();
        assert_eq!((files[0].root.as_str(), files[0].max_age_seconds), ("r", 5));
        assert_eq!((files[1].root.as_str(), files[1].max_age_seconds), ("telemetry", 300));
        assert_eq!(targets(r#"{"files":[]}"#, &["telemetry"]), Ok(None));
    }

    #[test]
    fn two_files_of_one_name_are_refused() {
        let config = r#"{"files":[{"name":"a","path":"1"},{"name":"a","path":"2"}]}"#;
        assert_eq!(targets(config, &[]), Err(Failure::Config("two files are called `a`".to_owned())));
    }

    #[test]
    fn the_schema_names_every_field_and_no_other() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        let keys = |value: &serde_json::Value| {
            value["properties"].as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>()
        };
        let of_file = keys(&schema["properties"]["files"]["items"]);
        let wrong = serde_json::from_str::<Config>(r#"{"x":1}"#).unwrap_err().to_string();
        assert!(keys(&schema).len() == 3 && keys(&schema).iter().all(|key| wrong.contains(key)), "{wrong}");
        let wrong = serde_json::from_str::<FileConfig>(r#"{"x":1}"#).unwrap_err().to_string();
        assert!(of_file.len() == 5 && of_file.iter().all(|key| wrong.contains(key)), "{wrong}");
    }
}
