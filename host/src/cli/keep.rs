//! `ghostd keep` and `ghostd unkeep`: a mark that no cap of retention is above.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::writer::{self, Writer};
use super::{Failure, Place, Places, list, output};
use crate::clock;
use crate::control::{Answer, Request};
use crate::model::SnapshotId;
use crate::sanitize::{Report, Sanitizer};
use crate::store::{Mark, Name, Source};
use crate::wiring;

/// The longest reason, in bytes: it is shown in lists, and stands in the audit log for good.
const MAX_WHY_BYTES: usize = 1_000;

#[derive(Debug, Args)]
pub(crate) struct Keep {
    /// An id, a prefix of one, `latest`, `latest~N` or `@TIME`
    snapshot: String,
    /// What for; it is shown wherever the snapshot is
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Unkeep {
    /// An id, a prefix of one, `latest`, `latest~N` or `@TIME`
    snapshot: String,
}

pub(crate) fn keep(places: &Places, arguments: &Keep) -> Result<ExitCode, Failure> {
    let why = arguments.why.clone().filter(|why| !why.trim().is_empty());
    if why.as_ref().is_some_and(|why| why.len() > MAX_WHY_BYTES) {
        return Err(Failure::new(format!("--why is longer than {MAX_WHY_BYTES} bytes")));
    }
    let place = Place::find(places)?;
    let id = resolve(&place, &arguments.snapshot)?;
    let by = writer::who();
    let message = match writer::open(&place)? {
        Writer::Daemon(socket) => done(writer::ask(&socket, &Request::Keep { id, by, why })?)?,
        Writer::Here(mut store, clock) => {
            let clean = cleaner(&place)?;
            let mark = Mark { by: clean(&by), why: why.as_deref().map(clean), at: clock.now().wall, by_hand: true };
            store.keep(id, &mark)?;
            format!("{id} is kept")
        }
    };
    tell(places, &place, id, &message)
}

pub(crate) fn unkeep(places: &Places, arguments: &Unkeep) -> Result<ExitCode, Failure> {
    let place = Place::find(places)?;
    let id = resolve(&place, &arguments.snapshot)?;
    let by = writer::who();
    let message = match writer::open(&place)? {
        Writer::Daemon(socket) => done(writer::ask(&socket, &Request::Unkeep { id, by })?)?,
        Writer::Here(mut store, clock) => {
            if store.unkeep(id, &cleaner(&place)?(&by), clock.now().wall)? {
                format!("{id} has no mark any more")
            } else {
                format!("{id} had no mark")
            }
        }
    };
    tell(places, &place, id, &message)
}

fn resolve(place: &Place, name: &str) -> Result<SnapshotId, Failure> {
    let reader = list::open(&place.paths.data_dir)?;
    Ok(reader.resolve(&Name::parse(name, clock::wall())?)?)
}

/// The daemon cleans what it is told with its own rules; a command that writes itself does it with these.
pub(crate) fn cleaner(place: &Place) -> Result<impl Fn(&str) -> String + use<>, Failure> {
    let settings = wiring::sanitizer_settings(&place.loaded.config.sanitize);
    let sanitizer = Sanitizer::new(&settings)
        .map_err(|faults| Failure::new(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    Ok(move |text: &str| sanitizer.text(text, &mut Report::default()).into_owned())
}

fn done(answer: Answer) -> Result<String, Failure> {
    match answer {
        Answer::Done { message } => Ok(message),
        _ => Err(Failure::new("the daemon answered something else")),
    }
}

/// What was done, and the mark as it is now.
fn tell(places: &Places, place: &Place, id: SnapshotId, message: &str) -> Result<ExitCode, Failure> {
    if places.json {
        let mark = list::open(&place.paths.data_dir)?.entry(id)?.and_then(|entry| entry.mark);
        output::print_json(&json!({"id": id, "mark": mark, "message": message}));
    } else {
        output::line(output::escaped(message));
    }
    Ok(ExitCode::SUCCESS)
}
