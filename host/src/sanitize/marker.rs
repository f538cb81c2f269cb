//! What stands where a secret stood: `[REDACTED:rule]`, or with a keyed tag `[REDACTED:rule#3f2a]`.

use std::ops::Range;

const OPEN: &[u8] = b"[REDACTED:";
/// The longest marker that is recognised: a rule's name is at most 64 bytes, a tag 16.
pub(super) const MAX_MARKER: usize = OPEN.len() + 64 + 17 + 1;

/// Appends a marker.
pub(super) fn write(out: &mut Vec<u8>, rule: &str, tag: Option<&str>) {
    out.extend_from_slice(OPEN);
    out.extend_from_slice(rule.as_bytes());
    if let Some(tag) = tag {
        out.push(b'#');
        out.extend_from_slice(tag.as_bytes());
    }
    out.push(b']');
}

/// Whether a value holds a marker.
pub(super) fn contains(value: &[u8]) -> bool {
    next(value, 0).is_some()
}

/// The first marker at or after a place.
pub(super) fn next(text: &[u8], from: usize) -> Option<Range<usize>> {
    let mut at = from;
    loop {
        let start = at + memchr::memmem::find(text.get(at..)?, OPEN)?;
        if let Some(end) = end_of(text, start) {
            return Some(start..end);
        }
        at = start + OPEN.len();
    }
}

fn end_of(text: &[u8], start: usize) -> Option<usize> {
    let body = text.get(start + OPEN.len()..text.len().min(start + MAX_MARKER))?;
    let length =
        body.iter().position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'#')))?;
    (length > 0 && body[length] == b']').then_some(start + OPEN.len() + length + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_found() {
        let mut out = b"x ".to_vec();
        write(&mut out, "aws-key", Some("3f2a"));
        assert_eq!(out, b"x [REDACTED:aws-key#3f2a]");
        assert_eq!(next(&out, 0), Some(2..out.len()));
        assert!(!contains(b"[REDACTED:]"));
        assert!(!contains(b"[REDACTED:not closed"));
        assert_eq!(next(b"[REDACTED:[REDACTED:a]", 0), Some(10..22));
    }
}
