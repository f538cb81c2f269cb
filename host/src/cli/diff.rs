//! `ghostd diff`: what changed from one snapshot to another.

use std::process::ExitCode;

use clap::Args;

use super::{Failure, Places, list, output, place};
use crate::api::Ranges;
use crate::clock;
use crate::diff::{self, Diff, Mood, Options};
use crate::model::Attributes;
use crate::store::{Name, Source};

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
