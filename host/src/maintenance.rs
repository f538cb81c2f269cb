//! Maintenance: the times in which what happens to a daemon is nobody's alarm.
//!
//! Owns the windows that somebody opened by hand, and whether a daemon is in one, or in one of its schedule, at an
//! instant. Pure: the documents that it remembers and the time are given.

use std::collections::BTreeMap;

use chrono::{Datelike, Local, Timelike};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::config::Window;
use crate::model::Wall;

/// The namespace of its documents in the store.
pub const NAMESPACE: &str = "maintenance";

/// In place of a daemon's name: all of them.
pub const EVERY_DAEMON: &str = "*";

/// The longest reason, in bytes: it is shown in lists and stands in events.
pub const MAX_WHY_BYTES: usize = 1_000;

/// A window that somebody opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByHand {
    /// Whose, or [`EVERY_DAEMON`].
    pub daemon: String,
    /// When it was opened.
    pub since: Wall,
    /// When it closes by itself; none for one that somebody closes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Wall>,
    /// Who.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Why a daemon is in maintenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason<'a> {
    /// Somebody said so.
    ByHand(&'a ByHand),
    /// Its schedule says so.
    Schedule(&'a Window),
}

/// The windows that are open by hand.
#[derive(Debug, Clone, Default)]
pub struct Maintenance {
    by_hand: BTreeMap<String, ByHand>,
}

impl Maintenance {
    /// What was stored. A document that cannot be read is left out.
    pub fn recall<'a>(documents: impl IntoIterator<Item = &'a Json>) -> Self {
        let read = |document: &Json| serde_json::from_value::<ByHand>(document.clone()).ok();
        let by_hand = documents.into_iter().filter_map(read).map(|one| (one.daemon.clone(), one)).collect();
        Self { by_hand }
    }

    /// Opens one; it takes the place of one that is open for the same daemon.
    pub fn begin(&mut self, window: ByHand) {
        self.by_hand.insert(window.daemon.clone(), window);
    }

    /// Closes one.
    pub fn end(&mut self, daemon: &str) -> Option<ByHand> {
        self.by_hand.remove(daemon)
    }

    /// Closes those that are over.
    pub fn expire(&mut self, now: Wall) -> Vec<ByHand> {
        let is_over = |window: &ByHand| window.until.is_some_and(|until| until <= now);
        self.by_hand.extract_if(.., |_, window| is_over(window)).map(|(_, window)| window).collect()
    }

    /// Those that are open, by daemon.
    pub fn by_hand(&self) -> impl Iterator<Item = &ByHand> {
        self.by_hand.values()
    }

    /// Why a daemon is in maintenance at this time, if it is.
    pub fn of<'a>(&'a self, daemon: &str, schedule: &'a [Window], now: Wall) -> Option<Reason<'a>> {
        let by_hand = [daemon, EVERY_DAEMON].into_iter().find_map(|name| self.by_hand.get(name));
        let by_hand = by_hand.filter(|window| window.until.is_none_or(|until| now < until));
        by_hand
            .map(Reason::ByHand)
            .or_else(|| schedule.iter().find(|window| is_open(window, now)).map(Reason::Schedule))
    }
}

/// Whether a window of a schedule is open at this time.
fn is_open(window: &Window, now: Wall) -> bool {
    let of = |weekday: u32, hour: u32, minute: u32| window.is_open(weekday as usize, (hour * 60 + minute) as u16);
    let utc = now.to_utc();
    if window.utc {
        return of(utc.weekday().num_days_from_monday(), utc.hour(), utc.minute());
    }
    let local = utc.with_timezone(&Local);
    of(local.weekday().num_days_from_monday(), local.hour(), local.minute())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Wall {
        Wall::parse_rfc3339(text).unwrap()
    }

    fn window(daemon: &str, until: Option<&str>) -> ByHand {
        ByHand {
            daemon: daemon.to_owned(),
            since: at("2026-11-24T12:00:00Z"),
            until: until.map(at),
            by: "alice".to_owned(),
            why: None,
        }
    }

    #[test]
    fn a_window_by_hand_is_open_until_its_end_and_survives_being_stored() {
        let mut open = Maintenance::default();
        open.begin(window("a", Some("2026-11-24T14:00:00Z")));
        let stored: Vec<Json> = open.by_hand().map(|one| serde_json::to_value(one).unwrap()).collect();
        let mut again = Maintenance::recall(&stored);
        assert!(matches!(again.of("a", &[], at("2026-11-24T13:59:59Z")), Some(Reason::ByHand(_))));
        assert_eq!(again.of("b", &[], at("2026-11-24T13:00:00Z")), None);
        assert_eq!(again.of("a", &[], at("2026-11-24T14:00:00Z")), None);
        assert_eq!(again.expire(at("2026-11-24T13:59:59Z")), []);
        assert_eq!(again.expire(at("2026-11-24T14:00:00Z")).len(), 1);
        again.begin(window(EVERY_DAEMON, None));
        assert!(again.of("b", &[], at("2030-01-01T00:00:00Z")).is_some());
        assert!(again.end(EVERY_DAEMON).is_some() && again.end(EVERY_DAEMON).is_none());
    }

    #[test]
    fn a_schedule_opens_and_closes() {
        let config = Window::parse("tue 12:00-13:00 UTC").unwrap();
        let open = Maintenance::default();
        let of = |time: &str| open.of("a", std::slice::from_ref(&config), at(time));
        // 2026-11-24 is a Tuesday.
        assert!(matches!(of("2026-11-24T12:30:00Z"), Some(Reason::Schedule(_))));
        assert_eq!(of("2026-11-24T13:00:00Z"), None);
        assert_eq!(of("2026-11-25T12:30:00Z"), None);
    }
}
