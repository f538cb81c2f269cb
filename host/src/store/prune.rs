//! Deleting: what retention decided, and nothing else.
//!
//! Owns: the order of a deletion. The intent, with everything that is needed to verify the chain around the hole,
//! goes to the audit log and is synced; then the files are unlinked and their directory synced; then the catalog
//! follows. A start finishes what was intended. Must not know: what is worth keeping.

use serde::Serialize;
use serde_json::json;

use super::batch::Batch;
use super::catalog::{self, Entry, Removed};
use super::database::{self, refused};
use super::directory;
use super::error::StoreError;
use super::exclusive::ExclusiveStore;
use super::reserve;
use super::start::{self, removed_of};
use crate::model::{Moment, Trigger, Wall};
use crate::retention::{self, Candidate, ClockDoubt, Importance, KeepReason, Plan, Policy, RemoveReason};
use crate::seal;

/// What a pass of retention did, or would do.
#[derive(Debug, Default, Serialize)]
pub struct Pruned {
    /// What stays, newest first, each with every reason that speaks for it.
    pub kept: Vec<Kept>,
    /// What went, or would go, oldest first.
    pub removed: Vec<Gone>,
    /// What should have gone and was left, with the reason: it cannot be read, or is not what was stored.
    pub spared: Vec<Spared>,
    /// Why nothing goes for its age, where that is so.
    pub doubt: Option<ClockDoubt>,
    /// How many are over a cap and wait for a later pass.
    pub postponed: usize,
    /// Bytes of the files that went.
    pub freed_bytes: u64,
}

/// A snapshot that stays.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Kept {
    /// Which.
    pub entry: Entry,
    /// Why.
    pub reasons: Vec<KeepReason>,
}

/// A snapshot that goes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gone {
    /// Which.
    pub entry: Entry,
    /// Why.
    pub reason: RemoveReason,
}

/// A snapshot that should go and stays.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spared {
    /// Which.
    pub entry: Entry,
    /// Why it stays.
    pub why: String,
}

/// What retention would do with these, without doing it: for whoever has no right to write.
pub fn plan_retention(entries: Vec<Entry>, policy: &Policy, now: &Moment) -> Pruned {
    let plan = retention::plan(&entries.iter().map(candidate).collect::<Vec<_>>(), policy, now);
    Pruned::of(entries, &plan)
}

impl ExclusiveStore {
    /// Removes what the policy says, or with `dry_run` says what it would remove.
    pub fn prune(&mut self, policy: &Policy, now: &Moment, dry_run: bool) -> Result<Pruned, StoreError> {
        if !dry_run && let Err(error) = self.finish_deletions(now.wall) {
            // Tried again with each pass; what keeps it from being done is reported by whoever asked for the pass.
            tracing::debug!(%error, "Snapshots that were to be deleted are still there.");
        }
        if !dry_run {
            self.try_to_catch_up();
            self.settle_doubt()?;
        }
        let mut entries = catalog::entries(&self.db).map_err(refused("list", &self.directory.database()))?;
        entries.retain(|entry| self.unfinished.iter().all(|removed| removed.id != entry.id));
        let mut pruned = plan_retention(entries, policy, now);
        self.spare(&mut pruned);
        if dry_run || pruned.removed.is_empty() {
            return Ok(pruned);
        }
        let removed: Vec<Removed> = pruned
            .removed
            .iter()
            .map(|gone| removed_of(&gone.entry, Some(format!("retention: {}", gone.reason.as_str()))))
            .collect();
        self.delete(removed, now.wall)?;
        Ok(pruned)
    }

    /// Deletes snapshots, each with its reason. They are gone, or will be after the next start, once this has
    /// written the intent; an error after that says what is still to be done.
    pub(super) fn delete(&mut self, removed: Vec<Removed>, now: Wall) -> Result<(), StoreError> {
        let data = json!({ "snapshots": removed });
        let mut write = |data| {
            self.audit.append(now, "delete", data)?;
            self.audit.sync().map(drop)
        };
        match write(data.clone()) {
            Err(error) if error.is_full() && reserve::give_up(&self.folder) => write(data)?,
            other => other?,
        }
        self.unfinished.extend(removed);
        self.finish_deletions(now)
    }

