//! The latest section of every collector: what snapshots and heartbeats are composed of.
//!
//! Owns: which section is current, for how long a good one is carried after a failure, and what became of each
//! finding since the last snapshot. Must not know: how a section was collected, where it is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::clean::CleanSection;
use crate::model::{Digest, Finding, FindingState, Moment, Severity, SnapshotFinding, Wall};

/// Resolved findings that are remembered for the next snapshot. Beyond it the oldest are forgotten.
const MAX_RESOLVED: usize = 2_000;

/// One section with where it comes from.
#[derive(Debug, Clone)]
pub struct Posted {
    /// Which collector made it.
    pub collector: Arc<str>,
    /// The section itself.
    pub section: Arc<CleanSection>,
    /// When it was collected.
    pub collected: Moment,
    /// How many of this key there were, this one included.
    pub generation: u64,
    /// SHA-256 of the component.
    pub component_sha256: Digest,
    /// SHA-256 of the collector's configuration.
    pub config_sha256: Digest,
    /// How long it may be carried after its collector failed.
    pub carry: Duration,
}

/// What a section's place on the board holds.
#[derive(Debug, Clone)]
pub struct Place {
    /// The last good section.
    pub posted: Posted,
    /// Why there is no newer one, where its collector failed since.
    pub failed: Option<String>,
}

/// Something that became of a finding.
#[derive(Debug, Clone, PartialEq)]
pub struct FindingChange {
    /// Which collector.
    pub collector: Arc<str>,
    /// The finding as it is now.
    pub finding: Finding,
    /// Opened, worse or resolved.
    pub kind: FindingChangeKind,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingChangeKind {
    /// It was not open before.
    Opened,
    /// Its severity has risen.
    Worse,
    /// It was open and is not any more.
    Resolved,
}

type Key = (Arc<str>, String);

/// The board.
#[derive(Debug, Default)]
pub struct Board {
    places: BTreeMap<String, Place>,
    open: BTreeMap<Key, Severity>,
    in_last_snapshot: BTreeSet<Key>,
    resolved: Vec<(Arc<str>, Finding)>,
    /// What somebody has resolved by hand, with how often and when it had been seen by then. Only a later sighting
    /// opens it again: a section that goes on naming it tells nothing new.
    settled: BTreeMap<Key, (u64, Option<Wall>)>,
    /// What ghostd itself has found, and is not over.
    own: BTreeMap<String, Finding>,
    /// What the host itself found, by what found it. All of these are open.
    of_host: BTreeMap<Arc<str>, Vec<Finding>>,
}

/// Whose findings those are that no collector made.
pub const GHOSTD: &str = "ghostd";

impl Board {
    /// An empty board. `in_last_snapshot` names the findings that the last snapshot showed as open.
    pub fn new(in_last_snapshot: impl IntoIterator<Item = (Arc<str>, String)>) -> Self {
        Self { in_last_snapshot: in_last_snapshot.into_iter().collect(), ..Self::default() }
    }

    /// Every place by its section's key.
    pub fn places(&self) -> &BTreeMap<String, Place> {
        &self.places
    }

    /// The place of one section.
    pub fn get(&self, key: &str) -> Option<&Place> {
        self.places.get(key)
    }

    /// Puts back what was stored before ghostd started: no finding counts as opened by it.
    pub fn restore(&mut self, posted: Posted) {
        let key = posted.section.get().key.clone();
        for finding in posted.section.get().findings.iter().filter(|finding| !finding.resolved) {
            self.open.insert((Arc::clone(&posted.collector), finding.fingerprint.clone()), finding.severity);
        }
        self.places.insert(key, Place { posted, failed: None });
    }

    /// Takes the sections that one call returned, and says what became of the collector's findings.
    pub fn post(&mut self, posted: Vec<Posted>) -> Vec<FindingChange> {
        let mut changes = Vec::new();
        for one in posted {
            let section = one.section.get();
            let key = section.key.clone();
            let before: BTreeSet<String> = self
                .places
                .get(&key)
                .map(|place| &place.posted)
                .filter(|before| before.collector == one.collector)
                .map(|before| open_in(before).map(|finding| finding.fingerprint.clone()).collect())
                .unwrap_or_default();
            for finding in &section.findings {
                changes.extend(self.finding_seen(&one.collector, finding));
            }
            // A section describes a state: what it does not name any more is over.
            let now: BTreeSet<&str> = section.findings.iter().map(|finding| finding.fingerprint.as_str()).collect();
            let gone: Vec<Finding> = self
                .places
                .get(&key)
                .into_iter()
                .flat_map(|place| open_in(&place.posted))
                .filter(|finding| before.contains(&finding.fingerprint) && !now.contains(finding.fingerprint.as_str()))
                .map(|finding| Finding { resolved: true, ..finding.clone() })
                .collect();
            for finding in gone {
                changes.extend(self.finding_seen(&one.collector, &finding));
            }
            self.places.insert(key, Place { posted: one, failed: None });
        }
        changes
    }

