//! Under which names this server may be addressed, and from which pages.
//!
//! A page of another site that has its own name point here (DNS rebinding) sends that name as `Host`; a page that
//! merely sends requests here sends its own origin. Both are refused, on every route.

use std::net::SocketAddr;

/// The values of `Host` that are ours, with the port, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts {
    allowed: Vec<String>,
    scheme: &'static str,
}

impl Hosts {
    /// Those of an address, and those that the configuration names.
    pub fn of(address: SocketAddr, more: &[String], tls: bool) -> Self {
        let (scheme, usual_port) = if tls { ("https", 443) } else { ("http", 80) };
        let port = address.port();
        let mut names = Vec::new();
        if !address.ip().is_unspecified() {
            names.push(address.to_string());
        }
        if address.ip().is_loopback() || address.ip().is_unspecified() {
            names.push(format!("localhost:{port}"));
            names.push(if address.is_ipv4() { format!("127.0.0.1:{port}") } else { format!("[::1]:{port}") });
        }
        names.extend(more.iter().map(|host| host.to_ascii_lowercase()));
        // A browser leaves the scheme's own port out.
        let short: Vec<String> =
            names.iter().filter_map(|name| name.strip_suffix(&format!(":{usual_port}")).map(str::to_owned)).collect();
        names.extend(short);
        Self { allowed: names, scheme }
    }

    /// Of the Unix socket: no browser and no other site gets there.
    pub fn of_socket() -> Self {
        Self { allowed: vec!["localhost".to_owned()], scheme: "http" }
    }

    /// Whether this is one of our names.
    pub fn allows(&self, host: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
    }

    /// Whether a page from there is ours.
    pub fn allows_origin(&self, origin: &str) -> bool {
        origin
            .split_once("://")
            .is_some_and(|(scheme, host)| scheme.eq_ignore_ascii_case(self.scheme) && self.allows(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_belongs_to_the_name() {
        let hosts = Hosts::of("127.0.0.1:7878".parse().unwrap(), &["ghost.example.org:443".to_owned()], false);
        for good in ["127.0.0.1:7878", "localhost:7878", "LOCALHOST:7878", "ghost.example.org:443"] {
            assert!(hosts.allows(good), "{good}");
        }
        for bad in
            ["127.0.0.1", "localhost", "localhost:80", "evil.example:7878", "ghost.example.org", "", "[::1]:7878"]
        {
            assert!(!hosts.allows(bad), "{bad}");
        }
        assert!(hosts.allows_origin("http://localhost:7878"));
        for bad in [
            "https://localhost:7878",
            "http://localhost",
            "null",
            "http://localhost:7878.evil.example",
            "localhost:7878",
        ] {
            assert!(!hosts.allows_origin(bad), "{bad}");
        }
    }

    #[test]
    fn the_usual_port_may_be_left_out_and_every_address_is_no_name() {
        let hosts = Hosts::of("[::]:443".parse().unwrap(), &["Ghost.example.org:443".to_owned()], true);
        for good in ["ghost.example.org", "ghost.example.org:443", "localhost", "[::1]:443", "[::1]"] {
            assert!(hosts.allows(good), "{good}");
        }
        assert!(!hosts.allows("[::]:443"));
        assert!(hosts.allows_origin("https://ghost.example.org"));
    }
}
