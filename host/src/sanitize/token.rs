//! Token formats: what a vendor's tokens look like, as a pattern, and how one is matched by hand where its literal was seen.
//!
//! A pattern is literal text with runs in braces: `ghp_{a36}` is `ghp_` and 36 letters or digits, `{d8,10}:AA{s33}` begins with digits.
//! The letter names the alphabet (see [`set`]), the numbers how many. A run without an upper bound is `{a20,}`. What stands before a `|` is
//! only looked for and stays in the text: `hooks.slack.com/services/|{a9}/…`.

use super::found::Scan;
use super::harmless;
use super::rule::RuleId;
use super::shape;
use super::value;

/// One vendor's format.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    /// The rule's name; several formats of one vendor may share it.
    pub name: &'static str,
    pub pattern: &'static str,
    /// Where the format is documented.
    pub source: &'static str,
}

/// A pattern, ready to match.
#[derive(Debug)]
pub(super) struct Matcher {
    parts: Box<[Part]>,
    /// Which of the parts is found by a literal.
    anchor: usize,
    /// With which part the secret begins.
    secret: usize,
    pub rule: RuleId,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(&'static [u8]),
    Run { set: u128, least: u16, most: u16 },
}

impl Part {
    /// The run that begins here, and what comes after it.
    fn run(text: &'static str) -> Option<(Self, &'static str)> {
        let (run, after) = text.strip_prefix('{')?.split_once('}')?;
        let set = set(*run.as_bytes().first()?)?;
        let numbers = run.get(1..)?;
        let (least, most) = match numbers.split_once(',') {
            None => (numbers.parse().ok()?, numbers.parse().ok()?),
            Some((least, "")) => (least.parse().ok()?, UNBOUNDED),
            Some((least, most)) => (least.parse().ok()?, most.parse().ok()?),
        };
        Some((Part::Run { set, least, most }, after))
    }
}

const fn span(from: u8, to: u8) -> u128 {
    ((1_u128 << (to - from + 1)) - 1) << from
}

const DIGITS: u128 = span(b'0', b'9');
const LOWER: u128 = span(b'a', b'z');
const UPPER: u128 = span(b'A', b'Z');
const ALNUM: u128 = DIGITS | LOWER | UPPER;

/// Runs of this alphabet are UUIDs and nothing else.
const UUID: u128 = DIGITS | span(b'a', b'f') | span(b'A', b'F') | bit(b'-');

const fn bit(byte: u8) -> u128 {
    1 << byte
}

/// The alphabet that a letter names.
const fn set(letter: u8) -> Option<u128> {
    Some(match letter {
        b'd' => DIGITS,
        b'h' => DIGITS | span(b'a', b'f'),
        b'H' => DIGITS | span(b'A', b'F'),
        b'x' => DIGITS | span(b'a', b'f') | span(b'A', b'F'),
        b'l' => LOWER,
        b'u' => UPPER,
        b'L' => LOWER | UPPER,
        b'n' => LOWER | DIGITS,
        b'N' => UPPER | DIGITS,
        b'a' => ALNUM,
        b'w' => ALNUM | bit(b'_'),
        b'm' => ALNUM | bit(b'-'),
        b's' => ALNUM | bit(b'_') | bit(b'-'),
        b'e' => ALNUM | bit(b'_') | bit(b'-') | bit(b'='),
        b'b' => ALNUM | bit(b'+') | bit(b'/') | bit(b'='),
        b'B' => ALNUM | bit(b'+') | bit(b'/') | bit(b'=') | bit(b'_') | bit(b'-'),
        b'p' => ALNUM | bit(b'_') | bit(b'-') | bit(b'.') | bit(b'='),
        b't' => ALNUM | bit(b'_') | bit(b'-') | bit(b'.') | bit(b'~'),
        b'c' => ALNUM | bit(b'.') | bit(b'/'),
        b'k' => ALNUM | bit(b'+') | bit(b'/'),
        b'g' => UUID,
        _ => return None,
    })
}

impl Matcher {
    /// Reads a pattern; `None` if it is malformed or holds no literal (the tables are tested for it).
    pub(super) fn new(pattern: &'static str, rule: RuleId) -> Option<Self> {
        let mut parts = Vec::new();
        let mut secret = 0;
        let mut rest = pattern;
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('|') {
                secret = parts.len();
                rest = after;
            } else if let Some((run, after)) = Part::run(rest) {
                parts.push(run);
                rest = after;
            } else {
                let end = rest
                    .char_indices()
                    .skip(1)
                    .find(|(at, byte)| *byte == '|' || Part::run(&rest[*at..]).is_some())
                    .map_or(rest.len(), |(at, _)| at);
                parts.push(Part::Literal(rest.as_bytes().get(..end)?));
                rest = &rest[end..];
            }
        }
        let anchor = parts
            .iter()
            .enumerate()
            .filter_map(|(index, part)| match part {
                Part::Literal(text) if text.len() >= super::anchor::MIN_LITERAL => Some((index, text.len())),
                _ => None,
            })
            .max_by_key(|(index, length)| (*length, usize::MAX - index))
            .map_or(0, |(index, _)| index);
        Some(Self { parts: parts.into(), anchor, secret, rule })
    }

