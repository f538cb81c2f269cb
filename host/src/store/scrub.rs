//! The scrub: every stored file read again, a little at a time, and what was found so far kept across restarts.
//!
//! Owns: how far it is, and what a step reads. Must not know: when it runs, how fast, what is told of it.

use serde::{Deserialize, Serialize};

use super::batch::Document;
use super::directory;
use super::error::StoreError;
use super::reader::Reader;
use super::verify::Verification;
use crate::model::{SnapshotId, Wall};

/// Where its state is among the documents.
const NAMESPACE: &str = "scrub";
const KEY: &str = "state";
/// Files that a step reads. The audit log is read once for each step.
const FILES_A_STEP: usize = 2_000;
/// Faults whose words are kept; more are counted.
const MAX_FAULTS: usize = 50;

/// How far a scrub is, and what it found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scrub {
    /// When it began.
    pub started_at: Wall,
    /// When it was done; none while it is under way.
    #[serde(default)]
    pub finished_at: Option<Wall>,
    /// The last file that was read, in the order of their names.
    #[serde(default)]
    pub cursor: Option<SnapshotId>,
    /// How many files were read.
    pub files: u64,
    /// How many faults were found.
    pub faults: u64,
    /// The first of them in words.
    #[serde(default)]
    pub said: Vec<String>,
}

impl Scrub {
    /// One that begins.
    pub fn begin(now: Wall) -> Self {
        Self { started_at: now, finished_at: None, cursor: None, files: 0, faults: 0, said: Vec::new() }
    }

    /// As it is kept.
    pub fn document(&self, now: Wall) -> Document {
        Document {
            namespace: NAMESPACE.to_owned(),
            key: KEY.to_owned(),
            at: now,
            document: serde_json::to_value(self).unwrap_or_default(),
        }
    }

    fn hear(&mut self, checked: &Verification) {
        let verdicts = checked.verdicts.iter().map(|verdict| format!("{}: {}", verdict.file, verdict.problem));
        let audit =
            checked.audit.findings.iter().map(|finding| format!("audit log, line {}: {}", finding.line, finding.flaw));
        let beats = checked.heartbeats.altered.iter();
        let beats = beats.map(|id| format!("the heartbeats before snapshot {id} are not what they were"));
        for fault in verdicts.chain(audit).chain(beats) {
            // Each step reads the audit log, and sees the same there.
            if self.said.contains(&fault) {
                continue;
            }
            self.faults += 1;
            if self.said.len() < MAX_FAULTS {
                self.said.push(fault);
            }
        }
    }
}

impl Reader {
    /// The last scrub, done or under way; none where there never was one.
    pub fn scrub(&self) -> Result<Option<Scrub>, StoreError> {
        let documents = self.documents()?;
        let kept = documents.into_iter().find(|one| one.namespace == NAMESPACE && one.key == KEY);
        Ok(kept.and_then(|one| serde_json::from_value(one.document).ok()))
    }

    /// Reads on. `pace` is told of each file how many bytes it had, and may take its time. `false` when it is done.
    pub fn scrub_on(&self, scrub: &mut Scrub, now: Wall, pace: &mut dyn FnMut(u64)) -> Result<bool, StoreError> {
        let names = self.folder().names()?;
        let mut ids: Vec<SnapshotId> = names.iter().filter_map(|name| directory::id_of_snapshot_file(name)).collect();
        ids.sort_unstable();
        let from = scrub.cursor.map_or(0, |cursor| ids.partition_point(|id| *id <= cursor));
        let to = (from + FILES_A_STEP).min(ids.len());
        let checked = self.verify_some(from.checked_sub(1).map(|before| ids[before]), &ids[from..to], pace)?;
        scrub.hear(&checked);
        scrub.files += (to - from) as u64;
        scrub.cursor = ids[..to].last().copied().or(scrub.cursor);
        if to == ids.len() {
            scrub.finished_at = Some(now);
        }
        Ok(scrub.finished_at.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::*;
    use super::*;

    #[test]
    fn a_scrub_goes_on_where_it_was_and_finds_what_a_check_of_everything_finds() {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, _) = open(dir.path());
        let entries: Vec<Entry> = (0..7).map(|n| capture(&mut store, &at(300 * n))).collect();
        let reader = || Reader::open(dir.path()).unwrap();
        assert_eq!(reader().scrub().unwrap(), None);
        let mut whole = Scrub::begin(START);
        let mut bytes = 0;
        assert!(!reader().scrub_on(&mut whole, START, &mut |size| bytes += size).unwrap());
        assert_eq!((whole.files, whole.faults, bytes > 1_000), (7, 0, true));
        let documents = vec![whole.document(START)];
        store.record(&Batch { documents, ..Batch::default() }).unwrap();
        assert_eq!(reader().scrub().unwrap(), Some(whole));
        // A gap by hand, a changed file, and retention's own gap, looked at in two halves.
        std::fs::remove_file(dir.path().join(SNAPSHOTS).join(snapshot_file(entries[2].id))).unwrap();
        atomic_write(&dir.path().join(SNAPSHOTS).join(snapshot_file(entries[5].id)), b"{}\n").unwrap();
        store.delete(vec![start::removed_of(&entries[4], Some("count".to_owned()))], START).unwrap();
        let mut halves = Scrub { cursor: Some(entries[1].id), files: 2, ..Scrub::begin(START) };
        assert!(!reader().scrub_on(&mut halves, START, &mut |_| {}).unwrap());
        assert_eq!((halves.files, halves.faults), (5, 2), "{halves:?}");
        let all = reader().verify(&mut |_, _| {}).unwrap();
        assert_eq!(all.verdicts.len(), 2, "{all:?}");
        // What lies before the cursor is not looked at again.
        let mut rest = Scrub { cursor: Some(entries[5].id), ..Scrub::begin(START) };
        reader().scrub_on(&mut rest, START, &mut |_| {}).unwrap();
        assert_eq!((rest.files, rest.faults), (1, 0), "{rest:?}");
    }
}
