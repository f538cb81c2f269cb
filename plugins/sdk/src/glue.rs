//! What stands between the component's exports and the author's trait.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::bindings::exports::ghost::collector::collector::Guest;
use crate::{Collector, Descriptor, Failure, Invocation, Section};

/// A [`Collector`] as the component model calls it.
pub struct Adapter<C>(PhantomData<C>);

impl<C: Collector + 'static> Guest for Adapter<C> {
    fn describe() -> Descriptor {
        C::describe()
    }

    fn collect(call: Invocation, config: String) -> Result<Vec<Section>, Failure> {
        collect::<C>(&call, &config)
    }
}

/// One call from its configuration text on, the same natively and in the component.
pub(crate) fn collect<C: Collector>(call: &Invocation, config: &str) -> Result<Vec<Section>, Failure> {
    C::collect(call, parse_config(config)?)
}

fn parse_config<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let cause = error.into_inner();
        // The whole configuration has no name of its own in serde's path but a dot.
        if path == "." { Failure::Config(cause.to_string()) } else { Failure::Config(format!("`{path}`: {cause}")) }
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Config {
        #[serde(default)]
        files: Vec<File>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct File {
        limit: u32,
    }

    #[test]
    fn a_wrong_value_is_named_by_its_path() {
        let Err(Failure::Config(text)) = parse_config::<Config>(r#"{"files":[{"limit":1},{"limit":"x"}]}"#) else {
            panic!("a text is no number");
        };
        assert!(text.starts_with("`files[1].limit`: invalid type"), "{text}");
    }

    #[test]
    fn an_unknown_key_is_refused_and_named() {
        let Err(Failure::Config(text)) = parse_config::<Config>(r#"{"file":[]}"#) else { panic!("unknown key") };
        assert!(text.contains("unknown field `file`"), "{text}");
    }

    #[test]
    fn nothing_configured_is_an_empty_object() {
        assert_eq!(parse_config::<Config>("{}"), Ok(Config { files: vec![] }));
    }
}
