//! Whether a value is a secret, given what its name lets one expect and how it is written.
//!
//! A value that is a file path, a reference to a variable or a vault, a placeholder, a state (`required`, `expired`), an expression
//! of a program, or already redacted is none. What is left is asked for as much randomness as its name is vague.

use super::marker;
use super::names::{self, Level};

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
    if is_harmless(value) {
        return false;
    }
    let bare = !matches!(form, Form::Whole | Form::Quoted);
    if bare && is_expression(value) {
        return false;
    }
    if is_path(value) {
        return false;
    }
    match form {
        Form::Prose => match level {
            Level::Password => stands_out(value, 6),
            Level::Secret | Level::Token => stands_out(value, 8) && !names_something(value),
            Level::Digits => is_digits(value, 4, 8),
            _ => false,
        },
        Form::Announced => match level {
            Level::Password => value.len() >= 4 && (stands_out(value, 4) || is_digits(value, 4, 32)),
            Level::Secret | Level::Token => stands_out(value, 6) && !is_version(value),
            Level::Digits => is_digits(value, 4, 8),
            _ => looks_random(value, 20),
        },
        Form::Directive => match level {
            Level::Password => {
                value.len() >= 4 && !is_state(value) && (stands_out(value, 4) || is_digits(value, 4, 32))
            }
            Level::Secret | Level::Token => stands_out(value, 8) && !is_version(value),
            Level::Digits => is_digits(value, 4, 8),
            _ => looks_random(value, 20),
        },
        Form::Whole | Form::Quoted | Form::Bare | Form::Query => match level {
            Level::Password => {
                value.len() >= 3
                    && !is_state(value)
                    && !(form == Form::Bare && is_name_of_secret(value))
                    && !is_same_word(value)
            }
            Level::Secret => {
                value.len() >= 6
                    && !is_state(value)
                    && !is_same_word(value)
                    && !(bare && is_name_of_secret(value))
                    && !is_small_number(value)
                    && !(is_dictionary_like(value) && value.len() < 8)
            }
            Level::Token => {
                value.len() >= 6
                    && !is_state(value)
                    && !is_same_word(value)
                    && !(bare && is_name_of_secret(value))
                    && !is_small_number(value)
                    && (stands_out(value, 6) || value.len() >= 16 && !is_wordy(value))
                    && !is_version(value)
            }
            Level::Digits => is_digits(value, 3, 10),
            Level::Weak => {
                looks_random(value, if form == Form::Query { 12 } else { 16 })
                    && (form == Form::Query || !is_uuid(value))
            }
            Level::Authorization | Level::Cookie => false,
        },
    }
}

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
        (b'$', _) => {
            if is_variable(&value[1..]) {
                return true;
            }
        }
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
        (b'&' | b'*', _) if value.len() <= 32 && is_identifier(&value[1..]) => return true,
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
    if value.len() <= 300 && REFERENCES.iter().any(|prefix| starts_with_ignore_case(value, prefix)) {
        return true;
    }
    is_placeholder(value)
}

/// What introduces a reference to where a secret is kept.
const REFERENCES: &[&[u8]] = &[
    b"vault:",
    b"op://",
    b"ref+",
    b"secret://",
    b"arn:",
    b"env:",
    b"env.",
    b"env(",
    b"file:",
    b"file(",
    b"fd:",
    b"ssm:",
    b"ssm://",
    b"keyring:",
    b"keychain:",
    b"gcp-sm:",
    b"awssm:",
    b"azurekeyvault:",
    b"akv:",
    b"sm://",
    b"gsm:",
    b"projects/",
    b"secretsmanager:",
    b"aws-sm:",
    b"credential:",
    b"credentials(",
    b"process.env",
    b"os.environ",
    b"os.getenv",
    b"getenv",
    b"system.getenv",
    b"env::",
    b"std::env",
    b"env[",
    b"lookup(",
    b"var.",
    b"local.",
    b"data.",
    b"module.",
    b"secrets.",
    b"valuefrom",
    b"bao:",
    b"cred:",
    b"systemd-creds",
    b"dynamic:",
    b"sha256:",
    b"sha512:",
    b"sha1:",
    b"md5:",
    b"sha256-",
    b"sha384-",
    b"sha512-",
    b"image:",
    b"registry:",
    b"stdin",
    b"prompt:",
    b"pass show",
];

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

