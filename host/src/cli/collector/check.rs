//! `ghostd collector check`: every question that loading asks, all of them, with what to do about each answer.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::super::{Failure, Places, output};
use super::{machinery, name_of, origin, settings};
use crate::chain::chain;
use crate::config;
use crate::dropins;
use crate::plugins::capability::{CONTRACT_VERSION, Need, need};
use crate::plugins::contract;
use crate::plugins::load::{self, LoadError, Source};
use crate::plugins::validate::Descriptor;
use crate::wiring::{self, Machinery};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A .wasm file, or `builtin:clock`
    component: String,
    /// The collector's name in the configuration [default: after the file]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// What became of one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    Note,
    Wrong,
}

#[derive(Debug, Serialize)]
struct Answer {
    question: &'static str,
    verdict: Verdict,
    says: String,
}

#[derive(Default)]
struct Answers(Vec<Answer>);

impl Answers {
    fn add(&mut self, question: &'static str, verdict: Verdict, says: impl Into<String>) {
        self.0.push(Answer { question, verdict, says: says.into() });
    }

    fn good(&mut self, question: &'static str, says: impl Into<String>) {
        self.add(question, Verdict::Ok, says);
    }

    fn wrong(&mut self, question: &'static str, says: impl Into<String>) {
        self.add(question, Verdict::Wrong, says);
    }

    /// Adds a result, and gives what was good.
    fn take<T>(
        &mut self,
        question: &'static str,
        result: Result<T, LoadError>,
        good: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        match result {
            Ok(value) => {
                self.good(question, good(&value));
                Some(value)
            }
            Err(error) => {
                self.wrong(question, chain(&error));
                None
            }
        }
    }
}

pub(super) fn run(places: &Places, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let machinery = machinery(places)?;
    let origin = origin(&arguments.component);
    let name = arguments.name.clone().unwrap_or_else(|| name_of(&origin));
    let collector = settings(&machinery, &name, &origin);
    let source = load::read(&origin)?;
    let mut answers = Answers::default();
    ask(&machinery, &collector, &source, &mut answers);
    let bad = answers.0.iter().any(|answer| answer.verdict == Verdict::Wrong);
    if places.json {
        output::print_json(&serde_json::json!({
            "component": origin.to_string(), "collector": name, "good": !bad, "answers": answers.0,
        }));
    } else {
        for answer in &answers.0 {
            let mark = match answer.verdict {
                Verdict::Ok => "ok   ",
                Verdict::Note => "note ",
                Verdict::Wrong => "WRONG",
            };
            output::line(format!("{mark}  {:<14}{}", answer.question, output::escaped(&answer.says)));
        }
        output::line(if bad { "\nghostd would not run it as it is." } else { "\nghostd runs it as it is." });
    }
    Ok(if bad { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn ask(machinery: &Machinery, collector: &config::Collector, source: &Source, answers: &mut Answers) {
    let request = wiring::request(collector);
    answers.good("file", format!("{}, SHA-256 {}", output::bytes(source.wasm.len() as u64), source.sha256));
    if let Some(pinned) = request.pin {
        let pin = if pinned == source.sha256 { Ok(()) } else { Err(LoadError::Pin { found: source.sha256, pinned }) };
        answers.take("pin", pin, |()| "it is the one that the configuration pins".to_owned());
    }
    answers.take("signature", machinery.loader.check_signature(&request.origin, source), |by| match by {
        Some(by) => format!("by `{by}`"),
        None => "none is asked for".to_owned(),
    });
    let Some(component) = answers
        .take("component", machinery.loader.compile(source).map_err(LoadError::from), |_| "it compiles".to_owned())
    else {
        return;
    };
    let inspection = machinery.loader.inspect(source, &component);
    let fits = contract::check(&inspection.imports, &inspection.exports).map_err(LoadError::from);
    let built_for = contract::built_for(&inspection.imports, &inspection.exports).unwrap_or_default();
    let contract_fits = answers
        .take("contract", fits, |()| format!("built for {built_for}, and this ghostd serves {CONTRACT_VERSION}"))
        .is_some();
    answers.take("grants", load::check_imports(&inspection, &request), |()| match inspection.grants.len() {
        0 => "it needs none".to_owned(),
        _ => format!("it has what it needs: {}", inspection.grants.iter().cloned().collect::<Vec<_>>().join(", ")),
    });
    let trapping: Vec<&str> = inspection
        .imports
        .iter()
        .filter(|import| match need(import) {
            Need::Closed => true,
            Need::Grant(grant) => grant.starts_with("wasi:") && !request.grants.contains(&grant),
            _ => false,
        })
        .map(|import| import.split('@').next().unwrap_or(import))
        .collect();
    if !trapping.is_empty() {
        let says = format!("calling one of these ends the call, as they are not lent: {}", trapping.join(", "));
        answers.add("WASI", Verdict::Note, says);
    }
    if !contract_fits {
        return;
    }
    let describe = || {
        machinery
            .runner
            .block_on(machinery.loader.describe(&component, &inspection, &request.settings))
            .unwrap_or_else(|| Err(LoadError::Contract("ghostd is ending".to_owned())))
    };
    let Some(descriptor) = answers.take("description", describe(), |descriptor| {
        format!("{} {}: {}", descriptor.name, descriptor.version, descriptor.summary)
    }) else {
        return;
    };
    match describe() {
        Ok(again) if again == descriptor => {}
        Ok(_) => answers.wrong("description", "it describes itself differently each time (it must say the same)"),
        Err(error) => answers.wrong("description", format!("the second time: {}", chain(&error))),
    }
    answers.take("configuration", load::check_config(&descriptor, &request.config), |()| {
        match descriptor.config_schema {
            Some(_) => "its schema is valid, and what is configured fits it".to_owned(),
            None => "it takes none".to_owned(),
        }
    });
    if descriptor.config_schema.is_some() && request.config.as_object().is_some_and(serde_json::Map::is_empty) {
        let says = format!(
            "nothing is configured: `{{}}` is what it gets (write it under [collector.{}.config])",
            collector.name
        );
        answers.add("configuration", Verdict::Note, says);
    }
    sections(machinery, collector, &descriptor, answers);
}

/// Whether somebody else has its sections already.
fn sections(machinery: &Machinery, collector: &config::Collector, descriptor: &Descriptor, answers: &mut Answers) {
    let drop_ins = dropins::list(&machinery.config.drop_ins.dir).unwrap_or_default();
    let mut wanted = wiring::wanted(&machinery.config, &drop_ins);
    wanted.insert(collector.name.clone(), collector.clone());
    let taken: Vec<String> = descriptor
        .sections
        .iter()
        .filter_map(|key| {
            let owner = wiring::owner_beforehand(&wanted, key).filter(|owner| *owner != collector.name)?;
            Some(format!("`{key}` belongs to collector `{owner}` (switch that off, or name yours otherwise)"))
        })
        .collect();
    if taken.is_empty() {
        answers.good("sections", descriptor.sections.join(", "));
    } else {
        answers.wrong("sections", taken.join("; "));
    }
}
