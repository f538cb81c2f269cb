//! What the user says: which files, how much of them, what to ignore, raise or lower, and which must not fall silent.

use crate::severity::Severity;
use serde::{Deserialize, Serialize};

/// The collector's configuration. Every field has a default; unknown fields are errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The files to follow. Empty: the usual logs in every root that is lent.
    pub files: Vec<Source>,
    /// Events below this are no findings.
    pub min_severity: Severity,
    /// How much of a file is read when it is first seen, in bytes from its end.
    pub first_sight_bytes: u64,
    /// How much is read in one capture, in bytes over all files. What is left is read in the next.
    pub budget_bytes: u64,
    /// Rules of the user; the first that matches decides.
    pub rules: Vec<Rule>,
    /// Whether the system's journal is read where it is lent.
    pub journal: bool,
}

/// Files to follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The root that is lent; empty for all of them.
    #[serde(default)]
    pub root: String,
    /// Which files below it: `*` and `?` within a name, `**` over directories.
    pub path: String,
    /// A finding if nothing is written to a file for this long, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_every_seconds: Option<u64>,
}

/// What to do with events that are known better by the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Files it is about, as a pattern over the path; empty for all.
    #[serde(default)]
    pub file: String,
    /// What the line must hold: texts with `*` between them, upper and lower case alike.
    pub contains: String,
    /// What is done.
    pub action: Action,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// No finding.
    Ignore,
    /// One severity up.
    Raise,
    /// One severity down.
    Lower,
    /// This severity.
    Low,
    /// This severity.
    Medium,
    /// This severity.
    High,
    /// This severity.
    Critical,
}

/// The JSON Schema that the host holds a configuration against.
pub const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "files": {
      "type": "array", "maxItems": 64, "description": "the files to follow; empty: the usual logs in every root that is lent",
      "items": {
        "type": "object", "additionalProperties": false, "required": ["path"],
        "properties": {
          "root": {"type": "string", "default": "", "description": "a root of `files`; empty for all of them"},
          "path": {"type": "string", "minLength": 1, "description": "`*` and `?` within a name, `**` over directories"},
          "expect_every_seconds": {"type": "integer", "minimum": 1, "description": "a finding if nothing is written for so long"}
        }
      }
    },
    "min_severity": {"enum": ["low", "medium", "high", "critical"], "default": "medium", "description": "events below this are no findings; `low` takes in warnings and failed logins"},
    "first_sight_bytes": {"type": "integer", "minimum": 0, "default": 262144, "description": "how much of a file is read when it is first seen, from its end"},
    "budget_bytes": {"type": "integer", "minimum": 1048576, "default": 67108864, "description": "how much is read in one capture over all files; the rest is carried over"},
    "rules": {
      "type": "array", "maxItems": 256, "description": "the first rule that matches decides",
      "items": {
        "type": "object", "additionalProperties": false, "required": ["contains", "action"],
        "properties": {
          "file": {"type": "string", "default": "", "description": "a pattern over the path below its root; empty for all"},
          "contains": {"type": "string", "description": "texts with `*` between them, upper and lower case alike"},
          "action": {"enum": ["ignore", "raise", "lower", "low", "medium", "high", "critical"]}
        }
      }
    },
    "journal": {"type": "boolean", "default": true, "description": "whether the system's journal is read where it is lent"}
  }
}"#;

/// What is followed where nothing is configured.
pub const USUAL_LOGS: [&str; 8] =
    ["**/*.log", "**/*.err", "**/*.jsonl", "**/syslog", "**/messages", "**/error_log", "**/kern.log", "**/dmesg"];

impl Default for Config {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            min_severity: Severity::Medium,
            first_sight_bytes: 256 * 1024,
            budget_bytes: 64 * 1024 * 1024,
            rules: Vec::new(),
            journal: true,
        }
    }
}

impl Config {
    /// The files to follow, given the roots that are lent.
    pub fn sources(&self, roots: &[String]) -> Vec<Source> {
        let all = |source: &Source| -> Vec<Source> {
            if source.root.is_empty() {
                roots.iter().map(|root| Source { root: root.clone(), ..source.clone() }).collect()
            } else {
                vec![source.clone()]
            }
        };
        if self.files.is_empty() {
            let usual =
                |path: &&str| Source { root: String::new(), path: (*path).to_owned(), expect_every_seconds: None };
            USUAL_LOGS.iter().map(usual).flat_map(|source| all(&source)).collect()
        } else {
            self.files.iter().flat_map(all).collect()
        }
    }

