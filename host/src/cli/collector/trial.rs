//! Calling a component as the daemon would, without a daemon: what `test` and `bench` have in common.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;

use super::super::{Failure, Place, Places};
use super::{name_of, origin, settings};
use crate::clean;
use crate::model::Section;
use crate::plugins::bindings::ghost::collector::types as wit;
use crate::plugins::call::{self, CallAccount, CallFailure, CallSettings};
use crate::plugins::lend::fake::{self, Fake};
use crate::plugins::lend::files::FilesLent;
use crate::plugins::load::{self, Loaded, Source};
use crate::plugins::validate;
use crate::wiring::{self, Machinery};

/// The made-up machine, below the directory of the fixtures.
const HOST: &str = "host.json";
/// The collector's configuration.
const CONFIG: &str = "config.json";
/// What it remembers from earlier calls: an object of texts or of values.
const STATE: &str = "state.json";
/// A directory for each root that is lent.
const FILES: &str = "files";

/// Time from one call of a trial to the next.
const STEP_MS: i64 = 60_000;

/// Bytes of a fixture.
const MAX_FIXTURE_BYTES: u64 = 16 << 20;

/// A component that can be called.
pub(super) struct Trial {
    pub(super) machinery: Machinery,
    pub(super) name: String,
    pub(super) source: Source,
    pub(super) loaded: Loaded,
    fake: Arc<Fake>,
    state: BTreeMap<String, String>,
    calls: i64,
}

/// Where a trial takes its machine from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Machine<'a> {
    /// From fixtures; without a directory from those that ghostd brings along.
    Fixtures(Option<&'a Path>),
    /// This one.
    Live,
}

impl Trial {
    /// Loads a component, with everything granted that it asks for: against a made-up machine that lends nothing, and
    /// against the real one because whoever runs the trial says so.
    pub(super) fn prepare(
        places: &Places,
        component: &str,
        machine: Machine<'_>,
        cache: Option<&Path>,
    ) -> Result<Self, Failure> {
        let place = Place::find(places)?;
        let default_cache = place.paths.data_dir.join(crate::store::CACHE);
        let cache = cache.or_else(|| place.paths.data_dir.is_dir().then_some(default_cache.as_path()));
        let machinery = Machinery::new(place.loaded.config, cache)?;
        let origin = origin(component);
        let name = name_of(&origin);
        let source = load::read(&origin)?;
        let compiled =
            machinery.loader.compile(&source).map_err(|error| Failure::new(format!("`{origin}`: {error}")))?;
        let mut collector = settings(&machinery, &name, &origin);
        let dir = match machine {
            Machine::Fixtures(dir) => dir,
            Machine::Live => None,
        };
        if let Some(config) = fixture(dir, CONFIG)? {
            collector.config = config;
        }
        let mut request = wiring::request(&collector);
        request.grants.extend(machinery.loader.inspect(&source, &compiled).grants);
        let fake = match fixture_text(dir, HOST)? {
            Some(text) => Fake::parse(&text).map_err(|fault| Failure::new(format!("{HOST}: {fault}")))?,
            None => Fake::parse(fake::DEFAULT).map_err(Failure::new)?,
        };
        let fake = Arc::new(fake);
        if let Machine::Fixtures(_) = machine {
            request.settings.fake = Some(Arc::clone(&fake));
            let kept = collector.limits.kept_files as usize;
            request.settings.files = Arc::new(FilesLent::new(&roots(dir), kept));
            request.settings.preopens.clear();
        }
        request.settings.metered = true;
        let state = match fixture(dir, STATE)? {
            None => BTreeMap::new(),
            Some(Json::Object(keys)) => keys.into_iter().map(|(key, value)| (key, value.to_string())).collect(),
            Some(_) => return Err(Failure::new(format!("{STATE}: it is no JSON object"))),
        };
        let loaded = machinery
            .runner
            .block_on(machinery.loader.load(request, &source, &compiled))
            .ok_or_else(|| Failure::new("ghostd is ending"))?
            .map_err(|error| {
                Failure::new(format!("`{origin}`: {}", crate::chain::chain(&error)))
                    .hint(format!("`ghostd collector check {origin}` says more"))
            })?;
        Ok(Self { machinery, name, source, loaded, fake, state, calls: 0 })
    }

