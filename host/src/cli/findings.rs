//! `ghostd findings`: what is wrong, worst first; and everything that is known of one of them.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::writer::{self, Writer};
use super::{Failure, Place, Places, events, keep, list, output, place};
use crate::clock;
use crate::control::{Answer, Request};
use crate::model::{Event, EventKind, EventSeverity, Finding, Severity, Wall};
use crate::store::{Batch, HandResolution, MAX_ROWS, NumberedEvent, Reader, Span, StoredFinding};

/// Of how many events `show` tells.
const EVENTS_SHOWN: usize = 20;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Those that are resolved as well
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything that is known of one finding
    Show {
        /// Its fingerprint, or the beginning of it
        fingerprint: String,
    },
    /// Resolve one by hand: it stays resolved until it is seen again
    Resolve {
        /// Its fingerprint, or the beginning of it
        fingerprint: String,
        /// What for
        #[arg(long, value_name = "TEXT")]
        why: Option<String>,
    },
}

/// A finding as the commands show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Row {
    open: bool,
    collector: String,
    opened_at: Wall,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_at: Option<Wall>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_by_hand: Option<HandResolution>,
    #[serde(flatten)]
    finding: Finding,
}

pub(crate) fn run(places: &Places, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let reader = list::open_history(&place::paths(places)?.data_dir)?;
    match &arguments.command {
        Some(Command::Show { fingerprint }) => return show(places, &reader, fingerprint),
        Some(Command::Resolve { fingerprint, why }) => return resolve(places, &reader, fingerprint, why.clone()),
        None => {}
    }
    let since = if arguments.all { Wall(i64::MIN) } else { Wall(i64::MAX) };
    let rows = in_order(rows(&reader, since)?);
    if places.json {
        output::print_json(&rows);
    } else {
        table(&rows, arguments.all);
    }
    Ok(ExitCode::SUCCESS)
}

/// Findings as their collectors last told of them: the history has a row for each opening and resolution, and the
/// counts go on in the latest sections.
fn rows(reader: &Reader, resolved_since: Wall) -> Result<Vec<Row>, Failure> {
    let mut latest: BTreeMap<(String, String), Finding> = BTreeMap::new();
    for stored in reader.sections()? {
        for finding in stored.section.findings {
            latest.insert((stored.collector.clone(), finding.fingerprint.clone()), finding);
        }
    }
    let rows = reader.findings(resolved_since)?.into_iter().map(|stored| {
        let open = stored.resolved_at.is_none();
        let told = latest.remove(&(stored.collector.clone(), stored.finding.fingerprint.clone()));
        Row {
            open,
            collector: stored.collector,
            opened_at: stored.opened_at,
            resolved_at: stored.resolved_at,
            resolved_by_hand: stored.by_hand,
            finding: told.filter(|told| open && !told.resolved).unwrap_or(stored.finding),
        }
    });
    Ok(rows.collect())
}

/// Open before resolved, then the worst first, then the newest.
fn in_order(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by_key(|row| (Reverse(row.open), Reverse(row.finding.severity), Reverse(row.opened_at)));
    rows
}

fn table(rows: &[Row], all: bool) {
    if rows.is_empty() {
        output::line(if all { "nothing was ever found" } else { "nothing is open" });
        return;
    }
    let now = clock::wall();
    let mut table =
        output::Table::new(&["SEVERITY", "STATE", "FOR", "COUNT", "LAST SEEN", "COLLECTOR", "FINGERPRINT", "TITLE"]);
    for Row { open, collector, opened_at, resolved_at, finding, .. } in rows {
        let until = resolved_at.unwrap_or(now);
        table.row([
            severity(finding.severity),
            if *open { "open" } else { "resolved" }.to_owned(),
            age(*opened_at, until),
            finding.count.to_string(),
            finding.last_seen.map_or_else(|| "-".to_owned(), output::local),
            collector.clone(),
            finding.fingerprint.clone(),
            finding.title.clone(),
        ]);
    }
    table.print();
}

fn show(places: &Places, reader: &Reader, wanted: &str) -> Result<ExitCode, Failure> {
    let row = chosen(in_order(rows(reader, Wall(i64::MIN))?), wanted)?;
    let events = events_about(reader, &row)?;
    if places.json {
        let mut document = serde_json::to_value(&row)?;
        document["events"] = serde_json::to_value(&events)?;
        output::print_json(&document);
    } else {
        page(&row, &events);
    }
    Ok(ExitCode::SUCCESS)
}

fn resolve(places: &Places, reader: &Reader, wanted: &str, why: Option<String>) -> Result<ExitCode, Failure> {
    let row = chosen(in_order(rows(reader, Wall(i64::MIN))?), wanted)?;
    let title = output::escaped(&row.finding.title);
    if !row.open {
        return Err(Failure::new(format!("`{}` is resolved already: {title}", row.finding.fingerprint)));
    }
    let place = Place::find(places)?;
    let (collector, by) = (row.collector.clone(), writer::who());
    let message = match writer::open(&place)? {
        Writer::Daemon(socket) => {
            let fingerprint = row.finding.fingerprint.clone();
            match writer::ask(&socket, &Request::FindingResolve { collector, fingerprint, by, why })? {
                Answer::Done { message } => message,
                _ => return Err(Failure::new("the daemon answered something else")),
            }
        }
        Writer::Here(mut store, clock) => {
            let clean = keep::cleaner(&place)?;
            let at = clock.now().wall;
            let by_hand = Some(HandResolution { by: clean(&by), why: why.as_deref().map(clean), at });
            let message = format!("resolved: {}", row.finding.title);
            let stored = StoredFinding {
                collector,
                opened_at: row.opened_at,
                resolved_at: Some(at),
                by_hand,
                finding: Finding { resolved: true, ..row.finding.clone() },
            };
            let event = Event {
                timestamp: at,
                event_type: EventKind::Anomaly,
                severity: EventSeverity::Info,
                message: message.clone(),
                data: serde_json::json!({"collector": row.collector, "fingerprint": row.finding.fingerprint}),
            };
            store.record(&Batch { durable: true, findings: vec![stored], events: vec![event], ..Batch::default() })?;
            message
        }
    };
    if places.json {
        output::print_json(&serde_json::json!({
            "collector": row.collector, "fingerprint": row.finding.fingerprint, "message": message,
        }));
    } else {
        output::line(output::escaped(&message));
    }
    Ok(ExitCode::SUCCESS)
}