    /// Carries out what was intended. What cannot be unlinked waits for the next time and holds up nothing else.
    pub(super) fn finish_deletions(&mut self, now: Wall) -> Result<(), StoreError> {
        if self.unfinished.is_empty() {
            return Ok(());
        }
        let mut failed = None;
        let mut done = Vec::new();
        for removed in std::mem::take(&mut self.unfinished) {
            let unlinked = self.change(|snapshots| {
                snapshots.unlink(&directory::snapshot_file(removed.id))?;
                snapshots.unlink(&directory::mark_file(removed.id))
            });
            match unlinked {
                Ok(_) => done.push(removed),
                Err(error) => {
                    failed = Some(error);
                    self.unfinished.push(removed);
                }
            }
        }
        let settled = self.unfinished.is_empty().then(|| self.audit.length().to_string());
        let stamp = self.stamp_to_store();
        let carried_out = self.snapshots.sync().map_err(StoreError::from).and_then(|()| {
            self.transact(&Batch::default(), "catalogue", |db| {
                done.iter().try_for_each(|removed| catalog::remove(db, removed, now))?;
                settled.map_or(Ok(()), |length| database::set_meta(db, start::SETTLED, &length))?;
                database::set_meta(db, start::STAMP, &stamp)
            })
        });
        if let Err(error) = carried_out {
            self.unfinished.extend(done);
            return Err(error);
        }
        reserve::take(&self.folder)?;
        start::refresh_newest(self)?;
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Takes out what must not be deleted although a cap says so: what cannot be read, what is not what was stored
    /// (both are evidence of something), and what somebody has marked since the catalog was read.
    fn spare(&self, pruned: &mut Pruned) {
        let planned = std::mem::take(&mut pruned.removed);
        for gone in planned {
            match self.reason_to_spare(&gone.entry) {
                None => {
                    pruned.freed_bytes += gone.entry.size_bytes;
                    pruned.removed.push(gone);
                }
                Some(why) => pruned.spared.push(Spared { entry: gone.entry, why }),
            }
        }
    }

    fn reason_to_spare(&self, entry: &Entry) -> Option<String> {
        match self.read_mark(entry.id) {
            Ok(None) => {}
            Ok(Some(_)) if entry.mark.is_some() => {}
            Ok(Some(_)) => return Some("a mark lies beside it that the catalog does not know".to_owned()),
            Err(error) => return Some(format!("its mark cannot be read: {}", error.source)),
        }
        let bytes = match self.snapshots.read(&directory::snapshot_file(entry.id), seal::MAX_FILE_BYTES) {
            Ok(bytes) => bytes,
            Err(error) => return Some(format!("it cannot be read: {}", error.source)),
        };
        match seal::check(&bytes) {
            Ok(checked) if checked.sha256 == entry.sha256 => None,
            Ok(checked) => Some(format!("its SHA-256 is {}, the catalog says {}", checked.sha256, entry.sha256)),
            Err(damage) => Some(format!("it is damaged: {damage}")),
        }
    }
}

impl Pruned {
    fn of(entries: Vec<Entry>, plan: &Plan) -> Self {
        let mut by_id: std::collections::HashMap<_, _> = entries.into_iter().map(|entry| (entry.id, entry)).collect();
        let mut pruned = Self { doubt: plan.doubt, postponed: plan.postponed, ..Self::default() };
        for (id, reasons) in &plan.keep {
            if let Some(entry) = by_id.remove(id) {
                pruned.kept.push(Kept { entry, reasons: reasons.clone() });
            }
        }
        for (id, reason) in &plan.remove {
            if let Some(entry) = by_id.remove(id) {
                pruned.removed.push(Gone { entry, reason: *reason });
            }
        }
        pruned
    }
}

/// A snapshot as far as retention goes.
pub(super) fn candidate(entry: &Entry) -> Candidate {
    let importance = match &entry.mark {
        Some(mark) if mark.by_hand => Importance::ByHand,
        // `ghostd snapshot --important` is a hand too.
        _ if entry.important_at_capture && entry.trigger == Trigger::Manual => Importance::ByHand,
        Some(_) => Importance::Automatic,
        None if entry.important_at_capture => Importance::Automatic,
        None => Importance::Ordinary,
    };
    Candidate {
        id: entry.id,
        sequence: entry.sequence,
        captured_at: Moment {
            wall: entry.captured_at,
            boottime_ns: entry.boottime_ns,
            boot_id: entry.boot_id.as_str().into(),
        },
        size_bytes: entry.size_bytes,
        importance,
    }
}
