//! What is no secret whatever its name: placeholders, references to where a secret is kept, states, expressions of programs.

use super::marker;
use super::names;
use super::shape::{is_identifier, is_identifier_path, is_version, is_wordy, starts_with_ignore_case};
use super::words::{HOLDERS, NOTHING, SAME, STATES};

/// Empty, a placeholder, a reference or already redacted, whatever its name says.
pub(super) fn is_harmless(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    let (Some(&first), Some(&last)) = (value.first(), value.last()) else { return true };
    if marker::contains(value) {
        return true;
    }
    if value.iter().all(|byte| *byte == first) && (!first.is_ascii_digit() || value.len() >= 8) && value.len() != 1 {
        return true;
    }
    if value.iter().all(|byte| matches!(byte, b'*' | b'.' | b'-' | b'_' | b'#' | b'?' | b'x' | b'X')) {
        return true;
    }
    // A run of asterisks with a few letters before or after it is what others leave of a secret.
    if value.windows(4).any(|window| window == b"****" || window == b"XXXX" && value.len() < 24) {
        return true;
    }
    match (first, last) {
        (b'<', b'>') | (b'{', b'}') | (b'[', b']') | (b'(', b')') => return true,
        (b'%', b'%') if value.len() > 2 && is_identifier(&value[1..value.len() - 1]) => return true,
        (b'_', b'_')
            if value.starts_with(b"__")
                && value.len() > 4
                && value.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'_') =>
        {
            return true;
        }
        (b'$', _) if is_variable(&value[1..]) => return true,
        (b'#', b'}') if value.starts_with(b"#{") => return true,
        (b'%', _)
            if value.len() <= 4
                || value.starts_with(b"%(")
                || value.starts_with(b"%{")
                || value.starts_with(b"%env(") =>
        {
            return true;
        }
        (b'!', _)
            if [&b"!Ref"[..], b"!Sub", b"!GetAtt", b"!vault", b"!secret", b"!ImportValue", b"!reference"]
                .iter()
                .any(|tag| value.starts_with(tag)) =>
        {
            return true;
        }
        (b'@', _) if value.starts_with(b"@Microsoft.KeyVault") => return true,
        _ => {}
    }
    if value.starts_with(b"ENC[")
        || value.starts_with(b"{cipher}")
        || value.starts_with(b"{{")
        || value.starts_with(b"${")
        || value.starts_with(b"$(")
        || value.starts_with(b"$[")
    {
        return true;
    }
    // All references have one of these marks.
    if value.len() <= 300
        && value.iter().any(|byte| matches!(byte, b':' | b'.' | b'(' | b'/' | b'[' | b'-' | b'+'))
        && REFERENCES.split_ascii_whitespace().any(|prefix| starts_with_ignore_case(value, prefix.as_bytes()))
    {
        return true;
    }
    // `"x-password": "^1.2.3"`: a version of a package.
    if matches!(first, b'^' | b'~' | b'>' | b'=')
        && is_version(value.trim_ascii_start().strip_prefix(b">=").unwrap_or(value))
    {
        return true;
    }
    // Rules of a form: `required|string|min:8`.
    if let Some(bar) = memchr::memchr(b'|', value)
        && (STATES.contains(&value[..bar]) || NOTHING.contains(&value[..bar]))
    {
        return true;
    }
    is_placeholder(value)
}

/// What introduces a reference to where a secret is kept.
const REFERENCES: &str = "vault: op:// ref+ secret:// arn: env: env. env( file: file( fd: ssm: ssm:// keyring: keychain: gcp-sm: awssm: \
    azurekeyvault: akv: sm:// gsm: projects/ secretsmanager: aws-sm: credential: credentials( process.env \
    os.environ os.getenv getenv system.getenv env:: std::env env[ lookup( var. local. data. module. secrets. \
    bao: cred: systemd-creds dynamic: sha256: sha512: sha1: md5: sha256- sha384- sha512- image: \
    registry: prompt:";

/// A reference in the manner of shells: `VAR`, `VAR}`, `VAR:-x`, `(cmd)`. What comes after the dollar sign is given.
fn is_variable(rest: &[u8]) -> bool {
    match rest.first() {
        None => true,
        Some(b'{' | b'(' | b'[') => true,
        Some(_) => {
            let lower = rest.iter().any(u8::is_ascii_lowercase);
            let upper = rest.iter().any(u8::is_ascii_uppercase);
            let name = rest.strip_suffix(b"$").unwrap_or(rest);
            let words = name.iter().filter(|byte| byte.is_ascii_digit()).count() <= 1;
            is_identifier(name) && words && (!(lower && upper) || names::classify(name).is_some())
                || is_identifier_path(name)
                    && rest.iter().any(|byte| matches!(byte, b'>' | b'[' | b'.'))
                    && !rest.iter().any(u8::is_ascii_digit)
        }
    }
}

