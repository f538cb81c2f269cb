//! The pass over a text: sightings from the prefilter go to what understands them, and what they find is put together.

use super::accounts;
use super::anchor::{Anchors, Cursor, Literal, MIN_LITERAL};
use super::assign::{self, ExtraNames};
use super::command;
use super::formats;
use super::found::{Found, Scan};
use super::harmless;
use super::header;
use super::marker;
use super::names::{Level, Name};
use super::pem;
use super::programs::PROGRAMS;
use super::rule::{self, RuleId};
use super::settings::{Checked, fold_key};
use super::token::{self, Matcher};
use super::url;
use super::value::part;

/// What a literal's sighting means.
#[derive(Debug, Clone, Copy)]
pub(super) enum What {
    /// A word that names of secrets hold.
    Name,
    /// `://`.
    Address,
    /// `BEGIN `.
    Begin,
    /// `LS0tLS1CRUdJTi`: `-----BEGIN ` in base64.
    Base64,
    /// `Private-Lines:` or `Private-MAC:`.
    Putty,
    /// `Bearer `, `Basic `.
    Scheme,
    /// `IDENTIFIED BY`, `IDENTIFIED WITH x BY`.
    Identified,
    /// `USING '`.
    Using,
    /// A port as in `.pgpass`.
    Pgpass,
    /// `static:`.
    Static,
    /// `<<<`.
    HereString,
    /// `ConvertTo-SecureString`.
    SecureString,
    /// `VALUES`.
    Values,
    /// `echo `, `printf `.
    Echo,
    /// A program that takes passwords.
    Program,
    /// A vendor's format, by number.
    Format(u16),
    /// A keyword of a rule from the configuration.
    Keyword(u16),
}

/// Words by which names of secrets are found. Whether a name that holds one is such a name is [`super::names`]' business.
const NAME_WORDS: &[&str] = &[
    "passw",
    "passphrase",
    "passcode",
    "pwd",
    "pass",
    "psw",
    "_pw",
    "-pw",
    "pw=",
    "pw:",
    "secret",
    "token",
    "key",
    "auth",
    "cred",
    "bearer",
    "cookie",
    "sess",
    "sid=",
    "_sid",
    "sid\"",
    "sig=",
    "sig\"",
    "signature",
    "hmac",
    "jwt",
    "psk",
    "pin=",
    "pin:",
    "pin\"",
    "_pin",
    "pin ",
    "userpin",
    "pincode",
    "cvv",
    "cvc",
    "otp",
    "mfa",
    "salt",
    "pepper",
    "mnemonic",
    "phrase",
    "seed",
    "kennwort",
    "wachtwoord",
    "senha",
    "contrase",
    "motdepasse",
    "mdp",
    "parola",
    "haslo",
    "heslo",
    "salasana",
    "parool",
    "пароль",
    "密码",
    "パスワード",
    "비밀번호",
    "community",
    "login",
    "csrf",
    "xsrf",
    "sas=",
    "sas\"",
    "assertion",
    "verifier",
    "code=",
    "code\"",
    "code:",
    "_code",
    "code ",
    "key-data",
    "webhook",
    "upw",
    "pw ",
    "pw\"",
    "pw'",
    "opw",
];

/// What a sanitizer is made of.
#[derive(Debug)]
pub(super) struct Engine {
    anchors: Anchors<What>,
    matchers: Vec<Matcher>,
    pub settings: Checked,
    /// Names of all rules by number.
    pub names: Vec<String>,
    /// The number of the first rule from the configuration.
    first_custom: usize,
}

impl ExtraNames for Engine {
    fn extra(&self, name: &[u8]) -> Option<Name> {
        if self.settings.keys.is_empty() {
            return None;
        }
        let folded = fold_key(name);
        let known = self.settings.keys.iter().any(|key| folded.ends_with(key.as_str()));
        known.then_some(Name { level: Level::Secret, rule: rule::KEY_NAME })
    }
}

