//! The schedules by which SNTP servers and chronyd are asked, and the latest answer of each.
//!
//! Owns how often: a public server is never polled more often than every 64 s, whatever the configuration or the
//! heartbeat says, and a server that asks for less gets less. Readers take the latest answer with its age.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::super::{Error, Moment, NS_PER_MS};
use super::ntp::{Sample, SntpError};
use super::sntp;
use super::{WallClock, clocks};

/// Between two polls of a server that is not our own machine's (RFC 5905's shortest interval for the public).
pub const MIN_INTERVAL: Duration = Duration::from_secs(64);
/// The same on loopback, where nobody but us is bothered.
const MIN_INTERVAL_ON_LOOPBACK: Duration = Duration::from_secs(1);
/// Up to here a server that says `RATE` is asked ever more rarely.
const MAX_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
/// How many servers are asked. More witnesses than this say nothing more.
const MAX_SERVERS: usize = 16;
/// How many of a name's addresses are tried in one poll.
const MAX_ADDRESSES: usize = 3;
/// How long the resolver may take.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// By how much a clock that nobody disciplines may wander meanwhile (RFC 5905's PHI): one 66,667th.
const WANDER_DIVISOR: u64 = 66_667;
const NTP_PORT: u16 = 123;

/// A server to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSpec {
    /// As the configuration has it, and as it is shown.
    pub name: String,
    /// A host name or an address.
    pub host: String,
    /// Its UDP port.
    pub port: u16,
}

impl ServerSpec {
    /// Parses `host`, `host:port`, `[address]:port` or a bare IPv6 address.
    pub fn parse(name: &str) -> Result<Self, Error> {
        let invalid =
            || Error::Invalid(format!("SNTP server `{name}` (write `host`, `host:port` or `[address]:port`)"));
        let (host, port) = if let Some(rest) = name.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or_else(invalid)?;
            (host, rest.strip_prefix(':'))
        } else if name.matches(':').count() == 1 {
            name.split_once(':').map(|(host, port)| (host, Some(port))).ok_or_else(invalid)?
        } else {
            (name, None)
        };
        let port = port.map_or(Ok(NTP_PORT), |port| port.parse().map_err(|_| invalid()))?;
        if host.is_empty() || host.contains(char::is_whitespace) || port == 0 {
            return Err(invalid());
        }
        Ok(Self { name: name.to_owned(), host: host.to_owned(), port })
    }
}

/// The latest answer of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// As the configuration has it.
    pub server: String,
    /// How old the answer is; before the first one, how long it is awaited.
    pub age_ms: u64,
    /// What the machine's clock must be moved by to be right. Steps since the answer are taken into account.
    pub offset_ns: Option<i64>,
    /// The offset is right within this much; it grows with its age by 15 us a second.
    pub bound_ns: Option<u64>,
    /// How long the packets were on the way.
    pub delay_ns: Option<u64>,
    /// The server's stratum.
    pub stratum: Option<u8>,
    /// Why there is no offset.
    pub error: Option<String>,
}

/// The latest answers of all servers; cheap to clone.
#[derive(Debug, Clone)]
pub struct SntpTable {
    servers: Arc<Mutex<Vec<Latest>>>,
}

#[derive(Debug)]
struct Latest {
    server: String,
    answer: Option<Result<Sample, SntpError>>,
    stopped: bool,
    at: Moment,
}

/// Asks the servers until it is dropped.
#[derive(Debug)]
pub struct SntpProber {
    servers: Vec<ServerSpec>,
    every: Duration,
    wall: WallClock,
    table: SntpTable,
}

/// What follows from an answer for the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    After(Duration),
    Never,
}

impl SntpProber {
    /// For these servers, at most sixteen. Asks nobody before [`SntpProber::run`].
    pub fn new(mut servers: Vec<ServerSpec>, every: Duration, wall: WallClock) -> Self {
        servers.truncate(MAX_SERVERS);
        let at = Moment::now(wall);
        let latest =
            servers.iter().map(|server| Latest { server: server.name.clone(), answer: None, stopped: false, at });
        let table = SntpTable { servers: Arc::new(Mutex::new(latest.collect())) };
        Self { servers, every, wall, table }
    }

    /// Where the answers are to be read.
    pub fn table(&self) -> SntpTable {
        self.table.clone()
    }

    /// Asks each server by its own schedule. Returns when no server wants to be asked any more; dropping it ends it.
    pub async fn run(self) {
        let mut tasks = tokio::task::JoinSet::new();
        for (index, server) in self.servers.into_iter().enumerate() {
            tasks.spawn(follow(server, index, self.every, self.wall, self.table.clone()));
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "SNTP task failed.");
            }
        }
    }
}

