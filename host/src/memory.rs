//! What the store remembers, as the board and the collectors want it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::board::{Board, Posted};
use crate::clean::CleanSection;
use crate::collect::Remembered;
use crate::model::{Digest, FindingState, Moment, SnapshotFinding, SnapshotId};
use crate::store;

/// Everything that a start or a single capture goes on from.
#[derive(Debug, Default)]
pub struct Memory {
    /// The board with the last sections.
    pub board: Board,
    /// Per collector: state, health, generations.
    pub collectors: BTreeMap<String, Remembered>,
    /// The last snapshot.
    pub last_snapshot: Option<(SnapshotId, Moment)>,
    /// The number of the next heartbeat, at least.
    pub next_heartbeat: u64,
    /// The small things that parts of the host keep: alerts, silences, what is to be sent.
    pub documents: Vec<store::Document>,
}

/// Sorts out what was stored. `shown` are the findings of the last snapshot. A section is kept as long as its
/// collector may carry it: `carry` says for how long, none for a collector that is not wanted any more.
pub fn recall(
    loaded: store::Loaded,
    shown: &[SnapshotFinding],
    next_heartbeat: u64,
    now: &Moment,
    carry: impl Fn(&str, &str) -> Option<Duration>,
) -> Memory {
    let open = shown
        .iter()
        .filter(|one| one.state != FindingState::Resolved)
        .map(|one| (Arc::from(one.collector.as_str()), one.finding.fingerprint.clone()));
    let mut board = Board::new(open);
    let mut collectors: BTreeMap<String, Remembered> = BTreeMap::new();
    for state in loaded.states {
        collectors.entry(state.collector).or_default().state = state.entries;
    }
    for health in loaded.healths {
        let name = health.name.clone();
        collectors.entry(name).or_default().health = Some(health);
    }
    for stored in loaded.sections {
        let remembered = collectors.entry(stored.collector.clone()).or_default();
        remembered.generations.insert(stored.section.key.clone(), stored.generation);
        remembered.config_sha256 = stored.config_sha256.or(remembered.config_sha256);
        let Some(carry) = carry(&stored.collector, &stored.section.key) else { continue };
        if now.since(&stored.collected_at) > carry {
            continue;
        }
        board.restore(Posted {
            collector: stored.collector.as_str().into(),
            section: Arc::new(CleanSection::from_store(stored.section)),
            collected: stored.collected_at,
            generation: stored.generation,
            component_sha256: stored.component_sha256.unwrap_or_else(|| Digest::of(b"")),
            config_sha256: stored.config_sha256.unwrap_or_else(|| Digest::of(b"")),
            carry,
        });
    }
    for (collector, finding) in &loaded.settled {
        board.restore_settled(collector, finding);
    }
    let last_snapshot = loaded.last_snapshot.map(|entry| {
        let at =
            Moment { wall: entry.captured_at, boottime_ns: entry.boottime_ns, boot_id: entry.boot_id.as_str().into() };
        (entry.id, at)
    });
    Memory { board, collectors, last_snapshot, next_heartbeat, documents: loaded.documents }
}

/// A section's row.
pub fn stored_section(one: &Posted) -> store::StoredSection {
    store::StoredSection {
        collector: one.collector.to_string(),
        collected_at: one.collected.clone(),
        generation: one.generation,
        component_sha256: Some(one.component_sha256),
        config_sha256: Some(one.config_sha256),
        section: one.section.get().clone(),
    }
}

/// Adds what one call brought to a batch.
pub fn arrived(batch: &mut store::Batch, posted: &[Posted], state: Option<BTreeMap<String, String>>, collector: &str) {
    for one in posted {
        let section = one.section.get();
        if !section.metrics.is_empty() {
            batch.points.push(store::Points {
                collector: one.collector.to_string(),
                at: one.collected.wall,
                metrics: section.metrics.clone(),
            });
        }
        batch.sections.push(stored_section(one));
    }
    if let Some(entries) = state {
        batch.states.push(store::CollectorState { collector: collector.to_owned(), entries });
    }
}
