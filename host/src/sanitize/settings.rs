//! What the configuration may add to the built-in rules, and the check of it: everything that is wrong is told at once.

use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;
use thiserror::Error;

use super::anchor::{MAX_LITERAL, MIN_LITERAL};

/// Rules, names and exceptions beside the built-in ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Patterns of secrets.
    pub rules: Vec<RuleSetting>,
    /// Key names whose values are secrets, in any spelling: `rotorKey` is also `rotor_key` and `ROTOR-KEY`.
    pub keys: Vec<String>,
    /// What is no secret although a rule says so.
    pub except: Vec<ExceptSetting>,
    /// The key of the tags that make the same secret recognisable within one store (`[REDACTED:rule#3f2a]`); no tags without it.
    #[serde(skip)]
    pub tags: Option<TagKey>,
}

/// A rule of the configuration's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuleSetting {
    /// What the marker calls it: letters, digits, `-`, `_` and `.`, at most 64.
    pub name: String,
    /// A regular expression in the syntax of the `regex` crate.
    pub pattern: String,
    /// The rule is only tried in texts that hold one of these, without regard to case. Rules without keywords are tried everywhere.
    pub keywords: Vec<String>,
    /// Which group of the pattern is the secret; the whole match (0) without it.
    pub secret_group: usize,
}

/// An exception: all that is given must agree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExceptSetting {
    /// The rule it is about; any rule without it.
    pub rule: Option<String>,
    /// A regular expression that the whole of what was found must match.
    pub pattern: Option<String>,
    /// Exactly this was found.
    pub value: Option<String>,
}

/// The secret key of the tags. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct TagKey(pub(super) [u8; 32]);

impl TagKey {
    /// A key of 32 random bytes that belongs to one store.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self(key)
    }
}

impl std::fmt::Debug for TagKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TagKey(..)")
    }
}

/// What is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The name cannot stand in a marker.
    #[error("sanitizer rule `{name}` has no usable name (letters, digits, `-`, `_` and `.`, 1 to 64 of them)")]
    Name {
        /// The name as given.
        name: String,
    },
    /// Two rules of that name, or one of the built-in rules has it.
    #[error("sanitizer rule `{name}` exists already")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// The pattern is no regular expression.
    #[error("sanitizer rule `{name}` has a pattern that cannot be read: {message}")]
    Pattern {
        /// The rule's name.
        name: String,
        /// What the parser says.
        message: String,
    },
    /// The pattern matches the empty string, so everywhere.
    #[error("sanitizer rule `{name}` matches the empty string (use `+` or `{{n,}}` instead of `*`)")]
    MatchesEmpty {
        /// The rule's name.
        name: String,
    },
    /// The compiled pattern is larger than [`MAX_PATTERN_BYTES`]: searching takes time in proportion to it.
    #[error(
        "sanitizer rule `{name}` is too large and too slow (smaller counts, or `(?-u)` classes instead of Unicode ones)"
    )]
    TooLarge {
        /// The rule's name.
        name: String,
    },
    /// The pattern has no such group.
    #[error("sanitizer rule `{name}` has no group {group}")]
    Group {
        /// The rule's name.
        name: String,
        /// The group asked for.
        group: usize,
    },
    /// A keyword is too short or too long to look for.
    #[error("sanitizer rule `{name}` has the keyword `{keyword}` (3 to 200 bytes, please)")]
    Keyword {
        /// The rule's name.
        name: String,
        /// The keyword.
        keyword: String,
    },
    /// A key name that is no name.
    #[error("sanitizer key `{key}` is no key name (3 to 80 letters, digits, `-`, `_` and `.`)")]
    Key {
        /// The name as given.
        key: String,
    },
    /// An exception for everything, which would switch the sanitizer off.
    #[error(
        "sanitizer exception {number} excepts too much (give `pattern` or `value`, and no pattern that matches anything)"
    )]
    ExceptAll {
        /// Its number, counted from 1.
        number: usize,
    },
    /// More rules than [`MAX_RULES`].
    #[error("{count} sanitizer rules (at most {MAX_RULES})")]
    TooMany {
        /// How many there are.
        count: usize,
    },
}

/// The largest compiled pattern. Matching takes at most time in proportion to text times pattern, so this bounds how slow a rule can be.
pub const MAX_PATTERN_BYTES: usize = 64 * 1024;
/// The most rules, keys and exceptions of a configuration: each rule without a keyword reads every text once more.
pub const MAX_RULES: usize = 500;
/// The longest name of a rule.
const MAX_RULE_NAME: usize = 64;

