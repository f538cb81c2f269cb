//! What is read out of a patch, and nothing else of it.
//!
//! A patch may carry whole files, shell commands and secrets. Owns the few fields that are recorded and
//! reads them without building a tree, so that the rest never lies in memory as anything but bytes.
//! Knows nothing of files, names or folders.

use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The longest id, version or phase that is recorded, in bytes: what is longer is no such thing.
pub const MAX_FIELD_BYTES: usize = 200;
/// The longest reason why something is no patch, in bytes.
const MAX_REASON_BYTES: usize = 160;

/// The fields of a patch as they stand in it. They are cached, hence the short names.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Facts {
    /// Under `id`, `blockId` or `patchId`.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Under `version`: a version, or the whole id.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Under `phase`.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Under `timestamp` or in `metadata`, unparsed.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// What a file turned out to be.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Content {
    /// A JSON object with the keys of a patch.
    #[serde(rename = "ok")]
    Patch,
    /// The same as far as it was read: it goes on behind the limit.
    #[serde(rename = "cut")]
    Cut,
    /// JSON, but not what a patch is.
    #[serde(rename = "other")]
    NoPatch(String),
    /// No JSON. The text says where, never what.
    #[serde(rename = "bad")]
    Malformed(String),
}

/// Keys that make a JSON object a patch.
const PATCH_KEYS: [&str; 9] =
    ["id", "blockId", "patchId", "version", "phase", "mutations", "mutate", "patch", "target_file"];
const ID_KEYS: [&str; 3] = ["id", "blockId", "patchId"];
const TIME_KEYS: [&str; 4] = ["timestamp", "created", "createdAt", "created_at"];

/// Reads the beginning of a file. `whole` says whether that is all of it.
#[must_use]
pub fn read(bytes: &[u8], whole: bool) -> (Facts, Content) {
    let mut reader = Reader::default();
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let result = reader.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    let content = match result {
        Ok(()) if !whole => Content::Malformed("more follows behind the end of the JSON text".to_owned()),
        Ok(()) if !reader.object => Content::NoPatch("no JSON object".to_owned()),
        Ok(()) if !reader.patch => Content::NoPatch("none of the fields of a patch".to_owned()),
        Ok(()) => Content::Patch,
        Err(_) if bytes.iter().all(u8::is_ascii_whitespace) && whole => Content::Malformed("empty".to_owned()),
        // What goes on behind the limit is no patch for certain only where it cannot be an object.
        Err(error) if error.is_eof() && !whole && reader.object => Content::Cut,
        Err(error) => Content::Malformed(cut(error.to_string(), MAX_REASON_BYTES)),
    };
    (reader.facts, content)
}

/// At most `limit` bytes of a text, cut at a character.
#[must_use]
pub fn cut(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let end = (0..=limit).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

/// Collects the facts on the way, so that they survive an error behind them.
#[derive(Default)]
struct Reader {
    facts: Facts,
    object: bool,
    patch: bool,
}

impl Reader {
    fn deserialize<'de, D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(Top(self))
    }
}

