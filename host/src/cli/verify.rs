//! `ghostd verify`: every byte of every snapshot, and the chain between them.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use super::{Failure, Places, list, output, place};
use crate::clock;
use crate::store::{Name, Reader, Source, Verdict, Verification, verify_file};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Snapshots (an id, a prefix, `latest`, ...) or files; the whole store where none is named
    #[arg(value_name = "SNAPSHOT|FILE")]
    names: Vec<String>,
}

pub(crate) fn run(places: &Places, arguments: &Arguments) -> Result<ExitCode, Failure> {
    if arguments.names.is_empty() {
        let reader = list::open(&place::paths(places)?.data_dir)?;
        let verification = reader.verify(&mut |_, _| {})?;
        return Ok(tell(places, &[verification], &[]));
    }
    let mut verifications = Vec::new();
    let mut files = Vec::new();
    let mut reader: Option<Reader> = None;
    for name in &arguments.names {
        // What looks like a path is one: a file can be checked without any store.
        if name.contains('/') || Path::new(name).is_file() {
            files.push((name.clone(), verify_file(Path::new(name)).map(|checked| checked.body.id.to_string())));
            continue;
        }
        let reader = match &reader {
            Some(reader) => reader,
            None => reader.insert(list::open(&place::paths(places)?.data_dir)?),
        };
        let id = reader.resolve(&Name::parse(name, clock::wall())?)?;
        verifications.push(reader.verify_one(id)?);
    }
    Ok(tell(places, &verifications, &files))
}

type CheckedFile = (String, Result<String, crate::store::Problem>);

fn tell(places: &Places, verifications: &[Verification], files: &[CheckedFile]) -> ExitCode {
    let fine = verifications.iter().all(Verification::is_intact) && files.iter().all(|(_, result)| result.is_ok());
    if places.json {
        let files: Vec<_> = files
            .iter()
            .map(|(file, result)| {
                serde_json::json!({
                    "file": file, "id": result.as_ref().ok(), "problem": result.as_ref().err(),
                })
            })
            .collect();
        output::print_json(&serde_json::json!({"intact": fine, "stores": verifications, "files": files}));
    } else {
        for (file, result) in files {
            match result {
                Ok(id) => output::line(format!("intact  {}  {id}", output::escaped(file))),
                Err(problem) => output::line(format!("BAD     {}: {problem}", output::escaped(file))),
            }
        }
        for verification in verifications {
            page(verification);
        }
    }
    if fine { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

fn page(verification: &Verification) {
    for Verdict { file, sequence, problem, .. } in &verification.verdicts {
        let place = sequence.map(|sequence| format!(" ({sequence})")).unwrap_or_default();
        output::line(format!("BAD     {}{place}: {}", output::escaped(file), output::escaped(&problem.to_string())));
    }
    for id in &verification.heartbeats.altered {
        output::line(format!("BAD     the heartbeats before snapshot {id} are not what they were"));
    }
    for finding in &verification.audit.findings {
        output::line(format!(
            "BAD     audit log: {}",
            output::escaped(&format!("line {}: {}", finding.line, finding.flaw))
        ));
    }
    for gap in &verification.gaps {
        let span = if gap.first == gap.last { gap.first.to_string() } else { format!("{} to {}", gap.first, gap.last) };
        let reasons: Vec<String> = gap.reasons.iter().map(|(reason, count)| format!("{count} by {reason}")).collect();
        output::line(format!("gone    {span}: {}", output::escaped(&reasons.join(", "))));
    }
    output::line(format!("{} of {} snapshots intact", verification.intact, verification.files));
    if verification.heartbeats.no_longer_kept > 0 {
        output::line(format!("heartbeats no longer kept for {}", verification.heartbeats.no_longer_kept));
    }
}
