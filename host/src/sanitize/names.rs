//! Which names are names of secrets: `DB_PASS`, `secretKey`, `x-api-key`, `Shared Access Key`, `authToken2`.
//!
//! A name is cut into words (at symbols and at changes of case) and judged by them, from the last to the first: the last word says
//! what the value is (`password`, `token`, `key`), the ones before it what kind (`api key`, but `primary key`), and a tail such as
//! `_file` or `_id` that the value is something about the secret and not the secret. It knows names only, never values.

use super::rule::{self, RuleId};
use super::words::{API_KEYS, OTHER_KEYS, PASSWORDS, SAYS_NOTHING, SECRET_KEYS, SWITCHES};

/// What a name lets one expect of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// The word is used for much else (`key`, `auth`, `session`): the value must look random.
    Weak,
    /// A PIN or one-time code: the value is a few digits.
    Digits,
    /// `token`, `cookie`, `jwt`: the value must not be an ordinary word.
    Token,
    /// `secret`, `api_key`: nearly any value.
    Secret,
    /// `password`: any value at all that is no placeholder, reference or state.
    Password,
    /// The `Authorization` header: a scheme, then credentials.
    Authorization,
    /// The `Cookie` or `Set-Cookie` header: pairs.
    Cookie,
}

/// What a name was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    pub level: Level,
    pub rule: RuleId,
}

/// A longer name is cut: what matters stands at its end.
pub(super) const MAX_NAME: usize = 80;
const MAX_WORDS: usize = 14;

/// The words of a name, in lower case and without the digits they end in.
pub(super) struct Words {
    buffer: [u8; MAX_NAME],
    ends: [u8; MAX_WORDS],
    count: usize,
}

impl Words {
    /// Cuts a name into words. Of a name that is too long the end is taken.
    pub(super) fn of(name: &[u8]) -> Self {
        let name = &name[name.len().saturating_sub(MAX_NAME)..];
        let mut words = Words { buffer: [0; MAX_NAME], ends: [0; MAX_WORDS], count: 0 };
        let (mut at, mut start) = (0, 0);
        for (index, &byte) in name.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|before| name.get(before)).copied().unwrap_or(b' ');
            let after = name.get(index + 1).copied().unwrap_or(b' ');
            let cut = !byte.is_ascii_alphanumeric() && byte < 0x80
                || byte.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit())
                || byte.is_ascii_uppercase() && before.is_ascii_uppercase() && after.is_ascii_lowercase();
            if cut {
                words.close(&mut at, &mut start);
            }
            if byte.is_ascii_alphanumeric() || byte >= 0x80 {
                words.buffer[at] = byte.to_ascii_lowercase();
                at += 1;
            }
        }
        words.close(&mut at, &mut start);
        words
    }

    fn close(&mut self, at: &mut usize, start: &mut usize) {
        // `password1`, `token_2`: a number at the end of a word says which one, not what.
        while *at > *start && self.buffer[*at - 1].is_ascii_digit() {
            *at -= 1;
        }
        if *at == *start {
            return;
        }
        if self.count == MAX_WORDS {
            // The first words go: what a value is stands at the end.
            self.ends.rotate_left(1);
            self.count -= 1;
        }
        self.ends[self.count] = *at as u8;
        self.count += 1;
        *start = *at;
    }

    /// Whether the first word is this one.
    pub(super) fn begins_with(&self, word: &str) -> bool {
        self.count > 0 && self.last(self.count - 1) == word
    }

    /// The word so many places from the end; empty before the first.
    fn last(&self, back: usize) -> &str {
        let Some(index) = self.count.checked_sub(back + 1) else { return "" };
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        std::str::from_utf8(&self.buffer[start..self.ends[index] as usize]).unwrap_or("")
    }
}