    /// Takes a finding of ghostd's own: a collector in quarantine, a file that is damaged. It stays until the same
    /// fingerprint is said to be resolved; saying so of one that is not open changes nothing.
    pub fn found(&mut self, finding: Finding) -> Option<FindingChange> {
        let owner: Arc<str> = GHOSTD.into();
        if finding.resolved {
            let key = (Arc::clone(&owner), finding.fingerprint.clone());
            let was_open = self.own.remove(&finding.fingerprint).is_some();
            // One that was open when ghostd ended and that is over now: nobody has said so yet.
            if !was_open && self.in_last_snapshot.contains(&key) {
                self.open.insert(key, finding.severity);
            }
        } else {
            self.own.insert(finding.fingerprint.clone(), finding.clone());
        }
        self.finding_seen(&owner, &finding)
    }

    /// What ghostd itself has found, and is not over.
    pub fn own(&self) -> impl Iterator<Item = &Finding> {
        self.own.values()
    }

    /// Takes all that a part of the host finds open now, and says what changed. `source` stands where a collector's name
    /// does. What it does not name any more is over.
    pub fn post_host(&mut self, source: &Arc<str>, findings: Vec<Finding>) -> Vec<FindingChange> {
        let named: BTreeSet<&str> = findings.iter().map(|finding| finding.fingerprint.as_str()).collect();
        let before = self.of_host.get(source).into_iter().flatten();
        let gone: Vec<Finding> = before
            .filter(|finding| !named.contains(finding.fingerprint.as_str()))
            .map(|finding| Finding { resolved: true, ..finding.clone() })
            .collect();
        let changes = findings.iter().chain(&gone).filter_map(|finding| self.finding_seen(source, finding)).collect();
        self.of_host.insert(Arc::clone(source), findings);
        changes
    }

    /// Puts back what a part of the host had found before ghostd started: none of it counts as opened by it.
    pub fn restore_host(&mut self, source: &Arc<str>, findings: Vec<Finding>) {
        for finding in &findings {
            self.open.insert((Arc::clone(source), finding.fingerprint.clone()), finding.severity);
        }
        self.of_host.insert(Arc::clone(source), findings);
    }

    /// What the host itself found, by what found it.
    pub fn of_host(&self) -> impl Iterator<Item = (&Arc<str>, &[Finding])> {
        self.of_host.iter().map(|(source, findings)| (source, findings.as_slice()))
    }

    /// Somebody resolves a finding by hand. None where no such finding is open.
    pub fn settle(&mut self, collector: &str, fingerprint: &str) -> Option<FindingChange> {
        let is_it = |one: &SnapshotFinding| one.collector == collector && one.finding.fingerprint == fingerprint;
        let finding = self.findings().into_iter().find(|one| is_it(one) && !one.finding.resolved)?.finding;
        let owner: Arc<str> = collector.into();
        let key = (Arc::clone(&owner), fingerprint.to_owned());
        // Carried from before ghostd started, it may not have been counted as open yet.
        self.open.entry(key.clone()).or_insert(finding.severity);
        let change = self.finding_seen(&owner, &Finding { resolved: true, ..finding.clone() });
        self.settled.insert(key, (finding.count, finding.last_seen));
        change
    }

    /// Puts back that somebody had resolved a finding by hand before ghostd started.
    pub fn restore_settled(&mut self, collector: &str, finding: &Finding) {
        let key = (Arc::from(collector), finding.fingerprint.clone());
        self.open.remove(&key);
        self.settled.insert(key, (finding.count, finding.last_seen));
    }

    fn is_settled(&self, collector: &Arc<str>, finding: &Finding) -> bool {
        !self.settled.is_empty() && self.settled.contains_key(&(Arc::clone(collector), finding.fingerprint.clone()))
    }

