//! Values after a space: flags (`--token x`), directives (`requirepass x`), and sentences ("logged in with token x", "the password
//! for root was set to x"). The vaguer the form, the more a value must look like a secret.

use super::assign::{Site, judged, scheme};
use super::found::Scan;
use super::header;
use super::judge::Form;
use super::names::{self, Level};
use super::shape;
use super::value::{self, Bare, Place, part};

/// Looks for the value of a name that is followed by a space; `at` is where the next word begins.
pub(super) fn after_name(scan: &mut Scan, site: Site, at: usize) {
    let text = scan.text;
    let at = value::skip_blank(text, at);
    if site.name.level == Level::Cookie {
        return;
    }
    if site.name.level == Level::Authorization {
        if scheme(text, at).is_some() {
            header::authorization(scan, at);
        }
        return;
    }
    // `"password" value="x"`, and `<password type="x">y`.
    if is_tag(text, site) {
        return tag(scan, site, at);
    }
    if site.flag {
        return flag(scan, site, at);
    }
    sentence(scan, site, at);
}

/// `--password x`.
fn flag(scan: &mut Scan, site: Site, at: usize) {
    let text = scan.text;
    if matches!(text.get(at), Some(b'-' | b'|' | b'>' | b'<' | b'&' | b';' | b'/' | b']' | b'\\'))
        && value::quote_at(text, at).is_none()
        && !part(text, at, usize::MAX).starts_with(b"/ ")
    {
        // Another flag, the end of the command, or a file.
        if !(text[at] == b'/' && !shape::is_path(part(text, at, value::bare(text, at, Bare::Word).end))
            || text[at] == b'<')
        {
            return;
        }
    }
    if value::quote_at(text, at).is_some()
        && let Some(place) = value::quoted(text, at)
    {
        return judged(scan, site, place, Form::Quoted, "the argument of a flag");
    }
    let mut place = value::bare(text, at, Bare::Word);
    // The closing mark of the string that holds the command is not the argument's.
    while place.end > place.start + 1 && matches!(text[place.end - 1], b'"' | b'\'' | b'`') {
        place.end -= 1;
    }
    judged(scan, site, place, Form::Bare, "the argument of a flag");
}

/// Whether the name is an attribute's value or an element's name in an open tag.
fn is_tag(text: &[u8], site: Site) -> bool {
    let before = part(text, site.start.saturating_sub(2), site.start);
    before.ends_with(b"<")
        || site.quote.is_some()
            && before.ends_with(b"\"")
            && site.start >= 6
            && part(text, 0, site.start - 1).ends_with(b"=")
        || before.ends_with(b"='")
}

/// The rest of an open tag: a `value` attribute, or the text after it.
fn tag(scan: &mut Scan, site: Site, at: usize) {
    let text = scan.text;
    let window = part(text, at, text.len().min(at + 400));
    let end = memchr::memchr(b'>', window).unwrap_or(window.len());
    scan.work += end as u64;
    for name in [&b"value="[..], b"Value=", b"val=", b"content=", b"VALUE=", b"default="] {
        if let Some(found) = memchr::memmem::find(&window[..end], name) {
            let quote = at + found + name.len();
            if value::quote_at(text, quote).is_some()
                && let Some(place) = value::quoted(text, quote)
            {
                return judged(scan, site, place, Form::Whole, "the value beside a name");
            }
        }
    }
    if end < window.len() && end > 0 && window[end - 1] != b'/' {
        super::beside::element_text(scan, site, at + end + 1);
    }
}

