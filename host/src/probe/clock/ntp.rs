//! SNTP on the wire (RFC 4330, RFC 5905): a request, and what an answer is worth.
//!
//! Owns the packet and every reason for which an answer is refused. Sends nothing and reads no clock.

use super::NS_PER_S;

/// Seconds from 1900, where NTP counts from, to 1970.
const UNIX_ERA_S: i64 = 2_208_988_800;
/// A packet without extensions.
pub(super) const PACKET_BYTES: usize = 48;
/// Version 4, mode 3 (client).
const REQUEST_HEADER: u8 = 4 << 3 | 3;
const MODE_SERVER: u8 = 4;
const LEAP_UNSYNCHRONISED: u8 = 3;
/// From here on a stratum means that the server is not synchronised.
const STRATUM_UNSYNCHRONISED: u8 = 16;

/// One good answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// What the machine's clock must be moved by to be right.
    pub offset_ns: i64,
    /// The offset is right within this much: delay / 2 + root delay / 2 + root dispersion.
    pub bound_ns: u64,
    /// How long the packets were on the way, the server's own time taken off.
    pub delay_ns: u64,
    /// The server's stratum, 1 to 15.
    pub stratum: u8,
}

/// Why there is no sample.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SntpError {
    /// Nothing came in time.
    #[error("no answer within {0} ms")]
    NoAnswer(u128),
    /// The network refused it.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// The name has no address.
    #[error("name cannot be resolved: {0}")]
    Name(String),
    /// The server tells us to go away or to ask less often.
    #[error("kiss-o'-death `{0}`")]
    KissOfDeath(String),
    /// The answer is to another question: late, or forged.
    #[error("wrong origin timestamp (an answer to another request, or a forged one)")]
    WrongOrigin,
    /// Leap indicator 3.
    #[error("server says that it is not synchronised (leap indicator 3)")]
    Unsynchronised,
    /// Not from 1 to 15.
    #[error("server's stratum is `{0}` (1 to 15 are synchronised)")]
    Stratum(u8),
    /// The server does not say when it sent it.
    #[error("transmit or receive timestamp is zero")]
    ZeroTimestamp,
    /// The server sent it before it received the request.
    #[error("server's timestamps run backwards")]
    Backwards,
    /// No answer of a server.
    #[error("wrong mode `{0}` (an answer has 4)")]
    WrongMode(u8),
    /// No NTP packet.
    #[error("answer of {0} bytes is too short")]
    Short(usize),
}

/// A request whose transmit field is `nonce`: random, so that nobody who does not see it can answer.
pub(super) fn request(nonce: u64) -> [u8; PACKET_BYTES] {
    let mut packet = [0; PACKET_BYTES];
    packet[0] = REQUEST_HEADER;
    packet[40..].copy_from_slice(&nonce.to_be_bytes());
    packet
}