struct Top<'a>(&'a mut Reader);

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a patch")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Reader { facts, object, patch } = self.0;
        *object = true;
        while let Some(key) = map.next_key::<String>()? {
            *patch |= PATCH_KEYS.contains(&key.as_str());
            match key.as_str() {
                key if ID_KEYS.contains(&key) => keep(&mut facts.id, map.next_value()?),
                "version" => keep(&mut facts.version, map.next_value()?),
                "phase" => keep(&mut facts.phase, map.next_value()?),
                key if TIME_KEYS.contains(&key) => keep(&mut facts.time, map.next_value()?),
                "metadata" => map.next_value_seed(Metadata(&mut facts.time))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        IgnoredAny.visit_seq(seq).map(|_| ())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// The times inside `metadata`, whatever else it is.
struct Metadata<'a>(&'a mut Option<String>);

impl<'de> DeserializeSeed<'de> for Metadata<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Metadata<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("metadata")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if TIME_KEYS.contains(&key.as_str()) {
                keep(self.0, map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        IgnoredAny.visit_seq(seq).map(|_| ())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A text or a number as text; anything else is nothing. So a field of a strange type costs the field
/// and not the patch.
struct Scalar(Option<String>);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        let text = text.trim();
        Ok(Scalar((!text.is_empty() && text.len() <= MAX_FIELD_BYTES).then(|| text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar(Some(number.to_string())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar(Some(number.to_string())))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Scalar, E> {
        Ok(Scalar(Some(number.to_string())))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Scalar, E> {
        Ok(Scalar(None))
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Scalar, A::Error> {
        IgnoredAny.visit_seq(seq).map(|_| Scalar(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Scalar, A::Error> {
        IgnoredAny.visit_map(map).map(|_| Scalar(None))
    }
}

/// The first of several keys for the same thing wins.
fn keep(field: &mut Option<String>, value: Scalar) {
    if field.is_none() {
        *field = value.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(text: &str) -> (Facts, Content) {
        read(text.as_bytes(), true)
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn the_first_key_for_a_thing_wins_and_strange_types_cost_the_field_alone() {
        let (facts, content) = facts(
            r#"{"blockId":{"no":"text"},"id":"patch-a","patchId":"b","version":1.5,"phase":0,"timestamp":null,
                "metadata":{"author":["x"],"created":"2025-07-21T12:00:00Z"},"mutations":[{"content":"secret"}]}"#,
        );
        assert_eq!(content, Content::Patch);
        assert_eq!(facts.id, some("patch-a"));
        assert_eq!(facts.version, some("1.5"));
        assert_eq!(facts.phase, some("0"));
        assert_eq!(facts.time, some("2025-07-21T12:00:00Z"));
    }

    #[test]
    fn metadata_of_another_type_is_passed_over() {
        for metadata in ["[1,{}]", "\"x\"", "7", "-7", "0.5", "null", "true", "{}"] {
            let (facts, content) = facts(&format!(r#"{{"metadata":{metadata},"id":"a"}}"#));
            assert_eq!((facts.id, content), (some("a"), Content::Patch), "{metadata}");
        }
    }

    #[test]
    fn what_is_no_patch_is_told_from_what_is_no_json() {
        for text in ["[]", "3", "-3", "0.5", "\"patch\"", "null", "true", "{}", r#"{"name":"state","count":3}"#] {
            assert!(matches!(facts(text).1, Content::NoPatch(_)), "{text}");
        }
        for text in ["", "  \n", "{", r#"{"id":"a""#, r#"{"id":"a"} x"#, "patch", "\u{feff}{}", r#"{"id":"a",}"#] {
            assert!(matches!(facts(text).1, Content::Malformed(_)), "{text}");
        }
        assert_eq!(facts("").1, Content::Malformed("empty".to_owned()));
    }

    #[test]
    fn facts_before_the_fault_survive_it_and_the_reason_holds_no_content() {
        let (facts, content) = facts("{\"id\":\"patch-a\",\n\"mutations\": [hunter2]}");
        assert_eq!(facts.id, some("patch-a"));
        let Content::Malformed(reason) = content else { panic!("malformed") };
        assert!(reason.contains("line 2") && !reason.contains("hunter2"), "{reason}");
    }

    #[test]
    fn a_patch_that_goes_on_behind_the_limit_is_cut_and_not_malformed() {
        let big = format!(r#"{{"id":"patch-big","version":"2.0.0","content":"{}"}}"#, "x".repeat(10_000));
        let (facts, content) = read(&big.as_bytes()[..4096], false);
        assert_eq!((facts.id, content), (some("patch-big"), Content::Cut));
        let (_, content) = read(b"{\"id\": oops", false);
        assert!(matches!(content, Content::Malformed(_)));
    }

    #[test]
    fn a_field_without_end_and_a_nest_without_bottom_are_harmless() {
        let (facts, content) = facts(&format!(r#"{{"id":"{}","phase":"P1.2"}}"#, "a".repeat(100_000)));
        assert_eq!((facts.id, facts.phase, content), (None, some("P1.2"), Content::Patch));
        let nest = format!(r#"{{"id":"a","x":{}"#, "[".repeat(1_000_000));
        assert!(matches!(read(nest.as_bytes(), true).1, Content::Malformed(_)));
    }

    #[test]
    fn a_text_is_cut_at_a_character() {
        assert_eq!(cut("aää".to_owned(), 4), "aä");
        assert_eq!(cut("abc".to_owned(), 3), "abc");
    }
}
