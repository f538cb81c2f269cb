//! Finds the lines of a block that are worth reading, without looking at the others line by line.
//!
//! It may say yes too often; [`crate::classify`] has the last word. It must not say no to an anomaly, which a test
//! holds over every labelled line of the fixtures. It knows nothing of files, events or severities.

mod patterns;
mod shifts;

use patterns::{LOW_PATTERNS, PATTERNS, Pattern};
use shifts::{BYTES, Places, Shifts};
use std::sync::LazyLock;

/// The compiled patterns. Built once, some 30 KiB.
pub struct Prefilter {
    shifts: Shifts,
    /// For each position and byte, one bit for each pattern that accepts it there.
    accepts: Box<[[Bits; 256]; POSITIONS]>,
    patterns: Vec<Pattern>,
}

/// One bit for each pattern.
type Bits = [u64; WORDS];
const WORDS: usize = 3;
/// The most patterns; a test holds the tables against it.
#[cfg(test)]
const MAX_PATTERNS: usize = WORDS * 64;
/// The most texts of a user that are looked for.
pub const MAX_TEXTS: usize = 8;
/// So many bytes of a pattern are checked by table, the rest one by one.
const POSITIONS: usize = 4;

impl Default for Prefilter {
    fn default() -> Self {
        Self::new()
    }
}

impl Prefilter {
    /// The one of this process for what is medium or worse.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Prefilter> = LazyLock::new(Prefilter::new);
        &SHARED
    }

    /// Compiles the patterns for what is medium or worse.
    pub fn new() -> Self {
        Self::with(false, &[])
    }

    /// Compiles the patterns, those for warnings too where these are wanted, and any texts that a user looks for. Of
    /// these there is room for some [`MAX_TEXTS`]; a text of less than four bytes would match everywhere and is left
    /// out.
    pub fn with(warnings: bool, texts: &[&str]) -> Self {
        let more: &[&str] = if warnings { LOW_PATTERNS } else { &[] };
        let mut patterns: Vec<Pattern> = PATTERNS.iter().chain(more).map(|text| patterns::parse(text)).collect();
        let texts = texts.iter().filter(|text| text.len() >= POSITIONS);
        patterns.extend(texts.map(|text| patterns::literal(text)).take(MAX_TEXTS));
        let shifts = Shifts::new(&patterns.iter().map(places).collect::<Vec<_>>());
        let mut accepts = Box::new([[[0; WORDS]; 256]; POSITIONS]);
        for (index, pattern) in patterns.iter().enumerate() {
            for (position, set) in pattern.sets.iter().take(POSITIONS).enumerate() {
                for (byte, _) in set.iter().enumerate().filter(|(_, member)| **member) {
                    accepts[position][byte][index / 64] |= 1 << (index % 64);
                }
            }
        }
        Self { shifts, accepts, patterns }
    }

    /// The first position at or behind `from` where a pattern matches. `hay[from..]` must begin at a line, and a
    /// pattern for the start of a line matches at the line end before it, so `hay` should hold that byte; where it
    /// does not (`from` is 0), the first line is looked at on its own by the caller.
    pub fn find(&self, hay: &[u8], from: usize) -> Option<usize> {
        self.shifts.find(hay, from, |at| self.verify(hay, at))
    }

    fn verify(&self, hay: &[u8], at: usize) -> bool {
        let accepts = |position: usize| &self.accepts[position][usize::from(hay[at + position])];
        let (a, b, c, d) = (accepts(0), accepts(1), accepts(2), accepts(3));
        for word in 0..WORDS {
            let mut bits = a[word] & b[word] & c[word] & d[word];
            while bits != 0 {
                let pattern = &self.patterns[word * 64 + bits.trailing_zeros() as usize];
                bits &= bits - 1;
                if pattern.boundary && at > 0 && hay[at - 1].is_ascii_alphanumeric() {
                    continue;
                }
                let rest = &hay[at + POSITIONS..];
                let more = &pattern.sets[POSITIONS..];
                if rest.len() >= more.len() && more.iter().zip(rest).all(|(set, b)| set[usize::from(*b)]) {
                    return true;
                }
            }
        }
        false
    }
}

/// What a pattern accepts before it and at its first places.
fn places(pattern: &Pattern) -> Places {
    let mut places = [[true; 256]; BYTES + 1];
    if pattern.boundary {
        places[0] = std::array::from_fn(|b| !u8::try_from(b).is_ok_and(|b| b.is_ascii_alphanumeric()));
    }
    for (place, set) in places[1..].iter_mut().zip(&pattern.sets) {
        *place = *set;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(line: &str) -> bool {
        Prefilter::new().find(format!("\n{line}\n").as_bytes(), 0).is_some()
    }

    #[test]
    fn what_could_matter_is_found_and_the_rest_is_not() {
        for line in [
            "x ERROR y",
            "[err] y",
            "a Exception b",
            "{\"level\":50}",
            "{\"s\":\"E\"}",
            "E0102 03:04",
            "E/Tag: x",
            "12 E Tag: x",
            "<3>x",
            "\" 502 12",
            "PRIORITY=3",
            "BUG: unable",
            "it timed out",
            "FAIL",
            "[E]",
        ] {
            assert!(hit(line), "{line}");
        }
        for line in [
            "2024-01-02 INFO all is well",
            "a transfer of 12 bytes",
            "default gateway",
            "{\"level\":30}",
            "{\"s\":\"I\"}",
            "I0102 03:04",
            "the company is fine",
            "a mirror",
            "\" 200 12",
        ] {
            assert!(!hit(line), "{line}");
        }
    }

    #[test]
    fn warnings_and_texts_of_a_user_are_found_where_asked() {
        let hay = b"\na WARNING here\n";
        assert_eq!(Prefilter::new().find(hay, 0), None);
        assert_eq!(Prefilter::with(true, &[]).find(hay, 0), Some(3));
        let filter = Prefilter::with(false, &["Backup (late)", "abc"]);
        assert!(filter.find(b"\nthe backup (late) is\n", 0).is_some());
        assert_eq!(filter.find(b"\nabc\n", 0), None);
    }

    #[test]
    fn every_place_in_a_block_is_looked_at() {
        let filter = Prefilter::new();
        let mut hay = vec![b'.'; 300];
        for place in 0..295 {
            hay.fill(b'.');
            hay[place..place + 5].copy_from_slice(b"eRRor");
            assert_eq!(filter.find(&hay, 0), Some(place));
        }
    }
}