/// A rule that was found good.
#[derive(Debug, Clone)]
pub(super) struct CustomRule {
    pub name: String,
    pub regex: Regex,
    pub group: usize,
    pub keywords: Vec<String>,
}

/// An exception that was found good.
#[derive(Debug, Clone)]
pub(super) struct Except {
    pub rule: Option<String>,
    pub pattern: Option<Regex>,
    pub value: Option<String>,
}

/// Settings that were found good.
#[derive(Debug, Clone, Default)]
pub(super) struct Checked {
    pub rules: Vec<CustomRule>,
    pub keys: Vec<String>,
    pub except: Vec<Except>,
    pub tags: Option<TagKey>,
}

/// Checks everything and tells all that is wrong.
pub(super) fn check(settings: &Settings, taken: impl Fn(&str) -> bool) -> Result<Checked, Vec<SettingsError>> {
    let mut errors = Vec::new();
    let mut checked = Checked { tags: settings.tags.clone(), ..Checked::default() };
    let count = settings.rules.len().max(settings.keys.len()).max(settings.except.len());
    if count > MAX_RULES {
        return Err(vec![SettingsError::TooMany { count }]);
    }
    for (index, rule) in settings.rules.iter().enumerate() {
        let name = &rule.name;
        if name.is_empty()
            || name.len() > MAX_RULE_NAME
            || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        {
            errors.push(SettingsError::Name { name: name.clone() });
        }
        if taken(name) || settings.rules[..index].iter().any(|other| other.name == *name) {
            errors.push(SettingsError::Duplicate { name: name.clone() });
        }
        for keyword in &rule.keywords {
            if keyword.len() < MIN_LITERAL || keyword.len() > MAX_LITERAL {
                errors.push(SettingsError::Keyword { name: name.clone(), keyword: keyword.clone() });
            }
        }
        match compile(name, &rule.pattern) {
            Ok(regex) if regex.is_match(b"") => errors.push(SettingsError::MatchesEmpty { name: name.clone() }),
            Ok(regex) if rule.secret_group >= regex.captures_len() => {
                errors.push(SettingsError::Group { name: name.clone(), group: rule.secret_group })
            }
            Ok(regex) => checked.rules.push(CustomRule {
                name: name.clone(),
                regex,
                group: rule.secret_group,
                keywords: rule.keywords.iter().map(|keyword| keyword.to_ascii_lowercase()).collect(),
            }),
            Err(error) => errors.push(error),
        }
    }
    for key in &settings.keys {
        let folded = fold_key(key.as_bytes());
        if folded.len() < MIN_LITERAL
            || key.len() > super::names::MAX_NAME
            || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        {
            errors.push(SettingsError::Key { key: key.clone() });
        } else {
            checked.keys.push(folded);
        }
    }
    for (index, except) in settings.except.iter().enumerate() {
        let label = format!("except {}", index + 1);
        let pattern =
            match except.pattern.as_deref().map(|pattern| compile(&label, &format!("^(?:{pattern})$"))).transpose() {
                Ok(pattern) => pattern,
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
        // A pattern that also matches these two matches anything.
        let anything = |pattern: &Regex| pattern.is_match(b"q8#Zr/1v!TmY") && pattern.is_match(b"0");
        if except.value.is_none() && pattern.as_ref().is_none_or(anything) {
            errors.push(SettingsError::ExceptAll { number: index + 1 });
            continue;
        }
        checked.except.push(Except { rule: except.rule.clone(), pattern, value: except.value.clone() });
    }
    if errors.is_empty() { Ok(checked) } else { Err(errors) }
}

fn compile(name: &str, pattern: &str) -> Result<Regex, SettingsError> {
    RegexBuilder::new(pattern).size_limit(MAX_PATTERN_BYTES).dfa_size_limit(4 * MAX_PATTERN_BYTES).build().map_err(
        |error| match error {
            regex::Error::CompiledTooBig(_) => SettingsError::TooLarge { name: name.to_owned() },
            error => SettingsError::Pattern { name: name.to_owned(), message: last_line(&error.to_string()) },
        },
    )
}

/// The parser's messages draw the pattern over several lines; the last says what is wrong.
fn last_line(message: &str) -> String {
    message.lines().last().unwrap_or(message).trim().trim_start_matches("error: ").to_owned()
}

/// Letters and digits of a key name in lower case: how names of the configuration are compared.
pub(super) fn fold_key(key: &[u8]) -> String {
    key.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(|byte| byte.to_ascii_lowercase() as char).collect()
}
