//! `ghostd collector test`: a component against a made-up machine, and its sections against those that were recorded.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value as Json, json};

use super::super::{Failure, Places, output};
use super::trial::{Machine, Trial, fixture_text};
use crate::plugins::call::CallFailure;

/// The recorded sections, below the directory of the fixtures.
const EXPECTED: &str = "expected.json";

/// Differences that are shown.
const SHOWN: usize = 20;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A .wasm file, or `builtin:clock`
    component: String,
    /// What the machine is like: host.json, config.json, state.json, files/ROOT/, expected.json; each may be absent
    #[arg(long, value_name = "DIR")]
    fixtures: Option<PathBuf>,
    /// Record what it returns as expected.json
    #[arg(long, requires = "fixtures")]
    update: bool,
    /// How often it is called, a minute apart, with the state of the call before
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    calls: u16,
    /// Print the made-up machine that stands in where there is no host.json, to start one of your own from
    #[arg(long, exclusive = false, conflicts_with_all = ["update", "fixtures"])]
    show_host: bool,
}

pub(super) fn run(places: &Places, arguments: &Arguments) -> Result<ExitCode, Failure> {
    if arguments.show_host {
        output::line(crate::plugins::lend::fake::DEFAULT.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let dir = arguments.fixtures.as_deref();
    if let Some(dir) = dir.filter(|dir| !dir.is_dir()) {
        return Err(Failure::new(format!("there is no directory `{}`", dir.display())));
    }
    let mut trial = Trial::prepare(places, &arguments.component, Machine::Fixtures(dir), None)?;
    let mut calls = Vec::new();
    let mut failed = None;
    for _ in 0..arguments.calls {
        let (result, account) = trial.call();
        for line in &account.log {
            output::note(&format!(
                "log: {}: {}",
                format!("{:?}", line.level).to_lowercase(),
                output::escaped(&line.text)
            ));
        }
        calls.push(match result {
            Ok(sections) => serde_json::to_value(sections).map_err(|error| Failure::new(error.to_string()))?,
            Err(failure) => {
                let entry = json!({"failed": failure.to_string()});
                failed = Some(failure);
                entry
            }
        });
    }
    let calls = Json::Array(calls);
    let Some(dir) = dir else { return Ok(shown(&calls, failed.as_ref())) };
    if arguments.update {
        write(&dir.join(EXPECTED), &calls)?;
        output::note(&format!("recorded in `{}`", dir.join(EXPECTED).display()));
        return Ok(shown(&calls, failed.as_ref()));
    }
    match fixture_text(Some(dir), EXPECTED)? {
        None => {
            output::note(&format!("nothing is recorded in `{}` yet: `--update` does it", dir.display()));
            Ok(shown(&calls, failed.as_ref()))
        }
        Some(text) => {
            let expected: Json =
                serde_json::from_str(&text).map_err(|error| Failure::new(format!("{EXPECTED}: {error}")))?;
            Ok(compared(places, &expected, &calls))
        }
    }
}

/// A collector that fails where nothing was recorded has failed its test.
fn shown(calls: &Json, failed: Option<&CallFailure>) -> ExitCode {
    output::print_json(calls);
    match failed {
        None => ExitCode::SUCCESS,
        Some(failure) => {
            output::complain(&output::escaped(&failure.to_string()));
            ExitCode::from(1)
        }
    }
}

fn compared(places: &Places, expected: &Json, found: &Json) -> ExitCode {
    let mut differences = Vec::new();
    compare("", expected, found, &mut differences);
    if places.json {
        output::print_json(&json!({"same": differences.is_empty(), "differences": differences, "calls": found}));
    } else if differences.is_empty() {
        output::line("as recorded");
    } else {
        for difference in differences.iter().take(SHOWN) {
            output::line(output::escaped(difference));
        }
        if differences.len() > SHOWN {
            output::line(format!("and {} more", differences.len() - SHOWN));
        }
        output::line("(`--update` records what is there now)");
    }
    if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

fn compare(path: &str, expected: &Json, found: &Json, differences: &mut Vec<String>) {
    let at = |step: String| if path.is_empty() { step } else { format!("{path}.{step}") };
    match (expected, found) {
        (Json::Object(before), Json::Object(now)) => {
            for (key, value) in before {
                match now.get(key) {
                    Some(other) => compare(&at(key.clone()), value, other, differences),
                    None => differences.push(format!("{}: missing, was {}", at(key.clone()), short(value))),
                }
            }
            for (key, value) in now.iter().filter(|(key, _)| !before.contains_key(*key)) {
                differences.push(format!("{}: new, {}", at(key.clone()), short(value)));
            }
        }
        (Json::Array(before), Json::Array(now)) => {
            for n in 0..before.len().max(now.len()) {
                match (before.get(n), now.get(n)) {
                    (Some(value), Some(other)) => compare(&at(n.to_string()), value, other, differences),
                    (Some(value), None) => {
                        differences.push(format!("{}: missing, was {}", at(n.to_string()), short(value)))
                    }
                    (None, Some(value)) => differences.push(format!("{}: new, {}", at(n.to_string()), short(value))),
                    (None, None) => {}
                }
            }
        }
        (before, now) if before == now => {}
        (before, now) => differences.push(format!("{path}: {}, was {}", short(now), short(before))),
    }
}

fn short(value: &Json) -> String {
    let text = value.to_string();
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn write(path: &Path, calls: &Json) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(calls).map_err(|error| Failure::new(error.to_string()))?;
    text.push('\n');
    #[expect(clippy::disallowed_methods, reason = "an author's fixture, which git keeps")]
    std::fs::write(path, text).map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_by_their_path() {
        let mut found = Vec::new();
        compare(
            "",
            &json!([[{"a": 1, "b": [1, 2], "d": 0}]]),
            &json!([[{"a": 2, "b": [1], "c": null, "d": 0}]]),
            &mut found,
        );
        assert_eq!(found, ["0.0.a: 2, was 1", "0.0.b.1: missing, was 2", "0.0.c: new, null"]);
    }
}
