//! The store as everybody but its writer has it.
//!
//! Owns: finding and reading, with the database or without it, on a read-only mount, as another user, beside a
//! running ghostd or on the disk of a dead machine. It never writes. Must not know: how anything is shown.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::batch::{Document, StoredFinding, StoredSection};
use super::catalog::{self, Entry};
use super::database;
use super::directory::{self, SNAPSHOTS};
use super::disk::Folder;
use super::error::StoreError;
use super::excerpt::Excerpt;
use super::history::{self, BeatStretch, HistoryPoint, NumberedEvent, Series, Span, StoodStretch};
use super::listing::{Difference, entry_of_file};
use super::name::Name;
use super::start;
use crate::model::{AlertBoard, Heartbeat, Reading, Severity, SnapshotId, StoreRef, Trigger, Wall};
use crate::seal::{self, Checked};

/// Which snapshots are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Captured at this time or later.
    pub since: Option<Wall>,
    /// Captured at this time or before.
    pub until: Option<Wall>,
    /// Taken for this reason.
    pub trigger: Option<Trigger>,
    /// Marked to be kept, at capture or later (or not).
    pub important: Option<bool>,
    /// With every section complete (or not).
    pub complete: Option<bool>,
    /// With an open finding that is at least so severe.
    pub worst_at_least: Option<Severity>,
    /// Only what stands before this place.
    pub before: Option<u64>,
    /// So many of the newest are left out.
    pub skip: u64,
    /// At most so many.
    pub limit: Option<u64>,
}

impl Filter {
    /// Whether an entry is asked for, `skip` and `limit` apart.
    pub fn matches(&self, entry: &Entry) -> bool {
        self.before.is_none_or(|before| entry.sequence < before)
            && self.since.is_none_or(|since| entry.captured_at >= since)
            && self.until.is_none_or(|until| entry.captured_at <= until)
            && self.trigger.is_none_or(|trigger| entry.trigger == trigger)
            && self.important.is_none_or(|important| entry.is_important() == important)
            && self.worst_at_least.is_none_or(|least| entry.worst_severity >= Some(least))
            && self.complete.is_none_or(|complete| entry.incomplete.is_empty() == complete)
    }
}

/// Where snapshots can be read from. What is on this machine is one such place, a bucket of many machines may be
/// another; everything that shows snapshots asks this.
pub trait Source {
    /// The snapshots that match, newest first.
    fn list(&self, filter: &Filter) -> Result<Vec<Entry>, StoreError>;
    /// The snapshots whose id begins so, at most `limit`.
    fn beginning_with(&self, prefix: &str, limit: usize) -> Result<Vec<SnapshotId>, StoreError>;
    /// A snapshot, every byte of it checked.
    fn read(&self, id: SnapshotId) -> Result<Checked, StoreError>;

    /// The snapshot that has that name.
    fn resolve(&self, name: &Name) -> Result<SnapshotId, StoreError> {
        let first = |filter: &Filter, name: String| {
            let found = self.list(&Filter { limit: Some(1), ..filter.clone() })?;
            found.first().map(|entry| entry.id).ok_or(StoreError::NotFound { name, hint: String::new() })
        };
        match name {
            Name::Id(id) => Ok(*id),
            Name::Latest(back) => {
                let name = if *back == 0 { "latest".to_owned() } else { format!("latest~{back}") };
                first(&Filter { skip: *back, ..Filter::default() }, name)
            }
            Name::At(at) => first(&Filter { until: Some(*at), ..Filter::default() }, format!("@{at}")),
            Name::Prefix(prefix) => match self.beginning_with(prefix, 1_000)?.as_slice() {
                [] => Err(StoreError::NotFound { name: prefix.clone(), hint: String::new() }),
                [id] => Ok(*id),
                several => Err(StoreError::Ambiguous { prefix: prefix.clone(), count: several.len() }),
            },
        }
    }
}

