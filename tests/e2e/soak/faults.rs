//! Faults at the kernel's boundary: the real binary is killed before its k-th file-system call, and each of its calls
//! fails in turn. SQLite's calls are among them, and those of rustix, which go past any preloaded library.
//!
//! `tests/soak/faultns.c` stands between ghostd and the kernel by seccomp's user notification.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use super::{
    Random, SMALL, copied, is_whole, must_be_sound, must_end_well, rounds, skipped, some_of, temporaries,
    whole_snapshots,
};
use crate::harness::{Answer, PATIENCE, Site, bounded, until};

/// What is done to one call, and to those after it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// The process is killed instead of the call.
    Kill,
    /// The call fails with this, so many times; 0 is for ever.
    Error(&'static str, usize),
    /// The call writes half of what it should, so many times.
    Short(usize),
}

impl Fault {
    /// Each kind of fault: once, three times, for ever.
    fn all() -> Vec<Self> {
        let mut all = vec![Self::Kill];
        for times in [1, 3, 0] {
            all.extend(["ENOSPC", "EIO", "EROFS", "EMFILE"].map(|error| Self::Error(error, times)));
            all.push(Self::Short(times));
        }
        all
    }

    /// What it can strike.
    fn strikes(self) -> &'static str {
        match self {
            Self::Error("EMFILE", _) => "opens",
            Self::Short(_) => "writes",
            Self::Kill | Self::Error(..) => "changes",
        }
    }

    fn arguments(self) -> Vec<String> {
        match self {
            Self::Kill => vec!["-x".to_owned()],
            // A process runs out of descriptors where it opens something, and nowhere else.
            Self::Error("EMFILE", times) => {
                ["-o", "ropen,open,create", "-e", "EMFILE", "-c", &times.to_string()].map(str::to_owned).to_vec()
            }
            Self::Error(error, times) => ["-e", error, "-c", &times.to_string()].map(str::to_owned).to_vec(),
            Self::Short(times) => ["-s", "-c", &times.to_string()].map(str::to_owned).to_vec(),
        }
    }
}

/// The tool, or why it cannot be used here.
pub(crate) fn faultns() -> Result<&'static Path, &'static str> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/soak/faultns.c");
        let tool = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("faultns-{}", std::process::id()));
        let built = Command::new("cc").args(["-O2", "-w", "-o"]).args([&tool, &source]).output();
        match built {
            Ok(output) if output.status.success() => {}
            Ok(output) => return Err(format!("cc: {}", String::from_utf8_lossy(&output.stderr))),
            Err(error) => return Err(format!("no C compiler: {error}")),
        }
        let tried = Command::new(&tool).args(["-k", "0", "--", "true"]).output().unwrap();
        if tried.status.success() { Ok(tool) } else { Err(String::from_utf8_lossy(&tried.stderr).into_owned()) }
    });
    built.as_deref().map_err(String::as_str)
}