/// What people write where a secret is to come.
fn is_placeholder(value: &[u8]) -> bool {
    if value.len() > 64 {
        return false;
    }
    let mut buffer = [0_u8; 64];
    let mut length = 0;
    for byte in value {
        if byte.is_ascii_alphanumeric() {
            buffer[length] = byte.to_ascii_lowercase();
            length += 1;
        }
    }
    let folded = &buffer[..length];
    if folded.is_empty() {
        return value.iter().all(|byte| {
            matches!(
                byte,
                b'*' | b'.'
                    | b'-'
                    | b'_'
                    | b'#'
                    | b'?'
                    | b'"'
                    | b'\''
                    | b'\\'
                    | b','
                    | b';'
                    | b':'
                    | b'='
                    | b'|'
                    | b'/'
            )
        });
    }
    if folded
        .windows(8)
        .any(|window| window == b"redacted" || window == b"censored" || window == b"scrubbed" || window == b"filtered")
    {
        return true;
    }
    if NOTHING.contains(folded) {
        return true;
    }
    let starts = |prefix: &[u8]| folded.starts_with(prefix);
    let ends = |suffix: &[u8]| folded.ends_with(suffix);
    let digits = folded.iter().filter(|byte| byte.is_ascii_digit()).count();
    digits <= 4
        && ((starts(b"your")
            && (value.contains(&b'-') || value.contains(&b'_') || value.contains(&b' ') || digits == 0))
            || starts(b"insert") && folded.len() > 8
            || starts(b"replace")
            || starts(b"changeme")
            || starts(b"changethis")
            || starts(b"placeholder")
            || starts(b"dummy") && digits == 0
            || starts(b"example") && digits == 0
            || starts(b"enteryour")
            || starts(b"putyour")
            || starts(b"todo") && folded.len() > 4
            || starts(b"fixme")
            || ends(b"goeshere")
            || ends(b"placeholder")
            || ends(b"here") && (value.contains(&b'_') || value.contains(&b'-') || value.contains(&b' ')))
}

/// Words that say how something stands: never values. Marks round the word are left out.
pub(super) fn is_state(value: &[u8]) -> bool {
    let marks = |byte: &u8| matches!(byte, b'.' | b',' | b'!' | b'?' | b';' | b':' | b')' | b'\'' | b'"');
    let end = value.len() - value.iter().rev().take_while(|byte| marks(byte)).count();
    let start = value[..end].iter().take_while(|byte| marks(byte)).count();
    STATES.contains(&value[start..end])
}

/// Whether a bare value is itself a name of a secret, as where code passes one on: `password=db_password`, `token: accessToken`.
pub(super) fn is_name_of_secret(value: &[u8]) -> bool {
    let cut = value.contains(&b'_')
        || value.contains(&b'.')
        || value.windows(2).any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    cut && is_identifier_path(value) && !value.iter().any(u8::is_ascii_digit) && names::classify(value).is_some()
}

/// `password=password`, `secret: "secret"`, `token=TOKEN`: the name said twice.
pub(super) fn is_same_word(value: &[u8]) -> bool {
    SAME.contains(value)
}

/// An expression of a programming language: a call, a member, a lookup, a type.
pub(super) fn is_expression(value: &[u8]) -> bool {
    let Some(&first) = value.first() else { return false };
    if matches!(first, b'{' | b'[' | b'(' | b'|') || matches!(first, b'<' | b'>') && value.len() <= 2 {
        return true;
    }
    let sigil = matches!(first, b'$' | b'&' | b'*' | b'@' | b'!');
    if !(first.is_ascii_alphabetic() || first == b'_' || sigil) {
        return false;
    }
    let body = if sigil { &value[1..] } else { value };
    if matches!(first, b'&' | b'*') && body.len() <= 32 && is_identifier(body) && is_wordy(body) {
        return true;
    }
    let length = body
        .iter()
        .take_while(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'-' | b'>' | b'?' | b'!')
        })
        .count();
    let (head, rest) = body.split_at(length);
    let digits = head.iter().filter(|byte| byte.is_ascii_digit()).count();
    let head_of_words = head.len() > 1
        && is_identifier_path(head.strip_suffix(b"!").unwrap_or(head))
        && (is_wordy(head) || digits <= 2);
    // A call, a lookup, a macro, a type with parameters: `f(`, `a.b[`, `Token![`, `Option<`.
    if head_of_words
        && matches!(rest.first(), Some(b'(' | b'[' | b'<'))
        && (rest.len() == 1
            || !rest[1].is_ascii_digit()
            || rest.contains(&b')')
            || rest[1..].iter().all(|byte| byte.is_ascii_digit() || *byte == b','))
    {
        return true;
    }
    // `module::NAME`, with generics or without.
    if memchr::memmem::find(body, b"::").is_some_and(|at| at > 0)
        && body.iter().all(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'_' | b':' | b'<' | b'>' | b'&' | b'(' | b')' | b';' | b',' | b'{' | b'}')
        })
    {
        return true;
    }
    if !rest.is_empty() {
        return false;
    }
    // A member of something whose name says that it holds settings: `self.password`, `req.body.token`.
    let dot = body.iter().position(|byte| matches!(byte, b'.' | b'-' | b':'));
    dot.is_some_and(|dot| {
        HOLDERS.contains(&body[..dot]) && is_wordy(body)
            || body[dot..].first() == Some(&b'.') && is_name_of_secret(body)
    })
}

/// A colour of a style sheet, or an offset: `#3b7a57 bold`, `0x1f`.
pub(super) fn is_colour_or_offset(value: &[u8]) -> bool {
    let word = value.split(u8::is_ascii_whitespace).next().unwrap_or(value);
    let hex = word.strip_prefix(b"#").or_else(|| word.strip_prefix(b"0x"));
    hex.is_some_and(|hex| matches!(hex.len(), 1..=8) && hex.iter().all(u8::is_ascii_hexdigit))
        && (word[0] == b'0' || matches!(word.len(), 4 | 5 | 7 | 9))
}
