//! Single values that are more than their TOML type: durations, sizes, schedules, addresses. Each reads
//! itself from text and says in the schema what it is (`x-ghostd`), which the check goes by.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::units::{
    ByteSize, DURATION_HINT, DURATION_PATTERN, SIZE_HINT, SIZE_PATTERN, format_duration, parse_duration,
};

/// How often something runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cadence {
    /// At this interval.
    Every(Duration),
    /// With each snapshot.
    Snapshot,
    /// With each heartbeat.
    Heartbeat,
}

impl Cadence {
    /// The words that may stand for a duration.
    const WORDS: [(&'static str, Cadence); 2] = [("snapshot", Cadence::Snapshot), ("heartbeat", Cadence::Heartbeat)];

    fn parse(text: &str) -> Option<Self> {
        let word = Self::WORDS.iter().find(|(word, _)| *word == text).map(|(_, cadence)| *cadence);
        word.or_else(|| parse_duration(text).map(Cadence::Every))
    }
}

impl Serialize for Cadence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Cadence::Every(duration) => serializer.serialize_str(&format_duration(*duration)),
            Cadence::Snapshot => serializer.serialize_str("snapshot"),
            Cadence::Heartbeat => serializer.serialize_str("heartbeat"),
        }
    }
}

/// A duration in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span(pub(super) Duration);

/// A size in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size(pub(super) ByteSize);

/// Where chronyd's command port is, if it is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChronyAddress(pub(super) Option<SocketAddr>);

impl ChronyAddress {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "off" => Some(Self(None)),
            address => address.parse().ok().map(|address| Self(Some(address))),
        }
    }
}

/// Where something listens, if it does.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListenAddress(pub(super) Option<SocketAddr>);

impl ListenAddress {
    fn parse(text: &str) -> Option<Self> {
        ChronyAddress::parse(text).map(|address| Self(address.0))
    }
}

/// What a text must be, as the schema's `x-ghostd` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Duration,
    Cadence,
    Size,
    Chrony,
    Listen,
}

impl Kind {
    const ALL: [(&'static str, Kind); 5] = [
        ("duration", Kind::Duration),
        ("cadence", Kind::Cadence),
        ("size", Kind::Size),
        ("chrony", Kind::Chrony),
        ("listen", Kind::Listen),
    ];

    /// By its name in the schema.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }

    /// What it is, with its article, for messages.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Kind::Duration => "a duration",
            Kind::Cadence => "a schedule",
            Kind::Size => "a size",
            Kind::Chrony | Kind::Listen => "an address",
        }
    }

    /// What mends it.
    pub(super) fn hint(self) -> String {
        match self {
            Kind::Duration => DURATION_HINT.to_owned(),
            Kind::Cadence => format!("{DURATION_HINT}; or `snapshot` or `heartbeat`"),
            Kind::Size => SIZE_HINT.to_owned(),
            Kind::Chrony => "write an address with its port, such as `127.0.0.1:323`, or `off`".to_owned(),
            Kind::Listen => "write an address with its port, such as `127.0.0.1:7878`, or `off`".to_owned(),
        }
    }

    /// What a bare number was probably meant to be.
    pub(super) fn for_number(self, number: i64) -> Option<String> {
        match self {
            Kind::Duration | Kind::Cadence if number >= 0 => {
                Some(format!("write `\"{number}s\"` if seconds are meant"))
            }
            Kind::Size if number >= 0 => Some(format!("write `\"{number}B\"` if bytes are meant")),
            _ => None,
        }
    }

    /// Whether the text is one.
    pub(super) fn accepts(self, text: &str) -> bool {
        match self {
            Kind::Duration => parse_duration(text).is_some(),
            Kind::Cadence => Cadence::parse(text).is_some(),
            Kind::Size => ByteSize::parse(text).is_some(),
            Kind::Chrony | Kind::Listen => ChronyAddress::parse(text).is_some(),
        }
    }

    /// What it comes to, for ranges: milliseconds or bytes. None for a word.
    pub(super) fn amount(self, text: &str) -> Option<u128> {
        match self {
            Kind::Duration | Kind::Cadence => parse_duration(text).map(|duration| duration.as_millis()),
            Kind::Size => ByteSize::parse(text).map(|size| u128::from(size.0)),
            Kind::Chrony | Kind::Listen => None,
        }
    }
}

/// Reads a text or fails with what mends it. Only a fault that the check overlooked gets this far.
fn read<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    kind: Kind,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not {} ({})", kind.noun(), kind.hint())))
}

macro_rules! scalar {
    ($type:ty, $kind:expr, $name:literal, $parse:expr, $schema:expr) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                read(deserializer, $kind, $parse)
            }
        }

        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

scalar!(
    Span,
    Kind::Duration,
    "Duration",
    |text| parse_duration(text).map(Span),
    json_schema!({ "type": "string", "pattern": format!("^{DURATION_PATTERN}$"), "x-ghostd": "duration" })
);
scalar!(
    Cadence,
    Kind::Cadence,
    "Cadence",
    Cadence::parse,
    json_schema!({ "type": "string", "pattern": format!("^(snapshot|heartbeat|{DURATION_PATTERN})$"), "x-ghostd": "cadence" })
);
scalar!(
    Size,
    Kind::Size,
    "Size",
    |text| ByteSize::parse(text).map(Size),
    json_schema!({ "type": "string", "pattern": format!("^{SIZE_PATTERN}$"), "x-ghostd": "size" })
);
scalar!(
    ChronyAddress,
    Kind::Chrony,
    "ChronyAddress",
    ChronyAddress::parse,
    json_schema!({ "type": "string", "pattern": "^(off|.+:[0-9]+)$", "x-ghostd": "chrony" })
);
scalar!(
    ListenAddress,
    Kind::Listen,
    "ListenAddress",
    ListenAddress::parse,
    json_schema!({ "type": "string", "pattern": "^(off|.+:[0-9]+)$", "x-ghostd": "listen" })
);
