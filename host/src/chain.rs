//! An error with everything that caused it, for one line of a log or of a terminal.

/// An error with its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.ends_with(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open store")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn causes_follow_and_are_not_repeated() {
        let error = Outer(std::io::Error::other("no space left"));
        assert_eq!(chain(&error), "cannot open store: no space left");
    }
}
