//! One capture without a daemon: load, call everything once, seal, store.
//!
//! It takes the store's lock, uses the collectors' stored state, so that rates have a base, and leaves behind what a
//! daemon would have left.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::board::FindingChange;
use crate::chain::chain;
use crate::clean;
use crate::collect::{self, Collectors};
use crate::dropins;
use crate::memory::{self, Memory};
use crate::merge::{self, About};
use crate::model::Trigger;
use crate::recorder::Capture;
use crate::store::Batch;
use crate::wiring::{self, Machinery};

/// A capture that is ready to be stored, with what became of the collectors.
#[derive(Debug)]
pub struct Taken {
    /// The capture.
    pub capture: Capture,
    /// Collectors that failed or were refused, with why.
    pub failed: Vec<(String, String)>,
    /// What became of findings.
    pub changes: Vec<FindingChange>,
}

/// Takes it. Blocks until everything has answered or its deadline has passed.
pub fn take(
    mut machinery: Machinery,
    memory: Memory,
    trigger: Trigger,
    reason: Option<String>,
    important: bool,
    notices: Vec<String>,
) -> Result<Taken, String> {
    let started = machinery.clock.now();
    let Memory { mut board, collectors: mut remembered, .. } = memory;
    let drop_ins = if machinery.config.drop_ins.enabled {
        dropins::list(&machinery.config.drop_ins.dir).unwrap_or_else(|fault| {
            tracing::error!(fault, "No dropped-in collector is loaded.");
            BTreeMap::new()
        })
    } else {
        BTreeMap::new()
    };
    let wanted = wiring::wanted(&machinery.config, &drop_ins);
    let versions = machinery.config.host.versions.clone();
    if !versions.is_empty() {
        let answers = crate::hostinfo::versions(&versions);
        machinery.facts = machinery.facts.clone().with_versions(answers);
    }

    // Compiling, where it must be, in parallel with everything else.
    let loaded: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = wanted
            .values()
            .map(|collector| {
                let (loader, runner) = (&machinery.loader, &machinery.runner);
                scope.spawn(move || wiring::load(loader, runner, collector).map(|(loaded, _)| loaded))
            })
            .collect();
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
    });
    let mut collectors = Collectors::default();
    for (collector, loaded) in wanted.values().zip(loaded) {
        let loaded = match loaded {
            Ok(Ok(loaded)) => {
                let owner_of = |key: &str| {
                    let beforehand = wiring::owner_beforehand(&wanted, key);
                    beforehand
                        .or_else(|| collectors.owner(key).map(|owner| &**owner))
                        .filter(|owner| *owner != collector.name)
                };
                match loaded.descriptor.sections.iter().find_map(|key| owner_of(key).map(|owner| (key, owner))) {
                    Some((key, owner)) => Err(format!("its section `{key}` belongs to collector `{owner}` already")),
                    None => Ok(Arc::new(loaded)),
                }
            }
            Ok(Err(error)) => Err(chain(&error)),
            Err(_) => Err("loading it panicked".to_owned()),
        };
        let memory = remembered.remove(&collector.name).unwrap_or_default();
        collectors.set(wiring::spec(collector), loaded, memory, machinery.intervals(), &started);
    }

    collectors.mark_all_due("manual");
    machinery.context.services.look_at_all();
    let now = machinery.clock.now();
    let calls = collectors.start(&now);
    let (sender, receiver) = std::sync::mpsc::channel();
    let mut under_way = 0;
    for call in calls {
        let (name, number) = (Arc::clone(&call.collector), call.number);
        let (runner, context, sanitizer, sender) = (
            Arc::clone(&machinery.runner),
            Arc::clone(&machinery.context),
            Arc::clone(&machinery.sanitizer),
            sender.clone(),
        );
        let inner = Arc::clone(&runner);
        let spawned = runner.spawn(async move {
            let outcome = call.run(&inner, context, sanitizer).await;
            let _ = sender.send((name, number, outcome));
        });
        under_way += usize::from(spawned.is_some());
    }
    drop(sender);
    let deadline = machinery.config.snapshot.deadline;
    let mut batch = Batch::default();
    let mut changes = Vec::new();
    let mut failed = Vec::new();
    for _ in 0..under_way {
        let Ok((name, number, outcome)) = receiver.recv_timeout(deadline) else { break };
        let Some(outcome) = outcome else { continue };
        let now = machinery.clock.now();
        let Some(finished) = collectors.finish(&name, number, outcome, machinery.intervals(), &now) else { continue };
        batch.healths.push(finished.health);
        match finished.result {
            Ok(posted) => {
                memory::arrived(&mut batch, &posted, finished.state, &name);
                changes.extend(board.post(posted));
            }
            Err(why) => board.fail(&name, &why),
        }
    }
    for health in collectors.health() {
        let finding = collect::health_finding(&health, machinery.clock.now().wall);
        changes.extend(finding.and_then(|finding| board.found(finding)));
        if let Some(error) = &health.error {
            failed.push((health.name.clone(), error.clone()));
        }
    }

    let ended = machinery.clock.now();
    let about = About {
        trigger,
        reason,
        important,
        started,
        ended: ended.clone(),
        missed: 0,
        notices,
        config_sha256: machinery.config_sha256,
        sanitizer_sha256: machinery.sanitizer_sha256(),
    };
    let draft = merge::merge(about, machinery.host(&ended), &board, &collectors.expected(), collectors.health());
    let shown = draft.findings().to_vec();
    let sanitized = clean::clean(&machinery.sanitizer, draft).map_err(|error| chain(&error))?;
    Ok(Taken { capture: Capture { sanitized, shown, batch }, failed, changes })
}
