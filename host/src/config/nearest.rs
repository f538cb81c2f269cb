//! "Did you mean ...?": the known word that somebody most likely wanted to write.

/// The candidate nearest to `word`, where one is near enough to be worth a mention.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = fold(word);
    // A third of the letters may be wrong: `evry` finds `every`, `port` does not find `sort_by`.
    let tolerance = (word.len() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &fold(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= tolerance && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Case, dashes and underscores are what people mix up first.
fn fold(word: &str) -> Vec<char> {
    word.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).take(MAX_LENGTH).collect()
}

/// Longer words are compared by their beginning: the cost is quadratic.
const MAX_LENGTH: usize = 64;

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let width = b.len() + 1;
    let mut before: Vec<usize> = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; width];
        for j in 1..width {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    const KEYS: [&str; 5] = ["every", "enabled", "max_count", "max_age", "sha256"];

    #[test]
    fn slips_of_the_finger_find_their_key() {
        for (written, meant) in [
            ("evrey", "every"),
            ("evry", "every"),
            ("enable", "enabled"),
            ("maxCount", "max_count"),
            ("max-age", "max_age"),
            ("sha265", "sha256"),
            ("Every", "every"),
        ] {
            assert_eq!(nearest(written, KEYS), Some(meant), "{written}");
        }
    }

    #[test]
    fn what_resembles_nothing_finds_nothing() {
        for written in ["listen", "", "e", "compress", "x"] {
            assert_eq!(nearest(written, KEYS), None, "{written}");
        }
    }
}
