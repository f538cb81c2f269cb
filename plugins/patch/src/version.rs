//! Versions and phases as numbers, so that `P8.10.03` comes after `P8.9.x` and `v3.3.19` after `1.0.0`.
//!
//! Owns how they are read and compared. Knows nothing of where they were found.

/// The most parts that are compared: a name made of dots must not cost more than a version does.
const MAX_PARTS: usize = 8;

/// A version: dotted parts and perhaps a pre-release, compared as SemVer 2.0 compares them.
///
/// Unlike SemVer it may have any number of parts, and a part may end in letters (`1.4.65b`).
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Version {
    parts: Vec<Part>,
    release: Release,
    /// As it was written, without the leading `v`. Equal versions are told apart by nothing else.
    text: String,
}

/// A phase such as `P11.12.06`, compared part by part.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Phase {
    parts: Vec<Part>,
    text: String,
}

/// `06` is (6, ""), `65b` is (65, "b"), `x` is (none, "x") and comes before every number.
type Part = (Option<u64>, String);

/// A pre-release comes before the release.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Release {
    Pre(Vec<Identifier>),
    Final,
}

/// Numbers come before words.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Identifier {
    Number(u64),
    Word(String),
}

impl Version {
    /// Reads `3.3.19`, `v3.3.19`, `1.0.0-rc.1`; anything that does not begin with a number is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let without_build = text.split('+').next().unwrap_or(text);
        let (numbers, pre) = match without_build.split_once('-') {
            Some((numbers, pre)) => (numbers, Some(pre)),
            None => (without_build, None),
        };
        let parts = parts_of(numbers)?;
        let release = match pre {
            None => Release::Final,
            Some(pre) => Release::Pre(pre.split('.').take(MAX_PARTS).map(identifier).collect()),
        };
        Some(Self { parts, release, text: text.to_owned() })
    }

    /// As it was written, without the leading `v`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Phase {
    /// Reads `P8.10.03`, `p8.10.3`, `8.10.03`, `0`; anything else is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let numbers = text.strip_prefix(['P', 'p']).unwrap_or(text);
        Some(Self { parts: parts_of(numbers)?, text: format!("P{numbers}") })
    }

    /// As it was written, always with the `P`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The dotted parts, without zeros at the end: `1.0` is `1.0.0`.
fn parts_of(text: &str) -> Option<Vec<Part>> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mut parts = Vec::new();
    for part in text.split('.') {
        if parts.len() == MAX_PARTS || part.is_empty() || !part.chars().all(|c| c.is_ascii_alphanumeric()) {
            return None;
        }
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        let (number, suffix) = part.split_at(digits);
        // A number that is no number any more (30 digits) is the largest there is.
        let number = (!number.is_empty()).then(|| number.parse().unwrap_or(u64::MAX));
        parts.push((number, suffix.to_ascii_lowercase()));
    }
    while parts.len() > 1 && parts.last().is_some_and(|(number, suffix)| *number == Some(0) && suffix.is_empty()) {
        parts.pop();
    }
    Some(parts)
}

fn identifier(text: &str) -> Identifier {
    text.parse().map_or_else(|_| Identifier::Word(text.to_owned()), Identifier::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap_or_else(|| panic!("`{text}` is a version"))
    }

    fn phase(text: &str) -> Phase {
        Phase::parse(text).unwrap_or_else(|| panic!("`{text}` is a phase"))
    }

    #[test]
    fn versions_are_ordered_by_number() {
        let ordered = [
            "0.9",
            "1.0.0-alpha",
            "1.0.0-rc.2",
            "1.0.0-rc.10",
            "1.0.0",
            "v1.4.65",
            "1.4.65b",
            "v3.3.9",
            "v3.3.19",
            "10.0",
        ];
        for pair in ordered.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{} < {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn phases_are_ordered_by_number() {
        let ordered = ["0", "6.5", "P8.9.x", "P8.9.1", "P8.10.03", "p8.10.4", "P11.12.06"];
        for pair in ordered.windows(2) {
            assert!(phase(pair[0]) < phase(pair[1]), "{} < {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn zeros_at_the_end_change_nothing() {
        assert_eq!(version("1.0").parts, version("v1.0.0").parts);
        assert_eq!(phase("P8").parts, phase("8.00").parts);
    }

    #[test]
    fn the_text_is_uniform() {
        assert_eq!(version(" v3.3.19 ").text(), "3.3.19");
        assert_eq!(phase("6.01.01").text(), "P6.01.01");
    }

    #[test]
    fn what_is_neither_is_none() {
        for text in ["", "v", "latest", "1..2", "1.2/3", "1.2.3.4.5.6.7.8.9", "../1"] {
            assert_eq!(Version::parse(text), None, "{text}");
            assert_eq!(Phase::parse(text), None, "{text}");
        }
        assert_eq!(version("99999999999999999999999.1").parts[0].0, Some(u64::MAX));
    }
}
