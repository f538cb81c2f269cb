//! A brake on those who guess: after so many refusals an address is answered with 429 at once.
//!
//! It never stands in the way of a good token: every user of this machine shares the address of loopback, and one of
//! them must not be able to lock out the others. What it spares is the audit log and the work.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Refusals in a row that an address has.
const BURST: f64 = 10.0;

/// How long one of them takes to come back.
const REFILL: Duration = Duration::from_secs(6);

/// Addresses that are remembered. Beyond it the one that was seen longest ago is forgotten.
const MAX_ADDRESSES: usize = 1_024;

/// How often whom was refused.
#[derive(Debug, Default)]
pub struct Failures(Mutex<HashMap<IpAddr, Bucket>>);

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at_ns: u64,
}

impl Failures {
    /// Notes a refusal. `Err` says how many seconds to wait: there were too many.
    pub fn refused(&self, address: IpAddr, now_ns: u64) -> Result<(), u64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_ADDRESSES && !all.contains_key(&address) {
            let oldest = all.iter().min_by_key(|(_, bucket)| bucket.at_ns).map(|(address, _)| *address);
            oldest.map(|oldest| all.remove(&oldest));
        }
        let bucket = all.entry(address).or_insert(Bucket { left: BURST, at_ns: now_ns });
        let passed = Duration::from_nanos(now_ns.saturating_sub(bucket.at_ns));
        bucket.left = (bucket.left + passed.as_secs_f64() / REFILL.as_secs_f64()).min(BURST);
        bucket.at_ns = now_ns;
        if bucket.left >= 1.0 {
            bucket.left -= 1.0;
            return Ok(());
        }
        Err(((1.0 - bucket.left) * REFILL.as_secs_f64()).ceil() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn ten_are_answered_and_then_one_in_six_seconds() {
        let failures = Failures::default();
        let (one, other) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([192, 0, 2, 1]));
        for _ in 0..10 {
            failures.refused(one, SECOND).unwrap();
        }
        assert_eq!(failures.refused(one, SECOND), Err(6));
        assert_eq!(failures.refused(other, SECOND), Ok(()), "others are not concerned");
        assert_eq!(failures.refused(one, 8 * SECOND), Ok(()));
        assert!(failures.refused(one, 8 * SECOND).is_err());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let failures = Failures::default();
        for at in 0..5_000_u32 {
            failures.refused(IpAddr::from(at.to_be_bytes()), u64::from(at)).unwrap();
        }
        assert_eq!(failures.0.lock().unwrap().len(), MAX_ADDRESSES);
    }
}
