//! Values that stand apart from their name: in an XML element, in the next string of a list, or under `value` beside a `name`.

use super::assign::{Site, judged, scheme};
use super::found::Scan;
use super::header;
use super::judge::Form;
use super::names::Level;
use super::value::{self, Bare, Place, part};

/// `<name>value</name>`, `name="password">value<`, `<key>password</key><string>value</string>`.
pub(super) fn element(scan: &mut Scan, site: Site, next: usize) {
    let text = scan.text;
    let mut at = next;
    if part(text, at, at + 2) == b"</" {
        // `password</key> <string>`: over the closing and the next opening tag.
        let window = part(text, at, text.len().min(at + 160));
        let Some(close) = memchr::memchr(b'>', window) else { return };
        at = value::skip_space(text, at + close + 1);
        if text.get(at) != Some(&b'<') || text.get(at + 1) == Some(&b'/') {
            return;
        }
        let window = part(text, at, text.len().min(at + 160));
        let Some(open) = memchr::memchr(b'>', window) else { return };
        at += open + 1;
    }
    element_text(scan, site, at);
}

/// The text of an element whose opening tag ends at `at`.
pub(super) fn element_text(scan: &mut Scan, site: Site, at: usize) {
    element_text_in(scan, site, at, false);
}

fn element_text_in(scan: &mut Scan, site: Site, mut at: usize, nested: bool) {
    let text = scan.text;
    at = value::skip_space(text, at);
    let (mut close, mut cdata) = (&b"<"[..], false);
    if part(text, at, usize::MAX).starts_with(b"<![CDATA[") {
        at += 9;
        close = b"]]>";
        cdata = true;
    } else if let Some(head) = text.get(at.saturating_sub(4)..at)
        && head == b"&gt;"
    {
        close = b"&lt;";
    } else if at >= 6 && part(text, at - 6, at) == b"\\u003e" {
        close = b"\\u003c";
    }
    let window = part(text, at, text.len().min(at + 4096));
    let Some(length) = memchr::memmem::find(window, close) else { return };
    scan.work += length as u64;
    // `<setting name="token"><value>x</value>`
    if length == 0
        && let Some(inner) =
            [&b"<value>"[..], b"<Value>", b"<string>", b"<text>"].iter().find(|tag| window.starts_with(tag))
        && !nested
    {
        return element_text_in(scan, site, at + inner.len(), true);
    }
    if close == b"<" && window.get(length + 1).is_some_and(|byte| byte.is_ascii_alphabetic()) {
        return;
    }
    let length = window[..length].trim_ascii_end().len();
    if site.name.level == Level::Authorization {
        return header::credentials(scan, at, at + length);
    }
    let at = scheme(text, at).unwrap_or(at);
    let place = Place { start: at, end: (at + length).max(at).min(text.len()), quoted: true };
    let place = Place {
        end: place.end.min(
            part(text, at, place.end)
                .iter()
                .position(|byte| *byte == b'<')
                .map_or(place.end, |lt| if cdata { place.end } else { at + lt }),
        ),
        ..place
    };
    judged(scan, site, place, Form::Whole, "the text of an element");
}

/// `"name", "value"`, and `name: password` with `value: x` beside or below it.
pub(super) fn pair(scan: &mut Scan, site: Site, next: usize) {
    if let Some(at) = sibling(scan, site, next) {
        return sibling_value(scan, site, at);
    }
    if site.quote.is_none() {
        // The argument after a flag may stand on the next line of a YAML or of a plain list: `- --token\n- x`.
        if site.flag {
            flag_on_next_line(scan, site, next);
        }
        return;
    }
    let text = scan.text;
    let at = value::skip_space(text, next);
    if value::quote_at(text, at).is_none() {
        return;
    }
    let Some(place) = value::quoted(text, at) else { return };
    scan.work += place.end.saturating_sub(place.start) as u64;
    match site.name.level {
        Level::Authorization => return header::credentials(scan, place.start, place.end),
        Level::Cookie => return header::pairs(scan, place.start, place.end, false),
        _ => {}
    }
    let form = if site.flag { Form::Whole } else { Form::Announced };
    if site.flag && text.get(place.start) == Some(&b'-') {
        return;
    }
    judged(scan, site, place, form, "the next string after its name");
}

fn flag_on_next_line(scan: &mut Scan, site: Site, next: usize) {
    let text = scan.text;
    let mut at = value::skip_space(text, next);
    if part(text, at.min(text.len()), usize::MAX).starts_with(b"- ") {
        at = value::skip_blank(text, at + 2);
        if text.get(at) == Some(&b'-') {
            return;
        }
        let place = if value::quote_at(text, at).is_some() {
            value::quoted(text, at)
        } else {
            Some(value::bare(text, at, Bare::Word))
        };
        if let Some(place) = place {
            judged(scan, site, place, Form::Whole, "the next argument after a flag");
        }
    }
}

