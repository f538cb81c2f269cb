//! The collector without its sandbox: configuration, files and time in, findings out.

use crate::bytes::{StableHash, hash};
use crate::classify::Kind;
use crate::config::{Config, Source, glob};
use crate::event::Event;
use crate::finding::{Book, Changes, Finding, MAX_EXAMPLE_BYTES, Sighting, Texts};
use crate::follow::{Follower, Loss, Outcome, Turn};
use crate::logs::Logs;
use crate::prefilter::Prefilter;
use crate::scanner::Options;
use crate::severity::Severity;
use crate::template;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is remembered between captures.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// The form of this text. A state of another form is not read.
    version: u32,
    follower: Follower,
    book: Book,
    /// The time of the last capture.
    #[serde(default)]
    last_ms: Option<i64>,
    #[serde(default)]
    totals: Totals,
    /// The place reached in the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// Sums over all captures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Bytes looked at.
    pub read_bytes: u64,
    /// Lines passed.
    pub lines: u64,
    /// Events by severity, from low to critical.
    pub events: [u64; 4],
    /// Bytes that are known to have been lost before they were read.
    pub lost_bytes: u64,
    /// Bytes passed over because reading them missed the deadline again and again.
    pub skipped_bytes: u64,
}

/// The form of the state that this version writes and reads.
const STATE_VERSION: u32 = 1;
/// Different texts that one capture remembers the fingerprints of.
const MAX_REMEMBERED: usize = 4096;

/// The conditions of one capture.
pub struct Call<'c> {
    /// Now, in milliseconds since the epoch.
    pub now_ms: i64,
    /// 1 for the first try, more after tries that failed or ran out of time.
    pub attempt: u32,
    /// The roots that are lent.
    pub roots: &'c [String],
    /// Whether it is time to stop.
    pub expired: &'c dyn Fn() -> bool,
}

/// What a capture found out.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was read, and what was not.
    pub outcome: Outcome,
    /// What changed among the findings.
    pub changes: Changes,
    /// Events by severity, from low to critical, before grouping.
    pub events: [u64; 4],
    /// Events that a rule of the user ignored.
    pub ignored: u64,
    /// The time of the capture.
    pub now_ms: i64,
}

/// The collector.
pub struct Engine {
    config: Config,
    state: State,
}

impl Engine {
    /// An engine that goes on from `state`, as [`Engine::save`] wrote it. A state that cannot be read is said in the
    /// second value, and the engine starts anew.
    pub fn new(config: Config, state: Option<&str>) -> (Self, Option<String>) {
        let fresh = State { version: STATE_VERSION, ..State::default() };
        let (state, warning) = match state.map(serde_json::from_str::<State>) {
            None => (fresh, None),
            Some(Ok(state)) if state.version == STATE_VERSION => (state, None),
            Some(Ok(state)) => {
                (fresh, Some(format!("state of form {} is not known here: starting anew", state.version)))
            }
            Some(Err(error)) => (fresh, Some(format!("state is not readable, starting anew: {error}"))),
        };
        (Self { config, state }, warning)
    }

    /// The state as JSON, in at most `limit` bytes: beyond that examples and then the least valuable findings go.
    pub fn save(&mut self, limit: usize) -> String {
        loop {
            let text = serde_json::to_string(&self.state).unwrap_or_default();
            if text.len() <= limit || self.state.book.is_empty() {
                return text;
            }
            self.state.book.shorten();
            let text = serde_json::to_string(&self.state).unwrap_or_default();
            if text.len() > limit {
                let most = self.state.book.len() * 3 / 4;
                self.state.book.shrink(most);
            }
        }
    }

