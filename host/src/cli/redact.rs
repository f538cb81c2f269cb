//! `ghostd redact`: the sanitizer as a filter.

use std::io::{self, BufRead, Read, Write};
use std::process::ExitCode;

use clap::Args;

use super::{Failure, Place, Places, output};
use crate::sanitize::{Report, Sanitizer};
use crate::wiring;

/// Bytes that are held at a time where the input is text: a value that spans lines is seen whole within them.
const CHUNK: usize = 8 << 20;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Each line is a JSON value, redacted as a snapshot would be
    #[arg(long)]
    jsonl: bool,
    /// Say on standard error how often each rule fired
    #[arg(long)]
    report: bool,
    /// Show which rule took what and why, instead of the text; on live input only, nothing of it is kept
    #[arg(long, conflicts_with = "jsonl")]
    explain: bool,
}

pub(crate) fn run(places: &Places, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let place = Place::find(places)?;
    let sanitizer = Sanitizer::new(&wiring::sanitizer_settings(&place.loaded.config.sanitize))
        .map_err(|faults| Failure::new(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    let mut report = Report::default();
    let (mut input, mut out) = (io::stdin().lock(), io::stdout().lock());
    if arguments.explain {
        let mut text = String::new();
        input.read_to_string(&mut text)?;
        for one in sanitizer.explain(&text) {
            let line = text[..one.start].matches('\n').count() + 1;
            let what = output::escaped(&text[one.start..one.end]);
            if writeln!(out, "line {line}: {}: `{what}` ({})", one.rule, one.reason).is_err() {
                break;
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    let copied = if arguments.jsonl {
        json_lines(&sanitizer, &mut input, &mut out, &mut report)?
    } else {
        text(&sanitizer, &mut input, &mut out, &mut report)
    };
    match copied {
        // The reader has gone: so may we.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
        other => other?,
    }
    if arguments.report {
        for (rule, count) in &report.counts {
            output::complain(&format!("{count} {rule}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn json_lines(
    sanitizer: &Sanitizer,
    input: &mut impl BufRead,
    out: &mut impl Write,
    report: &mut Report,
) -> Result<io::Result<()>, Failure> {
    for (number, line) in input.lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let clean = sanitizer
            .json_text(&line, report)
            .map_err(|error| Failure::new(format!("line {} of the input is not JSON: {error}", number + 1)))?;
        if let Err(error) = writeln!(out, "{clean}") {
            return Ok(Err(error));
        }
    }
    Ok(out.flush())
}

/// In chunks that end at a line, so that any amount of text passes in bounded memory.
fn text(sanitizer: &Sanitizer, input: &mut impl BufRead, out: &mut impl Write, report: &mut Report) -> io::Result<()> {
    let mut held = Vec::new();
    loop {
        let read = input.by_ref().take((CHUNK - held.len()) as u64).read_to_end(&mut held)?;
        let ended = read == 0 || held.len() < CHUNK;
        let cut = match (ended, memchr::memrchr(b'\n', &held)) {
            (false, Some(newline)) => newline + 1,
            _ => held.len(),
        };
        out.write_all(&sanitizer.bytes(&held[..cut], report))?;
        held.drain(..cut);
        if ended && held.is_empty() {
            return out.flush();
        }
    }
}
