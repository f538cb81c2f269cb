//! `ghostd alerts`: what fires and what may fire soon, what was, who is silenced, and whether receivers work.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};

use super::writer::{self, Writer};
use super::{Failure, Place, Places, events, list, output, place, when};
use crate::alerts::{self, Job};
use crate::clock::{self, Clock};
use crate::config;
use crate::control::{self, AlertTest, Answer, Request};
use crate::model::{
    Alert, AlertBoard, AlertSeverity, AlertState, Event, EventKind, EventSeverity, Moment, SILENCES, Silence, Value,
};
use crate::store::{self, Batch, Document, MAX_ROWS, NumberedEvent, Span};
use crate::wiring;

/// How many events of the past are shown where nothing says how many.
const SHOWN: usize = 50;
/// The longest reason, in bytes: it is shown in lists, and stands in the audit log for good.
const MAX_WHY_BYTES: usize = 1_000;
/// How long a test is waited for: the longest time that a receiver may be given, and a little more.
const TEST_PATIENCE: Duration = Duration::from_secs(130);

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Those that are over, too
    #[arg(long)]
    all: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What fired and was over, oldest first
    History(History),
    /// Tell nobody of some alerts for a while: `ghostd alerts silence clock-drift --for 2h --why "moving the server"`
    Silence(SilenceArguments),
    /// End a silence before its time
    Unsilence {
        /// The id of the silence, or the beginning of it
        id: String,
    },
    /// The silences that hold now
    Silences,
    /// The rules: when each fires, and who is told
    Rules,
    /// Send a test to a receiver, or to all, and say what became of it
    Test {
        /// Its name in the configuration
        receiver: Option<String>,
    },
}

#[derive(Debug, Args)]
struct History {
    /// Only of this rule or this alert
    rule: Option<String>,
    /// Only those of then or later: RFC 3339, `2026-11-21`, `2h`
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// The last so many [default: 50, or all since --since]
    #[arg(short = 'n', long, value_name = "COUNT")]
    limit: Option<usize>,
}

