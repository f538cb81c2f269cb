//! Figures that look measured, and are the same for the same seed: a hash of the seed, a name and a time, nothing that
//! is carried from one to the next.

/// Where the figures come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noise {
    seed: u64,
}

impl Noise {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Anything from 0 to 1, for the `n`-th of that name.
    pub(super) fn at(&self, name: &str, n: u64) -> f64 {
        // FNV-1a over the name, then two rounds of splitmix64: enough for the eye.
        let named = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mixed = mix(mix(self.seed ^ named).wrapping_add(n));
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A curve from -1 to 1 that turns about every `period` seconds.
    pub(super) fn smooth(&self, name: &str, seconds: u64, period: u64) -> f64 {
        let period = period.max(1);
        let (step, within) = (seconds / period, (seconds % period) as f64 / period as f64);
        let (from, to) = (self.at(name, step), self.at(name, step + 1));
        let eased = (1.0 - (within * std::f64::consts::PI).cos()) / 2.0;
        (from + (to - from) * eased) * 2.0 - 1.0
    }

    /// A curve from -1 to 1 as a machine draws it: slow, with smaller and faster ones on top.
    pub(super) fn curve(&self, name: &str, seconds: u64) -> f64 {
        0.5 * self.smooth(name, seconds, 5_400)
            + 0.3 * self.smooth(name, seconds + 17, 610)
            + 0.2 * (self.at(name, seconds) * 2.0 - 1.0)
    }
}

/// One step of splitmix64.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_figures_within_bounds() {
        let (a, b, other) = (Noise::new(1), Noise::new(1), Noise::new(2));
        for n in 0..1_000 {
            assert_eq!(a.curve("cpu", n * 5), b.curve("cpu", n * 5));
            assert!((-1.0..=1.0).contains(&a.curve("cpu", n * 5)));
        }
        assert!((0..50).any(|n| a.at("cpu", n) != other.at("cpu", n)));
        assert!((0..50).any(|n| a.at("cpu", n) != a.at("memory", n)));
    }
}