/// A command of ghostd under the tool: its calls below the data directory are counted, and from the `at`-th on it
/// gets the fault. 0 only counts.
pub(crate) fn under(tool: &Path, site: &Site, fault: Fault, at: usize, arguments: &[&str]) -> Command {
    let inner = site.command(arguments);
    let mut command = Command::new(tool);
    command.arg("-p").arg(site.data()).arg("-k").arg(at.to_string()).args(fault.arguments());
    command.arg("-l").arg(site.path("calls"));
    command.arg("--").arg(inner.get_program()).args(inner.get_args()).current_dir(site.root());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

fn answer(command: Command) -> Answer {
    let output = bounded(command);
    Answer {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Something that ghostd does, and the store that it does it to.
struct Operation {
    name: &'static str,
    config: String,
    base: Site,
    /// The arguments, once it is known where the copy lies.
    arguments: Box<dyn Fn(&Site) -> Vec<String>>,
}

fn operations() -> Vec<Operation> {
    let few = format!("{SMALL}[store]\nmax_count = 1\nkeep_last = 2\nkeep_hourly = 0\nmax_important = 0\n");
    let base = |snapshots: usize| {
        let site = Site::with(SMALL);
        for _ in 0..snapshots {
            site.snapshot();
        }
        site
    };
    let fixed = |words: &'static [&'static str]| -> Box<dyn Fn(&Site) -> Vec<String>> {
        Box::new(move |_| words.iter().map(|word| (*word).to_owned()).collect())
    };
    vec![
        Operation { name: "capture", config: SMALL.to_owned(), base: base(3), arguments: fixed(&["snapshot"]) },
        Operation { name: "prune", config: few, base: base(6), arguments: fixed(&["prune"]) },
    ]
}

#[test]
fn every_call_fails_or_is_the_last() {
    let tool = match faultns() {
        Ok(tool) => tool,
        Err(why) => return skipped(why),
    };
    let mut random = Random::seeded();
    let chosen = rounds(9);
    let mut report = Vec::new();
    for operation in operations() {
        let mut cases = Vec::new();
        let mut calls_of: BTreeMap<&str, usize> = BTreeMap::new();
        for fault in Fault::all() {
            // What is counted depends on the fault: a short write can only be had of a write.
            let calls = *calls_of.entry(fault.strikes()).or_insert_with(|| count(tool, &operation, fault));
            cases.extend((1..=calls).map(|at| (fault, at)));
        }
        let all = cases.len();
        let cases = if is_whole() && chosen >= all { cases } else { some_of(&cases, chosen, &mut random) };
        for (fault, at) in &cases {
            try_one(tool, &operation, *fault, *at);
        }
        report.push(format!("{}: {} of {all} cases", operation.name, cases.len()));
    }
    println!("{}", report.join("; "));
}

/// How many calls the operation makes that this fault can strike. The calls are printed, so that it can be seen which.
fn count(tool: &Path, operation: &Operation, fault: Fault) -> usize {
    let site = copied(&operation.base, &operation.config);
    let arguments = (operation.arguments)(&site);
    let told = answer(under(tool, &site, fault, 0, &words(&arguments)));
    assert_eq!(told.code, Some(0), "{}: {told:?}", operation.name);
    let log = std::fs::read_to_string(site.path("calls")).unwrap();
    let total = log.lines().last().and_then(|line| line.strip_prefix("TOTAL ")).unwrap();
    if matches!(fault, Fault::Kill) {
        eprintln!("--- {}: the calls\n{}", operation.name, log.replace(&*site.data().to_string_lossy(), "<data>"));
    }
    total.split_whitespace().next().unwrap().parse().unwrap()
}

fn try_one(tool: &Path, operation: &Operation, fault: Fault, at: usize) {
    let what = format!("{}, {fault:?} at call {at}", operation.name);
    let site = copied(&operation.base, &operation.config);
    let arguments = (operation.arguments)(&site);
    let mut acknowledged: BTreeSet<String> = whole_snapshots(&site.data());
    let told = answer(under(tool, &site, fault, at, &words(&arguments)));
    if matches!(fault, Fault::Kill) {
        assert!(told.code.is_none() || told.code == Some(128 + 9) || told.code == Some(0), "{what}: {told:?}");
    } else {
        must_end_well(&told, &what);
    }
    if operation.name == "capture" {
        // What it printed, it acknowledged, also where it was killed a moment later.
        acknowledged.extend(told.stdout.split_whitespace().map(str::to_owned));
        assert_eq!(told.code == Some(0), !told.stdout.is_empty(), "{what}: {told:?}");
    }
    // Whatever has its final name is whole.
    whole_snapshots(&site.data());

    // The fault is gone, and the next capture goes on as if nothing had been.
    let next = site.ghostd(&["snapshot"]);
    assert_eq!(next.code, Some(0), "{what}: {next:?}");
    acknowledged.insert(next.stdout.trim().to_owned());
    must_be_sound(&site.data(), &acknowledged, &what);
    let left = temporaries(&site.data());
    assert!(left.is_empty(), "{what}: {left:?}");
}

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// A daemon whose disk fails for a while stays up, says so, and goes on by itself when the disk does.
#[test]
fn a_daemon_outlives_a_disk_that_fails_for_a_while() {
    let tool = match faultns() {
        Ok(tool) => tool,
        Err(why) => return skipped(why),
    };
    let config = format!(
        "{SMALL}[snapshot]\nevery = \"200ms\"\n[heartbeat]\nevery = \"200ms\"\n[store]\nmax_count = 5\nkeep_last = 3\nkeep_hourly = 0\ncleanup_every = \"1s\"\n"
    );
    let mut random = Random::seeded();
    let base = Site::with(SMALL);
    base.snapshot();
    for round in 0..rounds(3) {
        let error = ["ENOSPC", "EIO", "EROFS"][round % 3];
        let (at, times) = (1 + random.below(400) as usize, 20 + random.below(80) as usize);
        let what = format!("round {round}: {error} at call {at}, {times} times");
        let site = copied(&base, &config);
        let acknowledged = whole_snapshots(&site.data());
        let log = std::fs::File::create(site.path("log")).unwrap();
        let mut command = under(tool, &site, Fault::Error(error, times), at, &["run"]);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let mut process = crate::harness::Process(command.spawn().unwrap());
        let calls = || std::fs::read_to_string(site.path("calls")).unwrap_or_default();
        until(&format!("{what}: the faults are over"), PATIENCE, || {
            (calls().matches(" INJECTED").count() >= times || process.0.try_wait().unwrap().is_some()).then_some(())
        });
        let said = || std::fs::read_to_string(site.path("log")).unwrap();
        if let Some(status) = process.0.try_wait().unwrap() {
            // It may refuse to start where nothing can be written; it must not die later, and never of a panic.
            let text = said();
            assert_eq!(status.code(), Some(2), "{what}: {text}");
            assert!(!text.contains("panicked") && !text.contains("A snapshot is durable."), "{what}: {text}");
        } else {
            let newest = || site.files().last().cloned();
            let before = newest();
            until(&format!("{what}: snapshots again\n{}", said()), PATIENCE, || (newest() != before).then_some(()));
            process.signal(crate::harness::Signal::TERM);
            let status = until(&format!("{what}: it ends"), Duration::from_secs(20), || process.0.try_wait().unwrap());
            assert!(status.success(), "{what}: {status} {}", said());
            assert!(!said().contains("panicked"), "{what}: {}", said());
        }
        site.ghostd(&["snapshot"]).exits(0);
        must_be_sound(&site.data(), &acknowledged, &what);
        assert!(temporaries(&site.data()).is_empty(), "{what}");
    }
}