    /// Calls it once, and keeps its state for the next call where it succeeded.
    pub(super) fn call(&mut self) -> (Result<Vec<Section>, CallFailure>, CallAccount) {
        let invocation = self.invocation();
        self.calls += 1;
        let loaded = &self.loaded;
        let called = self.machinery.runner.block_on(call::collect(
            &self.machinery.context,
            &loaded.pre,
            &loaded.settings,
            &invocation,
            &loaded.config,
            self.state.clone(),
        ));
        let Some((returned, account)) = called else {
            return (Err(CallFailure::Failed("ghostd is ending".to_owned())), CallAccount::default());
        };
        if let Some(state) = &account.state {
            self.state.clone_from(state);
        }
        let invalid = |text: String| CallFailure::Invalid(text);
        let sections = returned.and_then(|raw| {
            validate::sections(raw, &loaded.descriptor.sections).map_err(|fault| invalid(fault.to_string()))
        });
        let sections = sections.and_then(|sections| {
            // As they would be recorded: without secrets.
            sections
                .into_iter()
                .map(|section| clean::clean_section(&self.machinery.sanitizer, section))
                .map(|clean| clean.map(|clean| clean.get().clone()).map_err(|error| invalid(error.to_string())))
                .collect()
        });
        (sections, account)
    }

    /// Calls nothing but its description, in a fresh store.
    pub(super) fn describe(&self) -> Result<CallAccount, Failure> {
        let settings: &CallSettings = &self.loaded.settings;
        let (described, account) = self
            .machinery
            .runner
            .block_on(call::describe(&self.machinery.context, &self.loaded.pre, settings))
            .ok_or_else(|| Failure::new("ghostd is ending"))?;
        described.map_err(|failure| Failure::new(format!("`describe` failed: {failure}")))?;
        Ok(account)
    }

    fn invocation(&self) -> wit::Invocation {
        let text =
            |key: &str, value: &str| wit::Attribute { key: key.to_owned(), value: wit::Value::S(value.to_owned()) };
        let (now_ms, monotonic_ns, boot_id) = if self.loaded.settings.fake.is_some() {
            let now = self.fake.now;
            let later_ns = u64::try_from(self.calls * STEP_MS).unwrap_or(0) * 1_000_000;
            (
                now.epoch_ms + self.calls * STEP_MS,
                now.monotonic_ns + later_ns,
                "3f0e5f0e-0000-4000-8000-000000000001".to_owned(),
            )
        } else {
            let now = self.machinery.clock.now();
            (now.wall.millis(), now.boottime_ns, now.boot_id.to_string())
        };
        wit::Invocation {
            id: format!("test-{}", self.calls),
            reason: "test".to_owned(),
            due: self.loaded.descriptor.sections.clone(),
            attempt: 1,
            now_ms,
            monotonic_ns,
            boot_id,
            budget_ms: u64::try_from(self.loaded.settings.limits.wall.as_millis()).unwrap_or(u64::MAX),
            last_success_ms: (self.calls > 0).then_some(now_ms - STEP_MS),
            attributes: vec![text("ghostd.version", env!("CARGO_PKG_VERSION")), text("host.os", std::env::consts::OS)],
        }
    }
}

/// Each directory below `files` is a root of its name.
fn roots(dir: Option<&Path>) -> BTreeMap<String, PathBuf> {
    let Some(entries) = dir.and_then(|dir| std::fs::read_dir(dir.join(FILES)).ok()) else { return BTreeMap::new() };
    entries
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| Some((entry.file_name().to_str()?.to_owned(), entry.path())))
        .collect()
}

fn fixture(dir: Option<&Path>, name: &str) -> Result<Option<Json>, Failure> {
    fixture_text(dir, name)?
        .map(|text| serde_json::from_str(&text).map_err(|error| Failure::new(format!("{name}: {error}"))))
        .transpose()
}

/// A fixture's text; none where it is not there, which every one may be.
pub(super) fn fixture_text(dir: Option<&Path>, name: &str) -> Result<Option<String>, Failure> {
    use std::io::Read;
    let Some(path) = dir.map(|dir| dir.join(name)) else { return Ok(None) };
    let file = match std::fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::new(format!("cannot read `{}`: {error}", path.display()))),
    };
    let mut text = String::new();
    file.take(MAX_FIXTURE_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", path.display())))?;
    Ok(Some(text))
}
