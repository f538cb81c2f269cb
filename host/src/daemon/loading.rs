//! Components that come, change and go while the daemon runs.
//!
//! Loading can take seconds, so it happens on a thread of its own; the last good version runs until the new one has
//! passed every question.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::{Daemon, Message, file_of};
use crate::chain::chain;
use crate::config::Collector;
use crate::dropins::{self, FileWatch};
use crate::model::{EventKind, EventSeverity, Moment};
use crate::plugins::load::{LoadError, Loaded};
use crate::store::Batch;
use crate::wiring;

/// What loading brought.
pub(super) struct LoadResult {
    /// The settings that it was loaded with.
    pub(super) collector: Collector,
    pub(super) loaded: Result<Loaded, LoadError>,
}

/// What is being loaded, and what was.
#[derive(Default)]
pub(super) struct Loading {
    files: FileWatch,
    drop_ins: BTreeMap<String, PathBuf>,
    drop_in_fault: Option<String>,
    pending: BTreeSet<String>,
    again: BTreeSet<String>,
    wanted: BTreeMap<String, Collector>,
}

impl Loading {
    pub(super) fn is_loading(&self) -> bool {
        !self.pending.is_empty()
    }
}

impl Daemon {
    /// Loads everything that the configuration wants and that is not loaded with the same settings.
    pub(super) fn load_wanted(&mut self, now: &Moment) {
        self.list_drop_ins();
        let wanted = wiring::wanted(&self.machinery.config, &self.loading.drop_ins);
        let changed: Vec<Collector> = wanted
            .iter()
            .filter(|(name, collector)| self.loading.wanted.get(*name) != Some(collector))
            .map(|(_, collector)| collector.clone())
            .collect();
        self.loading.wanted = wanted;
        self.forget_unwanted();
        for collector in changed {
            if let Some(file) = file_of(&collector) {
                // A file of the drop-in directory is loaded when it has been still; a configured one was put there
                // before the configuration named it.
                if matches!(collector.source, crate::config::Source::DropIn(_)) {
                    continue;
                }
                self.loading.files.taken(&file, now.boottime_ns);
            }
            self.load(collector);
        }
    }

    /// Has everything loaded again, with what the new configuration lends.
    pub(super) fn forget_loaded(&mut self) {
        self.loading.wanted.clear();
        self.loading.files = FileWatch::default();
    }

    /// Looks for components that were dropped in, replaced or taken away.
    pub(super) fn look_for_components(&mut self, now: &Moment) {
        let before = self.loading.drop_ins.clone();
        self.list_drop_ins();
        if before != self.loading.drop_ins {
            self.loading.wanted = wiring::wanted(&self.machinery.config, &self.loading.drop_ins);
            self.forget_unwanted();
        }
        let files: Vec<PathBuf> = self.loading.wanted.values().filter_map(file_of).collect();
        let changed = self.loading.files.look(files.iter().map(PathBuf::as_path), now.boottime_ns);
        let collectors: Vec<Collector> = self
            .loading
            .wanted
            .values()
            .filter(|collector| file_of(collector).is_some_and(|file| changed.contains(&file)))
            .cloned()
            .collect();
        for collector in collectors {
            self.load(collector);
        }
    }

    fn list_drop_ins(&mut self) {
        let drop_ins = &self.machinery.config.drop_ins;
        if !drop_ins.enabled {
            self.loading.drop_ins.clear();
            return;
        }
        match dropins::list(&drop_ins.dir) {
            Ok(found) => {
                self.loading.drop_ins = found;
                self.loading.drop_in_fault = None;
            }
            Err(fault) => {
                if self.loading.drop_in_fault.as_ref() != Some(&fault) {
                    tracing::error!(fault, "No dropped-in collector is loaded.");
                    self.loading.drop_in_fault = Some(fault);
                }
                self.loading.drop_ins.clear();
            }
        }
    }

