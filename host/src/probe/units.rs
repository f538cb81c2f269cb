//! What turns the kernel's units into ours: clock ticks and pages.

/// From the auxiliary vector, which the kernel gives every process (getauxval(3)).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Units {
    /// USER_HZ: what /proc counts time in.
    pub(crate) ticks_per_second: u64,
    pub(crate) page_bytes: u64,
}

impl Units {
    /// Those of this machine; 100 and 4096 where it does not tell.
    pub(crate) fn of_this_machine() -> Self {
        const AT_PAGESZ: u64 = 6;
        const AT_CLKTCK: u64 = 17;
        let vector = std::fs::read("/proc/self/auxv").unwrap_or_default();
        Self {
            ticks_per_second: value_of(&vector, AT_CLKTCK).unwrap_or(100),
            page_bytes: value_of(&vector, AT_PAGESZ).unwrap_or(4096),
        }
    }

    /// Ticks in milliseconds.
    pub(crate) fn ticks_ms(self, ticks: u64) -> u64 {
        u64::try_from(u128::from(ticks) * 1000 / u128::from(self.ticks_per_second)).unwrap_or(u64::MAX)
    }

    /// Ticks in nanoseconds.
    pub(crate) fn ticks_ns(self, ticks: u64) -> u64 {
        let ns = u128::from(ticks) * u128::from(super::NS_PER_S) / u128::from(self.ticks_per_second);
        u64::try_from(ns).unwrap_or(u64::MAX)
    }
}

/// The vector is pairs of machine words: a key and its value.
fn value_of(vector: &[u8], key: u64) -> Option<u64> {
    const WORD: usize = size_of::<usize>();
    let word = |bytes: &[u8]| -> Option<u64> {
        let native: [u8; WORD] = bytes.try_into().ok()?;
        u64::try_from(usize::from_ne_bytes(native)).ok()
    };
    vector
        .chunks_exact(2 * WORD)
        .find(|pair| word(&pair[..WORD]) == Some(key))
        .and_then(|pair| word(&pair[WORD..]))
        .filter(|value| *value > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_a_plausible_page() {
        let units = Units::of_this_machine();
        assert!(units.page_bytes.is_power_of_two() && (4096..=65_536).contains(&units.page_bytes));
        assert_eq!(units.ticks_ms(units.ticks_per_second * 3), 3_000);
        assert_eq!(units.ticks_ns(units.ticks_per_second), 1_000_000_000);
    }

    #[test]
    fn a_vector_without_the_key_or_cut_short_has_no_value() {
        let mut vector = Vec::new();
        for number in [6usize, 4096, 17, 250, 0, 0] {
            vector.extend_from_slice(&number.to_ne_bytes());
        }
        assert_eq!(value_of(&vector, 17), Some(250));
        assert_eq!(value_of(&vector, 5), None);
        assert_eq!(value_of(&vector[..vector.len() / 2 - 1], 17), None);
    }
}
