//! From a file to a component that may be called: every question is asked before any of its code runs.
//!
//! Owns: the order of the questions and the words of a refusal. Must not know: schedules, the store.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value as Json;
use wasmtime::component::{Component, Linker};

use super::bindings::PluginPre;
use super::cache::Cache;
use super::call::{self, CallContext, CallFailure, CallSettings};
use super::capability::{CONTRACT_VERSION, Need, need, needed_grants};
use super::compile::{self, CompileError, MAX_COMPONENT_BYTES};
use super::contract::{self, Mismatch};
use super::signature::{self, SignatureError};
use super::state::CallState;
use super::validate::{self, Descriptor};
use super::{builtin, linker};
use crate::model::Digest;

/// Where a component comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Embedded in ghostd.
    Builtin(String),
    /// A file.
    File(PathBuf),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Builtin(name) => write!(f, "builtin:{name}"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// What is to be loaded, and what it may have.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where it comes from.
    pub origin: Origin,
    /// What it must hash to.
    pub pin: Option<Digest>,
    /// The grants of the configuration.
    pub grants: BTreeSet<String>,
    /// Whether WASI imports that are not granted refuse it, instead of trapping when they are called.
    pub strict: bool,
    /// Its configuration.
    pub config: Json,
    /// What its calls get.
    pub settings: CallSettings,
}

/// A component's bytes with what they hash to.
#[derive(Debug, Clone)]
pub struct Source {
    /// The component.
    pub wasm: Bytes,
    /// SHA-256 of it.
    pub sha256: Digest,
    /// The signature that stands beside it.
    pub signature: Option<String>,
}

/// What can be seen of a component without running it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Its imports by their full names, sorted.
    pub imports: Vec<String>,
    /// Its exports, likewise.
    pub exports: Vec<String>,
    /// The grants that they need.
    pub grants: BTreeSet<String>,
    /// Bytes of the component.
    pub size_bytes: u64,
    /// SHA-256 of the component.
    pub sha256: Digest,
}

/// A component that passed every question.
#[derive(Clone)]
pub struct Loaded {
    /// What can be seen of it.
    pub inspection: Inspection,
    /// What it says of itself.
    pub descriptor: Descriptor,
    /// Its configuration as the guest gets it.
    pub config: String,
    /// SHA-256 of that.
    pub config_sha256: Digest,
    /// What its calls get.
    pub settings: CallSettings,
    /// The component, linked.
    pub pre: PluginPre<CallState>,
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded").field("inspection", &self.inspection).finish_non_exhaustive()
    }
}

/// Why a component is not run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// There is no built-in of this name.
    #[error("there is no built-in collector `{0}` (there are {known})", known = builtin::NAMES.join(", "))]
    NoSuchBuiltin(String),
    /// Not what the configuration pins.
    #[error("its SHA-256 is {found}, `sha256` pins {pinned} (change the pin where the file was meant to change)")]
    Pin {
        /// What it is.
        found: Digest,
        /// What it must be.
        pinned: Digest,
    },
    /// It cannot be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// It imports what it is not granted.
    #[error(
        "it needs {} and is not granted that (add `grant = [{}]` to [collector.{collector}])",
        quoted(missing),
        all_grants(needed)
    )]
    NotGranted {
        /// The collector's name.
        collector: Arc<str>,
        /// What is missing.
        missing: Vec<String>,
        /// All that it needs.
        needed: BTreeSet<String>,
    },
    /// It was built for another track of the contract, or is no collector.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// Its signature does not count.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It imports an interface that the host does not have.
    #[error("it imports `{0}`, which no ghostd {version} lends (see wit/ for what there is)", version = env!("CARGO_PKG_VERSION"))]
    UnknownImport(String),
    /// Its exports or a function's type do not fit.
    #[error("it does not fit contract {CONTRACT_VERSION}: {0}")]
    Contract(String),
    /// Its description failed or is not valid.
    #[error("its `describe` failed: {0}")]
    Describe(CallFailure),
    /// The configuration does not fit its schema.
    #[error("its configuration is wrong: {}", .0.join("; "))]
    Config(Vec<String>),
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn all_grants(names: &BTreeSet<String>) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

