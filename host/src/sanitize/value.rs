//! Where a value begins and ends, in every way people write one beside its name: quoted, escaped, bare, to the end of the line, as a
//! block of lines. It finds places and does not judge what stands there.

use super::marker;

/// The place of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub start: usize,
    pub end: usize,
    /// Whether quotes stand round it (outside of `start..end`).
    pub quoted: bool,
}

/// How far a quoted value is followed to its closing quote. What is longer (a key file in a string) is found by its own form.
const MAX_QUOTED: usize = 4096;
/// How much of a bare value is followed before it is judged.
pub(super) const MAX_BARE: usize = 1024;
/// How far a value may go on over lines in quotes or in a block.
const MAX_BLOCK: usize = 8192;

/// What stands between two places; nothing where there is nothing. All places come from a text that others wrote.
pub(super) fn part(text: &[u8], from: usize, to: usize) -> &[u8] {
    text.get(from..to.min(text.len())).unwrap_or_default()
}

/// Skips spaces and tabs.
pub(super) fn skip_blank(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\t')) {
        at += 1;
    }
    at
}

/// Skips white space, line ends and their escapes (`\n` in a JSON string) included.
pub(super) fn skip_space(text: &[u8], mut at: usize) -> usize {
    loop {
        match text.get(at) {
            Some(b' ' | b'\t' | b'\n' | b'\r') => at += 1,
            Some(b'\\') if matches!(text.get(at + 1), Some(b'n' | b'r' | b't')) => at += 2,
            _ => return at,
        }
    }
}

/// The length of the quotation mark at a place, however it is written or escaped: `"`, `\"`, `\\\"`, `&quot;`, `%22`, `\u0022`.
pub(super) fn quote_at(text: &[u8], at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    match rest.first()? {
        b'"' | b'\'' | b'`' => Some(1),
        b'\\' => {
            let slashes = rest.iter().take(16).take_while(|byte| **byte == b'\\').count();
            match rest.get(slashes)? {
                b'"' | b'\'' | b'`' => Some(slashes + 1),
                b'u' if rest
                    .get(slashes + 1..slashes + 5)
                    .is_some_and(|code| matches!(code, b"0022" | b"0027" | b"0060")) =>
                {
                    Some(slashes + 5)
                }
                _ => None,
            }
        }
        b'&' => [&b"&quot;"[..], b"&#34;", b"&#39;", b"&apos;", b"&#x27;", b"&#x22;"]
            .iter()
            .find(|entity| rest.starts_with(entity))
            .map(|entity| entity.len()),
        b'%' => (rest.starts_with(b"%22") || rest.starts_with(b"%27")).then_some(3),
        0xE2 => ["\u{201c}".as_bytes(), "\u{2018}".as_bytes()]
            .iter()
            .find(|quote| rest.starts_with(quote))
            .map(|quote| quote.len()),
        _ => None,
    }
}

/// What stands between the quotation mark at `at` and its fellow; `None` if that is not in reach.
pub(super) fn quoted(text: &[u8], at: usize) -> Option<Place> {
    let length = quote_at(text, at)?;
    let open = part(text, at, at + length);
    let start = at + length;
    let window = part(text, start, text.len().min(start + MAX_QUOTED));
    let mark = open[length - 1];
    if length == 1 {
        // Three of them: a string over several lines.
        if window.len() >= 2 && window[0] == mark && window[1] == mark {
            let triple = [mark; 3];
            return match memchr::memmem::find(&window[2..], &triple) {
                Some(end) => Some(Place { start: start + 2, end: start + 2 + end, quoted: true }),
                None => Some(Place { start, end: start, quoted: true }),
            };
        }
        return closing_mark(text, start, window, mark, 0);
    }
    if matches!(mark, b'"' | b'\'' | b'`') && open[0] == b'\\' {
        return closing_mark(text, start, window, mark, length - 1);
    }
    let close: &[u8] = match open {
        [0xE2, 0x80, 0x9C] => "\u{201d}".as_bytes(),
        [0xE2, 0x80, 0x98] => "\u{2019}".as_bytes(),
        _ => open,
    };
    let end = memchr::memmem::find(window, close)?;
    let line = memchr::memchr(b'\n', window).unwrap_or(window.len());
    (end <= line).then_some(Place { start, end: start + end, quoted: true })
}