fn is_identifier(name: &[u8]) -> bool {
    name.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// `a.b`, `a->b`, `a::b`, `a['b']`: what programs write, and nothing else.
fn is_identifier_path(name: &[u8]) -> bool {
    name.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
        && name.iter().all(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'_' | b'.' | b'-' | b'>' | b':' | b'[' | b']' | b'\'' | b'"')
        })
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
    if WORDS_FOR_NOTHING.contains(&folded) {
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

const WORDS_FOR_NOTHING: &[&[u8]] = &[
    b"null",
    b"nil",
    b"none",
    b"nan",
    b"undefined",
    b"true",
    b"false",
    b"yes",
    b"no",
    b"on",
    b"off",
    b"na",
    b"tbd",
    b"todo",
    b"empty",
    b"unset",
    b"hidden",
    b"masked",
    b"protected",
    b"removed",
    b"omitted",
    b"sanitized",
    b"elided",
    b"secured",
    b"changeme",
    b"placeholder",
    b"example",
    b"xxx",
    b"foobar",
    b"string",
    b"str",
    b"text",
    b"varchar",
    b"boolean",
    b"bool",
    b"int",
    b"integer",
    b"number",
    b"object",
    b"array",
    b"bytes",
    b"byte",
    b"char",
    b"uuid",
    b"optional",
    b"required",
    b"default",
    b"inherit",
    b"disabled",
    b"enabled",
    b"auto",
    b"prompt",
    b"ask",
    b"void",
    b"any",
    b"unknown",
    b"notset",
    b"notused",
    b"unused",
    b"notprovided",
    b"notavailable",
    b"notapplicable",
    b"void0",
    b"nullptr",
    b"secretstring",
    b"encrypted",
    b"hashed",
    b"sensitivevalue",
    b"sensitive",
    b"knownafterapply",
    b"generated",
    b"automatic",
    b"self",
    b"this",
    b"file",
    b"stdin",
    b"nullvalue",
    b"anonymous",
    b"supplied",
    b"notsupplied",
    b"usingpassword",
    b"void",
];

/// Words that say how something stands, or what programs say of a password: never values.
pub(super) fn is_state(value: &[u8]) -> bool {
    if value.len() > 20 {
        return false;
    }
    let mut buffer = [0_u8; 20];
    let mut length = 0;
    for byte in value {
        if byte.is_ascii_alphabetic() {
            buffer[length] = byte.to_ascii_lowercase();
            length += 1;
        } else if !matches!(byte, b'.' | b',' | b'!' | b'?' | b';' | b':' | b')' | b'\'' | b'"') {
            return false;
        }
    }
    STATES.contains(&&buffer[..length])
}

const STATES: &[&[u8]] = &[
    b"accepted",
    b"active",
    b"added",
    b"again",
    b"all",
    b"allowed",
    b"already",
    b"and",
    b"are",
    b"as",
    b"at",
    b"attempt",
    b"auth",
    b"authentication",
    b"based",
    b"bearer",
    b"basic",
    b"be",
    b"been",
    b"before",
    b"by",
    b"can",
    b"cannot",
    b"cached",
    b"change",
    b"changed",
    b"check",
    b"checked",
    b"column",
    b"compromised",
    b"confirmed",
    b"correct",
    b"could",
    b"created",
    b"denied",
    b"deleted",
    b"did",
    b"does",
    b"error",
    b"exceeded",
    b"existing",
    b"exists",
    b"expire",
    b"expired",
    b"expires",
    b"expiring",
    b"expiry",
    b"fail",
    b"failed",
    b"failure",
    b"field",
    b"for",
    b"format",
    b"found",
    b"from",
    b"has",
    b"have",
    b"here",
    b"if",
    b"ignored",
    b"in",
    b"inactive",
    b"incorrect",
    b"invalid",
    b"is",
    b"issued",
    b"it",
    b"length",
    b"loaded",
    b"login",
    b"manager",
    b"match",
    b"matched",
    b"matches",
    b"may",
    b"mismatch",
    b"missing",
    b"must",
    b"needs",
    b"new",
    b"not",
    b"of",
    b"ok",
    b"okay",
    b"only",
    b"or",
    b"page",
    b"passed",
    b"pending",
    b"per",
    b"policy",
    b"present",
    b"provided",
    b"read",
    b"received",
    b"refresh",
    b"refreshed",
    b"rejected",
    b"reset",
    b"renewed",
    b"request",
    b"requested",
    b"require",
    b"requires",
    b"revoked",
    b"rotated",
    b"rotation",
    b"saved",
    b"sent",
    b"set",
    b"should",
    b"sms",
    b"stored",
    b"strength",
    b"success",
    b"successful",
    b"successfully",
    b"sufficient",
    b"requisite",
    b"include",
    b"substack",
    b"than",
    b"that",
    b"the",
    b"to",
    b"too",
    b"type",
    b"unchanged",
    b"updated",
    b"update",
    b"used",
    b"user",
    b"using",
    b"valid",
    b"validated",
    b"validation",
    b"verified",
    b"was",
    b"weak",
    b"were",
    b"when",
    b"will",
    b"with",
    b"without",
    b"wrong",
    b"you",
    b"your",
    b"entry",
    b"prompt",
    b"input",
    b"label",
    b"hash",
    b"md5",
    b"scram",
    b"trust",
    b"peer",
    b"ident",
    b"public",
    b"private",
    b"key",
    b"optional",
    b"equals",
    b"normal",
    b"simple",
    b"plain",
    b"refused",
    b"recovery",
    b"forgotten",
    b"forgot",
    b"strong",
    b"short",
    b"long",
];

/// Whether a bare value is itself a name of a secret, as where code passes one on: `password=db_password`, `token: accessToken`.
fn is_name_of_secret(value: &[u8]) -> bool {
    let cut = value.contains(&b'_')
        || value.contains(&b'.')
        || value.windows(2).any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    cut && is_identifier_path(value) && !value.iter().any(u8::is_ascii_digit) && names::classify(value).is_some()
}

/// `password=password`, `secret: "secret"`, `token=TOKEN`: the name said twice.
fn is_same_word(value: &[u8]) -> bool {
    value.len() <= 16
        && [
            "password",
            "passwd",
            "secret",
            "token",
            "apikey",
            "api_key",
            "api-key",
            "access_token",
            "accesstoken",
            "auth_token",
            "authtoken",
            "client_secret",
            "secretkey",
            "secret_key",
            "pwd",
            "pass",
            "credentials",
            "key",
            "newpassword",
            "new_password",
            "private_key",
            "refresh_token",
            "id_token",
            "passphrase",
            "bearer",
        ]
        .iter()
        .any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
}

/// An expression of a programming language: a call, a member, a lookup.
fn is_expression(value: &[u8]) -> bool {
    let Some(&first) = value.first() else { return false };
    if first == b'{'
        || first == b'['
        || first == b'('
        || first == b'<' && value.len() <= 2
        || first == b'|'
        || first == b'>' && value.len() <= 2
    {
        return true;
    }
    if !(first.is_ascii_alphabetic()
        || first == b'_'
        || first == b'$'
        || first == b'&'
        || first == b'*'
        || first == b'@'
        || first == b'!')
    {
        return false;
    }
    let body = if first.is_ascii_alphabetic() || first == b'_' { value } else { &value[1..] };
    let head = body
        .iter()
        .position(|byte| {
            !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'-' | b'>' | b'?' | b'!'))
        })
        .unwrap_or(body.len());
    // A call or a lookup: `f(`, `a.b[`, with a head of words.
    if head > 1
        && head < body.len()
        && matches!(body[head], b'(' | b'[')
        && is_identifier_path(&body[..head])
        && is_wordy(&body[..head])
    {
        return true;
    }
    if head != body.len() {
        return false;
    }
    // A member of something whose name says that it holds settings: `self.password`, `req.body.token`.
    let dot = body.iter().position(|byte| matches!(byte, b'.' | b'-' | b':'));
    dot.is_some_and(|dot| {
        HOLDERS.iter().any(|holder| body[..dot].eq_ignore_ascii_case(holder.as_bytes())) && is_wordy(body)
            || body[dot..].first() == Some(&b'.') && is_name_of_secret(body)
    })
}

