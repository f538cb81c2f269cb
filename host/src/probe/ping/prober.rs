//! When targets are asked, and how often one is asked again before it counts as failed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::{Moment, WallClock};
use super::ask::{Asked, ask};
use super::tls::Trust;
use super::{MAX_TARGETS, Outcome, PingResult, PingSpec, PingTable};

/// The wait before the first retry; each further one is twice as long, up to [`LONGEST_BACKOFF`].
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
/// See [`FIRST_BACKOFF`].
const LONGEST_BACKOFF: Duration = Duration::from_secs(8);

/// Asks its targets until it is dropped.
#[derive(Debug)]
pub struct Pinger {
    specs: Vec<PingSpec>,
    wall: WallClock,
    table: PingTable,
}

impl Pinger {
    /// For these targets, at most [`MAX_TARGETS`]. Asks nobody before [`Pinger::run`].
    pub fn new(mut specs: Vec<PingSpec>, wall: WallClock) -> Self {
        specs.truncate(MAX_TARGETS);
        let table = PingTable::new(&specs, Moment::now(wall));
        Self { specs, wall, table }
    }

    /// Where the results are to be read.
    pub fn table(&self) -> PingTable {
        self.table.clone()
    }

    /// Asks each target by its own schedule, for ever; dropping it ends it.
    pub async fn run(self) {
        let trust = Arc::new(Trust::default());
        let mut tasks = tokio::task::JoinSet::new();
        for spec in self.specs {
            tasks.spawn(follow(spec, self.wall, self.table.clone(), Arc::clone(&trust)));
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "A ping task failed.");
            }
        }
        std::future::pending().await
    }
}

async fn follow(spec: PingSpec, wall: WallClock, table: PingTable, trust: Arc<Trust>) {
    let mut due = Instant::now();
    loop {
        let result = look(&spec, wall, &trust).await;
        if result.outcome != Outcome::Ok {
            tracing::debug!(target = spec.name, detail = result.detail, "A target does not answer as it should.");
        }
        table.record(&spec.name, result, Moment::now(wall));
        let now = Instant::now();
        while due <= now {
            due += spec.every.max(Duration::from_millis(1));
        }
        tokio::time::sleep_until(due).await;
    }
}

/// One look: an attempt and, where it fails, the retries.
async fn look(spec: &PingSpec, wall: WallClock, trust: &Trust) -> PingResult {
    let mut attempt = 0;
    loop {
        let Asked { outcome, latency, detail, certificate_expires } = ask(spec, wall, trust).await;
        if outcome == Outcome::Ok || attempt >= spec.retries {
            let detail = detail.map(|detail| match attempt {
                0 => detail,
                _ => format!("{detail} ({} attempts)", attempt + 1),
            });
            let latency_ns = latency.map(|latency| u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
            return PingResult { outcome, latency_ns, detail, certificate_expires };
        }
        tokio::time::sleep(backoff(attempt)).await;
        attempt += 1;
    }
}

fn backoff(attempt: u32) -> Duration {
    FIRST_BACKOFF.saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX)).min(LONGEST_BACKOFF)
}
