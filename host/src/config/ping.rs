//! Targets of pings as people write them: `http://host:port/path`, `https://...`, `tcp://host:port`, `unix:/path`,
//! `icmp://host`.
//!
//! Owns that notation. Must not know: how any of them is asked.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::Serialize;

/// How the notation is explained where a text is none of it.
pub(super) const HINT: &str = "such as `http://127.0.0.1:8787/health`, `https://example.org`, `tcp://127.0.0.1:5432`, `unix:/run/x.sock` or `icmp://192.0.2.1`";

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PingTarget {
    /// A GET of a URL.
    Http {
        /// Whether it is `https`.
        tls: bool,
        /// A name or an address, without brackets.
        host: String,
        /// 80 or 443 where nothing else was written.
        port: u16,
        /// Path and query; `/` where nothing was written.
        path: String,
    },
    /// A TCP connection.
    Tcp {
        /// A name or an address, without brackets.
        host: String,
        /// Its port.
        port: u16,
    },
    /// A connection to a Unix socket; an absolute path.
    Unix(PathBuf),
    /// An ICMP echo.
    Icmp {
        /// A name or an address, without brackets.
        host: String,
    },
}

impl PingTarget {
    /// Reads one. The error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path);
            return match path.starts_with('/') {
                true => Ok(Self::Unix(path.into())),
                false => Err("a Unix socket is named by an absolute path".to_owned()),
            };
        }
        let (scheme, rest) = text.split_once("://").ok_or("it has no scheme")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        if authority.contains('@') {
            return Err("a user in it is not supported".to_owned());
        }
        let (host, port) = host_and_port(authority)?;
        match scheme {
            "http" | "https" => {
                let tls = scheme == "https";
                let port = port.unwrap_or(if tls { 443 } else { 80 });
                Ok(Self::Http { tls, host, port, path: path_of(tail)? })
            }
            "tcp" if tail.is_empty() || tail == "/" => Ok(Self::Tcp { host, port: port.ok_or("it has no port")? }),
            "icmp" if tail.is_empty() || tail == "/" => match port {
                None => Ok(Self::Icmp { host }),
                Some(_) => Err("ICMP has no ports".to_owned()),
            },
            "tcp" | "icmp" => Err("nothing may follow the host".to_owned()),
            other => Err(format!("`{}` is none of the schemes", super::check::shorten(other))),
        }
    }
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, tail) = rest.split_once(']').ok_or("the bracket is not closed")?;
            host.parse::<IpAddr>().map_err(|_| "between the brackets is no address")?;
            (host, tail.strip_prefix(':').or_else(|| tail.is_empty().then_some("")).ok_or("the port is wrong")?)
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let valid = !host.is_empty()
        && host.len() <= 253
        && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':'));
    if !valid {
        return Err("it has no host".to_owned());
    }
    let port = match port {
        "" => None,
        port => Some(port.parse().ok().filter(|port| *port > 0).ok_or("the port is wrong")?),
    };
    Ok((host.to_owned(), port))
}

fn path_of(tail: &str) -> Result<String, String> {
    let tail = tail.split('#').next().unwrap_or_default();
    if !tail.chars().all(|c| c.is_ascii_graphic()) {
        return Err("what is not ASCII must be percent-encoded".to_owned());
    }
    Ok(if tail.starts_with('/') { tail.to_owned() } else { format!("/{tail}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read() {
        let http = |tls, host: &str, port, path: &str| {
            Ok(PingTarget::Http { tls, host: host.to_owned(), port, path: path.to_owned() })
        };
        let cases = [
            ("http://127.0.0.1:8787/health", http(false, "127.0.0.1", 8787, "/health")),
            ("http://localhost", http(false, "localhost", 80, "/")),
            ("https://example.org?x=1#y", http(true, "example.org", 443, "/?x=1")),
            ("https://[::1]:8443/a", http(true, "::1", 8443, "/a")),
            ("tcp://db:5432", Ok(PingTarget::Tcp { host: "db".to_owned(), port: 5432 })),
            ("unix:/run/x.sock", Ok(PingTarget::Unix("/run/x.sock".into()))),
            ("unix:///run/x.sock", Ok(PingTarget::Unix("/run/x.sock".into()))),
            ("icmp://192.0.2.1", Ok(PingTarget::Icmp { host: "192.0.2.1".to_owned() })),
        ];
        for (text, expected) in cases {
            assert_eq!(PingTarget::parse(text), expected, "{text}");
        }
        for text in [
            "",
            "db:5432",
            "tcp://db",
            "tcp://:1",
            "tcp://db:0",
            "tcp://db:1/x",
            "icmp://h:1",
            "ftp://h",
            "http://",
            "http://u:p@h",
            "http://h:99999",
            "http://[::1",
            "http://[h]",
            "unix:x",
            "http://h/ä",
            "http://a b",
        ] {
            assert!(PingTarget::parse(text).is_err(), "{text}");
        }
    }
}
