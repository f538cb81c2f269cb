//! Private keys as blocks of text: PEM (RFC 7468), OpenSSH, PGP, SSH2, PuTTY, and PEM that was packed into one line or into base64.

use super::base64;
use super::found::Scan;
use super::harmless;
use super::marker;
use super::rule;
use super::value::{self, part};

/// The longest key that is followed to its end.
const MAX_BLOCK: usize = 64 * 1024;

/// Looks at a block that begins with `BEGIN ` at `at`, behind dashes.
pub(super) fn at_begin(scan: &mut Scan, at: usize) {
    let text = scan.text;
    if at < scan.taken_end || !matches!(scan.before(at), Some(b'-' | b' ')) {
        return;
    }
    let label_start = at + 6;
    let window = part(text, label_start.min(text.len()), text.len().min(label_start + 80));
    let Some(label) = memchr::memmem::find(window, b"----") else { return };
    if memchr::memmem::find(&window[..label], b"PRIVATE").is_none()
        && memchr::memmem::find(&window[..label], b"SECRET").is_none()
    {
        return;
    }
    let mut start = label_start + label;
    while scan.byte(start) == Some(b'-') {
        start += 1;
    }
    let start = value::skip_space(text, start);
    let body = part(text, start, text.len().min(start + MAX_BLOCK));
    let end = match memchr::memmem::find(body, b"----") {
        Some(length) => start + length,
        None => {
            start
                + body
                    .iter()
                    .position(|byte| {
                        !(byte.is_ascii_alphanumeric()
                            || matches!(
                                byte,
                                b'+' | b'/' | b'=' | b'\n' | b'\r' | b' ' | b'\t' | b'\\' | b':' | b',' | b'-'
                            ))
                    })
                    .unwrap_or(body.len())
        }
    };
    scan.work += end.saturating_sub(start) as u64;
    let end = trim_escapes(text, start, end);
    if end <= start + 8
        || marker::contains(part(text, start, end))
        || harmless::is_harmless(part(text, start, end.min(start + 64)))
    {
        return;
    }
    scan.taken_end = end;
    scan.name_end = scan.name_end.max(end);
    scan.take(start..end, rule::PRIVATE_KEY, "the body of a private key");
}

/// White space, and line ends written as `\n`, do not belong to the body.
fn trim_escapes(text: &[u8], start: usize, mut end: usize) -> usize {
    while end > start {
        if text[end - 1].is_ascii_whitespace() {
            end -= 1;
        } else if end >= start + 2 && matches!(text[end - 1], b'n' | b'r') && text[end - 2] == b'\\' {
            end -= 2;
            while end > start && text[end - 1] == b'\\' {
                end -= 1;
            }
        } else {
            break;
        }
    }
    end
}

/// Base64 of a PEM block at `at`: takes it if the block is a private key's.
pub(super) fn at_base64(scan: &mut Scan, at: usize) {
    let text = scan.text;
    if at < scan.taken_end {
        return;
    }
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_');
    // The head says what block it is; only a private key's is followed to its end.
    let head = part(text, at, at + HEAD);
    if head.len() < HEAD || base64::decode(head).is_none_or(|head| memchr::memmem::find(&head, b"PRIVATE").is_none()) {
        return;
    }
    let length = part(text, at, usize::MAX).iter().take(MAX_BLOCK).take_while(|byte| is_part(byte)).count();
    scan.work += length as u64;
    scan.taken_end = at + length;
    scan.take(at..at + length, rule::PRIVATE_KEY, "a private key in base64");
}

/// As much base64 as holds the first line of a PEM block.
const HEAD: usize = 56;

/// PuTTY's `Private-Lines: n` at `at`, and the n lines after it; `Private-MAC:` likewise.
pub(super) fn at_putty(scan: &mut Scan, at: usize, length: usize) {
    let text = scan.text;
    let next = value::skip_blank(text, at + length);
    let digits =
        part(text, next.min(text.len()), usize::MAX).iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    let Some(lines) =
        std::str::from_utf8(part(text, next, next + digits)).ok().and_then(|number| number.parse::<usize>().ok())
    else {
        return;
    };
    let start = value::skip_space(text, next + digits);
    let body = part(text, start, text.len().min(start + MAX_BLOCK));
    let mut end = 0;
    for _ in 0..lines {
        let run = body[end..]
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
            .count();
        if run == 0 {
            break;
        }
        let after = end + run;
        end = after;
        if lines > 1 {
            let next = value::skip_space(text, start + after) - start;
            if next < body.len() {
                end = next;
            }
        }
    }
    let end = trim_escapes(text, start, start + end);
    scan.work += end.saturating_sub(start) as u64;
    if end > start + 8 {
        scan.taken_end = end;
        scan.name_end = scan.name_end.max(end);
        scan.take(start..end, rule::PRIVATE_KEY, "the private lines of a PuTTY key");
    }
}
