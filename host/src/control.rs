//! The control socket: how a command reaches the daemon that runs beside it.
//!
//! One request and one answer per connection, each a JSON text in one line. The socket stands in the runtime
//! directory, mode 0600, and only the same user (or root) is answered.
//!
//! Owns: the words of the protocol, and the client. Must not know: what a request does.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use crate::model::{CollectorHealth, Heartbeat, Silence, SnapshotId, StoredToken, Wall};

/// Bytes of a request. It bounds what a client can make the daemon hold.
const MAX_REQUEST_BYTES: u64 = 64 << 10;

/// Bytes of an answer.
const MAX_ANSWER_BYTES: u64 = 16 << 20;

/// How long a client may take to say what it wants, and to take the answer.
const CLIENT_DEADLINE: Duration = Duration::from_secs(5);

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Take a snapshot now.
    Snapshot {
        /// What for.
        reason: Option<String>,
        /// Whether it is to be kept.
        important: bool,
    },
    /// How are you?
    Status,
    /// Read the configuration anew.
    Reload,
    /// The log of a collector.
    CollectorLog {
        /// Its name.
        name: String,
    },
    /// End a collector's quarantine.
    CollectorResume {
        /// Its name.
        name: String,
    },
    /// Mark a snapshot to be kept, above every cap of retention.
    Keep {
        /// Which.
        id: SnapshotId,
        /// Who asks.
        by: String,
        /// What for.
        why: Option<String>,
    },
    /// Take the mark from a snapshot.
    Unkeep {
        /// Which.
        id: SnapshotId,
        /// Who asks.
        by: String,
    },
    /// Apply retention now.
    Prune,
    /// Resolve a finding by hand.
    FindingResolve {
        /// Whose it is.
        collector: String,
        /// Which.
        fingerprint: String,
        /// Who asks.
        by: String,
        /// What for.
        why: Option<String>,
    },
    /// Tell nobody of some alerts for a while.
    Silence {
        /// Of which: `rule=clock-drift`.
        matchers: Vec<String>,
        /// For how long, in seconds.
        seconds: u64,
        /// Who asks.
        by: String,
        /// What for.
        why: Option<String>,
    },
    /// End a silence before its time.
    Unsilence {
        /// Its id, or the beginning of it.
        id: String,
        /// Who asks.
        by: String,
    },
    /// Send a test to a receiver, or to all.
    AlertTest {
        /// Which.
        receiver: Option<String>,
    },
    /// Make a backup now.
    Backup {
        /// Who asks.
        by: String,
    },
    /// Take something out of everything that is stored.
    Purge(PurgeOrder),
    /// Put a daemon into maintenance.
    MaintenanceOn {
        /// Which, or `*` for all.
        daemon: String,
        /// Until when; without it, until it is ended.
        until: Option<Wall>,
        /// Who asks.
        by: String,
        /// What for.
        why: Option<String>,
    },
    /// End a maintenance that was begun by hand.
    MaintenanceOff {
        /// Of which, or `*` for that of all.
        daemon: String,
    },
    /// Keep a token: all of it but the token itself.
    TokenAdd {
        /// What is kept.
        token: StoredToken,
        /// Who asks.
        by: String,
    },
    /// Take a token back.
    TokenRevoke {
        /// Its id or its name.
        name: String,
        /// Who asks.
        by: String,
    },
    /// A link by which a browser logs in, once.
    LoginLink {
        /// Who asks.
        by: String,
    },
}

/// What is to be taken out of everything that is stored.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurgeOrder {
    /// These snapshots, as a whole.
    pub ids: Vec<SnapshotId>,
    /// Whatever this regular expression is found in.
    pub matching: Option<String>,
    /// Who asks.
    pub by: String,
    /// What for; it stands in the audit log for good.
    pub why: String,
    /// Only say what would be done.
    pub dry_run: bool,
    /// An identity file that opens encrypted backups.
    pub identity: Option<PathBuf>,
    /// Whether backups go that cannot be opened.
    pub remove_closed: bool,
}

