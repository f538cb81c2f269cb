//! Names of secrets with their values: assignments, pairs, headers, elements, directives, flags and prose.
//!
//! [`at_word`] is called where a word such as `pass`, `token` or `key` was seen. It finds the whole name that the word belongs to,
//! then how a value is joined to it, then the value, and asks [`super::judge`] about it.

use super::beside::{element, pair, sibling_value, value_name};
use super::found::Scan;
use super::harmless;
use super::header;
use super::judge::{self, Form};
use super::names::{self, Level, MAX_NAME, Name};
use super::prose;
use super::rule::{self, RuleId};
use super::shape;
use super::value::{self, Bare, Place, part};

/// What joins a value to its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joint {
    /// `=`, `:`, `=>`: the value follows.
    Sign(u8),
    /// An XML element's or attribute's end.
    Element,
    /// `"name", "value"`.
    Pair,
    /// `name("value")`.
    Call,
    /// A space.
    Blank,
}

/// A name in the text and the marks round it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site {
    pub start: usize,
    pub end: usize,
    pub name: Name,
    /// Begins with dashes (or a slash, as on Windows) where an argument begins.
    pub flag: bool,
    /// The quotation mark after the name, if there is one.
    pub quote: Option<(usize, usize)>,
}

/// Names from the configuration, beside the built-in ones.
pub(super) trait ExtraNames {
    /// The rule of a name that the configuration lists.
    fn extra(&self, name: &[u8]) -> Option<Name>;
}

/// Looks at the name that holds the word at `at..at + length`.
pub(super) fn at_word(scan: &mut Scan, at: usize, length: usize, extra: &impl ExtraNames) {
    if at < scan.name_end {
        return;
    }
    // Short words are looked for with the mark after them (`pin=`); it is no part of the name.
    let marks = part(scan.text, at, at + length)
        .iter()
        .rev()
        .take_while(|byte| matches!(byte, b'=' | b':' | b'"' | b' '))
        .count();
    let (mut start, end) = name_bounds(scan.text, at, at + length - marks);
    scan.name_end = end;
    scan.work += end.saturating_sub(start) as u64;
    // What follows decides in most cases, and is cheaper to see than what the name says.
    let Some((joint, next, quote)) = joint(scan.text, start, end) else { return };
    let mut flag = false;
    while matches!(scan.byte(start), Some(b'-' | b'.')) && start < end {
        flag |= scan.byte(start) == Some(b'-');
        start += 1;
    }
    if scan.before(start) == Some(b'/')
        && start.checked_sub(2).is_none_or(|at| matches!(scan.text[at], b' ' | b'"' | b'\'' | b'\t'))
    {
        flag = true;
    }
    let raw = part(scan.text, start, end);
    if is_part_of_another_name(scan.text, start) {
        return;
    }
    let known = if is_query(scan.text, start) { names::classify_parameter(raw) } else { names::classify(raw) };
    let Some(mut name) = extra.extra(raw).or(known) else { return };
    if name.level == Level::Weak
        && let Some(wider) = wider_name(scan.text, start, end)
    {
        name = wider;
    }
    // `GITHUB_TOKEN=x`: a variable of the environment holds a token and nothing that is merely called one.
    if joint == Joint::Sign(b'=') && raw.contains(&b'_') && !raw.iter().any(u8::is_ascii_lowercase) {
        name.level = match name.level {
            Level::Token => Level::Secret,
            Level::Weak if matches!(name.rule, rule::CREDENTIALS | rule::SECRET) => Level::Token,
            level => level,
        };
    }
    // `registry/team/session:1.2.3`: a tag, not a value.
    if joint == Joint::Sign(b':')
        && !flag
        && quote.is_none()
        && scan.before(start) == Some(b'/')
        && next == end + 1
        && scan.byte(next).is_none_or(|byte| byte != b' ')
    {
        return;
    }
    let site = Site { start, end, name, flag, quote };
    match joint {
        Joint::Sign(sign) => assigned(scan, site, sign, next),
        Joint::Element => element(scan, site, next),
        Joint::Pair => pair(scan, site, next),
        Joint::Call => {
            if let Some(place) = value::quoted(scan.text, next) {
                judged(scan, site, place, Form::Announced, "the argument of a call");
            }
        }
        Joint::Blank => prose::after_name(scan, site, next),
    }
}

