//! Two bytes at a time: where could a pattern begin?
//!
//! A table over pairs of bytes says, for eight groups of patterns, whether the pair can be the first and second, the
//! second and third, the third and fourth or the fourth and fifth byte of one of them. Reading every other pair is
//! enough: a pattern begins either at an even place (first pair, then third) or at an odd one (second, then fourth).
//! So a quiet byte costs half a load and a few operations, with the same plain code natively and in the guest, where
//! a search by vector tables was not faster with this many patterns: too many of them shared a table.

/// The bytes of a pattern that are looked at here.
pub(super) const BYTES: usize = 5;

/// Pairs of seven bits each.
const PAIRS: usize = 1 << 14;
/// So many bytes are looked at between two branches.
const STEP: usize = 16;

/// For each pair four fields of eight bits, one bit for each group: it can be bytes 0 and 1, 1 and 2, 2 and 3, or 3
/// and 4 of a pattern.
pub(super) struct Pairs(Box<[u32; PAIRS]>);

impl Pairs {
    pub(super) fn new() -> Self {
        Self(Box::new([0; PAIRS]))
    }

    /// Adds a pattern, as the bytes that each of its places accepts, to group `group` (below 8).
    pub(super) fn add(&mut self, places: &[Vec<u8>; BYTES], group: u32) {
        for (first, field) in [(0, 0), (1, 8), (2, 16), (3, 24)] {
            let bit = 1u32 << (field + group);
            for &b in &places[first + 1] {
                for &a in &places[first] {
                    self.0[index(a, b)] |= bit;
                }
            }
        }
    }

    /// Calls `check` with every place at or behind `from` where a pattern could begin, in order, until it says that
    /// one does. `hay` must go on for four bytes behind a place that is reported.
    pub(super) fn find(&self, hay: &[u8], from: usize, mut check: impl FnMut(usize) -> bool) -> Option<usize> {
        let mut at = from;
        let mut before = 0u32;
        while let Some(chunk) = hay.get(at..).and_then(|rest| rest.first_chunk::<STEP>()) {
            let mut values = [0u32; STEP / 2];
            for (value, pair) in values.iter_mut().zip(chunk.chunks_exact(2)) {
                *value = self.0[index(pair[0], pair[1])];
            }
            let mut last = before;
            let mut hits = 0;
            for &value in &values {
                hits |= last & (value >> 16);
                last = value;
            }
            if hits & 0xffff != 0 {
                for (pair, &value) in values.iter().enumerate() {
                    let hit = before & (value >> 16);
                    // The pair before this one was the first (even) or the second (odd) of a pattern.
                    let even = at + 2 * pair;
                    if hit & 0xff00 != 0 && even >= from + 3 && check(even - 3) {
                        return Some(even - 3);
                    }
                    if hit & 0xff != 0 && even >= from + 2 && check(even - 2) {
                        return Some(even - 2);
                    }
                    before = value;
                }
            } else {
                before = last;
            }
            at += STEP;
        }
        // What is left, and what began just before it.
        (at.saturating_sub(3).max(from)..hay.len().saturating_sub(3)).find(|place| check(*place))
    }
}

fn index(a: u8, b: u8) -> usize {
    usize::from(a & 0x7f) | usize::from(b & 0x7f) << 7
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_found_from_every_start() {
        let mut pairs = Pairs::new();
        pairs.add(&[vec![b'a'], vec![b'b'], vec![b'c'], vec![b'd'], (0..=255).collect()], 3);
        let mut hay = vec![b'.'; 100];
        for place in 0..=96 {
            hay.fill(b'.');
            hay[place..place + 4].copy_from_slice(b"abcd");
            for from in 0..=place {
                let found = pairs.find(&hay, from, |at| hay[at..].starts_with(b"abcd"));
                assert_eq!(found, Some(place), "from {from}");
            }
            assert_eq!(pairs.find(&hay, place + 1, |at| hay[at..].starts_with(b"abcd")), None);
        }
    }
}