/// Finds the mark that closes: the same one behind the same number of backslashes. More of them are a mark inside, fewer end the
/// string that holds this one.
fn closing_mark(text: &[u8], start: usize, window: &[u8], mark: u8, slashes: usize) -> Option<Place> {
    let mut from = 0;
    let mut lines = 0;
    while let Some(offset) = memchr::memchr2(mark, b'\n', &window[from..]) {
        let at = from + offset;
        if window[at] == b'\n' {
            // A string may go over a few lines, if what closes it is followed by what follows strings.
            lines += 1;
            if lines > 60 || slashes > 0 {
                return None;
            }
            from = at + 1;
            continue;
        }
        let before = window[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
        let closes = if slashes == 0 {
            before % 2 == 0
                || mark == b'\''
                    && ends_word(text, start + at + 1)
                    && memchr::memchr2(b'\'', b'\n', &window[at + 1..])
                        .is_none_or(|next| window[at + 1 + next] == b'\n')
        } else {
            before <= slashes
        };
        if closes {
            // `''` inside: SQL and YAML write a single one so.
            if mark == b'\'' && slashes == 0 && window.get(at + 1) == Some(&b'\'') && at > 0 {
                from = at + 2;
                continue;
            }
            if lines > 0 && !ends_word(text, start + at + 1) {
                return None;
            }
            let end = start + at - before.min(slashes);
            return Some(Place { start, end, quoted: true });
        }
        from = at + 1;
    }
    None
}

/// Whether what stands here is the end of a word: the end, white space, or a mark that closes or separates.
fn ends_word(text: &[u8], at: usize) -> bool {
    match text.get(at) {
        None => true,
        Some(b'\\') => matches!(text.get(at + 1), Some(b'n' | b'r' | b't' | b'"' | b'\'' | b'\\')),
        Some(byte) => {
            byte.is_ascii_whitespace()
                || matches!(
                    byte,
                    b',' | b';'
                        | b')'
                        | b']'
                        | b'}'
                        | b'"'
                        | b'\''
                        | b'`'
                        | b'<'
                        | b'>'
                        | b':'
                        | b'|'
                        | b'&'
                        | b'/'
                        | b'.'
                )
        }
    }
}

/// How a bare value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bare {
    /// Among other text: to the next space, without the marks that close or separate.
    Word,
    /// A parameter of a URL or form: also to the next `&`.
    Query,
}

/// The bare value at a place.
pub(super) fn bare(text: &[u8], start: usize, kind: Bare) -> Place {
    let end = bare_end(text, start, kind, MAX_BARE);
    Place { start, end, quoted: false }
}

/// The end of a bare value, however long: for one that was judged to be a secret by its beginning.
pub(super) fn extend(text: &[u8], place: Place, kind: Bare) -> Place {
    if place.quoted || place.end - place.start < MAX_BARE {
        return place;
    }
    Place { end: bare_end(text, place.start, kind, usize::MAX), ..place }
}