/// `pam_unix(passwd:chauthtok)`, `arn:aws:secretsmanager:…:secret:name`: no name with a value, but part of a longer one.
fn is_part_of_another_name(text: &[u8], start: usize) -> bool {
    match start.checked_sub(1).map(|at| text[at]) {
        Some(b'(') => {
            let head = part(text, start.saturating_sub(24), start - 1);
            head.rsplit(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_'))
                .next()
                .is_some_and(|word| word.starts_with(b"pam_"))
        }
        Some(b':' | b'/') => {
            let head = part(text, start.saturating_sub(128), start);
            let word = head
                .rsplit(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'='))
                .next()
                .unwrap_or(head);
            word.starts_with(b"arn:") || word.starts_with(b"urn:")
        }
        _ => false,
    }
}

/// The name round a word: letters, digits, `_`, `-`, `.`.
fn name_bounds(text: &[u8], from: usize, to: usize) -> (usize, usize) {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') || byte >= 0x80;
    let mut start = from;
    let least = from.saturating_sub(MAX_NAME);
    while start > least && is_part(text[start - 1]) {
        start -= 1;
    }
    // `\npassword` in a JSON string, `%20password` in a URL: the letter belongs to the escape.
    if start > 0 && start < from {
        let escape = match text[start - 1] {
            b'\\' => match text[start] {
                b'n' | b't' | b'r' | b'b' | b'f' | b'v' => 1,
                b'u' if from - start > 5 && shape::is_hex(part(text, start + 1, start + 5)) => 5,
                b'x' if from - start > 3 && shape::is_hex(part(text, start + 1, start + 3)) => 3,
                _ => 0,
            },
            b'%' if from - start >= 2 && shape::is_hex(part(text, start, start + 2)) => 2,
            _ => 0,
        };
        start = (start + escape).min(from);
    }
    let mut end = to;
    let most = text.len().min(to + MAX_NAME);
    while end < most && is_part(text[end]) {
        end += 1;
    }
    while end > to && (matches!(text[end - 1], b'-' | b'.') || text[end - 1] >= 0x80 && end == most) {
        end -= 1;
    }
    // Typographic quotation marks are no letters.
    if let Some(at) = memchr::memchr(0xE2, part(text, to, end)) {
        end = to + at;
    }
    (start, end)
}

