//! What a Rust author writes a ghostd collector with.
//!
//! A collector is a WebAssembly component. It looks at something through the [`host`]'s functions and
//! returns [`Section`]s that describe what it saw. It can do nothing but what the owner of the machine
//! granted it: **each module of [`host`] that a collector calls becomes an import of the component, and
//! each import is a request for that capability.** Modules that are not called leave no trace.
//!
//! ```
//! use ghostd_sdk::{Collector, Descriptor, Failure, Invocation, Metric, Section, host};
//! use serde::{Deserialize, Serialize};
//!
//! struct Load;
//!
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     #[serde(default = "four")]
//!     high: f64,
//! }
//!
//! fn four() -> f64 {
//!     4.0
//! }
//!
//! #[derive(Serialize)]
//! struct Body {
//!     load_1m: f64,
//!     high: bool,
//! }
//!
//! impl Collector for Load {
//!     type Config = Config;
//!
//!     fn describe() -> Descriptor {
//!         Descriptor::new("load", env!("CARGO_PKG_VERSION"), "The load average.")
//!             .section("load")
//!             .config_schema(r#"{"type":"object","additionalProperties":false,
//!                               "properties":{"high":{"type":"number"}}}"#)
//!     }
//!
//!     fn collect(_call: &Invocation, config: Config) -> Result<Vec<Section>, Failure> {
//!         let (load_1m, _, _) = host::system::cpu()?.load;
//!         let body = Body { load_1m, high: load_1m > config.high };
//!         let section = Section::new("load", "example.load/1")
//!             .body(&body)?
//!             .metric(Metric::gauge("system.cpu.load_average.1m", "{run_queue_item}", load_1m));
//!         Ok(vec![section])
//!     }
//! }
//!
//! ghostd_sdk::export!(Load);
//!
//! // Natively the host is a fake one, so that a collector is tested like any other code.
//! let mut host = ghostd_sdk::fake::Host::new();
//! host.system.cpu = Ok(host::system::CpuState { load: (5.0, 4.0, 3.0), ..Default::default() });
//! let sections = host.collect::<Load>(&ghostd_sdk::fake::invocation(&["load"]), "{}").unwrap();
//! assert_eq!(sections[0].body, r#"{"load_1m":5.0,"high":true}"#);
//! ```
//!
//! In `Cargo.toml`: `crate-type = ["cdylib", "rlib"]`, the `cdylib` for the component and the `rlib` for
//! the tests. `cargo build --target wasm32-wasip2` then yields a component that ghostd loads as it is.
//!
//! - Each call runs in a fresh instance: globals do not live on, [`host::state`] does.
//! - Time comes from the [`Invocation`]. The guest's own monotonic clock starts anew with each call.
//! - A panic ends the call; its message is in `ghostd collector logs NAME`.

/// The generated bindings: for [`export!`], not for authors.
#[doc(hidden)]
pub mod bindings;
mod error;
#[cfg(not(target_arch = "wasm32"))]
pub mod fake;
mod glue;
pub mod host;
pub mod limits;
mod report;
pub mod time;

pub use bindings::ghost::collector::types::{
    Attribute, Bucket, Completeness, Descriptor, Finding, Histogram, Invocation, Metric, Reading, Section, Severity,
    Value,
};
pub use error::{Error, Failure};
#[doc(hidden)]
pub use glue::Adapter;

/// What every collector is: two functions and the shape of its configuration.
pub trait Collector {
    /// The configuration, from the JSON of `[collector.NAME.config]`. Where nothing is configured it is
    /// read from `{}`, so every field needs a default or is asked for by the schema.
    type Config: serde::de::DeserializeOwned;

    /// Says what this collector is. Runs before anything is granted: no host function but
    /// [`host::log`] may be called. It must return the same each time.
    fn describe() -> Descriptor;

    /// Takes the sections that are due ([`Invocation::is_due`]).
    ///
    /// # Errors
    /// A [`Failure`] where nothing can be said at all; ghostd then shows the last good section, marked
    /// as carried, and throws away what was stored during the call. What can be said in part is a
    /// section with a warning ([`Section::warn`]).
    fn collect(call: &Invocation, config: Self::Config) -> Result<Vec<Section>, Failure>;
}

/// Makes a type that implements [`Collector`] the collector of this component. Once per crate, at its
/// top. On targets other than WebAssembly it does nothing, so that the crate links and is tested
/// natively.
#[macro_export]
macro_rules! export {
    ($collector:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type ExportedCollector = $crate::Adapter<$collector>;
    $crate::bindings::export_plugin!(ExportedCollector with_types_in $crate::bindings);
        };
    };
}
