//! Taking rows out of a database for good.
//!
//! Owns: looking through every table, those of later versions included, and making the bytes go with the rows. Must
//! not know: what is looked for, or which database of which store it is.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value;

use super::catalog::{self, Removed};
use super::database::{self, refused};
use super::error::StoreError;
use crate::model::Wall;

/// Tables that go by other rules: of snapshots the files are the truth.
const SPARED: [&str; 3] = ["meta", "snapshots", "removed"];

/// Rows that held what was looked for, by table.
pub(super) type Rows = BTreeMap<String, u64>;

/// Deletes every row in which a text holds it; with `dry_run` they are only counted.
pub(super) fn erase(db: &Connection, holds: &dyn Fn(&str) -> bool, dry_run: bool) -> rusqlite::Result<Rows> {
    let tables: Vec<String> = db
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut rows = Rows::new();
    for table in tables.iter().filter(|table| !SPARED.contains(&table.as_str())) {
        let found = erase_from(db, table, holds, dry_run)?;
        if found > 0 {
            rows.insert(table.clone(), found);
        }
    }
    Ok(rows)
}

fn erase_from(db: &Connection, table: &str, holds: &dyn Fn(&str) -> bool, dry_run: bool) -> rusqlite::Result<u64> {
    // Column, whether it is text, its place in the primary key.
    let columns: Vec<(String, bool, i64)> = db
        .prepare(&format!("PRAGMA table_info({})", quoted(table)))?
        .query_map([], |row| Ok((row.get(1)?, row.get::<_, String>(2)?.eq_ignore_ascii_case("text"), row.get(5)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let texts: Vec<&str> = columns.iter().filter(|(_, text, _)| *text).map(|(name, ..)| name.as_str()).collect();
    if texts.is_empty() {
        return Ok(0);
    }
    let has_rowid = db.prepare(&format!("SELECT rowid FROM {} LIMIT 0", quoted(table))).is_ok();
    let keys: Vec<String> = if has_rowid {
        vec!["rowid".to_owned()]
    } else {
        columns.iter().filter(|(.., place)| *place > 0).map(|(name, ..)| quoted(name)).collect()
    };
    let list = keys.iter().cloned().chain(texts.iter().map(|name| quoted(name))).collect::<Vec<_>>().join(", ");
    let mut found: Vec<Vec<Value>> = Vec::new();
    {
        let mut statement = db.prepare(&format!("SELECT {list} FROM {}", quoted(table)))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let texts = keys.len()..keys.len() + texts.len();
            let mut is_found = false;
            for column in texts {
                let text = row.get_ref(column)?.as_str_or_null().ok().flatten();
                is_found |= text.is_some_and(|text| super::purge::holds_in(text.as_bytes(), holds));
            }
            if is_found {
                found.push((0..keys.len()).map(|key| row.get(key)).collect::<rusqlite::Result<_>>()?);
            }
        }
    }
    if !dry_run {
        let condition = keys.iter().map(|key| format!("{key} = ?")).collect::<Vec<_>>().join(" AND ");
        let mut delete = db.prepare(&format!("DELETE FROM {} WHERE {condition}", quoted(table)))?;
        for key in &found {
            delete.execute(rusqlite::params_from_iter(key))?;
        }
    }
    Ok(found.len() as u64)
}

/// Overwrites what deleted rows have left in a database's file and in its WAL.
pub(super) fn scour(db: &Connection) -> rusqlite::Result<()> {
    db.pragma_update(None, "secure_delete", true)?;
    db.execute_batch("VACUUM")?;
    db.pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()))?;
    db.pragma_update(None, "secure_delete", false)
}

/// Takes rows, and the entries of snapshots, out of a database that nobody else has open, such as a copy.
pub fn erase_in_copy(
    path: &Path,
    holds: Option<&dyn Fn(&str) -> bool>,
    gone: &[Removed],
    now: Wall,
) -> Result<u64, StoreError> {
    let fail = refused("purge", path);
    let (db, _) = database::open_writer(path)?;
    let erased = || -> rusqlite::Result<u64> {
        let rows = holds.map(|holds| erase(&db, holds, false)).transpose()?.unwrap_or_default();
        for one in gone {
            catalog::remove(&db, one, now)?;
        }
        scour(&db)?;
        // As one file, without anything beside it.
        db.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
        Ok(rows.values().sum())
    };
    erased().map_err(fail)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
