//! What is durable is told, in order, to whoever wants to know.
//!
//! The recorder publishes after the commit, never before: nobody is shown what a power cut could take back unseen.
//! Subscribers are behind a bounded channel. One that is too slow loses the oldest and is told how many; the recorder
//! waits for none of them. The last few are kept so that one who comes back can go on where it stopped.
//!
//! Owns: the order, the numbers, the bounds. Must not know: who listens, and what for.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;

use crate::model::{Heartbeat, SnapshotFinding, SnapshotId, Wall};
use crate::store::{Batch, Document, Head, NumberedEvent, Points, Recorded, StoredFinding};

/// What a subscriber may be behind. At a beat every five seconds with all that comes between, some minutes; a
/// subscriber that is further behind has stopped reading, and its backlog is no reason to use more memory.
const BEHIND: usize = 512;

/// What is kept for those who come back: events, heartbeats and snapshots, some minutes of them. Whoever was away for
/// longer is told of the gap and asks the store.
const KEPT: usize = 64;

/// A snapshot that is durable.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Its name.
    pub id: SnapshotId,
    /// Its place in the chain.
    pub sequence: u64,
    /// When the capture was complete.
    pub captured_at: Wall,
    /// Its file.
    pub path: PathBuf,
    /// Bytes of the file.
    pub size_bytes: u64,
    /// What of it may be told elsewhere, so that nobody can take it back.
    pub head: Head,
    /// The findings that it shows; empty where it is published: they are in its file.
    pub shown: Vec<SnapshotFinding>,
}

/// Something that has become durable.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// A heartbeat.
    Heartbeat(Heartbeat),
    /// An event, with its number in the history.
    Event(NumberedEvent),
    /// A snapshot.
    Snapshot(Stored),
    /// A finding that was opened, got worse, or was resolved.
    Finding(StoredFinding),
    /// Metrics of one collector at one instant.
    Points(Points),
    /// A document of the host's: an alert, a silence, a maintenance.
    Document(Document),
    /// A section of a collector, by its key: it can be read from the store.
    Section {
        /// The collector.
        collector: String,
        /// The section.
        key: String,
    },
}

impl What {
    /// Whether it is kept for those who come back. The others are states that can be asked for at any time.
    fn is_kept(&self) -> bool {
        matches!(self, Self::Heartbeat(_) | Self::Event(_) | Self::Snapshot(_) | Self::Document(_) | Self::Finding(_))
    }
}

/// Something published, with its place in the order.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// Grows by one with each since this ghostd started.
    pub number: u64,
    /// What it is.
    pub what: What,
}

/// Where the recorder publishes and others subscribe. Clones are the same place.
#[derive(Debug, Clone)]
pub struct Publisher {
    channel: broadcast::Sender<Arc<Published>>,
    past: Arc<Mutex<Past>>,
}

#[derive(Debug, Default)]
struct Past {
    last: u64,
    kept: VecDeque<Arc<Published>>,
}

/// One who wants to know.
#[derive(Debug)]
pub struct Subscription {
    /// What was published between the number that was asked for and now.
    pub backlog: Vec<Arc<Published>>,
    /// Whether something between may be missing from `backlog`, because it is no longer kept.
    pub has_gap: bool,
    receiver: broadcast::Receiver<Arc<Published>>,
}

/// What a subscription brings next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// The next in order.
    Published(Arc<Published>),
    /// So many were lost, because this subscriber was too slow.
    Lost(u64),
    /// Nothing will come any more: ghostd ends.
    Ended,
}

impl Default for Publisher {
    fn default() -> Self {
        Self { channel: broadcast::channel(BEHIND).0, past: Arc::default() }
    }
}

impl Publisher {
    /// Publishes what a batch brought, once it is committed.
    pub fn batch(&self, batch: Batch, recorded: &Recorded) {
        let events = batch.events.into_iter().zip(&recorded.event_ids);
        let sections = batch
            .sections
            .into_iter()
            .map(|stored| What::Section { collector: stored.collector, key: stored.section.key });
        let all = (batch.points.into_iter().map(What::Points))
            .chain(sections)
            .chain(batch.findings.into_iter().map(What::Finding))
            .chain(batch.documents.into_iter().map(What::Document))
            .chain(events.map(|(event, id)| What::Event(NumberedEvent { id: *id, event })))
            .chain(batch.heartbeats.into_iter().map(What::Heartbeat));
        self.all(all);
    }