impl Engine {
    pub(super) fn new(settings: Checked) -> Self {
        let mut names: Vec<String> = rule::CONTEXTS.iter().map(|(name, _)| (*name).to_owned()).collect();
        let mut literals = Vec::with_capacity(1024);
        let mut add = |text: &[u8], exact: bool, what: What| {
            let text = if exact { text.to_vec() } else { text.to_ascii_lowercase() };
            literals.push(Literal { text: text.into(), exact, what });
        };
        for word in NAME_WORDS {
            add(word.as_bytes(), false, What::Name);
        }
        for key in &settings.keys {
            // In any spelling: the first letters that every spelling shares are those before its first cut, so three of them do.
            add(key.as_bytes().get(..3).unwrap_or_default(), false, What::Name);
        }
        add(b"://", true, What::Address);
        add(b"BEGIN ", true, What::Begin);
        add(b"LS0tLS1CRUdJTi", true, What::Base64);
        add(b"Private-Lines:", false, What::Putty);
        add(b"Private-MAC:", false, What::Putty);
        add(b"identified by ", false, What::Identified);
        add(b" password by ", false, What::Identified);
        add(b" using '", false, What::Using);
        for port in [":5432:", ":5433:", ":6432:", ":*:*:", ":*:"] {
            add(port.as_bytes(), true, What::Pgpass);
        }
        add(b"static:", true, What::Static);
        add(b"<<<", true, What::HereString);
        add(b"ConvertTo-SecureString", false, What::SecureString);
        add(b" values", false, What::Values);
        add(b"echo ", true, What::Echo);
        add(b"printf ", true, What::Echo);
        add(b"bearer ", false, What::Scheme);
        add(b"basic ", false, What::Scheme);
        for name in PROGRAMS.iter().flat_map(|program| program.names) {
            if name.len() >= MIN_LITERAL {
                add(name.as_bytes(), true, What::Program);
            } else {
                // Too short to be searched for alone: with what stands after it on a command line or in a list.
                add(format!("{name} ").as_bytes(), true, What::Program);
                add(format!("{name}\"").as_bytes(), true, What::Program);
            }
        }
        let mut matchers = Vec::new();
        for format in formats::all() {
            let number = names.iter().position(|name| name == format.name).unwrap_or_else(|| {
                names.push(format.name.to_owned());
                names.len() - 1
            });
            let Some(matcher) = Matcher::new(format.pattern, number as RuleId) else { continue };
            let what = What::Format(matchers.len() as u16);
            match matcher.literal() {
                Some(literal) => add(literal, true, what),
                None => formats::beginnings(format).iter().for_each(|text| add(text, true, what)),
            }
            matchers.push(matcher);
        }
        let first_custom = names.len();
        for (number, rule) in settings.rules.iter().enumerate() {
            names.push(rule.name.clone());
            for keyword in &rule.keywords {
                add(keyword.as_bytes(), false, What::Keyword(number as u16));
            }
        }
        Self { anchors: Anchors::new(literals), matchers, settings, names, first_custom }
    }

    /// Whether a name could be one of a secret, or hold one: most hold no word that is looked for, and that is quickly seen.
    pub(super) fn may_matter(&self, name: &[u8]) -> bool {
        let mut buffer = [b'"'; 64];
        // Short words are looked for with the mark after them.
        let Some(quoted) = buffer.get_mut(..=name.len()) else { return true };
        quoted[..name.len()].copy_from_slice(name);
        self.anchors.next(quoted, &mut Cursor::default()).is_some()
            || memchr::memchr(b'@', name).is_some()
            || !self.settings.rules.is_empty()
    }