const HOLDERS: &[&str] = &[
    "self",
    "this",
    "args",
    "arg",
    "config",
    "cfg",
    "conf",
    "settings",
    "setting",
    "req",
    "request",
    "res",
    "response",
    "os",
    "process",
    "env",
    "params",
    "param",
    "options",
    "opts",
    "opt",
    "props",
    "user",
    "ctx",
    "context",
    "data",
    "form",
    "body",
    "app",
    "credentials",
    "creds",
    "input",
    "c",
    "s",
    "p",
    "m",
    "r",
    "event",
    "payload",
    "values",
    "vars",
    "secrets",
    "module",
    "local",
    "system",
    "models",
    "fields",
    "forms",
    "serializers",
    "types",
    "t",
    "z",
    "yup",
    "joi",
    "schema",
    "string",
    "auth",
    "session",
    "account",
    "client",
    "state",
    "flags",
    "cli",
    "matches",
    "field",
    "element",
    "document",
    "window",
    "row",
    "obj",
    "object",
    "parsed",
    "url",
    "uri",
    "msg",
    "message",
    "item",
    "entry",
    "query",
    "kwargs",
    "spec",
];

/// A file's path, or a name that ends like a file's.
pub(super) fn is_path(value: &[u8]) -> bool {
    if value.len() < 2 || value.len() > 400 {
        return false;
    }
    let rooted = value[0] == b'/'
        || value.starts_with(b"./")
        || value.starts_with(b"../")
        || value.starts_with(b"~/")
        || value.starts_with(b"\\\\")
        || value[0] == b'@' && value.len() > 2 && matches!(value[1], b'/' | b'.' | b'~');
    let drive =
        value.len() > 3 && value[0].is_ascii_alphabetic() && value[1] == b':' && matches!(value[2], b'\\' | b'/');
    let mut segments = value.split(|byte| matches!(byte, b'/' | b'\\'));
    if rooted || drive {
        let deep = value.iter().filter(|byte| matches!(byte, b'/' | b'\\')).count() >= 2
            || has_file_ending(value)
            || value[0] != b'/';
        return deep
            && segments.all(|segment| segment.len() < 12 || is_wordy(segment) || is_hex(segment) || is_uuid(segment))
            && value.iter().all(|byte| {
                byte.is_ascii_alphanumeric()
                    || matches!(
                        byte,
                        b'/' | b'\\'
                            | b'.'
                            | b'-'
                            | b'_'
                            | b'~'
                            | b' '
                            | b':'
                            | b'@'
                            | b'+'
                            | b','
                            | b'%'
                            | b'{'
                            | b'}'
                            | b'$'
                            | b'='
                            | b'('
                            | b')'
                    )
                    || *byte >= 0x80
            });
    }
    has_file_ending(value)
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'\\' | b'.' | b'-' | b'_'))
}

