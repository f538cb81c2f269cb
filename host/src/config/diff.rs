//! What differs between two configurations, by the parts that can be reloaded on their own.

use std::collections::BTreeMap;

use super::settings::Config;

/// A part that stands on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// `[snapshot]`.
    Snapshot,
    /// `[heartbeat]`.
    Heartbeat,
    /// `[store]`.
    Store,
    /// `[backup]`.
    Backup,
    /// `[security]`, but for what is removed.
    Security,
    /// `[security.sanitize]`.
    Sanitize,
    /// `[log]`.
    Log,
    /// `[clock]`.
    Clock,
    /// `[host]`.
    Host,
    /// `[control]`.
    Control,
    /// `[publish]`.
    Publish,
    /// `[api]`.
    Api,
    /// `[alerts]`, `[[alert]]`, `[receiver]`.
    Alerts,
    /// `[collectors]`: the directory of dropped-in collectors.
    DropIns,
    /// `[collector_defaults]`: what dropped-in collectors without a table have.
    CollectorDefaults,
}

/// Names that came, went, or mean something else now; each sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Only in the new one.
    pub added: Vec<String>,
    /// Only in the old one.
    pub removed: Vec<String>,
    /// In both, with other settings.
    pub changed: Vec<String>,
}

/// What differs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// In the order of [`Part`].
    pub parts: Vec<Part>,
    /// Watched daemons.
    pub daemons: Names,
    /// Collectors with a table of their own.
    pub collectors: Names,
}

impl Changes {
    /// Whether the two configurations come to the same.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Config {
    /// What `new` changes.
    pub fn changes(&self, new: &Config) -> Changes {
        let parts = [
            (Part::Snapshot, self.snapshot == new.snapshot),
            (Part::Heartbeat, self.heartbeat == new.heartbeat),
            (Part::Store, self.store == new.store),
            (Part::Backup, self.backup == new.backup),
            (Part::Security, self.security == new.security),
            (Part::Sanitize, self.sanitize == new.sanitize),
            (Part::Log, self.log == new.log),
            (Part::Clock, self.clock == new.clock),
            (Part::Host, self.host == new.host),
            (Part::Control, self.control == new.control),
            (Part::Publish, self.publish == new.publish),
            (Part::Api, self.api == new.api),
            (Part::Alerts, self.alerts == new.alerts),
            (Part::DropIns, self.drop_ins == new.drop_ins),
            (Part::CollectorDefaults, self.collector_defaults == new.collector_defaults),
        ];
        fn daemons(config: &Config) -> BTreeMap<&str, &super::settings::Daemon> {
            config.daemons.iter().map(|daemon| (daemon.name.as_str(), daemon)).collect()
        }
        fn collectors(config: &Config) -> BTreeMap<&str, &super::settings::Collector> {
            config.collectors.iter().map(|(name, collector)| (name.as_str(), collector)).collect()
        }
        Changes {
            parts: parts.into_iter().filter(|(_, same)| !same).map(|(part, _)| part).collect(),
            daemons: names(&daemons(self), &daemons(new)),
            collectors: names(&collectors(self), &collectors(new)),
        }
    }
}

fn names<T: PartialEq>(old: &BTreeMap<&str, T>, new: &BTreeMap<&str, T>) -> Names {
    let only = |these: &BTreeMap<&str, T>, those: &BTreeMap<&str, T>| {
        these.keys().filter(|name| !those.contains_key(*name)).map(|name| (*name).to_owned()).collect()
    };
    let changed = old.iter().filter(|(name, old)| new.get(*name).is_some_and(|new| new != *old));
    Names {
        added: only(new, old),
        removed: only(old, new),
        changed: changed.map(|(name, _)| (*name).to_owned()).collect(),
    }
}
