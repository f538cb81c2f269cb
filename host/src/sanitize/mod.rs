//! Takes secrets out of text, JSON and command lines, and leaves everything else byte for byte.
//!
//! [`Sanitizer`] is given bytes, text, a JSON tree or the arguments of a process, and gives the same back with every secret replaced by
//! `[REDACTED:rule]`; the [`Report`] counts what each rule took and never holds what it saw. It is pure: no files, no clock, no state.
//! Cleaning twice is cleaning once, the work is linear in the input, and nothing that it is given makes it panic.
//!
//! How it works. One pass over the bytes ([`anchor`]) tells where a literal stands that could matter: a word such as `pass` or `key`,
//! `://`, `BEGIN `, a vendor's prefix, a program's name. Only there something looks closer, structure first: names and the forms in
//! which a value follows ([`assign`], [`prose`], [`value`]), headers ([`header`]), addresses ([`url`]), keys as blocks ([`pem`]), command
//! lines ([`command`], [`programs`]); then vendors' formats by prefix, alphabet and length ([`token`], [`formats`]). Whether a value is a
//! secret at all is asked of [`judge`], with as much suspicion as the name beside it deserves ([`names`]).
//!
//! It knows nothing of snapshots, sections or configuration files: whoever calls it gives it [`Settings`] as plain data.

mod accounts;
mod anchor;
mod argv;
mod assign;
mod base64;
mod beside;
mod command;
mod engine;
mod formats;
mod found;
mod harmless;
mod header;
mod json;
mod judge;
mod marker;
mod names;
mod pem;
mod programs;
mod prose;
mod report;
mod rule;
mod settings;
mod shape;
mod tag;
mod token;
mod url;
mod value;
mod words;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use engine::Engine;
use found::Found;
use thiserror::Error;

pub use report::Report;
pub use settings::{ExceptSetting, MAX_PATTERN_BYTES, MAX_RULES, RuleSetting, Settings, SettingsError, TagKey};

/// Takes secrets out. Immutable, and cheap to clone.
#[derive(Debug, Clone)]
pub struct Sanitizer {
    engine: Arc<Engine>,
}

/// A rule that is active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleInfo {
    /// The name that markers and reports give.
    pub name: String,
    /// What kind of rule it is.
    pub kind: RuleKind,
    /// What it stands for, or where its format is documented.
    pub source: String,
}

/// What kind a rule is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleKind {
    /// By what stands round a secret: its name, a header, a URL, a command.
    Context,
    /// By a vendor's format.
    Format,
    /// From the configuration.
    Custom,
}

/// Why something was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The first byte of the secret in the input.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
    /// The rule's name.
    pub rule: String,
    /// The reason in a few words.
    pub reason: &'static str,
}

