//! Which parts of a message are values and not words of the program.
//!
//! A message is cut into tokens at blanks and at the punctuation that programs put around values. What has a digit,
//! what is a path, an address, hexadecimal, quoted or assigned is a value: `<*>`. The result depends on the message
//! alone, not on what came before, so a fingerprint made from it is the same on every machine and after every restart.

/// What stands for a value.
pub const WILDCARD: &str = "<*>";

/// More tokens than this say nothing more about the kind of a line.
const MAX_TOKENS: usize = 64;

/// The tokens of `message` with values replaced. A token is a word or one piece of punctuation.
pub fn tokens(message: &str) -> Vec<&str> {
    let mut cutter = Cutter { message, bytes: message.as_bytes(), at: 0, depth: 0, tokens: Vec::new() };
    while cutter.at < cutter.bytes.len() && cutter.tokens.len() < MAX_TOKENS {
        cutter.next();
    }
    cutter.tokens
}

/// The template of `message`: its tokens, joined by blanks.
pub fn template(message: &str) -> String {
    tokens(message).join(" ")
}

struct Cutter<'m> {
    message: &'m str,
    bytes: &'m [u8],
    at: usize,
    /// Brackets that are open.
    depth: usize,
    tokens: Vec<&'m str>,
}

impl<'m> Cutter<'m> {
    fn next(&mut self) {
        let byte = self.bytes[self.at];
        if byte.is_ascii_whitespace() {
            self.at += 1;
            return;
        }
        if let b'"' | b'\'' | b'`' = byte
            && let Some(end) = closing_quote(self.bytes, self.at)
            && !self.bytes[self.at + 1..end].contains(&b' ')
        {
            self.value();
            self.at = end + 1;
            return;
        }
        if is_separator(byte) {
            self.punctuation(byte);
            return;
        }
        let start = self.at;
        while self.at < self.bytes.len()
            && !self.bytes[self.at].is_ascii_whitespace()
            && !is_separator(self.bytes[self.at])
        {
            self.at += 1;
        }
        // A trailing stop belongs to the sentence, not to the word.
        let mut end = self.at;
        while end > start + 1 && matches!(self.bytes[end - 1], b'.' | b'!' | b'?') {
            end -= 1;
        }
        let word = &self.message[start..end];
        if self.is_value(word, start) {
            self.value();
            // `WorkSource{10113}`: what is attached to a value is part of it.
            if self.assigned(start)
                && matches!(self.bytes.get(self.at), Some(b'{' | b'('))
                && let Some(close) = self.bytes[self.at..].iter().position(|b| matches!(b, b'}' | b')'))
            {
                self.at += close + 1;
            }
        } else {
            self.tokens.push(word);
        }
    }

    fn punctuation(&mut self, byte: u8) {
        let mark = &self.message[self.at..=self.at];
        let next = self.bytes.get(self.at + 1).copied().unwrap_or(b' ');
        self.at += 1;
        match byte {
            b'(' | b'[' | b'{' => self.depth += 1,
            b')' | b']' | b'}' => {
                self.depth = self.depth.saturating_sub(1);
                match self.tokens.as_slice() {
                    // `1210 bytes (1.18 KB)`: the same once more.
                    [before @ .., "(", WILDCARD]
                        if before.last() != Some(&":") && byte == b')' && said_before(before) =>
                    {
                        self.tokens.truncate(self.tokens.len() - 2);
                        return;
                    }
                    // An empty pair is a value that is not there.
                    [before @ .., "("] if byte == b')' && said_before(before) => {
                        self.tokens.pop();
                        return;
                    }
                    [.., "(" | "["] => self.tokens.push(WILDCARD),
                    _ => {}
                }
            }
            // `<1 sec`.
            b'<' if next.is_ascii_digit() => return,
            _ => {}
        }
        self.tokens.push(mark);
    }

    /// Two values with nothing between them are one: how many there are is not the program's word either.
    fn value(&mut self) {
        match self.tokens.as_slice() {
            [.., WILDCARD] => {}
            // A list of values: `<*> , <*> , <*>`, `<*> : <*>`.
            [.., WILDCARD, "," | ":" | ";" | "|" | "="] => {
                self.tokens.pop();
            }
            _ => self.tokens.push(WILDCARD),
        }
    }

