//! The server: a thread of its own with a runtime of its own, so that no request, however many or however slow, takes
//! anything from the main loop but the processor's time.
//!
//! Owns: listening, TLS, and the limits of a connection. A port that is taken or a certificate that cannot be read is a
//! condition, told once and tried again; the recorder goes on.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value as Json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::access::hosts::Hosts;
use super::access::logins::{LINK_LIFE, Logins};
use super::access::peers;
use super::account;
use super::gate::{self, Connection, Peer};
use super::patience::Patient;
use super::readers::MAX_READING;
use super::routes;
use super::shared::{Settings, Shared, Ways};
use super::tls;
use crate::clock::Clock;
use crate::control::ApiAddress;
use crate::publish::Publisher;
use crate::sanitize::Sanitizer;

/// Connections at a time; fewer where the process may not have twice as many descriptors.
const MAX_CONNECTIONS: u64 = 1_024;

/// Descriptors that this server would like to have for itself and everybody else in the process.
const DESCRIPTORS: u64 = 4_096;

/// How long the headers of a request may take, and how long a connection may be idle between two.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);

/// How long a TLS handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);

/// Bytes of the headers of a request, and of what is buffered of an answer.
const MAX_HEADER_BYTES: usize = 16 << 10;

/// Headers of a request.
const MAX_HEADERS: usize = 64;

/// Until a port that is taken is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// How long threads that read are waited for at the end.
const END_WITHIN: Duration = Duration::from_millis(50);

/// The server as the daemon has it.
#[derive(Debug)]
pub struct Api {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Api {
    /// Starts the thread. `config` is the effective configuration with the origin of each value.
    pub fn start(
        settings: Settings,
        config: Json,
        clock: Clock,
        sanitizer: Arc<Sanitizer>,
        logins: Arc<Logins>,
        publisher: Publisher,
        ways: Ways,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(settings, config, clock, sanitizer, logins, publisher, ways));
        let (stop, stopped) = watch::channel(false);
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("api".to_owned())
            .stack_size(1 << 20)
            .spawn(move || run(&for_thread, stopped))?;
        Ok(Self { shared, stop, thread: Some(thread) })
    }

    /// Another configuration is in effect.
    pub fn set_config(&self, config: Json) {
        self.shared.set_config(config);
    }

    /// Ends it, and waits for that.
    pub fn stop(mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A link by which a browser logs in, once and within ten minutes.
pub fn login_link(logins: &Logins, url: &str) -> Result<String, super::access::tokens::TokenError> {
    let code = logins.new_link(crate::clock::boottime_ns())?;
    Ok(format!("{url}/login?code={code}"))
}

/// For how many minutes a link is good.
pub const LINK_MINUTES: u64 = LINK_LIFE.as_secs() / 60;

fn run(shared: &Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(MAX_READING + 1)
        .thread_keep_alive(Duration::from_secs(10))
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return (shared.ways.condition)(Some(format!("the API cannot start: {error}"))),
    };
    runtime.block_on(async {
        let router = routes::router(shared);
        let turns = Arc::new(Semaphore::new(connections()));
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => {}
            () = listen(shared, &router, &turns) => {}
            () = sum_up(shared) => {}
        }
    });
    runtime.shutdown_timeout(END_WITHIN);
    sum(shared);
    if let Some(socket) = &shared.settings.socket {
        let _ = std::fs::remove_file(socket);
    }
}

/// How many connections there is room for, after the process's own limit was raised as far as it may be.
fn connections() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = DESCRIPTORS.min(maximum.unwrap_or(DESCRIPTORS));
    let now = match current {
        Some(now) if now < wanted => {
            let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
            if raised.is_ok() { wanted } else { now }
        }
        now => now.unwrap_or(DESCRIPTORS),
    };
    usize::try_from(MAX_CONNECTIONS.min(now / 2)).unwrap_or(64).max(16)
}

async fn sum_up(shared: &Arc<Shared>) {
    loop {
        tokio::time::sleep(account::EVERY).await;
        sum(shared);
    }
}

