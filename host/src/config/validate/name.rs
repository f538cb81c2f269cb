//! What names may be made of. The schema says the same by patterns; here is the wording.

/// What a name may be made of. The schema says the same by patterns.
#[derive(Clone, Copy)]
pub(super) struct NameRule {
    pub(super) accepts: fn(&str) -> bool,
    pub(super) hint: &'static str,
}

impl NameRule {
    pub(super) const PLAIN: Self = Self {
        accepts: |name| first_and_rest(name, |c| c.is_ascii_lowercase(), |c| lower_or_digit(c) || c == '-'),
        hint: "1 to 64 of `a-z`, `0-9` and `-`, beginning with a letter",
    };
    pub(super) const SECTION: Self = Self {
        accepts: |name| first_and_rest(name, |c| c.is_ascii_lowercase(), |c| lower_or_digit(c) || c == '_'),
        hint: "1 to 64 of `a-z`, `0-9` and `_`, beginning with a letter",
    };
    pub(super) const ROOT: Self = Self {
        accepts: |name| first_and_rest(name, |c| c.is_ascii_lowercase(), |c| lower_or_digit(c) || c == '_' || c == '-'),
        hint: "1 to 64 of `a-z`, `0-9`, `_` and `-`, beginning with a letter",
    };
    pub(super) const VERSION: Self = Self {
        accepts: |name| {
            first_and_rest(name, |c| c.is_ascii_alphabetic(), |c| c.is_ascii_alphanumeric() || "_.+-".contains(c))
        },
        hint: "1 to 64 letters, digits and `_ . + -`, beginning with a letter",
    };
    pub(super) const DAEMON: Self = Self {
        accepts: |name| {
            first_and_rest(name, |c| c.is_ascii_alphanumeric(), |c| c.is_ascii_alphanumeric() || "_.@:-".contains(c))
        },
        hint: "1 to 64 letters, digits and `_ . @ : -`, beginning with a letter or a digit",
    };
}

fn lower_or_digit(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

fn first_and_rest(name: &str, first: impl Fn(char) -> bool, rest: impl Fn(char) -> bool) -> bool {
    let mut characters = name.chars();
    name.len() <= 64 && characters.next().is_some_and(first) && characters.all(rest)
}
