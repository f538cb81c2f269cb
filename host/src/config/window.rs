//! Maintenance windows as people write them: `daily 03:00-03:30`, `sat,sun 22:00-02:00`, `mon-fri 12:00-13:00 UTC`.
//!
//! Owns that notation, and whether an instant of a week lies in one. Must not know: what time it is.

use serde::{Serialize, Serializer};

/// How the notation is explained where a text is none of it.
pub(super) const HINT: &str =
    "such as `daily 03:00-03:30`, `sat,sun 22:00-02:00` or `mon-fri 12:00-13:00 UTC`; local time without `UTC`";

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// A time of the week that comes again every week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// As it was written.
    text: String,
    /// By weekday, Monday first: whether one begins then.
    days: [bool; 7],
    /// The minute of the day at which it begins.
    from: u16,
    /// The minute at which it is over, perhaps on the next day.
    until: u16,
    /// Whether its times are UTC's; local otherwise.
    pub utc: bool,
}

impl Window {
    /// Reads one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let (days, times, zone, rest) = (words.next()?, words.next()?, words.next(), words.next());
        let utc = match zone {
            None => false,
            Some(zone) if zone.eq_ignore_ascii_case("utc") && rest.is_none() => true,
            Some(_) => return None,
        };
        let (from, until) = times.split_once('-')?;
        let (from, until) = (minute(from)?, minute(until)?);
        // From 08:00 to 08:00 could mean a day or nothing; 00:00 to 24:00 is the whole of it.
        (from != until && from < DAY).then_some(())?;
        Some(Self { text: text.to_owned(), days: days_of(days)?, from, until, utc })
    }

    /// Whether it is open at this minute of this day (0 for Monday).
    pub fn is_open(&self, weekday: usize, minute: u16) -> bool {
        let begins = |day: usize| self.days[day % 7];
        if self.from < self.until {
            begins(weekday) && (self.from..self.until).contains(&minute)
        } else {
            (begins(weekday) && minute >= self.from) || (begins(weekday + 6) && minute < self.until)
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

fn days_of(text: &str) -> Option<[bool; 7]> {
    if text.eq_ignore_ascii_case("daily") {
        return Some([true; 7]);
    }
    let index = |name: &str| DAYS.iter().position(|day| day.eq_ignore_ascii_case(name));
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (index(first)?, index(last)?);
        let count = (last + 7 - first) % 7;
        (first..=first + count).for_each(|day| days[day % 7] = true);
    }
    Some(days)
}

/// The minute of the day; 24:00 is its end.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |text: &str| (text.len() == 2).then(|| text.parse::<u16>().ok())?;
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (hours < 24 && minutes < 60 || hours == 24 && minutes == 0).then_some(hours * 60 + minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &str, weekday: usize, time: &str) -> bool {
        Window::parse(text).unwrap().is_open(weekday, minute(time).unwrap())
    }

    #[test]
    fn windows_open_and_close() {
        assert!(open("daily 03:00-03:30", 4, "03:00") && open("daily 03:00-03:30", 0, "03:29"));
        assert!(!open("daily 03:00-03:30", 4, "03:30") && !open("daily 03:00-03:30", 4, "02:59"));
        assert!(open("mon 00:00-24:00", 0, "23:59") && !open("mon 00:00-24:00", 1, "00:00"));
        assert!(open("fri-mon 10:00-11:00", 6, "10:30") && !open("fri-mon 10:00-11:00", 1, "10:30"));
        assert!(open("tue,thu 10:00-11:00", 3, "10:30") && !open("tue,thu 10:00-11:00", 2, "10:30"));
    }

    #[test]
    fn a_night_belongs_to_the_day_that_it_begins_on() {
        let night = "sat 22:00-02:00";
        assert!(open(night, 5, "22:00") && open(night, 6, "01:59"));
        assert!(!open(night, 5, "01:00") && !open(night, 6, "22:00") && !open(night, 6, "02:00"));
        assert!(open("sun 22:00-02:00", 0, "01:00"), "the week goes round");
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for text in [
            "",
            "daily",
            "daily 3:00-4:00",
            "daily 03:00",
            "daily 03:00-25:00",
            "daily 03:00-03:00",
            "sunday 03:00-04:00",
            "mon- 03:00-04:00",
            "daily 03:00-04:00 CET",
            "daily 03:00-04:00 UTC x",
            "daily 24:00-01:00",
            "daily 03:60-04:00",
        ] {
            assert_eq!(Window::parse(text), None, "{text}");
        }
        assert!(Window::parse("Daily 03:00-04:00 utc").unwrap().utc);
    }
}
