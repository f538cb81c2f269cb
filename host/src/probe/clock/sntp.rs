//! Asking one server: one packet, and the best of several.
//!
//! Owns the socket and the waiting. How often a server is asked is the prober's business.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::ntp::{PACKET_BYTES, Sample, SntpError, judge, request};
use super::{WallClock, monotonic_ns};

/// How long one answer may take: beyond that its bound is worth nothing.
const TIMEOUT: Duration = Duration::from_millis(1_500);
/// How many packets are one poll. The answer that was on the way for the shortest time is the best.
const PACKETS: u32 = 4;
/// After so many packets in a row without a sample the rest are not sent.
const GIVE_UP_AFTER: u32 = 2;
/// Between the packets of one poll, as ntpd's iburst has it.
const BETWEEN: Duration = Duration::from_secs(2);
/// The same where nobody is bothered.
const BETWEEN_ON_LOOPBACK: Duration = Duration::from_millis(10);
/// How many packets that are no answer to the request are looked at while its answer is awaited.
const MAX_STRAY: u32 = 64;

/// One poll: up to four packets, the best answer.
pub(super) async fn poll(server: SocketAddr, wall: WallClock) -> Result<Sample, SntpError> {
    poll_within(server, wall, TIMEOUT).await
}

async fn poll_within(server: SocketAddr, wall: WallClock, timeout: Duration) -> Result<Sample, SntpError> {
    let between = if server.ip().is_loopback() { BETWEEN_ON_LOOPBACK } else { BETWEEN };
    let mut best: Option<Sample> = None;
    let mut failed = 0;
    let mut why = SntpError::NoAnswer(timeout.as_millis());
    for packet in 0..PACKETS {
        if packet > 0 {
            tokio::time::sleep(between).await;
        }
        match ask(server, wall, timeout).await {
            Ok(sample) => {
                failed = 0;
                best = Some(best.filter(|best| best.delay_ns <= sample.delay_ns).unwrap_or(sample));
            }
            // It wants fewer packets, not the next one.
            Err(kiss @ SntpError::KissOfDeath(_)) => return best.ok_or(kiss),
            Err(error) => {
                why = error;
                failed += 1;
                if failed == GIVE_UP_AFTER {
                    break;
                }
            }
        }
    }
    best.ok_or(why)
}

/// One packet and its answer. A stray packet does not end the waiting, but is the reason if nothing better comes.
async fn ask(server: SocketAddr, wall: WallClock, timeout: Duration) -> Result<Sample, SntpError> {
    let unreachable = |error: std::io::Error| SntpError::Unreachable(error.to_string());
    // A new socket has a new random port.
    let any: SocketAddr =
        if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).await.map_err(unreachable)?;
    // Connected, so that the kernel drops what comes from elsewhere and tells what the network refuses.
    socket.connect(server).await.map_err(unreachable)?;
    let nonce = nonce();
    let deadline = Instant::now() + timeout;
    let sent_realtime_ns = wall();
    let sent_ns = monotonic_ns();
    socket.send(&request(nonce)).await.map_err(unreachable)?;
    let mut why = SntpError::NoAnswer(timeout.as_millis());
    // Room for one byte more, so that extensions are seen to be there.
    let mut buffer = [0; 4 * PACKET_BYTES];
    for _ in 0..MAX_STRAY {
        let Ok(received) = tokio::time::timeout_at(deadline, socket.recv(&mut buffer)).await else { break };
        // By the monotonic clock: a step in between is not taken for a delay.
        let elapsed_ns = monotonic_ns().saturating_sub(sent_ns);
        let length = received.map_err(unreachable)?;
        match judge(&buffer[..length], nonce, sent_realtime_ns, elapsed_ns) {
            Err(error @ (SntpError::WrongOrigin | SntpError::Short(_) | SntpError::WrongMode(_))) => why = error,
            answer => return answer,
        }
    }
    Err(why)
}

