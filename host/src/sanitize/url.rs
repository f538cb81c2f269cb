//! Passwords in front of a host: `scheme://user:password@host`, and `user:password@host:port` with no scheme at all.

use super::found::Scan;
use super::harmless;
use super::rule;
use super::shape;
use super::value::part;
use super::words::{LABELS, SCHEMES_OF_ADDRESSES};

/// How much of an address is looked at.
const MAX_URL: usize = 1024;
/// How far before an `@` its word may begin.
const MAX_USERINFO: usize = 200;

/// Looks at the authority after `://` at `at`.
pub(super) fn at_authority(scan: &mut Scan, at: usize) {
    let text = scan.text;
    let start = at + 3;
    if !scan.before(at).is_some_and(|byte| byte.is_ascii_alphanumeric()) {
        return;
    }
    let run = part(text, start, text.len().min(start + MAX_URL));
    let length = run.iter().position(|byte| ends_address(*byte)).unwrap_or(run.len());
    let run = &run[..length];
    scan.work += length as u64;
    let authority = run.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(run.len());
    let sign = match memchr::memrchr(b'@', &run[..authority]) {
        Some(sign) => sign,
        None => {
            // A password with a slash or the like in it, unescaped: the part before it must not be host and port.
            let Some(colon) = memchr::memchr(b':', &run[..authority]) else { return };
            if colon == 0 && authority == 1
                || run[colon + 1..authority].iter().all(u8::is_ascii_digit) && colon + 1 < authority
            {
                return;
            }
            let Some(sign) = memchr::memrchr(b'@', run) else { return };
            if !is_host(&run[sign + 1..], true) || run[..sign].windows(3).any(|window| window == b"://") {
                return;
            }
            sign
        }
    };
    let userinfo = &run[..sign];
    match memchr::memchr(b':', userinfo)
        .or_else(|| userinfo.windows(3).position(|window| window.eq_ignore_ascii_case(b"%3a")))
    {
        Some(colon) => {
            let skip = if userinfo[colon] == b':' { 1 } else { 3 };
            let password = &userinfo[colon + skip..];
            if (password.is_empty() || password.eq_ignore_ascii_case(b"x-oauth-basic") || password == b"x")
                && shape::looks_random(&userinfo[..colon], 16)
            {
                scan.take(start..start + colon, rule::URL_PASSWORD, "a token as the user of a URL");
            } else if is_password(password) {
                scan.take(start + colon + skip..start + sign, rule::URL_PASSWORD, "the password of a URL");
            }
        }
        None if shape::looks_random(userinfo, 16) => {
            scan.take(start..start + sign, rule::URL_PASSWORD, "a token as the user of a URL")
        }
        None => {}
    }
}

fn is_password(password: &[u8]) -> bool {
    let is_variable = |name: &[u8]| name.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
    let nothing = harmless::is_harmless(password) || password.strip_prefix(b"$").is_some_and(is_variable);
    let example = ["password", "pass", "passwd", "pwd", "secret", "pw", "token"];
    !password.is_empty() && !nothing && !example.iter().any(|word| password.eq_ignore_ascii_case(word.as_bytes()))
}

fn ends_address(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte < 0x20 || matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'\\' | b'`')
}

