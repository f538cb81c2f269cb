//! Real sockets on loopback, each behaving badly in a way of its own.

use std::time::Instant;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};

use super::super::testing::{at, wall};
use super::tls::Trust;
use super::*;

const LIMIT: Duration = Duration::from_millis(600);

fn spec(name: &str, target: Target) -> PingSpec {
    PingSpec { name: name.to_owned(), target, every: Duration::from_secs(60), timeout: LIMIT, retries: 0 }
}

fn http(port: u16) -> HttpTarget {
    HttpTarget {
        tls: false,
        host: "127.0.0.1".to_owned(),
        port,
        path: "/health?x=1".to_owned(),
        statuses: Vec::new(),
        body: None,
        certificate_days: 0,
        ca_file: None,
    }
}

async fn asked(target: Target) -> Asked {
    ask(&spec("t", target), wall, &Trust::default()).await
}

/// Listens, and does this with every connection.
async fn server<F, Fut>(serve: F) -> u16
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    port
}

/// Answers every request with this.
async fn answering(answer: &'static str) -> u16 {
    server(move |mut stream| async move {
        let mut buffer = [0; 4096];
        let _ = stream.read(&mut buffer).await;
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await
}

async fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

async fn trickling() -> u16 {
    server(|mut stream| async move {
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".iter().cycle() {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
}

async fn resetting() -> u16 {
    server(|stream| async move {
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
        let mut byte = [0; 1];
        let _ = stream.peek(&mut byte).await;
    })
    .await
}

#[tokio::test]
async fn good_answers_are_good_and_take_time() {
    let port = answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    let good = asked(Target::Http(http(port))).await;
    assert_eq!((good.outcome, &good.detail), (Outcome::Ok, &None));
    assert!(good.latency.unwrap() > Duration::ZERO && good.latency.unwrap() < LIMIT);
    assert_eq!(asked(Target::Tcp { host: "localhost".to_owned(), port }).await.outcome, Outcome::Ok);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let gone = asked(Target::Unix(path.clone())).await;
    assert_eq!(gone.detail.as_deref(), Some("cannot connect: there is no such socket"));
    let _listener = UnixListener::bind(&path).unwrap();
    assert_eq!(asked(Target::Unix(path)).await.outcome, Outcome::Ok);
}

#[tokio::test]
async fn what_is_expected_is_held_against_the_answer() {
    let port = answering("HTTP/1.1 503 Down\r\nContent-Length: 4\r\n\r\nbusy").await;
    let down = asked(Target::Http(http(port))).await;
    assert_eq!((down.outcome, down.detail.as_deref()), (Outcome::Wrong, Some("it answered with status 503")));
    let expected = HttpTarget { statuses: vec![503], body: Some("us".to_owned()), ..http(port) };
    assert_eq!(asked(Target::Http(expected.clone())).await.outcome, Outcome::Ok);
    let missing = asked(Target::Http(HttpTarget { body: Some("fine".to_owned()), ..expected })).await;
    assert_eq!(missing.detail.as_deref(), Some("`fine` is not in its answer (4 bytes were looked at)"));
    let ssh = answering("SSH-2.0-OpenSSH_9.6\r\n").await;
    assert_eq!(asked(Target::Http(http(ssh))).await.detail.as_deref(), Some("its answer is not HTTP/1.1"));
}

#[tokio::test]
async fn a_body_without_end_is_looked_at_no_further_than_its_limit() {
    let port = server(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 8192]).await.is_ok() {}
    })
    .await;
    let endless = asked(Target::Http(HttpTarget { body: Some("y".to_owned()), ..http(port) })).await;
    assert_eq!(endless.detail.as_deref(), Some("`y` is not in its answer (65536 bytes were looked at)"));
}

#[tokio::test]
async fn each_kind_of_bad_target_is_told_apart() {
    let silent = server(|stream| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    })
    .await;
    let cases = [
        (Target::Http(http(silent)), Outcome::Timeout, "no answer within 0.6 s (connected, waiting for an answer)"),
        (Target::Http(http(trickling().await)), Outcome::Timeout, "no answer within 0.6 s"),
        (Target::Http(http(closed_port().await)), Outcome::Unreachable, "cannot connect: connection refused"),
        (Target::Http(http(resetting().await)), Outcome::Unreachable, "no answer: connection reset"),
        (Target::Http(http(server(|stream| async move { drop(stream) }).await)), Outcome::Unreachable, "no answer: "),
        (
            Target::Tcp { host: "nobody.invalid".to_owned(), port: 80 },
            Outcome::Unreachable,
            "`nobody.invalid` has no address",
        ),
    ];
    for (target, outcome, detail) in cases {
        let started = Instant::now();
        let asked = asked(target.clone()).await;
        let text = asked.detail.clone().unwrap_or_default();
        assert!(asked.outcome == outcome && text.starts_with(detail), "{target:?}: {asked:?}");
        assert_eq!(asked.latency, None);
        assert!(started.elapsed() < LIMIT + Duration::from_secs(5), "{target:?} took {:?}", started.elapsed());
    }
}

