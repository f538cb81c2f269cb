//! The dead man's switch: a URL that is asked for while all is well. When ghostd or the machine dies the asking stops,
//! and whoever waits for it raises the alarm.
//!
//! The URL is a secret: it is read anew each time, and neither it nor its path is ever shown.

use std::time::Duration;

use super::{Daemon, Message};
use crate::config::{DeadMan, OverallWord, PingTarget, SecretRef};
use crate::model::{Moment, OverallStatus};
use crate::probe::ping::{self, HttpTarget, Outcome, PingSpec, Target, Trust};
use crate::schedule::Schedule;

/// How long one attempt may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Attempts after the first. The next time comes soon.
const ATTEMPTS: u32 = 3;
/// What of a file is read at most.
const MAX_URL_BYTES: u64 = 4_096;

/// When the URL is asked for next, and whether it is being asked for.
#[derive(Debug)]
pub(super) struct Switch {
    settings: DeadMan,
    schedule: Schedule,
    under_way: bool,
}

impl Switch {
    pub(super) fn new(settings: Option<&DeadMan>, now: &Moment) -> Option<Self> {
        let settings = settings?.clone();
        let schedule = Schedule::new(settings.every, now.boottime_ns);
        Some(Self { settings, schedule, under_way: false })
    }

    /// When the loop must look at it again; while it is being asked for, the answer wakes the loop.
    pub(super) fn next_ns(&self) -> Option<u64> {
        (!self.under_way).then(|| self.schedule.next_ns())
    }
}

impl Daemon {
    /// Asks for the URL where it is due and all is well.
    pub(super) fn feed_dead_man(&mut self, now: &Moment) {
        let well_up_to = |word: OverallWord| match word {
            OverallWord::Healthy => OverallStatus::Healthy,
            OverallWord::Degraded => OverallStatus::Degraded,
            OverallWord::Unhealthy => OverallStatus::Unhealthy,
            OverallWord::Critical => OverallStatus::Critical,
        };
        let Some(status) = self.beats.last.as_ref().map(|beat| beat.overall.status) else { return };
        let Some(switch) = &mut self.dead_man else { return };
        if switch.under_way || switch.schedule.take(now.boottime_ns).is_none() {
            return;
        }
        if status > well_up_to(switch.settings.up_to) {
            return;
        }
        switch.under_way = true;
        let (url, inbox) = (switch.settings.url.clone(), self.inbox.clone());
        tokio::spawn(async move {
            let result = ask_for(url).await;
            let _ = inbox.send(Message::DeadMan(result)).await;
        });
    }

    pub(super) fn dead_man_asked(&mut self, result: Result<(), String>) {
        if let Some(switch) = &mut self.dead_man {
            switch.under_way = false;
        }
        match result {
            Ok(()) => {
                if self.recorder.conditions.end("dead man") {
                    tracing::info!("The dead man's URL answers again.");
                }
            }
            Err(why) => {
                let message = format!("the dead man's URL cannot be asked for: {why}");
                if self.recorder.conditions.begin("dead man", message.clone()) {
                    tracing::warn!("{message}");
                }
            }
        }
    }
}

async fn ask_for(url: SecretRef) -> Result<(), String> {
    let read = tokio::task::spawn_blocking(move || read_secret(&url));
    let url = read.await.map_err(|_| "it cannot be read".to_owned())??;
    // What is wrong with it must not say what it is.
    let target = match PingTarget::parse(&url) {
        Ok(PingTarget::Http { tls, host, port, path }) => HttpTarget {
            tls,
            host,
            port,
            path,
            statuses: (200..300).collect(),
            body: None,
            certificate_days: 0,
            ca_file: None,
        },
        Ok(_) | Err(_) => return Err("it is no `http` or `https` URL".to_owned()),
    };
    let spec = PingSpec {
        name: "dead man".to_owned(),
        target: Target::Http(target),
        every: Duration::ZERO,
        timeout: TIMEOUT,
        retries: 0,
    };
    let trust = Trust::default();
    let mut why = String::new();
    for _ in 0..ATTEMPTS {
        let asked = ping::ask(&spec, || crate::clock::wall().0, &trust).await;
        if asked.outcome == Outcome::Ok {
            return Ok(());
        }
        why = asked.detail.unwrap_or_default();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Err(why)
}

/// The first line.
fn read_secret(from: &SecretRef) -> Result<String, String> {
    use std::io::Read;
    let text = match from {
        SecretRef::Env(variable) => {
            std::env::var(variable).map_err(|_| format!("there is no environment variable `{variable}`"))?
        }
        SecretRef::File(path) => {
            let failed = |error: std::io::Error| format!("`{}` cannot be read: {error}", path.display());
            let mut text = String::new();
            let file = std::fs::File::open(path).map_err(failed)?;
            file.take(MAX_URL_BYTES).read_to_string(&mut text).map_err(failed)?;
            text
        }
    };
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}
