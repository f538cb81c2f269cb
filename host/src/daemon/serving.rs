//! The HTTP API beside the loop: starting it, keeping it in step with the configuration, and its tokens.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::requests::Asker;
use super::{Daemon, Message, Told};
use crate::api::access::logins::Logins;
use crate::api::access::peers::Group;
use crate::api::access::tokens::{self, TokenError};
use crate::api::{self, Api, Settings, Ways};
use crate::chain::chain;
use crate::config::{self, Changes, Part};
use crate::control::{Answer, ApiAddress};
use crate::model::{Scope, StoredToken};

/// The condition that the API reports under.
const CONDITION: &str = "api";

/// The API as the daemon has it.
#[derive(Debug, Default)]
pub(super) struct Serving {
    api: Option<Api>,
    logins: Arc<Logins>,
    /// Where it listens.
    pub(super) address: ApiAddress,
    /// The socket that it has where the configuration names none.
    usual_socket: PathBuf,
    /// The effective configuration with its origins.
    effective: Json,
}

impl Serving {
    pub(super) fn new(usual_socket: PathBuf, effective: Json) -> Self {
        Self { usual_socket, effective, ..Self::default() }
    }

    /// Ends it.
    pub(super) fn stop(&mut self) {
        if let Some(api) = self.api.take() {
            api.stop();
        }
        self.address = ApiAddress::default();
    }
}

impl Daemon {
    /// Starts the API where the configuration wants it. That it cannot be started is a condition.
    pub(super) fn serve(&mut self) {
        let wanted = &self.machinery.config.api;
        if !wanted.enabled {
            self.recorder.conditions.end(CONDITION);
            return;
        }
        let settings = Settings {
            data_dir: self.recorder.data_dir.clone(),
            listen: wanted.listen,
            socket: Some(wanted.socket.clone().unwrap_or_else(|| self.serving.usual_socket.clone())),
            socket_group: wanted
                .socket_group
                .clone()
                .map(|name| Group { name, scope: scope(wanted.socket_group_scope) }),
            hosts: wanted.hosts.clone(),
            tls: wanted.tls.clone().map(|tls| (tls.cert_file, tls.key_file)),
        };
        let (orders, address) = (self.inbox.clone(), self.inbox.clone());
        let (conditions, auditor) = (self.recorder.conditions.clone(), self.recorder.auditor());
        let ways = Ways {
            ask: Box::new(move |request, reply| orders.try_send(Message::Asked(request, Asker::Api(reply))).is_ok()),
            audit: Box::new(move |operation, data| auditor.line(operation, data)),
            condition: Box::new(move |what| match what {
                Some(text) => {
                    tracing::error!("{text}");
                    conditions.begin(CONDITION, text);
                }
                None => {
                    conditions.end(CONDITION);
                }
            }),
            listening: Box::new(move |listening| _ = address.try_send(Message::Listens(listening))),
        };
        let started = Api::start(
            settings,
            self.serving.effective.clone(),
            self.machinery.clock.clone(),
            Arc::clone(&self.machinery.sanitizer),
            Arc::clone(&self.serving.logins),
            self.recorder.publisher.clone(),
            ways,
        );
        match started {
            Ok(api) => self.serving.api = Some(api),
            Err(error) => {
                tracing::error!(%error, "The API cannot start.");
                self.recorder.conditions.begin(CONDITION, format!("the API cannot start: {error}"));
            }
        }
    }

    /// Another configuration is in effect.
    pub(super) fn serve_anew(&mut self, effective: Json, changes: &Changes) {
        self.serving.effective = effective;
        // The rules of the sanitizer are its own from the start on.
        let anew = changes.parts.iter().any(|part| matches!(part, Part::Api | Part::Sanitize));
        match &self.serving.api {
            Some(api) if !anew => api.set_config(self.serving.effective.clone()),
            _ => {
                self.serving.stop();
                self.serve();
            }
        }
    }

    /// The API listens, or does not any more.
    pub(super) fn listens(&mut self, address: ApiAddress) {
        let is_new = address.url.is_some() && address.url != self.serving.address.url;
        self.serving.address = address;
        if let Some(url) = self.serving.address.url.clone().filter(|_| is_new) {
            tracing::info!(url, "The API listens.");
            let logins = Arc::clone(&self.serving.logins);
            let link = move || api::login_link(&logins, &url).ok();
            (self.watcher)(&Told::Dashboard(&link));
        }
    }

    pub(super) fn login_link(&self, by: &str) -> Answer {
        let Some(url) = &self.serving.address.url else {
            return Answer::Failed { error: "the dashboard is not served (`[api]` in the configuration)".to_owned() };
        };
        match api::login_link(&self.serving.logins, url) {
            Ok(message) => {
                self.recorder.audit("login_link", json!({"by": self.clean(by)}));
                Answer::Done { message }
            }
            Err(error) => Answer::Failed { error: chain(&error) },
        }
    }

    pub(super) fn add_token(&self, token: StoredToken, by: &str, asker: Asker) {
        let token = StoredToken { name: self.clean(&token.name), ..token };
        let data = json!({
            "by": self.clean(by), "id": token.id, "name": token.name, "scope": token.scope,
            "expires_at": token.expires_at,
        });
        let message = format!("token {} is good now", token.id);
        self.change_tokens(asker, "token_new", data, move |dir| tokens::add(dir, token).map(|()| message));
    }

    pub(super) fn revoke_token(&self, name: String, by: &str, asker: Asker) {
        let data = json!({"by": self.clean(by), "token": self.clean(&name)});
        let (now, change) = (self.now().wall, "token_revoke");
        self.change_tokens(asker, change, data, move |dir| {
            tokens::revoke(dir, &name, now).map(|token| format!("token {} ({}) is taken back", token.id, token.name))
        });
    }

    /// Changes the file of tokens beside the loop, one change after the other.
    fn change_tokens(
        &self,
        asker: Asker,
        operation: &'static str,
        data: Json,
        change: impl FnOnce(&std::path::Path) -> Result<String, TokenError> + Send + 'static,
    ) {
        let (dir, audit, turn) =
            (self.recorder.data_dir.clone(), self.recorder.auditor(), Arc::clone(&self.changing_tokens));
        tokio::task::spawn_blocking(move || {
            let turn = turn.lock();
            let answer = match change(&dir) {
                Ok(message) => {
                    audit.line(operation, data);
                    Answer::Done { message }
                }
                Err(error) => Answer::Failed { error: chain(&error) },
            };
            drop(turn);
            asker.answer(answer);
        });
    }
}

fn scope(configured: config::AccessScope) -> Scope {
    match configured {
        config::AccessScope::Read => Scope::Read,
        config::AccessScope::Operate => Scope::Operate,
        config::AccessScope::Admin => Scope::Admin,
    }
}