    /// The literal to search for; `None` if there is none that is long enough.
    pub(super) fn literal(&self) -> Option<&'static [u8]> {
        match self.parts.get(self.anchor) {
            Some(Part::Literal(text)) if text.len() >= super::anchor::MIN_LITERAL => Some(text),
            _ => None,
        }
    }

    /// The whole token round the literal at `at`, or how far the first run behind the literal reached: no sighting before that place
    /// can fare better.
    fn find(&self, text: &[u8], at: usize, work: &mut u64) -> Result<(usize, usize), usize> {
        let start = self.start(text, at).ok_or(at)?;
        *work += at.saturating_sub(start) as u64;
        let (mut end, mut secret, mut reached) = (at, at, None);
        for (index, part) in self.parts.iter().enumerate().skip(self.anchor) {
            if index == self.secret {
                secret = end;
            }
            let rest = value::part(text, end, usize::MAX);
            match part {
                Part::Literal(literal) => {
                    if !rest.starts_with(literal) {
                        return Err(reached.unwrap_or(at));
                    }
                    end += literal.len();
                }
                Part::Run { set, least, most } => {
                    let most = if *most == UNBOUNDED { usize::MAX } else { usize::from(*most) };
                    let run = rest.iter().take(most).take_while(|byte| holds(*set, **byte)).count();
                    *work += run as u64;
                    if run < usize::from(*least) || *set == UUID && !shape::is_uuid(value::part(rest, 0, run)) {
                        return Err(reached.unwrap_or(if most == usize::MAX { end + run } else { at }));
                    }
                    end += run;
                    if most == usize::MAX {
                        reached = reached.or(Some(end));
                    }
                    // The last run must be the whole of it: a longer one is something else.
                    let goes_on = |byte: &u8| {
                        byte.is_ascii_alphanumeric() || holds(*set, *byte) && !matches!(byte, b'-' | b'.' | b'=')
                    };
                    if index + 1 == self.parts.len() && text.get(end).is_some_and(goes_on) {
                        return Err(reached.unwrap_or(at));
                    }
                }
            }
        }
        if let Some(Part::Literal(_)) = self.parts.last()
            && text.get(end).is_some_and(u8::is_ascii_alphanumeric)
        {
            return Err(reached.unwrap_or(at));
        }
        // A full stop or hyphens after it belong to the sentence.
        if let Some(Part::Run { least, most, .. }) = self.parts.last()
            && least != most
        {
            end -= value::part(text, start, end).iter().rev().take_while(|byte| matches!(byte, b'.' | b'-')).count();
        }
        Ok((if self.secret > self.anchor { secret } else { start }, end))
    }

    /// Where a token begins whose literal is at `at`.
    fn start(&self, text: &[u8], at: usize) -> Option<usize> {
        let mut start = at;
        for part in self.parts.iter().take(self.anchor).rev() {
            let head = value::part(text, 0, start);
            start -= match part {
                Part::Literal(literal) => head.ends_with(literal).then_some(literal.len())?,
                Part::Run { set, least, most } => {
                    let run = head
                        .iter()
                        .rev()
                        .take(usize::from(*most).min(MAX_BEFORE))
                        .take_while(|byte| holds(*set, **byte))
                        .count();
                    (run >= usize::from(*least)).then_some(run)?
                }
            };
        }
        begins_token(text, start).then_some(start)
    }

    /// Whether a run has no upper bound: such a token is not looked for again within itself.
    fn is_open(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Run { most: UNBOUNDED, .. }))
    }
}

/// The upper bound of a run that has none.
const UNBOUNDED: u16 = u16::MAX;
/// How far before its literal a run is followed.
const MAX_BEFORE: usize = 128;

fn holds(set: u128, byte: u8) -> bool {
    byte < 128 && set >> byte & 1 == 1
}

