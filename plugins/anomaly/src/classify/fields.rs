//! Levels and messages in structured lines: JSON objects and logfmt pairs.
//!
//! The JSON reader is a scanner over one line: it allocates nothing, accepts a line that was cut off, and looks at
//! the keys of the object and of the objects directly inside it. It judges no more than that; whether a string value
//! is itself a log line is for [`super`] to say.

use crate::bytes::{find_byte, number, starts_fold};
use crate::severity::Level;

/// What the fields of one line say. Slices are raw: JSON escapes are still in them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fields<'l> {
    /// The level, where a field states it.
    pub level: Option<Level>,
    /// Whether the level is a syslog priority, which is often the transport's default.
    pub by_priority: bool,
    /// The message.
    pub message: Option<&'l [u8]>,
    /// Whether an `error`, `exception` or `stack` field holds something.
    pub error: bool,
    /// An HTTP status.
    pub status: Option<u64>,
}

/// How many pairs are looked at. What says nothing in so many is not worth more.
const MAX_PAIRS: u32 = 96;

/// Reads the JSON object that `line` begins with; `None` if it is none.
pub(crate) fn json(line: &[u8]) -> Option<Fields<'_>> {
    if line.first() != Some(&b'{') || !line[1..].trim_ascii_start().first().is_some_and(|b| matches!(b, b'"' | b'}')) {
        return None;
    }
    let mut fields = Fields::default();
    let mut seen = Seen::default();
    let mut at = 1;
    let mut depth = 1u32;
    let mut parent: &[u8] = b"";
    for _ in 0..MAX_PAIRS {
        while line.get(at).is_some_and(|b| matches!(b, b' ' | b',' | b'\t' | b'}' | b']')) {
            depth = depth.saturating_sub(u32::from(line[at] == b'}'));
            if depth <= 1 {
                parent = b"";
            }
            at += 1;
        }
        let Some((key, next)) = string(line, at) else { break };
        at = skip_blanks(line, next);
        if line.get(at) != Some(&b':') {
            break;
        }
        at = skip_blanks(line, at + 1);
        let Some(&first) = line.get(at) else { break };
        match first {
            b'{' if depth == 1 && inward(key) => {
                depth += 1;
                parent = key;
                seen.error_object |= key == b"error" || key == b"err" || key == b"exception";
                at += 1;
            }
            b'{' | b'[' => {
                let end = skip_nested(line, at);
                if matches!(key, b"error" | b"err" | b"exception" | b"errors") {
                    fields.error |= end - at > 2;
                }
                at = end;
            }
            b'"' => {
                let Some((value, next)) = string(line, at) else {
                    // Cut off inside a string: its beginning still counts.
                    text(&mut fields, &mut seen, parent, key, &line[at + 1..]);
                    break;
                };
                text(&mut fields, &mut seen, parent, key, value);
                at = next;
            }
            _ => {
                let end = line[at..]
                    .iter()
                    .position(|b| matches!(b, b',' | b'}' | b']' | b' '))
                    .map_or(line.len(), |i| at + i);
                scalar(&mut fields, &mut seen, parent, key, &line[at..end]);
                at = end;
            }
        }
    }
    if seen.mongo_t
        && seen.mongo_c
        && let Some(letter) = seen.letter
    {
        fields.level = Level::from_letter(letter);
    }
    if let (None, Some(value)) = (fields.level, seen.number) {
        if seen.nextcloud && value <= 4 {
            fields.level = [Level::Debug, Level::Info, Level::Warning, Level::Error, Level::Critical]
                .get(usize::try_from(value).unwrap_or(0))
                .copied();
            return Some(fields);
        }
        // Below ten the libraries disagree: syslog's numbers (GELF) fall with the weight, those of others rise. At 3,
        // an error, they meet.
        fields.level = if value < 10 && value != 3 && !seen.gelf { None } else { Level::from_number(value, false) };
    }
    fields.error |= seen.error_object && seen.error_text;
    Some(fields)
}

