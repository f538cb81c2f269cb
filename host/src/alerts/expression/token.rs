//! The words of a condition, each with the column at which it begins.

use super::Flaw;

/// One word.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// `clock.offset_seconds`: letters, digits, `_` and dots.
    Name(String),
    /// With its unit applied: `30s` is 30, `1KiB` is 1024, `90%` is 0.9.
    Number(f64),
    /// In double quotes; `\"` and `\\` stand for themselves.
    Text(String),
    /// Everything else.
    Symbol(&'static str),
}

/// A word and where it begins, counted in characters from 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed {
    pub(super) token: Token,
    pub(super) column: usize,
}

/// Longest first, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 24] = [
    "<=", ">=", "==", "!=", "=~", "!~", "&&", "||", "<", ">", "=", "!", "(", ")", "{", "}", ",", ".", "+", "-", "*",
    "/", "%", ";",
];

/// What may follow a number, with what it multiplies it by.
const UNITS: [(&str, f64); 15] = [
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3_600.0),
    ("d", 86_400.0),
    ("B", 1.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("KiB", 1_024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
    ("%", 0.01),
];

/// Splits a text into words.
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, Flaw> {
    let characters: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&c) = characters.get(at) {
        let start = at;
        let token = if c.is_whitespace() {
            at += 1;
            continue;
        } else if c.is_ascii_alphabetic() || c == '_' {
            at = end_of_name(&characters, at);
            Token::Name(characters[start..at].iter().collect())
        } else if c.is_ascii_digit() {
            let (number, end) = number(&characters, at)?;
            at = end;
            Token::Number(number)
        } else if c == '"' || c == '\'' {
            let (content, end) = quoted(&characters, at)?;
            at = end;
            Token::Text(content)
        } else {
            let rest: String = characters[at..characters.len().min(at + 2)].iter().collect();
            let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) else {
                return Err(Flaw::at(start + 1, format!("`{}` means nothing here", c.escape_debug())));
            };
            at += symbol.len();
            Token::Symbol(symbol)
        };
        found.push(Placed { token, column: start + 1 });
    }
    Ok(found)
}

/// A dot belongs to a name where a letter follows it.
fn end_of_name(characters: &[char], mut at: usize) -> usize {
    while let Some(&c) = characters.get(at) {
        let joins = c == '.' && characters.get(at + 1).is_some_and(|next| next.is_ascii_alphanumeric() || *next == '_');
        if !(c.is_ascii_alphanumeric() || c == '_' || joins) {
            break;
        }
        at += 1;
    }
    at
}

fn number(characters: &[char], start: usize) -> Result<(f64, usize), Flaw> {
    let digits = |mut at: usize| {
        while characters.get(at).is_some_and(char::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let mut end = digits(start);
    if characters.get(end) == Some(&'.') && characters.get(end + 1).is_some_and(char::is_ascii_digit) {
        end = digits(end + 1);
    }
    if matches!(characters.get(end), Some('e' | 'E')) {
        let sign = usize::from(matches!(characters.get(end + 1), Some('+' | '-')));
        let exponent = digits(end + 1 + sign);
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    let written: String = characters[start..end].iter().collect();
    let number: f64 = written.parse().map_err(|_| Flaw::at(start + 1, format!("`{written}` is no number")))?;
    let unit_end = match characters.get(end) {
        Some('%') => end + 1,
        _ => (end..).find(|at| !characters.get(*at).is_some_and(char::is_ascii_alphanumeric)).unwrap_or(end),
    };
    let unit: String = characters[end..unit_end].iter().collect();
    if unit.is_empty() {
        return Ok((number, end));
    }
    match UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, factor)) => Ok((number * factor, unit_end)),
        None => {
            let known: Vec<&str> = UNITS.iter().map(|(name, _)| *name).collect();
            Err(Flaw::at(end + 1, format!("`{unit}` is no unit")).hint(format!("one of {}", known.join(", "))))
        }
    }
}

fn quoted(characters: &[char], start: usize) -> Result<(String, usize), Flaw> {
    let quote = characters[start];
    let mut content = String::new();
    let mut at = start + 1;
    while let Some(&c) = characters.get(at) {
        match c {
            c if c == quote => return Ok((content, at + 1)),
            '\\' if matches!(characters.get(at + 1), Some('"' | '\'' | '\\')) => {
                content.push(characters[at + 1]);
                at += 2;
            }
            c => {
                content.push(c);
                at += 1;
            }
        }
    }
    Err(Flaw::at(start + 1, "the text that begins here has no end").hint(format!("close it with {quote}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Vec<Token> {
        tokens(text).unwrap().into_iter().map(|placed| placed.token).collect()
    }

    #[test]
    fn words_are_told_apart() {
        let name = |text: &str| Token::Name(text.to_owned());
        assert_eq!(
            plain(r#"daemon("a\"b").status>=1.5e3"#),
            [
                name("daemon"),
                Token::Symbol("("),
                Token::Text("a\"b".to_owned()),
                Token::Symbol(")"),
                Token::Symbol("."),
                name("status"),
                Token::Symbol(">="),
                Token::Number(1500.0),
            ]
        );
        assert_eq!(plain("clock.offset_seconds.abs"), [name("clock.offset_seconds.abs")]);
        let numbers = [Token::Number(90.0), Token::Number(0.9), Token::Number(2_097_152.0)];
        assert_eq!(plain("1.5m 90% 2MiB"), numbers);
    }

    #[test]
    fn a_flaw_says_where() {
        for (text, column) in [("a > 3x", 6), ("a > \"b", 5), ("a § b", 3), ("größe > 1", 3)] {
            assert_eq!(tokens(text).unwrap_err().column, column, "{text}");
        }
    }
}