fn sum(shared: &Shared) {
    for data in shared.account.sum() {
        (shared.ways.audit)("api_reads", data);
    }
}

/// Listens on both; never ends.
async fn listen(shared: &Arc<Shared>, router: &Router, turns: &Arc<Semaphore>) {
    let mut problem: Option<String> = None;
    let (mut tcp, mut unix) = (None, None);
    loop {
        let mut faults = Vec::new();
        if let (None, Some(address)) = (&tcp, shared.settings.listen) {
            match bind_tcp(shared, address).await {
                Ok(bound) => tcp = Some(bound),
                Err(fault) => faults.push(fault),
            }
        }
        if let (None, Some(path)) = (&unix, &shared.settings.socket) {
            match bind_unix(shared, path) {
                Ok(bound) => unix = Some(bound),
                Err(fault) => faults.push(fault),
            }
        }
        let now = (!faults.is_empty()).then(|| faults.join("; "));
        if now != problem || problem.is_none() {
            (shared.ways.condition)(now.clone());
            let scheme = if shared.settings.tls.is_some() { "https" } else { "http" };
            (shared.ways.listening)(ApiAddress {
                url: tcp.as_ref().map(|(_, address, _)| format!("{scheme}://{}", shown(*address))),
                socket: unix.as_ref().and(shared.settings.socket.clone()),
            });
        }
        let again = now.is_some();
        problem = now;
        let serve_tcp = async {
            match &tcp {
                Some((listener, address, tls)) => {
                    accept_tcp(shared, router, turns, listener, *address, tls.as_ref()).await
                }
                None => std::future::pending().await,
            }
        };
        let serve_unix = async {
            match &unix {
                Some(listener) => accept_unix(shared, router, turns, listener).await,
                None => std::future::pending().await,
            }
        };
        let later = async { if again { tokio::time::sleep(TRY_AGAIN).await } else { std::future::pending().await } };
        tokio::select! {
            () = serve_tcp => {}
            () = serve_unix => {}
            () = later => {}
        }
    }
}

/// An address that a browser can be sent to.
fn shown(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        let loopback =
            if address.is_ipv4() { std::net::Ipv4Addr::LOCALHOST.into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
        address.set_ip(loopback);
    }
    address
}

type BoundTcp = (TcpListener, SocketAddr, Option<TlsAcceptor>);

async fn bind_tcp(shared: &Shared, address: SocketAddr) -> Result<BoundTcp, String> {
    let tls = match &shared.settings.tls {
        Some((cert, key)) => {
            let acceptor = tls::acceptor(cert, key).map_err(|error| crate::chain::chain(&error))?;
            Some(acceptor)
        }
        None => None,
    };
    let listener =
        TcpListener::bind(address).await.map_err(|error| format!("the API cannot listen on `{address}`: {error}"))?;
    let bound = listener.local_addr().map_err(|error| format!("the API cannot listen on `{address}`: {error}"))?;
    Ok((listener, bound, tls))
}

