//! `ghost:host/commands`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use wasmtime::Result;

use super::super::bindings::ghost::host::commands as wit;
use super::super::bindings::ghost::host::types::Error;
use super::super::state::CallState;
use super::{Answer, may_block, wit_error};
use crate::probe::command::{self, Bounds};
use crate::sanitize::Report;

/// Bytes of standard output that a guest is given.
const MAX_STDOUT_BYTES: usize = 1 << 20;

/// Bytes of standard error that a guest is given.
const MAX_STDERR_BYTES: usize = 64 << 10;

/// The commands that one collector may run: each with its whole argument list, by the configuration alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandsLent {
    /// By name.
    pub commands: BTreeMap<String, Vec<String>>,
    /// How long each may take.
    pub wall: Duration,
}

impl wit::Host for CallState {
    fn names(&mut self) -> Result<Vec<String>> {
        self.lent.collecting()?;
        Ok(match &self.lent.fake {
            Some(fake) => fake.commands.keys().cloned().collect(),
            None => self.lent.commands.commands.keys().cloned().collect(),
        })
    }

    fn run(&mut self, name: String) -> Answer<wit::Output> {
        let lent = std::sync::Arc::clone(&self.lent.commands);
        let left = self.lent.deadline.saturating_duration_since(Instant::now());
        let collector = std::sync::Arc::clone(&self.lent.collector);
        self.lend(
            |fake| fake.command(&name),
            |services| {
                let Some(argv) = lent.commands.get(&name) else {
                    let shown: String = name.chars().take(64).filter(|c| !c.is_control()).collect();
                    return Ok(Err(Error::Denied(format!(
                        "there is no command `{shown}` (add it to [collector.{collector}.commands])"
                    ))));
                };
                // It never outlives the call that it was run for.
                let bounds = Bounds {
                    wall: lent.wall.min(left),
                    stdout_bytes: MAX_STDOUT_BYTES,
                    stderr_bytes: MAX_STDERR_BYTES,
                };
                let clean = |bytes: &[u8]| {
                    services.sanitizer.text(&String::from_utf8_lossy(bytes), &mut Report::default()).into_owned()
                };
                Ok(match may_block(|| command::run(argv, bounds)) {
                    Err(error) => Err(wit_error(error)),
                    Ok(output) => Ok(wit::Output {
                        code: output.code,
                        stdout: clean(&output.stdout),
                        stderr: clean(&output.stderr),
                        truncated: output.truncated,
                        duration_ms: u64::try_from(output.duration.as_millis()).unwrap_or(u64::MAX),
                    }),
                })
            },
        )
    }
}
