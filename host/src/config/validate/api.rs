//! `[api]`: what may be reached from where, and by which names.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::super::check::shorten;
use super::super::raw;
use super::super::settings::{Api, Tls};
use super::{At, Judge};

impl Judge<'_> {
    pub(super) fn api(&mut self, raw: raw::Api, at: &At<'_>) -> Api {
        let socket = self.socket(raw.socket, &at.key("socket"));
        let tls_at = (at.key("tls_cert_file"), at.key("tls_key_file"));
        let cert = raw.tls_cert_file.map(|file| self.path(&file, &tls_at.0));
        let key = raw.tls_key_file.map(|file| self.path(&file, &tls_at.1));
        let tls = self.tls(cert, key, &tls_at.0, &tls_at.1);
        if let Some(address) = raw.listen.0
            && raw.enabled
            && !address.ip().is_loopback()
            && tls.is_none()
            && !raw.allow_plain_remote
        {
            let problem =
                format!("`{address}` is reached from other machines, and without TLS everybody between reads along");
            let hint = "set `tls_cert_file` and `tls_key_file`, or say `allow_plain_remote = true`";
            self.fault_with(&at.key("listen"), problem, hint);
        }
        let hosts_at = at.key("hosts");
        let mut hosts = Vec::new();
        for (index, host) in raw.hosts.iter().enumerate() {
            let host_at = hosts_at.item(index);
            if !is_host(host) {
                let hint = "a name or address with its port, such as `ghost.example.org:7878`";
                self.fault_with(&host_at, format!("`{}` is no host", shorten(host)), hint);
            }
            hosts.push(host.to_ascii_lowercase());
        }
        Api {
            enabled: raw.enabled,
            listen: raw.listen.0,
            socket,
            socket_group: raw.socket_group,
            socket_group_scope: raw.socket_group_scope,
            hosts,
            tls,
        }
    }

    fn tls(&mut self, cert: Option<PathBuf>, key: Option<PathBuf>, cert_at: &At<'_>, key_at: &At<'_>) -> Option<Tls> {
        match (cert, key) {
            (Some(cert_file), Some(key_file)) => Some(Tls { cert_file, key_file }),
            (Some(_), None) => {
                self.fault(cert_at, "a certificate needs its key in `tls_key_file`");
                None
            }
            (None, Some(_)) => {
                self.fault(key_at, "a key needs its certificate in `tls_cert_file`");
                None
            }
            (None, None) => None,
        }
    }
}

/// `name:port`, `192.0.2.1:port`, `[2001:db8::1]:port`; the port may be left out where it is the scheme's own.
fn is_host(text: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty()
            && name.len() <= 253
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
    };
    if text.starts_with('[') {
        let ends = text.ends_with(']');
        let whole = if ends { format!("{text}:443") } else { text.to_owned() };
        return whole.parse::<SocketAddr>().is_ok();
    }
    match text.split_once(':') {
        Some((name, port)) => is_name(name) && port.parse::<u16>().is_ok_and(|port| port > 0),
        None => is_name(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_what_a_browser_sends() {
        for good in ["ghost.example.org:7878", "ghost", "192.0.2.1:80", "[2001:db8::1]:7878", "[::1]"] {
            assert!(is_host(good), "{good}");
        }
        for bad in
            ["", "http://ghost:1", "ghost:", "ghost:0", "ghost:70000", "a b:1", "[::1", "2001:db8::1", "*:1", "x/y"]
        {
            assert!(!is_host(bad), "{bad}");
        }
    }
}
