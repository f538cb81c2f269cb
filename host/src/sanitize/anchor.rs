//! The prefilter: one pass over the bytes that tells where any of several hundred literals stands.
//!
//! Every literal is found by one of its trigrams, the one that is rarest in ordinary text. Bytes are folded to 64 classes
//! (letters without their case, digits, the symbols that matter, and "anything else"), so three of them are an 18-bit number and
//! "is this a trigram of ours" is one bit in a table of 32 KiB, which stays in the first-level cache. That costs about a nanosecond
//! a byte whatever the number of literals, and no memory to speak of: an Aho-Corasick automaton over the same literals takes
//! megabytes and milliseconds to build, which a program of 20 MB that answers within 60 ms does not have.
//!
//! It knows literals and nothing of what they mean.

/// What to look for.
#[derive(Debug, Clone)]
pub(super) struct Literal<What> {
    /// The bytes; in lower case unless `exact`.
    pub text: Box<[u8]>,
    /// Whether upper and lower case differ.
    pub exact: bool,
    /// What a sighting means.
    pub what: What,
}

/// A set of literals, ready to search for.
#[derive(Debug)]
pub(super) struct Anchors<What> {
    class: [u8; 256],
    bits: Box<[u64; WORDS]>,
    /// Trigram -> the range of `order` that holds its literals; open addressing, a power of two long.
    slots: Vec<(u32, u16, u16)>,
    /// Literal number and the place of its trigram in it, grouped by trigram.
    order: Vec<(u16, u8)>,
    literals: Vec<Literal<What>>,
}

/// Where a search stands.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    position: usize,
    window: u32,
    /// What is left of the current trigram's literals.
    pending: (u16, u16),
}

const TRIGRAMS: usize = 1 << 18;
const WORDS: usize = TRIGRAMS / 64;
/// How many bytes are looked at for one branch.
const CHUNK: usize = 8;
const EMPTY: u32 = u32::MAX;
/// The shortest literal that can be searched for: a trigram must fit.
pub(super) const MIN_LITERAL: usize = 3;
/// The longest: the place of the trigram is kept in a byte.
pub(super) const MAX_LITERAL: usize = 200;
/// The symbols that have a class of their own; every other byte shares class 0.
const SYMBOLS: &[u8] = b"_-.:/=@$ {}\"'+,;<>&[]()|%#~";

impl<What: Copy> Anchors<What> {
    /// Literals that are too short or too long, and more than 65,535 of them, are left out: the callers' tables are tested for it.
    pub(super) fn new(literals: Vec<Literal<What>>) -> Self {
        let class = classes();
        let mut bits = Box::new([0_u64; WORDS]);
        let mut keyed: Vec<(u32, u16, u8)> = Vec::with_capacity(literals.len());
        for (number, literal) in literals.iter().enumerate() {
            let Ok(number) = u16::try_from(number) else { break };
            if literal.text.len() < MIN_LITERAL || literal.text.len() > MAX_LITERAL {
                continue;
            }
            if let Some((trigram, at)) = rarest(&class, &literal.text) {
                keyed.push((trigram, number, at));
                if let Some(word) = bits.get_mut((trigram >> 6) as usize) {
                    *word |= 1 << (trigram & 63);
                }
            }
        }
        keyed.sort_unstable();
        let mut slots = vec![(EMPTY, 0, 0); (keyed.len() * 4).next_power_of_two().max(16)];
        let mut first = 0;
        for group in keyed.chunk_by(|a, b| a.0 == b.0) {
            let trigram = group[0].0;
            let mut slot = hash(trigram) & (slots.len() - 1);
            while slots[slot].0 != EMPTY {
                slot = (slot + 1) & (slots.len() - 1);
            }
            let end = first + group.len();
            slots[slot] = (trigram, first as u16, end as u16);
            first = end;
        }
        let order = keyed.into_iter().map(|(_, number, at)| (number, at)).collect();
        Self { class, bits, slots, order, literals }
    }

    /// The next sighting at or after the cursor: the first byte of the literal, the literal's length and what it means.
    #[inline]
    pub(super) fn next(&self, text: &[u8], cursor: &mut Cursor) -> Option<(usize, usize, What)> {
        loop {
            while cursor.pending.0 < cursor.pending.1 {
                let (number, at) = self.order[cursor.pending.0 as usize];
                cursor.pending.0 += 1;
                let literal = &self.literals[number as usize];
                // The window ends before `position`, and the trigram stands `at` bytes into the literal.
                let Some(start) = (cursor.position - 3).checked_sub(at as usize) else { continue };
                let Some(found) = text.get(start..start + literal.text.len()) else { continue };
                let same =
                    if literal.exact { *found == *literal.text } else { found.eq_ignore_ascii_case(&literal.text) };
                if same {
                    return Some((start, literal.text.len(), literal.what));
                }
            }
            if !self.advance(text, cursor) {
                return None;
            }
        }
    }