    fn is_value(&self, word: &str, start: usize) -> bool {
        let bytes = word.as_bytes();
        if bytes.iter().any(u8::is_ascii_digit) {
            return true;
        }
        // Paths, URLs, domains of mail, shares.
        if bytes.contains(&b'/') && bytes.len() > 2 && !word.eq_ignore_ascii_case("i/o")
            || bytes.contains(&b'\\')
            || bytes.contains(&b'@')
        {
            return true;
        }
        if self.assigned(start) || word == "-" && self.depth > 0 {
            return true;
        }
        // `Sat Jun 18`, `12 KB`: parts of a time, the unit of a number.
        if is_calendar(word)
            && self.message[self.at..].trim_start().starts_with(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase())
        {
            return true;
        }
        if is_host_name(word) {
            return true;
        }
        let last = self.tokens.last().copied().unwrap_or("");
        if last == "for" && self.message[self.at..].starts_with(" from ") {
            return true;
        }
        if last == WILDCARD && is_unit(word) {
            return true;
        }
        // `for user anna`: what stands there is a name.
        if matches!(last, "user" | "host" | "hostname") && !is_small_word(word) {
            return true;
        }
        bytes.len() >= 8 && bytes.iter().all(u8::is_ascii_hexdigit)
    }

    /// Whether the word at `start` stands behind `=`: directly, or with blanks on both sides of it.
    fn assigned(&self, start: usize) -> bool {
        let head = self.bytes[..start].trim_ascii_end();
        match head.split_last() {
            Some((b'=', before)) => head.len() == start || before.last() == Some(&b' '),
            _ => false,
        }
    }
}

/// A size or a time was named just before.
fn said_before(before: &[&str]) -> bool {
    matches!(before, [.., WILDCARD] | [.., WILDCARD, _])
}

/// `proxy.example.com`, `chrome.exe`: names that end as those of hosts and programs do.
fn is_host_name(word: &str) -> bool {
    const ENDS: [&str; 19] = [
        "com", "net", "org", "edu", "gov", "io", "cn", "hk", "uk", "de", "fr", "jp", "ru", "eu", "local", "lan",
        "internal", "example", "exe",
    ];
    word.rsplit_once('.').is_some_and(|(stem, end)| !stem.is_empty() && ENDS.contains(&end))
}

fn is_calendar(word: &str) -> bool {
    const WORDS: [&str; 19] = [
        "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep",
        "Oct", "Nov", "Dec",
    ];
    WORDS.contains(&word)
}

fn is_unit(word: &str) -> bool {
    const UNITS: [&str; 17] =
        ["B", "KB", "kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "ns", "us", "ms", "s", "sec", "secs", "seconds", "%"];
    UNITS.contains(&word)
}

fn is_small_word(word: &str) -> bool {
    const WORDS: [&str; 12] =
        ["is", "was", "not", "has", "and", "or", "by", "from", "to", "of", "authentication", "unknown"];
    WORDS.contains(&word)
}

fn is_separator(byte: u8) -> bool {
    matches!(
        byte,
        b'=' | b':' | b',' | b';' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'<' | b'>' | b'|' | b'"' | b'\'' | b'`'
    )
}

/// Where the quote that opens at `at` closes; `None` if it is an apostrophe or never closes.
fn closing_quote(bytes: &[u8], at: usize) -> Option<usize> {
    let quote = bytes[at];
    if quote == b'\'' && at > 0 && bytes[at - 1].is_ascii_alphanumeric() {
        return None;
    }
    let close = if quote == b'`' { [b'`', b'\''] } else { [quote, quote] };
    let mut end = at + 1;
    while end < bytes.len() {
        if bytes[end] == b'\\' {
            end += 2;
            continue;
        }
        if close.contains(&bytes[end]) && (quote != b'\'' || !bytes.get(end + 1).is_some_and(u8::is_ascii_alphanumeric))
        {
            return Some(end);
        }
        end += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_masked_and_words_are_not() {
        for (message, expected) in [
            ("Connection to 10.0.0.1:5432 refused after 3 tries", "Connection to <*> refused after <*> tries"),
            ("cannot open \"/etc/x\": No such file", "cannot open <*> : No such file"),
            ("user=root uid=0 failed", "user = <*> uid = <*> failed"),
            ("I/O error, dev sda, sector 12", "I/O error , dev sda , sector <*>"),
            ("can't stop", "can ' t stop"),
            ("got [1, 2, 3] items", "got [ <*> ] items"),
        ] {
            assert_eq!(template(message), expected);
        }
    }

    #[test]
    fn parameters_do_not_change_the_template() {
        let a = template("job 17 of user 'anna' failed in 12ms: exit status 3");
        let b = template("job 99812 of user 'berta' failed in 1.5s: exit status 127");
        assert_eq!(a, b);
    }
}
