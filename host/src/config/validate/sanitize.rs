//! What `[security.sanitize]` says: names, patterns, groups.

use std::collections::HashMap;

use super::super::raw;
use super::super::settings::{Sanitize, SanitizeException, SanitizeRule};
use super::name::NameRule;
use super::{At, Judge};

impl Judge<'_> {
    pub(super) fn sanitize(&mut self, raw: raw::Sanitize, at: &At<'_>) -> Sanitize {
        let keys_at = at.key("keys");
        for (index, key) in raw.keys.iter().enumerate() {
            if !key.chars().any(char::is_alphanumeric) {
                self.fault(&keys_at.item(index), "is no name").hint = Some("such as `session_id`".to_owned());
            }
        }
        let rules_at = at.key("rules");
        let mut seen = HashMap::new();
        let mut rules = Vec::with_capacity(raw.rules.len());
        for (index, rule) in raw.rules.into_iter().enumerate() {
            let at = rules_at.item(index);
            self.name(&rule.name, &at.key("name"), NameRule::PLAIN);
            self.once(&rule.name, &at.key("name"), &mut seen, "rule");
            let groups = self.pattern(&rule.pattern, &at.key("pattern"));
            let secret_group = rule.secret_group.unwrap_or(0);
            if let Some(groups) = groups.filter(|groups| secret_group as usize > *groups) {
                let problem = format!("the pattern has no group {secret_group}");
                self.fault_with(&at.key("secret_group"), problem, format!("it has {groups}; 0 means the whole match"));
            }
            let keywords = rule.keywords.unwrap_or_default();
            if let Some(empty) = keywords.iter().position(String::is_empty) {
                self.fault(&at.key("keywords").item(empty), "must not be empty");
            }
            rules.push(SanitizeRule { name: rule.name, pattern: rule.pattern, keywords, secret_group });
        }
        let except_at = at.key("except");
        let mut seen = HashMap::new();
        let mut except = Vec::with_capacity(raw.except.len());
        for (index, exception) in raw.except.into_iter().enumerate() {
            let at = except_at.item(index);
            self.name(&exception.name, &at.key("name"), NameRule::PLAIN);
            self.once(&exception.name, &at.key("name"), &mut seen, "exception");
            self.pattern(&exception.pattern, &at.key("pattern"));
            except.push(SanitizeException { name: exception.name, pattern: exception.pattern });
        }
        Sanitize { keys: raw.keys, rules, except }
    }
}