/// Judges an answer to the request with this `nonce`, sent at `sent_realtime_ns` and received `elapsed_ns` later.
pub(super) fn judge(answer: &[u8], nonce: u64, sent_realtime_ns: i64, elapsed_ns: u64) -> Result<Sample, SntpError> {
    let Some(packet) = answer.first_chunk::<PACKET_BYTES>() else { return Err(SntpError::Short(answer.len())) };
    let mode = packet[0] & 7;
    if mode != MODE_SERVER {
        return Err(SntpError::WrongMode(mode));
    }
    // Before anything else of it is believed, a kiss-o'-death included.
    if word(packet, 24) != nonce {
        return Err(SntpError::WrongOrigin);
    }
    let stratum = packet[1];
    if stratum == 0 {
        let code: String = packet[12..16]
            .iter()
            .take_while(|byte| **byte != 0)
            .map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '?' })
            .collect();
        return Err(SntpError::KissOfDeath(code));
    }
    if packet[0] >> 6 == LEAP_UNSYNCHRONISED {
        return Err(SntpError::Unsynchronised);
    }
    if stratum >= STRATUM_UNSYNCHRONISED {
        return Err(SntpError::Stratum(stratum));
    }
    let (received, transmitted) = (word(packet, 32), word(packet, 40));
    if received == 0 || transmitted == 0 {
        return Err(SntpError::ZeroTimestamp);
    }
    let sent = timestamp(sent_realtime_ns);
    let back = timestamp(sent_realtime_ns.saturating_add(i64::try_from(elapsed_ns).unwrap_or(i64::MAX)));
    let at_server_ns = difference_ns(transmitted, received);
    if at_server_ns < 0 {
        return Err(SntpError::Backwards);
    }
    let offset_ns = (difference_ns(received, sent) + difference_ns(transmitted, back)) / 2;
    let delay_ns = (i128::from(elapsed_ns) - at_server_ns).max(0);
    let bound_ns = delay_ns / 2 + short_ns(packet, 4) / 2 + short_ns(packet, 8);
    Ok(Sample {
        offset_ns: i64::try_from(offset_ns).unwrap_or(if offset_ns < 0 { i64::MIN } else { i64::MAX }),
        bound_ns: u64::try_from(bound_ns).unwrap_or(u64::MAX),
        delay_ns: u64::try_from(delay_ns).unwrap_or(u64::MAX),
        stratum,
    })
}

/// A time of the Unix epoch as NTP counts: 32 bits of seconds, which overflow in 2036, and 32 of a fraction.
pub(super) fn timestamp(realtime_ns: i64) -> u64 {
    let per_second = NS_PER_S as i64;
    let seconds = realtime_ns.div_euclid(per_second).wrapping_add(UNIX_ERA_S);
    let fraction = (u64::try_from(realtime_ns.rem_euclid(per_second)).unwrap_or(0) << 32) / NS_PER_S;
    (seconds.cast_unsigned() << 32) | fraction
}

/// `a - b` across the overflow of the era, as long as they are less than 68 years apart.
fn difference_ns(a: u64, b: u64) -> i128 {
    (i128::from(a.wrapping_sub(b).cast_signed()) * i128::from(NS_PER_S)) >> 32
}

/// 16 bits of seconds and 16 of a fraction.
fn short_ns(packet: &[u8; PACKET_BYTES], at: usize) -> i128 {
    let raw = packet[at..at + 4].iter().fold(0u32, |value, byte| value << 8 | u32::from(*byte));
    (i128::from(raw) * i128::from(NS_PER_S)) >> 16
}

