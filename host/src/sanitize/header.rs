//! HTTP headers that carry credentials: `Authorization` with its schemes, `Cookie` and `Set-Cookie`, and the schemes `Bearer` and
//! `Basic` wherever they stand.

use super::assign::Site;
use super::base64;
use super::found::Scan;
use super::harmless;
use super::judge;
use super::names;
use super::rule;
use super::shape;
use super::value::{self, part};
use super::words::SCHEMES;

/// The value of an `Authorization` header that begins at `at`.
pub(super) fn authorization(scan: &mut Scan, at: usize) {
    let text = scan.text;
    let at = value::skip_blank(text, at);
    if value::quote_at(text, at).is_some()
        && let Some(place) = value::quoted(text, at)
    {
        return credentials(scan, place.start, place.end);
    }
    let end = scan.line_end(at);
    let end = memchr::memmem::find(part(text, at, end), b"\\n").map_or(end, |length| at + length);
    let end = memchr::memmem::find(part(text, at, end), b"\\r").map_or(end, |length| at + length);
    credentials(scan, at, end);
}

/// Scheme and credentials, or credentials alone, in `start..end`; what comes after the credentials' word is left.
pub(super) fn credentials(scan: &mut Scan, start: usize, end: usize) {
    let text = scan.text;
    let start = value::skip_blank(text, start).min(end);
    let length = part(text, start, end)
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        .count();
    let word = part(text, start, start + length);
    let known = SCHEMES.contains(word);
    let blank = value::skip_blank(text, start + length).min(end);
    if !known || blank == start + length {
        if known && length > 0 {
            return;
        }
        // `Authorization: x`, without a scheme; or a scheme that nobody knows.
        let other = length > 0
            && blank > start + length
            && length <= 24
            && word.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'-');
        let mut from = start;
        if other
            && let Some(second) = word_at(text, blank, end)
            && shape::stands_out(part(text, second.0, second.1), 8)
        {
            from = blank;
        }
        if let Some((from, to)) = word_at(text, from, end)
            && judge::is_secret(part(text, from, to), names::Level::Token, judge::Form::Quoted)
        {
            scan.name_end = scan.name_end.max(to);
            scan.take(from..to, rule::AUTHORIZATION, "credentials of a header");
        }
        return;
    }
    // Schemes with parameters: only the one that proves something is secret.
    for name in [
        &b"response="[..],
        b"signature=",
        b"mac=",
        b"auth=",
        b"oauth_token=",
        b"oauth_signature=",
        b"passworddigest=",
        b"sig=",
        b"token=",
        b"oauth_consumer_key=",
        b"password=",
    ] {
        let Some(at) = find_ignore_case(part(text, blank, end.min(blank + 1024)), name) else { continue };
        let mut from = blank + at + name.len();
        if matches!(text.get(from), Some(b'"')) {
            from += 1;
        } else if part(text, from, usize::MAX).starts_with(b"\\\"") {
            from += 2;
        }
        let from = from.min(end);
        let length = part(text, from, end)
            .iter()
            .take_while(|byte| {
                !byte.is_ascii_whitespace() && !matches!(byte, b'"' | b',' | b'\'' | b'\\' | b'&' | b';')
            })
            .count();
        if !harmless::is_harmless(part(text, from, from + length)) && length >= 6 {
            scan.take(from..from + length, rule::AUTHORIZATION, "the proof in an Authorization header");
        }
        scan.name_end = scan.name_end.max(from);
    }
    let Some((mut from, to)) = word_at(text, blank, end) else { return };
    if part(text, from, to).contains(&b'=')
        && part(text, from, to).iter().position(|byte| *byte == b'=').is_some_and(|at| at > 0 && at + 3 < to - from)
        || harmless::is_harmless(part(text, from, to))
    {
        return;
    }
    if word.len() >= 9
        && shape::starts_with_ignore_case(word, b"sharedkey")
        && let Some(colon) = memchr::memchr(b':', part(text, from, to))
    {
        from += colon + 1;
    }
    if to - from >= 4 && !harmless::is_state(part(text, from, to)) {
        scan.name_end = scan.name_end.max(to);
        let rule = if word.eq_ignore_ascii_case(b"basic") { rule::BASIC_AUTH } else { rule::AUTHORIZATION };
        scan.take(from..to, rule, "credentials after their scheme");
    }
}

/// One word, without the quotation mark of the string that holds it.
fn word_at(text: &[u8], at: usize, end: usize) -> Option<(usize, usize)> {
    let at = value::skip_blank(text, at);
    if at >= end {
        return None;
    }
    let place = value::bare(text, at, value::Bare::Word);
    let mut to = value::extend(text, place, value::Bare::Word).end.min(end);
    while to > at && matches!(text[to - 1], b'"' | b'\'' | b',' | b';' | b'`') {
        to -= 1;
    }
    (at < to).then_some((at, to))
}