/// Judges a name; `None` if its value is no secret by name alone.
pub(super) fn classify(name: &[u8]) -> Option<Name> {
    let words = Words::of(name);
    let count = words.count;
    if count == 0 {
        return None;
    }
    // Words that only say which one or in what form stand at the end: `password_new`, `token_value`, `secret_b64`.
    let mut skipped = 0;
    while skipped + 1 < count && SAYS_NOTHING.contains(words.last(skipped).as_bytes()) {
        skipped += 1;
    }
    // `no_password`, `--use-token`, `has_secret`: switches.
    if skipped + 1 < count && SWITCHES.contains(words.last(count - 1).as_bytes()) {
        return None;
    }
    judge(&words, skipped)
}

fn judge(words: &Words, back: usize) -> Option<Name> {
    let word = words.last(back);
    let before = words.last(back + 1);
    let named = |level, rule| Some(Name { level, rule });
    if is_password(word) {
        // `reset password`, `forgot_password`, `change password`: actions and pages, where nothing but a value of that kind counts.
        return named(
            if matches!(before, "forgot" | "reset" | "bypass") { Level::Secret } else { Level::Password },
            rule::PASSWORD,
        );
    }
    match word {
        "authorization" => return named(Level::Authorization, rule::AUTHORIZATION),
        "cookie" if before == "set" || words.count == back + 1 || before == "http" => {
            return named(Level::Cookie, rule::COOKIE);
        }
        "cookie"
        | "cookies"
        | "jsessionid"
        | "phpsessid"
        | "sessid"
        | "sessionid"
        | "sid"
        | "xsrf"
        | "csrf"
        | "csrfmiddlewaretoken"
        | "session"
        | "sess" => {
            return named(Level::Weak, rule::SESSION);
        }
        "id" if before == "secret" => return named(Level::Token, rule::SECRET),
        "id" if matches!(before, "session" | "sess" | "auth") => return named(Level::Weak, rule::SESSION),
        "bearer" | "jwt" | "otpauth" | "sas" => return named(Level::Token, rule::TOKEN),
        "mnemonic" => return named(Level::Weak, rule::SECRET),
        "passphrase" => return named(Level::Password, rule::PASSWORD),
        "phrase" if matches!(before, "pass" | "seed" | "recovery" | "secret" | "mnemonic" | "backup") => {
            return named(Level::Password, rule::PASSWORD);
        }
        "word" if before == "pass" => return named(Level::Password, rule::PASSWORD),
        "code" if matches!(before, "pass" | "access" | "recovery" | "backup" | "unlock" | "auth" | "authorization") => {
            return named(Level::Secret, rule::SECRET);
        }
        "code" | "codes"
            if matches!(
                before,
                "verification"
                    | "mfa"
                    | "otp"
                    | "security"
                    | "login"
                    | "twofactor"
                    | "factor"
                    | "sms"
                    | "confirmation"
                    | "2fa"
                    | "fa"
                    | "one-time"
                    | "time"
            ) =>
        {
            return named(Level::Digits, rule::PIN);
        }
        "pin" | "pincode" | "cvv" | "cvc" | "cvn" | "otp" | "totp" | "mfa" => return named(Level::Digits, rule::PIN),
        "psk" | "presharedkey" | "masterauth" => return named(Level::Password, rule::SECRET),
        "salt" | "pepper" => return named(Level::Weak, rule::SECRET),
        "seed" if matches!(before, "totp" | "otp" | "secret" | "wallet" | "master") => {
            return named(Level::Secret, rule::SECRET);
        }
        "signature" | "sig" | "hmac"
            if matches!(before, "amz" | "goog" | "shared" | "sas" | "hub" | "webhook" | "request") =>
        {
            return named(Level::Weak, rule::SIGNATURE);
        }
        "sig" => return named(Level::Weak, rule::SIGNATURE),
        "auth" | "authentication"
            if words.count == back + 1
                || matches!(
                    before,
                    "basic" | "http" | "proxy" | "registry" | "docker" | "npm" | "redis" | "rediscli" | "master" | ""
                ) =>
        {
            return named(Level::Weak, rule::CREDENTIALS);
        }
        "creds" | "cred" | "credential" | "credentials" | "userpwd" | "userpass" => {
            return named(Level::Token, rule::CREDENTIALS);
        }
        "auth" | "basicauth" | "httpauth" | "login" => return named(Level::Weak, rule::CREDENTIALS),
        "community" if matches!(before, "snmp" | "ro" | "rw") => return named(Level::Password, rule::SECRET),
        "rocommunity" | "rwcommunity" | "trapcommunity" => return named(Level::Password, rule::SECRET),
        "passwords" | "passwds" | "passphrases" => return named(Level::Secret, rule::PASSWORD),
        "community" if words.count == back + 1 => return named(Level::Weak, rule::SECRET),
        "code" if words.count == back + 1 => return named(Level::Weak, rule::TOKEN),
        "verifier" if before == "code" => return named(Level::Token, rule::TOKEN),
        "assertion" if before == "client" => return named(Level::Token, rule::TOKEN),
        "data" if before == "key" && words.last(back + 2) == "client" => {
            return named(Level::Secret, rule::PRIVATE_KEY);
        }
        "webhook" | "hook" => return named(Level::Weak, rule::WEBHOOK),
        _ => {}
    }
    if is_secret(word) {
        return named(Level::Secret, rule::SECRET);
    }
    if is_token(word) {
        if matches!(
            before,
            "next"
                | "page"
                | "continuation"
                | "sync"
                | "resume"
                | "cancellation"
                | "unexpected"
                | "special"
                | "eos"
                | "bos"
                | "pad"
                | "stop"
                | "syntax"
                | "first"
                | "last"
                | "end"
                | "start"
                | "begin"
                | "per"
                | "max"
                | "min"
                | "marker"
                | "by"
        ) {
            return None;
        }
        return named(Level::Token, rule::TOKEN);
    }
    if word == "key" || word == "keys" || word == "apikeys" {
        return key(words, back, word != "keys");
    }
    if let Some(stem) = word.strip_suffix("key") {
        return key_stem(stem);
    }
    None
}