fn word(packet: &[u8; PACKET_BYTES], at: usize) -> u64 {
    packet[at..at + 8].iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;
    const NONCE: u64 = 0x0123_4567_89ab_cdef;

    /// An answer of a good server that received it at one time of its clock and sent it at another.
    pub(in super::super) fn answer(nonce: u64, received_ns: i64, transmitted_ns: i64) -> Vec<u8> {
        let mut packet = vec![0; PACKET_BYTES];
        packet[0] = 4 << 3 | 4;
        packet[1] = 2;
        packet[4..8].copy_from_slice(&0x0000_8000u32.to_be_bytes());
        packet[8..12].copy_from_slice(&0x0000_4000u32.to_be_bytes());
        packet[24..32].copy_from_slice(&nonce.to_be_bytes());
        packet[32..40].copy_from_slice(&timestamp(received_ns).to_be_bytes());
        packet[40..48].copy_from_slice(&timestamp(transmitted_ns).to_be_bytes());
        packet
    }

    fn judged(change: impl FnOnce(&mut Vec<u8>)) -> Result<Sample, SntpError> {
        let mut packet = answer(NONCE, 1_000 * S, 1_000 * S);
        change(&mut packet);
        judge(&packet, NONCE, 1_000 * S, 0)
    }

    #[test]
    fn offset_delay_and_bound_are_those_of_the_rfc() {
        // Our clock is 5 s slow; 30 ms there, 10 ms at the server, 50 ms back.
        let sent = 1_000 * S;
        let packet = answer(NONCE, sent + 5 * S + 30_000_000, sent + 5 * S + 40_000_000);
        let sample = judge(&packet, NONCE, sent, 90_000_000).unwrap();
        assert!((sample.offset_ns - (5 * S - 10_000_000)).abs() <= 2, "{sample:?}");
        assert!(sample.delay_ns.abs_diff(80_000_000) <= 2);
        // Root delay 0.5 s, root dispersion 0.25 s.
        assert!(sample.bound_ns.abs_diff(40_000_000 + 250_000_000 + 250_000_000) <= 2);
        assert!(sample.offset_ns.abs_diff(5 * S) <= sample.bound_ns);
        assert_eq!(sample.stratum, 2);
    }

    #[test]
    fn the_end_of_the_era_in_2036_is_no_border() {
        let end = (i64::from(u32::MAX) + 1 - UNIX_ERA_S) * S;
        let sample = judge(&answer(NONCE, end + S, end + S), NONCE, end - S, 0).unwrap();
        assert_eq!(sample.offset_ns, 2 * S);
        let sample = judge(&answer(NONCE, end - S, end - S), NONCE, end + S, 0).unwrap();
        assert_eq!(sample.offset_ns, -2 * S);
    }

    #[test]
    fn each_fault_has_its_name() {
        assert!(judged(|_| {}).is_ok());
        assert_eq!(judged(|packet| packet.truncate(47)), Err(SntpError::Short(47)));
        assert_eq!(judged(|packet| packet[0] = 4 << 3 | 5), Err(SntpError::WrongMode(5)));
        assert_eq!(judged(|packet| packet[0] = 4 << 3 | 3), Err(SntpError::WrongMode(3)));
        assert_eq!(judged(|packet| packet[31] ^= 1), Err(SntpError::WrongOrigin));
        assert_eq!(judged(|packet| packet[0] |= 3 << 6), Err(SntpError::Unsynchronised));
        assert_eq!(judged(|packet| packet[1] = 16), Err(SntpError::Stratum(16)));
        assert_eq!(judged(|packet| packet[40..].fill(0)), Err(SntpError::ZeroTimestamp));
        assert_eq!(judged(|packet| packet[32..40].fill(0)), Err(SntpError::ZeroTimestamp));
        assert_eq!(judged(|packet| packet[43] -= 1), Err(SntpError::Backwards));
        let kiss = |code: &'static [u8]| {
            judged(move |packet| {
                packet[1] = 0;
                packet[12..12 + code.len()].copy_from_slice(code);
            })
        };
        assert_eq!(kiss(b"RATE"), Err(SntpError::KissOfDeath("RATE".into())));
        assert_eq!(kiss(b"\x1b[2J"), Err(SntpError::KissOfDeath("?[2J".into())));
        // A kiss-o'-death that nobody asked for is not obeyed.
        let forged = judged(|packet| {
            packet[1] = 0;
            packet[24] ^= 1;
        });
        assert_eq!(forged, Err(SntpError::WrongOrigin));
    }

    #[test]
    fn a_request_shows_nothing_but_its_nonce() {
        let packet = request(NONCE);
        assert_eq!(packet[0], 0x23);
        assert!(packet[1..40].iter().all(|byte| *byte == 0));
        assert_eq!(word(&packet, 40), NONCE);
    }

    #[test]
    fn no_bytes_make_it_fail() {
        proptest::proptest!(|(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..80),
                              sent in proptest::num::i64::ANY, elapsed in proptest::num::u64::ANY)| {
            let nonce = bytes.get(24..32).map_or(0, |field| u64::from_be_bytes(field.try_into().unwrap()));
            let _any = judge(&bytes, nonce, sent, elapsed);
        });
    }
}
