//! Small helpers over bytes. A log line is bytes, not text: nothing here asks whether it is UTF-8.

/// Whether `hay` begins with `needle`, ASCII case ignored. `needle` is lower case.
pub(crate) fn starts_fold(hay: &[u8], needle: &[u8]) -> bool {
    hay.len() >= needle.len() && hay.iter().zip(needle).all(|(h, n)| h.to_ascii_lowercase() == *n)
}

/// Where `needle` (lower case, not empty) first stands in `hay`, ASCII case ignored.
pub(crate) fn find_fold(hay: &[u8], needle: &[u8]) -> Option<usize> {
    let (&first, rest) = needle.split_first()?;
    let last = hay.len().checked_sub(needle.len())?;
    let upper = first.to_ascii_uppercase();
    (0..=last).find(|&at| (hay[at] == first || hay[at] == upper) && starts_fold(&hay[at + 1..], rest))
}

/// Where `needle` (not empty) first stands in `hay`.
pub(crate) fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    let (&first, rest) = needle.split_first()?;
    let mut from = 0;
    while let Some(step) = find_byte(&hay[from..], first) {
        let at = from + step;
        if hay[at + 1..].starts_with(rest) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// Where `byte` first stands in `hay`. `memchr` is fast natively; in the guest the compiler turns this loop over
/// words into the same work.
pub(crate) fn find_byte(hay: &[u8], byte: u8) -> Option<usize> {
    memchr::memchr(byte, hay)
}

/// Where `byte` last stands in `hay`.
pub(crate) fn rfind_byte(hay: &[u8], byte: u8) -> Option<usize> {
    memchr::memrchr(byte, hay)
}

/// How often `byte` stands in `hay`.
#[cfg(target_arch = "wasm32")]
pub(crate) fn count_byte(hay: &[u8], byte: u8) -> u64 {
    use core::arch::wasm32::{i8x16_eq, i8x16_splat, i8x16_sub, u8x16_splat, u16x8_extadd_pairwise_u8x16};
    use core::arch::wasm32::{u32x4_extadd_pairwise_u16x8, u32x4_extract_lane, u64x2};
    let wanted = i8x16_splat(byte.cast_signed());
    let mut total = 0u64;
    // 255 rounds at most before a lane of eight bits could overflow.
    for chunk in hay.chunks(255 * 16) {
        let mut lanes = u8x16_splat(0);
        let (rounds, rest) = chunk.as_chunks::<16>();
        for round in rounds {
            let word = u128::from_le_bytes(*round);
            #[expect(clippy::cast_possible_truncation, reason = "the halves of a word of 128 bits")]
            let bytes = u64x2(word as u64, (word >> 64) as u64);
            lanes = i8x16_sub(lanes, i8x16_eq(bytes, wanted));
        }
        let sums = u32x4_extadd_pairwise_u16x8(u16x8_extadd_pairwise_u8x16(lanes));
        total += u64::from(u32x4_extract_lane::<0>(sums))
            + u64::from(u32x4_extract_lane::<1>(sums))
            + u64::from(u32x4_extract_lane::<2>(sums))
            + u64::from(u32x4_extract_lane::<3>(sums));
        total += rest.iter().map(|&b| u64::from(b == byte)).sum::<u64>();
    }
    total
}

/// How often `byte` stands in `hay`. Written in lanes, so that it compiles to vector code.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn count_byte(hay: &[u8], byte: u8) -> u64 {
    let mut total = 0u64;
    // 255 rounds at most before a lane of eight bits could overflow.
    for chunk in hay.chunks(255 * 32) {
        let mut lanes = [0u8; 32];
        let mut rounds = chunk.chunks_exact(32);
        for round in &mut rounds {
            for (lane, &b) in lanes.iter_mut().zip(round) {
                *lane += u8::from(b == byte);
            }
        }
        total += lanes.iter().map(|&lane| u64::from(lane)).sum::<u64>();
        total += rounds.remainder().iter().map(|&b| u64::from(b == byte)).sum::<u64>();
    }
    total
}

/// A word character: what an identifier is made of.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// `line` without blanks at either end.
pub(crate) fn trim(line: &[u8]) -> &[u8] {
    line.trim_ascii()
}

/// The number at the start of `text`, with the digits it took.
pub(crate) fn number(text: &[u8]) -> Option<(u64, usize)> {
    let digits = text.iter().take(19).take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let value = text[..digits].iter().fold(0u64, |value, b| value * 10 + u64::from(b - b'0'));
    Some((value, digits))
}

/// A stable 64-bit hash (FNV-1a with a final avalanche). It is written into fingerprints that outlive this process
/// and this version, so it must never change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StableHash(u64);

impl StableHash {
    pub(crate) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.0 = (self.0 ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    pub(crate) fn finish(self) -> u64 {
        let mut h = self.0;
        h = (h ^ (h >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        h = (h ^ (h >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        h ^ (h >> 33)
    }
}

/// The stable hash of these bytes alone.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut hash = StableHash::new();
    hash.write(bytes);
    hash.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finding_ignores_case_only_where_asked() {
        assert_eq!(find_fold(b"an ErRoR here", b"error"), Some(3));
        assert_eq!(find(b"an ErRoR here", b"error"), None);
        assert_eq!(find(b"aab", b"ab"), Some(1));
        assert_eq!(find_fold(b"er", b"error"), None);
    }

    #[test]
    fn counting_agrees_with_the_plain_way() {
        let text: Vec<u8> = (0..20_000u32).map(|i| if i % 7 == 0 { b'\n' } else { b'x' }).collect();
        for len in [0, 1, 31, 32, 33, 8159, 8160, 8161, 20_000] {
            let plain = text[..len].iter().filter(|&&b| b == b'\n').count();
            assert_eq!(count_byte(&text[..len], b'\n'), u64::try_from(plain).unwrap());
        }
    }

    #[test]
    fn the_hash_is_the_one_already_written_into_fingerprints() {
        assert_eq!(hash(b""), 0xefd0_1f60_ba99_2926);
        assert_ne!(hash(b"a"), hash(b"b"));
    }
}
