//! Purging: taking out for good what should never have been recorded.
//!
//! Owns: its way through everything that the store has. The audit log says who purged which snapshots and why, never
//! what was looked for; a tombstone (`snapshot-{uuid}.purged`) keeps what the chain needs in each one's place; of
//! the database the rows go, and then the bytes. Backups are not touched: they are named, and a restore puts nothing
//! back that was purged since. Must not know: what a secret looks like; the caller says what to look for.

use serde::Serialize;
use serde_json::json;

use super::batch::Batch;
use super::catalog::{self, Removed};
use super::directory::{self, BACKUPS};
use super::disk::Folder;
use super::error::StoreError;
use super::exclusive::ExclusiveStore;
use super::start::removed_of;
use crate::model::{SnapshotId, Wall};
use crate::seal;

/// Text columns in which something may stand that was collected, by table.
const COLUMNS: [(&str, &str); 9] = [
    ("sections", "section"),
    ("states", "value"),
    ("findings", "finding"),
    ("findings", "by_hand"),
    ("events", "event"),
    ("documents", "document"),
    ("heartbeats", "beat"),
    ("beat_summaries", "summary"),
    ("series", "labels"),
];

/// What was purged, and what is left for a person to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Purged {
    /// The snapshots that went.
    pub snapshots: Vec<SnapshotId>,
    /// Rows of the database that went, by table.
    pub rows: std::collections::BTreeMap<String, u64>,
    /// Files that could not be read and so were not looked through, and why.
    pub unread: Vec<(String, String)>,
    /// Backups that are there, any of which may still hold it.
    pub backups: Vec<String>,
}

impl ExclusiveStore {
    /// Purges one snapshot.
    pub fn purge(&mut self, id: SnapshotId, by: &str, why: &str, now: Wall) -> Result<Purged, StoreError> {
        let entry = catalog::get(&self.db, id)
            .map_err(self.refused("read"))?
            .ok_or_else(|| StoreError::NotFound { name: id.to_string(), hint: String::new() })?;
        let mut purged = Purged { backups: self.backup_names()?, ..Purged::default() };
        self.bury(vec![removed_of(&entry, Some(reason_of(why)))], by, now)?;
        purged.snapshots.push(id);
        self.scour()?;
        Ok(purged)
    }

    /// Purges every snapshot and every row of the database that `holds` says yes to. With `dry_run` it only says
    /// which. Nothing of what is looked for is written anywhere.
    pub fn purge_matching(
        &mut self,
        holds: &dyn Fn(&str) -> bool,
        by: &str,
        why: &str,
        now: Wall,
        dry_run: bool,
    ) -> Result<Purged, StoreError> {
        let mut purged = Purged { backups: self.backup_names()?, ..Purged::default() };
        let mut removed = Vec::new();
        for entry in catalog::entries(&self.db).map_err(self.refused("list"))? {
            let name = directory::snapshot_file(entry.id);
            match self.snapshots.read(&name, seal::MAX_FILE_BYTES) {
                Ok(bytes) if holds(&String::from_utf8_lossy(&bytes)) => {
                    removed.push(removed_of(&entry, Some(reason_of(why))));
                }
                Ok(_) => {}
                Err(error) => purged.unread.push((name, error.source.to_string())),
            }
        }
        purged.snapshots = removed.iter().map(|removed| removed.id).collect();
        if !dry_run && !removed.is_empty() {
            self.bury(removed, by, now)?;
        }
        let rows = &mut purged.rows;
        self.transact(&Batch::default(), "purge", |db| {
            for (table, column) in COLUMNS {
                let key = if table == "states" || table == "documents" || table == "beat_summaries" {
                    None
                } else {
                    Some("rowid")
                };
                let found = match key {
                    Some(_) => purge_by_rowid(db, table, column, holds, dry_run)?,
                    None => purge_by_text(db, table, column, holds, dry_run)?,
                };
                if found > 0 {
                    *rows.entry(table.to_owned()).or_default() += found;
                }
            }
            Ok(())
        })?;
        if !dry_run {
            self.scour()?;
        }
        Ok(purged)
    }

    /// The intent, the tombstones, and then the deletion as any other.
    fn bury(&mut self, removed: Vec<Removed>, by: &str, now: Wall) -> Result<(), StoreError> {
        self.audit.append(now, "purge", json!({ "by": by, "snapshots": removed }))?;
        self.audit.sync()?;
        for one in &removed {
            let text = serde_json::to_vec(one).unwrap_or_default();
            self.change(|snapshots| snapshots.replace(&directory::tombstone_file(one.id), &text))?;
        }
        self.unfinished.extend(removed);
        self.finish_deletions(now)
    }

    /// Overwrites what deleted rows have left in the database's file and in its WAL.
    fn scour(&mut self) -> Result<(), StoreError> {
        let scour = || {
            self.db.pragma_update(None, "secure_delete", true)?;
            self.db.execute_batch("VACUUM")?;
            self.db.pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()))?;
            self.db.pragma_update(None, "secure_delete", false)
        };
        scour().map_err(self.refused("vacuum"))
    }

    fn backup_names(&self) -> Result<Vec<String>, StoreError> {
        let mut names = Folder::open(&self.directory.path().join(BACKUPS))?.names()?;
        names.retain(|name| name.starts_with("backup-"));
        names.sort();
        Ok(names)
    }
}

fn reason_of(why: &str) -> String {
    format!("purge: {why}")
}

fn purge_by_rowid(
    db: &rusqlite::Connection,
    table: &str,
    column: &str,
    holds: &dyn Fn(&str) -> bool,
    dry_run: bool,
) -> rusqlite::Result<u64> {
    let mut found = Vec::new();
    {
        let mut statement = db.prepare(&format!("SELECT rowid, {column} FROM {table}"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if row.get_ref(1)?.as_str().is_ok_and(holds) {
                found.push(row.get::<_, i64>(0)?);
            }
        }
    }
    if !dry_run {
        let mut delete = db.prepare(&format!("DELETE FROM {table} WHERE rowid = ?1"))?;
        for rowid in &found {
            delete.execute([rowid])?;
        }
    }
    Ok(found.len() as u64)
}

/// For tables without row ids: the text itself finds the row again.
fn purge_by_text(
    db: &rusqlite::Connection,
    table: &str,
    column: &str,
    holds: &dyn Fn(&str) -> bool,
    dry_run: bool,
) -> rusqlite::Result<u64> {
    let texts: Vec<String> = db
        .prepare(&format!("SELECT DISTINCT {column} FROM {table}"))?
        .query_map([], |row| row.get::<_, String>(0))?
        .filter(|text| text.as_ref().map_or(true, |text| holds(text)))
        .collect::<rusqlite::Result<_>>()?;
    let verb = if dry_run { "SELECT count(*)" } else { "DELETE" };
    let mut count = 0;
    let mut statement = db.prepare(&format!("{verb} FROM {table} WHERE {column} = ?1"))?;
    for text in &texts {
        count += match dry_run {
            true => statement.query_row([text], |row| row.get::<_, i64>(0))?.unsigned_abs(),
            false => statement.execute([text])? as u64,
        };
    }
    Ok(count)
}
