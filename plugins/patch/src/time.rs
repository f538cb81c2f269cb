//! Times as people and programs write them, in milliseconds since the Unix epoch.
//!
//! Owns reading and writing them. The present is never read here: it comes with the invocation. By hand
//! and not by a library: chrono made this component a tenth larger, and every component is compiled on
//! the machine that runs it. The collectors `daemon` and `telemetry` compile this very file.

/// Numbers below this are seconds: as milliseconds they would be times before March 1973.
const SECONDS_BELOW: f64 = 1e11;
const DAY_MS: i64 = 86_400_000;

/// Reads RFC 3339 and its everyday variants (a space for the `T`, no seconds, no zone, a zone without
/// colon, a date alone), and numbers since the epoch. A time without a zone is taken as UTC.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse() {
        return from_number(number);
    }
    let mut rest = Scanner(text.as_bytes());
    let (year, month, day) = (rest.digits(4)?, rest.after(b"-")?.digits(2)?, rest.after(b"-")?.digits(2)?);
    if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let midnight_ms = days_from_civil(year, month, day) * DAY_MS;
    if rest.0.is_empty() {
        return Some(midnight_ms);
    }
    let (hour, minute) = (rest.after(b"Tt ")?.digits(2)?, rest.after(b":")?.digits(2)?);
    let (second, ms) = match rest.after(b":") {
        None => (0, 0),
        Some(rest) => (rest.digits(2)?, rest.after(b".,").map_or(Some(0), Scanner::fraction_ms)?),
    };
    // A leap second has no place in Unix time: it is the second after it.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let offset_ms = rest.zone_minutes()? * 60_000;
    Some(midnight_ms + (hour * 3600 + minute * 60 + second) * 1000 + ms - offset_ms)
}

/// Writes RFC 3339 in UTC with milliseconds. What lies outside the years 0 to 9999 is `?`: RFC 3339 has
/// no form for it.
#[must_use]
pub fn rfc3339(ms: i64) -> String {
    let (days, of_day) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    let (year, month, day) = civil_from_days(days);
    if !(0..=9999).contains(&year) {
        return "?".to_owned();
    }
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", of_day % 1000)
}

/// Seconds or milliseconds since the epoch, from 1990 to 2100; other numbers are no time.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked before")]
fn from_number(number: f64) -> Option<i64> {
    const YEAR_1990_MS: f64 = 631_152_000_000.0;
    const YEAR_2100_MS: f64 = 4_102_444_800_000.0;
    let ms = if number < SECONDS_BELOW { number * 1000.0 } else { number };
    (YEAR_1990_MS..YEAR_2100_MS).contains(&ms).then_some(ms.round() as i64)
}

/// What is left of a text.
struct Scanner<'a>(&'a [u8]);

impl Scanner<'_> {
    /// Takes one of these bytes, if it is next.
    fn after(&mut self, one_of: &[u8]) -> Option<&mut Self> {
        let (first, rest) = self.0.split_first()?;
        one_of.contains(first).then(|| {
            self.0 = rest;
            self
        })
    }

    /// Takes a number of exactly so many digits.
    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        let number = digits
            .iter()
            .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')));
        self.0 = rest;
        number
    }

    /// Takes the digits of a fraction of a second, however many.
    fn fraction_ms(&mut self) -> Option<i64> {
        let count = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        let digit = |at: usize| digits.get(at).map_or(0, |digit| i64::from(digit - b'0'));
        (count > 0).then(|| digit(0) * 100 + digit(1) * 10 + digit(2))
    }

    /// Takes a zone, which must be all that is left: how many minutes it is ahead of UTC.
    fn zone_minutes(mut self) -> Option<i64> {
        if self.0.first() == Some(&b' ') {
            self.0 = self.0.trim_ascii_start();
        }
        if matches!(self.0, b"" | b"Z" | b"z" | b"UTC" | b"GMT") {
            return Some(0);
        }
        let sign = if self.0.first() == Some(&b'-') { -1 } else { 1 };
        let hours = self.after(b"+-")?.digits(2)?;
        if self.0.first() == Some(&b':') {
            self.0 = self.0.get(1..)?;
        }
        let minutes = if self.0.is_empty() { 0 } else { self.digits(2)? };
        (self.0.is_empty() && hours <= 23 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar: years are made to begin in March,
/// so that the leap day comes last, and counted in eras of 400.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
}

/// The way back.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * of_era + of_era / 4 - of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + of_era + i64::from(month <= 2), month, day)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_instant_in_many_shapes() {
        for text in [
            "2025-07-21T12:00:00Z",
            "2025-07-21t12:00:00z",
            "2025-07-21T12:00:00.000Z",
            "2025-07-21T12:00:00.000000",
            "2025-07-21T14:00:00+02:00",
            "2025-07-21T14:00:00+0200",
            "2025-07-21T14:00:00+02",
            "2025-07-21T06:30:00-05:30",
            "2025-07-21 14:00:00 +0200",
            "2025-07-21 12:00:00",
            "2025-07-21 12:00:00 UTC",
            "2025-07-21T12:00",
            " 2025-07-21T12:00:00 ",
            "1753099200",
            "1753099200.0",
            "1753099200000",
        ] {
            assert_eq!(parse(text).map(rfc3339).as_deref(), Some("2025-07-21T12:00:00.000Z"), "{text}");
        }
        assert_eq!(parse("2025-07-21").map(rfc3339).as_deref(), Some("2025-07-21T00:00:00.000Z"));
        assert_eq!(parse("2025-07-21T12:00:00,7891Z").map(rfc3339).as_deref(), Some("2025-07-21T12:00:00.789Z"));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "yesterday",
            "12345",
            "1e300",
            "nan",
            "inf",
            "-5",
            "2025-13-01",
            "2025-00-10",
            "2025-02-29",
            "2025-07-21T25:00:00Z",
            "2025-07-21T12:60:00Z",
            "2025-07-21T12:00:61Z",
            "2025-07-21T12:00:00+24:00",
            "2025-07-21T12:00:00.Z",
            "2025-07-21T12:00:00Zulu",
            "2025-07-21x",
            "2025-7-21",
            "2025-07-2ä",
            "2025-07-21T12:00:00 +",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!((rfc3339(i64::MAX), rfc3339(i64::MIN)), ("?".to_owned(), "?".to_owned()));
    }

    #[test]
    fn known_days_are_where_they_belong() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (1_795_262_400_000, "2026-11-21T12:00:00.000Z"),
            (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(rfc3339(ms), text);
            assert_eq!(parse(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn every_day_of_eight_centuries_survives_the_way_there_and_back() {
        for day in days_from_civil(1600, 1, 1)..days_from_civil(2400, 1, 1) {
            let (year, month, of_month) = civil_from_days(day);
            assert_eq!(days_from_civil(year, month, of_month), day);
            assert!((1..=days_in(year, month)).contains(&of_month));
        }
    }
}
