//! Base64 as it is met in headers and files: either alphabet, with or without padding.

/// The longest input that is decoded: user and password, or the head of a key file.
const MAX_INPUT: usize = 4096;

/// Decodes a whole value; `None` if it is not base64, is too long or too short to tell.
pub(super) fn decode(value: &[u8]) -> Option<Vec<u8>> {
    let body = value.strip_suffix(b"==").or_else(|| value.strip_suffix(b"=")).unwrap_or(value);
    if body.len() < 4 || body.len() > MAX_INPUT || body.len() % 4 == 1 {
        return None;
    }
    let mut out = Vec::with_capacity(body.len() / 4 * 3 + 2);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in body {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_either_alphabet() {
        assert_eq!(decode(b"dXNlcjpwYXNz").as_deref(), Some(&b"user:pass"[..]));
        assert_eq!(decode(b"YTpi").as_deref(), Some(&b"a:b"[..]));
        assert_eq!(decode(b"YTpiYw==").as_deref(), Some(&b"a:bc"[..]));
        assert_eq!(decode(b"-_-_").as_deref(), decode(b"+/+/").as_deref());
        assert_eq!(decode(b"a b c"), None);
        assert_eq!(decode(b"abcde"), None);
    }
}