/// Not to be guessed from outside: the standard library's hasher is keyed with the operating system's randomness.
pub(super) fn nonce() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::wall;
    use super::super::ntp::tests::answer;
    use super::*;

    const S: i64 = 1_000_000_000;
    const QUICK: Duration = Duration::from_millis(300);

    /// A server that answers each request with the packets that `respond` makes of its number and nonce.
    async fn server(respond: impl Fn(u32, u64) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            for number in 0.. {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                assert_eq!(length, PACKET_BYTES);
                let nonce = u64::from_be_bytes(buffer[40..48].try_into().unwrap());
                for packet in respond(number, nonce) {
                    socket.send_to(&packet, from).await.unwrap();
                }
            }
        });
        address
    }

    fn ahead(nonce: u64, ns: i64) -> Vec<u8> {
        let now = wall() + ns;
        answer(nonce, now, now)
    }

    #[tokio::test]
    async fn an_offset_is_found_within_its_bound() {
        for offset_ns in [120_000_000, -3 * S, 0] {
            let address = server(move |_, nonce| vec![ahead(nonce, offset_ns)]).await;
            let sample = poll_within(address, wall, QUICK).await.unwrap();
            assert!(sample.offset_ns.abs_diff(offset_ns) <= sample.delay_ns / 2 + 2, "{sample:?}");
            assert!(sample.bound_ns >= 500_000_000, "root delay / 2 and dispersion are in it");
        }
    }

    #[tokio::test]
    async fn the_answer_that_came_quickest_is_taken() {
        let address = server(|number, nonce| {
            if number != 2 {
                std::thread::sleep(Duration::from_millis(60));
            }
            vec![ahead(nonce, S)]
        })
        .await;
        // The sleeping is before the stamps, so those offsets are wrong by half of it.
        let sample = poll_within(address, wall, QUICK).await.unwrap();
        assert!(sample.delay_ns < 60_000_000 && sample.offset_ns.abs_diff(S) < 30_000_000, "{sample:?}");
    }

    #[tokio::test]
    async fn strangers_do_not_keep_the_answer_away() {
        let address =
            server(|_, nonce| vec![ahead(nonce ^ 1, 9 * S), b"garbage".to_vec(), vec![0xff; 48], ahead(nonce, S)])
                .await;
        let sample = poll_within(address, wall, QUICK).await.unwrap();
        assert!(sample.offset_ns.abs_diff(S) < S as u64 / 10);
    }

    #[tokio::test]
    async fn each_failure_is_named() {
        let wrong = server(|_, nonce| vec![ahead(!nonce, 0)]).await;
        assert_eq!(poll_within(wrong, wall, QUICK).await, Err(SntpError::WrongOrigin));
        let silent = server(|_, _| vec![]).await;
        assert_eq!(poll_within(silent, wall, QUICK).await, Err(SntpError::NoAnswer(300)));
        let garbage = server(|_, _| vec![b"garbage".to_vec()]).await;
        assert_eq!(poll_within(garbage, wall, QUICK).await, Err(SntpError::Short(7)));
        let free = server(|_, nonce| {
            let mut packet = ahead(nonce, 0);
            packet[0] |= 3 << 6;
            vec![packet]
        })
        .await;
        assert_eq!(poll_within(free, wall, QUICK).await, Err(SntpError::Unsynchronised));
        let unused = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let refused = poll_within(unused, wall, QUICK).await;
        assert!(matches!(refused, Err(SntpError::Unreachable(_))), "{refused:?}");
    }

    #[tokio::test]
    async fn an_answer_that_is_late_is_none_and_confuses_no_later_request() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            loop {
                let (_, from) = socket.recv_from(&mut buffer).await.unwrap();
                let nonce = u64::from_be_bytes(buffer[40..48].try_into().unwrap());
                tokio::time::sleep(QUICK + Duration::from_millis(100)).await;
                let _port_is_closed_by_now = socket.send_to(&ahead(nonce, S), from).await;
            }
        });
        assert_eq!(poll_within(address, wall, QUICK).await, Err(SntpError::NoAnswer(300)));
    }

    #[tokio::test]
    async fn a_kiss_ends_the_poll_at_once() {
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
        let count = asked.clone();
        let address = server(move |_, nonce| {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let mut packet = ahead(nonce, 0);
            packet[1] = 0;
            packet[12..16].copy_from_slice(b"RATE");
            vec![packet]
        })
        .await;
        assert_eq!(poll_within(address, wall, QUICK).await, Err(SntpError::KissOfDeath("RATE".into())));
        assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 1);
    }

    #[test]
    fn nonces_differ() {
        let nonces: std::collections::HashSet<u64> = (0..1_000).map(|_| nonce()).collect();
        assert_eq!(nonces.len(), 1_000);
    }
}
