//! The chain of snapshots, held against itself: what is altered, missing, exchanged, out of order.
//!
//! Owns: that judgement, over what was read of files and of the audit log. Pure: it reads nothing. Must not know:
//! where files are.
//!
//! What proves what. A snapshot names the one before it and its hash, so whoever rewrites number k must rewrite all
//! that follow. The audit log has a line for each capture and each deletion, chained in itself, and each snapshot
//! names the log's head: so a gap that retention made is told from one that somebody made, and a chain rewritten to
//! its end still differs from the log. Whoever rewrites files *and* log to the end is found only by a head that was
//! published elsewhere, or by a signature.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::catalog::Removed;
use crate::model::{Digest, Previous, SnapshotId, StoreRef};

/// What is wrong with a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind", content = "reason")]
pub enum Problem {
    /// Its bytes are not those that were written.
    #[error("altered: {0}")]
    Altered(String),
    /// It ends too early.
    #[error("truncated: {0}")]
    Truncated(String),
    /// It ends too early and is the last: what a crash can leave on a disk that lies about what it wrote.
    #[error("torn tail: {0}")]
    TornTail(String),
    /// It is gone, and nothing on record says why.
    #[error("missing: {0}")]
    Missing(String),
    /// It belongs to another store.
    #[error("foreign: {0}")]
    Foreign(String),
    /// It stands where it does not belong.
    #[error("out of order: {0}")]
    OutOfOrder(String),
    /// It is no snapshot of a format that this ghostd knows.
    #[error("unknown: {0}")]
    Unknown(String),
    /// It cannot be read.
    #[error("unreadable: {0}")]
    Unreadable(String),
    /// Nobody who could sign it has signed it.
    #[error("unsigned: {0}")]
    Unsigned(String),
}

/// A problem and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Verdict {
    /// The file's name; of a missing one, the name that it had.
    pub file: String,
    /// The snapshot's id, where it is known.
    pub id: Option<SnapshotId>,
    /// Its place, where it is known.
    pub sequence: Option<u64>,
    /// What is wrong.
    #[serde(flatten)]
    pub problem: Problem,
}

/// Snapshots that are gone for a reason on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Gap {
    /// The first place.
    pub first: u64,
    /// The last place.
    pub last: u64,
    /// How many went for which reason.
    pub reasons: BTreeMap<String, u64>,
}

/// What a whole file says of the chain.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) id: SnapshotId,
    pub(super) sequence: u64,
    pub(super) sha256: Digest,
    pub(super) previous: Option<Previous>,
    pub(super) store: StoreRef,
}

/// What the audit log says of the chain.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    /// What was captured, by place, with no reason to be gone.
    pub(super) captures: BTreeMap<u64, Removed>,
    /// What was deleted, by place.
    pub(super) deletions: BTreeMap<u64, Removed>,
    /// The first place of what is looked at; 0 where that is the whole store.
    pub(super) begins_at: u64,
}

/// What the walk along the chain says.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) verdicts: Vec<Verdict>,
    pub(super) gaps: Vec<Gap>,
}

/// Walks along files that are whole in themselves and belong to one store, in any order. `is_damaged` tells whether
/// the file of an id is there and damaged: that was said already.
pub(super) fn walk(links: &[Link], ledger: &Ledger, is_damaged: impl Fn(SnapshotId) -> bool) -> Walk {
    let mut order: Vec<&Link> = links.iter().collect();
    order.sort_by_key(|link| (link.sequence, link.id));
    let mut walk = Walk::default();
    let mut before: Option<&Link> = None;
    for link in order {
        if let Some(written) = ledger.captures.get(&link.sequence)
            && written.id == link.id
            && written.sha256 != link.sha256
        {
            walk.add(link, altered(link, written.sha256, "the audit log says"));
        }
        match before {
            Some(twin) if twin.sequence == link.sequence => {
                let reason = format!("`{}` has the same place {}", twin.id, link.sequence);
                walk.add(link, Problem::OutOfOrder(reason));
                continue;
            }
            _ => walk.step(before, link, ledger, &is_damaged),
        }
        before = Some(link);
    }
    let last = before.map_or(0, |link| link.sequence);
    // What the audit log knows behind the last file.
    for (&sequence, written) in ledger.captures.range(last + 1..) {
        match ledger.deletions.get(&sequence) {
            Some(removed) => walk.explain(sequence, removed),
            None if is_damaged(written.id) => {}
            None => walk.miss(sequence, Some(&as_previous(written)), "the audit log says that it was captured"),
        }
    }
    walk
}

impl Walk {
    fn add(&mut self, link: &Link, problem: Problem) {
        let verdict = Verdict {
            file: super::directory::snapshot_file(link.id),
            id: Some(link.id),
            sequence: Some(link.sequence),
            problem,
        };
        // The audit log and the next snapshot may both say so.
        let said = |other: &Verdict| other.id == verdict.id && matches!(other.problem, Problem::Altered(_));
        if !(matches!(verdict.problem, Problem::Altered(_)) && self.verdicts.iter().rev().take(8).any(said)) {
            self.verdicts.push(verdict);
        }
    }

