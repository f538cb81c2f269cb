//! The token formats of vendors, one row each. They are facts that the vendors document or that their tokens show; the source of each
//! stands beside it. Where a format has a checksum (GitHub's and npm's CRC-32) it is not asked for: a token with a wrong one costs
//! nothing to take out, and a real one that was cut or mistyped should not stay either.

mod ai;
mod cloud;
mod commerce;
mod data;
mod developer;
mod hashes;
mod messaging;

use super::token::Format;

/// All tables.
const TABLES: &[&[Format]] = &[
    developer::FORMATS,
    cloud::FORMATS,
    ai::FORMATS,
    commerce::FORMATS,
    data::FORMATS,
    messaging::FORMATS,
    hashes::FORMATS,
];

/// Tokens without a literal of three bytes; [`beginnings`] computes what they can begin with.
const WITHOUT_LITERAL: &[Format] = &[
    f("twilio-key", "SK{h32}", "Twilio: API key SIDs"),
    f("discord-token", "{s23,28}.{s6}.{s27,40}", "Discord: bot tokens"),
];

/// Every format.
pub(super) fn all() -> impl Iterator<Item = &'static Format> {
    TABLES.iter().flat_map(|table| table.iter()).chain(WITHOUT_LITERAL)
}

/// The first three bytes that tokens of a format without a literal can have.
pub(super) fn beginnings(format: &Format) -> Vec<Vec<u8>> {
    match format.name {
        "twilio-key" => b"0123456789abcdef".iter().map(|digit| vec![b'S', b'K', *digit]).collect(),
        // The user's id in decimal digits, in base64: two digits make three characters, as the third digit adds only zeros to them.
        "discord-token" => (10..100_u8).map(|number| base64_of([b'0' + number / 10, b'0' + number % 10])).collect(),
        _ => Vec::new(),
    }
}

fn base64_of([first, second]: [u8; 2]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = u32::from(first) << 8 | u32::from(second);
    // The third character holds four bits of the second digit and two of the third, which are always zero for digits' high bits.
    [bits >> 10, bits >> 4 & 63, bits << 2 & 63].iter().map(|six| ALPHABET[(*six & 63) as usize]).collect()
}

const fn f(name: &'static str, pattern: &'static str, source: &'static str) -> Format {
    Format { name, pattern, source }
}
