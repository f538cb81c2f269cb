//! What `[clock]` says about servers and how often they may be asked.

use std::net::IpAddr;
use std::time::Duration;

use super::super::check::shorten;
use super::super::raw;
use super::super::settings::{Clock, Server};
use super::super::units::format_duration;
use super::{At, Judge};

/// A public server is never asked more often than this (RFC 4330 section 10 asks for 15 s at least, pools for 64 s).
const LEAST_PUBLIC_INTERVAL: Duration = Duration::from_secs(64);
/// NTP's port.
const NTP_PORT: u16 = 123;

impl Judge<'_> {
    pub(super) fn clock(&mut self, raw: raw::Clock, at: &At<'_>) -> Clock {
        let servers_at = at.key("servers");
        let mut servers: Vec<Server> = Vec::with_capacity(raw.servers.len());
        for (index, text) in raw.servers.iter().enumerate() {
            let at = servers_at.item(index);
            let Some(server) = parse_server(text) else {
                let hint = "such as `time.example.org`, `192.0.2.1:123` or `[2001:db8::1]:123`";
                self.fault_with(&at, format!("`{}` is no server", shorten(text)), hint);
                continue;
            };
            if servers.iter().any(|known| known.host == server.host && known.port == server.port) {
                self.fault(&at, format!("`{}` is there twice", shorten(text)));
            }
            servers.push(server);
        }
        let public = servers.iter().find(|server| is_public(&server.host));
        if let Some(server) = public.filter(|_| raw.sntp_every.0 < LEAST_PUBLIC_INTERVAL) {
            let problem = format!("`{}` is too often for `{}`", format_duration(raw.sntp_every.0), server.name);
            let hint = "at least `64s`, unless every server is on this machine or in a private network";
            self.fault_with(&at.key("sntp_every"), problem, hint);
        }
        Clock { servers, sntp_every: raw.sntp_every.0, chrony: raw.chrony.0 }
    }
}

fn parse_server(text: &str) -> Option<Server> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, tail) = rest.split_once(']')?;
            host.parse::<IpAddr>().ok()?;
            (host, tail.strip_prefix(':').or_else(|| tail.is_empty().then_some("123"))?)
        }
        // An IPv6 address without brackets has no port.
        None if text.parse::<IpAddr>().is_ok() => (text, "123"),
        None => text.split_once(':').unwrap_or((text, "123")),
    };
    let port = if port == "123" { NTP_PORT } else { port.parse::<u16>().ok().filter(|port| *port > 0)? };
    let is_name = |host: &str| {
        host.len() <= 253
            && host.split('.').all(|label| {
                !label.is_empty()
                    && label.len() <= 63
                    && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            })
    };
    let valid = host.parse::<IpAddr>().is_ok() || is_name(host.trim_end_matches('.'));
    valid.then(|| Server { name: text.to_owned(), host: host.to_owned(), port })
}

/// Whether somebody else's server may stand there: a name may mean anything.
fn is_public(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => !(address.is_loopback() || address.is_private() || address.is_link_local()),
        Ok(IpAddr::V6(address)) => {
            !(address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local())
        }
        Err(_) => host != "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read() {
        for (text, host, port) in [
            ("time.example.org", "time.example.org", 123),
            ("time.example.org:1123", "time.example.org", 1123),
            ("192.0.2.1:11", "192.0.2.1", 11),
            ("::1", "::1", 123),
            ("[::1]", "::1", 123),
            ("[2001:db8::1]:4", "2001:db8::1", 4),
        ] {
            let server = parse_server(text).unwrap();
            assert_eq!((server.host.as_str(), server.port), (host, port), "{text}");
        }
        for text in
            ["", ":123", "a b", "host:", "host:0", "host:70000", "[::1", "[host]:1", "http://x", "a..b", "user@host"]
        {
            assert_eq!(parse_server(text), None, "{text}");
        }
    }

    #[test]
    fn only_addresses_of_our_own_are_not_public() {
        for host in ["127.0.0.1", "localhost", "::1", "10.1.2.3", "fd00::1", "192.168.0.1"] {
            assert!(!is_public(host), "{host}");
        }
        for host in ["192.0.2.1", "time.example.org", "2001:db8::1"] {
            assert!(is_public(host), "{host}");
        }
    }
}
