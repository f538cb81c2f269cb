//! Whether what is stored is what was stored.
//!
//! Owns: reading every file and every line for it. Must not know: how the answer is shown. It needs no right to
//! write, and no database: the files, and the audit log, are what counts.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use super::audit_file;
use super::catalog::{self, Removed};
use super::chain::{self, Gap, Ledger, Link, Problem, Verdict};
use super::directory;
use super::disk::Folder;
use super::error::StoreError;
use super::reader::Reader;
use crate::audit;
use crate::model::{AuditHead, Digest, HeartbeatRange, SnapshotId, StoreId};
use crate::seal::{self, Checked, Damage};

/// More than a tombstone ever has.
const MAX_TOMBSTONE_BYTES: u64 = 64 << 10;

/// What a check of a whole store says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// How many files were read.
    pub files: u64,
    /// How many of them are whole and in their place.
    pub intact: u64,
    /// What is wrong.
    pub verdicts: Vec<Verdict>,
    /// What is gone for a reason on record.
    pub gaps: Vec<Gap>,
    /// The heartbeats behind the snapshots' digests.
    pub heartbeats: HeartbeatCheck,
    /// The audit log.
    pub audit: audit::Verification,
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn is_intact(&self) -> bool {
        self.verdicts.is_empty() && self.audit.findings.is_empty() && self.heartbeats.altered.is_empty()
    }
}

/// What became of the heartbeats that snapshots have digests of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HeartbeatCheck {
    /// Snapshots whose heartbeats are what they were.
    pub intact: u64,
    /// Snapshots whose heartbeats are rolled up or gone with a database: `no longer kept`.
    pub no_longer_kept: u64,
    /// Snapshots whose heartbeats are all there and not what they were.
    pub altered: Vec<SnapshotId>,
}

/// Checks a file by its path, without a store. The name has to fit where it is a snapshot's.
pub fn verify_file(path: &Path) -> Result<Checked, Problem> {
    let unreadable = |error: &dyn std::error::Error| Problem::Unreadable(described(error));
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = Folder::open(parent).map_err(|error| unreadable(&error))?;
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| Problem::Unreadable("it has no name that can be read".to_owned()))?;
    let bytes = folder.read(name, seal::MAX_FILE_BYTES).map_err(|error| unreadable(&error))?;
    let checked = seal::check(&bytes).map_err(|damage| problem_of(&damage))?;
    match directory::id_of_snapshot_file(name) {
        Some(id) if id != checked.body.id => Err(misnamed(&checked)),
        _ => Ok(checked),
    }
}

impl Reader {
    /// Checks everything. `progress` is told how many of how many files were read.
    pub fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Verification, StoreError> {
        let mut ids: Vec<SnapshotId> =
            self.folder().names()?.iter().filter_map(|name| directory::id_of_snapshot_file(name)).collect();
        ids.sort_unstable();
        let mut found = Found::default();
        for (done, &id) in (1..).zip(&ids) {
            found.read(self.folder(), id);
            progress(done, ids.len() as u64);
        }
        found.mark_torn_tail(ids.last().copied());
        self.judge(found)
    }

    /// Checks some that follow each other in the order of their names, and their links to the one before. `pace` is
    /// told the size of each.
    pub(super) fn verify_some(
        &self,
        before: Option<SnapshotId>,
        ids: &[SnapshotId],
        pace: &mut dyn FnMut(u64),
    ) -> Result<Verification, StoreError> {
        let mut found = Found::default();
        for &id in before.iter().chain(ids) {
            found.read(self.folder(), id);
            pace(self.folder().size_of(&directory::snapshot_file(id))?.unwrap_or(0));
        }
        let asked: HashSet<SnapshotId> = ids.iter().copied().collect();
        // The gap between the one before and the first of these belongs to these.
        let sequences: Vec<u64> = found.links.iter().map(|(link, _)| link.sequence).collect();
        let from = match before {
            None => 0,
            Some(before) => found.links.iter().find(|(link, _)| link.id == before).map_or_else(
                // It is damaged: of the gap between it and these nothing can be said here.
                || sequences.iter().min().map_or(0, |first| first.saturating_sub(1)),
                |(link, _)| link.sequence,
            ),
        };
        let range = from + 1..=sequences.iter().copied().max().unwrap_or(0);
        let mut checked = self.judge(found)?;
        checked.verdicts.retain(|verdict| match verdict.id {
            Some(id) if asked.contains(&id) => true,
            Some(id) if Some(id) == before => false,
            _ => verdict.sequence.is_some_and(|sequence| range.contains(&sequence)),
        });
        Ok(checked)
    }

