//! `ghostd maintenance`: windows in which what happens to a daemon is nobody's alarm.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::writer::{self, Writer};
use super::{Failure, Place, Places, list, output};
use crate::clock;
use crate::config;
use crate::control::{Answer, Request};
use crate::maintenance::{ByHand, EVERY_DAEMON, MAX_WHY_BYTES, Maintenance, NAMESPACE, Reason};
use crate::sanitize::{Report, Sanitizer};
use crate::store::{Batch, Document};
use crate::wiring;

/// The longest window with an end: one that is meant to be longer has none.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Begin one, for a daemon or for all of them (`*`)
    On(On),
    /// End one that was begun by hand
    Off(Off),
    /// Who is in maintenance now, and every window
    List,
}

#[derive(Debug, Args)]
pub(crate) struct On {
    /// A daemon of the configuration, or `*` for all
    daemon: String,
    /// How long: `30m`, `2h`. Without it, until `ghostd maintenance off`
    #[arg(long = "for", value_name = "SPAN")]
    span: Option<String>,
    /// What for
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Off {
    /// A daemon of the configuration, or `*` for the window of all
    daemon: String,
}

pub(crate) fn run(places: &Places, command: Command) -> Result<ExitCode, Failure> {
    let place = Place::find(places)?;
    match command {
        Command::On(arguments) => on(places, &place, arguments),
        Command::Off(arguments) => off(places, &place, &arguments.daemon),
        Command::List => show(places, &place),
    }
}

fn on(places: &Places, place: &Place, arguments: On) -> Result<ExitCode, Failure> {
    let span = arguments.span.as_deref().map(span).transpose()?;
    let why = arguments.why.filter(|why| !why.trim().is_empty());
    if why.as_ref().is_some_and(|why| why.len() > MAX_WHY_BYTES) {
        return Err(Failure::new(format!("--why is longer than {MAX_WHY_BYTES} bytes")));
    }
    let now = clock::wall();
    let until = span.map(|span| now.plus_ns(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)));
    let window = ByHand { daemon: arguments.daemon, since: now, until, by: writer::who(), why };
    let message = match writer::open(place)? {
        Writer::Daemon(socket) => {
            let ByHand { daemon, until, by, why, .. } = window;
            done(writer::ask(&socket, &Request::MaintenanceOn { daemon, until, by, why })?)?
        }
        Writer::Here(mut store, _) => {
            is_watched(place, &window.daemon)?;
            let sanitizer = Sanitizer::new(&wiring::sanitizer_settings(&place.loaded.config.sanitize))
                .map_err(|_| Failure::new("the rules of [security.sanitize] are wrong"))?;
            let clean = |text: &str| sanitizer.text(text, &mut Report::default()).into_owned();
            let window = ByHand { by: clean(&window.by), why: window.why.as_deref().map(clean), ..window };
            store.record(&batch(&window.daemon, serde_json::to_value(&window)?))?;
            format!("maintenance of {} begins with the next start of ghostd", window.daemon)
        }
    };
    tell(places, &message);
    Ok(ExitCode::SUCCESS)
}

fn off(places: &Places, place: &Place, daemon: &str) -> Result<ExitCode, Failure> {
    let message = match writer::open(place)? {
        Writer::Daemon(socket) => {
            let request = Request::MaintenanceOff { daemon: daemon.to_owned() };
            done(writer::ask(&socket, &request)?)?
        }
        Writer::Here(mut store, _) => {
            if recall(place)?.end(daemon).is_none() {
                return Err(Failure::new(format!("`{daemon}` is in no maintenance that somebody began")));
            }
            store.record(&batch(daemon, serde_json::Value::Null))?;
            format!("the maintenance of {daemon} is over")
        }
    };
    tell(places, &message);
    Ok(ExitCode::SUCCESS)
}

fn show(places: &Places, place: &Place) -> Result<ExitCode, Failure> {
    let open = recall(place)?;
    let now = clock::wall();
    let mut table = output::Table::new(&["DAEMON", "NOW", "WINDOW", "BY", "WHY"]);
    let mut rows = Vec::new();
    for window in open.by_hand().filter(|window| window.until.is_none_or(|until| now < until)) {
        let until =
            window.until.map_or("until it is ended".to_owned(), |until| format!("until {}", output::local(until)));
        rows.push(json!({"daemon": window.daemon, "open": true, "by_hand": window}));
        table.row([
            window.daemon.clone(),
            "yes".to_owned(),
            until,
            window.by.clone(),
            window.why.clone().unwrap_or_default(),
        ]);
    }
    for daemon in &place.loaded.config.daemons {
        for window in &daemon.maintenance {
            let reason = Maintenance::default();
            let is_open =
                matches!(reason.of(&daemon.name, std::slice::from_ref(window), now), Some(Reason::Schedule(_)));
            rows.push(json!({"daemon": daemon.name, "open": is_open, "schedule": window.as_str()}));
            let word = if is_open { "yes" } else { "no" };
            let cells = [&daemon.name, word, window.as_str(), "schedule", ""];
            table.row(cells.map(str::to_owned));
        }
    }
    if places.json {
        output::print_json(&rows);
    } else if table.is_empty() {
        output::complain("nobody is in maintenance, and nobody ever is by schedule");
    } else {
        table.print();
    }
    Ok(ExitCode::SUCCESS)
}

/// What is open by hand, from the store.
fn recall(place: &Place) -> Result<Maintenance, Failure> {
    let documents = list::open_history(&place.paths.data_dir)?.documents()?;
    let mine = documents.iter().filter(|document| document.namespace == NAMESPACE);
    Ok(Maintenance::recall(mine.map(|document| &document.document)))
}

fn is_watched(place: &Place, daemon: &str) -> Result<(), Failure> {
    let known = daemon == EVERY_DAEMON || place.loaded.config.daemons.iter().any(|one| one.name == daemon);
    known.then_some(()).ok_or_else(|| {
        Failure::new(format!("no daemon `{}` is watched", output::escaped(daemon)))
            .hint("`ghostd config show` names those that are; `*` stands for all")
    })
}

fn batch(daemon: &str, document: serde_json::Value) -> Batch {
    let document = Document { namespace: NAMESPACE.to_owned(), key: daemon.to_owned(), at: clock::wall(), document };
    Batch { durable: true, documents: vec![document], ..Batch::default() }
}

fn span(text: &str) -> Result<Duration, Failure> {
    let span = config::parse_duration(text).filter(|span| *span > Duration::ZERO && *span <= LONGEST);
    span.ok_or_else(|| {
        Failure::new(format!("`{}` is no time that maintenance takes", output::escaped(text))).hint("try `30m` or `2h`")
    })
}

fn done(answer: Answer) -> Result<String, Failure> {
    match answer {
        Answer::Done { message } => Ok(message),
        _ => Err(Failure::new("the daemon answered something else")),
    }
}

fn tell(places: &Places, message: &str) {
    if places.json {
        output::print_json(&json!({"message": message}));
    } else {
        output::line(output::escaped(message));
    }
}
