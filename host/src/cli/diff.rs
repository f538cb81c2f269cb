//! `ghostd diff`: what changed from one snapshot to another.

use std::collections::{BTreeMap, HashMap};
use std::process::ExitCode;

use clap::Args;

use super::{Failure, Places, list, output, place};
use crate::clock;
use crate::diff::{self, Diff, Mood, Options};
use crate::model::{Attributes, Reading, Wall};
use crate::store::{Name, Reader, Series, Source, Span, StoreError};

/// From how many of the last readings of a collector the usual range of its metrics is taken: enough for hours, and
/// still read at once.
const READINGS_LOOKED_AT: u64 = 1_000;
/// How many of them there must be of a metric before anything is called unusual.
const MIN_READINGS: usize = 120;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The earlier one: an id, a prefix of one, `latest~N` or `@TIME`
    #[arg(default_value = "latest~1")]
    from: String,
    /// The later one
    #[arg(default_value = "latest")]
    to: String,
    /// Also what always changes: times, counters, process ids
    #[arg(long)]
    all: bool,
}

pub(crate) fn run(places: &Places, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let reader = list::open(&place::paths(places)?.data_dir)?;
    let now = clock::wall();
    let read = |name: &str| reader.read(reader.resolve(&Name::parse(name, now)?)?);
    let (from, to) = (read(&arguments.from)?, read(&arguments.to)?);
    let ranges = Ranges::before(&reader, from.body.captured_at).unwrap_or_else(|error| {
        // Without a history everything else can still be told.
        output::complain(&format!("no usual ranges of metrics: {}", crate::chain::chain(&error)));
        Ranges::default()
    });
    let usual_range = move |collector: &str, name: &str, labels: &Attributes| ranges.of(collector, name, labels);
    let options = Options { everything: arguments.all, usual_range: &usual_range };
    let diff = diff::diff(&from.body, &to.body, &options);
    if places.json {
        output::print_json(&diff);
    } else {
        page(&diff);
    }
    Ok(ExitCode::SUCCESS)
}

fn page(diff: &Diff) {
    for (word, side) in [("from", &diff.from), ("to", &diff.to)] {
        output::line(format!("{word:<4}  {}  {}  ({})", output::local(side.captured_at), side.id, side.sequence));
    }
    let direction = if diff.elapsed_seconds < 0.0 { "earlier" } else { "later" };
    output::line(format!("      {} {direction}\n", output::duration(diff.elapsed_seconds.abs())));
    if diff.changes.is_empty() {
        output::line("nothing changed");
        return;
    }
    let mut table = output::Table::new(&["", "WHERE", "WHAT"]);
    for change in &diff.changes {
        let mood = match change.mood {
            Mood::Worse => "worse",
            Mood::Better => "better",
            Mood::Neutral => "",
        };
        table.row([mood.to_owned(), change.section.clone(), change.text.clone()]);
    }
    table.print();
    for (section, count) in &diff.omitted {
        output::line(format!("        {}: {count} changes more", output::escaped(section)));
    }
}

/// The least and the greatest of what has these labels.
type Labelled = (Attributes, (f64, f64));

/// Between what values gauges were, lately.
#[derive(Debug, Default)]
struct Ranges {
    /// By collector and metric; the labels in a list, of which there are few.
    by_name: HashMap<(String, String), Vec<Labelled>>,
}

impl Ranges {
    fn before(reader: &Reader, until: Wall) -> Result<Self, StoreError> {
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

    fn of(&self, collector: &str, name: &str, labels: &Attributes) -> Option<(f64, f64)> {
        let all = self.by_name.get(&(collector.to_owned(), name.to_owned()))?;
        all.iter().find(|(found, _)| found == labels).map(|(_, range)| *range)
    }
}
