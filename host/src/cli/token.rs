//! `ghostd token`: who may ask the HTTP API.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::{Failure, Place, Places, list, output, place, status, writer};
use crate::api::access::tokens::{self, MAX_NAME_CHARS};
use crate::clock;
use crate::config::parse_duration;
use crate::control::{Answer, Request};
use crate::model::{Scope, StoredToken, Wall};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a token and print it, once: only a hash of it is kept
    New(New),
    /// The tokens, and until when each is good
    List,
    /// Take a token back; browsers that logged in with it are logged out
    Revoke {
        /// Its id or its name.
        token: String,
    },
    /// Print a link that logs a browser in, once and within ten minutes
    Link,
}

#[derive(Debug, Args)]
pub(crate) struct New {
    /// What it is for, to know it again
    #[arg(long, default_value = "token")]
    name: String,
    /// What it allows: read (look at everything), operate (also take snapshots, mark them, resolve, silence), admin
    #[arg(long, value_enum, default_value = "read")]
    scope: ScopeWord,
    /// Until when it is good: 90d, 12h, or never
    #[arg(long, default_value = "90d")]
    expires: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ScopeWord {
    Read,
    Operate,
    Admin,
}

pub(crate) fn run(places: &Places, command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::New(arguments) => new(places, &arguments),
        Command::List => show(places),
        Command::Revoke { token } => revoke(places, token),
        Command::Link => link(places),
    }
}

fn new(places: &Places, arguments: &New) -> Result<ExitCode, Failure> {
    let name = arguments.name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(Failure::new(format!(
            "a token's name has 1 to {MAX_NAME_CHARS} characters, none of them a control character"
        )));
    }
    let now = clock::wall();
    let expires_at = match arguments.expires.as_str() {
        "never" => None,
        text => {
            let life = parse_duration(text).filter(|life| !life.is_zero()).ok_or_else(|| {
                Failure::new(format!("`{}` is no duration", output::escaped(text))).hint("try 90d, 12h, or never")
            })?;
            Some(now.plus_ns(i64::try_from(life.as_nanos()).unwrap_or(i64::MAX)))
        }
    };
    let scope = match arguments.scope {
        ScopeWord::Read => Scope::Read,
        ScopeWord::Operate => Scope::Operate,
        ScopeWord::Admin => Scope::Admin,
    };
    let (token, stored) = tokens::new_token(name, scope, expires_at, now)?;
    let id = stored.id.clone();
    add(places, stored, now)?;
    if places.json {
        output::print_json(&json!({"id": id, "name": name, "scope": scope, "expires_at": expires_at, "token": token}));
    } else {
        output::line(&token);
        output::complain(&format!(
            "token {id} allows `{}`{}; it is not shown again",
            scope.as_str(),
            until(expires_at)
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn until(expires_at: Option<Wall>) -> String {
    expires_at.map(|at| format!(" until {}", output::local(at))).unwrap_or_default()
}

fn add(places: &Places, token: StoredToken, now: Wall) -> Result<(), Failure> {
    match writer::open(&Place::find(places)?)? {
        writer::Writer::Daemon(socket) => {
            writer::ask(&socket, &Request::TokenAdd { token, by: writer::who() }).map(drop)
        }
        writer::Writer::Here(mut store, _) => {
            let data = json!({
                "by": writer::who(), "id": token.id, "name": token.name, "scope": token.scope, "expires_at": token.expires_at,
            });
            tokens::add(store.directory().path(), token)?;
            store.audit(now, "token_new", data, true)?;
            Ok(())
        }
    }
}

fn revoke(places: &Places, name: String) -> Result<ExitCode, Failure> {
    let message = match writer::open(&Place::find(places)?)? {
        writer::Writer::Daemon(socket) => {
            match writer::ask(&socket, &Request::TokenRevoke { name, by: writer::who() })? {
                Answer::Done { message } => message,
                _ => return Err(Failure::new("the daemon answered something else")),
            }
        }
        writer::Writer::Here(mut store, _) => {
            let now = clock::wall();
            let token = tokens::revoke(store.directory().path(), &name, now)?;
            store.audit(now, "token_revoke", json!({"by": writer::who(), "token": token.id}), true)?;
            format!("token {} ({}) is taken back", token.id, token.name)
        }
    };
    if places.json {
        output::print_json(&json!({"done": message}));
    } else {
        output::line(output::escaped(&message));
    }
    Ok(ExitCode::SUCCESS)
}

fn show(places: &Places) -> Result<ExitCode, Failure> {
    let data_dir = place::paths(places)?.data_dir;
    list::open(&data_dir)?;
    let now = clock::wall();
    let all = tokens::read(&data_dir)?;
    let state = |token: &StoredToken| match token.revoked_at {
        Some(_) => "revoked",
        None if !token.is_good(now) => "expired",
        None => "good",
    };
    if places.json {
        let rows: Vec<_> = all
            .iter()
            .map(|token| {
                json!({
                    "id": token.id, "name": token.name, "scope": token.scope, "state": state(token),
                    "created_at": token.created_at, "expires_at": token.expires_at, "revoked_at": token.revoked_at,
                })
            })
            .collect();
        output::print_json(&rows);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = output::Table::new(&["ID", "NAME", "SCOPE", "STATE", "CREATED", "EXPIRES"]);
    for token in &all {
        table.row([
            token.id.clone(),
            token.name.clone(),
            token.scope.as_str().to_owned(),
            state(token).to_owned(),
            output::local(token.created_at),
            token.expires_at.map_or_else(|| "never".to_owned(), output::local),
        ]);
    }
    if table.is_empty() {
        output::line("there is no token (`ghostd token new` makes one)");
    } else {
        table.print();
    }
    Ok(ExitCode::SUCCESS)
}

fn link(places: &Places) -> Result<ExitCode, Failure> {
    match status::request(places, &Request::LoginLink { by: writer::who() })? {
        Answer::Done { message } => {
            if places.json {
                output::print_json(&json!({"link": message}));
            } else {
                output::line(message);
            }
            Ok(ExitCode::SUCCESS)
        }
        Answer::Failed { error } => Err(Failure::new(error)),
        _ => Err(Failure::new("the daemon answered something else")),
    }
}
