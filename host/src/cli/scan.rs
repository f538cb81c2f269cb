//! `ghostd scan`: the engine of the anomaly collector, once over files, from their start.
//!
//! A file is read once in blocks, and what is held of it does not grow with it: events are told as they are found,
//! and kinds of them are counted up to a bound.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use ghostd_anomaly::scan::{Found, Options, Scan};
use ghostd_anomaly::severity::Severity;
use rustix::fs::{FileType, Mode, OFlags};
use serde::Serialize;

use super::{Failure, Place, Places, output};
use crate::sanitize::{Report, Sanitizer};
use crate::wiring;

/// Bytes that are read at a time.
const BLOCK: usize = 1 << 20;
/// Kinds that are told apart: a log in which no two lines are alike must not fill the memory. Events of further kinds
/// are counted together.
const MAX_KINDS: usize = 10_000;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Logs; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Each event in the order in which it was found, not only how many there are of each kind
    #[arg(long)]
    events: bool,
    /// Leave out what is less: low (warnings, failed logins), medium, high, critical
    #[arg(long, value_name = "SEVERITY", default_value = "medium", value_parser = severity)]
    min_severity: Severity,
    /// Show secrets as they stand in the files
    #[arg(long)]
    no_redaction: bool,
}

fn severity(word: &str) -> Result<Severity, String> {
    Severity::parse(word).ok_or_else(|| "expected low, medium, high or critical".to_owned())
}

/// An event as it is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct EventRow<'a> {
    file: &'a str,
    line: u64,
    end_line: u64,
    severity: &'static str,
    fingerprint: &'a str,
    template: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
}

/// Events of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Kind {
    fingerprint: String,
    severity: &'static str,
    count: u64,
    /// Where the first of them is.
    file: String,
    line: u64,
    end_line: u64,
    template: String,
    /// The first of them.
    message: String,
}

/// What was read of a file.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
struct FileRow {
    file: String,
    bytes: u64,
    lines: u64,
    events: u64,
    #[serde(skip_serializing_if = "is_zero")]
    long_lines: u64,
    #[serde(skip_serializing_if = "is_zero")]
    binary_lines: u64,
    /// Why it was not read to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[derive(Debug, Default)]
struct Kinds {
    by_fingerprint: HashMap<(String, &'static str), Kind>,
    /// Events of kinds beyond [`MAX_KINDS`].
    others: u64,
}

impl Kinds {
    fn count(&mut self, file: &str, found: &Found) {
        let severity = found.severity.as_str();
        let key = (found.fingerprint.clone(), severity);
        if let Some(kind) = self.by_fingerprint.get_mut(&key) {
            kind.count += 1;
        } else if self.by_fingerprint.len() >= MAX_KINDS {
            self.others += 1;
        } else {
            let kind = Kind {
                fingerprint: found.fingerprint.clone(),
                severity,
                count: 1,
                file: file.to_owned(),
                line: found.line,
                end_line: found.end_line,
                template: found.template.clone(),
                message: found.message.clone(),
            };
            self.by_fingerprint.insert(key, kind);
        }
    }

    /// The worst first, then what there is most of.
    fn in_order(self) -> Vec<Kind> {
        let mut kinds: Vec<Kind> = self.by_fingerprint.into_values().collect();
        let rank = |kind: &Kind| std::cmp::Reverse((Severity::parse(kind.severity), kind.count));
        kinds.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| (&a.file, a.line).cmp(&(&b.file, b.line))));
        kinds
    }
}