    /// The findings.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.state.book.iter()
    }

    /// Sums over all captures.
    pub fn totals(&self) -> Totals {
        self.state.totals
    }

    /// The place reached in the journal.
    pub fn cursor(&self) -> Option<&str> {
        self.state.cursor.as_deref()
    }

    /// Remembers the place reached in the journal.
    pub fn set_cursor(&mut self, cursor: String) {
        self.state.cursor = Some(cursor);
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How many findings were dropped for want of room, ever.
    pub fn dropped(&self) -> u64 {
        self.state.book.dropped
    }

    /// Looks at all files once. `redact` removes secrets; nothing that it has not seen is kept. To be followed by
    /// [`Engine::settle`].
    pub fn capture(&mut self, logs: &mut dyn Logs, call: &Call<'_>, redact: &mut dyn FnMut(&str) -> String) -> Report {
        let mut report = Report { now_ms: call.now_ms, ..Report::default() };
        let sources = self.config.sources(call.roots);
        let watch = self.config.watched();
        let least = if watch.is_empty() { self.config.min_severity } else { Severity::Low };
        let texts: Vec<&str> = watch.iter().map(|pattern| longest_part(pattern)).collect();
        let custom = (least == Severity::Low).then(|| Prefilter::with(true, &texts));
        let turn = Turn {
            now_ms: call.now_ms,
            attempt: call.attempt,
            budget_bytes: self.config.budget_bytes,
            first_sight_bytes: self.config.first_sight_bytes,
            options: Options { min_severity: least, recoveries: true, watch },
            filter: custom.as_ref().unwrap_or_else(|| Prefilter::shared()),
            expired: call.expired,
        };
        let State { follower, book, .. } = &mut self.state;
        let mut notes = Notes {
            config: &self.config,
            book,
            report: &mut report,
            redact,
            known: BTreeMap::new(),
            memo: template::Memo::default(),
            now_ms: call.now_ms,
        };
        let outcome =
            follower.capture(logs, &sources, &turn, &mut |seen| notes.event(seen.source, seen.line, seen.event));
        for loss in &outcome.losses {
            notes.loss(loss);
        }
        notes.silences(follower, &sources);
        report.outcome = outcome;
        report
    }

    /// Notes lines of another source (the journal), each with its level already in the text.
    pub fn take(
        &mut self,
        source: &str,
        events: impl Iterator<Item = Event>,
        report: &mut Report,
        redact: &mut dyn FnMut(&str) -> String,
    ) {
        let now_ms = report.now_ms;
        let mut notes = Notes {
            config: &self.config,
            book: &mut self.state.book,
            report,
            redact,
            known: BTreeMap::new(),
            memo: template::Memo::default(),
            now_ms,
        };
        for event in events {
            notes.event(source, None, event);
        }
    }

    /// Ends a capture: rates, bursts, what is resolved and what is open again, and the sums.
    pub fn settle(&mut self, report: &mut Report) {
        let elapsed = self.state.last_ms.map(|last| report.now_ms - last);
        let mut changes = self.state.book.settle(report.now_ms, elapsed);
        changes.resolved.append(&mut report.changes.resolved);
        changes.resolved.sort_unstable();
        changes.resolved.dedup();
        report.changes = changes;
        self.state.last_ms = Some(report.now_ms);
        let totals = &mut self.state.totals;
        totals.read_bytes += report.outcome.read_bytes;
        totals.lines += report.outcome.counts.lines;
        totals.skipped_bytes += report.outcome.skipped_bytes;
        totals.lost_bytes += report.outcome.losses.iter().filter_map(|loss| loss.at_least_bytes).sum::<u64>();
        for (total, events) in totals.events.iter_mut().zip(report.events) {
            *total += events;
        }
    }
}

/// Puts events into the book.
struct Notes<'n> {
    config: &'n Config,
    book: &'n mut Book,
    report: &'n mut Report,
    redact: &'n mut dyn FnMut(&str) -> String,
    /// The fingerprints of texts seen in this capture: each is redacted once.
    known: BTreeMap<u64, u64>,
    memo: template::Memo,
    now_ms: i64,
}