/// The level among the logfmt pairs of `line`, if it is one: `level=`, `lvl=`, `severity=` at a word's start and
/// outside quotes.
pub(crate) fn logfmt_level(line: &[u8]) -> Option<Level> {
    let line = &line[..line.len().min(4096)];
    let mut quoted = false;
    let mut at = 0;
    while let Some(&b) = line.get(at) {
        match b {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b'=' if !quoted => {
                let key_start = line[..at]
                    .iter()
                    .rposition(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'@')))
                    .map_or(0, |i| i + 1);
                let key = &line[key_start..at];
                if is_level_key(key) || key == b"at" && key_start == 0 {
                    let value = line[at + 1..].strip_prefix(b"\"").unwrap_or(&line[at + 1..]);
                    let word = value.iter().take_while(|b| b.is_ascii_alphanumeric()).count();
                    // A number below ten is syslog's to one and the opposite to another: it says nothing.
                    if let Some(level) = level_value(&value[..word]).filter(|_| word != 1 || !value[0].is_ascii_digit())
                    {
                        return Some(level);
                    }
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Whether a text begins with `key=`.
pub(crate) fn begins_pairs(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let key = text.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'@')).count();
    key > 0 && text.get(key) == Some(&b'=')
}

/// The value of `msg=` or `message=` in a logfmt line, quotes removed.
pub(crate) fn logfmt_message(line: &[u8]) -> Option<&[u8]> {
    for key in [&b"msg="[..], b"message="] {
        let Some(at) = crate::bytes::find(line, key) else { continue };
        if at > 0 && !matches!(line[at - 1], b' ' | b'\t') {
            continue;
        }
        let value = &line[at + key.len()..];
        if value.first() == Some(&b'"') {
            return string(value, 0).map(|(text, _)| text).or(Some(&value[1..]));
        }
        return Some(&value[..find_byte(value, b' ').unwrap_or(value.len())]);
    }
    None
}

/// Undoes JSON's escapes, as far as reading needs it: `\n` and `\t` become blanks of their kind, `\u001b` and other
/// escapes one byte.
pub(crate) fn unescape(raw: &[u8], into: &mut Vec<u8>) {
    into.clear();
    let mut at = 0;
    while let Some(&b) = raw.get(at) {
        at += 1;
        if b != b'\\' {
            into.push(b);
            continue;
        }
        let Some(&escape) = raw.get(at) else { break };
        at += 1;
        match escape {
            b'n' => into.push(b'\n'),
            b't' => into.push(b'\t'),
            b'r' => into.push(b'\r'),
            b'u' => {
                let hex = raw
                    .get(at..at + 4)
                    .and_then(|h| std::str::from_utf8(h).ok())
                    .and_then(|h| u32::from_str_radix(h, 16).ok());
                let mut utf8 = [0; 4];
                let c = hex.and_then(char::from_u32).unwrap_or('\u{fffd}');
                into.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes());
                at = (at + 4).min(raw.len());
            }
            other => into.push(other),
        }
    }
}

#[derive(Default)]
struct Seen {
    mongo_t: bool,
    mongo_c: bool,
    letter: Option<u8>,
    number: Option<u64>,
    gelf: bool,
    nextcloud: bool,
    error_object: bool,
    error_text: bool,
}

/// Objects whose keys are looked at as if they were the line's own.
fn inward(key: &[u8]) -> bool {
    matches!(
        key,
        b"log"
            | b"error"
            | b"err"
            | b"exception"
            | b"t"
            | b"record"
            | b"fields"
            | b"http"
            | b"response"
            | b"level"
            | b"res"
            | b"syslog"
            | b"responseStatus"
    )
}

fn is_level_key(key: &[u8]) -> bool {
    const KEYS: [&[u8]; 16] = [
        b"level",
        b"lvl",
        b"severity",
        b"loglevel",
        b"log_level",
        b"log.level",
        b"levelname",
        b"level_name",
        b"@level",
        b"@l",
        b"severitytext",
        b"severity_text",
        b"lev",
        b"log-level",
        b"sev",
        b"priority_name",
    ];
    KEYS.iter().any(|k| k.len() == key.len() && starts_fold(key, k))
}