    /// Checks one snapshot: its file, and its links to the one before and the one after.
    pub fn verify_one(&self, id: SnapshotId) -> Result<Verification, StoreError> {
        let mut found = Found::default();
        found.read(self.folder(), id);
        let Some((link, _)) = found.links.first().cloned() else {
            if found.verdicts.iter().any(|verdict| matches!(verdict.problem, Problem::Unreadable(_))) {
                // Says what became of it where it is gone.
                super::reader::Source::read(self, id)?;
            }
            return Ok(Verification { files: 1, verdicts: found.verdicts, ..Verification::default() });
        };
        let before = link.previous.as_ref().map(|previous| previous.id);
        let after = self.id_of_sequence(link.sequence + 1)?;
        let mut around = Found::default();
        for neighbour in before.into_iter().chain(after) {
            if self.folder().size_of(&directory::snapshot_file(neighbour))?.is_some() {
                around.read(self.folder(), neighbour);
            }
        }
        // A neighbour's own damage is its own, and known: here it only means that it proves nothing.
        found.links.extend(around.links);
        found.verdicts.extend(around.verdicts);
        let near = link.sequence.saturating_sub(1)..=link.sequence.saturating_add(1);
        let mut checked = self.judge(found)?;
        checked.verdicts.retain(|verdict| {
            verdict.id == Some(id) || verdict.sequence.is_some_and(|sequence| near.contains(&sequence))
        });
        checked.files = 1;
        checked.intact = u64::from(checked.verdicts.is_empty());
        checked.gaps.retain(|gap| gap.first <= *near.end() && gap.last >= *near.start());
        checked.audit = audit::Verification::default();
        Ok(checked)
    }

    /// Every line of the audit log that is whole, oldest first; `false` where there is no log.
    pub fn audit_lines(&self, visit: &mut dyn FnMut(&audit::Line)) -> Result<bool, StoreError> {
        let path = self.path().join(directory::AUDIT);
        let Some(mut log) = audit_file::read_from(&path, 0)? else { return Ok(false) };
        audit::verify(&mut log, &[], visit).map_err(|source| super::DiskError { operation: "read", path, source })?;
        Ok(true)
    }

    /// Checks the audit log alone, against what the snapshots that the catalog knows have seen of it.
    pub fn verify_audit(&self) -> Result<audit::Verification, StoreError> {
        let mut known = Vec::new();
        for entry in super::reader::Source::list(self, &super::Filter { limit: Some(1), ..Default::default() })? {
            if let Ok(checked) = super::reader::Source::read(self, entry.id) {
                known.extend(checked.body.link.audit_head);
            }
        }
        Ok(self.read_audit(&known)?.1)
    }

