//! Access logs: common and combined format, W3C, HAProxy, load balancers. The status decides, and nothing else: what
//! stands in a URL or in a user agent is a visitor's text.

use crate::bytes::{find, number};
use crate::severity::Severity;

/// `Some` if the line is one of an access log: the severity of its status (medium for 500 and above, else none).
pub(super) fn status(line: &[u8]) -> Option<Option<Severity>> {
    let line = &line[..line.len().min(8192)];
    let status = combined(line).or_else(|| by_method(line)).or_else(|| by_result(line))?;
    Some((500..600).contains(&status).then_some(Severity::Medium))
}

/// `"GET / HTTP/1.1" 200 …`, or the same without a version (`"GET /" 400`).
fn combined(line: &[u8]) -> Option<u64> {
    let after = match find(line, b"HTTP/") {
        Some(at) => {
            if let Some(status) = before_request(&line[..at]) {
                return Some(status);
            }
            let rest = &line[at + 5..];
            let close = rest.iter().take(6).position(|b| *b == b'"')?;
            let after = &rest[close + 1..];
            if after.strip_prefix(b" ").and_then(three_digits).is_none() {
                return before_quote(line);
            }
            after
        }
        None => {
            let open = find(line, b"] \"")? + 3;
            let close = line[open..].iter().position(|b| *b == b'"')? + open;
            &line[close + 1..]
        }
    };
    three_digits(after.strip_prefix(b" ")?)
}

/// HAProxy: `0/0/-1/-1/0 503 212 - - SC-- …` stands before the request.
fn before_request(head: &[u8]) -> Option<u64> {
    let mut tokens = head.split(|b| *b == b' ');
    tokens.find(|token| {
        token.iter().filter(|b| **b == b'/').count() == 4
            && token.iter().all(|b| b.is_ascii_digit() || matches!(b, b'/' | b'-' | b'+'))
    })?;
    three_digits(tokens.next()?)
}

/// Load balancers of clouds: three times in seconds, then the status, stand before the request.
fn before_quote(line: &[u8]) -> Option<u64> {
    let head = &line[..line.iter().position(|b| *b == b'"')?];
    let mut times = 0;
    for token in head.split(|b| *b == b' ') {
        let time = token == b"-1" || token.contains(&b'.') && token.iter().all(|b| b.is_ascii_digit() || *b == b'.');
        if time {
            times += 1;
        } else if times >= 3 {
            return if token.len() == 3 { three_digits(token) } else { None };
        } else {
            times = 0;
        }
    }
    None
}

/// Squid: `TCP_MISS/503` as a column.
fn by_result(line: &[u8]) -> Option<u64> {
    line.split(|b| *b == b' ').filter(|token| !token.is_empty()).skip(2).take(6).find_map(|token| {
        let slash = token.iter().position(|b| *b == b'/')?;
        let (result, status) = (&token[..slash], &token[slash + 1..]);
        let named = result.contains(&b'_') && result.iter().all(|b| b.is_ascii_uppercase() || *b == b'_');
        if named && status.len() == 3 { three_digits(status) } else { None }
    })
}

/// A method, a path and a status as columns: `GET /x 200 12ms`, W3C, morgan, Rails' `status=200`.
fn by_method(line: &[u8]) -> Option<u64> {
    const METHODS: [&[u8]; 7] = [b"GET /", b"POST /", b"PUT /", b"DELETE /", b"HEAD /", b"PATCH /", b"OPTIONS /"];
    let (at, method) = METHODS.iter().find_map(|m| find(line, m).map(|at| (at, m)))?;
    if at > 0 && !matches!(line[at - 1], b' ' | b'\t' | b'"') {
        return None;
    }
    let rest = &line[at + method.len()..];
    let status = |token: &[u8]| {
        let token = token.strip_prefix(b"status=").unwrap_or(token);
        if token.len() == 3 { three_digits(token) } else { None }
    };
    let mut tokens = rest.split(|b| matches!(b, b' ' | b'\t')).skip(1).take(16).peekable();
    let mut first = None;
    while let Some(token) = tokens.next() {
        let Some(value) = status(token) else { continue };
        // IIS writes a port where others have the status, and numbers behind the status.
        if tokens.peek().is_some_and(|next| !next.is_empty() && next.iter().all(u8::is_ascii_digit)) {
            return Some(value);
        }
        first = first.or(Some(value));
    }
    first
}

fn three_digits(text: &[u8]) -> Option<u64> {
    let (value, len) = number(text)?;
    (len == 3 && (100..600).contains(&value)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_decides() {
        for (line, expected) in [
            (r#"1.2.3.4 - - [x] "GET /error HTTP/1.1" 200 1"#, Some(None)),
            (r#"1.2.3.4 - - [x] "GET / HTTP/2.0" 503 1"#, Some(Some(Severity::Medium))),
            (r#"1.2.3.4 - - [x] "-" 408 0 "-" "-""#, Some(None)),
            (
                "2024-01-02 03:04:05 10.0.0.1 GET /a.aspx - 80 - 10.0.0.2 Mozilla 500 0 0 12",
                Some(Some(Severity::Medium)),
            ),
            ("GET /users 200 12.3 ms - 14", Some(None)),
            ("an error occurred", None),
        ] {
            assert_eq!(status(line.as_bytes()), expected, "{line}");
        }
    }
}
