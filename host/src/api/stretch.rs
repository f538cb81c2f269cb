//! History in stretches of one width: as many points as somebody can see, whatever is stored.
//!
//! Owns: which window is meant, and summing up. Pure but for the window.

use std::collections::BTreeMap;

use axum::http::StatusCode;

use super::operation::Ask;
use super::problem::Problem;
use super::routes::POINTS;
use crate::model::Wall;
use crate::store::{BeatStretch, HistoryPoint, Span, Summary};

/// Rows of the store that one request reads: 400 days by the hour, 14 by the minute and 2 of single ones every five
/// seconds come to 65,000.
const MAX_ROWS: u64 = 400_000;

const HOUR_NS: i64 = 3_600_000_000_000;

/// A window of time and how it is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) since: Wall,
    pub(super) until: Wall,
    /// Nanoseconds of a stretch.
    pub(super) width_ns: i64,
}

impl Window {
    /// As a request says; so many hours where it says nothing.
    pub(super) fn of(ask: &Ask, hours: i64) -> Result<Self, Problem> {
        let until = ask.query.time("until").unwrap_or(ask.now.wall);
        let since = ask.query.time("since").unwrap_or_else(|| until.plus_ns(-hours * HOUR_NS));
        let points = ask.query.number(&POINTS);
        Self::cut(since, until, points)
            .ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "bad_window", "`since` must be before `until`"))
    }

    /// The last days, in one piece.
    pub(super) fn days(days: u32, until: Wall) -> Self {
        let width_ns = i64::from(days) * 24 * HOUR_NS;
        Self { since: until.plus_ns(-width_ns), until, width_ns }
    }

    fn cut(since: Wall, until: Wall, points: u64) -> Option<Self> {
        let length = u64::try_from(i128::from(until.0) - i128::from(since.0)).ok().filter(|length| *length > 0)?;
        let width = length.div_ceil(points.max(1));
        Some(Self { since, until, width_ns: i64::try_from(width).unwrap_or(i64::MAX).max(1) })
    }

    /// For the store.
    pub(super) fn span(&self) -> Span {
        Span { since: Some(self.since), until: Some(self.until), limit: MAX_ROWS }
    }

    /// The number of the stretch that an instant belongs to.
    fn place(&self, at: Wall) -> i64 {
        at.0.saturating_sub(self.since.0) / self.width_ns
    }

    fn begin(&self, place: i64) -> Wall {
        Wall(self.since.0.saturating_add(place.saturating_mul(self.width_ns)))
    }

    fn width_seconds(&self) -> u32 {
        u32::try_from(self.width_ns / 1_000_000_000).unwrap_or(u32::MAX)
    }
}

/// Points, oldest first, summed up where they lie closer together than the window has stretches.
pub(super) fn points(points: Vec<HistoryPoint>, window: &Window) -> Vec<HistoryPoint> {
    let mut cut: BTreeMap<i64, (HistoryPoint, u64)> = BTreeMap::new();
    for point in points {
        cut.entry(window.place(point.at))
            .and_modify(|(sum, merged)| {
                sum.value.merge(&point.value);
                *merged += 1;
            })
            .or_insert((point, 1));
    }
    let whole = |(place, (point, merged)): (i64, (HistoryPoint, u64))| match merged {
        1 => point,
        _ => HistoryPoint {
            at: window.begin(place),
            width_seconds: window.width_seconds().max(point.width_seconds),
            ..point
        },
    };
    cut.into_iter().map(whole).collect()
}

/// The same of heartbeats.
pub(super) fn beats(beats: Vec<BeatStretch>, window: &Window) -> Vec<BeatStretch> {
    let mut cut: BTreeMap<i64, (BeatStretch, u64)> = BTreeMap::new();
    for beat in beats {
        match cut.entry(window.place(beat.at)) {
            std::collections::btree_map::Entry::Vacant(free) => _ = free.insert((beat, 1)),
            std::collections::btree_map::Entry::Occupied(mut taken) => {
                let (sum, merged) = taken.get_mut();
                sum.beats.merge(&beat.beats);
                *merged += 1;
            }
        }
    }
    let whole = |(place, (beat, merged)): (i64, (BeatStretch, u64))| match merged {
        1 => beat,
        _ => BeatStretch {
            at: window.begin(place),
            width_seconds: window.width_seconds().max(beat.width_seconds),
            beats: beat.beats,
        },
    };
    cut.into_iter().map(whole).collect()
}

/// The least, the mean and the greatest of everything.
pub(super) fn whole(points: &[HistoryPoint]) -> Option<Summary> {
    let (first, rest) = points.split_first()?;
    let mut sum = first.value;
    rest.iter().for_each(|point| sum.merge(&point.value));
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn points_are_summed_up_only_where_there_are_too_many() {
        let window = Window::cut(Wall(0), Wall(100 * SECOND), 10).unwrap();
        let point =
            |at: i64, value: f64| HistoryPoint { at: Wall(at * SECOND), width_seconds: 0, value: Summary::of(value) };
        let cut = points(vec![point(0, 1.0), point(5, 3.0), point(25, 7.0), point(100, 9.0)], &window);
        assert_eq!(cut.len(), 3);
        assert_eq!((cut[0].value.min, cut[0].value.max, cut[0].value.mean, cut[0].width_seconds), (1.0, 3.0, 2.0, 10));
        assert_eq!((cut[1].at, cut[1].width_seconds), (Wall(25 * SECOND), 0), "a point that is alone stays what it is");
        assert_eq!(whole(&cut).unwrap().count, 4);
    }

    #[test]
    fn a_window_has_a_beginning_and_an_end() {
        assert_eq!(Window::cut(Wall(5), Wall(5), 10), None);
        assert_eq!(Window::cut(Wall(6), Wall(5), 10), None);
        let all = Window::cut(Wall(i64::MIN), Wall(i64::MAX), 5_000).unwrap();
        assert!(all.width_ns > 0);
    }
}