/// Why [`Sanitizer::json_text`] could not clean a text.
#[derive(Debug, Error)]
pub enum JsonError {
    /// It is not JSON.
    #[error("not a JSON value")]
    Parse(#[source] serde_json::Error),
    /// What was cleaned could not be printed.
    #[error("cannot print the JSON value")]
    Print(#[source] serde_json::Error),
}

/// How often a text is gone over until nothing more is found. Each pass only ever shortens what is left, and the second finds nothing in
/// nearly all texts; the bound is for hostile ones.
const MAX_PASSES: usize = 8;

/// Shorter texts are gone over again as a whole.
const SMALL_TEXT: usize = 16 * 1024;
/// How far from a marker a long text is gone over again.
const NEIGHBOURHOOD: usize = 1024;

impl Sanitizer {
    /// The built-in rules alone.
    #[must_use]
    pub fn builtin() -> Self {
        Self { engine: Arc::new(Engine::new(settings::Checked::default())) }
    }

    /// The built-in rules and those of the configuration.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the settings, all at once.
    pub fn new(settings: &Settings) -> Result<Self, Vec<SettingsError>> {
        let built_in = |name: &str| builtin_rules().any(|rule| rule.name == name);
        let checked = settings::check(settings, built_in)?;
        Ok(Self { engine: Arc::new(Engine::new(checked)) })
    }

    /// Cleans text.
    pub fn text<'a>(&self, text: &'a str, report: &mut Report) -> Cow<'a, str> {
        match self.bytes(text.as_bytes(), report) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            // Places begin and end at ASCII marks or whole characters; should that ever fail, nothing is shown rather than nothing kept.
            Cow::Owned(bytes) => Cow::Owned(
                String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
            ),
        }
    }

    /// Cleans bytes, which need not be UTF-8.
    pub fn bytes<'a>(&self, bytes: &'a [u8], report: &mut Report) -> Cow<'a, [u8]> {
        let mut work = 0;
        let found = self.engine.find(bytes, &mut work);
        if found.is_empty() {
            return Cow::Borrowed(bytes);
        }
        let mut counts = Report::default();
        let mut clean = self.rewrite(bytes, &found, &mut counts).into_owned();
        for _ in 1..MAX_PASSES {
            if clean.len() > SMALL_TEXT && self.is_settled(&clean, &mut work) {
                break;
            }
            let found = self.engine.find(&clean, &mut work);
            if found.is_empty() {
                break;
            }
            clean = self.rewrite(&clean, &found, &mut counts).into_owned();
        }
        // JSON in, JSON out: should a replacement have broken it, the tree is cleaned instead of the text.
        if matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[' | b'"'))
            && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
            && serde_json::from_slice::<serde::de::IgnoredAny>(&clean).is_err()
            && let Ok(mut value) = serde_json::from_slice::<serde_json::Value>(bytes)
        {
            self.json(&mut value, report);
            return Cow::Owned(value.to_string().into_bytes());
        }
        report.merge(&counts);
        Cow::Owned(clean)
    }

    /// Cleans a JSON tree: names and their values, pairs of name and value, lists of arguments, strings and JSON in strings, and names
    /// that are secrets themselves.
    pub fn json(&self, value: &mut serde_json::Value, report: &mut Report) {
        // A replacement may bring to light what it stood before, as in text.
        for _ in 0..MAX_PASSES {
            let mut counts = Report::default();
            json::clean(self, value, None, 0, &mut counts);
            if counts.is_empty() {
                break;
            }
            report.merge(&counts);
        }
    }

    /// Cleans JSON text as [`Sanitizer::json`] cleans its tree. Text without secrets is given back as it is, other text without its
    /// white space.
    ///
    /// # Errors
    ///
    /// If the text is not one JSON value.
    pub fn json_text(&self, text: &str, report: &mut Report) -> Result<String, JsonError> {
        let mut value = serde_json::from_str(text).map_err(JsonError::Parse)?;
        let mut counts = Report::default();
        self.json(&mut value, &mut counts);
        if counts.is_empty() {
            return Ok(text.to_owned());
        }
        report.merge(&counts);
        serde_json::to_string(&value).map_err(JsonError::Print)
    }

    /// Cleans the arguments of a process. What is not UTF-8 is replaced by U+FFFD.
    pub fn argv<T: AsRef<[u8]>>(&self, arguments: &[T], report: &mut Report) -> Vec<String> {
        argv::clean(self, arguments, report)
    }

    /// Cleans a command line as `/proc/PID/cmdline` has it, with a NUL after each argument (`proc(5)`), and joins it with spaces.
    pub fn command_line(&self, nul_separated: &[u8], report: &mut Report) -> String {
        let arguments = nul_separated.strip_suffix(b"\0").unwrap_or(nul_separated);
        let arguments: Vec<&[u8]> = arguments.split(|byte| *byte == 0).collect();
        self.argv(&arguments, report).join(" ")
    }

    /// What would be taken from a text, and why: for a person who looks at live input. It holds places, not values.
    #[must_use]
    pub fn explain(&self, text: &str) -> Vec<Explanation> {
        let found = self.engine.find(text.as_bytes(), &mut 0);
        found
            .into_iter()
            .map(|found| Explanation {
                start: found.start,
                end: found.end,
                rule: self.rule_name(found.rule).to_owned(),
                reason: found.reason,
            })
            .collect()
    }

    /// All rules that are active.
    pub fn rules(&self) -> impl Iterator<Item = RuleInfo> + '_ {
        builtin_rules().chain(self.engine.settings.rules.iter().map(|rule| RuleInfo {
            name: rule.name.clone(),
            kind: RuleKind::Custom,
            source: rule.regex.as_str().to_owned(),
        }))
    }

    /// SHA-256 over all rules and settings in hexadecimal digits; it changes when what is taken may change.
    #[must_use]
    pub fn rules_sha256(&self) -> String {
        tag::digest_of_rules(&self.engine.settings)
    }

    fn rule_name(&self, rule: rule::RuleId) -> &str {
        self.engine.names.get(rule as usize).map_or("secret", String::as_str)
    }

    /// Whether nothing more is found near the markers of a long text: only there can a replacement have brought something to light.
    fn is_settled(&self, clean: &[u8], work: &mut u64) -> bool {
        let mut from = 0;
        while let Some(marker) = marker::next(clean, from) {
            let start = marker.start.saturating_sub(NEIGHBOURHOOD);
            let start = clean
                .get(start..marker.start)
                .and_then(|head| memchr::memchr(b'\n', head))
                .map_or(start, |at| start + at + 1);
            let mut end = marker.end;
            // Markers that stand close together share one neighbourhood.
            while let Some(next) = marker::next(clean, end).filter(|next| next.start < end + NEIGHBOURHOOD) {
                end = next.end;
            }
            from = end;
            let end = clean.len().min(end + NEIGHBOURHOOD);
            if clean.get(start..end).is_some_and(|near| !self.engine.find(near, work).is_empty()) {
                return false;
            }
        }
        true
    }

    /// Replaces places by markers.
    fn rewrite<'a>(&self, bytes: &'a [u8], found: &[Found], report: &mut Report) -> Cow<'a, [u8]> {
        let mut out = Vec::with_capacity(bytes.len() + found.len() * 16);
        let mut at = 0;
        for place in found {
            let Some(kept) = bytes.get(at..place.start) else { continue };
            out.extend_from_slice(kept);
            let quote = place.wrap.clone().and_then(|range| bytes.get(range)).unwrap_or_default();
            out.extend_from_slice(quote);
            self.mark(place.rule, &bytes[place.start..place.end], &mut out, report);
            out.extend_from_slice(quote);
            at = place.end;
        }
        out.extend_from_slice(bytes.get(at..).unwrap_or_default());
        Cow::Owned(out)
    }

    /// A marker for a secret, counted.
    fn replace(&self, rule: rule::RuleId, secret: &[u8], report: &mut Report) -> String {
        let mut out = Vec::new();
        self.mark(rule, secret, &mut out, report);
        String::from_utf8(out).unwrap_or_default()
    }

    fn mark(&self, rule: rule::RuleId, secret: &[u8], out: &mut Vec<u8>, report: &mut Report) {
        let name = self.rule_name(rule);
        report.add(name, 1);
        let tag = self.engine.settings.tags.as_ref().map(|key| tag::tag(key, secret));
        marker::write(out, name, tag.as_deref());
    }

    fn is_excepted(&self, value: &str, rule: rule::RuleId) -> bool {
        self.engine.is_excepted(value.as_bytes(), rule)
    }
}

fn builtin_rules() -> impl Iterator<Item = RuleInfo> {
    let contexts = rule::CONTEXTS.iter().map(|(name, meaning)| RuleInfo {
        name: (*name).to_owned(),
        kind: RuleKind::Context,
        source: (*meaning).to_owned(),
    });
    let mut seen = std::collections::BTreeSet::new();
    let formats = formats::all().filter(move |format| seen.insert(format.name)).map(|format| RuleInfo {
        name: format.name.to_owned(),
        kind: RuleKind::Format,
        source: format.source.to_owned(),
    });
    contexts.chain(formats)
}
