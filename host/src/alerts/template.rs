//! Texts with holes: `{{value}}`.
//!
//! Owns: where the holes are. Must not know: what is put into them.

use super::expression::Flaw;

/// The longest template, in bytes.
const MAX_BYTES: usize = 16 << 10;

/// A text with holes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Hole(String),
}

impl Template {
    /// Reads a template; `is_known` says which holes can be filled.
    pub fn parse(text: &str, is_known: impl Fn(&str) -> bool, known: &str) -> Result<Self, Flaw> {
        if text.len() > MAX_BYTES {
            return Err(Flaw::at(1, format!("is longer than {MAX_BYTES} bytes")));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("{{") {
            let column = || text[..text.len() - rest.len() + start].chars().count() + 1;
            let after = &rest[start + 2..];
            let Some(end) = after.find("}}") else {
                return Err(Flaw::at(column(), "`{{` has no end").hint("close it with `}}`"));
            };
            let name = after[..end].trim();
            if !is_known(name) {
                let problem = format!("`{{{{{name}}}}}` is unknown");
                return Err(Flaw::at(column(), problem).hint(format!("one of {known}")));
            }
            if start > 0 {
                parts.push(Part::Text(rest[..start].to_owned()));
            }
            parts.push(Part::Hole(name.to_owned()));
            rest = &after[end + 2..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// The text with its holes filled.
    pub fn fill(&self, mut with: impl FnMut(&str) -> String) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.clone(),
                Part::Hole(name) => with(name),
            })
            .collect()
    }
}

/// Whether a rule's summary may have this hole. What is none of the words is a label.
pub fn is_summary_hole(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 128
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// The holes of a webhook's body.
const BODY_HOLES: [&str; 10] =
    ["status", "count", "receiver", "group", "title", "text", "host", "notification", "alerts", "json"];

/// Whether a webhook's body may have this hole.
pub fn is_body_hole(name: &str) -> bool {
    BODY_HOLES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_filled_and_flaws_have_a_place() {
        let template = Template::parse("{{rule}}: {{ value }} is too much", is_summary_hole, "").unwrap();
        assert_eq!(template.fill(|name| format!("<{name}>")), "<rule>: <value> is too much");
        let plain = Template::parse("nothing { to } fill", is_summary_hole, "").unwrap();
        assert_eq!(plain.fill(|_| unreachable!()), "nothing { to } fill");
        for (text, column) in [("größer {{a b}}", 8), ("x {{rule", 3), ("{{}}", 1)] {
            assert_eq!(Template::parse(text, is_summary_hole, "").unwrap_err().column, column, "{text}");
        }
        assert!(
            Template::parse("{{statu}}", is_body_hole, "status").unwrap_err().to_string().contains("one of status")
        );
    }
}