/// What stands after a name, and where the value's place begins.
fn joint(text: &[u8], start: usize, end: usize) -> Option<(Joint, usize, Option<(usize, usize)>)> {
    let mut at = end;
    let quote = value::quote_at(text, at).map(|length| (at, at + length));
    if let Some((_, after)) = quote {
        at = after;
    }
    while matches!(text.get(at), Some(b']' | b')' | b'*' | b'`')) {
        at += 1;
    }
    // `password[]=`, `password?:`
    if text.get(at) == Some(&b'[') && text.get(at + 1) == Some(&b']') {
        at += 2;
    }
    let blank = value::skip_blank(text, at);
    let rest = part(text, blank, blank + 8);
    let starts = |signs: &[&[u8]]| signs.iter().any(|sign| shape::starts_with_ignore_case(rest, sign));
    let sign = |length: usize, sign: u8| Some((Joint::Sign(sign), blank + length, quote));
    let first = *rest.first()?;
    if starts(&[b"==", b"=~", b"!=", b"::"]) {
        // A comparison, unless the value itself begins with the sign: `password==x`.
        let tight = blank == at
            && first == b'='
            && rest.get(2).is_some_and(|byte| !byte.is_ascii_whitespace() && !matches!(byte, b'=' | b'"' | b'\''));
        return if tight { sign(1, b'=') } else { None };
    }
    if starts(&[b"=>", b"->", b"~>", b"?=", b"|=", b"+="]) {
        return sign(2, b'=');
    }
    if starts(&[b":="]) {
        return sign(2, b':');
    }
    if starts(&[b"%3d", b"%3a"]) {
        return sign(3, b'%');
    }
    if starts(&[b"\\u003d", b"\\u003a"]) {
        return sign(6, if rest.ends_with(b"a") || rest.get(5) == Some(&b'a') { b':' } else { b'=' });
    }
    if starts(&[b"\\u003e", b"&gt;", b">"]) && (quote.is_some() || is_opened(text, start)) {
        let length = rest.iter().position(|byte| matches!(byte, b'>' | b';' | b'e')).map_or(1, |at| at + 1);
        return Some((Joint::Element, blank + length, quote));
    }
    if starts(&[b"</"]) {
        return Some((Joint::Element, blank, quote));
    }
    match first {
        b'=' | b':' => sign(1, first),
        // `setPassword("x")`
        b'(' if value::quote_at(text, blank + 1).is_some() && quote.is_none() => Some((Joint::Call, blank + 1, quote)),
        // `{key: API_KEY, value: x}`
        b',' if part(text, start.saturating_sub(2), start) == b": " => Some((Joint::Pair, blank + 1, quote)),
        // A column of a table.
        b'|' if blank > at => Some((Joint::Blank, blank + 1, quote)),
        // `"name", "value"`; `variable "token" { default = "x" }`
        b',' | b'{' if quote.is_some() => Some((Joint::Pair, blank + 1, quote)),
        b'\n' | b'\r' => Some((Joint::Pair, blank, quote)),
        b'\\' if rest.get(1) == Some(&b'n') => Some((Joint::Pair, blank, quote)),
        b'/' if blank == at => Some((Joint::Pair, blank, quote)),
        _ if blank > at => Some((Joint::Blank, blank, quote)),
        _ => None,
    }
}

/// Whether a name is an element's: `<name`, `<ns:name`, `&lt;name`.
fn is_opened(text: &[u8], start: usize) -> bool {
    let head = part(text, start.saturating_sub(24), start);
    let head = head.strip_suffix(b":").map_or(head, |head| {
        let prefix = head.iter().rev().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        &head[..head.len() - prefix]
    });
    head.ends_with(b"<") || head.ends_with(b"&lt;") || head.ends_with(b"\\u003c")
}

/// `key` alone says little, `api key` and `Secret Access Key` say much: looks at the words before it.
fn wider_name(text: &[u8], start: usize, end: usize) -> Option<Name> {
    let mut from = start;
    for _ in 0..3 {
        if from == 0 || text[from - 1] != b' ' {
            break;
        }
        let word_end = from - 1;
        let length = part(text, word_end.saturating_sub(24), word_end)
            .iter()
            .rev()
            .take_while(|byte| byte.is_ascii_alphabetic())
            .count();
        if length < 2 || !names::qualifies_key(part(text, word_end - length, word_end)) {
            break;
        }
        from = word_end - length;
    }
    if from < start { names::classify(part(text, from, end)) } else { None }
}

