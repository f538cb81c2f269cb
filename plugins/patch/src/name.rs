//! What the name of a patch tells: `patch-v3.3.19(P11.12.06)_some-slug`.
//!
//! Owns the shapes that names have. Knows nothing of files or of what is in them.

use crate::version::{Phase, Version};

/// What a name told.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Label {
    /// The version after `v`.
    pub version: Option<Version>,
    /// The phase, in parentheses or between separators.
    pub phase: Option<Phase>,
}

/// Words that make what follows a hyphen a pre-release rather than the beginning of a slug.
const PRE_RELEASES: [&str; 6] = ["alpha", "beta", "dev", "pre", "preview", "rc"];

/// Reads a file name (with or without `.json`) or an id.
#[must_use]
pub fn parse(name: &str) -> Label {
    let name = stem(name);
    Label { version: version_in(name), phase: phase_in(name) }
}

/// The name without `.json`.
#[must_use]
pub fn stem(name: &str) -> &str {
    let end = name.len().saturating_sub(".json".len());
    match (name.get(..end), name.get(end..)) {
        (Some(stem), Some(extension)) if extension.eq_ignore_ascii_case(".json") => stem,
        _ => name,
    }
}

/// Whether a file with this name can be a patch: JSON, and not hidden.
#[must_use]
pub fn may_be_patch(name: &str) -> bool {
    stem(name).len() < name.len() && !name.starts_with('.')
}

fn version_in(name: &str) -> Option<Version> {
    words(name).find_map(|word| {
        let numbers = word.strip_prefix(['v', 'V'])?;
        let end = numbers.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(numbers.len());
        let (core, rest) = numbers.split_at(end);
        let core = core.trim_end_matches('.');
        if let Some(pre) = rest.strip_prefix('-').and_then(pre_release) {
            return Version::parse(&format!("{core}-{pre}"));
        }
        Version::parse(core)
    })
}

/// `rc.1` of `rc.1(P1.2)_slug`; none for a slug.
fn pre_release(rest: &str) -> Option<&str> {
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(rest.len());
    let pre = rest.get(..end)?;
    let word = pre.split('.').next()?.trim_end_matches(|c: char| c.is_ascii_digit());
    (PRE_RELEASES.contains(&word)).then_some(pre)
}

fn phase_in(name: &str) -> Option<Phase> {
    let in_parentheses = name.split('(').skip(1).find_map(|rest| {
        let (inside, _) = rest.split_once(')')?;
        inside.starts_with(['P', 'p']).then(|| Phase::parse(inside)).flatten()
    });
    in_parentheses.or_else(|| {
        words(name).find_map(|word| {
            let end = word.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(word.len());
            let word = word.get(..end)?;
            // Between separators `p2` may be anything; a dot makes it a phase.
            (word.starts_with(['P', 'p']) && word.contains('.')).then(|| Phase::parse(word)).flatten()
        })
    })
}

/// The rest of the name from each of its words on.
fn words(name: &str) -> impl Iterator<Item = &str> {
    let starts =
        name.char_indices().filter(|(_, c)| matches!(c, '-' | '_' | ' ' | '(')).map(|(at, c)| at + c.len_utf8());
    std::iter::once(0).chain(starts).filter_map(|at| name.get(at..))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> (String, String) {
        let label = parse(name);
        let version = label.version.map_or_else(String::new, |version| version.text().to_owned());
        let phase = label.phase.map_or_else(String::new, |phase| phase.text().to_owned());
        (version, phase)
    }

    #[test]
    fn names_in_the_wild() {
        for (name, version, phase) in [
            ("patch-v3.3.19(P11.12.06)_some-slug.json", "3.3.19", "P11.12.06"),
            ("patch-v3.3.19(P11.12.06)_some-slug", "3.3.19", "P11.12.06"),
            ("patch-v1.4.65X(P6.5.XX)_slug.json", "1.4.65X", "P6.5.XX"),
            ("patch-v1.0.0-rc.1(P1.2)_slug.json", "1.0.0-rc.1", "P1.2"),
            ("patch-v2.1.0-fix-the-relay.json", "2.1.0", ""),
            ("patch-v3.1.(P8)_x.json", "3.1", "P8"),
            ("patch-P8.10.03_queue-guard.json", "", "P8.10.03"),
            ("ghost-test-patch_20250711_013001.json", "", ""),
            ("patch-vendor-update.json", "", ""),
            ("patch-add-p2-page.json", "", ""),
            ("slack-test-patch-1751862547_20250706_212907.json", "", ""),
            ("patch-(v2.0.1)(see p. 4).json", "2.0.1", ""),
            ("päck-v1.2(P3.4)_ü.json", "1.2", "P3.4"),
            ("", "", ""),
            ("(", "", ""),
            ("patch-v", "", ""),
        ] {
            assert_eq!(read(name), (version.to_owned(), phase.to_owned()), "{name}");
        }
    }

    #[test]
    fn only_json_that_is_not_hidden_can_be_a_patch() {
        assert!(may_be_patch("a.json") && may_be_patch("a.JSON"));
        for name in [".DS_Store", ".hidden.json", "README.md", "patch.json.bak", "json", ".json", "é"] {
            assert!(!may_be_patch(name), "{name}");
        }
    }
}
