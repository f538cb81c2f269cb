//! Patterns of paths: `*`, `?`, `[...]` within a name, `**` for any number of directories.
//!
//! Owns the matching of names; walks no directories. Matching takes time proportional to pattern times name at worst,
//! whatever the pattern.

use super::{Error, Result};

/// How many names a pattern may have. `**` itself goes at most as deep as the walk allows.
const MAX_NAMES: usize = 64;

/// A parsed pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) names: Vec<Name>,
}

/// What one name of a path must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    /// Exactly this.
    Literal(String),
    /// Whatever fits.
    Glob(Vec<Token>),
    /// Any number of directories, none included.
    AnyDepth,
}

/// A part of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Char(char),
    /// `?`
    One,
    /// `*`
    Any,
    /// `[a-z_]`, `[!a-z_]`
    Set {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    /// Parses a pattern that was checked to be a plain relative path.
    pub(super) fn parse(pattern: &str) -> Result<Self> {
        let mut names = Vec::new();
        for name in pattern.split('/') {
            let name = if name == "**" { Name::AnyDepth } else { parse_name(name, pattern)? };
            // Several in a row mean what one means, and would only multiply the walk.
            if name != Name::AnyDepth || names.last() != Some(&Name::AnyDepth) {
                names.push(name);
            }
        }
        if names.len() > MAX_NAMES {
            let count = names.len();
            return Err(Error::Exhausted(format!("a pattern of {count} names is deeper than {MAX_NAMES}")));
        }
        // `a/**` is everything below `a`.
        if names.last() == Some(&Name::AnyDepth) {
            names.push(Name::Glob(vec![Token::Any]));
        }
        Ok(Self { names })
    }
}

impl Name {
    /// Whether the name fits.
    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Literal(literal) => literal == name,
            Self::Glob(tokens) => matches(tokens, name),
            Self::AnyDepth => true,
        }
    }
}

fn parse_name(name: &str, pattern: &str) -> Result<Name> {
    let invalid = |why: &str| Err(Error::Invalid(format!("pattern `{pattern}`: {why}")));
    if !name.contains(['*', '?', '[']) {
        return Ok(Name::Literal(name.to_owned()));
    }
    let mut tokens = Vec::new();
    let mut rest = name.chars().peekable();
    while let Some(letter) = rest.next() {
        match letter {
            '*' => {
                if rest.peek() == Some(&'*') {
                    return invalid("`**` must stand alone between slashes");
                }
                tokens.push(Token::Any);
            }
            '?' => tokens.push(Token::One),
            '[' => {
                let negated = rest.next_if(|next| matches!(next, '!' | '^')).is_some();
                let mut ranges = Vec::new();
                loop {
                    let Some(low) = rest.next() else { return invalid("a `[` has no `]`") };
                    // A bracket that closes nothing yet is a member of the set.
                    if low == ']' && !ranges.is_empty() {
                        break;
                    }
                    if rest.peek() == Some(&'-') {
                        rest.next();
                        match rest.next_if(|next| *next != ']') {
                            Some(high) => ranges.push((low, high)),
                            None => ranges.extend([(low, low), ('-', '-')]),
                        }
                    } else {
                        ranges.push((low, low));
                    }
                }
                tokens.push(Token::Set { negated, ranges });
            }
            letter => tokens.push(Token::Char(letter)),
        }
    }
    Ok(Name::Glob(tokens))
}

/// Goes back to the last `*` only, which is enough and never exponential.
fn matches(tokens: &[Token], name: &str) -> bool {
    let (mut token, mut at) = (0, name.chars());
    let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
    loop {
        if let Some(Token::Any) = tokens.get(token) {
            token += 1;
            retry = Some((token, at.clone()));
            continue;
        }
        let before = at.clone();
        let fits = match (tokens.get(token), at.next()) {
            (None, None) => return true,
            (Some(expected), Some(letter)) => expected.accepts(letter),
            _ => false,
        };
        if fits {
            token += 1;
            continue;
        }
        // No letter is left to be swallowed by the star.
        if before.as_str().is_empty() {
            return false;
        }
        let Some((back, from)) = retry.as_mut() else { return false };
        if from.next().is_none() {
            return false;
        }
        token = *back;
        at = from.clone();
    }
}

impl Token {
    fn accepts(&self, letter: char) -> bool {
        match self {
            Self::Char(expected) => *expected == letter,
            Self::One => true,
            Self::Any => false,
            Self::Set { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&letter)) != *negated
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, name: &str) -> bool {
        parse_name(pattern, pattern).unwrap().matches(name)
    }

    #[test]
    fn names_are_matched_as_a_shell_does_but_for_leading_dots() {
        assert!(fits("*.log", "a.log") && fits("*.log", ".log") && !fits("*.log", "a.log.1"));
        assert!(fits("*", ".hidden") && fits("a?c", "aäc") && !fits("a?c", "ac"));
        assert!(fits("*a*b*", "xxaxxbxx") && !fits("*a*b*", "xxbxxaxx"));
        assert!(fits("app-[0-9][0-9].log", "app-07.log") && !fits("app-[0-9].log", "app-x.log"));
        assert!(fits("[!a-c]x", "dx") && !fits("[!a-c]x", "bx"));
        assert!(fits("[]x]", "]") && fits("[a-]", "-") && fits("[a-]", "a") && !fits("[a-]", "b"));
        assert!(fits("plain", "plain") && !fits("plain", "plainer"));
        assert!(fits("a*", "a") && fits("*", "") && !fits("?", ""));
    }

    #[test]
    fn a_hostile_pattern_takes_no_time() {
        let pattern = "*a".repeat(1_000);
        assert!(!fits(&pattern, &"a".repeat(900)));
        assert!(fits(&pattern, &"a".repeat(1_000)));
        assert!(!fits(&format!("{pattern}b"), &"a".repeat(4_000)));
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for pattern in ["a**", "**b", "[abc", "[]"] {
            assert!(matches!(Pattern::parse(pattern), Err(Error::Invalid(_))), "{pattern}");
        }
        assert!(matches!(Pattern::parse(&vec!["a"; 65].join("/")), Err(Error::Exhausted(_))));
        assert_eq!(Pattern::parse("a/**/**/b").unwrap().names.len(), 3);
        assert_eq!(Pattern::parse("a/**").unwrap().names.len(), 3);
    }

    #[test]
    fn matching_agrees_with_the_plain_definition() {
        fn plain(tokens: &[Token], name: &[char]) -> bool {
            match (tokens.split_first(), name.split_first()) {
                (None, None) => true,
                (Some((Token::Any, rest)), _) => plain(rest, name) || (!name.is_empty() && plain(tokens, &name[1..])),
                (Some((token, rest)), Some((letter, name))) => token.accepts(*letter) && plain(rest, name),
                _ => false,
            }
        }
        proptest::proptest!(|(pattern in "[ab*?]{0,8}", name in "[ab]{0,8}")| {
            if let Ok(parsed) = parse_name(&pattern, &pattern) {
                let letters: Vec<char> = name.chars().collect();
                let expected = match &parsed {
                    Name::Glob(tokens) => plain(tokens, &letters),
                    _ => pattern == name,
                };
                proptest::prop_assert_eq!(parsed.matches(&name), expected);
            }
        });
    }
}