    /// What the rules raise: such a line is an event also where nothing else says so.
    pub fn watched(&self) -> Vec<String> {
        let raises = |rule: &&Rule| !matches!(rule.action, Action::Ignore | Action::Lower | Action::Low);
        self.rules.iter().filter(raises).map(|rule| rule.contains.clone()).filter(|text| !text.is_empty()).collect()
    }

    /// The severity of an event after the user's rules; `None` if it is to be ignored.
    pub fn ruled(&self, path: &str, line: &str, severity: Severity) -> Option<Severity> {
        let rule = self
            .rules
            .iter()
            .find(|rule| (rule.file.is_empty() || glob(&rule.file, path)) && contains(&rule.contains, line));
        match rule.map(|rule| rule.action) {
            None => Some(severity),
            Some(Action::Ignore) => None,
            Some(Action::Raise) => Some(severity.shifted(1)),
            Some(Action::Lower) => Some(severity.shifted(-1)),
            Some(Action::Low) => Some(Severity::Low),
            Some(Action::Medium) => Some(Severity::Medium),
            Some(Action::High) => Some(Severity::High),
            Some(Action::Critical) => Some(Severity::Critical),
        }
    }
}

/// Whether `line` holds the texts of `pattern` (which are separated by `*`) one after the other, case ignored.
pub fn contains(pattern: &str, line: &str) -> bool {
    let mut rest = line.as_bytes();
    for part in pattern.split('*').filter(|part| !part.is_empty()) {
        let part = part.to_ascii_lowercase();
        match crate::bytes::find_fold(rest, part.as_bytes()) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

/// Whether `path` matches `pattern`: `?` is one character and `*` any number within a name, `**/` any number of
/// directories. Linear in the path for each star: no pattern can make it slow.
pub fn glob(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < path.len() {
        if pattern.get(p) == Some(&"**") {
            star = Some((p, n));
            p += 1;
        } else if pattern.get(p).is_some_and(|part| name_matches(part.as_bytes(), path[n].as_bytes())) {
            p += 1;
            n += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            n = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|part| *part == "**")
}

fn name_matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(b'?') => {
                p += 1;
                n += 1;
            }
            Some(c) if *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_paths() {
        for (pattern, path, expected) in [
            ("*.log", "a.log", true),
            ("*.log", "d/a.log", false),
            ("**/*.log", "a.log", true),
            ("**/*.log", "d/e/a.log", true),
            ("**", "d/e/a.log", true),
            ("d/**/a.log", "d/a.log", true),
            ("d/**/a.log", "e/a.log", false),
            ("nginx/*", "nginx/error.log", true),
            ("a?.log*", "ab.log.1", true),
            ("*a*b*c", "xxaxxbxxc", true),
            ("*a*b*c", "xxaxxbxx", false),
        ] {
            assert_eq!(glob(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let rule = |file: &str, contains: &str, action| Rule { file: file.into(), contains: contains.into(), action };
        let config = Config {
            rules: vec![
                rule("nginx/*", "upstream*timed out", Action::Ignore),
                rule("", "BACKUP", Action::Critical),
                rule("", "backup", Action::Ignore),
                rule("", "noisy", Action::Lower),
            ],
            ..Config::default()
        };
        assert_eq!(config.ruled("nginx/error.log", "an upstream has timed out", Severity::High), None);
        assert_eq!(config.ruled("x.log", "an upstream has timed out", Severity::High), Some(Severity::High));
        assert_eq!(config.ruled("x.log", "the backup is gone", Severity::Medium), Some(Severity::Critical));
        assert_eq!(config.ruled("x.log", "noisy thing", Severity::High), Some(Severity::Medium));
    }

    #[test]
    fn unknown_fields_are_errors() {
        assert!(serde_json::from_str::<Config>(r#"{"budget":1}"#).is_err());
        assert_eq!(serde_json::from_str::<Config>("{}").unwrap(), Config::default());
    }
}
