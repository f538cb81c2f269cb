//! The terminal's view of the record: the machine now (`ghostd watch`), and at any instant of the past
//! (`ghostd replay`).
//!
//! Owns: what one page shows, how it is drawn, and what the keys do. It reads the store and asks nobody else: a dead
//! machine's disk is shown as well as a running ghostd. What came from outside is escaped before it is drawn. Must not
//! know: the daemon, collectors, where the data directory comes from.

mod draw;
mod keys;
mod page;
mod past;
#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyEventKind};

use crate::model::Wall;
use crate::store::{Reader, StoreError};

pub use keys::{App, Mode};

/// How often a key is waited for before the page is drawn anew.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Why the view ended against one's will.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// The terminal.
    #[error("cannot use the terminal (is standard output one?)")]
    Terminal(#[source] io::Error),
    /// The record.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Shows the record until somebody leaves. `now` tells the time.
pub fn run(reader: &Reader, mut app: App, now: &dyn Fn() -> Wall) -> Result<(), TuiError> {
    let mut terminal = ratatui::try_init().map_err(TuiError::Terminal)?;
    let ended = (|| {
        loop {
            app.refresh(reader, now())?;
            terminal.draw(|frame| draw::draw(frame, &app)).map_err(TuiError::Terminal)?;
            if !event::poll(LOOK_EVERY).map_err(TuiError::Terminal)? {
                continue;
            }
            if let Event::Key(key) = event::read().map_err(TuiError::Terminal)?
                && key.kind == KeyEventKind::Press
                && app.press(key, reader, now())?
            {
                return Ok(());
            }
        }
    })();
    ratatui::restore();
    ended
}
