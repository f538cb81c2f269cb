//! What a heartbeat says beside processes: pings of targets that behave badly, signs of life, maintenance, the dead
//! man's switch. Everything here is a real socket or file; no beat may be late for any of it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value as Json;

use crate::harness::{PATIENCE, QUIET, Site, alone, until};

/// Serves every connection on a thread of its own.
fn server(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || serve(stream));
        }
    });
    port
}

fn answer(mut stream: TcpStream) {
    let _ = stream.read(&mut [0; 4096]);
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nall ok\n");
}

/// What a status says of a daemon; null before the first heartbeat.
fn row(status: &Json, name: &str) -> Json {
    let rows = status["heartbeat"]["daemons"].as_array().cloned().unwrap_or_default();
    rows.into_iter().find(|row| row["name"] == name).unwrap_or_default()
}

#[test]
fn targets_that_behave_badly_are_told_apart_and_delay_no_beat() {
    let _alone = alone();
    let good = server(answer);
    let silent = server(|stream| {
        std::thread::sleep(Duration::from_secs(120));
        drop(stream);
    });
    let trickle = server(|mut stream| {
        // An answer that comes before its question is another fault.
        let _ = stream.read(&mut [0; 4096]);
        for byte in b"HTTP/1.1 200 OK\r\n".iter().cycle() {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    let reset = server(|stream| {
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
        let _ = stream.peek(&mut [0; 1]);
    });
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let site = Site::with("");
    let (expired, ca) = expired_certificate(&site);
    let targets = [
        ("good", format!("http://127.0.0.1:{good}/health"), "ok", ""),
        ("silent", format!("http://127.0.0.1:{silent}/"), "timeout", "no answer within 1 s"),
        ("trickle", format!("http://127.0.0.1:{trickle}/"), "timeout", "no answer within 1 s"),
        ("refused", format!("tcp://127.0.0.1:{refused}"), "unreachable", "connection refused"),
        ("reset", format!("http://127.0.0.1:{reset}/"), "unreachable", "connection reset"),
        ("nowhere", "http://nobody.invalid/".to_owned(), "unreachable", "has no address"),
        ("expired", format!("https://localhost:{expired}/"), "wrong", "expired on 2021-02-03"),
    ];
    let daemons: String = targets
        .iter()
        .map(|(name, target, ..)| {
            let expect = match *name {
                "good" => "ping_expect = { body = \"all ok\" }".to_owned(),
                "expired" => format!("ping_expect = {{ ca_file = {ca:?} }}"),
                _ => String::new(),
            };
            format!("[[daemon]]\nname = \"{name}\"\nping = \"{target}\"\n{expect}\n")
        })
        .collect();
    let defaults = "[daemon_defaults]\nping_every = \"300ms\"\ntimeout = \"1s\"\nretries = 1\n";
    site.configure(&format!("{daemons}{defaults}[heartbeat]\nevery = \"200ms\"\n{QUIET}"));
    let daemon = site.run();
    let status = until("every target has a result", PATIENCE, || {
        let status = daemon.try_status()?;
        let rows = status["heartbeat"]["daemons"].as_array()?.clone();
        let all = rows.iter().all(|row| row["ping"]["outcome"].as_str().is_some_and(|outcome| outcome != "pending"));
        (rows.len() == targets.len() && all).then_some(status)
    });
    for (name, _, outcome, detail) in &targets {
        let ping = &row(&status, name)["ping"];
        assert_eq!(ping["outcome"], *outcome, "{name}: {ping:#}");
        assert!(ping["detail"].as_str().unwrap_or_default().contains(detail), "{name}: {ping:#}");
    }
    assert!(row(&status, "good")["ping"]["p95_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(status["heartbeat"]["overall"]["status"], "degraded");
    let reasons = status["heartbeat"]["overall"]["reasons"].to_string();
    assert!(reasons.contains("silent does not answer its ping (timeout)") && !reasons.contains("daemon good"));

    // Four seconds of beats, while two targets hang all the time.
    let before = (daemon.status(), daemon.starved());
    std::thread::sleep(Duration::from_secs(4));
    let after = (daemon.status(), daemon.starved());
    let sequence = |status: &Json| status["heartbeat"]["sequence"].as_u64().unwrap();
    let missed = |status: &Json| status["missed_heartbeats"].as_u64().unwrap();
    // A beat that a starved machine missed is the machine's.
    let starved = u64::try_from((after.1 - before.1).as_millis() / 200).unwrap();
    let late = missed(&after.0) - missed(&before.0);
    assert!(late <= starved, "{late} beats were missed; the machine accounts for {starved}");
    assert!(sequence(&after.0) - sequence(&before.0) + starved >= 18);

    // The collector has it too, for snapshots, metrics and findings.
    let body = site.snapshot();
    let rows = body["sections"]["daemon"]["body"]["daemons"].as_array().unwrap();
    let refused = rows.iter().find(|row| row["name"] == "refused").unwrap();
    assert_eq!(refused["ping"]["outcome"], "unreachable");
    let findings = body["findings"].to_string();
    assert!(findings.contains("daemon:refused:unanswered") && !findings.contains("daemon:good:unanswered"));
}

/// A server whose certificate has expired, and the authority that signed it.
fn expired_certificate(site: &Site) -> (u16, String) {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_file = site.path("ca.pem");
    std::fs::write(&ca_file, ca.self_signed(&ca_key).unwrap().pem()).unwrap();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let mut leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    leaf.not_before = rcgen::date_time_ymd(2020, 1, 1);
    leaf.not_after = rcgen::date_time_ymd(2021, 2, 3);
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
    let config = Arc::new(config);
    let port = server(move |mut stream| {
        let mut tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let _ = tls.complete_io(&mut stream);
    });
    (port, ca_file.to_str().unwrap().to_owned())
}

#[test]
fn signs_of_life_are_read_and_their_absence_is_told() {
    let site = Site::with("");
    let beats = site.path("_heartbeat");
    std::fs::create_dir(&beats).unwrap();
    let put = |file: &str, text: &str| std::fs::write(beats.join(file), text).unwrap();
    put(
        "aggregate.json",
        r#"{"timestamp":"2020-01-01T00:00:00Z","runner":{"status":"healthy","timestamp":"2020-01-01T00:00:00Z"}}"#,
    );
    put("future.json", r#"{"timestamp":"2090-01-01T00:00:00Z"}"#);
    put("broken.json", r#"{"timestamp":"#);
    put("touched", "");
    put(
        "worded.json",
        &format!(r#"{{"status":"error: token=ghp_{}","time":"2020-01-01T00:00:00Z"}}"#, "a1B2".repeat(9)),
    );
    let files = [
        ("runner", "aggregate.json"),
        ("future", "future.json"),
        ("broken", "broken.json"),
        ("touched", "touched"),
        ("missing", "missing.json"),
        ("worded", "worded.json"),
    ];
    let daemons: String = files
        .iter()
        .map(|(name, file)| format!("[[daemon]]\nname = \"{name}\"\nheartbeat.file = \"{file}\"\n"))
        .collect();
    site.configure(&format!("{daemons}[heartbeat]\nevery = \"200ms\"\ndir = \"_heartbeat\"\n{QUIET}"));
    let daemon = site.run();
    let state = |name: &str, expected: &str| {
        until(&format!("the file of {name} is {expected}"), PATIENCE, || {
            let status = daemon.try_status()?;
            let found = row(&status, name)["heartbeat_file"]["state"] == expected;
            found.then_some(status)
        })
    };
    for (name, expected) in [
        ("runner", "stale"),
        ("future", "future"),
        ("broken", "malformed"),
        ("touched", "fresh"),
        ("missing", "missing"),
        ("worded", "stale"),
    ] {
        state(name, expected);
    }
    let status = daemon.status();
    assert!(!status.to_string().contains("ghp_a1B2"), "what a file says is cleaned of secrets");
    let reasons = status["heartbeat"]["overall"]["reasons"].to_string();
    assert!(reasons.contains("heartbeat file of future is future"), "{reasons}");
    assert!(!reasons.contains("missing"), "nobody has seen that daemon: {reasons}");
    std::fs::remove_file(beats.join("future.json")).unwrap();
    state("future", "vanished");
    put("broken.json", "{}");
    state("broken", "fresh");
    let until = until("nothing is wrong any more", PATIENCE, || {
        let status = daemon.try_status()?;
        (status["heartbeat"]["overall"]["status"] == "healthy").then_some(status)
    });
    assert_eq!(until["heartbeat"]["overall"]["reasons"], serde_json::json!([]));
}

#[test]
fn maintenance_takes_a_daemon_out_of_the_verdict_and_survives_a_restart() {
    let site = Site::with("");
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    site.configure(&format!(
        "[[daemon]]\nname = \"shop\"\nping = \"tcp://127.0.0.1:{refused}\"\nping_every = \"200ms\"\nretries = 0\n\
         [[daemon]]\nname = \"nightly\"\nmaintenance = [\"daily 00:00-24:00\"]\n\
         [heartbeat]\nevery = \"200ms\"\n{QUIET}"
    ));
    let is = |daemon: &crate::harness::Daemon<'_>, expected: &str| {
        until(&format!("the machine is {expected}"), PATIENCE, || {
            let status = daemon.try_status()?;
            (status["heartbeat"]["overall"]["status"] == expected).then_some(status)
        })
    };
    let mut daemon = site.run();
    let status = is(&daemon, "degraded");
    assert_eq!(row(&status, "nightly")["maintenance"], true, "by schedule");
    site.ghostd(&["maintenance", "on", "nobody"]).exits(2);
    site.ghostd(&["maintenance", "on", "shop", "--for", "never"]).exits(2);
    let said = site.ghostd(&["maintenance", "on", "shop", "--for", "2h", "--why", "new disks"]).exits(0);
    assert!(said.stdout.contains("shop") && said.stdout.contains("new disks"), "{said:?}");
    let status = is(&daemon, "healthy");
    assert_eq!(row(&status, "shop")["maintenance"], true);
    let list = site.ghostd(&["maintenance", "list", "--json"]).exits(0).json();
    assert_eq!(list[0]["by_hand"]["why"], "new disks", "{list:#}");
    assert_eq!((&list[1]["daemon"], &list[1]["open"]), (&"nightly".into(), &true.into()), "{list:#}");

    daemon.signal(crate::harness::Signal::TERM);
    daemon.ended(PATIENCE);
    let daemon = site.run();
    let status = until("a ping was tried after the restart", PATIENCE, || {
        let status = daemon.try_status()?;
        (row(&status, "shop")["ping"]["outcome"] == "unreachable").then_some(status)
    });
    assert_eq!(status["heartbeat"]["overall"]["status"], "healthy", "{:#}", status["heartbeat"]);
    site.ghostd(&["maintenance", "off", "shop"]).exits(0);
    site.ghostd(&["maintenance", "off", "shop"]).exits(2);
    is(&daemon, "degraded");
    let events = site.ghostd(&["events", "--type", "daemon_check"]).exits(0).stdout;
    assert!(
        events.contains("daemon shop is in maintenance") && events.contains("the maintenance of daemon shop is over")
    );
}

#[test]
fn the_dead_man_is_fed_while_all_is_well_and_no_longer() {
    let fed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&fed);
    let dead_man = server(move |stream| {
        count.fetch_add(1, Ordering::SeqCst);
        answer(stream);
    });
    let site = Site::with("");
    let beats = site.path("beats");
    std::fs::create_dir(&beats).unwrap();
    std::fs::write(beats.join("a.json"), "{}").unwrap();
    std::fs::write(site.path("url"), format!("http://127.0.0.1:{dead_man}/ping/a-secret-of-mine\n")).unwrap();
    site.configure(&format!(
        "[[daemon]]\nname = \"a\"\nheartbeat.file = \"a.json\"\n\
         [heartbeat]\nevery = \"200ms\"\ndir = \"beats\"\ndead_man_url_file = \"url\"\ndead_man_every = \"1s\"\n{QUIET}"
    ));
    let daemon = site.run();
    until("it was fed three times", PATIENCE, || (fed.load(Ordering::SeqCst) >= 3).then_some(()));
    std::fs::write(beats.join("a.json"), r#"{"timestamp":"2090-01-01T00:00:00Z"}"#).unwrap();
    until("the machine is degraded", PATIENCE, || {
        (daemon.try_status()?["heartbeat"]["overall"]["status"] == "degraded").then_some(())
    });
    // One may be under way.
    std::thread::sleep(Duration::from_millis(300));
    let before = fed.load(Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(2_500));
    assert_eq!(fed.load(Ordering::SeqCst), before, "it was fed although not all is well");
    std::fs::write(site.path("url"), "http://127.0.0.1:1/ping/a-secret-of-mine\n").unwrap();
    std::fs::write(beats.join("a.json"), "{}").unwrap();
    let conditions = until("it is told that the URL does not answer", PATIENCE, || {
        let conditions = daemon.try_status()?["conditions"].to_string();
        conditions.contains("dead man").then_some(conditions)
    });
    assert!(!conditions.contains("secret-of-mine") && !daemon.log().contains("secret-of-mine"), "{conditions}");
}