#[derive(Debug, Args)]
struct SilenceArguments {
    /// What must hold of an alert: a rule's name, or `label=text`, `label!=text`, `label=~regex`, `label!~regex`;
    /// `rule`, `severity` and `id` are labels too. All of them must hold
    #[arg(required = true, value_name = "MATCH")]
    matchers: Vec<String>,
    /// For how long: `2h`, `30m`, `7d`
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    lasts: Duration,
    /// What for; it is shown wherever the silence is
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

fn duration(text: &str) -> Result<Duration, String> {
    config::parse_duration(text)
        .filter(|duration| duration.as_secs() > 0)
        .ok_or_else(|| "expected a duration of a second or more, such as `2h` or `1h30m`".to_owned())
}

pub(crate) fn run(places: &Places, arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.command {
        None => show(places, arguments.all),
        Some(Command::History(arguments)) => history(places, &arguments),
        Some(Command::Silence(arguments)) => silence(places, &arguments),
        Some(Command::Unsilence { id }) => unsilence(places, &id),
        Some(Command::Silences) => silences(places),
        Some(Command::Rules) => rules(places),
        Some(Command::Test { receiver }) => test(places, receiver),
    }
}

fn board(places: &Places) -> Result<AlertBoard, Failure> {
    Ok(list::open_history(&place::paths(places)?.data_dir)?.alerts()?)
}

fn show(places: &Places, all: bool) -> Result<ExitCode, Failure> {
    let mut board = board(places)?;
    if !all {
        board.alerts.retain(|alert| alert.state != AlertState::Resolved);
    }
    let bad = board.firing().any(|alert| alert.severity > AlertSeverity::Info);
    if places.json {
        output::print_json(&board);
    } else {
        page(places, &board)?;
    }
    Ok(ExitCode::from(u8::from(bad)))
}

fn page(places: &Places, board: &AlertBoard) -> Result<(), Failure> {
    let now = clock::wall();
    let mut table = output::Table::new(&["STATE", "SEVERITY", "ALERT", "VALUE", "THRESHOLD", "FOR", "TOLD", "SUMMARY"]);
    for alert in &board.alerts {
        let since = alert.fired_at.unwrap_or(alert.since);
        let until = alert.resolved_at.unwrap_or(now);
        let lasted = output::duration(until.0.saturating_sub(since.0) as f64 / 1e9);
        table.row([
            match alert.state {
                AlertState::Pending => format!("pending {:.0} %", alert.progress() * 100.0),
                state => state.as_str().to_owned(),
            },
            alert.severity.as_str().to_owned(),
            alert.id.clone(),
            alert.value.as_ref().map_or_else(|| "no data".to_owned(), value),
            alert.threshold.clone().unwrap_or_else(|| "-".to_owned()),
            lasted,
            told(alert),
            alert.summary.clone(),
        ]);
    }
    if table.is_empty() {
        output::line("no alert fires");
    } else {
        table.print();
    }
    if !board.silences.is_empty() {
        output::line("");
        silence_table(&board.silences);
    }
    for one in board.receivers.iter().filter(|one| one.failures_in_a_row > 0 || one.dropped > 0 || one.queued > 0) {
        let error = one.last_error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
        let facts = format!(
            "! receiver {}: {} wait, {} failures in a row, {} given up{error}",
            one.name, one.queued, one.failures_in_a_row, one.dropped
        );
        output::line(output::escaped(&facts));
    }
    if store::holder(&place::paths(places)?.data_dir)?.is_none() {
        output::complain("no ghostd runs here: this is what it left behind");
    }
    Ok(())
}

fn told(alert: &Alert) -> String {
    if !alert.silenced_by.is_empty() {
        format!("silenced by {}", alert.silenced_by.join(", "))
    } else if !alert.inhibited_by.is_empty() {
        format!("follows from {}", alert.inhibited_by.join(", "))
    } else if alert.told.is_empty() {
        "-".to_owned()
    } else {
        alert.told.keys().cloned().collect::<Vec<_>>().join(", ")
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::Float(number) if number.fract() != 0.0 => format!("{number:.3}"),
        other => other.to_string(),
    }
}

fn silence_table(silences: &[Silence]) {
    let mut table = output::Table::new(&["SILENCE", "MATCHES", "UNTIL", "BY", "WHY"]);
    for one in silences {
        let matchers: Vec<String> = one.matchers.iter().map(ToString::to_string).collect();
        table.row([
            one.id.clone(),
            matchers.join(" "),
            output::local(one.ends_at),
            one.by.clone(),
            one.why.clone().unwrap_or_default(),
        ]);
    }
    table.print();
}

fn silences(places: &Places) -> Result<ExitCode, Failure> {
    let silences = board(places)?.silences;
    if places.json {
        output::print_json(&silences);
    } else if silences.is_empty() {
        output::line("nothing is silenced");
    } else {
        silence_table(&silences);
    }
    Ok(ExitCode::SUCCESS)
}

fn history(places: &Places, arguments: &History) -> Result<ExitCode, Failure> {
    let reader = list::open_history(&place::paths(places)?.data_dir)?;
    let since = when::parse_given(arguments.since.as_deref(), clock::wall())?;
    let mut found: Vec<NumberedEvent> = reader.events(&Span { since, until: None, limit: MAX_ROWS })?;
    let is_asked = |data: &Json| {
        let wanted = arguments.rule.as_deref();
        wanted.is_none_or(|wanted| data["rule"] == wanted || data["alert"] == wanted)
    };
    found.retain(|one| one.event.event_type == EventKind::Alert && is_asked(&one.event.data));
    let limit = arguments.limit.unwrap_or(if since.is_some() { usize::MAX } else { SHOWN });
    found.drain(..found.len().saturating_sub(limit));
    if places.json {
        output::print_json(&found);
        return Ok(ExitCode::SUCCESS);
    }
    if found.is_empty() {
        output::complain("no such alerts are recorded");
    }
    for NumberedEvent { event, .. } in &found {
        let severity = events::written(&event.severity);
        let line = format!("{}  {severity:<8}  {}", output::local(event.timestamp), output::escaped(&event.message));
        output::line(line);
    }
    Ok(ExitCode::SUCCESS)
}

fn rules(places: &Places) -> Result<ExitCode, Failure> {
    let place = Place::find(places)?;
    let alerts = &place.loaded.config.alerts;
    if places.json {
        output::print_json(alerts);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = output::Table::new(&["RULE", "SEVERITY", "FOR", "WHEN", "CLEAR WHEN", "RECEIVERS"]);
    for rule in &alerts.rules {
        table.row([
            rule.name.clone(),
            events::written(&rule.severity),
            config::format_duration(rule.hold),
            rule.when.clone(),
            rule.clear_when.clone().unwrap_or_else(|| "-".to_owned()),
            rule.receivers.join(", "),
        ]);
    }
    table.print();
    Ok(ExitCode::SUCCESS)
}

fn silence(places: &Places, arguments: &SilenceArguments) -> Result<ExitCode, Failure> {
    let why = arguments.why.clone().filter(|why| !why.trim().is_empty());
    if why.as_ref().is_some_and(|why| why.len() > MAX_WHY_BYTES) {
        return Err(Failure::new(format!("--why is longer than {MAX_WHY_BYTES} bytes")));
    }
    let matchers = alerts::parse_matchers(&arguments.matchers).map_err(Failure::new)?;
    let place = Place::find(places)?;
    let by = writer::who();
    let made = match writer::open(&place)? {
        Writer::Daemon(socket) => {
            let (matchers, seconds) = (arguments.matchers.clone(), arguments.lasts.as_secs());
            match writer::ask(&socket, &Request::Silence { matchers, seconds, by, why })? {
                Answer::Silenced(silence) => *silence,
                _ => return Err(Failure::new("the daemon answered something else")),
            }
        }
        Writer::Here(mut store, clock) => {
            let clean = super::keep::cleaner(&place)?;
            let now = clock.now();
            let known = store.load()?.documents.iter().filter(|one| one.namespace == SILENCES).count();
            if known >= alerts::MAX_SILENCES {
                return Err(Failure::new(format!("there are {known} silences already")));
            }
            let made = alerts::silence(matchers, arguments.lasts, clean(&by), why.as_deref().map(clean), &now);
            let (message, data) = alerts::silence_told(&made);
            write(&mut store, &now, &made.id, serde_json::to_value(&made)?, message, &data)?;
            store.audit(now.wall, "silence", data, true)?;
            made
        }
    };
    if places.json {
        output::print_json(&made);
    } else {
        let until = output::local(made.ends_at);
        output::line(format!("silence {} until {until}", made.id));
    }
    Ok(ExitCode::SUCCESS)
}

fn unsilence(places: &Places, id: &str) -> Result<ExitCode, Failure> {
    let place = Place::find(places)?;
    let by = writer::who();
    let message = match writer::open(&place)? {
        Writer::Daemon(socket) => match writer::ask(&socket, &Request::Unsilence { id: id.to_owned(), by })? {
            Answer::Done { message } => message,
            _ => return Err(Failure::new("the daemon answered something else")),
        },
        Writer::Here(mut store, clock) => {
            let clean = super::keep::cleaner(&place)?;
            let (now, by) = (clock.now(), clean(&by));
            let documents = store.load()?.documents;
            let mut found =
                documents.iter().filter(|one| one.namespace == SILENCES && !id.is_empty() && one.key.starts_with(id));
            let (Some(one), None) = (found.next(), found.next()) else {
                return Err(Failure::new(format!("there is no silence `{}`", output::escaped(id)))
                    .hint("`ghostd alerts silences` lists them"));
            };
            let data = json!({"silence": one.key, "by": by});
            let message = format!("silence {} was ended by {by}", one.key);
            write(&mut store, &now, &one.key, Json::Null, message.clone(), &data)?;
            store.audit(now.wall, "unsilence", data, true)?;
            message
        }
    };
    if places.json {
        output::print_json(&json!({"message": message}));
    } else {
        output::line(output::escaped(&message));
    }
    Ok(ExitCode::SUCCESS)
}

/// A silence that is new, or gone, with its event.
fn write(
    store: &mut store::ExclusiveStore,
    now: &Moment,
    id: &str,
    document: Json,
    message: String,
    data: &Json,
) -> Result<(), Failure> {
    let event = Event {
        timestamp: now.wall,
        event_type: EventKind::Alert,
        severity: EventSeverity::Info,
        message,
        data: data.clone(),
    };
    let document = Document { namespace: SILENCES.to_owned(), key: id.to_owned(), at: now.wall, document };
    store.record(&Batch { durable: true, documents: vec![document], events: vec![event], ..Batch::default() })?;
    Ok(())
}

/// By the daemon where one runs: it has the environment and the rights that count.
fn test(places: &Places, receiver: Option<String>) -> Result<ExitCode, Failure> {
    let place = Place::find(places)?;
    let holder = store::holder(&place.paths.data_dir).ok().flatten();
    let results = match holder.and_then(|holder| holder.control_socket) {
        Some(socket) => match control::ask(&socket, &Request::AlertTest { receiver }, TEST_PATIENCE)? {
            Answer::AlertTests { results } => results,
            Answer::Failed { error } => return Err(Failure::new(error)),
            _ => return Err(Failure::new("the daemon answered something else")),
        },
        None => test_here(&place, receiver.as_deref())?,
    };
    let failed = results.iter().any(|one| one.error.is_some());
    if places.json {
        output::print_json(&results);
    } else {
        let mut table = output::Table::new(&["RECEIVER", "KIND", "RESULT"]);
        for one in results {
            table.row([one.receiver, one.kind, one.error.unwrap_or_else(|| "it was told".to_owned())]);
        }
        table.print();
    }
    Ok(ExitCode::from(u8::from(failed)))
}

fn test_here(place: &Place, wanted: Option<&str>) -> Result<Vec<AlertTest>, Failure> {
    let config = &place.loaded.config;
    super::run::log_to_stderr(&config.log)?;
    let receivers = wiring::receivers(config);
    if let Some(wanted) = wanted.filter(|wanted| !receivers.contains_key(*wanted)) {
        let known: Vec<&str> = receivers.keys().map(String::as_str).collect();
        return Err(Failure::new(format!("there is no receiver `{}`", output::escaped(wanted)))
            .hint(format!("there are {}", known.join(", "))));
    }
    let clean = super::keep::cleaner(place)?;
    let now = Clock::system(&config.host.proc).now();
    let host = crate::hostinfo::HostFacts::gather(&config.host.root).hostname().to_owned();
    let chosen = receivers.into_iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted == name));
    Ok(chosen
        .map(|(name, receiver)| {
            let kind = receiver.kind.as_str().to_owned();
            let dispatch = alerts::test_dispatch(&name, 0, &now);
            let sent = alerts::send_now(Job { receiver, dispatch, firing: vec![], host: host.clone(), now: now.wall });
            AlertTest { receiver: name, kind, error: sent.result.err().map(|(error, _)| clean(&error)) }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_has_an_end() {
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5_400)));
        for text in ["", "0s", "500ms", "soon", "-1h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
