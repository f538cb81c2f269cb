//! The stage between merging and sealing: what has passed the sanitizer, as types that nothing else can build.
//!
//! Owns: [`CleanSection`] and [`Sanitized`]. Must not know: what a secret looks like (`sanitize` does), where
//! anything is stored.

use serde_json::{Map, Value as Json};

use crate::merge::Draft;
use crate::model::{Redactions, Section, Wall};
use crate::sanitize::{Report, Sanitizer};

/// A collector's section without secrets.
#[derive(Debug, Clone)]
pub struct CleanSection {
    section: Section,
    report: Report,
}

impl CleanSection {
    /// The section.
    pub fn get(&self) -> &Section {
        &self.section
    }

    /// What was replaced in it.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// What was clean when it was stored, read back. It is sanitized again with everything else at the seal.
    pub fn from_store(section: Section) -> Self {
        Self { section, report: Report::default() }
    }
}

/// A merged snapshot without secrets, ready for its seal.
#[derive(Debug)]
pub struct Sanitized {
    captured_at: Wall,
    fields: Map<String, Json>,
}

impl Sanitized {
    /// When the capture was complete.
    pub fn captured_at(&self) -> Wall {
        self.captured_at
    }

    /// The fields as JSON text, in the draft's order, redactions last.
    pub fn into_json_text(self) -> String {
        Json::Object(self.fields).to_string()
    }
}

/// Why something could not be sanitized. It is then not recorded: an unsanitized record is no alternative.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// It has no JSON form, or none any more.
    #[error("cannot sanitize {what}")]
    Form {
        /// `section clock`, `the snapshot`.
        what: String,
        /// What serde says.
        #[source]
        source: serde_json::Error,
    },
}

/// Removes the secrets of one section, with its metrics' labels and its findings.
pub fn clean_section(sanitizer: &Sanitizer, section: Section) -> Result<CleanSection, CleanError> {
    let what = || format!("section `{}`", section.key);
    let mut report = Report::default();
    let mut tree = serde_json::to_value(&section).map_err(|source| CleanError::Form { what: what(), source })?;
    sanitizer.json(&mut tree, &mut report);
    let section = serde_json::from_value(tree).map_err(|source| CleanError::Form { what: what(), source })?;
    Ok(CleanSection { section, report })
}

/// Removes the secrets of a whole snapshot and adds the count of all that was replaced.
pub fn clean(sanitizer: &Sanitizer, draft: Draft) -> Result<Sanitized, CleanError> {
    let form = |source| CleanError::Form { what: "the snapshot".to_owned(), source };
    let captured_at = draft.captured_at;
    let mut report = draft.earlier_redactions.clone();
    let mut tree = serde_json::to_value(&draft).map_err(form)?;
    sanitizer.json(&mut tree, &mut report);
    let Json::Object(mut fields) = tree else {
        return Err(form(serde::de::Error::custom("a snapshot is an object")));
    };
    let redactions = Redactions { total: report.counts.values().sum(), rules: report.counts };
    fields.insert("redactions".to_owned(), serde_json::to_value(redactions).map_err(form)?);
    Ok(Sanitized { captured_at, fields })
}
