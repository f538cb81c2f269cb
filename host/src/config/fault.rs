//! What is wrong with a configuration, in words. Owns the form of a message; finds no faults itself.

use std::fmt;

use super::place::Place;

/// One thing that is wrong (or, as a notice, merely odd), with what mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where it stands; none where something that should stand somewhere does not.
    pub place: Option<Place>,
    /// The key, such as `collector.nginx.limits.wall`; empty where the text as a whole is meant.
    pub path: String,
    /// What is wrong, without a full stop.
    pub problem: String,
    /// How to mend it.
    pub hint: Option<String>,
}

impl Fault {
    pub(super) fn new(place: Option<&Place>, path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: place.cloned(), path: path.into(), problem: problem.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The order in which somebody mends them: by source, then from top to bottom.
    fn rank(&self) -> (String, u32, u32, &str) {
        match &self.place {
            Some(place) => {
                let source = Place::whole(place.origin.clone()).to_string();
                (source, place.line, place.column, &self.path)
            }
            None => (String::new(), 0, 0, &self.path),
        }
    }
}

/// `file:line:column: key: problem (hint)`, on one line.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.problem)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// All that is wrong, found in one go. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Sorted by place; none where there is nothing wrong.
    pub(super) fn of(mut faults: Vec<Fault>) -> Option<Self> {
        sort(&mut faults);
        if faults.is_empty() { None } else { Some(Self(faults)) }
    }

    pub(super) fn one(fault: Fault) -> Self {
        Self(vec![fault])
    }

    /// Each of them, by source and line.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

/// By place, and nothing twice.
pub(super) fn sort(faults: &mut Vec<Fault>) {
    faults.sort_by(|a, b| a.rank().cmp(&b.rank()));
    faults.dedup();
}

/// One line each.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