fn has_file_ending(value: &[u8]) -> bool {
    let Some(dot) = value.iter().rposition(|byte| *byte == b'.') else { return false };
    dot > 0
        && [
            "pem",
            "key",
            "crt",
            "cer",
            "der",
            "p12",
            "pfx",
            "jks",
            "kdbx",
            "txt",
            "json",
            "yaml",
            "yml",
            "toml",
            "ini",
            "conf",
            "cfg",
            "env",
            "log",
            "pub",
            "gpg",
            "asc",
            "enc",
            "sock",
            "db",
            "xml",
            "html",
            "htm",
            "js",
            "ts",
            "tsx",
            "py",
            "rs",
            "go",
            "java",
            "rb",
            "php",
            "c",
            "h",
            "cpp",
            "sh",
            "md",
            "csv",
            "sql",
            "properties",
            "keytab",
            "ovpn",
            "service",
            "css",
            "png",
            "svg",
            "lock",
            "pid",
            "tmp",
            "bak",
            "gz",
            "zip",
            "cs",
            "vue",
            "jsx",
            "tf",
            "exe",
            "dll",
            "so",
            "secret",
            "passwd",
            "htpasswd",
            "keystore",
            "truststore",
            "rsa",
        ]
        .iter()
        .any(|ending| value[dot + 1..].eq_ignore_ascii_case(ending.as_bytes()))
}

