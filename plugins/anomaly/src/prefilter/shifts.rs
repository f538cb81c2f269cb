//! Where could a pattern begin? One load, one shift and two operations for each byte.
//!
//! A shift-or automaton: the state has a field for the byte before a pattern and for each of its first four bytes,
//! and in a field one bit for each of twelve groups of patterns, zero as long as the group accepts all that was read.
//! A byte shifts the fields on by one and adds what the groups do not accept; a zero in the last field is a place
//! where a pattern may begin. It is the same plain code natively and in the guest and it takes 2 KiB of tables.
//! Vectors were tried and lose: with this many patterns the groups of a vector of bytes (eight) accept too much, and
//! what is then checked one by one costs more than the vectors save.

/// The bytes of a pattern that are looked at here.
pub(super) const BYTES: usize = 4;
/// Groups of patterns.
const GROUPS: usize = 12;
/// The bits of the last field.
const LAST: u64 = ((1 << GROUPS) - 1) << (BYTES * GROUPS);
/// So many bytes are looked at between two branches.
const STEP: usize = 16;

/// The bytes that each place of a pattern accepts: the byte before it, then its own.
pub(super) type Places = [[bool; 256]; BYTES + 1];

/// For each byte the groups that do not accept it, a field for each place.
pub(super) struct Shifts(Box<[u64; 256]>);

impl Shifts {
    /// Puts the patterns into groups so that as little as possible of ordinary text is accepted by one of them.
    pub(super) fn new(patterns: &[Places]) -> Self {
        let mut groups = vec![[[false; 256]; BYTES + 1]; GROUPS];
        let mut costs = [0.0; GROUPS];
        // Those that accept most find their place first: what is alike then joins them.
        let mut order: Vec<&Places> = patterns.iter().collect();
        order.sort_by(|a, b| cost(b).total_cmp(&cost(a)));
        for pattern in order {
            let added = |group: &Places| {
                let mut both = *group;
                for (to, from) in both.iter_mut().zip(pattern) {
                    to.iter_mut().zip(from).for_each(|(to, from)| *to |= from);
                }
                both
            };
            let grown = |index: &usize| cost(&added(&groups[*index])) - costs[*index];
            let Some(best) = (0..GROUPS).min_by(|a, b| grown(a).total_cmp(&grown(b))) else { continue };
            groups[best] = added(&groups[best]);
            costs[best] = cost(&groups[best]);
        }
        let mut table = Box::new([0u64; 256]);
        for (index, group) in groups.iter().enumerate() {
            for (place, accepted) in group.iter().enumerate() {
                for (entry, _) in table.iter_mut().zip(accepted).filter(|(_, accepted)| !**accepted) {
                    *entry |= 1 << (place * GROUPS + index);
                }
            }
        }
        Self(table)
    }

    /// Calls `check` with every place at or behind `from` where a pattern could begin, in order, until it says that
    /// one does. `hay` must go on for three bytes behind a place that is reported.
    pub(super) fn find(&self, hay: &[u8], from: usize, mut check: impl FnMut(usize) -> bool) -> Option<usize> {
        let before = from.checked_sub(1).and_then(|i| hay.get(i)).copied().unwrap_or(b'\n');
        // Nothing that began earlier goes on; only the byte before the first place counts.
        let mut state = (u64::MAX << GROUPS) | self.0[usize::from(before)];
        let mut at = from;
        while let Some(chunk) = hay.get(at..).and_then(|rest| rest.first_chunk::<STEP>()) {
            let start = state;
            let mut all = u64::MAX;
            for &byte in chunk {
                state = state << GROUPS | self.0[usize::from(byte)];
                all &= state;
            }
            if all & LAST != LAST
                && let Some(found) = self.step(chunk, at, start, &mut check).1
            {
                return Some(found);
            }
            at += STEP;
        }
        self.step(hay.get(at..).unwrap_or_default(), at, state, &mut check).1
    }

    /// The same byte by byte, over `bytes`, which stand at `at`.
    fn step(
        &self,
        bytes: &[u8],
        at: usize,
        mut state: u64,
        check: &mut impl FnMut(usize) -> bool,
    ) -> (u64, Option<usize>) {
        for (index, &byte) in bytes.iter().enumerate() {
            state = state << GROUPS | self.0[usize::from(byte)];
            if state & LAST != LAST {
                let place = at + index + 1 - BYTES;
                if check(place) {
                    return (state, Some(place));
                }
            }
        }
        (state, None)
    }
}

/// How likely a place in ordinary log text is accepted, taking its bytes as independent.
fn cost(places: &Places) -> f64 {
    places
        .iter()
        .map(|place| (0u8..=255).filter(|b| place[usize::from(*b)]).map(frequency).sum::<f64>())
        .product::<f64>()
}

/// How often a byte is met in logs, in thousandths. Roughly is enough: it decides on speed alone.
fn frequency(byte: u8) -> f64 {
    match byte {
        b' ' => 110.0,
        b'0'..=b'9' => 24.0,
        b'e' => 55.0,
        b'a' | b'i' | b'n' | b'o' | b'r' | b's' | b't' => 40.0,
        b'c' | b'd' | b'l' | b'm' | b'p' | b'u' => 20.0,
        b'a'..=b'z' => 9.0,
        b'-' | b'.' | b':' | b'/' | b'\n' | b'"' | b',' | b'=' | b'_' => 14.0,
        b'A'..=b'Z' | b'[' | b']' | b'(' | b')' => 4.0,
        _ => 0.3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &[u8; BYTES]) -> Places {
        let mut places = [[false; 256]; BYTES + 1];
        places[0].fill(true);
        for (place, byte) in places[1..].iter_mut().zip(text) {
            place[usize::from(*byte)] = true;
        }
        places
    }

    #[test]
    fn every_place_is_found_from_every_start() {
        let shifts = Shifts::new(&[places(b"abcd"), places(b"wxyz")]);
        let mut hay = vec![b'.'; 100];
        for place in 0..=96 {
            hay.fill(b'.');
            hay[place..place + 4].copy_from_slice(b"abcd");
            for from in 0..=place {
                let found = shifts.find(&hay, from, |at| hay[at..].starts_with(b"abcd"));
                assert_eq!(found, Some(place), "from {from}");
            }
            assert_eq!(shifts.find(&hay, place + 1, |at| hay[at..].starts_with(b"abcd")), None);
        }
    }

    #[test]
    fn the_byte_before_counts_at_the_start_too() {
        let mut word = places(b"fail");
        word[0] = std::array::from_fn(|b| !u8::try_from(b).unwrap().is_ascii_alphanumeric());
        let shifts = Shifts::new(&[word]);
        for (hay, from, found) in
            [(&b"fail"[..], 0, Some(0)), (b"xfail", 1, None), (b" fail", 1, Some(1)), (b"xfail fail", 0, Some(6))]
        {
            assert_eq!(shifts.find(hay, from, |_| true), found);
        }
    }
}
