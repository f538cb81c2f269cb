//! `ghostd show`: one snapshot as a page, as JSON, or as the bytes that were sealed.

use std::io::Write;
use std::process::ExitCode;

use super::{Failure, Places, list, output, page, place};
use crate::clock;
use crate::model::{Body, SectionCompleteness};
use crate::store::{Name, Source};
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// An id, a prefix of one, `latest`, `latest~N` or `@TIME`
    #[arg(default_value = "latest")]
    snapshot: String,
    /// Only this section
    #[arg(long, value_name = "KEY")]
    section: Option<String>,
    /// The body as it was sealed, byte for byte
    #[arg(long, conflicts_with = "section")]
    raw: bool,
}

pub(crate) fn run(places: &Places, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let paths = place::paths(places)?;
    let reader = list::open(&paths.data_dir)?;
    let id = reader.resolve(&Name::parse(&arguments.snapshot, clock::wall())?)?;
    let checked = reader.read(id)?;
    if arguments.raw {
        let mut out = std::io::stdout().lock();
        if writeln!(out, "{}", checked.body_text).is_err() {
            return Ok(ExitCode::SUCCESS);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(key) = &arguments.section {
        let entry = checked.body.sections.get(key).ok_or_else(|| {
            let known: Vec<&str> = checked.body.sections.keys().map(String::as_str).collect();
            Failure::new(format!(
                "snapshot `{id}` has no section `{}` (it has {})",
                output::escaped(key),
                known.join(", ")
            ))
        })?;
        if places.json {
            output::print_json(entry);
        } else {
            page::outline(&entry.body, 0);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if places.json {
        // The text as it is: what is shown is what was sealed.
        output::line(&checked.body_text);
    } else {
        whole(&checked.body, &checked.sha256.to_string());
    }
    Ok(ExitCode::SUCCESS)
}

fn whole(body: &Body, sha256: &str) {
    let facts = [
        ("snapshot", format!("{} ({})", body.id, body.link.sequence)),
        ("captured", format!("{} ({})", output::local(body.captured_at), body.captured_at)),
        ("trigger", body.trigger.as_str().to_owned()),
        ("reason", body.reason.clone().unwrap_or_default()),
        ("host", format!("{}, {}, {} {}", body.host.hostname, body.host.os, body.host.kernel, body.host.arch)),
        ("up for", output::duration(body.host.uptime_seconds)),
        ("load", body.host.load_average.map(|load| format!("{load:.2}")).join(" ")),
        ("sha256", sha256.to_owned()),
        (
            "signed by",
            body.link.seal.as_ref().map(|seal| format!("key {}, {}", seal.number, seal.public_key)).unwrap_or_default(),
        ),
        ("redacted", body.redactions.total.to_string()),
        ("notice", body.notices.join("; ")),
    ];
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        output::line(format!("{name:<10} {}", output::escaped(value)));
    }
    let open: Vec<_> = body.findings.iter().filter(|one| !one.finding.resolved).collect();
    if !open.is_empty() {
        output::line("\nopen findings");
        let mut table = output::Table::new(&["SEVERITY", "COLLECTOR", "COUNT", "TITLE"]);
        for one in open {
            table.row([
                format!("{:?}", one.finding.severity).to_lowercase(),
                one.collector.clone(),
                one.finding.count.to_string(),
                one.finding.title.clone(),
            ]);
        }
        table.print();
    }
    for (key, entry) in &body.sections {
        let age = entry.age_ms.map(|ms| format!(", {} old", output::duration(ms as f64 / 1e3))).unwrap_or_default();
        let state = match entry.completeness {
            SectionCompleteness::Complete => "complete",
            SectionCompleteness::Partial => "partial",
            SectionCompleteness::Carried => "carried",
            SectionCompleteness::Missing => "missing",
        };
        output::line(format!("\n{key} ({state}{age})"));
        if let Some(error) = &entry.error {
            output::line(format!("  ! {}", output::escaped(error)));
        }
        for warning in &entry.warnings {
            output::line(format!("  ! {}", output::escaped(warning)));
        }
        page::section(&entry.schema, &entry.body);
    }
}
