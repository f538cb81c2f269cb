//! Single values from the command line (`--set snapshot.every=1s`) and the environment
//! (`GHOSTD__SNAPSHOT__EVERY=1s`). They are laid over the file and judged as it is.

use std::ffi::OsString;
use std::sync::Arc;

use super::fault::Fault;
use super::place::{Origin, Place};
use super::tree::{self, Node};

/// What begins the name of a variable that sets a value; two underscores stand for a dot.
pub const VARIABLE_PREFIX: &str = "GHOSTD__";

/// One value, and who set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    origin: Origin,
    key: String,
    value: String,
}

impl Override {
    /// `key.path=value` of the command line.
    ///
    /// # Errors
    /// The text holds no `=`.
    pub fn argument(text: &str) -> Result<Self, Fault> {
        let origin = Origin::CommandLine(Arc::from(format!("--set {text}")));
        match text.split_once('=') {
            Some((key, value)) => Ok(Self { origin, key: key.trim().to_owned(), value: value.trim().to_owned() }),
            None => Err(Fault::new(Some(&Place::whole(origin)), "", "sets nothing")
                .hint("write `--set KEY=VALUE`, such as `--set snapshot.every=1m`")),
        }
    }

    /// All variables of this kind (of [`std::env::vars_os`]), sorted by name.
    pub fn from_environment<T: Into<OsString>>(variables: impl IntoIterator<Item = (T, T)>) -> Vec<Self> {
        let mut found: Vec<(String, String)> = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
            .filter(|(name, _)| name.starts_with(VARIABLE_PREFIX))
            .collect();
        found.sort();
        found
            .into_iter()
            .map(|(name, value)| Self {
                key: name[VARIABLE_PREFIX.len()..].to_lowercase().replace("__", "."),
                origin: Origin::Environment(Arc::from(name)),
                value,
            })
            .collect()
    }

    /// The value is TOML where it reads as such, and plain text otherwise: `5m` needs no quotes.
    pub(super) fn to_node(&self) -> Result<Node, Vec<Fault>> {
        let as_toml = format!("{} = {}", self.key, self.value);
        if !as_toml.contains('\n')
            && let Ok(node) = tree::parse(&as_toml, &self.origin)
        {
            return Ok(node);
        }
        tree::parse(&format!("{} = {}", self.key, tree::quote(&self.value)), &self.origin).map_err(|_| {
            let place = Place::whole(self.origin.clone());
            vec![Fault::new(Some(&place), "", format!("`{}` is no key", self.key)).hint("such as `snapshot.every`")]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        Override::argument(text).unwrap().to_node().unwrap().to_json().to_string()
    }

    #[test]
    fn values_are_toml_or_else_text() {
        assert_eq!(json("snapshot.every=5m"), r#"{"snapshot":{"every":"5m"}}"#);
        assert_eq!(json("a = \"x\""), r#"{"a":"x"}"#);
        assert_eq!(json("a=5"), r#"{"a":5}"#);
        assert_eq!(json("a=[1, 2]"), r#"{"a":[1,2]}"#);
        assert_eq!(json("a=x=y"), r#"{"a":"x=y"}"#);
        assert_eq!(json("a=1\nb=2"), "{\"a\":\"1\\nb=2\"}");
    }

    #[test]
    fn what_sets_nothing_is_refused() {
        let fault = Override::argument("snapshot.every").unwrap_err();
        assert_eq!(
            fault.to_string(),
            "command line --set snapshot.every: sets nothing (write `--set KEY=VALUE`, such as `--set snapshot.every=1m`)"
        );
        let faults = Override::argument("a b=1").unwrap().to_node().unwrap_err();
        assert_eq!(faults[0].to_string(), "command line --set a b=1: `a b` is no key (such as `snapshot.every`)");
    }

    #[test]
    fn variables_name_keys() {
        let variables = [("GHOSTD__LOG__LEVEL", "debug"), ("GHOSTD_CONFIG", "/x"), ("HOME", "/root")];
        let found = Override::from_environment(variables);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].to_node().unwrap().to_json().to_string(), r#"{"log":{"level":"debug"}}"#);
    }
}
