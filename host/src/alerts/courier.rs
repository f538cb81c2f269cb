//! The edge: a thread that sends, so that nothing that a receiver does holds up the main loop.
//!
//! The thread and what HTTP and TLS need are there only once something was sent. Owns: the thread. Must not know:
//! why something is sent, and when it is tried again.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::queue::Dispatch;
use super::receive::{self, Receiver};
use crate::model::{Alert, Wall};

/// Jobs that wait for the thread: there is at most one for each receiver.
const MAX_JOBS: usize = 256;

/// Threads for what cannot be awaited, commands and the names of hosts: one for each receiver that there may be.
const MAX_BLOCKING: usize = 32;

/// One sending.
#[derive(Debug, Clone)]
pub struct Job {
    /// To whom.
    pub receiver: Arc<Receiver>,
    /// What.
    pub dispatch: Dispatch,
    /// What fires and was told to this receiver, for those that forget.
    pub firing: Vec<Alert>,
    /// The machine's name.
    pub host: String,
    /// The time.
    pub now: Wall,
}

/// What became of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// To whom.
    pub receiver: String,
    /// Which attempt.
    pub attempt: u64,
    /// The error, and whether it is refused for good.
    pub result: Result<(), (String, bool)>,
}

/// The thread.
#[derive(Debug)]
pub struct Courier {
    jobs: mpsc::Sender<Job>,
}

impl Courier {
    /// Starts it. `report` is called on the thread when a sending ended.
    pub fn start(report: impl Fn(Sent) + Send + Sync + 'static) -> std::io::Result<Self> {
        let (jobs, mut inbox) = mpsc::channel::<Job>(MAX_JOBS);
        let report = Arc::new(report);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(MAX_BLOCKING).build()?;
        std::thread::Builder::new().name("courier".to_owned()).spawn(move || {
            // Whoever installed one before has the same.
            let _ = rustls::crypto::ring::default_provider().install_default();
            runtime.block_on(async move {
                while let Some(job) = inbox.recv().await {
                    let report = Arc::clone(&report);
                    tokio::spawn(async move { report(carry(job).await) });
                }
            });
            runtime.shutdown_background();
        })?;
        Ok(Self { jobs })
    }

    /// Sends. What finds no room is reported as failed at once.
    pub fn send(&self, job: Job) -> Result<(), Sent> {
        self.jobs.try_send(job).map_err(|error| {
            let job = match error {
                mpsc::error::TrySendError::Full(job) | mpsc::error::TrySendError::Closed(job) => job,
            };
            let result = Err(("nothing can be sent: its thread does not answer".to_owned(), false));
            Sent { receiver: job.receiver.name.clone(), attempt: job.dispatch.attempt, result }
        })
    }
}

/// Sends one, on whatever runtime this is called.
pub(super) async fn carry(job: Job) -> Sent {
    let result = receive::send(&job).await.map_err(|error| (error.message, error.refused));
    Sent { receiver: job.receiver.name.clone(), attempt: job.dispatch.attempt, result }
}

/// Sends one and waits for the end of it, for a command without a daemon.
pub fn send_now(job: Job) -> Sent {
    let failed = |job: &Job, error: String| Sent {
        receiver: job.receiver.name.clone(),
        attempt: job.dispatch.attempt,
        result: Err((error, false)),
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(carry(job)),
        Err(error) => failed(&job, error.to_string()),
    }
}