/// Letters that change their case or kind so seldom that people wrote them: words, with symbols or numbers between them.
pub(super) fn is_wordy(value: &[u8]) -> bool {
    value.split(|byte| !byte.is_ascii_alphanumeric()).all(|part| {
        let letters = part.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let digits = part.len() - letters;
        if digits == part.len() {
            return digits <= 10;
        }
        digits <= 4 && part[letters..].iter().all(u8::is_ascii_digit) && is_word(&part[..letters])
    })
}

/// Letters only, that read like words: a plausible number of vowels, and case that changes as in `camelCase`.
fn is_word(letters: &[u8]) -> bool {
    if letters.len() <= 3 {
        return true;
    }
    let mut changes = 0;
    let (mut run, mut longest, mut vowels) = (0, 0, 0);
    for (index, byte) in letters.iter().enumerate() {
        if index > 0 && letters[index - 1].is_ascii_lowercase() && byte.is_ascii_uppercase() {
            changes += 1;
        }
        if matches!(byte.to_ascii_lowercase(), b'a' | b'e' | b'i' | b'o' | b'u' | b'y') {
            vowels += 1;
            run = 0;
        } else {
            run += 1;
            longest = longest.max(run);
        }
    }
    longest <= 5 && changes * 3 <= letters.len() && vowels * 6 >= letters.len()
}

/// Something that a person would not write as a word: letters with digits, symbols inside, case without sense, many consonants.
pub(super) fn stands_out(value: &[u8], least: usize) -> bool {
    if value.len() < least || is_state(value) || is_date_or_address(value) {
        return false;
    }
    let letters = value.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let symbols = value
        .iter()
        .filter(|byte| {
            byte.is_ascii_punctuation() && !matches!(byte, b'-' | b'_' | b'.' | b'/' | b':' | b',' | b'(' | b')')
        })
        .count();
    let strange = value
        .iter()
        .filter(|byte| matches!(byte, b'!' | b'@' | b'#' | b'$' | b'%' | b'^' | b'&' | b'*' | b'?' | b'~' | b'+'))
        .count();
    if letters + digits == 0 {
        return false;
    }
    if letters > 0 && digits > 0 {
        // Letters, then a digit or two, is how people number things; anything more mixed is not.
        return true;
    }
    if strange > 0 && letters + digits >= 3 {
        return true;
    }
    if letters == 0 {
        return digits >= 16 && symbols == 0;
    }
    let upper = value.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    let changes = value.windows(2).filter(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase()).count();
    upper > 0 && upper < letters && changes >= 3 && changes * 4 >= letters
        || value.len() >= 8 && !value.split(|byte| !byte.is_ascii_alphabetic()).all(is_word)
}

/// A word with a number after it, or words with hyphens: names of things, such as `default-token-x7k2p`, `oauth2`, `sha256`.
fn names_something(value: &[u8]) -> bool {
    is_version(value)
        || value.len() <= 40 && is_wordy(value)
        || value.iter().filter(|byte| **byte == b'-').count() >= 2
            && !is_uuid(value)
            && value.split(|byte| *byte == b'-').filter(|part| is_wordy(part) && part.len() >= 3).count() >= 2
}

