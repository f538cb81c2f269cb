//! `ghostd watch` and `ghostd replay`: the record on a whole terminal.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Args;

use super::{Failure, Places, list, place, when};
use crate::clock;
use crate::store::{Reader, Source, Span};
use crate::tui::{self, App, Mode};

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Where to begin: a time (`@-2h`, `2026-11-21T03:12`) or a snapshot [default: the last heartbeat]
    at: Option<String>,
}

pub(crate) fn watch(places: &Places) -> Result<ExitCode, Failure> {
    show(places, |_| Ok(Mode::Live))
}

pub(crate) fn replay(places: &Places, arguments: &Replay) -> Result<ExitCode, Failure> {
    show(places, |reader| {
        let now = clock::wall();
        let at = match arguments.at.as_deref() {
            None => reader.heartbeats(&Span::last(1))?.first().map_or(now, |beat| beat.at),
            Some(text) => match when::parse(text, now) {
                Ok(at) => at,
                // No time: a snapshot's name, perhaps.
                Err(failure) => match crate::store::Name::parse(text, now).and_then(|name| reader.resolve(&name)) {
                    Ok(id) => reader.read(id)?.body.captured_at,
                    Err(_) => return Err(failure),
                },
            },
        };
        Ok(Mode::At(at))
    })
}

fn show(places: &Places, mode: impl Fn(&Reader) -> Result<Mode, Failure>) -> Result<ExitCode, Failure> {
    if places.json || !std::io::stdout().is_terminal() {
        return Err(Failure::new("this needs a terminal")
            .hint("`ghostd status --json`, `ghostd events --json` and `ghostd show --json` are for programs"));
    }
    let reader = list::open_history(&place::paths(places)?.data_dir)?;
    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let app = App::new(mode(&reader)?, colour);
    tui::run(&reader, app, &clock::wall).map_err(|error| Failure::new(crate::chain::chain(&error)))?;
    Ok(ExitCode::SUCCESS)
}