    fn judge(&self, mut found: Found) -> Result<Verification, StoreError> {
        let heads: Vec<AuditHead> = found.links.iter().filter_map(|(_, seen)| seen.audit_head.clone()).collect();
        let (mut said, audit) = self.read_audit(&heads)?;
        for name in self.folder().names()?.iter().filter(|name| directory::is_tombstone_file(name)) {
            let read = self.folder().read(name, MAX_TOMBSTONE_BYTES).ok();
            if let Some(removed) = read.and_then(|text| serde_json::from_slice::<Removed>(&text).ok()) {
                said.ledger.deletions.entry(removed.sequence).or_insert(removed);
            }
        }
        let ours = self.identity().map(|identity| identity.id).or(said.store).or_else(|| found.commonest_store());
        let mut verdicts = std::mem::take(&mut found.verdicts);
        found.links.retain(|(link, _)| {
            let is_ours = Some(link.store.id) == ours;
            if !is_ours {
                let problem = Problem::Foreign(format!("it belongs to store `{}`", link.store.id));
                verdicts.push(verdict(link.id, Some(link.sequence), problem));
            }
            is_ours
        });
        if let Some(excerpt) = self.excerpt() {
            // What is outside of the part was left out on purpose.
            said.ledger.captures.retain(|sequence, _| excerpt.has(*sequence));
            said.ledger.deletions.retain(|sequence, _| excerpt.has(*sequence));
            said.ledger.begins_at = excerpt.first_sequence;
        }
        let damaged: HashSet<SnapshotId> = verdicts.iter().filter_map(|verdict| verdict.id).collect();
        let links: Vec<Link> = found.links.iter().map(|(link, _)| link.clone()).collect();
        let walk = chain::walk(&links, &said.ledger, |id| damaged.contains(&id));
        let in_place: HashSet<SnapshotId> = walk.verdicts.iter().filter_map(|verdict| verdict.id).collect();
        let intact = links.iter().filter(|link| !in_place.contains(&link.id)).count() as u64;
        verdicts.extend(walk.verdicts);
        verdicts.sort_by_key(|verdict| verdict.sequence);
        Ok(Verification {
            files: found.files,
            intact,
            verdicts,
            gaps: walk.gaps,
            heartbeats: self.check_heartbeats(&found.links)?,
            audit,
        })
    }

    fn check_heartbeats(&self, links: &[(Link, Seen)]) -> Result<HeartbeatCheck, StoreError> {
        let mut check = HeartbeatCheck::default();
        for (link, seen) in links {
            let Some(range) = &seen.heartbeats else { continue };
            match self.digest_of(range)? {
                Some(sha256) if sha256 == range.sha256 => check.intact += 1,
                Some(_) => check.altered.push(link.id),
                None => check.no_longer_kept += 1,
            }
        }
        Ok(check)
    }

    /// What the heartbeats of a range hash to now; `None` where not all of them are there.
    fn digest_of(&self, range: &HeartbeatRange) -> Result<Option<Digest>, StoreError> {
        use sha2::Digest as _;
        let Some(db) = self.database() else { return Ok(None) };
        let hash = || -> rusqlite::Result<Option<Digest>> {
            let mut statement =
                db.prepare_cached("SELECT beat FROM heartbeats WHERE sequence BETWEEN ?1 AND ?2 ORDER BY sequence")?;
            let mut rows = statement.query([super::database::int(range.first), super::database::int(range.last)])?;
            let mut hasher = sha2::Sha256::new();
            let mut count = 0;
            while let Some(row) = rows.next()? {
                hasher.update(row.get_ref(0)?.as_str()?);
                hasher.update(b"\n");
                count += 1;
            }
            Ok((count == range.count).then(|| Digest::finish(hasher)))
        };
        hash().map_err(super::database::refused("read", self.path()))
    }

    fn id_of_sequence(&self, sequence: u64) -> Result<Option<SnapshotId>, StoreError> {
        let listed = match self.database() {
            Some(db) => catalog::id_of_sequence(db, sequence).map_err(super::database::refused("list", self.path()))?,
            None => None,
        };
        if listed.is_some() {
            return Ok(listed);
        }
        self.with_difference(|difference| {
            difference.extra.iter().find(|(other, _)| *other == sequence).map(|(_, id)| *id)
        })
    }

    pub(super) fn read_audit(&self, known: &[AuditHead]) -> Result<(Said, audit::Verification), StoreError> {
        let path = self.path().join(directory::AUDIT);
        let mut said = Said::default();
        let Some(mut log) = audit_file::read_from(&path, 0)? else {
            // A log that is gone is a log that is cut to nothing.
            let checked = audit::verify(&mut std::io::empty(), known, &mut |_| {});
            return Ok((said, checked.unwrap_or_default()));
        };
        let checked = audit::verify(&mut log, known, &mut |line| said.hear(line))
            .map_err(|source| super::DiskError { operation: "read", path, source })?;
        Ok((said, checked))
    }
}

/// What the audit log says of the chain, line by line.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) ledger: Ledger,
    pub(super) store: Option<StoreId>,
}

