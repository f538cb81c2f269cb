//! What one page shows: everything of one instant, read from the store.

use serde_json::Value as Json;

use crate::model::{Finding, Heartbeat, SnapshotId, Wall};
use crate::store::{Entry, Filter, NumberedEvent, Reader, Source as _, Span, StoreError};

/// Beats in a daemon's strip.
pub(super) const BEATS: u64 = 90;
/// Events in the list: some screens of them.
const EVENTS: u64 = 200;
/// Snapshots in the list.
const SNAPSHOTS: u64 = 100;

/// One instant.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Page {
    /// The instant.
    pub at: Option<Wall>,
    /// The last beats until then, oldest first.
    pub beats: Vec<Heartbeat>,
    /// The last events until then, oldest first.
    pub events: Vec<NumberedEvent>,
    /// What was wrong, worst first.
    pub findings: Vec<Finding>,
    /// The last snapshots until then, newest first.
    pub snapshots: Vec<Entry>,
    /// `cpu`, `memory`, ... of the metric section.
    pub metric: Json,
    /// The busiest processes of the processes section, as rows.
    pub processes: Json,
    /// What could not be read.
    pub trouble: Option<String>,
}

impl Page {
    /// The machine as it is now, by the latest of everything.
    pub(super) fn now(reader: &Reader, now: Wall) -> Result<Self, StoreError> {
        let mut page = Self::common(reader, now, None)?;
        page.findings =
            reader.findings(now)?.into_iter().filter(|one| one.resolved_at.is_none()).map(|one| one.finding).collect();
        for stored in reader.sections()? {
            match &*stored.section.key {
                "metric" => page.metric = stored.section.body,
                "processes" => page.processes = stored.section.body,
                _ => {}
            }
        }
        page.worst_first();
        Ok(page)
    }

    /// The machine as it was at an instant, by what was recorded until then. `shown` is the snapshot that is already at
    /// hand, so that stepping through beats does not read the same file again.
    pub(super) fn at(reader: &Reader, at: Wall, shown: Option<(SnapshotId, &Self)>) -> Result<Self, StoreError> {
        let mut page = Self::common(reader, at, Some(at))?;
        let Some(newest) = page.snapshots.first() else { return Ok(page) };
        if let Some((id, known)) = shown
            && id == newest.id
        {
            page.findings.clone_from(&known.findings);
            page.metric.clone_from(&known.metric);
            page.processes.clone_from(&known.processes);
            page.trouble.clone_from(&known.trouble);
            return Ok(page);
        }
        match reader.read(newest.id) {
            Ok(checked) => {
                let body = checked.body;
                page.findings =
                    body.findings.into_iter().map(|one| one.finding).filter(|finding| !finding.resolved).collect();
                let section =
                    |key: &str| body.sections.get(key).map(|section| section.body.clone()).unwrap_or_default();
                page.metric = section("metric");
                page.processes = section("processes");
            }
            Err(error) => page.trouble = Some(crate::chain::chain(&error)),
        }
        page.worst_first();
        Ok(page)
    }

    fn common(reader: &Reader, at: Wall, until: Option<Wall>) -> Result<Self, StoreError> {
        let span = |limit| Span { since: None, until, limit };
        Ok(Self {
            at: Some(at),
            beats: reader.heartbeats(&span(BEATS))?,
            events: reader.events(&span(EVENTS))?,
            snapshots: reader.list(&Filter { until, limit: Some(SNAPSHOTS), ..Filter::default() })?,
            ..Self::default()
        })
    }

    fn worst_first(&mut self) {
        self.findings.sort_by_key(|one| std::cmp::Reverse((one.severity, one.last_seen)));
    }

    /// The beat of the instant.
    pub(super) fn beat(&self) -> Option<&Heartbeat> {
        self.beats.last()
    }
}