    /// Everything secret in a text, sorted and without overlaps. `work` counts bytes looked at beyond the first pass.
    pub(super) fn find(&self, text: &[u8], work: &mut u64) -> Vec<Found> {
        let mut cursor = Cursor::default();
        let mut sighting = self.anchors.next(text, &mut cursor);
        let mut sign = memchr::memchr(b'@', text);
        if sighting.is_none() && sign.is_none() && self.settings.rules.is_empty() {
            return Vec::new();
        }
        let mut scan = Scan::new(text);
        let mut keywords: Vec<u16> = Vec::new();
        let mut marker = marker::next(text, 0);
        while let Some((at, length, what)) = sighting {
            sighting = self.anchors.next(text, &mut cursor);
            // What stands in a marker is ours.
            while marker.as_ref().is_some_and(|range| range.end <= at) {
                marker = marker.and_then(|range| marker::next(text, range.end));
            }
            if marker.as_ref().is_some_and(|range| range.start <= at) {
                continue;
            }
            match what {
                What::Name if at < scan.taken_end => {}
                What::Name => assign::at_word(&mut scan, at, length, self),
                What::Address => url::at_authority(&mut scan, at),
                What::Begin => pem::at_begin(&mut scan, at),
                What::Base64 => pem::at_base64(&mut scan, at),
                What::Putty => pem::at_putty(&mut scan, at, length),
                What::Scheme => header::at_scheme(&mut scan, at, length),
                What::Identified => accounts::at_identified(&mut scan, at + length),
                What::Using => accounts::at_using(&mut scan, at + length - 1),
                What::Pgpass => accounts::at_pgpass(&mut scan, at),
                What::Static => accounts::at_static(&mut scan, at + length),
                What::HereString => accounts::at_here_string(&mut scan, at + length),
                What::SecureString => accounts::at_secure_string(&mut scan, at + length),
                What::Values => accounts::at_values(&mut scan, at + length, length),
                What::Echo => accounts::at_echo(&mut scan, at),
                What::Program => {
                    let mark =
                        text[at..at + length].iter().rev().take_while(|byte| matches!(byte, b' ' | b'"')).count();
                    command::at_program(&mut scan, at, length - mark);
                }
                What::Format(number) => {
                    if let Some(matcher) = self.matchers.get(number as usize) {
                        token::at_literal(&mut scan, number, matcher, at);
                    }
                }
                What::Keyword(number) => {
                    if !keywords.contains(&number) {
                        keywords.push(number);
                    }
                }
            }
        }
        while let Some(at) = sign {
            url::at_sign(&mut scan, at);
            sign = memchr::memchr(b'@', &text[at + 1..]).map(|next| at + 1 + next);
        }
        self.custom(&mut scan, &keywords);
        *work += scan.work;
        let mut found = scan.found;
        found.retain(|found| !self.is_excepted(part(text, found.start, found.end), found.rule));
        merge(text, found)
    }

    fn custom(&self, scan: &mut Scan, keywords: &[u16]) {
        for (number, rule) in self.settings.rules.iter().enumerate() {
            if !rule.keywords.is_empty() && !keywords.contains(&(number as u16)) {
                continue;
            }
            let id = (self.first_custom + number) as RuleId;
            for captures in rule.regex.captures_iter(scan.text) {
                if let Some(group) = captures.get(rule.group) {
                    scan.take(group.range(), id, "a rule of the configuration");
                }
            }
        }
    }

    pub(super) fn is_excepted(&self, value: &[u8], rule: RuleId) -> bool {
        self.settings.except.iter().any(|except| {
            except.rule.as_ref().is_none_or(|name| self.names.get(rule as usize) == Some(name))
                && except.value.as_ref().is_none_or(|exactly| exactly.as_bytes() == value)
                && except.pattern.as_ref().is_none_or(|pattern| pattern.is_match(value))
        })
    }
}

/// Sorts, joins what overlaps, and keeps clear of markers. Of several rules for one place the one that began first and reached
/// furthest names it, but a vendor's format within a value names the whole: it says more.
fn merge(text: &[u8], mut found: Vec<Found>) -> Vec<Found> {
    if found.len() > 1 {
        found.sort_by(|a, b| a.start.cmp(&b.start).then(b.end.cmp(&a.end)));
    }
    let mut merged: Vec<Found> = Vec::with_capacity(found.len());
    for next in found {
        if let Some(last) = merged.last_mut()
            && next.start < last.end
        {
            if last.rule as usize <= rule::KEY_NAME as usize && next.rule as usize >= rule::CONTEXTS.len() {
                last.rule = next.rule;
                last.reason = next.reason;
            }
            last.end = last.end.max(next.end);
            last.wrap = None.or(last.wrap.take());
            continue;
        }
        merged.push(next);
    }
    // A marker stays whole: a place that begins in one begins behind it, one that reaches into one ends before it.
    for place in &mut merged {
        let mut from = place.start.saturating_sub(marker::MAX_MARKER);
        while let Some(range) = marker::next(part(text, 0, place.end + marker::MAX_MARKER), from) {
            if range.start >= place.end {
                break;
            }
            if range.start > place.start {
                place.end = range.start;
                break;
            }
            place.start = place.start.max(range.end);
            from = range.end;
        }
    }
    merged.retain(|place| place.start < place.end && !harmless::is_harmless(part(text, place.start, place.end)));
    merged
}
