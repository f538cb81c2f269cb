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
    let mut tokens: Vec<&str> = Vec::new();
    let bytes = message.as_bytes();
    let mut at = 0;
    while at < bytes.len() && tokens.len() < MAX_TOKENS {
        let byte = bytes[at];
        if byte.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        if let b'"' | b'\'' | b'`' = byte
            && let Some(end) = closing_quote(bytes, at)
        {
            push(&mut tokens, WILDCARD);
            at = end + 1;
            continue;
        }
        if is_separator(byte) {
            push(&mut tokens, &message[at..=at]);
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() && !bytes[at].is_ascii_whitespace() && !is_separator(bytes[at]) {
            at += 1;
        }
        // A trailing stop belongs to the sentence, not to the word.
        let mut end = at;
        while end > start + 1 && matches!(bytes[end - 1], b'.' | b'!' | b'?') {
            end -= 1;
        }
        let word = &message[start..end];
        let token = if is_value(word, &tokens) { WILDCARD } else { word };
        push(&mut tokens, token);
    }
    tokens
}

/// The template of `message`: its tokens, joined by blanks.
pub fn template(message: &str) -> String {
    tokens(message).join(" ")
}

/// Two values with nothing between them are one: how many there are is not the program's word either.
fn push<'m>(tokens: &mut Vec<&'m str>, token: &'m str) {
    if token == WILDCARD {
        match tokens.as_slice() {
            [.., WILDCARD] => return,
            // A list of values: `<*> , <*> , <*>`, `<*> : <*>`.
            [.., WILDCARD, "," | ":" | ";" | "|" | "="] => {
                tokens.pop();
                return;
            }
            _ => {}
        }
    }
    tokens.push(token);
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

fn is_value(word: &str, before: &[&str]) -> bool {
    let bytes = word.as_bytes();
    if bytes.iter().any(u8::is_ascii_digit) {
        return true;
    }
    // Paths, URLs, domains of mail, shares.
    if bytes.contains(&b'/') && bytes.len() > 2 && word != "I/O" && word != "i/o"
        || bytes.contains(&b'\\')
        || bytes.contains(&b'@')
    {
        return true;
    }
    // An assigned value: `user = root`, but not the word behind a colon, which begins a sentence as often.
    if let [.., "="] = before {
        return true;
    }
    bytes.len() >= 8 && bytes.iter().all(u8::is_ascii_hexdigit)
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