    fn finding_seen(&mut self, collector: &Arc<str>, finding: &Finding) -> Option<FindingChange> {
        let key = (Arc::clone(collector), finding.fingerprint.clone());
        match self.settled.get(&key) {
            Some((count, last)) if !finding.resolved && finding.count <= *count && finding.last_seen <= *last => {
                return None;
            }
            Some(_) => _ = self.settled.remove(&key),
            None => {}
        }
        let kind = if finding.resolved {
            self.open.remove(&key)?;
            self.resolved.push((Arc::clone(collector), finding.clone()));
            if self.resolved.len() > MAX_RESOLVED {
                self.resolved.remove(0);
            }
            FindingChangeKind::Resolved
        } else {
            self.resolved.retain(|(owner, resolved)| owner != collector || resolved.fingerprint != finding.fingerprint);
            match self.open.insert(key, finding.severity) {
                None => FindingChangeKind::Opened,
                Some(before) if before < finding.severity => FindingChangeKind::Worse,
                Some(_) => return None,
            }
        };
        Some(FindingChange { collector: Arc::clone(collector), finding: finding.clone(), kind })
    }

    /// A collector failed: what it last returned is carried from now on.
    pub fn fail(&mut self, collector: &str, why: &str) {
        for place in self.places.values_mut().filter(|place| &*place.posted.collector == collector) {
            place.failed = Some(why.to_owned());
        }
    }

    /// Forgets what has been carried for too long, and says which keys.
    pub fn expire(&mut self, now: &Moment) -> Vec<String> {
        let expired: Vec<String> = self
            .places
            .iter()
            .filter(|(_, place)| place.failed.is_some() && now.since(&place.posted.collected) > place.posted.carry)
            .map(|(key, _)| key.clone())
            .collect();
        for key in &expired {
            self.places.remove(key);
        }
        expired
    }

    /// Forgets what belongs to collectors that are no longer configured, and keys that they no longer have.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) {
        self.places.retain(|key, place| keep(&place.posted.collector, key));
    }