fn bind_unix(shared: &Shared, path: &Path) -> Result<UnixListener, String> {
    let bind = || -> io::Result<UnixListener> {
        if let Some(dir) = path.parent() {
            use std::os::unix::fs::DirBuilderExt as _;
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        // What a ghostd left behind that is gone; never a file that is something else.
        match path.symlink_metadata() {
            Ok(metadata) if metadata.file_type().is_socket() => std::fs::remove_file(path)?,
            Ok(_) => return Err(io::Error::other("there is something else")),
            Err(_) => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        if let Some(group) = &shared.settings.socket_group {
            let id = peers::group_id(&group.name)
                .ok_or_else(|| io::Error::other(format!("there is no group `{}`", group.name)))?;
            std::os::unix::fs::chown(path, None, Some(id))?;
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
        }
        Ok(listener)
    };
    bind().map_err(|error| format!("the API cannot listen on `{}`: {error}", path.display()))
}

async fn accept_tcp(
    shared: &Arc<Shared>,
    router: &Router,
    turns: &Arc<Semaphore>,
    listener: &TcpListener,
    address: SocketAddr,
    tls: Option<&TlsAcceptor>,
) {
    let hosts = Arc::new(Hosts::of(address, &shared.settings.hosts, tls.is_some()));
    let cookie = cookie_name(address.port(), tls.is_some());
    loop {
        let Ok(turn) = Arc::clone(turns).acquire_owned().await else { return };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                cannot_accept(&error).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let connection = Arc::new(Connection {
            peer: Peer::Tcp(peer.ip().to_canonical()),
            hosts: Arc::clone(&hosts),
            secure: tls.is_some(),
            cookie: cookie.clone(),
        });
        let (shared, router, tls) = (Arc::clone(shared), router.clone(), tls.cloned());
        tokio::spawn(async move {
            match tls {
                None => talk(stream, shared, router, connection).await,
                Some(tls) => {
                    if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_WITHIN, tls.accept(stream)).await {
                        talk(stream, shared, router, connection).await;
                    }
                }
            }
            drop(turn);
        });
    }
}

async fn accept_unix(shared: &Arc<Shared>, router: &Router, turns: &Arc<Semaphore>, listener: &UnixListener) {
    let hosts = Arc::new(Hosts::of_socket());
    let own = rustix::process::geteuid().as_raw();
    loop {
        let Ok(turn) = Arc::clone(turns).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                cannot_accept(&error).await;
                continue;
            }
        };
        let Ok(peer) = stream.peer_cred() else { continue };
        // A stranger gets no answer: there is nobody to tell what is wrong.
        let Some(scope) = peers::scope_of(peer.uid(), peer.gid(), own, shared.settings.socket_group.as_ref()) else {
            let data = serde_json::json!({"from": format!("uid {}", peer.uid()), "path": "the API's socket"});
            if shared.failures.refused(std::net::Ipv4Addr::UNSPECIFIED.into(), crate::clock::boottime_ns()).is_ok() {
                (shared.ways.audit)("api_refused", data);
            }
            continue;
        };
        let connection = Arc::new(Connection {
            peer: Peer::Unix { uid: peer.uid(), scope },
            hosts: Arc::clone(&hosts),
            secure: false,
            cookie: String::new(),
        });
        let (shared, router) = (Arc::clone(shared), router.clone());
        tokio::spawn(async move {
            talk(stream, shared, router, connection).await;
            drop(turn);
        });
    }
}

/// Out of descriptors, mostly: the next try must not come at once.
async fn cannot_accept(error: &io::Error) {
    tracing::warn!(%error, "The API cannot accept a connection.");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// With TLS a browser takes this name from nobody but this very host.
fn cookie_name(port: u16, secure: bool) -> String {
    format!("{}ghostd_{port}", if secure { "__Host-" } else { "" })
}

async fn talk<S>(stream: S, shared: Arc<Shared>, router: Router, connection: Arc<Connection>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let (shared, router, connection) = (Arc::clone(&shared), router.clone(), Arc::clone(&connection));
        async move { Ok::<_, Infallible>(gate::serve(shared, router, connection, request.map(Body::new)).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEADER_BYTES);
    // How a connection ends is the other side's business.
    let _ = http.serve_connection(TokioIo::new(Patient::new(stream)), service).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_has_a_cookie_of_its_own() {
        assert_eq!(cookie_name(7878, false), "ghostd_7878");
        assert_eq!(cookie_name(443, true), "__Host-ghostd_443");
    }

    #[test]
    fn a_browser_is_sent_to_an_address_that_it_can_reach() {
        assert_eq!(shown("0.0.0.0:7".parse().unwrap()).to_string(), "127.0.0.1:7");
        assert_eq!(shown("[::]:7".parse().unwrap()).to_string(), "[::1]:7");
        assert_eq!(shown("192.0.2.1:7".parse().unwrap()).to_string(), "192.0.2.1:7");
    }
}
