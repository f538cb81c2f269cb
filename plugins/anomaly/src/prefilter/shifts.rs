//! Where could a pattern begin? One load, one shift and two operations for each byte.
//!
//! A shift-or automaton: the state has a field for the byte before a pattern and for each of its first four bytes,
//! and in a field one bit for each of twelve groups of patterns, zero as long as the group accepts all that was read.
//! A byte shifts the fields on by one and adds what the groups do not accept; a zero in the last field is a place
//! where a pattern may begin. It is the same plain code natively and in the guest and it takes 2 KiB of tables. A
//! vector of bytes has room for eight groups only, which with this many patterns accept too much of ordinary text.

/// The bytes of a pattern that are looked at here.
pub(super) const BYTES: usize = 4;
/// Groups of patterns.
const GROUPS: usize = 12;
/// The bits of the last field.
const LAST: u64 = ((1 << GROUPS) - 1) << (BYTES * GROUPS);
/// The bits of all fields.
const ALL: u64 = (1 << ((BYTES + 1) * GROUPS)) - 1;
/// So many bytes are looked at between two branches, in two halves: what a byte does to the state waits for the byte
/// before it, so two states that know nothing of each other go on side by side.
const STEP: usize = 2 * HALF;
const HALF: usize = 16;

/// The bytes that each place of a pattern accepts: the byte before it, then its own.
pub(super) type Places = [[bool; 256]; BYTES + 1];

/// For each byte the groups that do not accept it, a field for each place.
pub(super) struct Shifts(Box<[u64; 256]>);

impl Shifts {
    /// Puts the patterns into groups so that as little as possible of ordinary text is accepted by one of them.
    pub(super) fn new(patterns: &[Places]) -> Self {
        let sketches: Vec<Sketch> = patterns.iter().map(sketch).collect();
        let mut group_of = vec![0; patterns.len()];
        let mut unions = [[0u64; BYTES + 1]; GROUPS];
        // Those that accept most find their place first: what is alike then joins them.
        let mut order: Vec<usize> = (0..patterns.len()).collect();
        order.sort_by(|a, b| cost(&sketches[*b]).total_cmp(&cost(&sketches[*a])));
        for index in order {
            let grown = |group: &Sketch| cost(&both(group, &sketches[index])) - cost(group);
            let best = (0..GROUPS).min_by(|a, b| grown(&unions[*a]).total_cmp(&grown(&unions[*b]))).unwrap_or(0);
            unions[best] = both(&unions[best], &sketches[index]);
            group_of[index] = best;
        }
        // Then each moves where it costs less, as long as that helps.
        for _ in 0..IMPROVEMENTS {
            for index in 0..patterns.len() {
                let own = group_of[index];
                let others = sketches.iter().zip(&group_of).enumerate();
                let without = others
                    .filter(|(other, (_, group))| *other != index && **group == own)
                    .fold([0; BYTES + 1], |union, (_, (sketch, _))| both(&union, sketch));
                let saved = cost(&unions[own]) - cost(&without);
                let grown = |group: usize| cost(&both(&unions[group], &sketches[index])) - cost(&unions[group]);
                let best = (0..GROUPS).filter(|group| *group != own).min_by(|a, b| grown(*a).total_cmp(&grown(*b)));
                if let Some(best) = best.filter(|best| grown(*best) < saved) {
                    unions[own] = without;
                    unions[best] = both(&unions[best], &sketches[index]);
                    group_of[index] = best;
                }
            }
        }
        let mut table = Box::new([0u64; 256]);
        let mut accepted = [0u64; 256];
        for (pattern, group) in patterns.iter().zip(&group_of) {
            for (place, set) in pattern.iter().enumerate() {
                for (entry, _) in accepted.iter_mut().zip(set).filter(|(_, member)| **member) {
                    *entry |= 1 << (place * GROUPS + group);
                }
            }
        }
        for (entry, accepted) in table.iter_mut().zip(accepted) {
            *entry = !accepted & ALL;
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
            // The second half begins with what its first places need to know: the last bytes of the first.
            let mut ahead = u64::MAX;
            for &byte in &chunk[HALF - BYTES..HALF] {
                ahead = ahead << GROUPS | self.0[usize::from(byte)];
            }
            let middle = ahead;
            let (mut all, mut all_ahead) = (u64::MAX, u64::MAX);
            for index in 0..HALF {
                state = state << GROUPS | self.0[usize::from(chunk[index])];
                ahead = ahead << GROUPS | self.0[usize::from(chunk[HALF + index])];
                all &= state;
                all_ahead &= ahead;
            }
            state = ahead;
            for (hits, half, from) in [(all, 0, start), (all_ahead, HALF, middle)] {
                if hits & LAST != LAST
                    && let Some(found) = self.step(&chunk[half..half + HALF], at + half, from, &mut check)
                {
                    return Some(found);
                }
            }
            at += STEP;
        }
        self.step(hay.get(at..).unwrap_or_default(), at, state, &mut check)
    }

    /// The same byte by byte, over `bytes`, which stand at `at`.
    fn step(&self, bytes: &[u8], at: usize, mut state: u64, check: &mut impl FnMut(usize) -> bool) -> Option<usize> {
        for (index, &byte) in bytes.iter().enumerate() {
            state = state << GROUPS | self.0[usize::from(byte)];
            if state & LAST != LAST {
                let place = at + index + 1 - BYTES;
                if check(place) {
                    return Some(place);
                }
            }
        }
        None
    }
}

/// The places of a pattern over the bytes of [`FREQUENT`], a bit for each.
type Sketch = [u64; BYTES + 1];

/// So often each pattern may move to a better group. It decides on speed alone.
const IMPROVEMENTS: usize = 2;

/// The bytes that logs are made of, in the order of the next table.
const FREQUENT: &[u8; 56] = b" e0123456789ainorstcdlmpubfghjkqvwxyz-.:/\n\",=_EFCI[]()<\t";
/// How often they are met, in thousandths, roughly: blank, `e`, digits, common letters, others, punctuation.
const WEIGHTS: [(usize, f64); 6] = [(1, 110.0), (2, 55.0), (12, 24.0), (19, 40.0), (25, 20.0), (37, 9.0)];
/// What stands behind the letters there.
const PUNCTUATION: f64 = 8.0;

fn sketch(places: &Places) -> Sketch {
    let bits = |place: &[bool; 256]| {
        let members = FREQUENT.iter().enumerate().filter(|(_, b)| place[usize::from(**b)]);
        members.fold(0, |bits, (bit, _)| bits | 1u64 << bit)
    };
    std::array::from_fn(|place| bits(&places[place]))
}

fn both(a: &Sketch, b: &Sketch) -> Sketch {
    std::array::from_fn(|place| a[place] | b[place])
}

/// How likely a place in ordinary log text is accepted, taking its bytes as independent.
fn cost(sketch: &Sketch) -> f64 {
    sketch.iter().map(|place| weight(*place)).product()
}

fn weight(bits: u64) -> f64 {
    let (mut from, mut sum) = (0, 0.0);
    for (to, each) in WEIGHTS {
        let part = bits >> from & ((1 << (to - from)) - 1);
        sum += f64::from(part.count_ones()) * each;
        from = to;
    }
    // A byte that is none of these is rare, but not never.
    0.1 + sum + f64::from((bits >> from).count_ones()) * PUNCTUATION
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
        let mut hay = vec![b'.'; 200];
        for place in 0..=196 {
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