/// A sentence, a directive, or a line of a table.
fn sentence(scan: &mut Scan, site: Site, at: usize) {
    let text = scan.text;
    // "pass in `x`", "to pass the x": the verb.
    if part(text, site.start, site.end).eq_ignore_ascii_case(b"pass")
        && site.quote.is_none()
        && !is_directive(scan, site)
    {
        return;
    }
    // A variable, a member of a path: what follows has nothing to do with it.
    if matches!(scan.before(site.start), Some(b'$' | b'%' | b'{' | b'/' | b'\\' | b'=' | b'<' | b'#' | b'@')) {
        return;
    }
    let limit = scan.line_end(at).min(at + MAX_SENTENCE);
    if protocol(scan, site, at, limit) {
        return;
    }
    let mut form = if is_set(scan, site) {
        Form::Bare
    } else if is_directive(scan, site) {
        Form::Directive
    } else {
        Form::Prose
    };
    let mut at = at;
    for _ in 0..MAX_WORDS {
        at = value::skip_blank(text, at);
        if at >= limit {
            return;
        }
        let end = at + part(text, at, limit).iter().take_while(|byte| !byte.is_ascii_whitespace()).count();
        let word = part(text, at, end);
        let bare_word = word.strip_suffix(b":").unwrap_or(word);
        let is = |words: &[&str]| words.iter().any(|candidate| bare_word.eq_ignore_ascii_case(candidate.as_bytes()));
        if is(&[
            "is", "was", "to", "as", "equals", "=", "->", "=>", ":", "be", "being", "now", "called", "reads", "string",
            "value", "here", "→", "—", "–",
        ]) {
            form = Form::Announced;
        } else if is(&[
            "set",
            "changed",
            "reset",
            "updated",
            "has",
            "been",
            "will",
            "are",
            "a",
            "the",
            "new",
            "temporary",
            "initial",
            "generated",
            "default",
            "one-time",
            "hash",
            "currently",
            "created",
            "code",
            "provided",
            "supplied",
            "used",
            "given",
            "specified",
            "found",
            "received",
            "issued",
        ]) {
        } else if is(&["for", "of", "on", "from", "and", "in"]) && word.len() == bare_word.len() {
            // `password for bob is x`, `token of the bot: x`: over a few words that must lead to an announcement.
            let Some(next) = announcement(text, end, limit) else { return };
            form = Form::Announced;
            at = next;
            continue;
        } else if word.starts_with(b"(") {
            // `password (root): x`
            let Some(close) = memchr::memchr(b')', part(text, at, limit)) else { return };
            at += close + 1;
            if matches!(text.get(at), Some(b':' | b'=')) {
                at += 1;
                form = Form::Announced;
            }
            continue;
        } else if form == Form::Directive && matches!(word, [digit] if digit.is_ascii_digit()) {
            // `enable secret 5 x`, `password 0 x`: how a router says what kind of value follows.
            form = Form::Directive;
        } else {
            return candidate(scan, site, at, form);
        }
        if word.len() > bare_word.len() {
            form = Form::Announced;
        }
        at = end;
    }
}

/// Lines of protocols and of routers: IMAP's `LOGIN user x`, Redis' `AUTH x`, SMTP's `AUTH PLAIN x`, `snmp-server community x`.
fn protocol(scan: &mut Scan, site: Site, at: usize, limit: usize) -> bool {
    let text = scan.text;
    let words: Vec<(usize, usize)> = words_of(text, at, limit);
    let name = part(text, site.start, site.end);
    let head = part(text, site.start.saturating_sub(16), site.start).trim_ascii_end();
    let which = match (name, words.len()) {
        (b"LOGIN", 2) => 1,
        (b"AUTH", 2) if [&b"PLAIN"[..], b"LOGIN", b"XOAUTH2"].contains(&part(text, words[0].0, words[0].1)) => 1,
        (b"AUTH", 1) => 0,
        (b"AUTH", 2) => 1,
        (b"community", 1..) if head.ends_with(b"snmp-server") || head.ends_with(b"snmp") => 0,
        _ => return false,
    };
    let Some((start, end)) = words.get(which).copied() else { return false };
    let known = names::Name { level: Level::Password, ..site.name };
    let form = if name == b"community" { Form::Quoted } else { Form::Directive };
    judged(scan, Site { name: known, ..site }, Place { start, end, quoted: true }, form, "a line of a protocol");
    true
}

/// The first words up to a limit, at most four.
fn words_of(text: &[u8], at: usize, limit: usize) -> Vec<(usize, usize)> {
    let mut words = Vec::new();
    let mut at = at;
    while words.len() < 4 {
        at = value::skip_blank(text, at);
        let end = at + part(text, at, limit).iter().take_while(|byte| !byte.is_ascii_whitespace()).count();
        if end == at {
            break;
        }
        words.push((at, end));
        at = end;
    }
    words
}

/// The end of the word that announces a value: `is`, `was`, `=`, or one that ends in a colon.
fn announcement(text: &[u8], from: usize, limit: usize) -> Option<usize> {
    let mut at = from;
    for _ in 0..MAX_WORDS {
        at = value::skip_blank(text, at);
        let end = at + part(text, at, limit).iter().take_while(|byte| !byte.is_ascii_whitespace()).count();
        let word = part(text, at, end);
        if word.is_empty() {
            return None;
        }
        if word.ends_with(b":") && word.len() > 1
            || [&b"is"[..], b"was", b"=", b":", b"to", b"->", b"=>"].iter().any(|sign| word.eq_ignore_ascii_case(sign))
        {
            return Some(end);
        }
        at = end;
    }
    None
}

