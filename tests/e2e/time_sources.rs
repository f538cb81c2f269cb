//! The clock against servers on loopback: a real chronyd, and servers that answer wrongly, late, with garbage, or with a
//! kiss-o'-death. Each failure is named, and the offset is right within the bound that is stated with it.

use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value as Json;

use crate::harness::{PATIENCE, Process, QUIET, Site, until};

/// Seconds from 1900 to 1970.
const ERA: u64 = 2_208_988_800;

#[expect(clippy::disallowed_methods, reason = "a time server has to know the time")]
fn ntp_now(ahead: f64) -> [u8; 8] {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64() + ahead;
    let seconds = now as u64 + ERA;
    ((seconds << 32) | (now.fract() * 4_294_967_296.0) as u64).to_be_bytes()
}

/// An answer of a server of stratum 2 that is so many seconds ahead.
fn answer(request: &[u8], ahead: f64) -> Vec<u8> {
    let mut packet = vec![0; 48];
    packet[..4].copy_from_slice(&[0x24, 2, 0, 0xec]);
    packet[12..16].copy_from_slice(&[127, 0, 0, 9]);
    packet[24..32].copy_from_slice(&request[40..48]);
    packet[32..40].copy_from_slice(&ntp_now(ahead));
    packet[40..48].copy_from_slice(&ntp_now(ahead));
    packet
}

/// Answers every request with what `reply` makes of it.
fn server(reply: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            if length >= 48 {
                let _ = socket.send_to(&reply(&buffer[..length]), from);
            }
        }
    });
    port
}

/// The section `clock` of a running daemon, as the last beat left it.
fn clock(site: &Site) -> Option<Json> {
    let body = site.snapshot();
    let clock = &body["sections"]["clock"]["body"];
    clock.is_object().then(|| clock.clone())
}

fn of(clock: &Json, port: u16) -> &Json {
    let servers = clock["sntp"]["servers"].as_array().unwrap();
    let name = format!("127.0.0.1:{port}");
    servers
        .iter()
        .find(|server| server.to_string().contains(&name))
        .unwrap_or_else(|| panic!("no {name} in {servers:#?}"))
}

#[test]
fn each_kind_of_bad_time_server_is_named_and_a_good_one_is_right_within_its_bound() {
    let ahead = server(|request| answer(request, 42.0));
    let late = server(|request| {
        std::thread::sleep(Duration::from_secs(4));
        answer(request, 0.0)
    });
    let kiss = server(|request| {
        let mut packet = answer(request, 0.0);
        packet[1] = 0;
        packet[12..16].copy_from_slice(b"RATE");
        packet
    });
    let garbage = server(|_| vec![0xff; 11]);
    let forged = server(|request| {
        let mut packet = answer(request, 0.0);
        packet[24..32].copy_from_slice(&[7; 8]);
        packet
    });
    let unsynchronised = server(|request| {
        let mut packet = answer(request, 0.0);
        packet[0] |= 3 << 6;
        packet
    });
    let ports = [ahead, late, kiss, garbage, forged, unsynchronised];
    let servers: Vec<String> = ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    let site = Site::with(&format!(
        "daemon = []\n[clock]\nservers = [{}]\nsntp_every = \"1s\"\nchrony = \"off\"\n[heartbeat]\nevery = \"500ms\"\n{QUIET}",
        servers.join(", ")
    ));
    let daemon = site.run();
    let seen = until("every server has been asked", PATIENCE, || {
        let seen = clock(&site)?;
        let all = ports.iter().all(|port| !of(&seen, *port).to_string().contains("no answer yet"));
        all.then_some(seen)
    });
    for (port, words) in [
        (late, "no answer within"),
        (kiss, "kiss-o'-death `RATE`"),
        (garbage, "too short"),
        (forged, "wrong origin timestamp"),
        (unsynchronised, "not synchronised"),
    ] {
        assert!(of(&seen, port).to_string().contains(words), "{words}: {:#}", of(&seen, port));
    }
    let good = of(&seen, ahead);
    let (offset, bound) = (good["offset_seconds"].as_f64().unwrap(), good["bound_seconds"].as_f64().unwrap());
    assert!((offset - 42.0).abs() <= bound + 0.001, "{offset} is not 42 within {bound}: {good:#}");
    until("the verdict has it", PATIENCE, || {
        let status = daemon.try_status()?;
        let reasons = status["heartbeat"]["overall"]["reasons"].to_string();
        reasons.contains("the clock is off").then_some(())
    });
}

#[test]
fn a_real_chronyd_is_asked_and_agrees_with_itself() {
    let Some(chronyd) = ["/usr/sbin/chronyd", "/sbin/chronyd"].into_iter().find(|path| Path::new(path).exists()) else {
        eprintln!("SKIPPED: chronyd is not installed (Debian's package `chrony`)");
        return;
    };
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: chronyd wants to be started by root");
        return;
    }
    let site = Site::with("");
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let conf = site.path("chrony.conf");
    let dir = site.root().display();
    std::fs::write(
        &conf,
        format!("local stratum 3\nallow 127.0.0.1\nport {port}\ncmdport 0\nbindaddress 127.0.0.1\nbindcmdaddress /\npidfile {dir}/chronyd.pid\ndriftfile {dir}/drift\n"),
    )
    .unwrap();
    let chrony = Command::new(chronyd)
        .args(["-d", "-x", "-u", "root", "-f"])
        .arg(&conf)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _chrony = Process(chrony);
    site.configure(&format!(
        "daemon = []\n[clock]\nservers = [\"127.0.0.1:{port}\"]\nsntp_every = \"1s\"\nchrony = \"off\"\n[heartbeat]\nevery = \"500ms\"\n{QUIET}"
    ));
    let _daemon = site.run();
    let seen = until("chronyd answers", PATIENCE, || {
        let seen = clock(&site)?;
        of(&seen, port)["offset_seconds"].is_f64().then_some(seen)
    });
    let server = of(&seen, port);
    let (offset, bound) = (server["offset_seconds"].as_f64().unwrap(), server["bound_seconds"].as_f64().unwrap());
    println!("chronyd on loopback: offset {:.1} us, stated bound {:.1} us", offset * 1e6, bound * 1e6);
    // It serves this machine's own clock, so what is measured is what the way of the packets adds.
    assert!(offset.abs() <= bound, "{offset} is not 0 within {bound}: {server:#}");
    assert_eq!(server["stratum"], 3, "{server:#}");
}
