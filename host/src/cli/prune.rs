//! `ghostd prune`: retention now, instead of when its time comes; or what it would do.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::writer::{self, Writer};
use super::{Failure, Place, Places, list, output};
use crate::clock::Clock;
use crate::control::{Answer, PruneReport, Request};
use crate::daemon::prune_report;
use crate::model::{Event, EventKind, EventSeverity};
use crate::store::{Batch, Filter, Pruned, Source, Spared, plan_retention};
use crate::wiring;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Say what would go and why, and change nothing; a right to read is enough
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(places: &Places, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let place = Place::find(places)?;
    let report = if arguments.dry_run { plan(&place)? } else { prune(&place)? };
    if places.json {
        output::print_json(&report);
    } else {
        page(&report);
    }
    Ok(ExitCode::SUCCESS)
}

fn prune(place: &Place) -> Result<PruneReport, Failure> {
    match writer::open(place)? {
        Writer::Daemon(socket) => match writer::ask(&socket, &Request::Prune)? {
            Answer::Pruned(report) => Ok(*report),
            _ => Err(Failure::new("the daemon answered something else")),
        },
        Writer::Here(mut store, clock) => {
            let now = clock.now();
            let pruned = store.prune(&wiring::policy(&place.loaded.config.store), &now, false)?;
            if !pruned.removed.is_empty() {
                let removed: Vec<_> =
                    pruned.removed.iter().map(|gone| json!({"id": gone.entry.id, "reason": gone.reason})).collect();
                let event = Event {
                    timestamp: now.wall,
                    event_type: EventKind::Cleanup,
                    severity: EventSeverity::Info,
                    message: format!("retention removed {} snapshots", removed.len()),
                    data: json!({ "removed": removed }),
                };
                store.record(&Batch { events: vec![event], ..Batch::default() })?;
            }
            Ok(prune_report(&pruned, false))
        }
    }
}

/// What a pass would do, found out with nothing but a right to read.
fn plan(place: &Place) -> Result<PruneReport, Failure> {
    let reader = list::open(&place.paths.data_dir)?;
    let now = Clock::system(&place.loaded.config.host.proc).now();
    let entries = reader.list(&Filter::default())?;
    let mut pruned = plan_retention(entries, &wiring::policy(&place.loaded.config.store), &now);
    spare(&mut pruned, &reader);
    Ok(prune_report(&pruned, true))
}

/// What cannot be read stays whatever the policy says: it is evidence of something.
fn spare(pruned: &mut Pruned, reader: &impl Source) {
    for gone in std::mem::take(&mut pruned.removed) {
        match reader.read(gone.entry.id) {
            Ok(_) => {
                pruned.freed_bytes += gone.entry.size_bytes;
                pruned.removed.push(gone);
            }
            Err(error) => pruned.spared.push(Spared { entry: gone.entry, why: crate::chain::chain(&error) }),
        }
    }
}

fn page(report: &PruneReport) {
    if let Some(doubt) = &report.doubt {
        output::line(format!("nothing goes for its age: {}", output::escaped(doubt)));
    }
    let word = if report.dry_run { "would go" } else { "gone" };
    let mut table = output::Table::new(&["SEQUENCE", "ID", "CAPTURED", "SIZE", "", "REASON"]);
    let rows = report.removed.iter().map(|one| (one, word)).chain(report.spared.iter().map(|one| (one, "stays")));
    for (one, what) in rows {
        table.row([
            one.sequence.to_string(),
            one.id.to_string(),
            output::local(one.captured_at),
            output::bytes(one.size_bytes),
            what.to_owned(),
            one.reason.clone(),
        ]);
    }
    if !table.is_empty() {
        table.print();
    }
    let postponed = match report.postponed {
        0 => String::new(),
        count => format!(", {count} more wait for the next pass"),
    };
    output::line(format!(
        "{} {word} ({}), {} {}{postponed}",
        report.removed.len(),
        output::bytes(report.freed_bytes),
        report.kept + report.spared.len() as u64,
        if report.dry_run { "would stay" } else { "stay" },
    ));
}