pub(crate) fn run(places: &Places, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let cleaner = if arguments.no_redaction { None } else { Some(sanitizer(places)?) };
    let mut teller = Teller { json: places.json, events: arguments.events, told: 0 };
    teller.begin();
    let mut kinds = Kinds::default();
    let mut files = Vec::new();
    for name in &arguments.files {
        files.push(scan(name, arguments.min_severity, &mut |found| {
            let found = match &cleaner {
                Some(sanitizer) => redacted(found, sanitizer),
                None => found,
            };
            kinds.count(name, &found);
            teller.tell(name, &found);
        }));
    }
    let is_whole = files.iter().all(|file| file.error.is_none());
    let others = kinds.others;
    teller.end(&files, &kinds.in_order(), others);
    for file in files.iter().filter(|file| file.error.is_some()) {
        let error = file.error.as_deref().unwrap_or_default();
        output::complain(&format!("cannot read `{}`: {}", output::escaped(&file.file), output::escaped(error)));
    }
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn sanitizer(places: &Places) -> Result<Sanitizer, Failure> {
    let place = Place::find(places)?;
    Sanitizer::new(&wiring::sanitizer_settings(&place.loaded.config.sanitize))
        .map_err(|faults| Failure::new(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
}

fn redacted(found: Found, sanitizer: &Sanitizer) -> Found {
    let clean = |text: &str| sanitizer.text(text, &mut Report::default()).into_owned();
    Found {
        template: clean(&found.template),
        message: clean(&found.message),
        cause: found.cause.as_deref().map(clean),
        ..found
    }
}

/// Reads one file. What cannot be read any further is said with what was found before.
fn scan(name: &str, min_severity: Severity, sink: &mut dyn FnMut(Found)) -> FileRow {
    let mut row = FileRow { file: name.to_owned(), ..FileRow::default() };
    let mut scan = Scan::new(Options { min_severity, ..Options::default() });
    let mut counted = |found| {
        row.events += 1;
        sink(found);
    };
    let read = open(name).and_then(|mut input| {
        let mut block = vec![0; BLOCK];
        loop {
            match input.read(&mut block) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    row.bytes += count as u64;
                    scan.feed(&block[..count], &mut counted);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    });
    scan.finish(&mut counted);
    let counts = scan.counts();
    FileRow {
        lines: counts.lines,
        long_lines: counts.long_lines,
        binary_lines: counts.binary_lines,
        error: read.err(),
        ..row
    }
}

/// A regular file, or standard input. What else has a name could hang, or never end.
fn open(name: &str) -> Result<Box<dyn Read>, String> {
    if name == "-" {
        return Ok(Box::new(io::stdin().lock()));
    }
    let fail = |errno: rustix::io::Errno| io::Error::from(errno).to_string();
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(Path::new(name), flags, Mode::empty()).map_err(fail)?);
    match FileType::from_raw_mode(rustix::fs::fstat(&file).map_err(fail)?.st_mode) {
        FileType::RegularFile => Ok(Box::new(file)),
        other => Err(format!("it is no regular file ({other:?})").to_lowercase()),
    }
}

/// Tells events as they come: however many there are, none is held.
struct Teller {
    json: bool,
    events: bool,
    told: u64,
}

impl Teller {
    fn begin(&self) {
        if self.json {
            put(if self.events { "{\n  \"events\": [" } else { "{" });
        }
    }

    fn tell(&mut self, file: &str, found: &Found) {
        if !self.events {
            return;
        }
        let Found { line, end_line, severity, fingerprint, template, message, cause } = found;
        if self.json {
            let row = EventRow {
                file,
                line: *line,
                end_line: *end_line,
                severity: severity.as_str(),
                fingerprint,
                template,
                message,
                cause: cause.as_deref(),
            };
            put(if self.told == 0 { "\n    " } else { ",\n    " });
            put(&serde_json::to_string(&row).unwrap_or_default());
        } else {
            output::line(format!(
                "{}  {:<8}  {fingerprint}  {}",
                lines(file, *line, *end_line),
                severity.as_str(),
                output::escaped(message)
            ));
        }
        self.told += 1;
    }

    fn end(&self, files: &[FileRow], kinds: &[Kind], others: u64) {
        if self.json {
            put(if self.events { "\n  ],\n" } else { "\n" });
            put(&format!("  \"kinds\": {},\n", array(kinds)));
            put(&format!("  \"events_of_other_kinds\": {others},\n"));
            put(&format!("  \"files\": {}\n}}\n", array(files)));
            return;
        }
        if !self.events && !kinds.is_empty() {
            let mut table = output::Table::new(&["SEVERITY", "COUNT", "FINGERPRINT", "FIRST AT", "TEMPLATE"]);
            for kind in kinds {
                table.row([
                    kind.severity.to_owned(),
                    kind.count.to_string(),
                    kind.fingerprint.clone(),
                    lines(&kind.file, kind.line, kind.end_line),
                    kind.template.clone(),
                ]);
            }
            table.print();
        }
        let (events, lines, bytes) =
            files.iter().fold((0, 0, 0), |sum, file| (sum.0 + file.events, sum.1 + file.lines, sum.2 + file.bytes));
        let more = if others > 0 { format!(", {others} of them of still others") } else { String::new() };
        output::complain(&format!(
            "{events} events of {} kinds{more} in {lines} lines, {}",
            kinds.len(),
            output::bytes(bytes)
        ));
    }
}

/// `file:3`, `file:3-17`.
fn lines(file: &str, line: u64, end_line: u64) -> String {
    let file = output::escaped(file);
    if line == end_line { format!("{file}:{line}") } else { format!("{file}:{line}-{end_line}") }
}

/// A JSON array with a row in each line.
fn array(rows: &[impl Serialize]) -> String {
    if rows.is_empty() {
        return "[]".to_owned();
    }
    let rows: Vec<String> = rows.iter().map(|row| serde_json::to_string(row).unwrap_or_default()).collect();
    format!("[\n    {}\n  ]", rows.join(",\n    "))
}

/// A piece of a document that is written as it comes. A reader that has gone ends the program quietly.
fn put(text: &str) {
    if io::stdout().lock().write_all(text.as_bytes()).is_err() {
        std::process::exit(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &[u8]) -> Vec<Found> {
        let mut scan = Scan::new(Options::default());
        let mut all = Vec::new();
        scan.feed(text, &mut |event| all.push(event));
        scan.finish(&mut |event| all.push(event));
        all
    }

    #[test]
    fn kinds_are_counted_and_the_worst_is_first() {
        let mut kinds = Kinds::default();
        for event in found(b"ERROR disk 1 is slow\nERROR disk 2 is slow\nFATAL no more memory\n") {
            kinds.count("a.log", &event);
        }
        let kinds = kinds.in_order();
        let told: Vec<_> = kinds.iter().map(|kind| (kind.severity, kind.count, kind.line)).collect();
        assert_eq!(told, [("critical", 1, 3), ("high", 2, 1)]);
        assert!(serde_json::from_str::<serde_json::Value>(&array(&kinds)).unwrap().as_array().unwrap().len() == 2);
    }

    #[test]
    fn a_secret_is_not_told() {
        let event = found(b"ERROR login failed password=hunter2-correct-horse\n").remove(0);
        let clean = redacted(event, &Sanitizer::builtin());
        assert!(clean.message.contains("REDACTED") && !clean.message.contains("hunter2"), "{}", clean.message);
    }

    #[test]
    fn what_could_hang_is_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        let refused = open(dir.path().to_str().unwrap()).err().unwrap();
        assert!(refused.contains("no regular file"), "{refused}");
        assert!(open("/dev/zero").err().unwrap().contains("no regular file"));
        let row = scan(dir.path().join("missing").to_str().unwrap(), Severity::Low, &mut |_| {});
        assert!(row.error.is_some());
    }
}
