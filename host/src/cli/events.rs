//! `ghostd events`: what happened, oldest first; with `--follow` also what happens from now on.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::Value as Json;

use super::{Failure, Places, list, output, place, when};
use crate::clock;
use crate::model::{EventKind, EventSeverity, Wall};
use crate::store::{MAX_ROWS, NumberedEvent, Reader, Span};

/// How many are shown where nothing says how many.
const SHOWN: u64 = 50;
/// How often a follower looks for more.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How many a follower takes at a time.
const TAKEN_AT_ONCE: u64 = 1_000;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only those of then or later: RFC 3339, `2026-11-21`, `2h`
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Only those of then or earlier
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
    /// Only this type (`daemon_check`, `anomaly`, ...); can be repeated
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',', value_parser = word::<EventKind>)]
    types: Vec<EventKind>,
    /// Only those that are at least so severe: info, warning, error, critical
    #[arg(long, value_name = "SEVERITY", value_parser = word::<EventSeverity>)]
    severity: Option<EventSeverity>,
    /// The last so many [default: 50, or all since --since]
    #[arg(short = 'n', long, value_name = "COUNT")]
    limit: Option<u64>,
    /// Go on with what happens from now on, until it is interrupted; with --json one document in each line
    #[arg(short, long, conflicts_with = "until")]
    follow: bool,
}

impl Arguments {
    fn matches(&self, event: &NumberedEvent) -> bool {
        (self.types.is_empty() || self.types.contains(&event.event.event_type))
            && self.severity.is_none_or(|least| event.event.severity >= least)
    }
}

/// A word of the record as a value of an option; what is none names those that there are.
fn word<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(Json::String(text.to_owned())).map_err(|error| error.to_string())
}

pub(crate) fn run(places: &Places, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let reader = list::open_history(&place::paths(places)?.data_dir)?;
    let now = clock::wall();
    let (since, until) =
        (when::parse_given(arguments.since.as_deref(), now)?, when::parse_given(arguments.until.as_deref(), now)?);
    // Before the first look, so that nothing falls between it and what follows.
    let mut seen = reader.events(&Span::last(1))?.last().map_or(0, |newest| newest.id);
    let events = chosen(&reader, arguments, since, until)?;
    if places.json && !arguments.follow {
        output::print_json(&events);
        return Ok(ExitCode::SUCCESS);
    }
    if events.is_empty() && !arguments.follow {
        output::complain("no such events are recorded");
    }
    for event in &events {
        seen = seen.max(event.id);
        tell(places, event);
    }
    if arguments.follow { follow(places, &reader, arguments, seen) } else { Ok(ExitCode::SUCCESS) }
}

/// Tells what comes after the event of that number, until somebody ends the program.
fn follow(places: &Places, reader: &Reader, arguments: &Arguments, mut seen: u64) -> Result<ExitCode, Failure> {
    loop {
        let more = reader.events_after(seen, TAKEN_AT_ONCE)?;
        for event in &more {
            seen = event.id;
            if arguments.matches(event) {
                tell(places, event);
            }
        }
        if more.is_empty() {
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

/// What of the past is asked for, oldest first.
fn chosen(
    reader: &Reader,
    arguments: &Arguments,
    since: Option<Wall>,
    until: Option<Wall>,
) -> Result<Vec<NumberedEvent>, Failure> {
    let unlimited = since.is_some();
    let limit = arguments.limit.unwrap_or(if unlimited { MAX_ROWS } else { SHOWN });
    let is_filtered = !arguments.types.is_empty() || arguments.severity.is_some();
    let mut events = reader.events(&Span { since, until, limit: if is_filtered { MAX_ROWS } else { limit } })?;
    events.retain(|event| arguments.matches(event));
    let surplus = events.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
    events.drain(..surplus);
    Ok(events)
}

fn tell(places: &Places, event: &NumberedEvent) {
    if places.json {
        output::line(serde_json::to_string(event).unwrap_or_default());
        return;
    }
    let NumberedEvent { event, .. } = event;
    output::line(format!(
        "{}  {:<8}  {:<17}  {}",
        output::local(event.timestamp),
        written(&event.severity),
        written(&event.event_type),
        output::escaped(&event.message)
    ));
}

/// The word that is recorded.
pub(crate) fn written(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Json::String(word)) => word,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_none_names_those_that_there_are() {
        assert_eq!(word::<EventSeverity>("warning"), Ok(EventSeverity::Warning));
        let refused = word::<EventKind>("snapshots").unwrap_err();
        assert!(refused.contains("`snapshot_complete`"), "{refused}");
        assert_eq!(written(&EventKind::DaemonCheck), "daemon_check");
    }
}