    /// Moves on to the next trigram that begins or continues one of the literals.
    #[inline]
    fn advance(&self, text: &[u8], cursor: &mut Cursor) -> bool {
        let mut window = cursor.window;
        let mut position = cursor.position;
        let rest = text.get(position..).unwrap_or_default();
        let (chunks, tail) = rest.as_chunks::<CHUNK>();
        // Eight bytes at a time with one branch: sightings are rare.
        for chunk in chunks {
            let before = window;
            let mut hits = 0;
            for (offset, &byte) in chunk.iter().enumerate() {
                window = window << 6 | u32::from(self.class[byte as usize]);
                hits |= self.bit(window) << offset;
            }
            if hits != 0 {
                let length = hits.trailing_zeros() as usize + 1;
                window = chunk
                    .iter()
                    .take(length)
                    .fold(before, |window, byte| window << 6 | u32::from(self.class[*byte as usize]));
                self.stop(cursor, position + length, window);
                return true;
            }
            position += CHUNK;
        }
        for &byte in tail {
            window = window << 6 | u32::from(self.class[byte as usize]);
            position += 1;
            if self.bit(window) != 0 {
                self.stop(cursor, position, window);
                return true;
            }
        }
        cursor.position = text.len();
        cursor.window = window;
        false
    }

    /// Whether the last three classes are a trigram of ours.
    #[inline]
    fn bit(&self, window: u32) -> u64 {
        self.bits[(window >> 6) as usize % WORDS] >> (window & 63) & 1
    }

    fn stop(&self, cursor: &mut Cursor, position: usize, window: u32) {
        cursor.position = position;
        cursor.window = window;
        // The first two windows of a text are filled with class 0 and may be shorter than a trigram.
        cursor.pending = if position < 3 { (0, 0) } else { self.group(window % TRIGRAMS as u32) };
    }

    fn group(&self, trigram: u32) -> (u16, u16) {
        let mut slot = hash(trigram) & (self.slots.len() - 1);
        loop {
            let (found, first, end) = self.slots[slot];
            if found == trigram {
                return (first, end);
            }
            if found == EMPTY {
                return (0, 0);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }
}

fn hash(trigram: u32) -> usize {
    (trigram.wrapping_mul(0x9E37_79B1) >> 7) as usize
}

fn classes() -> [u8; 256] {
    let mut class = [0_u8; 256];
    let mut next = 1;
    for letter in b'a'..=b'z' {
        class[letter as usize] = next;
        class[letter.to_ascii_uppercase() as usize] = next;
        next += 1;
    }
    for digit in b'0'..=b'9' {
        class[digit as usize] = next;
        next += 1;
    }
    for &symbol in SYMBOLS {
        if next < 64 {
            class[symbol as usize] = next;
            next += 1;
        }
    }
    class
}

/// The trigram of a literal that ordinary text holds most rarely, and where it stands.
fn rarest(class: &[u8; 256], text: &[u8]) -> Option<(u32, u8)> {
    text.windows(3)
        .enumerate()
        .min_by_key(|(_, window)| window.iter().map(|byte| commonness(*byte)).sum::<u32>())
        .and_then(|(at, window)| {
            let trigram = window.iter().fold(0, |sum, byte| sum << 6 | u32::from(class[*byte as usize]));
            Some((trigram, u8::try_from(at).ok()?))
        })
}

/// Roughly how often a byte occurs in logs and JSON, as a logarithm. Only the order matters.
fn commonness(byte: u8) -> u32 {
    match byte.to_ascii_lowercase() {
        b' ' | b'e' | b't' => 10,
        b'a' | b'o' | b'i' | b'n' | b's' | b'r' | b'"' => 9,
        b'd' | b'l' | b'c' | b'0' | b'1' | b':' | b'.' => 8,
        b'u' | b'm' | b'p' | b'2' | b',' | b'/' | b'-' | b'=' => 7,
        b'f' | b'g' | b'h' | b'b' | b'3'..=b'9' => 6,
        b'y' | b'v' | b'w' | b'_' | b'[' | b']' | b'(' | b')' => 5,
        b'k' | b'{' | b'}' | b'\'' => 4,
        b'x' | b'j' | b'z' | b'q' => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchors(literals: &[(&str, bool)]) -> Anchors<usize> {
        Anchors::new(
            literals
                .iter()
                .enumerate()
                .map(|(what, (text, exact))| Literal { text: text.as_bytes().into(), exact: *exact, what })
                .collect(),
        )
    }

    fn all(anchors: &Anchors<usize>, text: &str) -> Vec<(usize, usize)> {
        let mut cursor = Cursor::default();
        let mut found = Vec::new();
        while let Some((start, _, what)) = anchors.next(text.as_bytes(), &mut cursor) {
            found.push((start, what));
        }
        found.sort_unstable();
        found
    }

    #[test]
    fn finds_what_a_naive_search_finds() {
        let literals =
            [("password", false), ("pass", false), ("ghp_", true), ("AKIA", true), ("://", false), ("word", false)];
        let anchors = anchors(&literals);
        let text = "PASSWORD=x ghp_ GHP_ akia AKIA https://a pass://word ://";
        let mut expected = Vec::new();
        for (what, (literal, exact)) in literals.iter().enumerate() {
            for start in 0..text.len() {
                let Some(found) = text.get(start..start + literal.len()) else { continue };
                if found == *literal || (!exact && found.eq_ignore_ascii_case(literal)) {
                    expected.push((start, what));
                }
            }
        }
        expected.sort_unstable();
        assert_eq!(all(&anchors, text), expected);
    }

    #[test]
    fn finds_a_literal_at_either_end_and_none_in_less_than_a_trigram() {
        let anchors = anchors(&[("key", false)]);
        assert_eq!(all(&anchors, "key"), [(0, 0)]);
        assert_eq!(all(&anchors, "a key"), [(2, 0)]);
        for text in ["", "k", "ke", "\u{0}\u{0}"] {
            assert_eq!(all(&anchors, text), []);
        }
    }
}
