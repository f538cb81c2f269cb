//! `ghostd audit`: what was done to the record, and whether the log of it is whole.

use std::collections::VecDeque;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};

use super::{Failure, Places, list, output, place, when};
use crate::audit::{self, Line};
use crate::clock;
use crate::store::audit_log;

/// How many lines are shown where nothing says how many.
const SHOWN: usize = 50;
/// How much of what a line is about is shown on a terminal, in characters.
const DATA_SHOWN: usize = 120;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only those of then or later: RFC 3339, `2026-11-21`, `2h`
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Only this operation: capture, delete, keep, unkeep, repair, configure, ...
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
    /// The last so many [default: 50, or all since --since]
    #[arg(short = 'n', long, value_name = "COUNT")]
    limit: Option<usize>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check that no line was edited, removed, moved or cut off, also by what every snapshot says of the log
    Verify,
}

pub(crate) fn run(places: &Places, arguments: &Arguments) -> Result<ExitCode, Failure> {
    match arguments.command {
        Some(Command::Verify) => verify(places),
        None => lines(places, arguments),
    }
}

fn lines(places: &Places, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let data_dir = place::paths(places)?.data_dir;
    let since = when::parse_given(arguments.since.as_deref(), clock::wall())?;
    let limit = arguments.limit.unwrap_or(if since.is_some() { usize::MAX } else { SHOWN });
    let Some((_, mut log)) = audit_log(&data_dir)? else {
        return Err(Failure::new(format!("there is no audit log in `{}`", data_dir.display())));
    };
    let mut chosen: VecDeque<Line> = VecDeque::new();
    let checked = audit::verify(&mut log, &[], &mut |line| {
        let matches = since.is_none_or(|since| line.at >= since)
            && arguments.operation.as_ref().is_none_or(|operation| line.operation == *operation);
        if matches && limit > 0 {
            if chosen.len() == limit {
                chosen.pop_front();
            }
            chosen.push_back(line.clone());
        }
    })?;
    if places.json {
        output::print_json(&chosen);
    } else {
        for line in &chosen {
            output::line(format!(
                "{:>6}  {}  {:<10}  {}",
                line.sequence,
                output::local(line.at),
                output::escaped(&line.operation),
                about(&line.data)
            ));
        }
    }
    if !checked.findings.is_empty() {
        output::complain("the log is not what was written: see `ghostd audit verify`");
        return Ok(ExitCode::from(1));
    }
    Ok(ExitCode::SUCCESS)
}

/// What a line is about, in one line; digests, which only programs compare, are left out.
fn about(data: &Json) -> String {
    let Some(object) = data.as_object() else { return output::escaped(&data.to_string()) };
    let parts: Vec<String> = object
        .iter()
        .filter(|(key, value)| !matches!(key.as_str(), "sha256" | "previous") && !value.is_null())
        .map(|(key, value)| match value {
            Json::String(text) => format!("{key}={text}"),
            Json::Array(items) if items.len() > 1 => format!("{key}=({} of them)", items.len()),
            other => format!("{key}={other}"),
        })
        .collect();
    let text = output::escaped(&parts.join(" "));
    match text.char_indices().nth(DATA_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn verify(places: &Places) -> Result<ExitCode, Failure> {
    let reader = list::open(&place::paths(places)?.data_dir)?;
    // Every snapshot says how long the log was: only they give away lines that were cut off at the end.
    let checked = reader.verify(&mut |_, _| {})?.audit;
    let intact = checked.findings.is_empty();
    if places.json {
        output::print_json(&json!({
            "intact": intact, "lines": checked.lines, "head": checked.head, "findings": checked.findings,
        }));
    } else {
        for finding in &checked.findings {
            output::line(format!("BAD     line {}: {}", finding.line, output::escaped(&finding.flaw.to_string())));
        }
        match &checked.head {
            Some(head) => {
                output::line(format!("{} lines, the last is {} {}", checked.lines, head.sequence, head.sha256))
            }
            None => output::line(format!("{} lines", checked.lines)),
        }
        if intact {
            output::line("intact");
        }
    }
    Ok(if intact { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_matters_and_moves_no_cursor() {
        let data = json!({"sequence": 3, "id": "x\u{1b}", "sha256": "00", "previous": {"id": "y"}, "reason": null,
            "files": ["a", "b"]});
        assert_eq!(about(&data), "sequence=3 id=x\\u{1b} files=(2 of them)");
        assert_eq!(about(&json!({"text": "ä".repeat(500)})).chars().count(), DATA_SHOWN + 1);
    }
}