/// Where a `value` stands beside a name that is itself the value of `name`, `key` and the like.
fn sibling(scan: &mut Scan, site: Site, next: usize) -> Option<usize> {
    let text = scan.text;
    // Backwards: an opening mark, blanks, a sign, then the name of names.
    let mut at = site.start;
    if site.quote.is_some() {
        let length = site.quote.map_or(0, |(from, to)| to - from);
        at = at.checked_sub(length)?;
    }
    // `"Name": "/prod/db/password"`: the path before the name.
    let path = part(text, at.saturating_sub(64), site.start)
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'.'))
        .count();
    if path > 0 && site.quote.is_some() && site.start > path && matches!(text[site.start - path - 1], b'"' | b'\'') {
        at = site.start - path - 1;
    }
    let head = part(text, at.saturating_sub(48), at);
    let head = head.trim_ascii_end();
    let declared = head.ends_with(b"variable");
    let head = if declared { head } else { head.strip_suffix(b"=").or_else(|| head.strip_suffix(b":"))? };
    let head = head.trim_ascii_end();
    let head = head.strip_suffix(b"&quot;").unwrap_or(head);
    let end = head.len() - head.iter().rev().take_while(|byte| matches!(byte, b'"' | b'\'' | b'\\')).count();
    let head = &head[..end];
    let length =
        head.iter().rev().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')).count();
    if !is_name_of_names(&head[head.len() - length..]) {
        return None;
    }
    value_name(scan, next)
}

/// The place behind the first `value:` or the like, a few lines or one object on.
pub(super) fn value_name(scan: &mut Scan, next: usize) -> Option<usize> {
    let text = scan.text;
    let limit = text.len().min(next + MAX_SIBLING);
    scan.work += limit.saturating_sub(next) as u64;
    let mut at = next;
    let mut lines = 0;
    while at < limit {
        let byte = text[at];
        if byte == b'\n' {
            lines += 1;
            if lines > 3 {
                return None;
            }
        }
        if matches!(byte, b'}' | b'{' | b'<') {
            return None;
        }
        if byte == b'>' {
            return Some(at + 1);
        }
        if byte.is_ascii_alphabetic() && !text[at - 1].is_ascii_alphanumeric() {
            let length = part(text, at, limit)
                .iter()
                .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
                .count();
            let word = part(text, at, at + length);
            let mut after = at + length;
            if let Some(quote) = value::quote_at(text, after) {
                after += quote;
            }
            after = value::skip_blank(text, after);
            if matches!(text.get(after), Some(b':' | b'=')) {
                // `n` of an escaped line end may stand before the word.
                if is_name_of_values(word) || word.first() == Some(&b'n') && is_name_of_values(&word[1..]) {
                    return Some(after + 1);
                }
                if word.eq_ignore_ascii_case(b"name") || word.eq_ignore_ascii_case(b"key") {
                    return None;
                }
            }
            at += length;
            continue;
        }
        at += 1;
    }
    None
}

/// How far ahead of a name its `value` is looked for.
const MAX_SIBLING: usize = 300;

/// `{"name": "DB_PASSWORD", …}`: names whose value is a name.
pub(super) fn is_name_of_names(word: &[u8]) -> bool {
    [
        "name",
        "key",
        "field",
        "header",
        "id",
        "param",
        "parameter",
        "parametername",
        "label",
        "variable",
        "property",
        "option",
        "optionname",
        "k",
        "env",
        "envname",
        "displayname",
        "settingname",
        "attribute",
        "prop",
        "title",
        "parameterkey",
        "logicalid",
        "secretname",
        "fieldname",
        "keyname",
        "n",
        "type",
    ]
    .iter()
    .any(|name| word.eq_ignore_ascii_case(name.as_bytes()))
}

/// `{…, "value": "x"}`: names whose value is the value.
pub(super) fn is_name_of_values(word: &[u8]) -> bool {
    [
        "value",
        "val",
        "v",
        "content",
        "contents",
        "default",
        "defaultvalue",
        "default_value",
        "secret",
        "plaintext",
        "text",
        "data",
        "parametervalue",
        "secretvalue",
        "stringvalue",
        "string_value",
        "current",
        "newvalue",
        "oldvalue",
        "rawvalue",
        "string",
    ]
    .iter()
    .any(|name| word.eq_ignore_ascii_case(name.as_bytes()))
}

pub(super) fn sibling_value(scan: &mut Scan, site: Site, at: usize) {
    let text = scan.text;
    if text.get(at - 1) == Some(&b'>') {
        return element_text(scan, site, at);
    }
    let at = value::skip_blank(text, at);
    let at = value::skip_blank(text, at);
    if value::quote_at(text, at).is_some() {
        if let Some(place) = value::quoted(text, at) {
            match site.name.level {
                Level::Authorization => return header::credentials(scan, place.start, place.end),
                Level::Cookie => return header::pairs(scan, place.start, place.end, false),
                _ => {}
            }
            scan.name_end = scan.name_end.max(place.end);
            judged(scan, site, place, Form::Whole, "the value beside a name");
        }
        return;
    }
    if matches!(text.get(at), Some(b'|' | b'>')) {
        let line = scan.line_start(at);
        let indent = part(text, line, at).iter().take_while(|byte| matches!(byte, b' ' | b'-')).count();
        if let Some(place) = value::block(text, at, indent) {
            judged(scan, site, place, Form::Whole, "a block of lines below its name");
        }
        return;
    }
    let place = value::bare(text, at, Bare::Word);
    judged(scan, site, place, Form::Bare, "the value beside a name");
}
