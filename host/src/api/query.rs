//! What a request says in its path and behind its `?`, read strictly: what is not known is refused with a word on
//! what is, so that a misspelt filter never shows everything.

use std::collections::BTreeMap;

use axum::extract::Query as Pairs;
use axum::http::Uri;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::model::Wall;
use crate::store::parse_time;

/// What a parameter may be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// An instant: RFC 3339, or `-2h`.
    Time,
    /// A whole number.
    Number {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
        /// What it is where nothing is said.
        default: u64,
    },
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any text of at most so many characters.
    Text(usize),
    /// Where the last page ended.
    Cursor,
}

/// A parameter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Param {
    /// Its name.
    pub(super) name: &'static str,
    /// What it may be.
    pub(super) kind: Kind,
    /// What it does.
    pub(super) what: &'static str,
}

/// The parameters of a request.
#[derive(Debug, Clone, Default)]
pub(super) struct Query {
    pairs: BTreeMap<String, String>,
    now: Option<Wall>,
}

impl Query {
    /// Reads them; each has to be known, there once, and what it may be.
    pub(super) fn parse(uri: &Uri, params: &[Param], now: Wall) -> Result<Self, Problem> {
        let Pairs(pairs) = Pairs::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| Problem::bad_request("bad_query", format!("the query cannot be read: {error}")))?;
        let mut query = Self { pairs: BTreeMap::new(), now: Some(now) };
        for (name, value) in pairs {
            let Some(param) = params.iter().find(|param| param.name == name) else {
                let known: Vec<&str> = params.iter().map(|param| param.name).collect();
                let known = if known.is_empty() { "there are none here".to_owned() } else { known.join(", ") };
                let name: String = name.chars().take(64).collect();
                return Err(Problem::bad_request(
                    "unknown_parameter",
                    format!("there is no parameter `{name}` ({known})"),
                ));
            };
            if let Some(fault) = param.fault(&value, now) {
                return Err(Problem::bad_request("bad_parameter", format!("`{}` {fault}", param.name)));
            }
            if query.pairs.insert(name, value).is_some() {
                return Err(Problem::bad_request("bad_parameter", format!("`{}` is there twice", param.name)));
            }
        }
        Ok(query)
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.pairs.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// An instant.
    pub(super) fn time(&self, name: &str) -> Option<Wall> {
        parse_time(self.text(name)?, self.now?)
    }

    /// A number, or what it is where nothing is said.
    pub(super) fn number(&self, param: &Param) -> u64 {
        let Kind::Number { default, .. } = param.kind else { return 0 };
        self.text(param.name).and_then(|text| text.parse().ok()).unwrap_or(default)
    }

    /// A truth value, where one is said.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.text(name).map(|text| text == "true")
    }

    /// A word as the value that it stands for.
    pub(super) fn word<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_value(self.text(name)?.into()).ok()
    }

    /// Where the last page ended.
    pub(super) fn cursor<T: DeserializeOwned>(&self) -> Result<Option<T>, Problem> {
        let Some(text) = self.text("cursor") else { return Ok(None) };
        let read = || serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok();
        read().map(Some).ok_or_else(|| {
            Problem::bad_request(
                "bad_cursor",
                "`cursor` is not one that was given out (take it from `next` of the page before)",
            )
        })
    }
}

/// A cursor: opaque to whoever gets it.
pub(super) fn cursor(place: &impl Serialize) -> Option<String> {
    serde_json::to_vec(place).ok().map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
}

impl Param {
    /// What is wrong with a value.
    fn fault(&self, value: &str, now: Wall) -> Option<String> {
        let short = || value.chars().take(64).collect::<String>();
        match self.kind {
            Kind::Time => parse_time(value, now)
                .is_none()
                .then(|| format!("is no time: `{}` (try 2026-11-21T03:12:00Z or -2h)", short())),
            Kind::Number { min, max, .. } => {
                let good = value.bytes().all(|byte| byte.is_ascii_digit())
                    && value.parse::<u64>().is_ok_and(|number| (min..=max).contains(&number));
                (!good).then(|| format!("must be a number from {min} to {max}, not `{}`", short()))
            }
            Kind::Flag => {
                (!matches!(value, "true" | "false")).then(|| format!("must be true or false, not `{}`", short()))
            }
            Kind::Word(words) => {
                (!words.contains(&value)).then(|| format!("must be one of {}, not `{}`", words.join(", "), short()))
            }
            Kind::Text(most) => (value.chars().count() > most).then(|| format!("has more than {most} characters")),
            Kind::Cursor => (value.len() > 1_024).then(|| "is too long for a cursor".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Param = Param { name: "limit", kind: Kind::Number { min: 1, max: 10, default: 5 }, what: "" };
    const PARAMS: [Param; 4] = [
        LIMIT,
        Param { name: "since", kind: Kind::Time, what: "" },
        Param { name: "all", kind: Kind::Flag, what: "" },
        Param { name: "cursor", kind: Kind::Cursor, what: "" },
    ];

    fn parse(query: &str) -> Result<Query, Problem> {
        Query::parse(&format!("/x?{query}").parse().unwrap(), &PARAMS, Wall(1_795_219_200_000_000_000))
    }

    #[test]
    fn what_is_known_is_read() {
        let query = parse("limit=7&since=-2h&all=true").unwrap();
        assert_eq!((query.number(&LIMIT), query.flag("all")), (7, Some(true)));
        assert_eq!(query.time("since"), Some(Wall(1_795_212_000_000_000_000)));
        assert_eq!(parse("").unwrap().number(&LIMIT), 5);
    }

    #[test]
    fn what_is_not_known_or_wrong_is_refused() {
        for (query, code) in [
            ("limt=7", "unknown_parameter"),
            ("limit=0", "bad_parameter"),
            ("limit=+1", "bad_parameter"),
            ("limit=99999999999999999999", "bad_parameter"),
            ("limit=1&limit=2", "bad_parameter"),
            ("since=soon", "bad_parameter"),
            ("all=1", "bad_parameter"),
        ] {
            let problem = serde_json::to_value(parse(query).unwrap_err()).unwrap();
            assert_eq!((problem["status"].as_u64(), problem["code"].as_str()), (Some(400), Some(code)), "{query}");
        }
    }

    #[test]
    fn a_cursor_comes_back_as_it_was_or_is_refused() {
        let text = cursor(&(7, "a")).unwrap();
        assert_eq!(
            parse(&format!("cursor={text}")).unwrap().cursor::<(u64, String)>().unwrap(),
            Some((7, "a".to_owned()))
        );
        assert!(parse("cursor=AAAA").unwrap().cursor::<u64>().is_err());
        assert_eq!(parse("").unwrap().cursor::<u64>().unwrap(), None);
    }
}
