//! One event is one event: the lines that belong to a first line, and what they say beyond it.
//!
//! An [`Event`] keeps its first line, its innermost cause and its length, never all its lines: its size is bounded
//! whatever is written. What joins what is decided in [`join`]; which line names the cause, in [`cause`]. This module
//! knows lines, not files and not time.

mod cause;
pub(crate) mod join;

use crate::classify::{Header, Kind, Verdict};
use crate::severity::{Level, Severity};
use join::{Context, Step};

/// An anomaly (or a warning, or a recovery) with all the lines that belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The number of its first line, counted from 1 within what the scanner was given.
    pub line: u64,
    /// The number of its last line.
    pub end_line: u64,
    /// How bad it is.
    pub severity: Severity,
    /// The level of the first line, as far as one is stated.
    pub level: Option<Level>,
    /// What sort of event it is.
    pub kind: Kind,
    /// The first line, at most [`MAX_TEXT_BYTES`] of it, invalid UTF-8 replaced.
    pub text: String,
    /// Where in `text` the message begins: behind timestamp, level, host and program.
    pub message_at: usize,
    /// The innermost cause that the lines name, at most [`MAX_CAUSE_BYTES`].
    pub cause: Option<String>,
}

impl Event {
    /// The first line without its head.
    pub fn message(&self) -> &str {
        let message = self.text.get(self.message_at..).unwrap_or("").trim();
        if message.is_empty() { self.text.trim() } else { message }
    }

    /// How many lines it has.
    pub fn lines(&self) -> u64 {
        self.end_line - self.line + 1
    }
}

/// How much of a first line is kept.
pub const MAX_TEXT_BYTES: usize = 1024;
/// How much of a cause is kept.
pub const MAX_CAUSE_BYTES: usize = 300;

/// Puts lines together to events. One for each stream of lines.
#[derive(Clone, Debug, Default)]
pub struct Assembler {
    open: Option<Open>,
}

#[derive(Clone, Debug)]
struct Open {
    /// `None` once it was handed out at the end of what there was: what follows still joins, silently.
    event: Option<Event>,
    context: Context,
}

impl Assembler {
    /// Whether an event is open, so that the next line has to be shown to [`Assembler::offer`].
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether the open event has its first line alone.
    pub(crate) fn is_fresh(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.event.is_some() && open.context.is_fresh())
    }

    /// Begins an event.
    pub fn begin(&mut self, number: u64, line: &[u8], verdict: &Verdict) {
        let Some(severity) = verdict.severity.or((verdict.kind == Kind::Recovery).then_some(Severity::Low)) else {
            return;
        };
        let (text, message_at) = text_of(line, verdict.header.message);
        let context = Context::new(line, verdict);
        let cause = cause::first(line, &verdict.header, verdict.kind);
        let event = Event {
            line: number,
            end_line: number,
            severity,
            level: verdict.level,
            kind: verdict.kind,
            text,
            message_at,
            cause,
        };
        self.open = Some(Open { event: Some(event), context });
    }

    /// Shows the line after the open event. `Joined` means that it was taken; otherwise the event that this line
    /// ends, if it was not handed out before, and the head of the line, which was read on the way.
    pub fn offer(&mut self, number: u64, line: &[u8]) -> Offer {
        let Some(open) = &mut self.open else { return Offer::Refused(None, None) };
        match open.context.step(line) {
            Step::Join { trace } => {
                if let Some(event) = &mut open.event {
                    event.end_line = number;
                    if trace && event.severity < Severity::Medium {
                        event.severity = Severity::Medium;
                    }
                    if trace && event.kind == Kind::Line {
                        event.kind = Kind::Trace;
                    }
                    cause::update(&mut event.cause, line, &open.context);
                }
                Offer::Joined
            }
            Step::Perhaps => Offer::Joined,
            Step::End(header) => Offer::Refused(self.open.take().and_then(|open| open.event), header),
        }
    }

    /// Takes a line that is known to belong to the open event.
    pub(crate) fn offer_any(&mut self, number: u64, line: &[u8]) {
        let Some(open) = &mut self.open else { return };
        open.context.take(line);
        if let Some(event) = &mut open.event {
            event.end_line = number;
            cause::update(&mut event.cause, line, &open.context);
        }
    }

    /// The open event, at the end of what there is now. Lines that still belong to it are taken without a word.
    pub fn flush(&mut self) -> Option<Event> {
        self.open.as_mut().and_then(|open| open.event.take())
    }

    /// What has to be remembered for lines that come later.
    pub fn context(&self) -> Option<&Context> {
        self.open.as_ref().map(|open| &open.context)
    }

    /// An assembler whose last event was handed out before.
    pub fn resume(context: Option<Context>) -> Self {
        Self { open: context.map(|context| Open { event: None, context }) }
    }
}

/// What became of an offered line.
#[derive(Debug)]
pub enum Offer {
    /// It belongs to the open event.
    Joined,
    /// It does not; the event that ended, and the head of the line.
    Refused(Option<Event>, Option<Header>),
}

/// The first line as text, within bounds, and where its message begins there.
fn text_of(line: &[u8], message: usize) -> (String, usize) {
    // Nearly every line is UTF-8, and to check is much cheaper than to mend.
    if line.len() <= MAX_TEXT_BYTES
        && let Ok(text) = std::str::from_utf8(line)
        && text.is_char_boundary(message)
    {
        return (text.to_owned(), message);
    }
    let head = String::from_utf8_lossy(&line[..message.min(line.len()).min(MAX_TEXT_BYTES)]).into_owned();
    let rest = &line[message.min(line.len()).min(MAX_TEXT_BYTES)..line.len().min(MAX_TEXT_BYTES)];
    let message_at = head.len();
    let mut text = head;
    text.push_str(&String::from_utf8_lossy(rest));
    (text, message_at)
}