/// The pattern may be a secret itself.
impl std::fmt::Debug for PurgeOrder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PurgeOrder").field("ids", &self.ids).field("dry_run", &self.dry_run).finish_non_exhaustive()
    }
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Answer {
    /// The snapshot is durable.
    Snapshot {
        /// Its name.
        id: SnapshotId,
        /// Its place in the chain.
        sequence: u64,
        /// Where it is.
        path: PathBuf,
    },
    /// How the daemon is.
    Status(Box<Status>),
    /// It is done.
    Done {
        /// What was done.
        message: String,
    },
    /// A collector's log, oldest line first.
    Log {
        /// The lines.
        lines: Vec<LogLine>,
    },
    /// Retention was applied.
    Pruned(Box<PruneReport>),
    /// The backup is durable and was read back.
    BackedUp(Box<BackupReport>),
    /// What was purged.
    Purged(Box<PurgeReport>),
    /// There is a silence, and it is durable.
    Silenced(Box<Silence>),
    /// What became of tests of receivers.
    AlertTests {
        /// One for each.
        results: Vec<AlertTest>,
    },
    /// It could not be done.
    Failed {
        /// Why.
        error: String,
    },
}

/// What became of the test of a receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertTest {
    /// Its name.
    pub receiver: String,
    /// How it is told.
    pub kind: String,
    /// Why it was not, where it was not.
    pub error: Option<String>,
}

/// How many alerts there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertCounts {
    /// That fire, information apart.
    pub firing: u64,
    /// That are for information.
    pub info: u64,
    /// That may fire soon.
    pub pending: u64,
    /// Of those that fire, that nobody is told of.
    pub suppressed: u64,
    /// Notifications that wait to be sent.
    pub queued: u64,
}

/// A line of a collector's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// When its call ended.
    pub at: crate::model::Wall,
    /// `info`, `warn`, ...
    pub level: String,
    /// What it says.
    pub text: String,
}

/// How the daemon is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Its process.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// Since when it runs.
    pub started_at: crate::model::Wall,
    /// The last heartbeat.
    pub heartbeat: Option<Heartbeat>,
    /// The last snapshot.
    pub last_snapshot: Option<SnapshotId>,
    /// The collectors.
    pub collectors: Vec<CollectorHealth>,
    /// Conditions that hold now: a full disk, a database that is damaged.
    pub conditions: Vec<String>,
    /// Alerts.
    #[serde(default)]
    pub alerts: AlertCounts,
    /// Beats and snapshots that were due and not taken.
    pub missed_heartbeats: u64,
    /// See `missed_heartbeats`.
    pub missed_snapshots: u64,
    /// Whether the kernel tells when a daemon ends; if not, that is found out by looking with each beat.
    #[serde(default)]
    pub ends_are_told: bool,
    /// Where the HTTP API is reached.
    #[serde(default)]
    pub api: ApiAddress,
}

/// Where the HTTP API is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApiAddress {
    /// `http://127.0.0.1:7878`; none where TCP is not listened on.
    pub url: Option<String>,
    /// The Unix socket; none where there is none.
    pub socket: Option<PathBuf>,
}

/// What a pass of retention did, or would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PruneReport {
    /// Whether it was only asked what it would do.
    pub dry_run: bool,
    /// What went, oldest first.
    pub removed: Vec<PrunedSnapshot>,
    /// What should have gone and stays.
    pub spared: Vec<PrunedSnapshot>,
    /// How many stay.
    pub kept: u64,
    /// Bytes of the files that went.
    pub freed_bytes: u64,
    /// How many are over a cap and wait for a later pass.
    pub postponed: u64,
    /// Why nothing goes for its age, where that is so.
    pub doubt: Option<String>,
}

/// A snapshot in a [`PruneReport`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PrunedSnapshot {
    /// Which.
    pub id: SnapshotId,
    /// Its place in the chain.
    pub sequence: u64,
    /// When it was captured.
    pub captured_at: crate::model::Wall,
    /// Bytes of its file.
    pub size_bytes: u64,
    /// Why it goes, or why it stays.
    pub reason: String,
}

/// What was purged, or would be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PurgeReport {
    /// Whether it was only asked what would go.
    pub dry_run: bool,
    /// The snapshots that went.
    pub snapshots: Vec<SnapshotId>,
    /// Rows of the database that went, by table.
    pub rows: std::collections::BTreeMap<String, u64>,
    /// Snapshots whose mark has lost its reason.
    pub marks: Vec<SnapshotId>,
    /// Files set aside as damaged that went.
    pub set_aside: Vec<String>,
    /// Published files that went or lost lines.
    pub published: Vec<String>,
    /// The backups, each with what became of it.
    pub backups: Vec<PurgedBackup>,
    /// What could not be looked through or may not be changed, and why: it is for a person to deal with.
    pub left: Vec<(String, String)>,
}