async fn follow(server: ServerSpec, index: usize, every: Duration, wall: WallClock, table: SntpTable) {
    let mut interval = every;
    loop {
        let (answer, loopback) = poll(&server, wall).await;
        let next = next(&answer, interval, every, loopback);
        if let Err(error) = &answer {
            tracing::debug!(%error, server = server.name, "SNTP server gave no offset.");
        }
        table.record(index, answer, next == Next::Never, Moment::now(wall));
        match next {
            Next::After(wait) => interval = wait,
            Next::Never => return,
        }
        tokio::time::sleep(interval).await;
    }
}

/// Asks the addresses of a server until one answers; whether all of them are our own machine's.
async fn poll(server: &ServerSpec, wall: WallClock) -> (Result<Sample, SntpError>, bool) {
    let lookup = tokio::net::lookup_host((server.host.as_str(), server.port));
    let addresses: Vec<SocketAddr> = match tokio::time::timeout(RESOLVE_TIMEOUT, lookup).await {
        Ok(Ok(addresses)) => addresses.take(MAX_ADDRESSES).collect(),
        Ok(Err(error)) => return (Err(SntpError::Name(error.to_string())), false),
        Err(_) => return (Err(SntpError::Name(format!("no answer within {} s", RESOLVE_TIMEOUT.as_secs()))), false),
    };
    let loopback = !addresses.is_empty() && addresses.iter().all(|address| address.ip().is_loopback());
    let mut answer = Err(SntpError::Name("it has no address".to_owned()));
    for address in addresses {
        answer = sntp::poll(address, wall).await;
        if !matches!(answer, Err(SntpError::NoAnswer(_) | SntpError::Unreachable(_))) {
            break;
        }
    }
    (answer, loopback)
}

/// When to ask again. A kiss-o'-death is honoured wherever it comes from.
fn next(answer: &Result<Sample, SntpError>, interval: Duration, every: Duration, loopback: bool) -> Next {
    let least = if loopback { MIN_INTERVAL_ON_LOOPBACK } else { MIN_INTERVAL };
    match answer {
        Err(SntpError::KissOfDeath(code)) if matches!(code.as_str(), "DENY" | "RSTR") => Next::Never,
        // RATE, and codes that we do not know (RFC 5905, 7.4): ask less.
        Err(SntpError::KissOfDeath(_)) => Next::After((interval.max(least) * 2).min(MAX_INTERVAL)),
        // What a server once asked for is kept to: the interval never becomes shorter again.
        _ => Next::After(interval.max(every).max(least)),
    }
}

impl SntpTable {
    /// The latest answers, in the order of the configuration.
    pub fn latest(&self, now: Moment) -> Vec<Observation> {
        let servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        servers.iter().map(|latest| latest.observation(now)).collect()
    }

    fn record(&self, index: usize, answer: Result<Sample, SntpError>, stopped: bool, at: Moment) {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(latest) = servers.get_mut(index) {
            latest.answer = Some(answer);
            latest.stopped = stopped;
            latest.at = at;
        }
    }
}

impl Latest {
    fn observation(&self, now: Moment) -> Observation {
        let age_ns = now.boottime_ns.saturating_sub(self.at.boottime_ns);
        let sample = self.answer.as_ref().and_then(|answer| answer.as_ref().ok());
        // REALTIME - BOOTTIME changes by steps alone, so this is by how much the clock was stepped since.
        let stepped_ns = now.boot_realtime_ns().saturating_sub(self.at.boot_realtime_ns());
        Observation {
            server: self.server.clone(),
            age_ms: age_ns / NS_PER_MS,
            offset_ns: sample.map(|sample| sample.offset_ns.saturating_sub(stepped_ns)),
            bound_ns: sample.map(|sample| sample.bound_ns.saturating_add(age_ns / WANDER_DIVISOR)),
            delay_ns: sample.map(|sample| sample.delay_ns),
            stratum: sample.map(|sample| sample.stratum),
            error: match &self.answer {
                None => Some("no answer yet".to_owned()),
                Some(Ok(_)) => None,
                Some(Err(error)) if self.stopped => Some(format!("{error}, not asked any more")),
                Some(Err(error)) => Some(error.to_string()),
            },
        }
    }
}

/// Asks chronyd until it is dropped.
#[derive(Debug)]
pub struct ChronyProber {
    chrony: super::Chrony,
    every: Duration,
    wall: WallClock,
    table: ChronyTable,
}

/// What chronyd said, and when.
type ChronyAnswer = (Result<super::Tracking, Error>, Moment);

/// What chronyd said last; cheap to clone.
#[derive(Debug, Clone)]
pub struct ChronyTable {
    latest: Arc<Mutex<Option<ChronyAnswer>>>,
}

impl ChronyProber {
    /// Asks nobody before [`ChronyProber::run`].
    pub fn new(chrony: super::Chrony, every: Duration, wall: WallClock) -> Self {
        Self { chrony, every, wall, table: ChronyTable { latest: Arc::default() } }
    }

    /// Where the answer is to be read.
    pub fn table(&self) -> ChronyTable {
        self.table.clone()
    }

