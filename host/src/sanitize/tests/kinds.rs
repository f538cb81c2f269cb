//! Made-up secrets of every kind, generated from their formats with a fixed seed: nothing that looks like a live credential is kept in
//! the repository.

use super::super::formats;

/// A small generator of numbers (xorshift64*): the same for everybody.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }

    pub(super) fn pick(&mut self, from: &[u8]) -> u8 {
        from[self.below(from.len())]
    }

    fn text(&mut self, alphabet: &str, length: usize) -> String {
        (0..length).map(|_| self.pick(alphabet.as_bytes()) as char).collect()
    }
}

/// What a kind is by its contexts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Recognisable by itself.
    Token,
    /// Random, without a prefix.
    Plain,
    /// A password.
    Password,
}

/// A kind of secret.
pub(super) struct Kind {
    pub name: String,
    pub class: Class,
    make: Make,
}

enum Make {
    Pattern(&'static str),
    Run(&'static str, usize),
    Uuid,
    Style(usize),
}

/// A made-up secret.
pub(super) struct Secret {
    /// All of it.
    pub whole: String,
    /// Where the part begins that must go.
    pub from: usize,
}

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &str = "0123456789";
const HEX: &str = "0123456789abcdef";
const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const NUMLOW: &str = "abcdefghijklmnopqrstuvwxyz0123456789";

/// Vendors whose keys have no prefix: what they look like, after the vendors' documentation.
const PLAIN: &[(&str, &str, usize)] = &[
    ("aws-secret-key", BASE64, 40),
    ("datadog-api-key", HEX, 32),
    ("datadog-app-key", HEX, 40),
    ("algolia", HEX, 32),
    ("twilio-auth-token", HEX, 32),
    ("cloudflare-api-token", URL64, 40),
    ("cloudflare-global-key", HEX, 37),
    ("okta-secret", URL64, 40),
    ("auth0-secret", URL64, 64),
    ("facebook-secret", HEX, 32),
    ("twitter-key", ALNUM, 25),
    ("twitter-secret", ALNUM, 50),
    ("linkedin-secret", ALNUM, 16),
    ("spotify-secret", HEX, 32),
    ("github-oauth-secret", HEX, 40),
    ("bitbucket-secret", ALNUM, 32),
    ("jenkins-token", HEX, 34),
    ("travis-token", ALNUM, 22),
    ("codecov", ALNUM, 32),
    ("fastly", URL64, 32),
    ("vultr", ALNUM, 36),
    ("linode", HEX, 64),
    ("hetzner", ALNUM, 64),
    ("ovh-secret", ALNUM, 32),
    ("consumer-key", ALNUM, 32),
    ("splunk-pass4sym", ALNUM, 24),
    ("sumologic", ALNUM, 64),
    ("loggly", NUMLOW, 36),
    ("mixpanel", HEX, 32),
    ("amplitude", HEX, 32),
    ("segment-write", ALNUM, 32),
    ("bugsnag", HEX, 32),
    ("rollbar", HEX, 32),
    ("opsworks", BASE64, 44),
    ("pusher", HEX, 20),
    ("pagerduty", ALNUM, 20),
    ("zendesk", ALNUM, 40),
    ("freshdesk", ALNUM, 20),
    ("pipedrive", HEX, 40),
    ("mailjet", HEX, 32),
    ("sparkpost", HEX, 40),
    ("nexmo-secret", ALNUM, 16),
    ("messagebird", ALNUM, 25),
    ("plivo", ALNUM, 40),
    ("etherscan", ALNUM, 34),
    ("infura", HEX, 32),
    ("binance", ALNUM, 64),
    ("coinbase", ALNUM, 64),
    ("kraken", BASE64, 88),
    ("openweather", HEX, 32),
    ("newsapi", HEX, 32),
    ("steam", HEX, 32),
    ("lastfm", HEX, 32),
    ("deepgram", HEX, 40),
    ("assemblyai", HEX, 32),
    ("cohere", ALNUM, 40),
    ("mistral", ALNUM, 32),
    ("wandb", HEX, 40),
    ("azure-storage", BASE64, 86),
    ("azure-cognitive", HEX, 32),
    ("wireguard", BASE64, 43),
    ("django-secret", ALNUM, 50),
    ("rails-secret", HEX, 128),
    ("laravel", BASE64, 43),
    ("vapid", URL64, 43),
    ("session", NUMLOW, 26),
];

const STYLES: usize = 16;

/// All kinds: every format of the tables, the vendors without a prefix, and styles of passwords.
pub(super) fn all() -> Vec<Kind> {
    let mut kinds: Vec<Kind> = formats::all()
        .map(|format| Kind {
            name: format!("{} {}", format.name, format.pattern),
            class: Class::Token,
            make: Make::Pattern(format.pattern),
        })
        .collect();
    kinds.extend(PLAIN.iter().map(|(name, alphabet, length)| Kind {
        name: (*name).to_owned(),
        class: Class::Plain,
        make: Make::Run(alphabet, *length),
    }));
    kinds.push(Kind { name: "heroku, snyk and others: uuid".to_owned(), class: Class::Plain, make: Make::Uuid });
    kinds.extend((0..STYLES).map(|style| Kind {
        name: format!("password, style {style}"),
        class: Class::Password,
        make: Make::Style(style),
    }));
    kinds
}

impl Kind {
    /// Makes one up. `word`: it must not hold spaces or marks that end a word.
    pub(super) fn make(&self, random: &mut Random, word: bool) -> Secret {
        let whole = match self.make {
            Make::Pattern(pattern) => return from_pattern(pattern, random),
            Make::Run(alphabet, length) => random.text(alphabet, length),
            Make::Uuid => format!(
                "{}-{}-4{}-a{}-{}",
                random.text(HEX, 8),
                random.text(HEX, 4),
                random.text(HEX, 3),
                random.text(HEX, 3),
                random.text(HEX, 12)
            ),
            Make::Style(style) => password(style, random, word),
        };
        Secret { whole, from: 0 }
    }
}

/// Passwords as people and programs make them.
fn password(style: usize, random: &mut Random, word: bool) -> String {
    const WORDS: [&str; 12] = [
        "falcon", "Orange", "winter", "Dragon", "coffee", "Monday", "silver", "Rocket", "summer", "Castle", "turtle",
        "Planet",
    ];
    let (first, second, third) = (WORDS[random.below(12)], WORDS[random.below(12)], WORDS[random.below(12)]);
    match style {
        0 => format!("{}{}", first, random.text(DIGITS, 3)),
        1 => format!("{}{}!", first, random.text(DIGITS, 2)),
        2 => format!("{}{}{}", first, random.text("!@#$%^*", 1), random.text(DIGITS, 4)),
        3 => random.text(ALNUM, 10),
        4 => random.text(ALNUM, 16),
        5 => random.text("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789!@#$%^*_+-=.?", 14),
        6 => format!("{}-{}-{}", first, second, random.text(DIGITS, 2)),
        7 => format!("{}_{}", first, random.text(NUMLOW, 6)),
        8 => format!("P@ssw0rd{}", random.text(DIGITS, 3)),
        9 => format!("{}{}", random.text(UPPER, 4), random.text(DIGITS, 6)),
        10 => random.text(HEX, 12),
        11 => random.text(BASE64, 20) + "=",
        12 => format!("{}.{}.{}", first, random.text(DIGITS, 2), second),
        13 => format!("Tr0ub4dor&{}", random.text(DIGITS, 1)),
        14 if !word => format!("{} {} {} {}", first, second, third, random.text(DIGITS, 2)),
        15 if !word => format!("pä$$wörd{}ß{}", random.text(DIGITS, 2), random.text(LOWER, 3)),
        _ => random.text("abcdefghijkmnopqrstuvwxyz23456789#%+", 12),
    }
}

/// Reads a pattern of [`super::super::token`] the other way round.
fn from_pattern(pattern: &str, random: &mut Random) -> Secret {
    let mut whole = String::new();
    let mut from = 0;
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        if first == '|' {
            from = whole.len();
            rest = &rest[1..];
            continue;
        }
        if let Some((run, after)) = rest.strip_prefix('{').and_then(|open| open.split_once('}'))
            && let Some(length) =
                run.get(1..).and_then(|numbers| numbers.split(',').next()).and_then(|least| least.parse::<usize>().ok())
        {
            let most = run[1..].split_once(',').and_then(|(_, most)| most.parse::<usize>().ok()).unwrap_or(length);
            let length = if most > length { length + random.below((most - length).min(12) + 1) } else { length };
            whole += &run_of(run.as_bytes()[0], length.max(1), random, pattern);
            rest = after;
            continue;
        }
        whole.push(first);
        rest = &rest[first.len_utf8()..];
    }
    Secret { whole, from }
}

fn run_of(letter: u8, length: usize, random: &mut Random, pattern: &str) -> String {
    if letter == b'g' {
        return format!(
            "{}-{}-4{}-b{}-{}",
            random.text(HEX, 8),
            random.text(HEX, 4),
            random.text(HEX, 3),
            random.text(HEX, 3),
            random.text(HEX, 12)
        );
    }
    // Discord's begin with the user's id in base64.
    if pattern.starts_with("{s23") && length >= 23 {
        return format!("MTA{}", random.text(ALNUM, length - 3));
    }
    // A run ends in a letter or digit: marks at the end are not part of tokens as people write them.
    let alphabet = match letter {
        b'd' => DIGITS,
        b'h' => HEX,
        b'H' => "0123456789ABCDEF",
        b'x' => "0123456789abcdefABCDEF",
        b'l' => LOWER,
        b'u' => UPPER,
        b'L' => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        b'n' => NUMLOW,
        b'N' => "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
        b'w' => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_",
        b's' | b'e' | b'p' | b't' => URL64,
        b'b' | b'k' => BASE64,
        _ => ALNUM,
    };
    if length == 0 {
        return String::new();
    }
    let inner = random.text(alphabet, length - 1);
    let edges: String = alphabet.chars().filter(char::is_ascii_alphanumeric).collect();
    let first = random.text(&edges, 1);
    if length == 1 {
        return first;
    }
    format!("{}{}{}", first, &inner[1..], random.text(&edges, 1))
}
