//! ICMP echo, where the kernel lets us: a ping socket (`net.ipv4.ping_group_range`, icmp(7)), else a raw one, which
//! takes CAP_NET_RAW.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket as StdSocket};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with};
use tokio::net::UdpSocket;

use super::ask::{Fault, Progress, resolve};

/// Type, code, checksum, identifier, sequence.
const HEADER_BYTES: usize = 8;
/// Sixteen random bytes by which an answer is known.
const NONCE_BYTES: usize = 16;

/// Sends one echo request and waits for its answer.
pub(super) async fn echo(host: &str, progress: &Progress) -> Result<(), Fault> {
    let address = resolve(host, 0).await?[0];
    progress.at("waiting for an echo");
    let socket = open(address.ip()).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => {
            Fault::wrong("ICMP is not permitted (allow the group in `net.ipv4.ping_group_range`, or give CAP_NET_RAW)")
        }
        _ => Fault::io("ICMP cannot be sent", &error),
    })?;
    let failed = |error: io::Error| Fault::io("no echo", &error);
    socket.connect(SocketAddr::new(address.ip(), 0)).await.map_err(failed)?;
    let nonce = *uuid::Uuid::new_v4().as_bytes();
    socket.send(&request(address.ip(), &nonce)).await.map_err(failed)?;
    let mut buffer = [0; 2048];
    loop {
        let length = socket.recv(&mut buffer).await.map_err(failed)?;
        if is_answer(&buffer[..length], address.ip(), &nonce) {
            return Ok(());
        }
    }
}

fn open(to: IpAddr) -> io::Result<UdpSocket> {
    let (family, protocol) = match to {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
    };
    let make = |kind| socket_with(family, kind, SocketFlags::empty(), Some(protocol));
    let socket: OwnedFd = make(SocketType::DGRAM).or_else(|_| make(SocketType::RAW))?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    // To the runtime a ping socket is a datagram socket like any other.
    let socket = StdSocket::from(socket);
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

fn request(to: IpAddr, nonce: &[u8; NONCE_BYTES]) -> Vec<u8> {
    let kind = if to.is_ipv4() { 8 } else { 128 };
    let mut packet = vec![kind, 0, 0, 0, nonce[0], nonce[1], 0, 1];
    packet.extend_from_slice(nonce);
    // A ping socket and ICMPv6 make their own; a raw IPv4 socket does not.
    let sum = checksum(&packet);
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// RFC 1071.
fn checksum(packet: &[u8]) -> u16 {
    let mut sum: u32 =
        packet.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Whether a packet answers this request; a raw IPv4 socket gives the IP header as well.
fn is_answer(mut packet: &[u8], from: IpAddr, nonce: &[u8; NONCE_BYTES]) -> bool {
    if let Some(first) = packet.first().filter(|first| *first >> 4 == 4 && from.is_ipv4()) {
        packet = packet.get(usize::from(first & 0xf) * 4..).unwrap_or_default();
    }
    let kind = if from.is_ipv4() { 0 } else { 129 };
    packet.first() == Some(&kind) && packet.get(HEADER_BYTES..).is_some_and(|data| data.starts_with(nonce))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_known_by_its_nonce_with_and_without_an_ip_header() {
        let (v4, nonce) = (IpAddr::from([127, 0, 0, 1]), [7; NONCE_BYTES]);
        let mut answer = request(v4, &nonce);
        assert_eq!(checksum(&answer), 0, "the sum over a packet with its checksum is zero");
        assert!(!is_answer(&answer, v4, &nonce), "our own request is no answer");
        answer[0] = 0;
        assert!(is_answer(&answer, v4, &nonce));
        assert!(!is_answer(&answer, v4, &[8; NONCE_BYTES]));
        let mut raw = vec![0x45; 20];
        raw.extend_from_slice(&answer);
        assert!(is_answer(&raw, v4, &nonce));
        assert!(!is_answer(&[], v4, &nonce) && !is_answer(&[0x4f, 0], v4, &nonce));
    }
}