    /// Asks at intervals, for ever; dropping it ends it.
    pub async fn run(self) {
        loop {
            let answer = self.chrony.tracking().await;
            let latest = Some((answer, clocks(self.wall).into()));
            *self.table.latest.lock().unwrap_or_else(PoisonError::into_inner) = latest;
            tokio::time::sleep(self.every.max(MIN_INTERVAL_ON_LOOPBACK)).await;
        }
    }
}

impl ChronyTable {
    /// The latest answer and its age in milliseconds.
    pub fn latest(&self, now: Moment) -> Result<(super::Tracking, u64), Error> {
        match &*self.latest.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Err(Error::Pending("chronyd has not been asked yet".to_owned())),
            Some((answer, at)) => {
                let age_ms = now.boottime_ns.saturating_sub(at.boottime_ns) / NS_PER_MS;
                answer.clone().map(|tracking| (tracking, age_ms))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{at, wall};
    use super::*;

    const SAMPLE: Sample = Sample { offset_ns: 5_000, bound_ns: 1_000, delay_ns: 2_000, stratum: 2 };

    fn kiss(code: &str) -> Result<Sample, SntpError> {
        Err(SntpError::KissOfDeath(code.to_owned()))
    }

    #[test]
    fn a_public_server_is_left_in_peace() {
        let seconds = Duration::from_secs;
        assert_eq!(next(&Ok(SAMPLE), seconds(5), seconds(5), false), Next::After(MIN_INTERVAL));
        assert_eq!(next(&Ok(SAMPLE), seconds(300), seconds(300), false), Next::After(seconds(300)));
        assert_eq!(next(&Ok(SAMPLE), seconds(5), seconds(5), true), Next::After(seconds(5)));
        let error = Err(SntpError::NoAnswer(1));
        assert_eq!(next(&error, seconds(5), seconds(5), false), Next::After(MIN_INTERVAL));
    }

    #[test]
    fn a_kiss_is_honoured_and_not_forgotten() {
        let seconds = Duration::from_secs;
        assert_eq!(next(&kiss("RATE"), seconds(300), seconds(300), false), Next::After(seconds(600)));
        assert_eq!(next(&kiss("RATE"), seconds(5), seconds(5), false), Next::After(seconds(128)));
        assert_eq!(next(&Ok(SAMPLE), seconds(600), seconds(300), false), Next::After(seconds(600)));
        assert_eq!(next(&kiss("RATE"), MAX_INTERVAL, seconds(300), false), Next::After(MAX_INTERVAL));
        assert_eq!(next(&kiss("DENY"), seconds(300), seconds(300), false), Next::Never);
        assert_eq!(next(&kiss("RSTR"), seconds(300), seconds(300), true), Next::Never);
    }

    #[test]
    fn an_answer_ages_and_a_step_is_taken_into_account() {
        let mut latest = Latest { server: "a".into(), answer: Some(Ok(SAMPLE)), stopped: false, at: at(100.0) };
        let seen = latest.observation(at(200.0));
        assert_eq!((seen.age_ms, seen.offset_ns, seen.error), (100_000, Some(5_000), None));
        // 100 s at 15 ppm.
        assert!(seen.bound_ns.unwrap().abs_diff(1_501_000) < 2_000);
        let mut stepped = at(200.0);
        stepped.realtime_ns += 4_000;
        assert_eq!(latest.observation(stepped).offset_ns, Some(1_000));
        latest.answer = Some(kiss("DENY"));
        latest.stopped = true;
        let seen = latest.observation(at(200.0));
        assert_eq!(seen.error.as_deref(), Some("kiss-o'-death `DENY`, not asked any more"));
        assert_eq!((seen.offset_ns, seen.bound_ns), (None, None));
    }

    #[test]
    fn servers_are_named_as_people_write_them() {
        let parsed = |name: &str| ServerSpec::parse(name).map(|server| (server.host, server.port)).ok();
        let expected = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(parsed("pool.ntp.org"), expected("pool.ntp.org", 123));
        assert_eq!(parsed("127.0.0.1:1123"), expected("127.0.0.1", 1123));
        assert_eq!(parsed("[::1]:1123"), expected("::1", 1123));
        assert_eq!(parsed("[::1]"), expected("::1", 123));
        assert_eq!(parsed("fe80::1"), expected("fe80::1", 123));
        for wrong in ["", "a:b", "a:0", "[::1", "a b", ":123"] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }

    #[tokio::test]
    async fn the_table_says_why_there_is_nothing_yet_and_then_what_went_wrong() {
        let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let server = ServerSpec::parse(&closed.to_string()).unwrap();
        let prober = SntpProber::new(vec![server], Duration::from_secs(60), wall);
        let table = prober.table();
        assert_eq!(table.latest(Moment::now(wall))[0].error.as_deref(), Some("no answer yet"));
        let task = tokio::spawn(prober.run());
        for _ in 0..500 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let error = table.latest(Moment::now(wall)).remove(0).error.unwrap();
            if error.contains("cannot be reached") {
                task.abort();
                return;
            }
        }
        panic!("nothing was recorded");
    }
}
