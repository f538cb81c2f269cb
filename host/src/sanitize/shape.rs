//! What a value looks like: a path, words, a number, a version, a UUID, or the output of a random generator.

use super::words::{FILE_ENDINGS, STATES};

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
    value.iter().rposition(|byte| *byte == b'.').is_some_and(|dot| dot > 0 && FILE_ENDINGS.contains(&value[dot + 1..]))
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
    let (mut humps, mut lower, mut run, mut longest, mut vowels) = (1, 0, 0, 0, 0);
    for (index, byte) in letters.iter().enumerate() {
        humps += usize::from(index > 0 && letters[index - 1].is_ascii_lowercase() && byte.is_ascii_uppercase());
        lower += usize::from(byte.is_ascii_lowercase());
        if matches!(byte.to_ascii_lowercase(), b'a' | b'e' | b'i' | b'o' | b'u' | b'y') {
            vowels += 1;
            run = 0;
        } else {
            run += 1;
            longest = longest.max(run);
        }
    }
    // `getUserName` has three humps of three lower-case letters each; `ALEjTGsaXyZAQ` has four of one.
    longest <= 5 && (humps <= 2 || lower >= 2 * humps) && vowels * 6 >= letters.len()
}

/// Something that a person would not write as a word: letters with digits, symbols inside, case without sense, many consonants.
pub(super) fn stands_out(value: &[u8], least: usize) -> bool {
    if value.len() < least || STATES.contains(value) || is_date_or_address(value) {
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
pub(super) fn names_something(value: &[u8]) -> bool {
    is_version(value)
        || value.len() <= 40 && is_wordy(value)
        || value.iter().filter(|byte| **byte == b'-').count() >= 2
            && !is_uuid(value)
            && value.split(|byte| *byte == b'-').filter(|part| is_wordy(part) && part.len() >= 3).count() >= 2
}

/// Lower-case letters only.
pub(super) fn is_dictionary_like(value: &[u8]) -> bool {
    value.iter().all(u8::is_ascii_lowercase)
}

/// A number that counts something.
pub(super) fn is_small_number(value: &[u8]) -> bool {
    value.len() < 16 && value.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',' | b'-' | b'+'))
}

/// So many digits and nothing else.
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
pub(super) fn is_date_or_address(value: &[u8]) -> bool {
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

/// Hexadecimal digits only.
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

/// Whether a text begins so, without regard to case.
pub(super) fn starts_with_ignore_case(value: &[u8], prefix: &[u8]) -> bool {
    value.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

/// A name as programs have them.
pub(super) fn is_identifier(name: &[u8]) -> bool {
    name.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// `a.b`, `a->b`, `a::b`, `a['b']`: what programs write, and nothing else.
pub(super) fn is_identifier_path(name: &[u8]) -> bool {
    name.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
        && name.iter().all(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'_' | b'.' | b'-' | b'>' | b':' | b'[' | b']' | b'\'' | b'"')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_values_are_told_from_names() {
        for random in [
            "9f8e7d6c5b4a39281706f5e4d3c2b1a0",
            "wJalrXUtnFEMIK7MDENGbPxRfiCYzzzKEY",
            "xK9dQ2mZp0LrT7vB",
            "123e4567-e89b-12d3-a456-426614174000",
        ] {
            assert!(looks_random(random.as_bytes(), 16), "{random}");
        }
        for name in [
            "kube-system/default-token-x7k2p",
            "AbstractSingletonProxyFactoryBean",
            "2026-11-21T10:00:00Z",
            "very_long_table_name_primary_idx",
            "1234567890123456",
            "10.0.0.1:5432",
        ] {
            assert!(!looks_random(name.as_bytes(), 16), "{name}");
        }
    }

    #[test]
    fn paths_and_versions() {
        for path in ["/run/secrets/db", "./key.pem", "~/.ssh/id_ed25519", r"C:\keys\a.key", "server.key", "@/etc/pw"] {
            assert!(is_path(path.as_bytes()), "{path}");
        }
        for other in ["/Kx8bPz91mQv7TrYw2LnJ4sDf6Gh0Aa+/cE3Ui5O", "a/b", "secret", "/x"] {
            assert!(!is_path(other.as_bytes()), "{other}");
        }
        assert!(is_version(b"1.2.3-rc1") && is_version(b"v2.0") && !is_version(b"1x8Zq0"));
    }
}
