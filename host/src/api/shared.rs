//! What all requests share.
//!
//! Owns: the ways to the daemon (as closures, so that it stays unknown here), the store's readers, who is known, and
//! the account of who asked for what.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value as Json;
use tokio::sync::{Semaphore, oneshot};

use super::access::failures::Failures;
use super::access::logins::Logins;
use super::access::peers::Group;
use super::access::tokens::Tokens;
use super::account::Account;
use super::exposition::Exposition;
use super::problem::Problem;
use super::readers::Readers;
use crate::clock::Clock;
use crate::control::{Answer, ApiAddress, Request, Status};
use crate::publish::Publisher;
use crate::sanitize::{Report, Sanitizer};

/// How old the daemon's word on itself may be: however often it is asked for, the loop is asked five times a second.
const STATUS_AGE: Duration = Duration::from_millis(200);

/// How long the daemon's loop is waited for.
const LOOP_PATIENCE: Duration = Duration::from_secs(5);

/// Streams that are open at a time: a page has one, and few people have more than a handful open.
const MAX_STREAMS: usize = 64;

/// How long a snapshot may take that somebody asked for: the longest deadline of a capture and the disk.
pub(super) const SNAPSHOT_PATIENCE: Duration = Duration::from_secs(660);

/// What is served where.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The data directory.
    pub data_dir: PathBuf,
    /// The address of TCP.
    pub listen: Option<std::net::SocketAddr>,
    /// The Unix socket.
    pub socket: Option<PathBuf>,
    /// Who else may use it.
    pub socket_group: Option<Group>,
    /// Further names under which TCP is reached, with ports.
    pub hosts: Vec<String>,
    /// Certificate chain and key.
    pub tls: Option<(PathBuf, PathBuf)>,
}

/// The ways to the daemon.
pub struct Ways {
    /// Asks it; false where it does not take the question.
    pub ask: Box<dyn Fn(Request, oneshot::Sender<Answer>) -> bool + Send + Sync>,
    /// Adds a line to the audit log.
    pub audit: Box<dyn Fn(&'static str, Json) + Send + Sync>,
    /// Says what is wrong, or that nothing is any more.
    pub condition: Box<dyn Fn(Option<String>) + Send + Sync>,
    /// Says where it listens.
    pub listening: Box<dyn Fn(ApiAddress) + Send + Sync>,
}

impl std::fmt::Debug for Ways {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ways").finish_non_exhaustive()
    }
}

/// What all requests share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) ways: Ways,
    pub(super) clock: Clock,
    pub(super) sanitizer: Arc<Sanitizer>,
    pub(super) readers: Arc<Readers>,
    pub(super) tokens: Tokens,
    pub(super) logins: Arc<Logins>,
    pub(super) failures: Failures,
    pub(super) account: Account,
    pub(super) exposition: Exposition,
    pub(super) publisher: Publisher,
    /// Streams that may be open at a time.
    pub(super) streams: Arc<Semaphore>,
    /// Tells this run of ghostd from others.
    pub(super) run: i64,
    config: Mutex<Arc<Json>>,
    status: tokio::sync::Mutex<Option<(u64, Arc<Status>)>>,
}

impl Shared {
    pub(super) fn new(
        settings: Settings,
        config: Json,
        clock: Clock,
        sanitizer: Arc<Sanitizer>,
        logins: Arc<Logins>,
        publisher: Publisher,
        ways: Ways,
    ) -> Self {
        Self {
            readers: Arc::new(Readers::new(&settings.data_dir)),
            tokens: Tokens::new(&settings.data_dir),
            failures: Failures::default(),
            account: Account::default(),
            exposition: Exposition::default(),
            publisher,
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            run: clock.now().wall.millis(),
            config: Mutex::new(Arc::new(config)),
            status: tokio::sync::Mutex::default(),
            settings,
            ways,
            clock,
            sanitizer,
            logins,
        }
    }

    /// The effective configuration with the origin of each value.
    pub(super) fn config(&self) -> Arc<Json> {
        Arc::clone(&self.config.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set_config(&self, config: Json) {
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    /// A text without secrets.
    pub(super) fn clean(&self, text: &str) -> String {
        self.sanitizer.text(text, &mut Report::default()).into_owned()
    }

    /// Asks the daemon. What it refuses is a problem.
    pub(super) async fn ask(&self, request: Request, patience: Duration) -> Result<Answer, Problem> {
        let (reply, answer) = oneshot::channel();
        if !(self.ways.ask)(request, reply) {
            return Err(Problem::unavailable("the daemon has too much to do"));
        }
        match tokio::time::timeout(patience, answer).await {
            Ok(Ok(Answer::Failed { error })) => Err(Problem::new(axum::http::StatusCode::CONFLICT, "refused", error)),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(Problem::unavailable("the daemon did not answer")),
            Err(_) => Err(Problem::unavailable("the daemon did not answer in time")),
        }
    }

    /// The same of what its loop answers at once.
    pub(super) async fn ask_loop(&self, request: Request) -> Result<Answer, Problem> {
        self.ask(request, LOOP_PATIENCE).await
    }

    /// The daemon's word on itself.
    pub(super) async fn status(&self) -> Result<Arc<Status>, Problem> {
        // Held while the daemon is asked, so that many who ask at once ask once.
        let mut known = self.status.lock().await;
        let now = crate::clock::boottime_ns();
        if let Some((at, status)) = &*known
            && Duration::from_nanos(now.saturating_sub(*at)) < STATUS_AGE
        {
            return Ok(Arc::clone(status));
        }
        match self.ask_loop(Request::Status).await? {
            Answer::Status(status) => {
                let status = Arc::<Status>::from(status);
                *known = Some((now, Arc::clone(&status)));
                Ok(status)
            }
            _ => Err(Problem::unavailable("the daemon answered something else")),
        }
    }
}