fn level_value(value: &[u8]) -> Option<Level> {
    match value {
        [letter] if letter.is_ascii_alphabetic() => Level::from_letter(letter.to_ascii_uppercase()),
        _ if value.first().is_some_and(u8::is_ascii_digit) => {
            let (n, len) = number(value)?;
            if len == value.len() { Level::from_number(n, false) } else { None }
        }
        _ if value.eq_ignore_ascii_case(b"high") => Some(Level::Error),
        _ if value.eq_ignore_ascii_case(b"medium") => Some(Level::Warning),
        _ if value.eq_ignore_ascii_case(b"low") => Some(Level::Notice),
        _ => Level::from_word(value),
    }
}

fn text<'l>(fields: &mut Fields<'l>, seen: &mut Seen, parent: &[u8], key: &[u8], value: &'l [u8]) {
    let own = parent.is_empty() || matches!(parent, b"log" | b"record" | b"fields" | b"syslog");
    if own && (is_level_key(key) || key == b"L")
        || parent == b"level" && key == b"name"
        || parent == b"log" && key == b"level"
    {
        let level =
            level_value(value).or_else(|| Level::from_word(value.rsplit(|b| *b == b'.').next().unwrap_or(value)));
        fields.level = fields.level.or(level);
        return;
    }
    match key {
        b"s" if parent.is_empty() && value.len() <= 2 => seen.letter = value.first().copied(),
        b"c" if parent.is_empty() => seen.mongo_c = true,
        b"short_message" => seen.gelf = true,
        b"reqId" if parent.is_empty() => seen.nextcloud = true,
        b"$date" if parent == b"t" => seen.mongo_t = true,
        b"PRIORITY" | b"priority" if value.len() == 1 => {
            if let Some((n, _)) = number(value) {
                fields.level = Some(Level::from_syslog(n));
                fields.by_priority = true;
            }
        }
        b"msg" | b"message" | b"MESSAGE" | b"log" | b"@m" | b"@message" | b"@mt" | b"body" | b"textPayload" if own => {
            fields.message = fields.message.or(Some(value));
        }
        b"error" | b"err" | b"exception" | b"@x" | b"stack" | b"stack_trace" | b"stacktrace" | b"exc_info"
        | b"error_message" => {
            fields.error |= !empty(value);
        }
        b"message" | b"type" | b"msg" if !own => seen.error_text |= !empty(value),
        b"status" | b"status_code" | b"statusCode" | b"httpStatus" | b"code" if value.len() == 3 && key != b"code" => {
            fields.status = number(value).filter(|(_, len)| *len == 3).map(|(n, _)| n);
        }
        _ => {}
    }
}

fn scalar(fields: &mut Fields<'_>, seen: &mut Seen, parent: &[u8], key: &[u8], value: &[u8]) {
    let own = parent.is_empty() || matches!(parent, b"log" | b"record" | b"fields" | b"syslog");
    if let Some((n, len)) = number(value)
        && (len == value.len() || value.get(len) == Some(&b'.'))
    {
        match key {
            b"levelno" => fields.level = fields.level.or(Level::from_number(n, true)),
            _ if key.len() == 14 && starts_fold(key, b"severitynumber") || key == b"severity_number" => {
                fields.level = fields.level.or(Level::from_otel(n));
            }
            b"PRIORITY" | b"priority" | b"syslog_severity" if n <= 7 => {
                fields.level = fields.level.or(Some(Level::from_syslog(n)));
                fields.by_priority = true;
            }
            b"status" | b"status_code" | b"statusCode" | b"httpStatus" | b"http_status" | b"resp_status" => {
                fields.status = Some(n)
            }
            b"code" if parent == b"responseStatus" => fields.status = Some(n),
            _ if own && is_level_key(key) => seen.number = seen.number.or(Some(n)),
            _ => {}
        }
        return;
    }
    if matches!(key, b"error" | b"err") && value == b"true" {
        fields.error = true;
    }
}

/// Whether a value says that there is nothing.
pub(crate) fn empty(value: &[u8]) -> bool {
    const NOTHING: [&[u8]; 13] =
        [b"", b"null", b"nil", b"<nil>", b"none", b"false", b"0", b"no", b"ok", b"undefined", b"{}", b"[]", b"-"];
    let value = value.trim_ascii();
    NOTHING.iter().any(|n| n.eq_ignore_ascii_case(value)) || value.eq_ignore_ascii_case(b"success")
}