fn chosen(rows: Vec<Row>, wanted: &str) -> Result<Row, Failure> {
    let mut found: Vec<Row> = rows.into_iter().filter(|row| row.finding.fingerprint.starts_with(wanted)).collect();
    if let Some(exact) = found.iter().position(|row| row.finding.fingerprint == wanted) {
        return Ok(found.swap_remove(exact));
    }
    match found.len() {
        1 => Ok(found.swap_remove(0)),
        0 => Err(Failure::new(format!("there is no finding `{}`", output::escaped(wanted)))
            .hint("`ghostd findings --all` lists them")),
        count => Err(Failure::new(format!(
            "`{}` is the beginning of {count} fingerprints (give more of it)",
            output::escaped(wanted)
        ))),
    }
}

/// What was told of it, oldest first.
fn events_about(reader: &Reader, row: &Row) -> Result<Vec<NumberedEvent>, Failure> {
    let mut events = reader.events(&Span { since: None, until: None, limit: MAX_ROWS })?;
    events.retain(|one| {
        let data = &one.event.data;
        data["fingerprint"] == row.finding.fingerprint.as_str() && data["collector"] == row.collector.as_str()
    });
    events.drain(..events.len().saturating_sub(EVENTS_SHOWN));
    Ok(events)
}

fn page(row: &Row, events: &[NumberedEvent]) {
    let Row { finding, .. } = row;
    let state = match (&row.resolved_at, &row.resolved_by_hand) {
        (None, _) => format!("open for {}", age(row.opened_at, clock::wall())),
        (Some(at), None) => format!("resolved at {}", output::local(*at)),
        (Some(at), Some(hand)) => {
            let why = hand.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
            format!("resolved at {} by {}{why}", output::local(*at), hand.by)
        }
    };
    let time = |at: Option<Wall>| at.map(output::local);
    let facts = [
        ("title", Some(finding.title.clone())),
        ("severity", Some(severity(finding.severity))),
        ("state", Some(state)),
        ("collector", Some(row.collector.clone())),
        ("fingerprint", Some(finding.fingerprint.clone())),
        ("source", finding.source.clone()),
        ("count", Some(finding.count.to_string())),
        ("first seen", time(finding.first_seen)),
        ("last seen", time(finding.last_seen)),
        ("opened", time(Some(row.opened_at))),
    ];
    for (name, value) in facts.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
        output::line(format!("{name:<11}  {}", output::escaped(value)));
    }
    for (name, value) in &finding.attributes {
        output::line(format!("{:<11}  {}", output::escaped(name), output::escaped(&value.to_string())));
    }
    if let Some(detail) = &finding.detail {
        output::line("");
        for line in detail.lines() {
            output::line(format!("  {}", output::escaped(line)));
        }
    }
    if !events.is_empty() {
        output::line("");
        for NumberedEvent { event, .. } in events {
            output::line(format!("{}  {}", output::local(event.timestamp), output::escaped(&event.message)));
        }
    }
}

fn severity(severity: Severity) -> String {
    events::written(&severity)
}

fn age(from: Wall, until: Wall) -> String {
    output::duration(until.0.saturating_sub(from.0) as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(fingerprint: &str, severity: Severity, opened_at: i64, open: bool) -> Row {
        let finding = serde_json::json!({
            "fingerprint": fingerprint, "severity": severity, "title": "t", "count": 1, "resolved": !open,
        });
        Row {
            open,
            collector: "anomaly".to_owned(),
            opened_at: Wall(opened_at),
            resolved_at: (!open).then_some(Wall(opened_at + 1)),
            resolved_by_hand: None,
            finding: serde_json::from_value(finding).unwrap(),
        }
    }

    #[test]
    fn what_is_open_and_worst_and_newest_is_first() {
        let rows = in_order(vec![
            row("resolved", Severity::Critical, 9, false),
            row("old", Severity::High, 1, true),
            row("mild", Severity::Low, 5, true),
            row("new", Severity::High, 2, true),
        ]);
        let names: Vec<&str> = rows.iter().map(|row| row.finding.fingerprint.as_str()).collect();
        assert_eq!(names, ["new", "old", "mild", "resolved"]);
    }

    #[test]
    fn a_fingerprint_is_found_by_its_beginning_and_a_whole_one_wins() {
        let rows = || vec![row("a1", Severity::Low, 1, true), row("a12", Severity::Low, 2, true)];
        assert_eq!(chosen(rows(), "a1").unwrap().opened_at, Wall(1));
        assert_eq!(chosen(rows(), "a12").unwrap().opened_at, Wall(2));
        assert!(chosen(rows(), "a").unwrap_err().to_string().contains("2 fingerprints"));
        assert!(chosen(rows(), "b").unwrap_err().to_string().contains("no finding `b`"));
    }
}
