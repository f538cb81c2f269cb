//! Where secrets stand: the templates of `tests/fixtures/sanitize/contexts.txt`.

use super::kinds::Class;

const TEXT: &str = include_str!("../../../../tests/fixtures/sanitize/contexts.txt");
/// Where the secret goes in a template.
const PLACE: &str = "«S»";

/// A template.
pub(super) struct Context {
    pub category: &'static str,
    pub template: &'static str,
    classes: &'static str,
    encoding: &'static str,
}

/// All of them.
pub(super) fn all() -> Vec<Context> {
    TEXT.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            let mut parts = line.splitn(4, '|');
            let mut next = || parts.next().unwrap_or_else(|| panic!("{line}"));
            Context { category: next(), classes: next(), encoding: next(), template: next() }
        })
        .collect()
}

impl Context {
    pub(super) fn suits(&self, class: Class) -> bool {
        self.classes.contains(match class {
            Class::Token => 'T',
            Class::Plain => 'G',
            Class::Password => 'P',
        })
    }

    /// Whether a secret here must not hold spaces or marks that end a word.
    pub(super) fn wants_a_word(&self) -> bool {
        matches!(self.encoding, "word" | "raw")
    }

    /// The text, and the secret as it is written in it.
    pub(super) fn fill(&self, secret: &str) -> (String, String) {
        let written = match self.encoding {
            "json" => json(secret),
            "json2" => json(&json(secret)),
            "url" => percent(secret),
            "xml" => secret.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;"),
            "dq" => secret.replace('\\', "\\\\").replace('"', "\\\""),
            "sq" => secret.replace('\'', "''"),
            _ => secret.to_owned(),
        };
        let template = if self.encoding.starts_with("json") {
            self.template.to_owned()
        } else {
            self.template.replace("\\n", "\n")
        };
        let template = if self.encoding == "json" {
            template.replace("{\\n", "{\n").replace(",\\n", ",\n").replace("\"\\n}", "\"\n}")
        } else {
            template
        };
        (template.replace(PLACE, &written), written)
    }
}

fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
                (byte as char).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