/// Judges the name of a URL's parameter: there `signature`, `hash` and the like are what signs a request.
pub(super) fn classify_parameter(name: &[u8]) -> Option<Name> {
    let signs = [
        "signature",
        "sign",
        "hmac",
        "hash",
        "ticket",
        "otp",
        "k",
        "auth",
        "access",
        "ts_token",
        "samlresponse",
        "samlrequest",
        "wresult",
    ];
    classify(name).or_else(|| {
        signs
            .iter()
            .any(|sign| name.eq_ignore_ascii_case(sign.as_bytes()))
            .then_some(Name { level: Level::Weak, rule: rule::SIGNATURE })
    })
}

fn is_password(word: &str) -> bool {
    if PASSWORDS.contains(word.as_bytes()) {
        return true;
    }
    if [
        "bypass",
        "buypass",
        "compass",
        "trespass",
        "surpass",
        "encompass",
        "underpass",
        "overpass",
        "lowpass",
        "highpass",
        "bandpass",
        "multipass",
        "renderpass",
        "singlepass",
        "twopass",
        "firstpass",
    ]
    .iter()
    .any(|other| word.ends_with(other))
    {
        return false;
    }
    if let Some(rest) = word.strip_prefix("password").or_else(|| word.strip_prefix("passwd")) {
        return matches!(
            rest,
            "hash"
                | "new"
                | "old"
                | "confirm"
                | "confirmation"
                | "value"
                | "plain"
                | "text"
                | "enc"
                | "encrypted"
                | "again"
                | "repeat"
                | "a"
                | "b"
        );
    }
    word.ends_with("password")
        || word.ends_with("passwd")
        || word.ends_with("passphrase")
        || word.ends_with("passcode")
        || word.ends_with("pwd") && !matches!(word, "cwd")
        || word.ends_with("pass")
}

fn is_secret(word: &str) -> bool {
    word == "secret"
        || word == "secretkey"
        || word == "secretaccesskey"
        || word == "secrets"
        || word.ends_with("secret")
        || matches!(word, "secretvalue" | "secrettoken" | "secretstring" | "secretid")
}

fn is_token(word: &str) -> bool {
    word == "token"
        || word.ends_with("token")
            && !matches!(word, "nexttoken" | "pagetoken" | "nextpagetoken" | "continuationtoken" | "cancellationtoken")
        || word == "tok"
        || word.ends_with("authtok")
}

