//! Whether a line that says that something is over is about an open finding: they share the words that name the thing.

/// The words of `text` that name things: letters only, three or more, and none of those that say what happened.
pub fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = text
        .split(|c: char| !c.is_ascii_alphabetic())
        .filter(|w| w.len() >= 2)
        .map(str::to_ascii_lowercase)
        .filter(|w| !SAYS_WHAT_HAPPENED.contains(&w.as_str()))
        .collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// Whether words of a recovery and a template are about the same thing.
pub(super) fn about(said: &[String], template: &str) -> bool {
    let subject = words(template);
    let shared = subject.iter().filter(|w| said.binary_search(w).is_ok()).count();
    let least = subject.len().min(said.len());
    shared >= 2 && shared * 10 >= least * 6 || shared >= 1 && shared == least && subject.len() <= 2
}

/// Words that are no part of a thing's name.
const SAYS_WHAT_HAPPENED: &[&str] = &[
    "the",
    "to",
    "of",
    "is",
    "was",
    "has",
    "have",
    "been",
    "be",
    "and",
    "for",
    "from",
    "with",
    "in",
    "on",
    "at",
    "by",
    "an",
    "it",
    "not",
    "again",
    "now",
    "after",
    "failed",
    "failure",
    "fail",
    "error",
    "errors",
    "lost",
    "cannot",
    "could",
    "unable",
    "refused",
    "timed",
    "out",
    "timeout",
    "down",
    "up",
    "restored",
    "recovered",
    "resolved",
    "reestablished",
    "established",
    "re",
    "reconnected",
    "back",
    "online",
    "normal",
    "healthy",
    "unhealthy",
    "unreachable",
    "unavailable",
    "available",
    "corrected",
    "successfully",
    "success",
    "info",
    "warn",
    "warning",
    "fatal",
    "critical",
    "ms",
    "seconds",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sharing_a_thing_is_not_sharing_small_words() {
        assert!(about(&words("connection to database orders restored"), "connection to database orders lost : <*>"));
        assert!(!about(&words("the backup is back online"), "the disk is not online"));
        assert!(!about(&words("replication recovered"), "connection to database lost"));
    }
}