/// Loads components: the cache, the compiler's program and the linker that all share.
pub struct Loader {
    context: Arc<CallContext>,
    base: Linker<CallState>,
    cache: Option<Cache>,
    program: PathBuf,
    signatures: signature::Policy,
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader").field("cache", &self.cache.is_some()).finish_non_exhaustive()
    }
}

impl Loader {
    /// A loader. `program` is the ghostd that compiles as a child.
    pub fn new(
        context: Arc<CallContext>,
        cache: Option<Cache>,
        program: PathBuf,
        signatures: signature::Policy,
    ) -> wasmtime::Result<Self> {
        let base = linker::base(&context.engine)?;
        Ok(Self { context, base, cache, program, signatures })
    }

    /// Whose signature the component has; an error where it needs one and has none that counts. What is built in
    /// needs none: it is part of this program.
    pub fn check_signature(&self, origin: &Origin, source: &Source) -> Result<Option<String>, LoadError> {
        match origin {
            Origin::Builtin(_) => Ok(None),
            Origin::File(_) => Ok(self.signatures.check(&source.sha256, source.signature.as_deref())?),
        }
    }

    /// What calls share.
    pub fn context(&self) -> &Arc<CallContext> {
        &self.context
    }

    /// The native form of a component, compiled where it must be. This can take seconds: not for an async thread.
    pub fn compile(&self, source: &Source) -> Result<Component, CompileError> {
        compile::component(&self.context.engine, self.cache.as_ref(), &self.program, &source.wasm, &source.sha256)
    }

    /// What can be seen of a compiled component.
    pub fn inspect(&self, source: &Source, component: &Component) -> Inspection {
        let mut imports: Vec<String> =
            component.component_type().imports(&self.context.engine).map(|(name, _)| name.to_owned()).collect();
        imports.sort();
        let mut exports: Vec<String> =
            component.component_type().exports(&self.context.engine).map(|(name, _)| name.to_owned()).collect();
        exports.sort();
        Inspection {
            exports,
            grants: needed_grants(imports.iter().map(String::as_str)),
            imports,
            size_bytes: source.wasm.len() as u64,
            sha256: source.sha256,
        }
    }

    /// Asks everything. On success the component may be called.
    pub async fn load(&self, request: Request, source: &Source, component: &Component) -> Result<Loaded, LoadError> {
        if let Some(pinned) = request.pin
            && pinned != source.sha256
        {
            return Err(LoadError::Pin { found: source.sha256, pinned });
        }
        self.check_signature(&request.origin, source)?;
        let inspection = self.inspect(source, component);
        contract::check(&inspection.imports, &inspection.exports)?;
        check_imports(&inspection, &request)?;
        let pre = self.link(component, &inspection, request.grants.contains("wasi:filesystem"))?;
        let (descriptor, _) = call::describe(&self.context, &pre, &request.settings).await;
        let descriptor = descriptor
            .and_then(|raw| validate::descriptor(raw).map_err(|fault| CallFailure::Invalid(fault.to_string())))
            .map_err(|failure| undescribed(failure, &inspection))?;
        check_config(&descriptor, &request.config)?;
        let config = request.config.to_string();
        Ok(Loaded {
            inspection,
            descriptor,
            config_sha256: Digest::of(config.as_bytes()),
            config,
            settings: request.settings,
            pre,
        })
    }

    /// Runs `describe` alone, for `collector inspect`: it needs no grant.
    pub async fn describe(
        &self,
        component: &Component,
        inspection: &Inspection,
        settings: &CallSettings,
    ) -> Result<Descriptor, LoadError> {
        contract::check(&inspection.imports, &inspection.exports)?;
        let pre = self.link(component, inspection, false)?;
        let (descriptor, _) = call::describe(&self.context, &pre, settings).await;
        descriptor
            .and_then(|raw| validate::descriptor(raw).map_err(|fault| CallFailure::Invalid(fault.to_string())))
            .map_err(|failure| undescribed(failure, inspection))
    }

    fn link(
        &self,
        component: &Component,
        inspection: &Inspection,
        filesystem: bool,
    ) -> Result<PluginPre<CallState>, LoadError> {
        let contract = |error: wasmtime::Error| misfit(&format!("{error:#}"), inspection);
        let linker = linker::for_component(&self.base, component, filesystem).map_err(contract)?;
        let pre = linker.instantiate_pre(component).map_err(contract)?;
        PluginPre::new(pre).map_err(contract)
    }
}