fn bare_end(text: &[u8], start: usize, kind: Bare, most: usize) -> usize {
    let limit = text.len().min(start.saturating_add(most));
    let mut depth = [0_i32; 3];
    let mut at = start;
    while at < limit {
        let byte = text[at];
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | 0 => break,
            b'"' | b'\'' | b'`' if at == start || ends_word(text, at + 1) || kind == Bare::Query => break,
            b'<' if text.get(at + 1).is_some_and(|next| *next == b'/' || next.is_ascii_alphabetic())
                || kind == Bare::Query =>
            {
                break;
            }
            b'>' if kind == Bare::Query || text.get(at + 1).is_none_or(|next| matches!(next, b'<' | b'\n' | b'\r')) => {
                break;
            }
            b'&' if kind == Bare::Query => break,
            b'&' if at == start => {}
            b'&' if begins_pair(text, at + 1)
                || part(text, at, usize::MAX).starts_with(b"&amp;")
                || part(text, at, usize::MAX).starts_with(b"&quot;")
                || part(text, at, usize::MAX).starts_with(b"&#")
                || part(text, at, usize::MAX).starts_with(b"&lt;")
                || text.get(at + 1) == Some(&b'&') =>
            {
                break;
            }
            b'#' if kind == Bare::Query => break,
            b'%' if kind == Bare::Query
                && (part(text, at, usize::MAX).starts_with(b"%26")
                    || part(text, at, usize::MAX).starts_with(b"%22")
                    || part(text, at, usize::MAX).starts_with(b"%20")
                    || part(text, at, usize::MAX).starts_with(b"%0A")) =>
            {
                break;
            }
            b'%' if part(text, at, usize::MAX).starts_with(b"%26") && begins_pair(text, at + 3) => break,
            b';' if kind == Bare::Query && begins_pair(text, at + 1) => break,
            b';' | b','
                if text.get(at + 1).is_none_or(|next| {
                    next.is_ascii_whitespace() || matches!(next, b'"' | b'\'' | b'`' | b'}' | b']' | b')' | b'<')
                }) || begins_pair(text, at + 1)
                    || text.get(at + 1) == Some(&b'\\') =>
            {
                break;
            }
            b'|' if text.get(at + 1).is_none_or(u8::is_ascii_whitespace) && at > start => break,
            b'(' => depth[0] += 1,
            b'[' => {
                // A marker is not part of anything.
                if marker::next(part(text, 0, text.len().min(at + 128)), at).is_some_and(|found| found.start == at)
                    && at > start
                {
                    break;
                }
                depth[1] += 1;
            }
            b'{' => depth[2] += 1,
            b')' | b']' | b'}' => {
                let kind = match byte {
                    b')' => 0,
                    b']' => 1,
                    _ => 2,
                };
                depth[kind] -= 1;
                if depth[kind] < 0 && closes_all(text, at) {
                    break;
                }
            }
            b'\\' => match text.get(at + 1) {
                Some(b'"' | b'\'' | b'`') => break,
                Some(b'n' | b'r' | b't') if escape_separates(text, at + 2) => break,
                Some(b'u')
                    if part(text, at + 2, usize::MAX).starts_with(b"0026")
                        || part(text, at + 2, usize::MAX).starts_with(b"0022")
                        || part(text, at + 2, usize::MAX).starts_with(b"003c")
                        || part(text, at + 2, usize::MAX).starts_with(b"003e")
                        || part(text, at + 2, usize::MAX).starts_with(b"0027") =>
                {
                    break;
                }
                Some(b'\\') => {
                    // `\\"` and deeper: the end of a string in a string.
                    let slashes = part(text, at, limit).iter().take_while(|byte| **byte == b'\\').count();
                    if matches!(text.get(at + slashes), Some(b'"' | b'\''))
                        || matches!(text.get(at + slashes), Some(b'n' | b'r' | b't'))
                            && escape_separates(text, at + slashes + 1)
                    {
                        break;
                    }
                    at += slashes;
                    continue;
                }
                Some(next) if !next.is_ascii_whitespace() => at += 1,
                _ => {}
            },
            _ => {}
        }
        at += 1;
    }
    let mut end = at.min(text.len());
    // The limit may have cut a character; a whole text stays one.
    while end > start && end < text.len() && text[end] & 0xC0 == 0x80 {
        end -= 1;
    }
    end
}

/// Whether from here on only closing and separating marks come before the word ends.
fn closes_all(text: &[u8], at: usize) -> bool {
    let rest = part(text, at, text.len().min(at + 16));
    let marks = rest
        .iter()
        .take_while(|byte| {
            matches!(byte, b')' | b']' | b'}' | b',' | b';' | b'.' | b'"' | b'\'' | b'`' | b':' | b'\\' | b'>' | b'|')
        })
        .count();
    rest.get(marks).is_none_or(u8::is_ascii_whitespace)
        || rest[..marks].iter().any(|byte| matches!(byte, b',' | b'"' | b'\'' | b';' | b'\\'))
}

/// Whether `name=` or `name:` begins here (after spaces), as after a separator of pairs.
pub(super) fn begins_pair(text: &[u8], at: usize) -> bool {
    let rest = part(text, at.min(text.len()), text.len().min(at + 48));
    let rest = rest.trim_ascii_start();
    let length = rest
        .iter()
        .take_while(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b' ' | b'[' | b']' | b'$')
        })
        .count();
    length > 0
        && (rest[0].is_ascii_alphabetic() || rest[0] == b'_' || rest[0] == b'$')
        && (matches!(rest.get(length), Some(b'=' | b':')) || rest[length..].starts_with(b"%3D"))
}

/// Whether what follows an escaped line end shows that it is one, and not part of a password.
fn escape_separates(text: &[u8], at: usize) -> bool {
    match text.get(at) {
        None => true,
        Some(byte) => {
            byte.is_ascii_whitespace()
                || matches!(byte, b'"' | b'\'' | b'\\' | b'-' | b'#' | b'[' | b'{' | b'}' | b'<' | b'/' | b'>')
                || byte.is_ascii_uppercase()
                || begins_pair(text, at)
        }
    }
}

