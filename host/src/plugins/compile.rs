//! Turning a component into native code, in a process of its own.
//!
//! A compiler takes tens of megabytes that it never gives back, and its running time and memory are for an
//! attacker to choose; the daemon therefore never compiles. It starts itself as a child that reads the
//! component from standard input, and maps what that leaves in the cache.
//!
//! Owns: the child's start, its limits and its end. Must not know: grants, configuration, schedules.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use wasmtime::Engine;
use wasmtime::component::Component;

use super::cache::Cache;
use crate::model::Digest;

/// The name of the hidden command that the child runs.
pub const CHILD_COMMAND: &str = "compile-component";

/// The largest component that is accepted, in bytes. Compiling time and memory grow with it.
pub const MAX_COMPONENT_BYTES: u64 = 64 << 20;

/// How long one component may take to compile before its child is killed. A Python component of 18 MB takes 14 s
/// on a quiet machine, and minutes on one that is busy with more important things than this child.
pub const COMPILE_DEADLINE: Duration = Duration::from_secs(300);

/// The address space of the child, in bytes: compiling a hostile component ends here and not in the machine's memory.
const CHILD_ADDRESS_SPACE: u64 = 4 << 30;

/// How much of the child's complaint is read, in bytes.
const MAX_MESSAGE_BYTES: u64 = 8 << 10;

/// Why a component could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// It is native code already, which is run on nobody's word.
    #[error("it is precompiled native code, which ghostd never loads from a file (give it the .wasm component)")]
    Precompiled,
    /// Not a component.
    #[error("it is no WebAssembly component: {0}")]
    NotAComponent(String),
    /// Larger than is accepted.
    #[error("it has {size} bytes, more than the {MAX_COMPONENT_BYTES} that are accepted")]
    TooLarge {
        /// Its size.
        size: u64,
    },
    /// The child took too long and was killed.
    #[error("compiling it took longer than {} s", COMPILE_DEADLINE.as_secs())]
    Deadline,
    /// The child could not be started or talked to.
    #[error("cannot run the compiler's process")]
    Child(#[source] std::io::Error),
    /// The compiler refused it.
    #[error("the compiler refused it: {0}")]
    Refused(String),
}

/// The native form of a component: from the cache, or compiled by a child into the cache, or, where there is no
/// cache, compiled here.
pub fn component(
    engine: &Engine,
    cache: Option<&Cache>,
    program: &Path,
    wasm: &[u8],
    sha256: &Digest,
) -> Result<Component, CompileError> {
    check_kind(wasm)?;
    let Some(cache) = cache else { return in_memory(engine, wasm) };
    if let Some(component) = cache.get(engine, sha256) {
        return Ok(component);
    }
    match in_child(cache, program, wasm, sha256) {
        Ok(()) => match cache.get(engine, sha256) {
            Some(component) => Ok(component),
            None => in_memory(engine, wasm),
        },
        Err(CompileError::Child(error)) => {
            tracing::warn!(%error, "The compiler's process failed; a collector is compiled in memory, which costs ghostd some of it.");
            in_memory(engine, wasm)
        }
        Err(error) => Err(error),
    }
}

fn check_kind(wasm: &[u8]) -> Result<(), CompileError> {
    if wasm.len() as u64 > MAX_COMPONENT_BYTES {
        return Err(CompileError::TooLarge { size: wasm.len() as u64 });
    }
    if Engine::detect_precompiled(wasm).is_some() {
        return Err(CompileError::Precompiled);
    }
    match wasm {
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Err(CompileError::NotAComponent(
            "it is a core module (build it for wasm32-wasip2, or wrap it with `wasm-tools component new`)".to_owned(),
        )),
        [] => Err(CompileError::NotAComponent("it is empty".to_owned())),
        _ => Err(CompileError::NotAComponent("it does not begin as one".to_owned())),
    }
}

fn in_memory(engine: &Engine, wasm: &[u8]) -> Result<Component, CompileError> {
    Component::new(engine, wasm).map_err(|error| CompileError::Refused(format!("{error:#}")))
}

fn in_child(cache: &Cache, program: &Path, wasm: &[u8], sha256: &Digest) -> Result<(), CompileError> {
    let target = cache.path(sha256);
    let mut child = Command::new(program)
        .arg(CHILD_COMMAND)
        .arg(&target)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(CompileError::Child)?;
    let stdin = child.stdin.take();
    let stderr = child.stderr.take();
    let deadline = Instant::now() + COMPILE_DEADLINE;
    // Three things at once, so that neither pipe can fill up and stop the other side.
    let (status, message) = std::thread::scope(|scope| {
        scope.spawn(move || {
            // A child that died has closed the pipe; its status says why.
            stdin.map(|mut pipe| pipe.write_all(wasm))
        });
        let complaint = scope.spawn(move || {
            let mut text = String::new();
            if let Some(pipe) = stderr {
                let _ = pipe.take(MAX_MESSAGE_BYTES).read_to_string(&mut text);
            }
            text
        });
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break Ok(Some(status)),
                Ok(None) if Instant::now() >= deadline => {
                    let _ = child.kill();
                    let _ = child.wait();
                    break Ok(None);
                }
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                Err(error) => break Err(error),
            }
        };
        (status, complaint.join().unwrap_or_default())
    });
    match status.map_err(CompileError::Child)? {
        None => Err(CompileError::Deadline),
        Some(status) if status.success() => cache.vouch(sha256).map_err(CompileError::Child),
        Some(status) if status.code() == Some(1) => Err(CompileError::Refused(message.trim().to_owned())),
        Some(status) => Err(CompileError::Child(std::io::Error::other(format!("{status}: {}", message.trim())))),
    }
}

/// What the child does: reads a component from standard input and leaves its native form at `target`.
/// The text of an error goes to standard error and means "refused" (exit 1).
pub fn run_child(target: &Path) -> Result<(), String> {
    limit_this_process();
    let mut wasm = Vec::new();
    std::io::stdin()
        .lock()
        .take(MAX_COMPONENT_BYTES + 1)
        .read_to_end(&mut wasm)
        .map_err(|error| format!("cannot read the component: {error}"))?;
    check_kind(&wasm).map_err(|error| error.to_string())?;
    let engine = super::engine::new_engine().map_err(|error| format!("{error:#}"))?;
    let native = engine.precompile_component(&wasm).map_err(|error| format!("{error:#}"))?;
    let temporary = target.with_extension(format!("tmp-{}", std::process::id()));
    #[expect(clippy::disallowed_methods, reason = "a cache entry that a power cut loses is a miss")]
    let written = std::fs::write(&temporary, native).and_then(|()| std::fs::rename(&temporary, target));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&temporary);
        format!("cannot write `{}`: {error}", target.display())
    })
}

fn limit_this_process() {
    use rustix::process::{Resource, Rlimit, nice, setrlimit};
    // Where one of these is refused the deadline still holds.
    let _ = nice(10);
    let limit = Rlimit { current: Some(CHILD_ADDRESS_SPACE), maximum: Some(CHILD_ADDRESS_SPACE) };
    let _ = setrlimit(Resource::As, limit);
    let _ = rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}
