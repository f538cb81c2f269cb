//! The kernel's clock discipline, with its units made uniform.
//!
//! Owns the meaning of the kernel's figures; whether they are good is the clock collector's verdict.

use super::super::raw::Timex;
use super::super::{Error, Result};

/// `offset` is in nanoseconds and not in microseconds (linux/timex.h). The classic unit bug.
const STA_NANO: i32 = 0x2000;
/// The clock is not synchronised.
const STA_UNSYNC: i32 = 0x0040;
/// The scale of `freq`: parts per million with 16 bits behind the point.
const FREQUENCY_SCALE: f64 = 65_536.0;

/// What the kernel says of its clock (adjtimex(2) with modes 0).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Discipline {
    /// STA_UNSYNC is not set. chrony without `rtcsync` leaves it set on a machine that is well synchronised.
    pub synchronised: bool,
    /// The offset that is being corrected.
    pub offset_ns: i64,
    /// The correction of the clock's rate, in parts per million.
    pub frequency_ppm: f64,
    /// Grows by 500 us a second while nothing disciplines the clock.
    pub maximum_error_us: i64,
    /// The kernel's estimate.
    pub estimated_error_us: i64,
    /// The raw STA_ bits.
    pub status: u32,
    /// TIME_OK 0, TIME_INS 1, TIME_DEL 2, TIME_OOP 3, TIME_WAIT 4, TIME_ERROR 5.
    pub leap: i32,
    /// The PLL's time constant.
    pub time_constant: i64,
    /// Seconds by which TAI is ahead of UTC; 0 where the kernel was never told.
    pub tai_offset: i32,
}

/// Asks the kernel. Needs no privilege.
#[cfg(target_os = "linux")]
pub fn discipline() -> Result<Discipline> {
    let timex =
        super::super::raw::adjtimex().map_err(|error| Error::from_io("the kernel's clock discipline", &error))?;
    Ok(timex.into())
}

/// Other platforms keep it to themselves.
#[cfg(not(target_os = "linux"))]
pub fn discipline() -> Result<Discipline> {
    Err(Error::Unavailable("the clock discipline of this platform's kernel".to_owned()))
}

impl From<Timex> for Discipline {
    fn from(timex: Timex) -> Self {
        let nanoseconds = timex.status & STA_NANO != 0;
        Self {
            synchronised: timex.status & STA_UNSYNC == 0,
            offset_ns: if nanoseconds { timex.offset } else { timex.offset.saturating_mul(1_000) },
            frequency_ppm: timex.frequency as f64 / FREQUENCY_SCALE,
            maximum_error_us: timex.maximum_error,
            estimated_error_us: timex.estimated_error,
            status: timex.status.cast_unsigned(),
            leap: timex.state,
            time_constant: timex.constant,
            tai_offset: timex.tai,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from machines: `adjtimex --print` and strace, fields as the kernel gave them.
    const NTPD_NANO: Timex = Timex {
        state: 0,
        offset: -1_250_000,
        frequency: -1_179_648,
        maximum_error: 22_500,
        estimated_error: 612,
        status: 0x2001,
        constant: 6,
        tai: 37,
    };
    const MICROSECONDS: Timex = Timex { offset: -1_250, status: 0x0001, ..NTPD_NANO };
    const NOBODY: Timex = Timex {
        state: 5,
        offset: 0,
        frequency: 0,
        maximum_error: 16_000_000,
        estimated_error: 16_000_000,
        status: 0x0040,
        constant: 2,
        tai: 0,
    };

    #[test]
    fn the_unit_of_the_offset_goes_by_its_bit() {
        let nano = Discipline::from(NTPD_NANO);
        let micro = Discipline::from(MICROSECONDS);
        assert_eq!(nano.offset_ns, -1_250_000);
        assert_eq!(micro.offset_ns, -1_250_000);
        assert!(nano.synchronised && (nano.frequency_ppm - -18.0).abs() < 1e-9);
        assert_eq!((nano.maximum_error_us, nano.estimated_error_us, nano.tai_offset), (22_500, 612, 37));
    }

    #[test]
    fn a_clock_that_nobody_disciplines_is_told_as_such() {
        let free = Discipline::from(NOBODY);
        assert!(!free.synchronised);
        assert_eq!((free.leap, free.status, free.maximum_error_us), (5, 0x40, 16_000_000));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_kernel_answers_without_privilege() {
        let now = discipline().unwrap();
        assert!((0..=5).contains(&now.leap));
        assert!(now.frequency_ppm.abs() <= 500.0, "the kernel's own limit, {}", now.frequency_ppm);
        assert!(now.maximum_error_us >= 0);
    }
}