/// The string that begins at `at`, without its quotes, and where it ends; `None` if there is none or it is cut off.
fn string(line: &[u8], at: usize) -> Option<(&[u8], usize)> {
    if line.get(at) != Some(&b'"') {
        return None;
    }
    let mut end = at + 1;
    loop {
        end += find_byte(line.get(end..)?, b'"')?;
        let slashes = line[at + 1..end].iter().rev().take_while(|b| **b == b'\\').count();
        if slashes % 2 == 0 {
            return Some((&line[at + 1..end], end + 1));
        }
        end += 1;
    }
}

fn skip_blanks(line: &[u8], mut at: usize) -> usize {
    while line.get(at).is_some_and(|b| matches!(b, b' ' | b'\t')) {
        at += 1;
    }
    at
}

/// Behind the object or array that begins at `at`.
fn skip_nested(line: &[u8], mut at: usize) -> usize {
    let mut depth = 0u32;
    while let Some(&b) = line.get(at) {
        match b {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b'"' => match string(line, at) {
                Some((_, next)) => {
                    at = next;
                    continue;
                }
                None => return line.len(),
            },
            _ => {}
        }
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(line: &str) -> Option<Level> {
        json(line.as_bytes()).and_then(|f| f.level)
    }

    #[test]
    fn json_levels_of_every_library() {
        for (line, expected) in [
            (r#"{"level":50,"time":1,"msg":"x"}"#, Some(Level::Error)),
            (r#"{"level":30,"msg":"error"}"#, Some(Level::Info)),
            (r#"{"level":"error","ts":1}"#, Some(Level::Error)),
            (r#"{"@timestamp":"x","log.level":"ERROR"}"#, Some(Level::Error)),
            (r#"{"@timestamp":"x","log":{"level":"error"},"message":"m"}"#, Some(Level::Error)),
            (r#"{"t":{"$date":"2020-05-20"},"s":"E","c":"NETWORK","id":1,"ctx":"x","msg":"y"}"#, Some(Level::Error)),
            (r#"{"t":{"$date":"2020-05-20"},"s":"I","c":"NETWORK","msg":"error"}"#, Some(Level::Info)),
            (r#"{"PRIORITY":"3","MESSAGE":"x"}"#, Some(Level::Error)),
            (r#"{"severityNumber":17,"body":"x"}"#, Some(Level::Error)),
            (r#"{"levelno":40,"levelname":"ERROR"}"#, Some(Level::Error)),
            (r#"{"timestamp":"x","eventType":"e","severity":"critical"}"#, Some(Level::Critical)),
            (r#"{"msg":"level: error","user":"x"}"#, None),
            (r#"{"a":{"level":"error"},"level":"info"}"#, Some(Level::Info)),
            (r#"{"msg":"cut off and \"level\":\"err"#, None),
        ] {
            assert_eq!(level(line), expected, "{line}");
        }
        assert!(json(b"{not json}").is_none());
    }

    #[test]
    fn an_error_field_counts_only_with_a_value() {
        for (line, expected) in [
            (r#"{"error":null,"msg":"ok"}"#, false),
            (r#"{"error":"","msg":"ok"}"#, false),
            (r#"{"err":"none"}"#, false),
            (r#"{"error":"boom"}"#, true),
            (r#"{"err":{"message":"boom","type":"Error"}}"#, true),
        ] {
            assert_eq!(json(line.as_bytes()).unwrap().error, expected, "{line}");
        }
    }

    #[test]
    fn logfmt_is_read_outside_quotes() {
        assert_eq!(logfmt_level(b"ts=1 level=error msg=x"), Some(Level::Error));
        assert_eq!(logfmt_level(b"ts=1 lvl=eror msg=x"), Some(Level::Error));
        assert_eq!(logfmt_level(b"ts=1 msg=\"a level=error here\" x=1"), None);
        assert_eq!(logfmt_level(b"ts=1 toplevel=error"), None);
        assert_eq!(logfmt_message(b"a=1 msg=\"x y\" b=2"), Some(&b"x y"[..]));
    }

    #[test]
    fn escapes_are_undone() {
        let mut text = Vec::new();
        unescape(br#"a\tb\"c\u001b[0m\\"#, &mut text);
        assert_eq!(text, b"a\tb\"c\x1b[0m\\");
    }
}