    /// Publishes a snapshot, once its file is durable.
    pub fn snapshot(&self, stored: Stored) {
        self.all([What::Snapshot(stored)]);
    }

    fn all(&self, all: impl IntoIterator<Item = What>) {
        // One lock over the numbering and the sending: what is sent is in order.
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        for what in all {
            past.last += 1;
            let published = Arc::new(Published { number: past.last, what });
            if published.what.is_kept() {
                if past.kept.len() == KEPT {
                    past.kept.pop_front();
                }
                past.kept.push_back(Arc::clone(&published));
            }
            // Nobody listens: that is no error.
            let _ = self.channel.send(published);
        }
    }

    /// Subscribes to what comes from now on, and to what came after the number `after` where one is given.
    pub fn subscribe(&self, after: Option<u64>) -> Subscription {
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = self.channel.subscribe();
        let Some(after) = after else { return Subscription { backlog: Vec::new(), has_gap: false, receiver } };
        let backlog: Vec<_> = past.kept.iter().filter(|one| one.number > after).cloned().collect();
        let is_whole = past.kept.len() < KEPT || past.kept.front().is_some_and(|first| first.number <= after + 1);
        Subscription { backlog, has_gap: after > past.last || !is_whole, receiver }
    }
}

impl Subscription {
    /// Waits for the next.
    pub async fn next(&mut self) -> Next {
        match self.receiver.recv().await {
            Ok(published) => Next::Published(published),
            Err(broadcast::error::RecvError::Lagged(lost)) => Next::Lost(lost),
            Err(broadcast::error::RecvError::Closed) => Next::Ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Event, EventKind, EventSeverity};

    fn event(message: &str) -> Batch {
        let event = Event {
            timestamp: Wall(0),
            event_type: EventKind::Error,
            severity: EventSeverity::Info,
            message: message.to_owned(),
            data: serde_json::Value::Null,
        };
        Batch { events: vec![event], ..Batch::default() }
    }

    fn publish(publisher: &Publisher, number: u64) {
        publisher.batch(event("x"), &Recorded { event_ids: vec![number], ..Recorded::default() });
    }

    fn numbers(list: &[Arc<Published>]) -> Vec<u64> {
        list.iter().map(|one| one.number).collect()
    }

    #[tokio::test]
    async fn a_subscriber_gets_what_comes_in_order() {
        let publisher = Publisher::default();
        publish(&publisher, 7);
        let mut subscription = publisher.subscribe(None);
        publish(&publisher, 8);
        let Next::Published(published) = subscription.next().await else { panic!("nothing came") };
        assert_eq!(published.number, 2);
        assert!(matches!(&published.what, What::Event(event) if event.id == 8));
        drop(publisher);
        assert_eq!(subscription.next().await, Next::Ended);
    }

    #[test]
    fn one_who_comes_back_goes_on_where_it_stopped() {
        let publisher = Publisher::default();
        for number in 1..=10 {
            publish(&publisher, number);
        }
        let subscription = publisher.subscribe(Some(7));
        assert_eq!((numbers(&subscription.backlog), subscription.has_gap), (vec![8, 9, 10], false));
        assert!(publisher.subscribe(Some(10)).backlog.is_empty());
        // Of another run of ghostd: everything may be missing.
        assert!(publisher.subscribe(Some(11)).has_gap);
    }

    #[test]
    fn what_is_no_longer_kept_is_said() {
        let publisher = Publisher::default();
        for number in 0..(KEPT as u64 + 5) {
            publish(&publisher, number);
        }
        let late = publisher.subscribe(Some(3));
        assert!(late.has_gap && late.backlog.len() == KEPT);
        assert!(!publisher.subscribe(Some(5)).has_gap);
    }

    #[tokio::test]
    async fn a_slow_one_is_told_what_it_lost_and_holds_up_nobody() {
        let publisher = Publisher::default();
        let mut slow = publisher.subscribe(None);
        for number in 0..(BEHIND as u64 + 9) {
            publish(&publisher, number);
        }
        assert_eq!(slow.next().await, Next::Lost(9));
        assert!(matches!(slow.next().await, Next::Published(first) if first.number == 10));
    }
}
