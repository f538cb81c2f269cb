//! History a page at a time, newest first: what a list that somebody leafs through asks for.
//!
//! Owns: those queries and their bounds. Must not know: how a page is shown, or how its cursor is written.

use rusqlite::Connection;

use super::catalog::json_column;
use super::database::int;
use super::error::StoreError;
use super::history::{self, NumberedEvent};
use super::reader::Reader;
use crate::model::{Event, Heartbeat, Wall};

/// Events that are looked at for one page, at most: a filter that matches nothing must not read through all of them.
const MAX_LOOKED_AT: u64 = 20_000;

/// Which page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// From here on.
    pub since: Option<Wall>,
    /// Up to and with here.
    pub until: Option<Wall>,
    /// Only what stands before this number.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: u64,
}

impl Page {
    fn parameters(&self, limit: u64) -> [i64; 4] {
        [
            self.since.map_or(i64::MIN, |at| at.0),
            self.until.map_or(i64::MAX, |at| at.0),
            self.before.map_or(i64::MAX, int),
            int(limit),
        ]
    }
}

impl Reader {
    /// Heartbeats, newest first; `before` is a sequence.
    pub fn heartbeats_page(&self, page: &Page) -> Result<Vec<Heartbeat>, StoreError> {
        let query = "SELECT beat FROM heartbeats WHERE at BETWEEN ?1 AND ?2 AND sequence < ?3 \
                     ORDER BY sequence DESC LIMIT ?4";
        self.ask(|db| history::rows(db, query, page.parameters(page.limit), |row| json_column(row, 0)))
    }

    /// Events that match, newest first, and where the next page begins, where there may be more; `before` is a number.
    pub fn events_page(
        &self,
        page: &Page,
        matches: &dyn Fn(&Event) -> bool,
    ) -> Result<(Vec<NumberedEvent>, Option<u64>), StoreError> {
        self.ask(|db| events_page(db, page, matches))
    }

    /// Bytes of the database with its journal.
    pub fn database_bytes(&self) -> u64 {
        let path = self.path().join(super::directory::DATABASE);
        let beside = |suffix: &str| {
            let mut name = path.clone().into_os_string();
            name.push(suffix);
            std::fs::metadata(name).map_or(0, |metadata| metadata.len())
        };
        ["", "-wal", "-shm"].into_iter().map(beside).sum()
    }

    /// How many snapshots the catalog has, and the bytes of their files.
    pub fn totals(&self) -> Result<(u64, u64), StoreError> {
        let query = "SELECT count(*), coalesce(sum(entry ->> 'size_bytes'), 0) FROM snapshots";
        self.ask(|db| {
            db.prepare_cached(query)?
                .query_row([], |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, i64>(1)?.unsigned_abs())))
        })
    }
}

fn events_page(
    db: &Connection,
    page: &Page,
    matches: &dyn Fn(&Event) -> bool,
) -> rusqlite::Result<(Vec<NumberedEvent>, Option<u64>)> {
    let query = "SELECT id, event FROM events WHERE at BETWEEN ?1 AND ?2 AND id < ?3 ORDER BY id DESC LIMIT ?4";
    let mut statement = db.prepare_cached(query)?;
    let mut rows = statement.query(page.parameters(MAX_LOOKED_AT))?;
    let (mut found, mut looked_at) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let id = row.get::<_, i64>(0)?.unsigned_abs();
        looked_at += 1;
        match json_column::<Event>(row, 1) {
            Ok(event) if matches(&event) => found.push(NumberedEvent { id, event }),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, id, "An event cannot be read and is left out."),
        }
        if found.len() as u64 >= page.limit || looked_at >= MAX_LOOKED_AT {
            return Ok((found, Some(id)));
        }
    }
    Ok((found, None))
}