/// `name = value` and its kin.
fn assigned(scan: &mut Scan, site: Site, sign: u8, next: usize) {
    let text = scan.text;
    match site.name.level {
        Level::Authorization => return header::authorization(scan, next),
        Level::Cookie if sign == b':' || site.quote.is_some() => return header::cookie(scan, site, next),
        _ => {}
    }
    let query = is_query(text, site.start);
    let mut at = value::skip_blank(text, next);
    // `**Token:** x`, `!!str x`
    if part(text, at, at + 2) == b"**" || part(text, at, at + 2) == b"!!" {
        let length = part(text, at, at + 16).iter().take_while(|byte| !byte.is_ascii_whitespace()).count();
        at = value::skip_blank(text, at + length);
    }
    if let Some(inner) = wrapped(text, at) {
        at = inner;
    }
    // `b"…"`, `r'…'`, `$'…'`, `N'…'`: a letter before the mark belongs to the language.
    if matches!(text.get(at), Some(b'b' | b'r' | b'f' | b'u' | b'N' | b'L' | b'$' | b'@'))
        && matches!(text.get(at + 1), Some(b'"' | b'\''))
    {
        at += 1;
    }
    // The name may have been a header's, with a scheme before the credentials.
    if let Some(after) = scheme(text, at) {
        at = after;
    }
    let reason = "a value beside its name";
    if sign == b'=' && text.get(at) == Some(&b'=') {
        return judged(scan, site, value::bare(text, at, Bare::Word), Form::Announced, reason);
    }
    if sign == b'%' {
        let mut place = value::bare(text, at, Bare::Query);
        if value::quote_at(text, at) == Some(3) {
            place = value::bare(text, at + 3, Bare::Query);
        }
        return judged(scan, site, place, Form::Query, reason);
    }
    if value::quote_at(text, at).is_some() {
        if let Some(place) = value::quoted(text, at) {
            scan.work += place.end.saturating_sub(place.start) as u64;
            let form = if sign == b':' && site.quote.is_some() { Form::Whole } else { Form::Quoted };
            return judged(scan, site, place, form, reason);
        }
        // Never closed, as in a line that was cut off: what is there is taken as if it were bare.
        let length = value::quote_at(text, at).unwrap_or(1);
        let place = value::bare(text, at + length, Bare::Word);
        return judged(scan, site, place, Form::Bare, reason);
    }
    // `"token": {"value": "x"}`
    if text.get(at) == Some(&b'{') && site.name.level >= Level::Token {
        if let Some(inner) = value_name(scan, at + 1) {
            sibling_value(scan, site, inner);
        }
        return;
    }
    // A list: `"passwords": ["a", "b"]`.
    if text.get(at) == Some(&b'[') && site.name.level >= Level::Token {
        return list(scan, site, at + 1);
    }
    if sign == b':'
        && matches!(text.get(at), Some(b'|' | b'>'))
        && text.get(at + 1).is_none_or(|byte| matches!(byte, b'\n' | b'\r' | b'-' | b'+' | b' ' | b'1'..=b'9'))
    {
        let line = scan.line_start(site.start);
        let indent = part(text, line, site.start).iter().take_while(|byte| matches!(byte, b' ' | b'-')).count();
        if let Some(place) = value::block(text, at, indent) {
            return judged(scan, site, place, Form::Whole, "a block of lines below its name");
        }
        return;
    }
    if query {
        return judged(scan, site, value::bare(text, at, Bare::Query), Form::Query, "a parameter of a URL or form");
    }
    let place = value::bare(text, at, Bare::Word);
    scan.work += place.end.saturating_sub(place.start) as u64;
    if place.start == place.end {
        return below(scan, site, sign, at);
    }
    // `name: Type = value` declares; the name says nothing of the type.
    let after = value::skip_blank(text, place.end);
    if sign == b':' && text.get(after) == Some(&b'=') && text.get(after + 1) != Some(&b'=') && after > place.end {
        // A constant number is no secret, whatever its name.
        if part(text, place.start, place.end).iter().any(u8::is_ascii_digit) {
            return;
        }
        return assigned(scan, site, b'=', after + 1);
    }
    // "Second pass: merge", "--- PASS: TestLogin": the verb or noun. A password would show.
    let name = part(text, site.start, site.end);
    if name == b"PASS" && sign == b':' && site.quote.is_none() {
        return judged(scan, site, place, Form::Announced, reason);
    }
    if name.eq_ignore_ascii_case(b"pass")
        && sign == b':'
        && part(text, 0, site.start).ends_with(b" ")
        && part(text, 0, site.start).trim_ascii_end().last().is_some_and(u8::is_ascii_alphabetic)
    {
        return judged(scan, site, place, Form::Announced, reason);
    }
    if site.quote.is_some()
        && !part(text, place.start, place.end)
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+'))
    {
        // A bare value beside a name in quotes is a number or a word, or not of this kind at all.
        return judged(scan, site, place, Form::Bare, reason);
    }
    let spaced = at > next;
    if spaced && site.name.level == Level::Password && site.quote.is_none() {
        return rest_or_word(scan, site, place);
    }
    judged(scan, site, place, Form::Bare, reason);
}

