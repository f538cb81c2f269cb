//! The usual ranges of metrics, from their last readings.

use std::collections::{BTreeMap, HashMap};

use crate::model::{Attributes, Reading, Wall};
use crate::store::{Reader, Series, Span, StoreError};

/// From how many of the last readings of a collector the usual range of its metrics is taken: enough for hours, and
/// still read at once.
const READINGS_LOOKED_AT: u64 = 1_000;
/// How many of them there must be of a metric before anything is called unusual.
const MIN_READINGS: usize = 120;

/// The least and the greatest of what has these labels.
type Labelled = (Attributes, (f64, f64));

/// Between what values gauges were, lately: what `diff` takes for usual.
#[derive(Debug, Default)]
pub struct Ranges {
    /// By collector and metric; the labels in a list, of which there are few.
    by_name: HashMap<(String, String), Vec<Labelled>>,
}

impl Ranges {
    /// As they were until then.
    pub fn before(reader: &Reader, until: Wall) -> Result<Self, StoreError> {
        let mut by_collector: BTreeMap<String, Vec<Series>> = BTreeMap::new();
        for series in reader.series()? {
            by_collector.entry(series.collector.clone()).or_default().push(series);
        }
        let mut ranges = Self::default();
        for (collector, all) in by_collector {
            let ids: Vec<u32> = all.iter().map(|series| series.id).collect();
            let span = Span { since: None, until: Some(until), limit: READINGS_LOOKED_AT };
            let mut seen: HashMap<u32, (f64, f64, usize)> = HashMap::new();
            for (_, id, reading) in reader.points(&collector, &ids, &span)? {
                if let Reading::Gauge(value) = reading
                    && value.is_finite()
                {
                    let (low, high, count) = seen.entry(id).or_insert((value, value, 0));
                    (*low, *high, *count) = (low.min(value), high.max(value), *count + 1);
                }
            }
            for series in all {
                if let Some((low, high, count)) = seen.get(&series.id)
                    && *count >= MIN_READINGS
                {
                    let name = (series.collector, series.name);
                    ranges.by_name.entry(name).or_default().push((series.labels, (*low, *high)));
                }
            }
        }
        Ok(ranges)
    }

    /// The least and the greatest of a gauge, where there were enough to say.
    pub fn of(&self, collector: &str, name: &str, labels: &Attributes) -> Option<(f64, f64)> {
        let all = self.by_name.get(&(collector.to_owned(), name.to_owned()))?;
        all.iter().find(|(found, _)| found == labels).map(|(_, range)| *range)
    }
}