/// A certificate authority in a file, and a TLS server with a certificate of its that is valid until then.
async fn tls_server(dir: &std::path::Path, name: &str, until: (i32, u8, u8)) -> (u16, PathBuf) {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_file = dir.join("ca.pem");
    crate::probe::testing::put(&ca_file, ca.self_signed(&ca_key).unwrap().pem());
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let mut leaf = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    leaf.not_before = rcgen::date_time_ymd(2020, 1, 1);
    leaf.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(leaf.der().to_vec())],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let port = server(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            let _ = stream.shutdown().await;
        }
    })
    .await;
    (port, ca_file)
}

#[tokio::test]
async fn a_certificate_is_verified_and_its_end_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let https = |port, ca_file: Option<PathBuf>| HttpTarget {
        tls: true,
        host: "localhost".to_owned(),
        ca_file,
        body: Some("ok".to_owned()),
        ..http(port)
    };
    let (port, ca) = tls_server(dir.path(), "localhost", (2090, 1, 1)).await;
    let good = asked(Target::Http(https(port, Some(ca.clone())))).await;
    assert_eq!((good.outcome, good.detail), (Outcome::Ok, None));
    assert_eq!(good.certificate_expires, Some(3_786_912_000));
    let soon = HttpTarget { certificate_days: 100_000, ..https(port, Some(ca.clone())) };
    let soon = asked(Target::Http(soon)).await;
    assert!(soon.outcome == Outcome::Wrong && soon.detail.as_ref().unwrap().contains("expires in"), "{soon:?}");
    let other = asked(Target::Http(HttpTarget { host: "127.0.0.1".to_owned(), ..https(port, Some(ca)) })).await;
    assert_eq!(other.detail.as_deref(), Some("its certificate is for another name"));
    let plain = asked(Target::Http(https(answering("HTTP/1.1 200 OK\r\n\r\n").await, None))).await;
    // Without certificates of the system's own there is nothing to hold it against.
    let words = ["it does not speak TLS", "the trusted certificates cannot be read"];
    let detail = plain.detail.unwrap();
    assert!(words.iter().any(|word| detail.starts_with(word)), "{detail}");

    let (port, ca) = tls_server(dir.path(), "localhost", (2021, 2, 3)).await;
    let expired = asked(Target::Http(https(port, Some(ca)))).await;
    assert_eq!(
        (expired.outcome, expired.detail.as_deref()),
        (Outcome::Wrong, Some("its certificate expired on 2021-02-03"))
    );
    assert_eq!(expired.certificate_expires, Some(1_612_310_400));
}

#[tokio::test]
async fn an_echo_comes_back_or_is_not_permitted() {
    let echo = asked(Target::Icmp { host: "127.0.0.1".to_owned() }).await;
    match echo.outcome {
        Outcome::Ok => assert!(echo.latency.is_some()),
        Outcome::Wrong => assert!(echo.detail.unwrap().starts_with("ICMP is not permitted")),
        _ => panic!("{echo:?}"),
    }
}

#[tokio::test]
async fn one_target_that_never_answers_delays_no_other_and_retries_are_counted() {
    let silent = server(|stream| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    })
    .await;
    let quick = answering("HTTP/1.1 200 OK\r\n\r\n").await;
    let every = Duration::from_millis(50);
    let dead = PingSpec { retries: 1, every, ..spec("dead", Target::Http(http(silent))) };
    let alive = PingSpec { every, ..spec("alive", Target::Http(http(quick))) };
    let pinger = Pinger::new(vec![dead, alive], wall);
    let table = pinger.table();
    assert!(table.latest(Moment::now(wall)).iter().all(|one| one.outcome == Outcome::Pending));
    let task = tokio::spawn(pinger.run());
    for _ in 0..1_000 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let seen = table.latest(Moment::now(wall));
        if seen[0].outcome == Outcome::Timeout {
            let detail = seen[0].detail.clone().unwrap();
            assert!(detail.ends_with("(2 attempts)"), "{detail}");
            // Over a second has passed: the other one was asked all the while.
            assert!(seen[1].streak >= 3 && seen[1].latencies.unwrap().count >= 3, "{seen:?}");
            task.abort();
            return;
        }
    }
    panic!("{:?}", table.latest(Moment::now(wall)));
}

#[test]
fn a_streak_counts_equal_outcomes_and_the_last_good_latency_stays() {
    let table = PingTable::new(&[spec("db", Target::Tcp { host: "db".to_owned(), port: 1 })], at(0.0));
    assert_eq!(table.latest(at(2.0))[0].outcome, Outcome::Pending);
    let result = |outcome, latency_ns| PingResult { outcome, latency_ns, detail: None, certificate_expires: None };
    for latency in 1..=100 {
        table.record("db", result(Outcome::Ok, Some(latency)), at(4.0));
    }
    table.record("db", result(Outcome::Timeout, None), at(5.0));
    table.record("gone", result(Outcome::Ok, None), at(5.0));
    let seen = table.latest(at(8.0));
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].streak, seen[0].age_ms, seen[0].latency_ns), (1, 3_000, Some(100)));
    // The last 64: 37 to 100.
    let latencies = Latencies { min_ns: 37, median_ns: 69, p95_ns: 97, count: 64 };
    assert_eq!(seen[0].latencies, Some(latencies));
}
