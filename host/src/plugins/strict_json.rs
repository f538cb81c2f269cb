//! JSON from a guest: read once, and refused where two readers could understand it differently.
//!
//! serde_json alone keeps the last of two equal keys and turns integers beyond 64 bits into doubles. Here both
//! are errors that say where.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// How deep objects and arrays may be nested. Readers recurse, ours and others.
pub const MAX_DEPTH: usize = 64;

/// How many values one text may hold. Each takes 32 bytes and more once it is read, whatever it takes in the text: four
/// megabytes of `[]` would become a hundred.
pub const MAX_VALUES: usize = 500_000;

/// Reads one JSON text.
pub fn parse(text: &str) -> Result<Value, String> {
    check_scan(text)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Strict { depth: 0 }.deserialize(&mut deserializer).map_err(|error| error.to_string())?;
    deserializer.end().map_err(|error| error.to_string())?;
    Ok(value)
}

/// Finds integers that do not fit in 64 bits, which serde_json would silently round, and more values than are read.
fn check_scan(text: &str) -> Result<(), String> {
    let bytes = text.as_bytes();
    let (mut at, mut values) = (0, 1);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'-' | b'0'..=b'9' => {
                let start = at;
                while at < bytes.len() && matches!(bytes[at], b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9') {
                    at += 1;
                }
                let number = &text[start..at];
                let whole = !number.contains(['.', 'e', 'E']);
                if whole && number.parse::<u64>().is_err() && number.parse::<i64>().is_err() {
                    let line = text[..start].matches('\n').count() + 1;
                    return Err(format!("the integer at byte {start} (line {line}) does not fit in 64 bits"));
                }
            }
            b'[' | b'{' | b',' => {
                values += 1;
                if values > MAX_VALUES {
                    return Err(format!("it holds more than {MAX_VALUES} values"));
                }
                at += 1;
            }
            _ => at += 1,
        }
    }
    Ok(())
}

struct Strict {
    depth: usize,
}

impl Strict {
    fn inner<E: serde::de::Error>(&self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format!("nested deeper than {MAX_DEPTH}")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self.inner()?)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(self.inner()?)?;
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("the key `{}` is there twice", key.escape_debug())));
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_json_is_read_as_it_is() {
        let text = r#"{"b":[1,-2,3.5,18446744073709551615,true,null,"é\n"],"a":{}}"#;
        assert_eq!(parse(text).unwrap().to_string(), text);
    }

    #[test]
    fn what_readers_disagree_on_is_refused_with_its_place() {
        assert!(parse(r#"{"a":1,"a":2}"#).unwrap_err().contains("`a` is there twice at line 1 column"));
        assert!(parse("[\n18446744073709551616]").unwrap_err().contains("line 2"));
        assert!(parse("[-9223372036854775809]").unwrap_err().contains("64 bits"));
        assert!(parse("[1e999]").is_err());
        assert!(parse("{} {}").is_err());
        assert!(parse("[NaN]").is_err());
        assert!(parse("\"\u{1}\"").is_err());
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert!(parse(&nested(MAX_DEPTH + 1)).unwrap_err().contains("nested deeper"));
        assert!(parse(&nested(1_000_000)).is_err());
    }

    #[test]
    fn a_bomb_is_not_set_off() {
        let text = format!("[{}[]]", "[],".repeat(MAX_VALUES));
        assert!(parse(&text).unwrap_err().contains("more than 500000 values"));
        assert!(parse(&format!("\"{}\"", ",[{".repeat(MAX_VALUES))).is_ok(), "a text is one value");
    }

    #[test]
    fn digits_in_strings_are_text() {
        assert!(parse(r#"{"99999999999999999999":"\"99999999999999999999"}"#).is_ok());
    }
}
