//! A collector made from nothing but the WIT: no SDK, no grant.

wit_bindgen::generate!({ path: "../../../wit", world: "minimal" });

use exports::ghost::collector::collector::{Descriptor, Failure, Guest, Invocation, Section};
use ghost::collector::types::Completeness;

struct Raw;

impl Guest for Raw {
    fn describe() -> Descriptor {
        Descriptor {
            name: "raw".to_owned(),
            version: "1.0.0".to_owned(),
            summary: "Made from the WIT alone.".to_owned(),
            sections: vec!["raw".to_owned()],
            config_schema: None,
            attributes: vec![],
        }
    }

    fn collect(call: Invocation, _config: String) -> Result<Vec<Section>, Failure> {
        Ok(vec![Section {
            key: "raw".to_owned(),
            schema: "test.raw/1".to_owned(),
            completeness: Completeness::Complete,
            warnings: vec![],
            body: format!("{{\"answer\":42,\"reason\":\"{}\"}}", call.reason),
            metrics: vec![],
            findings: vec![],
            attributes: vec![],
        }])
    }
}

export!(Raw);