/// Looks at the word before an `@`: `user:password@host:port`, `user:password@tcp(host:port)/db`.
pub(super) fn at_sign(scan: &mut Scan, at: usize) {
    let text = scan.text;
    let host = part(text, at + 1, text.len().min(at + 1 + 256));
    if !host.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'[' | b'(' | b'/'))
        || scan.is_taken(at)
    {
        return;
    }
    let least = at.saturating_sub(MAX_USERINFO);
    let mut start = at;
    while start > least && !begins_word(text[start - 1]) {
        start -= 1;
    }
    scan.work += at.saturating_sub(start) as u64;
    let word = part(text, start, at);
    if memchr::memmem::find(word, b"://").is_some()
        || memchr::memchr(b'@', word).is_some_and(|sign| memchr::memchr(b':', &word[..sign]).is_none())
    {
        return;
    }
    // `key=user:password@host`, `jdbc:oracle:thin:user/password@host`.
    let word_start = word
        .iter()
        .position(|byte| *byte == b'=')
        .filter(|equals| memchr::memchr(b':', &word[..*equals]).is_none())
        .map_or(0, |equals| equals + 1);
    let word = &word[word_start..];
    let start = start + word_start;
    if let Some(rest) = word.strip_prefix(b"jdbc:oracle:") {
        if let Some(slash) = memchr::memrchr(b'/', rest)
            && is_password(&rest[slash + 1..])
        {
            scan.take(at - (rest.len() - slash - 1)..at, rule::URL_PASSWORD, "the password of an Oracle connection");
        }
        return;
    }
    let Some(colon) = memchr::memchr(b':', word) else { return };
    let (mut user, mut password) = (&word[..colon], &word[colon + 1..]);
    // `cvs:pserver:user:password@host`, `:pserver:…`, `mysql:user:password@…`
    while matches!(
        user,
        b"" | b"pserver"
            | b"mysql"
            | b"postgres"
            | b"postgresql"
            | b"redis"
            | b"amqp"
            | b"ldap"
            | b"proxy"
            | b"http"
            | b"https"
            | b"socks5"
    ) && let Some(colon) = memchr::memchr(b':', password)
    {
        (user, password) = (&password[..colon], &password[colon + 1..]);
    }
    let plain_user = !user.is_empty()
        && user.len() <= 64
        && user.iter().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'+' | b'%' | b'\\' | b'/')
        })
        && user.iter().any(u8::is_ascii_alphabetic);
    if !plain_user
        || SCHEMES_OF_ADDRESSES.contains(user)
        || LABELS.contains(user) && !has_port_or_path(host) && !host.contains(&b'(')
        || password.len() < 3
        || !is_password(password)
        || shape::is_version(password)
        || password.iter().all(|byte| byte.is_ascii_digit()) && password.len() < 4
    {
        return;
    }
    let driver = [&b"tcp("[..], b"unix(", b"tcp6(", b"(", b"cloudsql("].iter().any(|name| host.starts_with(name));
    if !driver && !is_host(host, false) {
        return;
    }
    let sure = driver || has_port_or_path(host) || shape::stands_out(password, 5) || !shape::is_wordy(password);
    if sure && !shape::is_path(password) && !password.contains(&b'/') | shape::stands_out(password, 8) {
        scan.take(at - password.len()..at, rule::USER_PASSWORD, "a password before its host");
    }
    let _ = start;
}

fn begins_word(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte < 0x20 || matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'`' | b'\\')
}

/// Whether a host's name or address begins here.
fn is_host(text: &[u8], any: bool) -> bool {
    if text.first() == Some(&b'[') {
        return memchr::memchr(b']', part(text, 0, text.len().min(48))).is_some();
    }
    let length =
        text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')).count();
    let name = part(text, 0, length);
    if length == 0
        || shape::is_version(name) && name.iter().filter(|byte| **byte == b'.').count() < 3
        || [&b"sha256"[..], b"sha512", b"npm", b"patch", b"workspace"].contains(&name)
    {
        return false;
    }
    any || has_port_or_path(text)
        || name.eq_ignore_ascii_case(b"localhost")
        || name.contains(&b'.') && name.last().is_some_and(u8::is_ascii_alphanumeric)
        || name.len() >= 2
            && text
                .get(length)
                .is_none_or(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b',' | b'/'))
            && name.iter().any(u8::is_ascii_alphabetic)
}

fn has_port_or_path(host: &[u8]) -> bool {
    let length = host
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'[' | b']'))
        .count();
    match host.get(length) {
        Some(b':') => host.get(length + 1).is_some_and(u8::is_ascii_digit),
        Some(b'/') => true,
        _ => false,
    }
}