fn is_dictionary_like(value: &[u8]) -> bool {
    value.iter().all(u8::is_ascii_lowercase)
}

fn is_small_number(value: &[u8]) -> bool {
    value.len() < 16 && value.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',' | b'-' | b'+'))
}

pub(super) fn is_digits(value: &[u8], least: usize, most: usize) -> bool {
    value.len() >= least && value.len() <= most && value.iter().all(u8::is_ascii_digit)
}

/// `1.2.3`, `v2`, `2.0-rc1`, `^1.4`.
pub(super) fn is_version(value: &[u8]) -> bool {
    let rest = value
        .strip_prefix(b"v")
        .or_else(|| value.strip_prefix(b"^"))
        .or_else(|| value.strip_prefix(b"~"))
        .unwrap_or(value);
    rest.first().is_some_and(u8::is_ascii_digit) && value.len() <= 40 && {
        let head = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
        let tail = &rest[head..];
        let dots = rest[..head].iter().filter(|byte| **byte == b'.').count();
        (dots >= 1 || tail.is_empty() && rest.len() <= 4)
            && (tail.is_empty() || matches!(tail[0], b'-' | b'+' | b'a' | b'b' | b'r' | b'x' | b'_'))
    }
}

/// Dates, times, numbers with units, addresses.
fn is_date_or_address(value: &[u8]) -> bool {
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return false;
    }
    let rest = value.iter().filter(|byte| !byte.is_ascii_digit()).count();
    if value
        .iter()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b':' | b'-' | b'/' | b'T' | b'Z' | b'+' | b','))
    {
        return true;
    }
    // `0x7ffe…`, `42ms`, `16MB`, `3rd`, `10.0.0.1:5432`.
    value.starts_with(b"0x") && value.len() <= 18
        || rest <= 3 && value[0].is_ascii_digit() && value[..digits].iter().all(u8::is_ascii_digit) && value.len() <= 12
}

pub(super) fn is_hex(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(u8::is_ascii_hexdigit)
}

/// 8-4-4-4-12 hexadecimal digits.
pub(super) fn is_uuid(value: &[u8]) -> bool {
    value.len() == 36
        && value
            .iter()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 8 | 13 | 18 | 23) { *byte == b'-' } else { byte.is_ascii_hexdigit() })
}

/// Whether a value looks like the output of a random generator: long enough, of one alphabet, and without words.
pub(super) fn looks_random(value: &[u8], least: usize) -> bool {
    if value.len() < least
        || value.iter().any(u8::is_ascii_whitespace)
        || is_date_or_address(value)
        || is_version(value)
    {
        return false;
    }
    if is_hex(value) {
        return value.len() >= least.max(16)
            && value.iter().any(u8::is_ascii_digit)
            && value.iter().any(u8::is_ascii_alphabetic);
    }
    if is_uuid(value) {
        return true;
    }
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = value.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let others = value.len() - digits - letters;
    if letters < 4 || others * 4 > value.len() || value.contains(&b'(') {
        return false;
    }
    !is_wordy(value) && entropy(value) >= if value.len() >= 24 { 3.3 } else { 3.0 } && (digits > 0 || !value.split(|byte| !byte.is_ascii_alphabetic()).all(is_word))
        // Names of things in many parts: `kube-system/default-token-x7k2p`.
        && !(others >= 2 && value.split(|byte| !byte.is_ascii_alphanumeric()).filter(|part| part.len() >= 3 && is_wordy(part)).map(<[u8]>::len).sum::<usize>() * 2 > value.len())
}

/// Shannon entropy in bits a byte.
fn entropy(value: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in value {
        counts[*byte as usize] += 1;
    }
    let length = value.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / length)
        .map(|share| -share * share.log2())
        .sum()
}

pub(super) fn starts_with_ignore_case(value: &[u8], prefix: &[u8]) -> bool {
    value.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}
