//! What a start of ghostd needs to go on where it was left.
//!
//! Owns: which parts of history and state those are. Must not know: what is done with them.

use super::batch::{CollectorState, Document, HEALTHS, StoredFinding, StoredSection};
use super::catalog::Entry;
use super::database::refused;
use super::error::StoreError;
use super::exclusive::ExclusiveStore;
use super::history;
use crate::model::{CollectorHealth, Finding, Heartbeat, Wall};

/// Everything that ghostd had in mind when it was last left.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loaded {
    /// The latest section of every collector and key.
    pub sections: Vec<StoredSection>,
    /// Every collector's state.
    pub states: Vec<CollectorState>,
    /// How every collector was doing.
    pub healths: Vec<CollectorHealth>,
    /// Findings that are open, and those that were resolved since the last snapshot.
    pub findings: Vec<StoredFinding>,
    /// Findings that somebody has resolved by hand, by their collectors.
    pub settled: Vec<(String, Finding)>,
    /// The documents, but for healths.
    pub documents: Vec<Document>,
    /// The last heartbeat.
    pub last_heartbeat: Option<Heartbeat>,
    /// The last snapshot.
    pub last_snapshot: Option<Entry>,
}

impl ExclusiveStore {
    /// Reads back what was recorded. A row that cannot be read is left out and logged: one broken state must not
    /// keep the rest from being used.
    pub fn load(&self) -> Result<Loaded, StoreError> {
        let since = self.newest.as_ref().map_or(Wall(i64::MIN), |newest| newest.captured_at);
        let load = || {
            let mut documents = history::documents(&self.db)?;
            let healths = documents
                .extract_if(.., |document| document.namespace == HEALTHS)
                .filter_map(|document| serde_json::from_value(document.document).ok())
                .collect();
            Ok(Loaded {
                sections: history::sections(&self.db)?,
                states: history::states(&self.db)?,
                healths,
                findings: history::findings(&self.db, since)?,
                settled: history::settled(&self.db)?,
                documents,
                last_heartbeat: history::last_heartbeat(&self.db)?,
                last_snapshot: self.newest.clone(),
            })
        };
        load().map_err(refused("load", &self.directory.database()))
    }
}
