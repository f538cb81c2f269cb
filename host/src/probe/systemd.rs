//! How often systemd restarted the units of daemons, where there is a systemd and the configuration names units.
//!
//! Owns the asking (`systemctl show`, bounded in time and output) and the table of counts. What is not known is absent.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often systemd is asked. A program is started for it, so not with every beat.
const ASK_EVERY: Duration = Duration::from_secs(30);
/// How long the program may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// What is read of its answer.
const MAX_ANSWER_BYTES: u64 = 256 << 10;
/// It is there where systemd runs the machine (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";

/// The counts by daemon; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct UnitTable(Arc<Mutex<BTreeMap<String, u64>>>);

impl UnitTable {
    /// How often systemd restarted the unit of this daemon; none where that is not known.
    pub fn restarts(&self, daemon: &str) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(daemon).copied()
    }
}

/// Asks systemd until it is dropped.
#[derive(Debug)]
pub struct UnitProber {
    /// Daemons and their units.
    units: Vec<(String, String)>,
    program: PathBuf,
    table: UnitTable,
}

impl UnitProber {
    /// For these daemons and units. Asks nobody before [`UnitProber::run`].
    pub fn new(units: Vec<(String, String)>) -> Self {
        Self { units, program: "systemctl".into(), table: UnitTable::default() }
    }

    /// Where the counts are to be read.
    pub fn table(&self) -> UnitTable {
        self.table.clone()
    }

    /// Asks at intervals, for ever; where there is no systemd, or no unit to ask for, never.
    pub async fn run(self) {
        if self.units.is_empty() || !Path::new(BOOTED).exists() {
            return std::future::pending().await;
        }
        let Self { units, program, table } = self;
        let units = Arc::new(units);
        loop {
            let (asked, program) = (Arc::clone(&units), program.clone());
            let answer = tokio::task::spawn_blocking(move || ask(&program, &asked)).await;
            match answer {
                Ok(Ok(counts)) => *table.0.lock().unwrap_or_else(PoisonError::into_inner) = counts,
                // An old count would be shown as one of now.
                Ok(Err(error)) => {
                    tracing::debug!(%error, "systemd does not tell how often it restarted units.");
                    table.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
                }
                Err(_) => return,
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
}

fn ask(program: &Path, units: &[(String, String)]) -> std::io::Result<BTreeMap<String, u64>> {
    let mut child = Command::new(program)
        .args(["show", "--property=LoadState,NRestarts", "--"])
        .args(units.iter().map(|(_, unit)| unit))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let stdout = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut answer = String::new();
        let read = stdout.map(|pipe| pipe.take(MAX_ANSWER_BYTES).read_to_string(&mut answer));
        read.unwrap_or(Ok(0)).map(|_| answer)
    });
    let started = Instant::now();
    while child.try_wait()?.is_none() {
        if started.elapsed() > DEADLINE {
            child.kill()?;
            child.wait()?;
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let answer = reader.join().map_err(|_| std::io::Error::other("reading the answer failed"))??;
    Ok(counts(&answer, units))
}

/// One block of properties for each unit, in the order in which they were asked for, with an empty line between.
fn counts(answer: &str, units: &[(String, String)]) -> BTreeMap<String, u64> {
    let property = |block: &str, key: &str| {
        block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=').map(str::to_owned))
    };
    let blocks = answer.split("\n\n");
    let counted = blocks.zip(units).filter_map(|(block, (daemon, _))| {
        // A unit that systemd does not know has a count of 0, which would be a lie.
        let is_known = property(block, "LoadState").is_some_and(|state| state == "loaded");
        let count = property(block, "NRestarts")?.parse().ok().filter(|_| is_known)?;
        Some((daemon.clone(), count))
    });
    counted.collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::put;
    use super::*;

    fn units() -> Vec<(String, String)> {
        ["a", "b", "c"].map(|name| (name.to_owned(), format!("{name}.service"))).to_vec()
    }

    #[test]
    fn counts_belong_to_the_units_in_their_order_and_unknown_units_have_none() {
        let answer =
            "LoadState=loaded\nNRestarts=7\n\nLoadState=not-found\nNRestarts=0\n\nNRestarts=0\nLoadState=loaded\n";
        assert_eq!(counts(answer, &units()), [("a".to_owned(), 7), ("c".to_owned(), 0)].into());
        assert_eq!(counts("", &units()), BTreeMap::new());
        assert_eq!(counts("LoadState=loaded\nNRestarts=x\n", &units()), BTreeMap::new());
    }

    #[test]
    fn a_program_is_asked_and_its_answer_read() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("systemctl");
        put(
            &program,
            "#!/bin/sh\n[ \"$4 $5\" = 'a.service b.service' ] && printf 'LoadState=loaded\\nNRestarts=3\\n\\nLoadState=loaded\\nNRestarts=4\\n'\n",
        );
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let answer = ask(&program, &units()[..2]).unwrap();
        assert_eq!(answer, [("a".to_owned(), 3), ("b".to_owned(), 4)].into());
        assert!(ask(&dir.path().join("absent"), &units()).is_err());
    }
}