impl Notes<'_> {
    fn event(&mut self, source: &str, line: Option<u64>, event: Event) {
        if event.kind == Kind::Recovery {
            let resolved = self.book.recover(source, event.message(), self.now_ms);
            self.report.changes.resolved.extend(resolved);
            return;
        }
        let path = source.split_once('/').map_or(source, |(_, path)| path);
        let Some(severity) = self.config.ruled(path, &event.text, event.severity) else {
            self.report.ignored += 1;
            return;
        };
        if severity < self.config.min_severity {
            return;
        }
        self.report.events[severity as usize] += 1;
        let kind = self.memo.of(event.message());
        let cause = template::cause_class(&event).to_owned();
        let mut raw = StableHash::new();
        raw.write(&kind.hash.to_le_bytes());
        raw.write(cause.as_bytes());
        let raw = raw.finish();
        // Fingerprints are made from what the sanitizer leaves, so that no secret can be guessed from one.
        let fingerprint = match self.known.get(&raw) {
            Some(fingerprint) => *fingerprint,
            None => {
                let fingerprint = template::fingerprint(&(self.redact)(&kind.template), &cause);
                if self.known.len() < MAX_REMEMBERED {
                    self.known.insert(raw, fingerprint);
                }
                fingerprint
            }
        };
        let redact = &mut *self.redact;
        let sighting = Sighting { fingerprint, severity, source, line, lines: event.lines() };
        self.book.see(sighting, self.now_ms, || {
            let example = bounded(redact(&event.text), MAX_EXAMPLE_BYTES);
            // What was replaced may have moved the message: it is found by its first words.
            let message: String = event.message().chars().take(12).collect();
            let message_at = example.find(&message).unwrap_or(0);
            let cause = event.cause.as_deref().map(|cause| bounded(redact(cause), MAX_EXAMPLE_BYTES));
            Texts { template: redact(&kind.template), example, message_at, cause }
        });
    }

    fn loss(&mut self, loss: &Loss) {
        let severity = if loss.at_least_bytes.is_some() { Severity::Medium } else { Severity::Low };
        let amount =
            loss.at_least_bytes.map_or_else(|| "an unknown number of".to_owned(), |bytes| format!("at least {bytes}"));
        let text = format!("{amount} bytes of the log were not read before it was {}", loss.how);
        let sighting = Sighting {
            fingerprint: own_fingerprint("loss", &loss.source),
            severity,
            source: &loss.source,
            line: None,
            lines: 1,
        };
        let finding = self.book.see(sighting, self.now_ms, || Texts {
            template: format!("bytes of the log were not read before it was {}", loss.how),
            ..Texts::default()
        });
        finding.example = text;
    }

    /// Files that must not fall silent.
    fn silences(&mut self, follower: &Follower, sources: &[Source]) {
        for source in sources {
            let Some(seconds) = source.expect_every_seconds else { continue };
            let limit_ms = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000);
            for (name, path, grown_ms) in follower.growth() {
                if !glob(&source.path, path) || !name.starts_with(&source.root) {
                    continue;
                }
                let fingerprint = own_fingerprint("silence", &name);
                let open = self.book.get(fingerprint).is_some_and(|f| f.resolved_ms.is_none());
                let silent = self.now_ms - grown_ms > limit_ms;
                if silent && !open {
                    let sighting =
                        Sighting { fingerprint, severity: Severity::Medium, source: &name, line: None, lines: 1 };
                    self.book.see(sighting, self.now_ms, || Texts {
                        template: format!("nothing was written to this log for more than {seconds} s"),
                        ..Texts::default()
                    });
                } else if silent {
                    self.book.touch(fingerprint, self.now_ms);
                } else if open && self.book.resolve(fingerprint, self.now_ms) {
                    self.report.changes.resolved.push(fingerprint);
                }
            }
        }
    }
}

/// The longest of the texts between the stars of a pattern.
fn longest_part(pattern: &str) -> &str {
    pattern.split('*').max_by_key(|part| part.len()).unwrap_or("")
}

/// The fingerprint of a finding of this collector's own about a file.
fn own_fingerprint(what: &str, source: &str) -> u64 {
    template::fingerprint(what, &format!("{:x}", hash(source.as_bytes())))
}

fn bounded(mut text: String, most: usize) -> String {
    text.truncate(text.floor_char_boundary(most));
    text
}