impl Said {
    pub(super) fn hear(&mut self, line: &audit::Line) {
        match line.operation.as_str() {
            "create" => {
                self.store = self.store.or_else(|| serde_json::from_value(line.data["store"]["id"].clone()).ok());
            }
            "capture" => {
                if let Ok(written) = serde_json::from_value::<Removed>(line.data.clone()) {
                    self.ledger.captures.insert(written.sequence, written);
                }
            }
            "restore" => {
                // What came after the last that was put back was left out on purpose.
                let up_to = line.data["restored_up_to"].as_u64().unwrap_or(u64::MAX);
                for (&sequence, written) in self.ledger.captures.range(up_to.saturating_add(1)..) {
                    let reason = Some("restore: not in the backup".to_owned());
                    self.ledger.deletions.entry(sequence).or_insert_with(|| Removed { reason, ..written.clone() });
                }
            }
            "delete" | "set_aside" | "purge" => {
                for removed in line.data["snapshots"].as_array().into_iter().flatten() {
                    if let Ok(removed) = serde_json::from_value::<Removed>(removed.clone()) {
                        self.ledger.deletions.insert(removed.sequence, removed);
                    }
                }
            }
            _ => {}
        }
    }
}

/// What else a file says that is checked.
#[derive(Debug, Clone)]
struct Seen {
    audit_head: Option<AuditHead>,
    heartbeats: Option<HeartbeatRange>,
}

/// What was read of files.
#[derive(Debug, Default)]
struct Found {
    files: u64,
    links: Vec<(Link, Seen)>,
    verdicts: Vec<Verdict>,
}

impl Found {
    fn read(&mut self, snapshots: &Folder, id: SnapshotId) {
        self.files += 1;
        let name = directory::snapshot_file(id);
        let read = snapshots
            .read(&name, seal::MAX_FILE_BYTES)
            .map_err(|error| Problem::Unreadable(described(&error)))
            .and_then(|bytes| seal::check(&bytes).map_err(|damage| problem_of(&damage)));
        match read {
            Ok(checked) if checked.body.id == id => {
                let link = checked.body.link;
                let seen = Seen { audit_head: link.audit_head, heartbeats: link.heartbeats };
                let link = Link {
                    id,
                    sequence: link.sequence,
                    sha256: checked.sha256,
                    previous: link.previous,
                    store: link.store,
                };
                self.links.push((link, seen));
            }
            Ok(checked) => self.verdicts.push(verdict(id, None, misnamed(&checked))),
            Err(problem) => self.verdicts.push(verdict(id, None, problem)),
        }
    }

    fn mark_torn_tail(&mut self, last: Option<SnapshotId>) {
        for verdict in self.verdicts.iter_mut().filter(|verdict| verdict.id == last && last.is_some()) {
            if let Problem::Truncated(reason) = &verdict.problem {
                verdict.problem = Problem::TornTail(reason.clone());
            }
        }
    }

    fn commonest_store(&self) -> Option<StoreId> {
        let mut stores: BTreeMap<String, (u64, StoreId)> = BTreeMap::new();
        for (link, _) in &self.links {
            stores.entry(link.store.id.to_string()).or_insert((0, link.store.id)).0 += 1;
        }
        stores.into_values().max_by_key(|(count, _)| *count).map(|(_, id)| id)
    }
}

fn verdict(id: SnapshotId, sequence: Option<u64>, problem: Problem) -> Verdict {
    Verdict { file: directory::snapshot_file(id), id: Some(id), sequence, problem }
}

fn misnamed(checked: &Checked) -> Problem {
    Problem::OutOfOrder(format!("its name is another's: it says that it is `{}`", checked.body.id))
}

fn problem_of(damage: &Damage) -> Problem {
    match damage {
        Damage::Truncated(reason) => Problem::Truncated(reason.clone()),
        Damage::Altered(reason) => Problem::Altered(reason.clone()),
        Damage::Unknown(reason) => Problem::Unknown(reason.clone()),
        Damage::TooLarge(_) => Problem::Unknown(damage.to_string()),
    }
}

fn described(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
