//! `ghostd verify`: every byte of every snapshot, and the chain between them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::progress::Progress;
use super::{Failure, Places, list, output, place};
use crate::clock;
use crate::head;
use crate::model::PublicKey;
use crate::seal::Checked;
use crate::store::{Head, Name, Problem, Reader, SealCheck, Source, Verdict, Verification, verify_file};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Snapshots (an id, a prefix, `latest`, ...) or files; the whole store where none is named
    #[arg(value_name = "SNAPSHOT|FILE")]
    names: Vec<String>,
    /// A public key that `ghostd key new` printed, or a file with it: every snapshot must be signed by it or by one that
    /// follows from it. Can be repeated
    #[arg(long = "public-key", value_name = "HEX|FILE")]
    public_keys: Vec<String>,
    /// A file of published heads, such as `security.head_file` or a syslog: each must be borne out by what is stored
    #[arg(long, value_name = "FILE")]
    heads: Option<PathBuf>,
}

pub(crate) fn run(places: &Places, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let keys = arguments.public_keys.iter().map(|given| public_key(given)).collect::<Result<Vec<_>, _>>()?;
    let heads = arguments.heads.as_deref().map(published).transpose()?;
    if arguments.names.is_empty() {
        let reader = list::open(&place::paths(places)?.data_dir)?;
        let progress = Progress::count("snapshots");
        let verification = reader.verify(&mut |done, all| progress.at(done, all))?;
        let mut more = Vec::new();
        if !keys.is_empty() {
            more.push(("signatures", reader.verify_seals(&keys, &mut |done, all| progress.at(done, all))?));
        }
        if let Some(heads) = &heads {
            more.push(("heads", reader.verify_heads(heads)?));
        }
        drop(progress);
        return Ok(tell(places, &[verification], &[], &more));
    }
    if heads.is_some() {
        return Err(Failure::new("--heads is held against the whole store: name no snapshot"));
    }
    let mut verifications = Vec::new();
    let mut files = Vec::new();
    let mut reader: Option<Reader> = None;
    for name in &arguments.names {
        // What looks like a path is one: a file can be checked without any store.
        if name.contains('/') || Path::new(name).is_file() {
            let checked = verify_file(Path::new(name)).and_then(|checked| signed_by(checked, &keys));
            files.push((name.clone(), checked.map(|checked| checked.body.id.to_string())));
            continue;
        }
        let reader = match &reader {
            Some(reader) => reader,
            None => reader.insert(list::open(&place::paths(places)?.data_dir)?),
        };
        let id = reader.resolve(&Name::parse(name, clock::wall())?)?;
        let mut verification = reader.verify_one(id)?;
        if !keys.is_empty() {
            // Whether a key follows from another only the whole store knows.
            let seals = reader.verify_seals(&keys, &mut |_, _| {})?;
            verification.verdicts.extend(seals.verdicts.into_iter().filter(|verdict| verdict.id == Some(id)));
        }
        verifications.push(verification);
    }
    Ok(tell(places, &verifications, &files, &[]))
}

type CheckedFile = (String, Result<String, crate::store::Problem>);

fn public_key(given: &str) -> Result<PublicKey, Failure> {
    let text = match given.parse::<PublicKey>() {
        Ok(key) => return Ok(key),
        Err(_) => std::fs::read_to_string(given).map_err(|error| {
            Failure::new(format!("`{given}` is neither a public key nor a file that can be read: {error}"))
        })?,
    };
    let word = text.split_whitespace().next().unwrap_or_default();
    word.parse()
        .map_err(|_| Failure::new(format!("`{given}` does not begin with a public key of 64 hexadecimal digits")))
}

fn published(path: &Path) -> Result<Vec<Head>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("cannot read the heads in `{}`: {error}", path.display())))?;
    let heads = head::read(&text);
    if heads.is_empty() { Err(Failure::new(format!("there is no head in `{}`", path.display()))) } else { Ok(heads) }
}

/// A file alone knows no other key than the one that signed it.
fn signed_by(checked: Checked, keys: &[PublicKey]) -> Result<Checked, Problem> {
    let key = checked.body.link.seal.as_ref().map(|seal| seal.public_key);
    match key {
        _ if keys.is_empty() => Ok(checked),
        Some(key) if keys.contains(&key) => Ok(checked),
        Some(key) => Err(Problem::Unsigned(format!(
            "key {key} signed it, which was not given (verify the store: it knows whether that key follows from one that was)"
        ))),
        None => Err(Problem::Unsigned("it has no signature".to_owned())),
    }
}

type More<'a> = (&'a str, SealCheck);

fn tell(places: &Places, verifications: &[Verification], files: &[CheckedFile], more: &[More<'_>]) -> ExitCode {
    let fine = more.iter().all(|(_, check)| check.verdicts.is_empty())
        && verifications.iter().all(Verification::is_intact)
        && files.iter().all(|(_, result)| result.is_ok());
    if places.json {
        let files: Vec<_> = files
            .iter()
            .map(|(file, result)| {
                serde_json::json!({
                    "file": file, "id": result.as_ref().ok(), "problem": result.as_ref().err(),
                })
            })
            .collect();
        let mut document = serde_json::json!({"intact": fine, "stores": verifications, "files": files});
        for (what, check) in more {
            document[*what] = serde_json::json!(check);
        }
        output::print_json(&document);
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
        for (what, check) in more {
            for Verdict { file, problem, .. } in &check.verdicts {
                output::line(format!("BAD     {}: {}", output::escaped(file), output::escaped(&problem.to_string())));
            }
            let unknown = match check.unknown {
                0 => String::new(),
                count => format!(", {count} are older than the first signature"),
            };
            output::line(format!("{} {what} good{unknown}", check.good));
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
