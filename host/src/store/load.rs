//! What a start of ghostd needs to go on where it was left.
//!
//! Owns: reading history and state back. Must not know: what is done with it.

use std::collections::BTreeMap;

use super::batch::{CollectorState, Document, HEALTHS, SectionMeta, StoredFinding, StoredSection};
use super::catalog::{Entry, json_column};
use super::database::refused;
use super::error::StoreError;
use super::exclusive::ExclusiveStore;
use crate::model::{CollectorHealth, Heartbeat, Moment, Section, Wall};

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
        (|| {
            let mut documents = self.read_documents()?;
            let healths = documents
                .extract_if(.., |document| document.namespace == HEALTHS)
                .filter_map(|document| serde_json::from_value(document.document).ok())
                .collect();
            Ok(Loaded {
                sections: self.read_sections()?,
                states: self.read_states()?,
                healths,
                findings: self.read_findings(since)?,
                documents,
                last_heartbeat: self.read_last_heartbeat()?,
                last_snapshot: self.newest.clone(),
            })
        })()
        .map_err(refused("load", &self.directory.database()))
    }

    fn read_sections(&self) -> rusqlite::Result<Vec<StoredSection>> {
        self.rows("SELECT collector, meta, section FROM sections ORDER BY collector, key", [], |row| {
            let meta: SectionMeta = json_column(row, 1)?;
            let section: Section = json_column(row, 2)?;
            Ok(StoredSection {
                collector: row.get(0)?,
                collected_at: Moment {
                    wall: meta.collected_at,
                    boottime_ns: meta.boottime_ns,
                    boot_id: meta.boot_id.into(),
                },
                generation: meta.generation,
                component_sha256: meta.component_sha256,
                config_sha256: meta.config_sha256,
                section,
            })
        })
    }

    fn read_states(&self) -> rusqlite::Result<Vec<CollectorState>> {
        let mut states: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let rows = self.rows("SELECT collector, key, value FROM states", [], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?))
        })?;
        for (collector, key, value) in rows {
            states.entry(collector).or_default().insert(key, value);
        }
        Ok(states.into_iter().map(|(collector, entries)| CollectorState { collector, entries }).collect())
    }

    fn read_findings(&self, since: Wall) -> rusqlite::Result<Vec<StoredFinding>> {
        let query = "SELECT collector, opened_at, resolved_at, by_hand, finding FROM findings \
                     WHERE resolved_at IS NULL OR resolved_at >= ?1 ORDER BY opened_at, collector, fingerprint";
        self.rows(query, [since.0], |row| {
            let by_hand = match row.get_ref(3)? {
                rusqlite::types::ValueRef::Null => None,
                _ => Some(json_column(row, 3)?),
            };
            Ok(StoredFinding {
                collector: row.get(0)?,
                opened_at: Wall(row.get(1)?),
                resolved_at: row.get::<_, Option<i64>>(2)?.map(Wall),
                by_hand,
                finding: json_column(row, 4)?,
            })
        })
    }

    fn read_documents(&self) -> rusqlite::Result<Vec<Document>> {
        self.rows("SELECT namespace, key, updated_at, document FROM documents", [], |row| {
            Ok(Document {
                namespace: row.get(0)?,
                key: row.get(1)?,
                at: Wall(row.get(2)?),
                document: json_column(row, 3)?,
            })
        })
    }

    fn read_last_heartbeat(&self) -> rusqlite::Result<Option<Heartbeat>> {
        self.rows("SELECT beat FROM heartbeats ORDER BY sequence DESC LIMIT 1", [], |row| json_column(row, 0))
            .map(|beats| beats.into_iter().next())
    }

    fn rows<T>(
        &self,
        query: &str,
        parameters: impl rusqlite::Params,
        read: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        let mut statement = self.db.prepare(query)?;
        let mut rows = statement.query(parameters)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            match read(row) {
                Ok(value) => all.push(value),
                Err(error @ rusqlite::Error::FromSqlConversionFailure(..)) => {
                    tracing::warn!(%error, query, "A row of the database cannot be read and is left out.");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }
}
