//! `ghostd list`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::{Failure, Place, Places, events, output, place, when};
use crate::chain::chain;
use crate::clock::{self, Clock};
use crate::model::SnapshotId;
use crate::retention::{KeepReason, RemoveReason};
use crate::store::{DATABASE, Entry, Filter, Mark, Reader, Source, plan_retention};
use crate::wiring;

/// In a larger store nothing is said of why each snapshot is kept: that asks for all of them, and a list of a few
/// should take no longer for that.
const MAX_EXPLAINED: u64 = 2_000;

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
    /// Only those with every section complete, or those where something is missing, partial or carried
    #[arg(long, value_name = "STATUS", value_parser = ["complete", "incomplete"])]
    status: Option<String>,
    /// Only those with an open finding that is at least so severe: low, medium, high, critical
    #[arg(long, value_name = "SEVERITY", value_parser = ["low", "medium", "high", "critical"])]
    severity: Option<String>,
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
    let filter = Filter {
        since: when::parse_given(arguments.since.as_deref(), now)?,
        until: when::parse_given(arguments.until.as_deref(), now)?,
        trigger: meant(arguments.trigger.as_deref()),
        complete: arguments.status.as_deref().map(|status| status == "complete"),
        worst_at_least: meant(arguments.severity.as_deref()),
        important: arguments.important.then_some(true),
        limit: arguments.limit,
        ..Filter::default()
    };
    let retention = retention(places, &reader)?;
    if places.json {
        let mut array = output::JsonArray::begin();
        reader.each(&filter, &mut |entry| {
            array.add(&Row { entry: &entry, retention: retention.get(&entry.id) });
            true
        })?;
        array.end();
        return Ok(ExitCode::SUCCESS);
    }
    let entries = reader.list(&filter)?;
    let mut table =
        output::Table::new(&["SEQUENCE", "ID", "CAPTURED", "TRIGGER", "SIZE", "FINDINGS", "KEPT FOR", "REMARKS"]);
    for entry in &entries {
        let mut remarks = Vec::new();
        match &entry.mark {
            Some(Mark { by, why: Some(why), .. }) => remarks.push(format!("important: {why} ({by})")),
            Some(Mark { by, why: None, .. }) => remarks.push(format!("important ({by})")),
            None if entry.important_at_capture => remarks.push("important".to_owned()),
            None => {}
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
            match retention.get(&entry.id) {
                Some(Retention::KeptFor(reasons)) => reasons.iter().map(events::written).collect::<Vec<_>>().join(" "),
                Some(Retention::Over(cap)) => format!("nothing: over {}", cap.as_str()),
                None => "-".to_owned(),
            },
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

/// What a word stands for that is one of those that may be given.
fn meant<T: serde::de::DeserializeOwned>(word: Option<&str>) -> Option<T> {
    word.and_then(|word| serde_json::from_value(serde_json::Value::String(word.to_owned())).ok())
}

/// A snapshot with what retention says of it.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    entry: &'a Entry,
    #[serde(flatten)]
    retention: Option<&'a Retention>,
}

/// What retention would do now.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Retention {
    /// It stays, and this speaks for it.
    KeptFor(Vec<KeepReason>),
    /// It goes with the next pass: it is over this cap.
    Over(RemoveReason),
}

/// What retention says of each snapshot. Nothing where the configuration cannot be read, which is no reason not to
/// list, and nothing in a store of more than [`MAX_EXPLAINED`].
fn retention(places: &Places, reader: &Reader) -> Result<BTreeMap<SnapshotId, Retention>, Failure> {
    let Ok(place) = Place::find(places) else { return Ok(BTreeMap::new()) };
    if reader.count()? > MAX_EXPLAINED {
        return Ok(BTreeMap::new());
    }
    let entries = reader.list(&Filter::default())?;
    let now = Clock::system(&place.loaded.config.host.proc).now();
    let plan = plan_retention(entries, &wiring::policy(&place.loaded.config.store), &now);
    let kept = plan.kept.into_iter().map(|kept| (kept.entry.id, Retention::KeptFor(kept.reasons)));
    let over = plan.removed.into_iter().map(|gone| (gone.entry.id, Retention::Over(gone.reason)));
    Ok(kept.chain(over).collect())
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

/// The same for what only the database has: events, findings, points. A database that cannot be read is said to be
/// so: an empty answer would be taken for a quiet machine.
pub(crate) fn open_history(data_dir: &std::path::Path) -> Result<Reader, Failure> {
    let reader = open(data_dir)?;
    let hint = "snapshots can be read without it: `ghostd list`, `ghostd show`";
    if let Some(error) = reader.database_error() {
        return Err(Failure::new(format!("the history cannot be read: {}", chain(error))).hint(hint));
    }
    if !reader.path().join(DATABASE).exists() {
        return Err(Failure::new(format!("there is no history in `{}`", data_dir.display())).hint(hint));
    }
    Ok(reader)
}