/// `Some("x")`, `String::from("x")`: what stands for the value in its place. Other calls give a value that is not in the text.
fn wrapped(text: &[u8], at: usize) -> Option<usize> {
    let rest = part(text, at, at + 48);
    let length =
        rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'.')).count();
    let callee = &rest[..length];
    let known = [
        "Some",
        "Ok",
        "Just",
        "Optional",
        "String",
        "String::from",
        "str",
        "Secret",
        "SecretStr",
        "SecretString",
        "SecretString::from",
        "Secret::new",
        "Sensitive",
        "sensitive",
        "bytes",
        "Buffer.from",
        "b64decode",
        "base64.b64decode",
        "atob",
        "new",
        "ByteString",
        "RedactedString",
        "Value",
        "Literal",
        "QUOTE",
        "env.str",
    ];
    let known = known.iter().any(|name| callee == name.as_bytes());
    (known && rest.get(length) == Some(&b'(') && value::quote_at(text, at + length + 1).is_some())
        .then_some(at + length + 1)
}

/// A name with nothing after it: the value may stand alone on the next line, further in, or in an object with `value` in it.
fn below(scan: &mut Scan, site: Site, sign: u8, at: usize) {
    let text = scan.text;
    if sign != b':' || !matches!(text.get(at), Some(b'\n' | b'\r')) || site.quote.is_some() {
        return;
    }
    let line = scan.line_start(site.start);
    let indent = part(text, line, site.start).iter().take_while(|byte| matches!(byte, b' ' | b'-')).count();
    let next = at + part(text, at, at + 2).iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let deeper = part(text, next, next + 64).iter().take_while(|byte| **byte == b' ').count();
    if deeper <= indent || part(text, line, site.start).iter().any(|byte| !matches!(byte, b' ' | b'-')) {
        return;
    }
    let from = next + deeper;
    let place = if value::quote_at(text, from).is_some() {
        value::quoted(text, from)
    } else {
        Some(value::bare(text, from, Bare::Word))
    };
    // Alone on its line, and no name or list item itself.
    if let Some(place) = place
        && matches!(text.get(place.end + usize::from(place.quoted)), None | Some(b'\n' | b'\r'))
        && !part(text, place.start, place.end).ends_with(b":")
        && !part(text, place.start, place.end).starts_with(b"- ")
    {
        judged(scan, site, place, if place.quoted { Form::Quoted } else { Form::Bare }, "the line below its name");
    }
}

/// A bare value that may be of several words: `password: correct horse battery`, but not `password: invalid for user root`.
fn rest_or_word(scan: &mut Scan, site: Site, first: Place) {
    let text = scan.text;
    let line = scan.line_start(site.start);
    let head = part(text, line, site.start).trim_ascii();
    let at_line_start = head.iter().all(|byte| matches!(byte, b'-' | b' ' | b'"' | b'+' | b'#' | b'/' | b'*' | b';'))
        || head == b"export"
        || head == b"set";
    let end = value::rest_of_line(text, first.start, None);
    if harmless::is_expression(part(text, first.start, first.end)) {
        return;
    }
    if end > first.end {
        let words = || part(text, first.start, end).split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        if words().any(harmless::is_state) {
            // Prose. The first word may still be a secret, but then it shows.
            let form =
                if shape::stands_out(part(text, first.start, first.end), 6) { Form::Bare } else { Form::Announced };
            return judged(scan, site, first, form, "a value beside its name");
        }
        if at_line_start
            && words().count() <= 12
            && !part(text, first.end, end).contains(&b'=')
            && !part(text, first.end, end).windows(2).any(|pair| pair == b": ")
        {
            return judged(scan, site, Place { end, ..first }, Form::Whole, "the rest of the line after its name");
        }
    }
    // "password: Resource owner's": a sentence that goes on in words.
    let word = part(text, first.start, first.end);
    if !at_line_start
        && end > first.end
        && word.iter().all(u8::is_ascii_alphabetic)
        && part(text, first.end, first.end + 2).last().is_some_and(u8::is_ascii_lowercase)
        && !value::begins_pair(text, first.end)
    {
        return;
    }
    judged(scan, site, first, Form::Bare, "a value beside its name");
}