    fn forget_unwanted(&mut self) {
        let wanted: BTreeSet<String> = self.loading.wanted.keys().cloned().collect();
        let gone: Vec<String> = self.owners().difference(&wanted).cloned().collect();
        let now = self.now();
        for name in &gone {
            self.forget_health(name, &now);
        }
        self.collectors.retain(|name| wanted.contains(name));
        self.board.retain(|collector, _| wanted.contains(collector));
        for name in gone {
            tracing::info!(collector = name, "A collector was removed.");
            self.event(
                EventKind::Collector,
                EventSeverity::Info,
                format!("collector {name} was removed"),
                serde_json::Value::Null,
            );
        }
    }

    fn load(&mut self, collector: Collector) {
        if !self.loading.pending.insert(collector.name.clone()) {
            // It changed again while it was being loaded.
            self.loading.again.insert(collector.name);
            return;
        }
        let (loader, runner, inbox) =
            (Arc::clone(&self.machinery.loader), Arc::clone(&self.machinery.runner), self.inbox.clone());
        tokio::task::spawn_blocking(move || {
            let loaded = wiring::load(&loader, &runner, &collector).map(|(loaded, _)| loaded);
            let _ = inbox.blocking_send(Message::Loading(Box::new(LoadResult { collector, loaded })));
        });
    }

    /// A component was loaded, or was refused.
    pub(super) fn loaded(&mut self, result: LoadResult, now: &Moment) {
        let LoadResult { collector, loaded } = result;
        let name = collector.name.clone();
        self.loading.pending.remove(&name);
        if self.loading.again.remove(&name) {
            if let Some(collector) = self.loading.wanted.get(&name).cloned() {
                self.load(collector);
            }
            return;
        }
        // The configuration may have changed its mind meanwhile.
        if self.loading.wanted.get(&name) != Some(&collector) {
            return;
        }
        let loaded = loaded.map_err(|error| chain(&error)).and_then(|loaded| self.check_keys(&name, loaded));
        let running = self.collectors.iter().any(|(other, loaded)| **other == *name && loaded.is_ok());
        match &loaded {
            Ok(loaded) => {
                tracing::info!(collector = name, what = super::loaded_text(loaded), sha256 = %loaded.inspection.sha256, "A collector was loaded.");
                self.event(
                    EventKind::Collector,
                    EventSeverity::Info,
                    format!("collector {name} was loaded: {}", super::loaded_text(loaded)),
                    serde_json::json!({"sha256": loaded.inspection.sha256, "imports": loaded.inspection.imports}),
                );
            }
            Err(why) => {
                tracing::error!(collector = name, error = why, "A collector was refused.");
                self.event(
                    EventKind::Collector,
                    EventSeverity::Error,
                    format!("collector {name} was refused: {why}"),
                    serde_json::Value::Null,
                );
                if running {
                    tracing::info!(collector = name, "Its last good version goes on running.");
                    return;
                }
            }
        }
        if let Ok(loaded) = &loaded {
            let keys = loaded.descriptor.sections.clone();
            // Sections that the new version no longer has leave at once.
            self.board.retain(|owner, key| owner != name || keys.iter().any(|own| own == key));
        }
        let remembered = self.remembered.remove(&name).unwrap_or_default();
        let intervals = self.machinery.intervals();
        let refused = loaded.is_err();
        self.collectors.set(wiring::spec(&collector), loaded.map(Arc::new), remembered, intervals, now);
        // One that was loaded is in order once a call of it was good.
        if refused {
            let mut batch = Batch::default();
            self.note_health(&mut batch, &name, now);
            self.recorder.record(batch);
        }
    }

    /// A section's key belongs to one collector.
    fn check_keys(&self, name: &str, loaded: Loaded) -> Result<Loaded, String> {
        for key in &loaded.descriptor.sections {
            let beforehand = wiring::owner_beforehand(&self.loading.wanted, key);
            let owner = beforehand.or_else(|| self.collectors.owner(key).map(|owner| &**owner));
            if let Some(owner) = owner.filter(|owner| *owner != name) {
                return Err(format!("its section `{key}` belongs to collector `{owner}` already"));
            }
        }
        Ok(loaded)
    }
}
