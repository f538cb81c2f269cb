//! Maintenance windows as the daemon keeps them: who is in one now, what somebody opens and closes, and what is told.

use serde_json::json;

use super::Daemon;
use crate::maintenance::{ByHand, EVERY_DAEMON, NAMESPACE, Reason};
use crate::model::{EventKind, EventSeverity, Moment, Wall};
use crate::store::{Batch, Document};

impl Daemon {
    /// Notes who is in maintenance now, and tells of those who were not before, or are not any more.
    pub(super) fn look_at_maintenance(&mut self, now: &Moment) {
        for window in self.maintenance.expire(now.wall) {
            self.forget_window(&window, now);
        }
        let mut changes = Vec::new();
        for daemon in &self.machinery.config.daemons {
            let reason = self.maintenance.of(&daemon.name, &daemon.maintenance, now.wall);
            let was = self.in_maintenance.contains(&daemon.name);
            if reason.is_some() != was {
                changes.push((daemon.name.clone(), reason.map(|reason| told(&reason))));
            }
        }
        for (name, reason) in changes {
            self.machinery.context.services.set_maintenance(&name, reason.is_some());
            let data = json!({"daemon": name, "maintenance": reason.is_some()});
            let message = match &reason {
                Some(why) => format!("daemon {name} is in maintenance: {why}"),
                None => format!("the maintenance of daemon {name} is over"),
            };
            if reason.is_some() {
                self.in_maintenance.insert(name);
            } else {
                self.in_maintenance.remove(&name);
            }
            self.event(EventKind::DaemonCheck, EventSeverity::Info, message, data);
        }
        let daemons = &self.machinery.config.daemons;
        self.in_maintenance.retain(|name| daemons.iter().any(|daemon| daemon.name == *name));
    }

    /// After a new configuration: the process table does not know it yet.
    pub(super) fn tell_maintenance_again(&mut self, now: &Moment) {
        for name in &self.in_maintenance {
            self.machinery.context.services.set_maintenance(name, true);
        }
        self.look_at_maintenance(now);
    }

    /// Somebody opens a window.
    pub(super) fn begin_maintenance(&mut self, window: ByHand, now: &Moment) -> Result<String, String> {
        self.is_watched(&window.daemon)?;
        let window = ByHand {
            since: now.wall,
            by: self.clean(&window.by),
            why: window.why.map(|why| self.clean(&why)),
            ..window
        };
        let message = format!("{}: {}", whom(&window.daemon), told(&Reason::ByHand(&window)));
        let document = serde_json::to_value(&window).map_err(|error| error.to_string())?;
        self.remember_window(&window.daemon, document, now);
        self.maintenance.begin(window);
        self.maintenance_changed(now);
        Ok(message)
    }

    /// Somebody closes one.
    pub(super) fn end_maintenance(&mut self, daemon: &str, now: &Moment) -> Result<String, String> {
        self.is_watched(daemon)?;
        let Some(window) = self.maintenance.end(daemon) else {
            return Err(format!("{} is in no maintenance that somebody began", whom(daemon)));
        };
        self.forget_window(&window, now);
        self.maintenance_changed(now);
        let by_schedule = self.in_maintenance.contains(daemon);
        let still = if by_schedule { ", and is still in maintenance by its schedule" } else { "" };
        Ok(format!("the maintenance of {} is over{still}", whom(daemon)))
    }

    fn maintenance_changed(&mut self, now: &Moment) {
        self.look_at_maintenance(now);
        // So that the next look at `status` says it.
        self.collectors.mark_collector_due("daemon", "event");
        self.beats.trigger(now);
    }

    fn is_watched(&self, daemon: &str) -> Result<(), String> {
        let daemons = &self.machinery.config.daemons;
        if daemon == EVERY_DAEMON || daemons.iter().any(|one| one.name == daemon) {
            return Ok(());
        }
        let names: Vec<&str> = daemons.iter().map(|daemon| daemon.name.as_str()).collect();
        Err(format!("no daemon `{daemon}` is watched (there are {}, and `*` for all)", names.join(", ")))
    }

    fn forget_window(&self, window: &ByHand, now: &Moment) {
        self.remember_window(&window.daemon, serde_json::Value::Null, now);
    }

    fn remember_window(&self, daemon: &str, document: serde_json::Value, now: &Moment) {
        let document = Document { namespace: NAMESPACE.to_owned(), key: daemon.to_owned(), at: now.wall, document };
        self.recorder.record(Batch { durable: true, documents: vec![document], ..Batch::default() });
    }
}

fn whom(daemon: &str) -> String {
    if daemon == EVERY_DAEMON { "every daemon".to_owned() } else { format!("daemon {daemon}") }
}

/// Why, in a few words.
fn told(reason: &Reason<'_>) -> String {
    match reason {
        Reason::Schedule(window) => format!("by schedule, {}", window.as_str()),
        Reason::ByHand(ByHand { until, by, why, .. }) => {
            let until = until.map_or("until it is ended".to_owned(), |until: Wall| format!("until {until}"));
            let why = why.as_ref().map(|why| format!(", for {why}")).unwrap_or_default();
            format!("{until}, by {by}{why}")
        }
    }
}
