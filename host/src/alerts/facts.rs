//! What is known of the machine at one instant, as conditions see it.
//!
//! Owns: nothing; it borrows. Whoever makes it decides what is data: a section whose collector failed since, or that
//! was stored before ghostd started, is none.

use crate::model::{Finding, Heartbeat, Metric};

/// What one section says.
#[derive(Debug, Clone, Copy)]
pub struct SectionFacts<'a> {
    /// Which collector returned it.
    pub collector: &'a str,
    /// What it measured.
    pub metrics: &'a [Metric],
    /// What it found; resolved ones are passed over.
    pub findings: &'a [Finding],
}

/// What is known.
#[derive(Debug, Clone, Default)]
pub struct Facts<'a> {
    /// The last heartbeat, where there is one.
    pub beat: Option<&'a Heartbeat>,
    /// The sections that count as data.
    pub sections: Vec<SectionFacts<'a>>,
    /// Collectors that run and have no section that counts.
    pub silent: Vec<&'a str>,
    /// ghostd has just started: that there is no data says nothing yet.
    pub settling: bool,
}

impl<'a> Facts<'a> {
    /// Everything that is measured.
    pub fn metrics(&self) -> impl Iterator<Item = &'a Metric> {
        self.sections.iter().flat_map(|section| section.metrics)
    }
}