fn misfit(why: &str, inspection: &Inspection) -> LoadError {
    let hint = if why.contains("`wasi:") {
        "what it wants of WASI is not what this ghostd has: build it with a toolchain for WASI 0.2".to_owned()
    } else {
        contract::hint(&inspection.imports, &inspection.exports)
    };
    LoadError::Contract(format!("{why} ({hint})"))
}

fn undescribed(failure: CallFailure, inspection: &Inspection) -> LoadError {
    match failure {
        CallFailure::Misfit(why) => misfit(&why, inspection),
        failure => LoadError::Describe(failure),
    }
}

/// Reads a component's bytes, at most as many as are accepted.
pub fn read(origin: &Origin) -> Result<Source, LoadError> {
    match origin {
        Origin::Builtin(name) => {
            let (wasm, sha256) = builtin::component(name).ok_or_else(|| LoadError::NoSuchBuiltin(name.clone()))?;
            Ok(Source { wasm: Bytes::from_static(wasm), sha256, signature: None })
        }
        Origin::File(path) => {
            let wasm = Bytes::from(read_file(path)?);
            Ok(Source { sha256: Digest::of(&wasm), wasm, signature: read_signature(path)? })
        }
    }
}

/// Where the signature of a component stands.
pub fn signature_path(component: &Path) -> PathBuf {
    let mut path = component.as_os_str().to_owned();
    path.push(signature::SUFFIX);
    path.into()
}

fn read_signature(component: &Path) -> Result<Option<String>, LoadError> {
    let path = signature_path(component);
    match bounded(&path, signature::MAX_SIGNATURE_BYTES) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(LoadError::Read { path, source }),
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, LoadError> {
    bounded(path, MAX_COMPONENT_BYTES + 1).map_err(|source| LoadError::Read { path: path.to_owned(), source })
}

/// The beginning of a regular file. Not blocked by a FIFO that somebody put there under the name of a component.
fn bounded(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    use std::os::unix::fs::OpenOptionsExt;
    let file =
        std::fs::OpenOptions::new().read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Holds what a component imports against what it is granted.
pub fn check_imports(inspection: &Inspection, request: &Request) -> Result<(), LoadError> {
    let mut missing = Vec::new();
    for import in &inspection.imports {
        match need(import) {
            Need::Nothing => {}
            // Told before, by `contract::check`.
            Need::OtherVersion { .. } => {}
            Need::Unknown => return Err(LoadError::UnknownImport(import.clone())),
            Need::Closed if !request.strict => {}
            Need::Closed => missing.push(import.split('/').next().unwrap_or(import).to_owned()),
            Need::Grant(grant) if request.grants.contains(&grant) => {}
            Need::Grant(grant) if grant.starts_with("wasi:") && !request.strict => {}
            Need::Grant(grant) => missing.push(grant),
        }
    }
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    let needed =
        inspection.grants.iter().filter(|grant| !grant.starts_with("wasi:") || request.strict).cloned().collect();
    Err(LoadError::NotGranted { collector: Arc::clone(&request.settings.collector), missing, needed })
}

/// Holds a configuration against the collector's own schema. The schema comes from a guest: it may refer to nothing
/// outside itself, and its patterns run in linear time.
pub fn check_config(descriptor: &Descriptor, config: &Json) -> Result<(), LoadError> {
    let Some(schema) = &descriptor.config_schema else {
        return match config.as_object() {
            Some(config) if config.is_empty() => Ok(()),
            _ => Err(LoadError::Config(vec!["it takes none".to_owned()])),
        };
    };
    let validator = jsonschema::draft202012::options()
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(schema)
        .map_err(|error| LoadError::Contract(format!("the schema of its configuration: {error}")))?;
    let faults: Vec<String> = validator
        .iter_errors(config)
        .take(20)
        .map(|error| match error.instance_path().to_string() {
            path if path.is_empty() => error.to_string(),
            path => format!("`{}`: {error}", path.trim_start_matches('/').replace('/', ".")),
        })
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(LoadError::Config(faults)) }
}