    /// Forgets sections and resolved findings whose text holds something, and says which keys went.
    pub fn forget(&mut self, holds: &dyn Fn(&str) -> bool) -> Vec<String> {
        fn text(of: &impl serde::Serialize) -> String {
            serde_json::to_string(of).unwrap_or_default()
        }
        let forgotten: Vec<String> = self
            .places
            .iter()
            .filter(|(_, place)| {
                let failed = place.failed.as_deref().is_some_and(holds);
                failed || holds(&text(place.posted.section.get()))
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in &forgotten {
            self.places.remove(key);
        }
        self.resolved.retain(|(_, finding)| !holds(&text(finding)));
        forgotten
    }

    /// The findings as the next snapshot shows them.
    pub fn findings(&self) -> Vec<SnapshotFinding> {
        let of_collectors = self
            .places
            .values()
            .flat_map(|place| open_in(&place.posted).map(move |finding| (&place.posted.collector, finding)));
        let of_host =
            self.of_host.iter().flat_map(|(source, findings)| findings.iter().map(move |finding| (source, finding)));
        let unsettled =
            of_collectors.chain(of_host).filter(|(collector, finding)| !self.is_settled(collector, finding));
        let open = unsettled.map(|(collector, finding)| {
            let key = (Arc::clone(collector), finding.fingerprint.clone());
            let state = if self.in_last_snapshot.contains(&key) { FindingState::Open } else { FindingState::Opened };
            SnapshotFinding { collector: key.0.to_string(), state, finding: finding.clone() }
        });
        let ghostd: Arc<str> = GHOSTD.into();
        let own = self.own.values().filter(|finding| !self.is_settled(&ghostd, finding)).map(|finding| {
            let known = self.in_last_snapshot.contains(&(Arc::from(GHOSTD), finding.fingerprint.clone()));
            let state = if known { FindingState::Open } else { FindingState::Opened };
            SnapshotFinding { collector: GHOSTD.to_owned(), state, finding: finding.clone() }
        });
        let resolved = self.resolved.iter().map(|(collector, finding)| SnapshotFinding {
            collector: collector.to_string(),
            state: FindingState::Resolved,
            finding: finding.clone(),
        });
        let mut findings: Vec<SnapshotFinding> = open.chain(own).chain(resolved).collect();
        findings.sort_by(|a, b| {
            let rank = |one: &SnapshotFinding| (one.finding.resolved, std::cmp::Reverse(one.finding.severity));
            rank(a).cmp(&rank(b)).then_with(|| a.finding.fingerprint.cmp(&b.finding.fingerprint))
        });
        findings
    }

    /// A snapshot with these findings is durable: from now on they are not new.
    pub fn snapshot_stored(&mut self, shown: &[SnapshotFinding]) {
        self.in_last_snapshot = shown
            .iter()
            .filter(|one| one.state != FindingState::Resolved)
            .map(|one| (Arc::from(one.collector.as_str()), one.finding.fingerprint.clone()))
            .collect();
        // What was resolved while it was being written stays for the next one.
        self.resolved.retain(|(collector, finding)| {
            !shown.iter().any(|one| {
                one.state == FindingState::Resolved
                    && one.collector == **collector
                    && one.finding.fingerprint == finding.fingerprint
            })
        });
    }

    /// When the newest section was collected, for the clock of the demo and the tests.
    pub fn newest(&self) -> Option<Wall> {
        self.places.values().map(|place| place.posted.collected.wall).max()
    }
}

fn open_in(posted: &Posted) -> impl Iterator<Item = &Finding> {
    posted.section.get().findings.iter().filter(|finding| !finding.resolved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Completeness, Section};

    fn at(seconds: u64) -> Moment {
        Moment {
            wall: Wall::from_millis(i64::try_from(seconds).unwrap() * 1000),
            boottime_ns: seconds * 1_000_000_000,
            boot_id: "boot".into(),
        }
    }

    fn finding(fingerprint: &str, severity: Severity) -> Finding {
        Finding {
            fingerprint: fingerprint.to_owned(),
            severity,
            title: "t".to_owned(),
            detail: None,
            source: None,
            count: 1,
            first_seen: None,
            last_seen: None,
            resolved: false,
            attributes: Default::default(),
        }
    }

    #[test]
    fn a_finding_of_ghostds_own_stays_until_it_is_over() {
        let mut board = Board::default();
        let trouble = finding("ghostd:collector:x", Severity::Medium);
        assert_eq!(board.found(trouble.clone()).unwrap().kind, FindingChangeKind::Opened);
        assert!(board.found(trouble.clone()).is_none(), "it is no news twice");
        let shown = board.findings();
        assert_eq!((shown.len(), &*shown[0].collector, shown[0].state), (1, GHOSTD, FindingState::Opened));
        board.snapshot_stored(&shown);
        assert_eq!(board.findings()[0].state, FindingState::Open);

        let over = Finding { resolved: true, ..trouble };
        assert_eq!(board.found(over.clone()).unwrap().kind, FindingChangeKind::Resolved);
        assert_eq!(board.findings()[0].state, FindingState::Resolved);
        board.snapshot_stored(&board.findings());
        assert!(board.findings().is_empty() && board.found(over.clone()).is_none());

        // One that was open before a restart is resolved by the first word that it is over.
        let mut board = Board::new([(Arc::from(GHOSTD), over.fingerprint.clone())]);
        assert_eq!(board.found(over).unwrap().kind, FindingChangeKind::Resolved);
    }

    fn posted(seconds: u64, findings: Vec<Finding>) -> Posted {
        let section = Section {
            key: "s".to_owned(),
            schema: "s/1".to_owned(),
            completeness: Completeness::Complete,
            warnings: vec![],
            body: serde_json::json!({}),
            metrics: vec![],
            findings,
            attributes: Default::default(),
        };
        Posted {
            collector: "c".into(),
            section: Arc::new(CleanSection::from_store(section)),
            collected: at(seconds),
            generation: 1,
            component_sha256: Digest::of(b""),
            config_sha256: Digest::of(b""),
            carry: Duration::from_secs(15),
        }
    }

    fn kinds(changes: &[FindingChange]) -> Vec<FindingChangeKind> {
        changes.iter().map(|change| change.kind).collect()
    }

    fn states(board: &Board) -> Vec<FindingState> {
        board.findings().iter().map(|one| one.state).collect()
    }

    #[test]
    fn a_finding_is_opened_once_and_resolved_once() {
        let mut board = Board::new([]);
        assert_eq!(kinds(&board.post(vec![posted(1, vec![finding("f", Severity::Low)])])), [FindingChangeKind::Opened]);
        assert_eq!(states(&board), [FindingState::Opened]);
        let shown = board.findings();
        board.snapshot_stored(&shown);
        assert_eq!(states(&board), [FindingState::Open]);
        assert!(board.post(vec![posted(2, vec![finding("f", Severity::Low)])]).is_empty(), "a repeat changes nothing");
        assert_eq!(kinds(&board.post(vec![posted(3, vec![finding("f", Severity::High)])])), [FindingChangeKind::Worse]);
        assert_eq!(
            kinds(&board.post(vec![posted(4, vec![])])),
            [FindingChangeKind::Resolved],
            "it is not named any more"
        );
        assert_eq!(states(&board), [FindingState::Resolved]);
        let shown = board.findings();
        board.snapshot_stored(&shown);
        assert!(states(&board).is_empty());
    }

    #[test]
    fn what_is_resolved_by_hand_stays_so_until_it_is_seen_again() {
        let seen = |count: u64, last: i64| {
            let last_seen = Some(Wall::from_millis(last));
            Finding { count, last_seen, ..finding("f", Severity::High) }
        };
        let mut board = Board::default();
        board.post(vec![posted(1, vec![seen(3, 10)])]);
        board.snapshot_stored(&board.findings());
        assert!(board.settle("c", "g").is_none() && board.settle("d", "f").is_none(), "there is no such finding");
        assert_eq!(board.settle("c", "f").unwrap().kind, FindingChangeKind::Resolved);
        assert_eq!(states(&board), [FindingState::Resolved]);
        assert!(board.settle("c", "f").is_none(), "it is resolved already");
        board.snapshot_stored(&board.findings());

        // The section goes on naming it as it was.
        assert!(board.post(vec![posted(2, vec![seen(3, 10)])]).is_empty() && board.findings().is_empty());
        assert_eq!(kinds(&board.post(vec![posted(3, vec![seen(4, 20)])])), [FindingChangeKind::Opened]);
        assert_eq!(states(&board), [FindingState::Opened]);

        // The same across a restart, and when the collector itself says that it is over.
        let mut board = Board::new([("c".into(), "f".to_owned())]);
        board.restore(posted(3, vec![seen(4, 20)]));
        board.restore_settled("c", &seen(4, 20));
        assert!(board.findings().is_empty() && board.post(vec![posted(4, vec![seen(4, 20)])]).is_empty());
        assert!(board.post(vec![posted(5, vec![])]).is_empty(), "it was resolved already");
        assert_eq!(kinds(&board.post(vec![posted(6, vec![seen(4, 20)])])), [FindingChangeKind::Opened]);
    }

    #[test]
    fn what_was_open_before_a_start_is_not_new() {
        let mut board = Board::new([("c".into(), "f".to_owned())]);
        board.restore(posted(1, vec![finding("f", Severity::Low)]));
        assert!(board.post(vec![posted(2, vec![finding("f", Severity::Low)])]).is_empty());
        assert_eq!(states(&board), [FindingState::Open]);
    }

    #[test]
    fn a_resolved_finding_that_comes_back_is_open_again() {
        let mut board = Board::new([]);
        board.post(vec![posted(1, vec![finding("f", Severity::Low)])]);
        board.post(vec![posted(2, vec![Finding { resolved: true, ..finding("f", Severity::Low) }])]);
        assert_eq!(kinds(&board.post(vec![posted(3, vec![finding("f", Severity::Low)])])), [FindingChangeKind::Opened]);
        assert_eq!(states(&board), [FindingState::Opened]);
    }

    #[test]
    fn a_good_section_is_carried_for_a_while_after_a_failure() {
        let mut board = Board::new([]);
        board.post(vec![posted(10, vec![])]);
        assert!(board.expire(&at(1000)).is_empty(), "its collector did not fail: it is just not due");
        board.fail("c", "it trapped");
        assert!(board.expire(&at(25)).is_empty());
        assert_eq!(board.get("s").unwrap().failed.as_deref(), Some("it trapped"));
        assert_eq!(board.expire(&at(26)), ["s"]);
        assert!(board.get("s").is_none());
    }

    #[test]
    fn what_the_host_finds_is_opened_and_resolved_like_any_other() {
        let mut board = Board::new([]);
        let source: Arc<str> = "alerts".into();
        assert_eq!(kinds(&board.post_host(&source, vec![finding("f", Severity::Low)])), [FindingChangeKind::Opened]);
        assert!(board.post_host(&source, vec![finding("f", Severity::Low)]).is_empty());
        assert_eq!(states(&board), [FindingState::Opened]);
        assert_eq!(kinds(&board.post_host(&source, vec![])), [FindingChangeKind::Resolved]);
        assert_eq!(states(&board), [FindingState::Resolved]);
        board.restore_host(&source, vec![finding("g", Severity::Low)]);
        assert!(board.post_host(&source, vec![finding("g", Severity::Low)]).is_empty(), "it was open before the start");
    }

    #[test]
    fn a_success_ends_the_carrying() {
        let mut board = Board::new([]);
        board.post(vec![posted(1, vec![])]);
        board.fail("c", "late");
        board.post(vec![posted(2, vec![])]);
        assert_eq!(board.get("s").unwrap().failed, None);
    }
}
