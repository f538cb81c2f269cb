//! UTF-16 to UTF-8, block by block. Everything else is read as bytes.

/// The byte order of a UTF-16 file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Wide {
    /// Least significant byte first, as Windows writes it.
    #[serde(rename = "le")]
    Little,
    /// Most significant byte first.
    #[serde(rename = "be")]
    Big,
}

impl Wide {
    /// Whether a file that begins with `head` is UTF-16: by its mark, or, without one, because every other byte of
    /// what must be plain text is zero.
    pub(crate) fn detect(head: &[u8]) -> Option<Self> {
        match head {
            [0xff, 0xfe, ..] => return Some(Self::Little),
            [0xfe, 0xff, ..] => return Some(Self::Big),
            _ => {}
        }
        let pairs = head.len() / 2;
        if pairs < 8 {
            return None;
        }
        let zero = |odd: usize| head.chunks_exact(2).filter(|pair| pair[odd] == 0 && pair[1 - odd] != 0).count();
        match (zero(1) * 10 > pairs * 8, zero(0) * 10 > pairs * 8) {
            (true, false) => Some(Self::Little),
            (false, true) => Some(Self::Big),
            _ => None,
        }
    }

    /// Decodes as much of `raw` as makes whole characters; how many bytes that were is the second value.
    pub(crate) fn decode(self, raw: &[u8]) -> (String, usize) {
        let mut units: Vec<u16> = raw
            .chunks_exact(2)
            .map(|pair| match self {
                Self::Little => u16::from_le_bytes([pair[0], pair[1]]),
                Self::Big => u16::from_be_bytes([pair[0], pair[1]]),
            })
            .collect();
        if units.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit)) {
            units.pop();
        }
        let used = units.len() * 2;
        let text = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        (text, used)
    }

    /// How many bytes `text`, the end of what was decoded, had in the file.
    pub(crate) fn encoded_len(text: &[u8]) -> usize {
        String::from_utf8_lossy(text).encode_utf16().count() * 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(text: &str, wide: Wide) -> Vec<u8> {
        text.encode_utf16().flat_map(|u| if wide == Wide::Little { u.to_le_bytes() } else { u.to_be_bytes() }).collect()
    }

    #[test]
    fn both_orders_are_known_with_and_without_a_mark() {
        for wide in [Wide::Little, Wide::Big] {
            assert_eq!(Wide::detect(&encode("\u{feff}x", wide)), Some(wide));
            assert_eq!(Wide::detect(&encode("plain text without a mark", wide)), Some(wide));
        }
        assert_eq!(Wide::detect(b"plain text without a mark"), None);
        assert_eq!(Wide::detect(&[0; 64]), None);
    }

    #[test]
    fn a_cut_character_waits_for_its_rest() {
        let raw = encode("a\u{1f600}b", Wide::Little);
        for cut in 0..=raw.len() {
            let (mut text, used) = Wide::Little.decode(&raw[..cut]);
            let (rest, more) = Wide::Little.decode(&raw[used..]);
            text.push_str(&rest);
            assert_eq!((text.as_str(), used + more), ("a\u{1f600}b", raw.len()), "cut at {cut}");
        }
        assert_eq!(Wide::encoded_len("a\u{1f600}b".as_bytes()), raw.len());
    }
}
