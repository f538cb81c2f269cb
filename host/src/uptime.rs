//! Uptime: for how much of a while each daemon was up, down, or nobody knows.
//!
//! Owns the counting. A time between two heartbeats that followed each other belongs to what the first of them said;
//! every other time (ghostd did not run, the machine slept or was off, beats were lost) is *no data*: never up, and
//! never down. Maintenance and the time before a daemon was ever seen are told apart and are outside the percentage,
//! which is `up / (up + down + paused)`.
//!
//! [`Tally`] is pure: what is counted comes as stretches. [`read`] takes them from the store.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{Standing, Wall};
use crate::store::{Reader, StoreError};

/// The whiles that are told: name and seconds.
pub const WINDOWS: [(&str, u64); 5] =
    [("1h", 3_600), ("24h", 86_400), ("7d", 7 * 86_400), ("30d", 30 * 86_400), ("90d", 90 * 86_400)];

/// The longest of [`WINDOWS`], in seconds.
pub const LONGEST_SECONDS: u64 = 90 * 86_400;

/// What was counted of one daemon in one while; the six together are the while.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Counted {
    /// Running or restarted.
    pub up_seconds: f64,
    /// Failed.
    pub down_seconds: f64,
    /// Stopped by a signal or a debugger.
    pub paused_seconds: f64,
    /// In maintenance, whatever it was.
    pub maintenance_seconds: f64,
    /// Watched, and never seen until then.
    pub unknown_seconds: f64,
    /// Nobody looked.
    pub no_data_seconds: f64,
}

/// One daemon over one while.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WindowUptime {
    /// `1h`, `24h`, `7d`, `30d`, `90d`.
    pub window: &'static str,
    /// How long that is.
    pub window_seconds: u64,
    /// `100 * up / (up + down + paused)`; none where nothing of these was counted.
    pub percent: Option<f64>,
    /// What was counted.
    #[serde(flatten)]
    pub counted: Counted,
}

/// One daemon.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DaemonUptime {
    /// Its name.
    pub name: String,
    /// Over each of [`WINDOWS`], the shortest first.
    pub windows: Vec<WindowUptime>,
}

/// Counts for these daemons what is stored, up to now.
pub fn read<'a>(
    reader: &Reader,
    daemons: impl IntoIterator<Item = &'a str>,
    now: Wall,
) -> Result<Vec<DaemonUptime>, StoreError> {
    let mut tally = Tally::new(daemons, now);
    let since = tally.since();
    reader.stood(since, &mut |one| tally.add(one.daemon, one.standing, one.at, one.width_ns, one.lasted_ns))?;
    Ok(tally.finish())
}

/// Counts as stretches come.
#[derive(Debug)]
pub struct Tally {
    now: Wall,
    /// Nanoseconds by daemon, window and standing.
    counted: BTreeMap<String, [[f64; Standing::COUNT]; WINDOWS.len()]>,
}

impl Tally {
    /// For these daemons, up to now.
    pub fn new<'a>(daemons: impl IntoIterator<Item = &'a str>, now: Wall) -> Self {
        let counted = daemons.into_iter().map(|name| (name.to_owned(), Default::default())).collect();
        Self { now, counted }
    }

    /// From here on stretches matter.
    pub fn since(&self) -> Wall {
        self.now.minus(std::time::Duration::from_secs(LONGEST_SECONDS))
    }

    /// A daemon stood so for `lasted_ns` somewhere in the `width_ns` that begin at `at`. Of a stretch that reaches over
    /// the edge of a while, the part that lies within counts, as if it were spread evenly.
    pub fn add(&mut self, daemon: &str, standing: Standing, at: Wall, width_ns: u64, lasted_ns: u64) {
        let Some(windows) = self.counted.get_mut(daemon) else { return };
        for (index, (_, seconds)) in WINDOWS.iter().enumerate() {
            let from = self.now.minus(std::time::Duration::from_secs(*seconds));
            let (begin, end) = (i128::from(at.0), i128::from(at.0) + i128::from(width_ns));
            let within = end.min(i128::from(self.now.0)) - begin.max(i128::from(from.0));
            if within <= 0 || width_ns == 0 {
                continue;
            }
            let share = within as f64 / width_ns as f64;
            windows[index][standing as usize] += lasted_ns as f64 * share;
        }
    }

    /// What it comes to, by name.
    pub fn finish(self) -> Vec<DaemonUptime> {
        let window = |index: usize, sums: &[f64; Standing::COUNT]| {
            let (window, window_seconds) = WINDOWS[index];
            let seconds = |standing: Standing| sums[standing as usize] / 1e9;
            let known: f64 = Standing::ALL.into_iter().filter(|one| *one != Standing::NoData).map(seconds).sum();
            let counted = Counted {
                up_seconds: seconds(Standing::Up),
                down_seconds: seconds(Standing::Down),
                paused_seconds: seconds(Standing::Paused),
                maintenance_seconds: seconds(Standing::Maintenance),
                unknown_seconds: seconds(Standing::Unknown),
                no_data_seconds: (window_seconds as f64 - known).max(0.0),
            };
            let judged = counted.up_seconds + counted.down_seconds + counted.paused_seconds;
            let percent = (judged > 0.0).then(|| 100.0 * counted.up_seconds / judged);
            WindowUptime { window, window_seconds, percent, counted }
        };
        self.counted
            .into_iter()
            .map(|(name, sums)| {
                let windows = sums.iter().enumerate().map(|(index, sums)| window(index, sums)).collect();
                DaemonUptime { name, windows }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;
    const NOW: Wall = Wall(1_795_219_200_000_000_000);

    #[test]
    fn what_was_not_seen_is_neither_up_nor_down() {
        let mut tally = Tally::new(["a", "b"], NOW);
        let ago = |seconds: i64| NOW.plus_ns(-seconds * 1_000_000_000);
        tally.add("a", Standing::Up, ago(1_800), 900 * S, 900 * S);
        tally.add("a", Standing::Down, ago(900), 300 * S, 300 * S);
        tally.add("a", Standing::Maintenance, ago(600), 300 * S, 300 * S);
        tally.add("stranger", Standing::Down, ago(600), 300 * S, 300 * S);
        let all = tally.finish();
        let hour = &all[0].windows[0];
        assert_eq!(hour.percent, Some(75.0));
        assert_eq!((hour.counted.no_data_seconds, hour.counted.maintenance_seconds), (2_100.0, 300.0));
        assert_eq!(all[0].windows[4].counted.up_seconds, 900.0);
        assert_eq!((all[1].name.as_str(), all[1].windows[1].percent), ("b", None));
        assert_eq!(all[1].windows[1].counted.no_data_seconds, 86_400.0);
    }

    #[test]
    fn a_stretch_over_the_edge_counts_with_its_part() {
        let mut tally = Tally::new(["a"], NOW);
        // An hour of which 30 minutes were up, and of which 15 minutes lie within the last hour.
        tally.add("a", Standing::Up, NOW.plus_ns(-6_300_000_000_000), 3_600 * S, 1_800 * S);
        let windows = tally.finish().remove(0).windows;
        assert_eq!((windows[0].counted.up_seconds, windows[1].counted.up_seconds), (450.0, 1_800.0));
    }
}
