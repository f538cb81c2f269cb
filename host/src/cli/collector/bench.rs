//! `ghostd collector bench`: what a component costs, and whether the limits have room for it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use super::super::{Failure, Places, output};
use super::trial::{Machine, Trial};
use crate::model::Section;
use crate::plugins::state::Limits;

/// How often the native form is loaded from the cache.
const LOADS: usize = 20;

/// From this share of a limit on, it is worth a word.
const CLOSE: f64 = 0.5;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A .wasm file, or `builtin:clock`
    component: String,
    /// What the machine is like: see `ghostd collector test`
    #[arg(long, value_name = "DIR", conflicts_with = "live")]
    fixtures: Option<PathBuf>,
    /// Against this machine instead of a made-up one, with everything granted that it asks for
    #[arg(long)]
    live: bool,
    /// How often it is instantiated and called
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    runs: u32,
}

/// Median and 95th percentile, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Times {
    p50: f64,
    p95: f64,
}

impl Times {
    fn of(mut ms: Vec<f64>) -> Self {
        ms.sort_by(f64::total_cmp);
        let at = |share: f64| ms.get(((ms.len().saturating_sub(1)) as f64 * share).round() as usize).copied();
        Self { p50: at(0.5).unwrap_or(0.0), p95: at(0.95).unwrap_or(0.0) }
    }

    fn json(self) -> serde_json::Value {
        json!({"p50_ms": rounded(self.p50), "p95_ms": rounded(self.p95)})
    }
}

pub(super) fn run(places: &Places, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let scratch = Scratch::new()?;
    let machine = if arguments.live { Machine::Live } else { Machine::Fixtures(arguments.fixtures.as_deref()) };
    let started = Instant::now();
    let mut trial = Trial::prepare(places, &arguments.component, machine, Some(&scratch.0))?;
    let first_load = started.elapsed();
    // Once more into a cache that does not hold it, to have the compiler alone.
    scratch.forget();
    let compiled = Instant::now();
    trial.machinery.loader.compile(&trial.source)?;
    let compile = compiled.elapsed();
    let native_bytes = scratch.bytes();
    let mut loads = Vec::new();
    for _ in 0..LOADS {
        let started = Instant::now();
        trial.machinery.loader.compile(&trial.source)?;
        loads.push(ms(started.elapsed()));
    }
    let mut instantiate = Vec::new();
    for _ in 0..arguments.runs {
        instantiate.push(ms(trial.describe()?.duration));
    }
    let (mut collect, mut failures, mut last_failure) = (Vec::new(), 0_u32, None);
    let (mut peak, mut host_calls, mut bytes_in, mut bytes_out) = (0, 0, 0, 0);
    for _ in 0..arguments.runs {
        let (result, account) = trial.call();
        collect.push(ms(account.duration));
        peak = peak.max(account.peak_memory_bytes);
        host_calls = host_calls.max(account.host_calls);
        bytes_in = bytes_in.max(account.bytes_lent);
        match result {
            Ok(sections) => bytes_out = bytes_out.max(size(&sections)),
            Err(failure) => {
                failures += 1;
                last_failure = Some(failure.to_string());
            }
        }
    }
    let (load, instantiate, collect) = (Times::of(loads), Times::of(instantiate), Times::of(collect));
    let limits = &trial.loaded.settings.limits;
    let words = close(limits, collect, peak, bytes_out, host_calls, last_failure.as_deref());
    if places.json {
        output::print_json(&json!({
            "collector": trial.name, "size_bytes": trial.source.wasm.len(), "native_bytes": native_bytes,
            "compile_ms": rounded(ms(compile)), "first_load_ms": rounded(ms(first_load)),
            "load_from_cache": load.json(), "instantiate": instantiate.json(), "collect": collect.json(),
            "peak_memory_bytes": peak, "bytes_in": bytes_in, "bytes_out": bytes_out, "host_calls": host_calls,
            "runs": arguments.runs, "failures": failures, "last_failure": last_failure, "limits": words,
        }));
    } else {
        let row = |what: &str, figure: String| output::line(format!("{what:<16}{figure}"));
        let times = |times: Times| format!("{:.3} ms, 95 % below {:.3} ms", times.p50, times.p95);
        row(
            "size",
            format!("{}, native {}", output::bytes(trial.source.wasm.len() as u64), output::bytes(native_bytes)),
        );
        row("compile", format!("{:.0} ms, once", ms(compile)));
        row("load from cache", times(load));
        row("instantiate", format!("{} (with `describe`)", times(instantiate)));
        row("collect", times(collect));
        row("memory", format!("{} of {}", output::bytes(peak), output::bytes(limits.memory_bytes)));
        row("across", format!("{} in (as JSON), {} out", output::bytes(bytes_in), output::bytes(bytes_out)));
        row("host calls", host_calls.to_string());
        row("calls", format!("{}, {failures} failed", arguments.runs));
        for word in &words {
            output::line(format!("! {}", output::escaped(word)));
        }
    }
    Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Which limits it hit or comes close to, each with the setting that raises it.
fn close(
    limits: &Limits,
    collect: Times,
    peak: u64,
    bytes_out: u64,
    host_calls: u64,
    failure: Option<&str>,
) -> Vec<String> {
    let share = |used: f64, limit: f64| used / limit.max(1.0);
    let mut words: Vec<String> = failure.map(|failure| format!("a call failed: {failure}")).into_iter().collect();
    for (what, used, limit, setting) in [
        ("its time", share(collect.p95, ms(limits.wall)), format!("{} ms", limits.wall.as_millis()), "wall"),
        ("its memory", share(peak as f64, limits.memory_bytes as f64), output::bytes(limits.memory_bytes), "memory"),
        (
            "its result",
            share(bytes_out as f64, limits.result_bytes as f64),
            output::bytes(limits.result_bytes),
            "result",
        ),
        (
            "its host calls",
            share(host_calls as f64, limits.host_calls as f64),
            limits.host_calls.to_string(),
            "host_calls",
        ),
    ] {
        if used > CLOSE {
            words.push(format!("{what} is {:.0} % of the limit of {limit} (raise `limits.{setting}`)", used * 100.0));
        }
    }
    words
}

/// Bytes of what a call returned, as it is recorded.
fn size(sections: &[Section]) -> u64 {
    serde_json::to_vec(sections).map_or(0, |text| text.len() as u64)
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn rounded(ms: f64) -> f64 {
    (ms * 1e3).round() / 1e3
}

/// A cache of its own, gone with the benchmark.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Failure> {
        let dir = std::env::temp_dir().join(format!("ghostd-bench-{}", uuid::Uuid::new_v4()));
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&dir)
            .map_err(|error| Failure::new(format!("cannot make `{}`: {error}", dir.display())))?;
        Ok(Self(dir))
    }

    fn native(&self) -> Vec<PathBuf> {
        let all = std::fs::read_dir(&self.0).map(|entries| entries.flatten().map(|entry| entry.path()).collect());
        let all: Vec<PathBuf> = all.unwrap_or_default();
        all.into_iter().filter(|path| has_extension(path, "cwasm")).collect()
    }

    fn forget(&self) {
        for file in self.native() {
            let _ = std::fs::remove_file(file);
        }
    }

    fn bytes(&self) -> u64 {
        self.native().iter().filter_map(|file| std::fs::metadata(file).ok()).map(|meta| meta.len()).sum()
    }
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