/// How many words may stand between a name and its value.
const MAX_WORDS: usize = 7;
/// How far after a name its value may begin.
const MAX_SENTENCE: usize = 200;

fn candidate(scan: &mut Scan, site: Site, at: usize, form: Form) {
    let text = scan.text;
    let at = scheme(text, at).unwrap_or(at);
    if value::quote_at(text, at).is_some()
        && let Some(place) = value::quoted(text, at)
    {
        if part(text, place.start, place.end).iter().filter(|byte| **byte == b' ').count() > 8 {
            return;
        }
        // A quoted word after `password` is one; after `token` it may be what a parser met.
        let known = site.name.level == Level::Password && site.quote.is_none();
        let one_word = known && !part(text, place.start, place.end).contains(&b' ');
        let form = if form == Form::Bare || one_word { Form::Quoted } else { form };
        return judged(scan, site, place, form, "a quoted value after its name");
    }
    let word = value::bare(text, at, Bare::Word);
    let sign = memchr::memchr2(b'=', b':', part(text, at, word.end)).map_or(word.end, |sign| at + sign + 1);
    if sign < word.end && text[sign] != b'=' && value::begins_pair(text, at) {
        return;
    }
    let mut place = value::bare(text, at, Bare::Word);
    while place.end > place.start + 1
        && matches!(text[place.end - 1], b'.' | b',' | b';' | b':' | b'!' | b'?' | b')' | b'"' | b'\'')
    {
        // A mark at the end of the line may end the sentence or the password; the sentence is likelier unless it is odd.
        if matches!(text[place.end - 1], b'!' | b'?') {
            break;
        }
        place.end -= 1;
    }
    // A UUID names most things; one that somebody logs in with is a secret.
    if form == Form::Prose && shape::is_uuid(part(text, place.start, place.end)) && !is_used(text, site) {
        return;
    }
    judged(scan, site, place, form, "a value in a sentence");
}

/// Whether the words before a name say that it is put to use: "with token", "access token", "using the API key".
fn is_used(text: &[u8], site: Site) -> bool {
    let head = part(text, site.start.saturating_sub(24), site.start).trim_ascii_end();
    let word = head.rsplit(|byte| !byte.is_ascii_alphabetic()).next().unwrap_or_default();
    [
        "with", "using", "access", "auth", "api", "bearer", "refresh", "the", "this", "your", "my", "secret",
        "session", "invalid", "via", "set",
    ]
    .iter()
    .any(|used| word.eq_ignore_ascii_case(used.as_bytes()))
}

/// Whether the name is one that a shell or a Dockerfile sets: `ENV KEY x`, `setx KEY x`, `setenv KEY x`, `set -gx KEY x`.
fn is_set(scan: &mut Scan, site: Site) -> bool {
    let line = scan.line_start(site.start);
    let head = part(scan.text, line, site.start).trim_ascii_end();
    let word = head.rsplit(u8::is_ascii_whitespace).next().unwrap_or_default();
    site.quote.is_none()
        && [&b"env"[..], b"setx", b"setenv", b"-x", b"-gx", b"-ux", b"-Ux"]
            .iter()
            .any(|name| word.eq_ignore_ascii_case(name))
        && part(scan.text, site.start, site.end)
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || *byte == b'_' || byte.is_ascii_digit())
}

/// Whether the name is where a directive of a configuration file, or a program that asks line by line, has it.
fn is_directive(scan: &mut Scan, site: Site) -> bool {
    let line = scan.line_start(site.start);
    let text = scan.text;
    let head = part(text, line, site.start).trim_ascii();
    if head.is_empty() || head.ends_with(b"\\n") {
        return true;
    }
    let mut words = head.rsplit(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let last = [words.next(), words.next()];
    let is = |word: &[u8], names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()));
    // `machine x login y password z`, `username y password z`, `snmp-server community x`, `set requirepass x`.
    last[1].is_some_and(|word| is(word, &["login", "user", "username", "account", "uid", "-u", "--user", "--username"]))
        || last[0].is_some_and(|word| {
            is(
                word,
                &["set", "config", "snmp-server", "enable", "identified", "sasl", "neighbor", "auth", "requirepass"],
            )
        })
}
