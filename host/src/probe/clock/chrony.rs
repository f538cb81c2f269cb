//! Asking chronyd for its tracking, by its command protocol (version 6) on loopback.
//!
//! Owns the packets and chrony's own format of floating-point numbers. Anybody on the machine may ask this question;
//! nothing is ever changed.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::super::{Error, Result};
use super::sntp::nonce;

const PORT: u16 = 323;
const VERSION: u8 = 6;
const TYPE_REQUEST: u8 = 1;
const TYPE_REPLY: u8 = 2;
const REQUEST_TRACKING: u16 = 33;
const REPLY_TRACKING: u16 = 5;
/// Header of a reply, and with it the tracking report. A request is as long as its reply, so that nobody can use
/// chronyd to multiply packets; a shorter one is dropped.
const HEADER_BYTES: usize = 28;
const PACKET_BYTES: usize = 104;
/// It is on this machine.
const TIMEOUT: Duration = Duration::from_millis(1_000);
/// How many packets that are no answer are looked at.
const MAX_STRAY: u32 = 16;

/// Where chronyd listens for commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chrony {
    address: SocketAddr,
}

/// What chronyd says of itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tracking {
    /// What it is synchronised to. 7F7F0101 in local mode, which is tied to nothing.
    pub reference_id: u32,
    /// Its stratum.
    pub stratum: u16,
    /// 0 normal, 1 insert, 2 delete, 3 not synchronised.
    pub leap: u16,
    /// The estimated offset of the system clock, positive when it is fast.
    pub offset_seconds: f64,
    /// The offset of the last measurement.
    pub last_offset_seconds: f64,
    /// The long-term average of it.
    pub rms_offset_seconds: f64,
    /// By how much the clock would be wrong without correction, positive when it would be fast.
    pub frequency_ppm: f64,
    /// The bound of that.
    pub skew_ppm: f64,
    /// Of the path to the primary source.
    pub root_delay_seconds: f64,
    /// Of the path to the primary source.
    pub root_dispersion_seconds: f64,
    /// Between the last two updates.
    pub update_interval_seconds: f64,
}

impl Default for Chrony {
    fn default() -> Self {
        Self::on_port(PORT)
    }
}

impl Chrony {
    /// One that listens on another port of 127.0.0.1.
    pub fn on_port(port: u16) -> Self {
        Self { address: (Ipv4Addr::LOCALHOST, port).into() }
    }

    /// Asks for tracking. Not found where no chronyd answers.
    pub async fn tracking(&self) -> Result<Tracking> {
        let address = self.address;
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::ConnectionRefused => Error::NotFound(format!("no chronyd at `{address}`")),
            _ => Error::from_io(&format!("chronyd at `{address}`"), &error),
        };
        let any: SocketAddr =
            if address.is_ipv4() { (Ipv4Addr::LOCALHOST, 0).into() } else { (Ipv6Addr::LOCALHOST, 0).into() };
        let socket = UdpSocket::bind(any).await.map_err(failed)?;
        socket.connect(address).await.map_err(failed)?;
        let [sequence, ..] = split(nonce());
        let deadline = Instant::now() + TIMEOUT;
        socket.send(&request(sequence)).await.map_err(failed)?;
        let mut buffer = [0; 2 * PACKET_BYTES];
        for _ in 0..MAX_STRAY {
            let Ok(received) = tokio::time::timeout_at(deadline, socket.recv(&mut buffer)).await else { break };
            let length = received.map_err(failed)?;
            if let Some(answer) = parse(&buffer[..length], sequence) {
                return answer;
            }
        }
        let ms = TIMEOUT.as_millis();
        Err(Error::NotFound(format!("chronyd at `{address}` (no answer within {ms} ms)")))
    }
}

fn split(wide: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = wide.to_be_bytes();
    [u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])]
}

fn request(sequence: u32) -> [u8; PACKET_BYTES] {
    let mut packet = [0; PACKET_BYTES];
    packet[0] = VERSION;
    packet[1] = TYPE_REQUEST;
    packet[4..6].copy_from_slice(&REQUEST_TRACKING.to_be_bytes());
    packet[8..12].copy_from_slice(&sequence.to_be_bytes());
    packet
}

/// None for what is no answer to the request with this sequence number.
fn parse(packet: &[u8], sequence: u32) -> Option<Result<Tracking>> {
    let short = |at: usize| Some(u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?));
    let long = |at: usize| Some(u32::from_be_bytes(packet.get(at..at + 4)?.try_into().ok()?));
    if packet.len() < HEADER_BYTES || packet[1] != TYPE_REPLY || long(16)? != sequence {
        return None;
    }
    let version = packet[0];
    if version != VERSION {
        let text = format!("chronyd's command protocol `{version}` (ghostd speaks {VERSION})");
        return Some(Err(Error::Unavailable(text)));
    }
    match short(8)? {
        0 => {}
        status @ 2 => return Some(Err(Error::Forbidden(format!("chronyd refused to answer (status {status})")))),
        status => return Some(Err(Error::Io(format!("chronyd answered with status `{status}`")))),
    }
    if short(4)? != REQUEST_TRACKING || short(6)? != REPLY_TRACKING || packet.len() < PACKET_BYTES {
        return Some(Err(Error::Io("chronyd's answer is no tracking report".to_owned())));
    }
    // Behind the header: reference id, its address (20 bytes), stratum, leap, time of the last update (12 bytes).
    let number = |index: usize| long(68 + 4 * index).map(float);
    Some(Ok(Tracking {
        reference_id: long(28)?,
        stratum: short(52)?,
        leap: short(54)?,
        // The correction that is still to be made: positive when the clock is slow.
        offset_seconds: -number(0)?,
        last_offset_seconds: number(1)?,
        rms_offset_seconds: number(2)?,
        frequency_ppm: number(3)?,
        // The fifth is the residual frequency.
        skew_ppm: number(5)?,
        root_delay_seconds: number(6)?,
        root_dispersion_seconds: number(7)?,
        update_interval_seconds: number(8)?,
    }))
}

