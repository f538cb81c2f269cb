//! `ghostd list`.

use std::process::ExitCode;

use clap::Args;

use super::{Failure, Places, output, place};
use crate::clock;
use crate::store::{Filter, Reader, Source, parse_time};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only those captured then or later: RFC 3339, `2026-11-21`, `-2h`
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Only those captured then or earlier
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
    /// Only those with this trigger
    #[arg(long, value_parser = ["schedule", "start", "manual", "event"])]
    trigger: Option<String>,
    /// Only those that are important
    #[arg(long)]
    important: bool,
    /// At most so many
    #[arg(short = 'n', long, value_name = "COUNT")]
    limit: Option<u64>,
}

pub(crate) fn run(places: &Places, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let paths = place::paths(places)?;
    let reader = open(&paths.data_dir)?;
    let now = clock::wall();
    let time = |text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => parse_time(text.trim_start_matches('@'), now)
            .map(Some)
            .ok_or_else(|| Failure::new(format!("`{}` is no time (try 2026-11-21T03:12 or -2h)", output::escaped(text)))),
    };
    let filter = Filter {
        since: time(&arguments.since)?,
        until: time(&arguments.until)?,
        trigger: arguments
            .trigger
            .as_ref()
            .and_then(|word| serde_json::from_value(serde_json::Value::String(word.clone())).ok()),
        important: arguments.important.then_some(true),
        limit: arguments.limit,
        ..Filter::default()
    };
    let entries = reader.list(&filter)?;
    if places.json {
        output::print_json(&entries);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = output::Table::new(&["SEQUENCE", "ID", "CAPTURED", "TRIGGER", "SIZE", "FINDINGS", "REMARKS"]);
    for entry in &entries {
        let mut remarks = Vec::new();
        if entry.important_at_capture || entry.mark.is_some() {
            remarks.push("important".to_owned());
        }
        if !entry.incomplete.is_empty() {
            remarks.push(format!("incomplete: {}", entry.incomplete.join(" ")));
        }
        if let Some(reason) = &entry.reason {
            remarks.push(reason.clone());
        }
        table.row([
            entry.sequence.to_string(),
            entry.id.to_string(),
            output::local(entry.captured_at),
            entry.trigger.as_str().to_owned(),
            output::bytes(entry.size_bytes),
            entry.open_findings.to_string(),
            remarks.join(", "),
        ]);
    }
    if table.is_empty() {
        output::complain(&format!("no snapshots in `{}`", paths.data_dir.display()));
    } else {
        table.print();
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens a data directory for reading.
pub(crate) fn open(data_dir: &std::path::Path) -> Result<Reader, Failure> {
    Reader::open(data_dir).map_err(|error| {
        Failure::from(error).hint(format!(
            "nothing was recorded in `{}` yet, or it belongs to somebody else: `ghostd run` records, --data-dir names another place",
            data_dir.display()
        ))
    })
}
