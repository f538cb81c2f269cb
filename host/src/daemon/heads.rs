//! Publishing the chain's head after each snapshot, beside everything else.

use super::{Daemon, Message};
use crate::chain::chain;
use crate::store::Head;
use crate::wiring;

/// The state of it.
#[derive(Debug, Default)]
pub(super) struct Heads {
    is_running: bool,
    /// The newest that waits for the one that is being told: those between say nothing that it does not.
    waiting: Option<Head>,
}

impl Daemon {
    pub(super) fn publish_head(&mut self, head: Head) {
        let places = wiring::head_places(&self.machinery.config.security);
        if places.is_empty() {
            return;
        }
        if self.heads.is_running {
            // A mount that is away holds up one thread and one head.
            self.heads.waiting = Some(head);
            return;
        }
        self.heads.is_running = true;
        let inbox = self.inbox.clone();
        tokio::task::spawn_blocking(move || {
            let told = places.tell(&head).map_err(|error| chain(&error));
            let _ = inbox.blocking_send(Message::HeadTold(told));
        });
    }

    pub(super) fn head_told(&mut self, result: Result<(), String>) {
        self.heads.is_running = false;
        match result {
            Ok(()) => {
                if self.recorder.conditions.end("head") {
                    tracing::info!("The head of the chain is published again.");
                }
            }
            Err(error) => {
                if self.recorder.conditions.begin("head", error.clone()) {
                    tracing::error!(error, "The head of the chain is not published.");
                }
            }
        }
        if let Some(head) = self.heads.waiting.take() {
            self.publish_head(head);
        }
    }
}