/// From a place to the end of the line or of the string that holds it, without white space and a comment at the end.
pub(super) fn rest_of_line(text: &[u8], start: usize, outer_quote: Option<&[u8]>) -> usize {
    let window = part(text, start, text.len().min(start + MAX_BARE));
    let mut end = memchr::memchr2(b'\n', b'\r', window).unwrap_or(window.len());
    if let Some(at) = memchr::memmem::find(&window[..end], b"\\n") {
        end = at;
    }
    if let Some(quote) = outer_quote
        && let Some(at) = memchr::memmem::find(&window[..end], quote)
    {
        end = at;
    }
    if let Some(at) = memchr::memmem::find(&window[..end], b" #") {
        end = at;
    }
    start + window[..end].trim_ascii_end().len()
}

/// The lines of a YAML block (`|`, `>-`): from the first line after `at` that is indented more than `indent`.
pub(super) fn block(text: &[u8], at: usize, indent: usize) -> Option<Place> {
    let limit = text.len().min(at + MAX_BLOCK);
    let mut next = at + memchr::memchr(b'\n', text.get(at..limit)?)? + 1;
    let (mut start, mut end) = (None, next);
    while next < limit {
        let line_end = memchr::memchr(b'\n', part(text, next, limit)).map_or(limit, |length| next + length);
        let line = part(text, next, line_end);
        let blank = line.trim_ascii();
        let depth = line.iter().take_while(|byte| **byte == b' ').count();
        if !blank.is_empty() {
            if depth <= indent {
                break;
            }
            if start.is_none() {
                start = Some(next + depth);
            }
            end = next + line.trim_ascii_end().len();
        }
        next = line_end + 1;
    }
    while end < text.len() && text[end] & 0xC0 == 0x80 {
        end -= 1;
    }
    start.filter(|start| *start < end).map(|start| Place { start, end, quoted: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_quotes(text: &str) -> Option<&str> {
        quoted(text.as_bytes(), 0).map(|place| &text[place.start..place.end])
    }

    fn bare_in(text: &str) -> &str {
        let place = bare(text.as_bytes(), 0, Bare::Word);
        &text[place.start..place.end]
    }

    #[test]
    fn quotes_close_where_they_were_opened() {
        assert_eq!(in_quotes(r#""abc" x"#), Some("abc"));
        assert_eq!(in_quotes(r#""a\"b" x"#), Some(r#"a\"b"#));
        assert_eq!(in_quotes(r#"\"abc\", \"d\""#), Some("abc"));
        assert_eq!(in_quotes(r#"\"a\\\"b\","#), Some(r#"a\\\"b"#));
        assert_eq!(in_quotes(r"'it''s' x"), Some("it''s"));
        assert_eq!(in_quotes(r"'C:\dir\' x"), Some(r"C:\dir\"));
        assert_eq!(in_quotes("&quot;abc&quot; x"), Some("abc"));
        assert_eq!(in_quotes("\"\"\"a\nb\"\"\""), Some("a\nb"));
        assert_eq!(in_quotes("\"never closed"), None);
        assert_eq!(in_quotes("\u{201c}abc\u{201d}"), Some("abc"));
    }

    #[test]
    fn bare_values_end_where_the_text_goes_on() {
        assert_eq!(bare_in("abc def"), "abc");
        assert_eq!(bare_in("p@ss;w,ord&1 x"), "p@ss;w,ord&1");
        assert_eq!(bare_in("abc;Database=x"), "abc");
        assert_eq!(bare_in("abc, user=x"), "abc");
        assert_eq!(bare_in("abc\",\"user\":\"x\"}"), "abc");
        assert_eq!(bare_in("abc)"), "abc");
        assert_eq!(bare_in("a(b)c)]; more"), "a(b)c");
        assert_eq!(bare_in("abc\\nuser=x"), "abc");
        assert_eq!(bare_in("abc\\\"}"), "abc");
        assert_eq!(bare_in("abc</x>"), "abc");
        assert_eq!(bare_in("ab[REDACTED:x]c"), "ab");
    }

    #[test]
    fn a_block_is_what_is_indented_more() {
        let text = "key: |\n    one\n    two\nnext: x\n";
        let place = block(text.as_bytes(), 5, 0);
        assert_eq!(place.map(|place| &text[place.start..place.end]), Some("one\n    two"));
    }
}