/// Whether a token may begin here: not within a word, but after an escape (`\n`, `%3D`, `\u0026`) that ends in a letter.
fn begins_token(text: &[u8], start: usize) -> bool {
    let head = value::part(text, start.saturating_sub(6), start);
    let Some(last) = head.last() else { return true };
    if !last.is_ascii_alphanumeric() {
        return true;
    }
    let ends =
        |count: usize, lead: &[u8]| head.len() >= count + lead.len() && head[..head.len() - count].ends_with(lead);
    matches!(last, b'n' | b'r' | b't') && ends(1, b"\\")
        || last.is_ascii_hexdigit() && ends(2, b"%") && head[head.len() - 2].is_ascii_hexdigit()
        || ends(4, b"\\u") && shape::is_hex(&head[head.len() - 4..])
}

/// Looks at a format whose literal was seen at `at`.
pub(super) fn at_literal(scan: &mut Scan, number: u16, matcher: &Matcher, at: usize) {
    let text = scan.text;
    let open = matcher.is_open();
    if open && (at < scan.token_end || scan.failed.iter().any(|(failed, end)| *failed == number && at < *end)) {
        return;
    }
    let (start, end) = match matcher.find(text, at, &mut scan.work) {
        Ok(place) => place,
        Err(reached) => {
            if open && reached > at {
                fail(scan, number, reached);
            }
            return;
        }
    };
    // `ghp_xxxxxxxx…` in a manual is no token, and words behind a short prefix are a name.
    let body = value::part(text, start, end);
    let literal = matcher.literal().map_or(0, <[u8]>::len);
    let rest = if at == start { &body[literal.min(body.len())..] } else { body };
    if is_monotonous(rest)
        || harmless::is_harmless(body)
        || literal < SURE && shape::is_wordy(rest) && !rest.iter().all(u8::is_ascii_digit)
    {
        if open {
            fail(scan, number, end);
        }
        return;
    }
    scan.name_end = scan.name_end.max(start);
    scan.token_end = scan.token_end.max(end);
    scan.take(start..end, matcher.rule, "prefix, alphabet and length");
}

/// A literal of this length is no accident, whatever follows.
const SURE: usize = 9;

/// Remembers that a format need not be tried again before a place.
fn fail(scan: &mut Scan, number: u16, end: usize) {
    scan.failed.retain(|(failed, _)| *failed != number);
    scan.failed.push((number, end));
}

/// Hardly any different characters: a placeholder.
fn is_monotonous(rest: &[u8]) -> bool {
    if rest.len() < 8 {
        return rest.len() > 3 && rest.iter().all(|byte| *byte == rest[0]);
    }
    let mut seen = [false; 256];
    let mut different = 0;
    for byte in rest.iter().take(64) {
        if !seen[*byte as usize] {
            seen[*byte as usize] = true;
            different += 1;
        }
    }
    different < 4
}

#[cfg(test)]
mod tests {
    use super::super::formats;
    use super::*;

    fn find<'a>(pattern: &'static str, text: &'a str) -> Option<&'a str> {
        let matcher = Matcher::new(pattern, 0)?;
        let at = memchr::memmem::find(text.as_bytes(), matcher.literal()?)?;
        matcher.find(text.as_bytes(), at, &mut 0).ok().map(|(start, end)| &text[start..end])
    }

    #[test]
    fn patterns_match_whole_tokens() {
        assert_eq!(find("abc_{d4}", "x abc_1234 y"), Some("abc_1234"));
        assert_eq!(find("abc_{d4}", "abc_12345"), None);
        assert_eq!(find("abc_{d4}", "xabc_1234"), None);
        assert_eq!(find("abc_{d4}", "x\\nabc_1234"), Some("abc_1234"));
        assert_eq!(find("abc_{d4}", "x%3Dabc_1234"), Some("abc_1234"));
        assert_eq!(find("{d3,5}:AA{l3,}", "7 12345:AAxyz."), Some("12345:AAxyz"));
        assert_eq!(find("host/|{l4}", "host/abcd"), Some("abcd"));
        assert_eq!(find("{SSHA}{b4,}", "u:{SSHA}ab+/=="), Some("{SSHA}ab+/=="));
        assert_eq!(
            find("id-{g36}", "id-123e4567-e89b-12d3-a456-426614174000"),
            Some("id-123e4567-e89b-12d3-a456-426614174000")
        );
        assert_eq!(find("id-{g36}", "id-123e4567e89b12d3a456426614174000----"), None);
    }

    #[test]
    fn every_format_can_be_searched_for() {
        for format in formats::all() {
            let matcher = Matcher::new(format.pattern, 0).unwrap_or_else(|| panic!("{}", format.pattern));
            assert!(matcher.literal().is_some() || !formats::beginnings(format).is_empty(), "{}", format.pattern);
            assert!(!format.source.is_empty(), "{}", format.name);
        }
        assert!(formats::all().count() >= 450);
    }
}