/// Seven bits of a signed exponent, then 25 of a signed coefficient.
fn float(raw: u32) -> f64 {
    const COEFFICIENT_BITS: u32 = 25;
    let exponent = raw.cast_signed() >> COEFFICIENT_BITS;
    let coefficient = (raw << (32 - COEFFICIENT_BITS)).cast_signed() >> (32 - COEFFICIENT_BITS);
    f64::from(coefficient) * 2f64.powi(exponent - COEFFICIENT_BITS.cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reply of chronyd 4.3 that followed a server 120 ms ahead without moving the clock, to sequence 12345678.
    /// `chronyc tracking` said at the same second: 0.120043 s slow, last offset -0.000000279, RMS offset 0.000005731,
    /// frequency 0.760 ppm slow, skew 1.361 ppm, root delay 0.0010972, root dispersion 0.001023, interval 1.0.
    const RECORDED: &str = include_str!("../../../../tests/fixtures/probe/chrony-4.3-tracking.hex");
    const SEQUENCE: u32 = 0x1234_5678;

    fn recorded() -> Vec<u8> {
        let digits = RECORDED.trim().as_bytes();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    #[test]
    fn the_recorded_reply_reads_as_chronyc_read_it() {
        let tracking = parse(&recorded(), SEQUENCE).unwrap().unwrap();
        let near = |value: f64, expected: f64| assert!((value - expected).abs() < 1e-6, "{value} {expected}");
        assert_eq!((tracking.reference_id, tracking.stratum, tracking.leap), (0x7f00_0001, 3, 0));
        near(tracking.offset_seconds, -0.120_043);
        near(tracking.last_offset_seconds, -0.000_000_279);
        near(tracking.rms_offset_seconds, 0.000_005_731);
        assert!((tracking.frequency_ppm - -0.760).abs() < 5e-4 && (tracking.skew_ppm - 1.361).abs() < 5e-3);
        near(tracking.root_delay_seconds, 0.001_097_2);
        near(tracking.root_dispersion_seconds, 0.001_023);
        assert!((tracking.update_interval_seconds - 1.0).abs() < 0.05);
    }

    #[test]
    fn numbers_are_read_in_chronys_format() {
        assert_eq!(float(0), 0.0);
        assert_eq!(float(0x0280_0000), 0.5);
        assert_eq!(float(0x0400_0000 | 0x0080_0000), 1.0);
        assert_eq!(float(0x0480_0000 | 0x0100_0000), float(0x0580_0000));
        assert_eq!(float(0x03ff_ffff), -(2f64.powi(1 - 25)));
        assert!(float(0xfe00_0001) > 0.0 && float(0xfe00_0001) < 1e-7);
    }

    #[test]
    fn what_is_no_answer_is_passed_over_and_a_refusal_is_named() {
        let change = |at: usize, byte: u8| {
            let mut packet = recorded();
            packet[at] = byte;
            parse(&packet, SEQUENCE)
        };
        assert_eq!(parse(&recorded(), SEQUENCE + 1), None);
        assert_eq!(parse(b"garbage", SEQUENCE), None);
        assert_eq!(change(1, TYPE_REQUEST), None);
        assert!(matches!(change(0, 5), Some(Err(Error::Unavailable(_)))));
        assert!(matches!(change(9, 2), Some(Err(Error::Forbidden(_)))));
        assert!(matches!(change(9, 3), Some(Err(Error::Io(_)))));
        assert!(matches!(change(7, 6), Some(Err(Error::Io(_)))));
        let whole = recorded();
        for end in 0..whole.len() {
            assert!(!matches!(parse(&whole[..end], SEQUENCE), Some(Ok(_))), "{end}");
        }
    }

    #[tokio::test]
    async fn a_server_is_asked_and_its_absence_told() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let chrony = Chrony::on_port(socket.local_addr().unwrap().port());
        let serve = tokio::spawn(async move {
            let mut buffer = [0; 512];
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            assert_eq!((length, &buffer[..6]), (PACKET_BYTES, &[6, 1, 0, 0, 0, 33][..]));
            let mut reply = recorded();
            socket.send_to(&reply, from).await.unwrap();
            reply[16..20].copy_from_slice(&buffer[8..12]);
            socket.send_to(&reply, from).await.unwrap();
        });
        assert_eq!(chrony.tracking().await.unwrap().stratum, 3);
        serve.await.unwrap();
        let error = chrony.tracking().await.unwrap_err();
        assert!(error.is_not_found(), "{error}");
    }
}