/// A data directory, for reading.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    snapshots: Folder,
    db: Option<Connection>,
    database_error: Option<StoreError>,
    identity: Option<StoreRef>,
    excerpt: Option<Excerpt>,
    difference: RefCell<Option<(Freshness, Difference)>>,
}

impl Reader {
    /// Opens a data directory. A database that cannot be used is no reason not to: see [`Reader::database_error`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let path = path.canonicalize().map_err(|source| super::DiskError {
            operation: "open data directory",
            path: path.to_owned(),
            source,
        })?;
        let snapshots = Folder::open(&path.join(SNAPSHOTS))?;
        let (db, database_error) = match database::open_reader(&path.join(directory::DATABASE)) {
            Ok(db) => (db, None),
            Err(error) => (None, Some(error)),
        };
        let identity = db
            .as_ref()
            .and_then(|db| database::meta(db, start::STORE).ok().flatten())
            .and_then(|text| serde_json::from_str(&text).ok());
        let excerpt = Excerpt::of(&Folder::open(&path)?)?;
        Ok(Self { path, snapshots, db, database_error, identity, excerpt, difference: RefCell::new(None) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Why there is a database and it is not used. Snapshots are read from their files then; there is no history.
    pub fn database_error(&self) -> Option<&StoreError> {
        self.database_error.as_ref()
    }

    /// The store's name and epoch, where the database says.
    pub fn identity(&self) -> Option<&StoreRef> {
        self.identity.as_ref()
    }

    /// Which part of a store this is, where it is only a part.
    pub fn excerpt(&self) -> Option<&Excerpt> {
        self.excerpt.as_ref()
    }

    /// About how many snapshots there are: as many as the catalog has, or as there are files where there is none.
    pub fn count(&self) -> Result<u64, StoreError> {
        match &self.db {
            Some(db) => catalog::count(db).map_err(self.refused("count")),
            None => {
                let names = self.snapshots.names()?;
                Ok(names.iter().filter(|name| directory::id_of_snapshot_file(name).is_some()).count() as u64)
            }
        }
    }

    /// Gives out the snapshots that match, newest first, one after the other, until `visit` wants no more: the first
    /// of 100,000 should not wait for the last. `visit` must not ask this reader for others.
    pub fn each(&self, filter: &Filter, visit: &mut dyn FnMut(Entry) -> bool) -> Result<(), StoreError> {
        self.with_difference(|difference| self.walk_merged(filter, difference, visit))?.map_err(self.refused("list"))
    }

    /// How a snapshot is listed.
    pub fn entry(&self, id: SnapshotId) -> Result<Option<Entry>, StoreError> {
        if let Some(db) = &self.db
            && let Some(entry) = catalog::get(db, id).map_err(self.refused("list"))?
        {
            return Ok(Some(entry));
        }
        Ok(entry_of_file(&self.snapshots, id))
    }

    /// The latest section of every collector.
    pub fn sections(&self) -> Result<Vec<StoredSection>, StoreError> {
        self.ask(history::sections)
    }

    /// Findings that are open, and those resolved at `resolved_since` or later.
    pub fn findings(&self, resolved_since: Wall) -> Result<Vec<StoredFinding>, StoreError> {
        self.ask(|db| history::findings(db, resolved_since))
    }

    /// Everything small: collectors' healths, probers' results, what others keep there.
    pub fn documents(&self) -> Result<Vec<Document>, StoreError> {
        self.ask(history::documents)
    }

    /// What fires, pends and was resolved, what is silenced, how receivers do.
    pub fn alerts(&self) -> Result<AlertBoard, StoreError> {
        let documents = self.documents()?;
        let rows = documents.iter().map(|one| (one.namespace.as_str(), one.key.as_str(), &one.document));
        Ok(AlertBoard::from_documents(rows))
    }

    /// Heartbeats, oldest first.
    pub fn heartbeats(&self, span: &Span) -> Result<Vec<Heartbeat>, StoreError> {
        self.ask(|db| history::heartbeats(db, span))
    }

    /// Events, oldest first.
    pub fn events(&self, span: &Span) -> Result<Vec<NumberedEvent>, StoreError> {
        self.ask(|db| history::events(db, span))
    }

    /// At most `limit` events after the one of that number, oldest first.
    pub fn events_after(&self, id: u64, limit: u64) -> Result<Vec<NumberedEvent>, StoreError> {
        self.ask(|db| history::events_after(db, id, limit))
    }

    /// Everything that is measured.
    pub fn series(&self) -> Result<Vec<Series>, StoreError> {
        self.ask(history::series)
    }

    /// The points of some series of one collector, oldest first: time, series, reading.
    pub fn points(
        &self,
        collector: &str,
        series: &[u32],
        span: &Span,
    ) -> Result<Vec<(Wall, u32, Reading)>, StoreError> {
        self.ask(|db| history::points(db, collector, series, span))
    }

    /// A series at the finest resolution that is kept of each time, oldest first.
    pub fn metric_history(&self, collector: &str, series: u32, span: &Span) -> Result<Vec<HistoryPoint>, StoreError> {
        self.ask(|db| history::metric_history(db, collector, series, span))
    }

    /// Heartbeats at the finest resolution that is kept of each time, oldest first.
    pub fn beat_history(&self, span: &Span) -> Result<Vec<BeatStretch>, StoreError> {
        self.ask(|db| history::beat_history(db, span))
    }

    /// The first and the last instant of which a heartbeat, an event or a reading is kept.
    pub fn history_bounds(&self) -> Result<Option<(Wall, Wall)>, StoreError> {
        self.ask(history::bounds)
    }

    /// When the first reading of a collector was taken that is kept as it was read.
    pub fn first_reading(&self, collector: &str) -> Result<Option<Wall>, StoreError> {
        self.ask(|db| history::first_reading(db, collector))
    }

    /// Tells how daemons stood since then, stretch by stretch.
    pub fn stood(&self, since: Wall, tell: &mut dyn FnMut(&StoodStretch<'_>)) -> Result<(), StoreError> {
        self.ask(|db| history::stood(db, since, tell))
    }

    /// The snapshots' directory.
    pub(super) fn folder(&self) -> &Folder {
        &self.snapshots
    }

    /// The database, where it can be used.
    pub(super) fn database(&self) -> Option<&Connection> {
        self.db.as_ref()
    }

    /// What the directory has beyond the catalog, found again whenever the directory changed.
    pub(super) fn with_difference<T>(&self, ask: impl FnOnce(&Difference) -> T) -> Result<T, StoreError> {
        let fresh = Freshness::of(&self.snapshots, self.db.as_ref());
        let mut difference = self.difference.borrow_mut();
        let known = match difference.take() {
            Some((known, found)) if known == fresh => found,
            _ => Difference::find(&self.snapshots, self.db.as_ref(), self.identity.as_ref())?,
        };
        Ok(ask(&difference.insert((fresh, known)).1))
    }

    pub(super) fn ask<T: Default>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        match &self.db {
            Some(db) => ask(db).map_err(self.refused("read")),
            None => Ok(T::default()),
        }
    }

    fn refused(&self, operation: &'static str) -> impl Fn(rusqlite::Error) -> StoreError + '_ {
        move |source| StoreError::Database { operation, path: self.path.join(directory::DATABASE), source }
    }
}

impl Reader {
    /// The bytes of a snapshot's file, every one of them checked, and their body's SHA-256.
    pub fn read_file(&self, id: SnapshotId) -> Result<(Vec<u8>, crate::model::Digest), StoreError> {
        let sha256 = self.read(id)?.sha256;
        Ok((self.snapshots.read(&directory::snapshot_file(id), seal::MAX_FILE_BYTES)?, sha256))
    }
}

impl Source for Reader {
    fn list(&self, filter: &Filter) -> Result<Vec<Entry>, StoreError> {
        let mut listed = Vec::new();
        self.each(filter, &mut |entry| {
            listed.push(entry);
            true
        })?;
        Ok(listed)
    }

    fn beginning_with(&self, prefix: &str, limit: usize) -> Result<Vec<SnapshotId>, StoreError> {
        let mut ids = self.ask(|db| catalog::ids_beginning_with(db, prefix, limit))?;
        self.with_difference(|difference| {
            ids.retain(|id| !difference.gone.contains(id));
            let extra = difference.extra.iter().map(|(_, id)| *id);
            ids.extend(extra.filter(|id| id.to_string().starts_with(prefix)));
        })?;
        ids.truncate(limit);
        Ok(ids)
    }

    fn read(&self, id: SnapshotId) -> Result<Checked, StoreError> {
        let name = directory::snapshot_file(id);
        let path = || self.snapshots.path().join(&name);
        let bytes = match self.snapshots.read(&name, seal::MAX_FILE_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.is_not_found() => {
                return Err(StoreError::NotFound { name: id.to_string(), hint: self.what_became_of(id) });
            }
            Err(error) => return Err(error.into()),
        };
        let checked = seal::check(&bytes).map_err(|damage| StoreError::Damaged { path: path(), damage })?;
        if checked.body.id != id {
            return Err(StoreError::Replaced {
                path: path(),
                reason: format!("it says that it is `{}`", checked.body.id),
            });
        }
        let remembered = self.ask(|db| catalog::get(db, id))?.map(|entry| entry.sha256);
        match remembered {
            Some(sha256) if sha256 != checked.sha256 => Err(StoreError::Replaced {
                path: path(),
                reason: format!("its SHA-256 is {}, the catalog says {sha256}", checked.sha256),
            }),
            _ => Ok(checked),
        }
    }
}

impl Reader {
    /// The catalog's entries and the files that it does not have, merged by sequence, newest first.
    fn walk_merged(
        &self,
        filter: &Filter,
        difference: &Difference,
        visit: &mut dyn FnMut(Entry) -> bool,
    ) -> rusqlite::Result<()> {
        let mut skip = filter.skip;
        let mut left = filter.limit.unwrap_or(u64::MAX);
        let mut room = left > 0;
        // Returns whether there is room for more.
        let mut take = |entry: Entry| {
            if filter.matches(&entry) {
                if skip > 0 {
                    skip -= 1;
                } else {
                    left -= 1;
                    return visit(entry) && left > 0;
                }
            }
            left > 0
        };
        let mut extra = difference.extra.iter().peekable();
        if let Some(db) = &self.db {
            let mut statement = db.prepare_cached(catalog::NEWEST_FIRST_BEFORE)?;
            let mut rows = statement.query([filter.before.map_or(i64::MAX, database::int)])?;
            while room && let Some(row) = rows.next()? {
                let entry = catalog::read_entry(row)?;
                while room && let Some((_, id)) = extra.next_if(|(sequence, _)| *sequence > entry.sequence) {
                    room = entry_of_file(&self.snapshots, *id).is_none_or(&mut take);
                }
                if room && !difference.gone.contains(&entry.id) {
                    room = take(entry);
                }
            }
        }
        for (_, id) in extra {
            if !room {
                break;
            }
            room = entry_of_file(&self.snapshots, *id).is_none_or(&mut take);
        }
        Ok(())
    }

    fn what_became_of(&self, id: SnapshotId) -> String {
        match self.ask(|db| catalog::get_removed(db, id)) {
            Ok(Some(removed)) => match removed.reason {
                Some(reason) => format!(" (removed: {reason})"),
                None => " (it was there, and vanished without a reason on record)".to_owned(),
            },
            _ => String::new(),
        }
    }
}

/// What has to stay the same for a difference to stay true.
#[derive(Debug, PartialEq, Eq)]
struct Freshness {
    directory: Option<String>,
    database: Option<i64>,
}

impl Freshness {
    fn of(snapshots: &Folder, db: Option<&Connection>) -> Self {
        Self {
            directory: snapshots.stamp(),
            database: db.and_then(|db| db.pragma_query_value(None, "data_version", |row| row.get(0)).ok()),
        }
    }
}