/// A backup in a [`PurgeReport`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PurgedBackup {
    /// Its file name.
    pub file: String,
    /// `clean`, `rewritten`, `removed`, `left`.
    pub state: String,
    /// How many snapshots were taken out of it.
    pub snapshots: u64,
    /// How many rows of its database.
    pub rows: u64,
    /// Why it was removed or left.
    pub why: Option<String>,
}

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackupReport {
    /// Its number.
    pub number: u64,
    /// Its name.
    pub id: SnapshotId,
    /// Its file.
    pub path: PathBuf,
    /// Bytes of the file.
    pub size_bytes: u64,
    /// SHA-256 of the file.
    pub sha256: crate::model::Digest,
    /// Bytes of its contents.
    pub content_bytes: u64,
    /// How many snapshots are in it.
    pub snapshots: u64,
    /// Whether it takes a key to read it.
    pub encrypted: bool,
    /// Why the database is not in it, where it is not.
    pub without_database: Option<String>,
    /// Snapshots that are damaged or foreign and so were left out, and why.
    pub left_out: Vec<(String, String)>,
    /// Older backups that were removed for it.
    pub rotated: Vec<String>,
}

/// Why the daemon could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens there.
    #[error("cannot reach the daemon at `{path}`")]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It took too long.
    #[error("the daemon at `{path}` did not answer within {} s (is it stopped, or busy with a long capture?)", .after.as_secs())]
    Timeout {
        /// The socket.
        path: PathBuf,
        /// How long it was waited for.
        after: Duration,
    },
    /// It answered nonsense.
    #[error("the daemon at `{path}` answered what this ghostd does not understand (is it another version?)")]
    Answer {
        /// The socket.
        path: PathBuf,
    },
    /// The socket cannot be made.
    #[error("cannot listen on `{path}`")]
    Listen {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// Asks a daemon and waits for the answer.
pub fn ask(path: &Path, request: &Request, patience: Duration) -> Result<Answer, ControlError> {
    let connect = |source| ControlError::Connect { path: path.to_owned(), source };
    let mut stream = StdStream::connect(path).map_err(connect)?;
    let mut exchange = || -> io::Result<String> {
        stream.set_write_timeout(Some(patience))?;
        stream.set_read_timeout(Some(patience))?;
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        stream.write_all(line.as_bytes())?;
        let mut answer = String::new();
        io::Read::take(BufReader::new(&stream), MAX_ANSWER_BYTES).read_line(&mut answer)?;
        Ok(answer)
    };
    match exchange() {
        Ok(answer) => serde_json::from_str(&answer).map_err(|_| ControlError::Answer { path: path.to_owned() }),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            Err(ControlError::Timeout { path: path.to_owned(), after: patience })
        }
        Err(source) => Err(ControlError::Connect { path: path.to_owned(), source }),
    }
}

/// Makes the socket. A stale one of a daemon that is gone is replaced: whoever calls this holds the store's lock.
pub fn listen(path: &Path) -> Result<UnixListener, ControlError> {
    let make = || -> io::Result<UnixListener> {
        if let Some(dir) = path.parent() {
            use std::os::unix::fs::DirBuilderExt;
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    };
    make().map_err(|source| ControlError::Listen { path: path.to_owned(), source })
}

/// Whether the other side may give orders: the same user, or root.
pub fn is_allowed(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

/// Reads a request. An error is worth an answer.
pub async fn read_request(stream: &mut UnixStream) -> Result<Request, String> {
    let mut line = Vec::new();
    let mut limited = tokio::io::BufReader::new(stream).take(MAX_REQUEST_BYTES);
    match tokio::time::timeout(CLIENT_DEADLINE, limited.read_until(b'\n', &mut line)).await {
        Err(_) => Err("no request came in time".to_owned()),
        Ok(Err(error)) => Err(format!("the request cannot be read: {error}")),
        Ok(Ok(_)) => serde_json::from_slice(&line).map_err(|error| format!("the request is not understood: {error}")),
    }
}

/// Sends an answer. Whoever does not take it in time goes without.
pub async fn send_answer(mut stream: UnixStream, answer: &Answer) {
    let mut line = serde_json::to_vec(answer).unwrap_or_default();
    line.push(b'\n');
    let _ = tokio::time::timeout(CLIENT_DEADLINE, async {
        stream.write_all(&line).await?;
        stream.shutdown().await
    })
    .await;
}
