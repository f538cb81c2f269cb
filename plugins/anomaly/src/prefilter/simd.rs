//! Sixteen bytes at a time: which positions could begin a pattern?
//!
//! The method is that of the Teddy algorithm (Hyperscan): for each of four positions two tables of sixteen, one for
//! each half of a byte, give the buckets whose patterns accept it; what survives four ANDs is a candidate. In the
//! guest this is `i8x16.swizzle`, on x86 `pshufb`; elsewhere a table of 256 does the same one byte at a time.

/// How many positions of a pattern are looked at here.
pub(super) const POSITIONS: usize = 4;

/// Nibble tables: `low[p][n]` has a bit for each bucket that accepts a byte with low half `n` at position `p`.
#[derive(Clone)]
pub(super) struct Tables {
    pub(super) low: [[u8; 16]; POSITIONS],
    pub(super) high: [[u8; 16]; POSITIONS],
}

/// The first position at or behind `from` that could begin a pattern and has [`POSITIONS`] bytes; `hay.len()` if
/// there is none.
pub(super) fn find(tables: &Tables, hay: &[u8], from: usize) -> usize {
    #[cfg(target_arch = "wasm32")]
    {
        wasm::find(tables, hay, from)
    }
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("ssse3") {
            #[expect(unsafe_code, reason = "calls a function whose CPU feature was just detected")]
            // SAFETY: `ssse3`, the one feature that `x86::find` asks for, is there.
            return unsafe { x86::find(tables, hay, from) };
        }
        portable(tables, hay, from)
    }
    #[cfg(not(any(target_arch = "wasm32", target_arch = "x86_64")))]
    {
        portable(tables, hay, from)
    }
}

/// One byte at a time: the end of a block, and machines without vector tables.
fn portable(tables: &Tables, hay: &[u8], from: usize) -> usize {
    let last = hay.len().saturating_sub(POSITIONS - 1);
    for at in from..last {
        let mut buckets = 0xffu8;
        for (position, &byte) in hay[at..at + POSITIONS].iter().enumerate() {
            buckets &= tables.low[position][usize::from(byte & 15)] & tables.high[position][usize::from(byte >> 4)];
        }
        if buckets != 0 {
            return at;
        }
    }
    hay.len()
}

/// The sixteen bytes at `at`, as two words: vectors are built from these, which needs no raw pointer.
#[cfg(any(target_arch = "wasm32", target_arch = "x86_64"))]
#[inline(always)]
fn words(hay: &[u8; 32], at: usize) -> (u64, u64) {
    let word = |from: usize| {
        let mut bytes = [0u8; 8];
        bytes.copy_from_slice(&hay[from..from + 8]);
        u64::from_le_bytes(bytes)
    };
    (word(at), word(at + 8))
}

#[cfg(target_arch = "wasm32")]
mod wasm {
    use super::{POSITIONS, Tables, portable, words};
    use core::arch::wasm32::{
        i8x16_swizzle, u8x16_bitmask, u8x16_eq, u8x16_shr, u8x16_splat, u64x2, v128, v128_and, v128_any_true,
    };

    #[inline]
    #[target_feature(enable = "simd128")]
    fn table(bytes: &[u8; 16]) -> v128 {
        let mut wide = [0u8; 32];
        wide[..16].copy_from_slice(bytes);
        let (low, high) = words(&wide, 0);
        u64x2(low, high)
    }

    #[target_feature(enable = "simd128")]
    pub(super) fn find(tables: &Tables, hay: &[u8], from: usize) -> usize {
        let low: [v128; POSITIONS] =
            [table(&tables.low[0]), table(&tables.low[1]), table(&tables.low[2]), table(&tables.low[3])];
        let high: [v128; POSITIONS] =
            [table(&tables.high[0]), table(&tables.high[1]), table(&tables.high[2]), table(&tables.high[3])];
        let mask = u8x16_splat(15);
        let mut at = from;
        while let Some(chunk) = hay.get(at..).and_then(|rest| rest.first_chunk::<32>()) {
            let look = |position: usize| {
                let (a, b) = words(chunk, position);
                let bytes = u64x2(a, b);
                v128_and(
                    i8x16_swizzle(low[position], v128_and(bytes, mask)),
                    i8x16_swizzle(high[position], u8x16_shr(bytes, 4)),
                )
            };
            let found = v128_and(v128_and(look(0), look(1)), v128_and(look(2), look(3)));
            if v128_any_true(found) {
                let none = u8x16_bitmask(u8x16_eq(found, u8x16_splat(0)));
                return at + (!none).trailing_zeros() as usize;
            }
            at += 16;
        }
        portable(tables, hay, at)
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{POSITIONS, Tables, portable, words};
    use core::arch::x86_64::{
        __m128i, _mm_and_si128, _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8, _mm_setzero_si128,
        _mm_shuffle_epi8, _mm_srli_epi16,
    };

    #[inline]
    #[target_feature(enable = "ssse3")]
    fn vector((low, high): (u64, u64)) -> __m128i {
        _mm_set_epi64x(high.cast_signed(), low.cast_signed())
    }

    #[inline]
    #[target_feature(enable = "ssse3")]
    fn table(bytes: &[u8; 16]) -> __m128i {
        let mut wide = [0u8; 32];
        wide[..16].copy_from_slice(bytes);
        vector(words(&wide, 0))
    }

    #[target_feature(enable = "ssse3")]
    pub(super) fn find(tables: &Tables, hay: &[u8], from: usize) -> usize {
        let low: [__m128i; POSITIONS] =
            [table(&tables.low[0]), table(&tables.low[1]), table(&tables.low[2]), table(&tables.low[3])];
        let high: [__m128i; POSITIONS] =
            [table(&tables.high[0]), table(&tables.high[1]), table(&tables.high[2]), table(&tables.high[3])];
        let mask = _mm_set1_epi8(15);
        let mut at = from;
        while let Some(chunk) = hay.get(at..).and_then(|rest| rest.first_chunk::<32>()) {
            let mut found = _mm_set1_epi8(-1);
            for position in 0..POSITIONS {
                let bytes = vector(words(chunk, position));
                let low = _mm_shuffle_epi8(low[position], _mm_and_si128(bytes, mask));
                let high = _mm_shuffle_epi8(high[position], _mm_and_si128(_mm_srli_epi16::<4>(bytes), mask));
                found = _mm_and_si128(found, _mm_and_si128(low, high));
            }
            let none = _mm_movemask_epi8(_mm_cmpeq_epi8(found, _mm_setzero_si128()));
            if none != 0xffff {
                return at + (!none).trailing_zeros() as usize;
            }
            at += 16;
        }
        portable(tables, hay, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_and_the_plain_way_agree() {
        let mut tables = Tables { low: [[0; 16]; POSITIONS], high: [[0; 16]; POSITIONS] };
        for (position, byte) in b"abcd".iter().enumerate() {
            tables.low[position][usize::from(byte & 15)] |= 1;
            tables.high[position][usize::from(byte >> 4)] |= 1;
        }
        let mut hay = vec![b'.'; 200];
        assert_eq!(find(&tables, &hay, 0), 200);
        for place in 0..197 {
            hay.fill(b'.');
            hay[place..place + 4].copy_from_slice(b"abcd");
            for from in [0, place / 2, place] {
                assert_eq!(find(&tables, &hay, from), place);
                assert_eq!(portable(&tables, &hay, from), place);
            }
            assert_eq!(find(&tables, &hay, place + 1), 200);
        }
    }
}
