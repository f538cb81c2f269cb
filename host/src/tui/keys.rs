//! What the keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::page::Page;
use super::past::{self, Stop};
use crate::diff::{self, Mood, Options};
use crate::model::{SnapshotId, Wall};
use crate::store::{Filter, Reader, Source as _, Span, StoreError, parse_time};

/// What the lower half lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Events,
    Findings,
    Processes,
    Snapshots,
    Changes,
}

impl List {
    pub(super) const ALL: [Self; 5] = [Self::Events, Self::Findings, Self::Processes, Self::Snapshots, Self::Changes];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Findings => "findings",
            Self::Processes => "processes",
            Self::Snapshots => "snapshots",
            Self::Changes => "changes",
        }
    }
}

/// Which instant is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Always now.
    Live,
    /// One instant of the past.
    At(Wall),
}

/// What is being typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Prompt {
    /// An instant to go to.
    Time(String),
    /// What events are searched for.
    Search(String),
}

/// The view with all that can be done to it.
#[derive(Debug)]
pub struct App {
    pub(super) mode: Mode,
    pub(super) can_leave_now: bool,
    pub(super) list: List,
    pub(super) scroll: usize,
    pub(super) help: bool,
    pub(super) prompt: Option<Prompt>,
    pub(super) search: String,
    pub(super) message: Option<String>,
    pub(super) page: Page,
    pub(super) now: Wall,
    pub(super) changes: Option<(SnapshotId, Vec<String>)>,
    pub(super) colour: bool,
}

impl App {
    /// `ghostd watch` stays with now; `ghostd replay` steps through the past. `colour` is whether colours are wanted.
    pub fn new(mode: Mode, colour: bool) -> Self {
        Self {
            mode,
            can_leave_now: !matches!(mode, Mode::Live),
            list: List::Events,
            scroll: 0,
            help: false,
            prompt: None,
            search: String::new(),
            message: None,
            page: Page::default(),
            now: Wall(0),
            changes: None,
            colour,
        }
    }

    /// Reads what is to be shown.
    pub(super) fn refresh(&mut self, reader: &Reader, now: Wall) -> Result<(), StoreError> {
        self.now = now;
        match self.mode {
            Mode::Live => self.page = Page::now(reader, now)?,
            Mode::At(at) if self.page.at != Some(at) => {
                let shown = self.page.snapshots.first().map(|entry| entry.id);
                self.page = Page::at(reader, at, shown.map(|id| (id, &self.page)))?;
            }
            Mode::At(_) => {}
        }
        if self.list == List::Changes {
            self.compare(reader);
        }
        Ok(())
    }

