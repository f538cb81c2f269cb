//! Whether a value is a secret, given what its name lets one expect and how it is written.
//!
//! A value that is a file path, a reference to a variable or a vault, a placeholder, a state (`required`, `expired`), an expression
//! of a program, or already redacted is none. What is left is asked for as much randomness as its name is vague.

use super::harmless::{is_colour_or_offset, is_expression, is_harmless, is_name_of_secret, is_same_word, is_state};
use super::names::Level;
use super::shape::{
    is_dictionary_like, is_digits, is_hex, is_path, is_small_number, is_uuid, is_version, is_wordy, looks_random,
    names_something, stands_out,
};

/// How a value stands beside its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A whole value of its own: a JSON string, an XML element, an argument after its flag.
    Whole,
    /// After `=` or `:`, in quotes.
    Quoted,
    /// After `=` or `:`, bare.
    Bare,
    /// A parameter of a URL or of a form.
    Query,
    /// After a space where a directive or a flag takes its value: `requirepass x`, `--token x`.
    Directive,
    /// After "is", "was", "to", "=": prose that announces a value.
    Announced,
    /// Straight after the word in prose: `token x`.
    Prose,
}

/// How much of a value is looked at to judge it: what is longer is random or is not within this.
pub(super) const MAX_JUDGED: usize = 512;

/// Whether the value of such a name, written so, is a secret.
pub(super) fn is_secret(value: &[u8], level: Level, form: Form) -> bool {
    let value = &value[..value.len().min(MAX_JUDGED)];
    let bare = !matches!(form, Form::Whole | Form::Quoted);
    // What costs least is asked first: most words that follow a name are words.
    let nothing = |value: &[u8]| is_harmless(value) || bare && is_expression(value) || is_path(value);
    is_likely(value, level, form, bare) && !nothing(value)
}

/// Whether a value looks as its name and form ask for.
fn is_likely(value: &[u8], level: Level, form: Form, bare: bool) -> bool {
    match form {
        Form::Prose => match level {
            Level::Password => stands_out(value, 6),
            Level::Secret | Level::Token => stands_out(value, 8) && !names_something(value),
            Level::Digits => is_digits(value, 4, 8),
            // `session 0123…`: what is long and random, but no digest of something.
            Level::Weak => looks_random(value, 20) && !is_uuid(value) && !is_hex(value),
            Level::Authorization | Level::Cookie => false,
        },
        Form::Announced | Form::Directive => match level {
            Level::Password => {
                value.len() >= 4 && !is_state(value) && (stands_out(value, 4) || is_digits(value, 4, 32))
            }
            Level::Secret | Level::Token => {
                stands_out(value, if form == Form::Announced { 6 } else { 8 }) && !is_version(value)
            }
            Level::Digits => is_digits(value, 4, 8),
            _ => looks_random(value, 20),
        },
        Form::Whole | Form::Quoted | Form::Bare | Form::Query => assigned(value, level, form, bare),
    }
}

fn assigned(value: &[u8], level: Level, form: Form, bare: bool) -> bool {
    let passed_on = bare && is_name_of_secret(value);
    let nothing = is_state(value) || is_same_word(value) || is_colour_or_offset(value);
    match level {
        Level::Password => {
            value.len() >= if bare { 4 } else { 3 }
                && !nothing
                && (form != Form::Bare || !passed_on)
                && (!bare || !is_digits(value, 1, 3))
        }
        Level::Secret => {
            value.len() >= 6
                && !nothing
                && !passed_on
                && !is_small_number(value)
                && (value.len() >= 8 || !is_dictionary_like(value))
        }
        Level::Token => {
            value.len() >= 6
                && !nothing
                && !passed_on
                && !is_small_number(value)
                && (stands_out(value, 6) || value.len() >= 16 && !is_wordy(value))
                && !is_version(value)
        }
        Level::Digits => is_digits(value, 3, 10),
        // `key: <digest>` says which key, as a fingerprint.
        Level::Weak if form == Form::Bare && is_digest(value) => false,
        Level::Weak => {
            looks_random(value, if form == Form::Query { 12 } else { 16 }) && (form == Form::Query || !is_uuid(value))
                || is_seed_phrase(value)
        }
        Level::Authorization | Level::Cookie => false,
    }
}

/// Hexadecimal digits of a length that MD5, SHA-1 or SHA-2 gives.
fn is_digest(value: &[u8]) -> bool {
    matches!(value.len(), 32 | 40 | 56 | 64 | 96 | 128) && is_hex(value)
}

/// Twelve words or more: a seed phrase of a wallet (BIP 39).
fn is_seed_phrase(value: &[u8]) -> bool {
    value.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b' ')
        && matches!(value.split(|byte| *byte == b' ').count(), 12 | 15 | 18 | 21 | 24)
}
