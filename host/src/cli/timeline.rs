//! `ghostd timeline`: what happened around an instant.

use std::process::ExitCode;

use clap::Args;

use super::{Failure, Places, list, output, place, when};
use crate::clock;
use crate::config;
use crate::model::Wall;
use crate::timeline::{self, Timeline};

/// What is shown where nothing says what.
const LAST: &str = "1h";
/// How far to both sides of an instant, where nothing says how far.
const WINDOW: &str = "15m";

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What happened around then: RFC 3339, `2026-11-21T03:12`, `2h` ago
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, conflicts_with_all = ["since", "until"])]
    around: Option<String>,
    /// How far to both sides [default: 15m]
    #[arg(long, value_name = "SPAN", requires = "around")]
    window: Option<String>,
    /// From then on [default: the last hour]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Up to then [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
    /// What is routine as well: snapshots, backups, retention
    #[arg(long)]
    all: bool,
}

pub(crate) fn run(places: &Places, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let reader = list::open_history(&place::paths(places)?.data_dir)?;
    let now = clock::wall();
    let around = when::parse_given(arguments.around.as_deref(), now)?;
    let (since, until) = match around {
        Some(at) => {
            let window = span(arguments.window.as_deref().unwrap_or(WINDOW))?;
            (at.plus_ns(-window), at.plus_ns(window))
        }
        None => {
            let until = when::parse_given(arguments.until.as_deref(), now)?.unwrap_or(now);
            let since = when::parse(arguments.since.as_deref().unwrap_or(LAST), now)?;
            (since, until)
        }
    };
    if since > until {
        return Err(Failure::new("that ends before it begins"));
    }
    let timeline = timeline::read(&reader, since, until, arguments.all)?;
    if places.json {
        output::print_json(&timeline);
    } else {
        print(&timeline, around);
    }
    Ok(ExitCode::SUCCESS)
}

fn span(text: &str) -> Result<i64, Failure> {
    let span = config::parse_duration(text).and_then(|span| i64::try_from(span.as_nanos()).ok());
    span.ok_or_else(|| {
        Failure::new(format!("`{}` is no span of time", output::escaped(text))).hint("try `15m` or `2h`")
    })
}

fn print(timeline: &Timeline, around: Option<Wall>) {
    let time = |at: Wall| at.to_utc().with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M:%S%.3f").to_string();
    if timeline.is_cut {
        output::complain("there is more; the earliest is left out (ask for a shorter time)");
    }
    if timeline.entries.is_empty() {
        output::complain(&format!("nothing happened between {} and {}", time(timeline.since), time(timeline.until)));
    }
    let mut around = around;
    let mut mark = |before: Option<Wall>| {
        if let Some(at) = around
            && before.is_none_or(|next| next >= at)
        {
            output::line(format!("{}  ----", time(at)));
            around = None;
        }
    };
    for entry in &timeline.entries {
        mark(Some(entry.at));
        let severity = format!("{:?}", entry.severity).to_lowercase();
        let category = entry.category.as_str();
        let message = output::escaped(&entry.message);
        output::line(format!("{}  {severity:<8}  {category:<13}  {message}", time(entry.at)));
    }
    mark(None);
}