    /// Does what a key says. True when the view is to end.
    pub(super) fn press(&mut self, key: KeyEvent, reader: &Reader, now: Wall) -> Result<bool, StoreError> {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return Ok(true);
        }
        self.message = None;
        if let Some(prompt) = self.prompt.take() {
            self.type_into(prompt, key, reader, now)?;
            return Ok(false);
        }
        if self.help {
            self.help = false;
            return Ok(false);
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Ok(true),
            KeyCode::Char('?' | 'h') => self.help = true,
            KeyCode::Tab => self.turn(1),
            KeyCode::BackTab => self.turn(List::ALL.len() - 1),
            KeyCode::Char(digit @ '1'..='5') => {
                self.list = List::ALL[digit as usize - '1' as usize];
                self.scroll = 0;
            }
            KeyCode::Down | KeyCode::Char('j') => self.scroll = self.scroll.saturating_add(1),
            KeyCode::Up | KeyCode::Char('k') => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::Char('/') => self.prompt = Some(Prompt::Search(String::new())),
            _ if self.can_leave_now => self.step(key.code, reader, now)?,
            _ => {}
        }
        Ok(false)
    }

    fn turn(&mut self, by: usize) {
        let here = List::ALL.iter().position(|list| *list == self.list).unwrap_or(0);
        self.list = List::ALL[(here + by) % List::ALL.len()];
        self.scroll = 0;
    }

    fn step(&mut self, code: KeyCode, reader: &Reader, now: Wall) -> Result<(), StoreError> {
        let at = self.instant();
        let (found, what) = match code {
            KeyCode::Right | KeyCode::Char('l') => (past::after(reader, at, now, Stop::Beat)?, "later heartbeat"),
            KeyCode::Left => (past::before(reader, at, Stop::Beat)?, "earlier heartbeat"),
            KeyCode::PageDown => (past::after(reader, at, now, Stop::Snapshot)?, "later snapshot"),
            KeyCode::PageUp => (past::before(reader, at, Stop::Snapshot)?, "earlier snapshot"),
            KeyCode::Char('t') => (past::after(reader, at, now, Stop::Transition)?, "later transition"),
            KeyCode::Char('T') => (past::before(reader, at, Stop::Transition)?, "earlier transition"),
            KeyCode::Char('f') => (past::after(reader, at, now, Stop::Finding)?, "later finding"),
            KeyCode::Char('F') => (past::before(reader, at, Stop::Finding)?, "earlier finding"),
            KeyCode::Char('n') => (self.found(reader, true)?, "later event with that"),
            KeyCode::Char('N') => (self.found(reader, false)?, "earlier event with that"),
            KeyCode::Home => (first(reader, now)?, "beginning"),
            KeyCode::End => (reader.heartbeats(&Span::last(1))?.first().map(|beat| beat.at), "end"),
            KeyCode::Char('g') => {
                self.prompt = Some(Prompt::Time(String::new()));
                return Ok(());
            }
            _ => return Ok(()),
        };
        match found {
            Some(at) => self.go(at),
            None => self.message = Some(format!("there is no {what}")),
        }
        Ok(())
    }

    fn type_into(&mut self, prompt: Prompt, key: KeyEvent, reader: &Reader, now: Wall) -> Result<(), StoreError> {
        let (mut text, is_time) = match prompt {
            Prompt::Time(text) => (text, true),
            Prompt::Search(text) => (text, false),
        };
        match key.code {
            KeyCode::Esc => return Ok(()),
            KeyCode::Enter if is_time => {
                match parse_time(text.strip_prefix('@').unwrap_or(&text), now) {
                    Some(at) => self.go(at),
                    None => self.message = Some(format!("`{text}` is no time (try 2026-11-21T03:12 or -2h)")),
                }
                return Ok(());
            }
            KeyCode::Enter => {
                self.search = text.to_lowercase();
                self.list = List::Events;
                if self.can_leave_now && !self.search.is_empty() {
                    match self.found(reader, false)? {
                        Some(at) => self.go(at),
                        None => self.message = Some("no event says so".to_owned()),
                    }
                }
                return Ok(());
            }
            KeyCode::Backspace => {
                text.pop();
            }
            KeyCode::Char(letter) if text.len() < 200 => text.push(letter),
            _ => {}
        }
        self.prompt = Some(if is_time { Prompt::Time(text) } else { Prompt::Search(text) });
        Ok(())
    }

    /// The next event, or the one before, that says what is searched for.
    fn found(&self, reader: &Reader, later: bool) -> Result<Option<Wall>, StoreError> {
        let says = |event: &crate::store::NumberedEvent| event.event.message.to_lowercase().contains(&self.search);
        let at = self.instant();
        if self.search.is_empty() {
            Ok(None)
        } else if later {
            past::event_after(reader, at, says)
        } else {
            past::event_before(reader, at.plus_ns(1), says)
        }
    }

    fn go(&mut self, at: Wall) {
        self.mode = Mode::At(at);
        self.scroll = 0;
    }

    /// The instant that is shown.
    pub(super) fn instant(&self) -> Wall {
        match self.mode {
            Mode::Live => self.now,
            Mode::At(at) => at,
        }
    }

    /// The snapshot of the instant against the one before it.
    fn compare(&mut self, reader: &Reader) {
        let [to, from, ..] = &*self.page.snapshots else {
            self.changes = None;
            return;
        };
        if self.changes.as_ref().is_some_and(|(id, _)| *id == to.id) {
            return;
        }
        let read = || Ok::<_, StoreError>((reader.read(from.id)?, reader.read(to.id)?));
        let lines = match read() {
            Ok((from, to)) => {
                let diff = diff::diff(&from.body, &to.body, &Options::default());
                let line = |change: &diff::Change| {
                    let mood = match change.mood {
                        Mood::Worse => "worse ",
                        Mood::Better => "better",
                        Mood::Neutral => "      ",
                    };
                    format!("{mood}  {:<14} {}", change.section, change.text)
                };
                diff.changes.iter().map(line).collect()
            }
            Err(error) => vec![crate::chain::chain(&error)],
        };
        self.changes = Some((to.id, lines));
    }
}

/// The oldest instant of which there is a heartbeat or a snapshot.
fn first(reader: &Reader, now: Wall) -> Result<Option<Wall>, StoreError> {
    let snapshot = reader.list(&Filter::default())?.last().map(|entry| entry.captured_at);
    let beats = reader.beat_history(&Span { since: None, until: Some(now), limit: u64::MAX })?;
    let beat = beats.first().map(|stretch| stretch.at);
    Ok(match (snapshot, beat) {
        (Some(snapshot), Some(beat)) => Some(snapshot.min(beat)),
        (snapshot, beat) => snapshot.or(beat),
    })
}