/// `Bearer x` or `Basic x` without a header's name before it; the scheme's word is at `at..at + length`.
pub(super) fn at_scheme(scan: &mut Scan, at: usize, length: usize) {
    let text = scan.text;
    if scan.before(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        && !part(text, 0, at).ends_with(b"\\n")
    {
        return;
    }
    let from = value::skip_blank(text, at + length);
    if scan.is_taken(from) {
        return;
    }
    let Some((from, to)) = word_at(text, from, text.len()) else { return };
    let found = part(text, from, to);
    let basic = part(text, at, at + length).eq_ignore_ascii_case(b"basic");
    let good = if basic {
        base64::decode(found).is_some_and(|decoded| {
            memchr::memchr(b':', &decoded).is_some_and(|colon| colon + 1 < decoded.len())
                && decoded.iter().all(|byte| *byte >= 0x20)
        })
    } else {
        !harmless::is_harmless(found)
            && !shape::is_version(found)
            && (shape::stands_out(found, 8) && !found.contains(&b'=') || shape::looks_random(found, 16))
    };
    if good {
        scan.take(
            from..to,
            if basic { rule::BASIC_AUTH } else { rule::AUTHORIZATION },
            "credentials after their scheme",
        );
    }
}

/// The value of a `Cookie` or `Set-Cookie` header.
pub(super) fn cookie(scan: &mut Scan, site: Site, next: usize) {
    let text = scan.text;
    let at = value::skip_blank(text, next);
    let set = names::Words::of(part(text, site.start, site.end)).begins_with("set");
    if value::quote_at(text, at).is_some()
        && let Some(place) = value::quoted(text, at)
    {
        return pairs(scan, place.start, place.end, set);
    }
    let mut end = scan.line_end(at);
    // In `-H 'Cookie: a=b'` the mark before the name closes the header.
    if let Some(mark @ (b'"' | b'\'' | b'`')) = scan.before(site.start)
        && let Some(length) = memchr::memchr(mark, part(text, at, end))
    {
        end = at + length;
        while end > at && text[end - 1] == b'\\' {
            end -= 1;
        }
    }
    let end = memchr::memmem::find(part(text, at, end), b"\\r")
        .or_else(|| memchr::memmem::find(part(text, at, end), b"\\n"))
        .map_or(end, |length| at + length);
    pairs(scan, at, end, set);
}

/// `name=value; name=value`: the values. Of `Set-Cookie` only the first is a cookie, the rest are its attributes.
pub(super) fn pairs(scan: &mut Scan, start: usize, end: usize, set: bool) {
    let text = scan.text;
    let mut at = start;
    scan.work += end.saturating_sub(start) as u64;
    while at < end {
        let stop = memchr::memchr(b';', part(text, at, end)).map_or(end, |length| at + length);
        if let Some(equals) = memchr::memchr(b'=', part(text, at, stop)) {
            let name = part(text, at, at + equals).trim_ascii();
            let from = at + equals + 1;
            let mut to = from
                + part(text, from, stop)
                    .iter()
                    .take_while(|byte| !byte.is_ascii_whitespace() && **byte != b'"')
                    .count();
            if to == from && text.get(from) == Some(&b'"') {
                to = from
                    + 1
                    + memchr::memchr(b'"', part(text, from + 1, stop)).unwrap_or(stop.saturating_sub(from + 1));
            }
            let found = part(text, from, to);
            let attribute =
                ["path", "domain", "expires", "max-age", "samesite", "version", "priority", "comment", "partitioned"]
                    .iter()
                    .any(|word| name.eq_ignore_ascii_case(word.as_bytes()));
            if !attribute
                && !harmless::is_harmless(found)
                && (found.len() >= 6 || names::classify(name).is_some() && found.len() >= 4)
                && !harmless::is_state(found)
                && !(found.len() < 16 && shape::is_wordy(found) && names::classify(name).is_none())
            {
                scan.take(from..to, rule::COOKIE, "the value of a cookie");
            }
            if set {
                break;
            }
        }
        at = stop + 1;
    }
    scan.name_end = scan.name_end.max(end.min(text.len()));
}

fn find_ignore_case(text: &[u8], name: &[u8]) -> Option<usize> {
    let first = name.first().copied()?;
    memchr::memchr2_iter(first, first.to_ascii_uppercase(), text).find(|at| {
        shape::starts_with_ignore_case(part(text, *at, usize::MAX), name)
            && (*at == 0 || !text[*at - 1].is_ascii_alphanumeric())
    })
}