/// The strings of a list below one name.
fn list(scan: &mut Scan, site: Site, mut at: usize) {
    for _ in 0..MAX_LIST {
        at = value::skip_space(scan.text, at);
        if scan.byte(at) == Some(b',') {
            at += 1;
            continue;
        }
        let Some(length) = value::quote_at(scan.text, at) else { return };
        let Some(place) = value::quoted(scan.text, at) else { return };
        scan.work += place.end.saturating_sub(place.start) as u64;
        judged(scan, site, place, Form::Quoted, "a list below its name");
        at = place.end + length;
        scan.name_end = scan.name_end.max(at);
    }
}

/// More strings than this in one list are looked at as plain text.
const MAX_LIST: usize = 64;

/// Whether a name is a parameter's of a URL or form: `?name`, `&name`, `&amp;name`.
fn is_query(text: &[u8], start: usize) -> bool {
    let Some(before) = start.checked_sub(1).map(|at| text[at]) else { return false };
    match before {
        b'?' | b'&' => true,
        b';' => part(text, 0, start).ends_with(b"&amp;"),
        b'#' => start >= 2 && !text[start - 2].is_ascii_whitespace(),
        _ => part(text, 0, start).ends_with(b"\\u0026") || part(text, 0, start).ends_with(b"%26"),
    }
}

/// Skips a scheme's word before credentials that are the value of a name (`token: Bearer x`).
pub(super) fn scheme(text: &[u8], at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    [&b"bearer "[..], b"basic ", b"token ", b"apikey ", b"jwt "]
        .iter()
        .find(|scheme| shape::starts_with_ignore_case(rest, scheme))
        .map(|scheme| value::skip_blank(text, at + scheme.len()))
        .filter(|after| text.get(*after).is_some_and(|byte| !byte.is_ascii_whitespace()))
}

/// Takes a value if it is a secret.
pub(super) fn judged(scan: &mut Scan, site: Site, place: Place, form: Form, reason: &'static str) {
    let text = scan.text;
    let mut place = place;
    if let Some(found) = text.get(place.start..place.end) {
        scan.work += found.len().min(judge::MAX_JUDGED) as u64;
        if !judge::is_secret(found, site.name.level, form) {
            return;
        }
    } else {
        return;
    }
    if !place.quoted {
        place = value::extend(text, place, if form == Form::Query { Bare::Query } else { Bare::Word });
        place.end = trim_end(text, place.start, place.end);
    }
    // A number as the value of a name in quotes is JSON: what replaces it must be a string.
    let wrap = if place.quoted { None } else { site.quote.map(|(from, to)| from..to) };
    scan.name_end = scan.name_end.max(place.end);
    scan.take_wrapped(place.start..place.end, rule_of(site), reason, wrap);
}

fn rule_of(site: Site) -> RuleId {
    site.name.rule
}

/// A full stop or the like at the end of a bare value belongs to the sentence.
fn trim_end(text: &[u8], start: usize, end: usize) -> usize {
    let mut end = end;
    while end > start + 1 && matches!(text[end - 1], b',' | b';') {
        end -= 1;
    }
    end
}