    fn miss(&mut self, sequence: u64, known: Option<&Previous>, why: &str) {
        self.verdicts.push(Verdict {
            file: known
                .map_or_else(|| format!("(number {sequence})"), |known| super::directory::snapshot_file(known.id)),
            id: known.map(|known| known.id),
            sequence: Some(sequence),
            problem: Problem::Missing(format!("{why}, and no deletion is on record")),
        });
    }

    fn explain(&mut self, sequence: u64, removed: &Removed) {
        let reason = removed.reason.clone().unwrap_or_default();
        match self.gaps.last_mut() {
            Some(gap) if gap.last + 1 == sequence => {
                gap.last = sequence;
                *gap.reasons.entry(reason).or_default() += 1;
            }
            _ => self.gaps.push(Gap { first: sequence, last: sequence, reasons: [(reason, 1)].into() }),
        }
    }

    /// From one file that is there to the next, over what is gone between them.
    fn step(&mut self, before: Option<&Link>, link: &Link, ledger: &Ledger, is_damaged: &impl Fn(SnapshotId) -> bool) {
        let first = before.map_or(ledger.begins_at.max(1), |before| before.sequence + 1);
        if let Some(before) = before
            && link.store.epoch > before.store.epoch
            && link.previous.as_ref().is_some_and(|previous| previous.id == before.id)
        {
            // A restore: numbers in between were given to what was not restored.
            return self.hold(before, link, ledger);
        }
        // What each knew of the one before it, going back from the file that is there.
        let mut known = link.previous.clone();
        let mut missing = Vec::new();
        for sequence in (first..link.sequence).rev() {
            let removed = ledger.deletions.get(&sequence);
            let expected = known.take();
            match removed {
                Some(removed) => {
                    if let Some(expected) = &expected
                        && (expected.id != removed.id || expected.sha256 != removed.sha256)
                    {
                        let reason = format!(
                            "the snapshot after it names `{}`, the audit log deleted `{}`",
                            expected.id, removed.id
                        );
                        missing.push((sequence, Some(expected.clone()), reason));
                    }
                    known.clone_from(&removed.previous);
                }
                None => {
                    let expected = expected.or_else(|| ledger.captures.get(&sequence).map(as_previous));
                    if !expected.as_ref().is_some_and(|expected| is_damaged(expected.id)) {
                        missing.push((sequence, expected, "the snapshots around it are there".to_owned()));
                    }
                }
            }
        }
        for (sequence, removed) in ledger.deletions.range(first..link.sequence.max(first)) {
            self.explain(*sequence, removed);
        }
        for (sequence, expected, why) in missing.into_iter().rev() {
            self.miss(sequence, expected.as_ref(), &why);
        }
        match (before, known) {
            (Some(before), Some(known)) => self.hold_to(before, &known, link, ledger),
            // The first of all has none before it.
            (None, Some(known)) if first == link.sequence && ledger.begins_at <= 1 => {
                let reason = format!("it is number {}, and names `{}` before it", link.sequence, known.id);
                self.add(link, Problem::OutOfOrder(reason));
            }
            (Some(before), None) if first == link.sequence => {
                self.add(link, Problem::OutOfOrder(format!("it names none before it, and `{}` is", before.id)));
            }
            _ => {}
        }
    }

    fn hold(&mut self, before: &Link, link: &Link, ledger: &Ledger) {
        if let Some(known) = &link.previous {
            self.hold_to(before, known, link, ledger);
        }
    }

    /// Holds a file against what the one after it knows. Where they differ, one of both is not what it was: the one
    /// that the audit log does not vouch for, and where it vouches for none, the earlier, which is named by a hash.
    fn hold_to(&mut self, before: &Link, known: &Previous, by: &Link, ledger: &Ledger) {
        if known.id == before.id && known.sha256 == before.sha256 {
            return;
        }
        if ledger.vouches_for(before) && !ledger.vouches_for(by) {
            self.add(by, Problem::Altered(format!("`{}` is before it, and it names another", before.id)));
        } else if known.id != before.id {
            let reason = format!("`{}` follows it and names `{}` before itself", by.id, known.id);
            self.add(before, Problem::OutOfOrder(reason));
        } else {
            self.add(before, altered(before, known.sha256, &format!("what followed it (up to `{}`) says", by.id)));
        }
    }
}

impl Ledger {
    fn vouches_for(&self, link: &Link) -> bool {
        let written = self.captures.get(&link.sequence);
        written.is_some_and(|written| written.id == link.id && written.sha256 == link.sha256)
    }
}

fn as_previous(written: &Removed) -> Previous {
    Previous { id: written.id, sha256: written.sha256 }
}

fn altered(link: &Link, written: Digest, who: &str) -> Problem {
    Problem::Altered(format!("its SHA-256 is {}, {who} {written}", link.sha256))
}
