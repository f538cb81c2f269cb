//! How bad an event is, and the one mapping from levels to severities that the whole crate uses.
//!
//! | severity | what it stands for |
//! | --- | --- |
//! | critical | the level is fatal, panic, alert, emergency or critical; or the kernel reports an oops, a panic, a machine check, the OOM killer, a filesystem gone read-only |
//! | high | the level is error or severe; or, without a level, a panic, a stack trace, an uncaught exception, a segfault, an I/O error, a failed unit |
//! | medium | no level, but the words say that something failed; an HTTP answer of 500 and above; a stack trace under a line of lower level |
//! | low | a warning, or a failed login: worth counting, not an anomaly |
//!
//! An *anomaly* is what is medium or worse. What is low is reported only where the configuration asks for it.

use serde::{Deserialize, Serialize};

/// How bad an event is. Ordered: `Low < Medium < High < Critical`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A warning: worth counting, not an anomaly.
    Low,
    /// Something failed, though nothing in the line says how bad it is.
    Medium,
    /// An error.
    High,
    /// Fatal, or a report of the kernel that means damage or loss.
    Critical,
}

impl Severity {
    /// The word used in configuration, JSON and text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The severity of this word, as [`Severity::as_str`] writes it.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Low, Self::Medium, Self::High, Self::Critical].into_iter().find(|s| s.as_str() == word)
    }

    /// One step up (or down, for a negative `steps`), staying in range.
    #[must_use]
    pub fn shifted(self, steps: i8) -> Self {
        match (self as i8).saturating_add(steps).clamp(0, 3) {
            0 => Self::Low,
            1 => Self::Medium,
            2 => Self::High,
            _ => Self::Critical,
        }
    }
}

/// A level as a program wrote it, folded to the eight of syslog and two below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Finer than debug.
    Trace,
    /// For the developer.
    Debug,
    /// Normal operation.
    Info,
    /// Normal, but significant.
    Notice,
    /// Not an error.
    Warning,
    /// An error.
    Error,
    /// Critical and fatal.
    Critical,
    /// Alert.
    Alert,
    /// Emergency and panic.
    Emergency,
}

impl Level {
    /// The severity of a line of this level; `None` below warning.
    pub fn severity(self) -> Option<Severity> {
        match self {
            Self::Trace | Self::Debug | Self::Info | Self::Notice => None,
            Self::Warning => Some(Severity::Low),
            Self::Error => Some(Severity::High),
            Self::Critical | Self::Alert | Self::Emergency => Some(Severity::Critical),
        }
    }

    /// The level of a word such as `ERROR`, `warn`, `ERRO` (logrus), `eror` (log15) or `SEVERE`, in any case.
    pub fn from_word(word: &[u8]) -> Option<Self> {
        if word.len() < 3 || word.len() > 13 {
            return None;
        }
        let mut folded = [0u8; 13];
        for (to, from) in folded.iter_mut().zip(word) {
            *to = from.to_ascii_lowercase();
        }
        Some(match &folded[..word.len()] {
            b"emerg" | b"emergency" | b"panic" | b"pani" | b"dpanic" => Self::Emergency,
            b"alert" => Self::Alert,
            b"crit" | b"critical" | b"fatal" | b"fata" | b"ftl" | b"fatl" => Self::Critical,
            b"err" | b"error" | b"erro" | b"eror" | b"severe" | b"failure" | b"fail" => Self::Error,
            b"warn" | b"warning" | b"wrn" | b"wrng" => Self::Warning,
            b"notice" | b"note" | b"ntc" => Self::Notice,
            b"info" | b"inf" | b"information" | b"informational" | b"log" | b"success" | b"system" => Self::Info,
            b"debug" | b"dbg" | b"debu" | b"debg" | b"dbug" | b"fine" | b"config" | b"verbose" | b"verb" => Self::Debug,
            b"trace" | b"trac" | b"trce" | b"trc" | b"finer" | b"finest" => Self::Trace,
            _ => return None,
        })
    }

    /// The level of a single letter, as Android, glog, klog, MongoDB and Ruby write it.
    pub fn from_letter(letter: u8) -> Option<Self> {
        Some(match letter {
            b'E' => Self::Error,
            b'F' | b'C' | b'A' => Self::Critical,
            b'W' => Self::Warning,
            b'I' => Self::Info,
            b'N' => Self::Notice,
            b'D' => Self::Debug,
            b'V' | b'T' => Self::Trace,
            _ => return None,
        })
    }

    /// The level of a syslog priority or severity number (RFC 5424, table 2): the lowest three bits count.
    pub fn from_syslog(priority: u64) -> Self {
        match priority & 7 {
            0 => Self::Emergency,
            1 => Self::Alert,
            2 => Self::Critical,
            3 => Self::Error,
            4 => Self::Warning,
            5 => Self::Notice,
            6 => Self::Info,
            _ => Self::Debug,
        }
    }

    /// The level of a number under a key such as `level`: syslog's 0 to 7, else the tens of pino and bunyan
    /// (50 error, 60 fatal) and of Python's `levelno` (40 error, 50 critical), told apart by `python`.
    pub fn from_number(number: u64, python: bool) -> Option<Self> {
        Some(match (number, python) {
            (0..=7, _) => Self::from_syslog(number),
            (10..=19, false) | (1..=9, true) => Self::Trace,
            (20..=29, false) | (10..=19, true) => Self::Debug,
            (30..=39, false) | (20..=29, true) => Self::Info,
            (40..=49, false) | (30..=39, true) => Self::Warning,
            (50..=59, false) | (40..=49, true) => Self::Error,
            (60..=69, false) | (50..=59, true) => Self::Critical,
            _ => return None,
        })
    }

    /// The level of OpenTelemetry's `SeverityNumber` (1 to 24).
    pub fn from_otel(number: u64) -> Option<Self> {
        Some(match number {
            1..=4 => Self::Trace,
            5..=8 => Self::Debug,
            9..=12 => Self::Info,
            13..=16 => Self::Warning,
            17..=20 => Self::Error,
            21..=24 => Self::Critical,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_every_family_have_their_level() {
        for (word, level) in [
            ("ERROR", Level::Error),
            ("eror", Level::Error),
            ("ERRO", Level::Error),
            ("Warning", Level::Warning),
            ("SEVERE", Level::Error),
            ("ftl", Level::Critical),
            ("Informational", Level::Info),
        ] {
            assert_eq!(Level::from_word(word.as_bytes()), Some(level), "{word}");
        }
        assert_eq!(Level::from_word(b"errors"), None);
        assert_eq!(Level::from_word(b"a very long word that is no level"), None);
    }

    #[test]
    fn numbers_mean_what_their_library_says() {
        assert_eq!(Level::from_number(50, false), Some(Level::Error));
        assert_eq!(Level::from_number(40, true), Some(Level::Error));
        assert_eq!(Level::from_number(3, false), Some(Level::Error));
        assert_eq!(Level::from_syslog(27), Level::Error);
        assert_eq!(Level::from_otel(17), Some(Level::Error));
        assert_eq!(Level::from_number(200, false), None);
    }

    #[test]
    fn shifting_stays_in_range() {
        assert_eq!(Severity::Low.shifted(-1), Severity::Low);
        assert_eq!(Severity::High.shifted(7), Severity::Critical);
    }
}