/// Words before `key` that make it a secret.
fn key_stem(stem: &str) -> Option<Name> {
    let named = |level, rule| Some(Name { level, rule });
    if API_KEYS.contains(stem.as_bytes()) {
        return named(Level::Secret, rule::API_KEY);
    }
    if SECRET_KEYS.contains(stem.as_bytes()) {
        let weak = matches!(stem, "hash" | "data" | "host" | "machine" | "rsa" | "ssl");
        return named(if weak { Level::Weak } else { Level::Secret }, rule::SECRET_KEY);
    }
    let joined = ["api", "access", "secret", "private", "auth"].iter().any(|end| stem.ends_with(end));
    if joined { named(Level::Secret, rule::API_KEY) } else { None }
}

/// `key` as a word of its own: what stands before it decides.
fn key(words: &Words, back: usize, one: bool) -> Option<Name> {
    let weak = Some(Name { level: Level::Weak, rule: rule::API_KEY });
    if words.count == back + 1 {
        return weak;
    }
    for at in back + 1..words.count {
        let word = words.last(at);
        if OTHER_KEYS.contains(word.as_bytes()) {
            return None;
        }
        if let Some(name) = key_stem(word) {
            return if one { Some(name) } else { weak };
        }
        if matches!(word, "api" | "secret" | "private") || is_password(word) {
            return Some(Name { level: Level::Secret, rule: rule::SECRET_KEY });
        }
    }
    weak
}

/// Whether a word may stand between the words of a name written with spaces (`Secret Access Key: x`, `API Key = x`).
pub(super) fn qualifies_key(word: &[u8]) -> bool {
    let words = Words::of(word);
    let word = words.last(0);
    // `verification code: x` as well.
    words.count == 1
        && (key_stem(word).is_some() || matches!(word, "api" | "secret" | "private" | "security" | "login" | "otp"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        for name in [
            "password",
            "DB_PASS",
            "pwd",
            "passwd",
            "PGPASSWORD",
            "secretKey",
            "api-key",
            "apikey",
            "auth_token",
            "client_secret",
            "private_key",
            "access_key",
            "x-amz-security-token",
            "SessionToken",
            "sig",
            "bearer",
            "passphrase",
            "pin",
            "X-Api-Key",
            "AWS_SECRET_ACCESS_KEY",
            "SharedAccessKey",
            "AccountKey",
            "dbPassword2",
            "spring.datasource.password",
            "requirepass",
            "MYSQL_PWD",
            "storePass",
            "signing-key",
            "OPENAI_API_KEY",
            "JWT_SECRET",
            "SECRET_KEY_BASE",
            "password_hash",
            "new_password",
            "userPassword",
            "Ocp-Apim-Subscription-Key",
            "_authToken",
            "ansible_become_pass",
            "psk",
            "encryptionKey",
            "token",
            "STRIPE_KEY",
            "mot_de_passe",
            "Passwort",
        ] {
            assert!(classify(name.as_bytes()).is_some(), "{name}");
        }
    }

    #[test]
    fn names_of_other_things() {
        for name in [
            "password_file",
            "passwordless",
            "PasswordAuthentication",
            "password_policy",
            "max_tokens",
            "token_type",
            "token_count",
            "tokenizer",
            "public_key",
            "primary_key",
            "foreign_key",
            "keyboard",
            "key_id",
            "aws_access_key_id",
            "author",
            "authority",
            "secretary",
            "secret_name",
            "secretName",
            "private_key_path",
            "password_min_length",
            "monkey",
            "bypass",
            "passenger",
            "passed",
            "next_token",
            "compass",
            "sort_key",
            "password_encryption",
            "tokens",
            "cookie_domain",
            "session_timeout",
            "signature_version",
            "auth_type",
        ] {
            assert_eq!(classify(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn a_long_name_is_judged_by_its_end() {
        let mut name = "a_".repeat(200);
        name.push_str("password");
        assert!(classify(name.as_bytes()).is_some());
    }
}
