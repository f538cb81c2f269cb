//! `ghostd config ...`.

use std::process::ExitCode;

use clap::Subcommand;

use super::{Failure, Place, Places, output};
use crate::config;
use crate::sanitize::Sanitizer;
use crate::wiring;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read the configuration and say everything that is wrong with it
    Check,
    /// The effective configuration, with where each value comes from
    Show,
    /// The JSON schema of the configuration, for editors
    Schema,
    /// The commented defaults, to start a configuration from
    Init,
}

pub(crate) fn run(places: &Places, command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Check => check(places),
        Command::Show => {
            let place = Place::find(places)?;
            if places.json {
                output::print_json(&place.loaded.effective.to_json());
            } else {
                output::line(place.loaded.effective.to_toml().trim_end());
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Schema => {
            output::line(config::schema_json().trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Command::Init => {
            output::line(config::DEFAULT_TOML.trim_end());
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn check(places: &Places) -> Result<ExitCode, Failure> {
    let place = Place::find(places)?;
    let config = &place.loaded.config;
    let sanitizer = Sanitizer::new(&wiring::sanitizer_settings(&config.sanitize)).map_err(|faults| {
        Failure::new(faults.iter().map(|fault| format!("security.sanitize: {fault}")).collect::<Vec<_>>().join("\n"))
    })?;
    let rules = sanitizer.rules().count();
    let notices: Vec<String> = place.loaded.notices.iter().map(ToString::to_string).collect();
    if places.json {
        output::print_json(&serde_json::json!({
            "file": place.paths.config_file, "ok": true, "notices": notices, "sanitizer_rules": rules,
            "sanitizer_sha256": sanitizer.rules_sha256(),
        }));
        return Ok(ExitCode::SUCCESS);
    }
    for notice in notices {
        output::line(format!("notice: {notice}"));
    }
    let file = if place.paths.config_file.exists() { "is fine" } else { "is not there; the defaults are fine" };
    output::line(format!(
        "{} {file}: {} daemons, {} collectors, {rules} rules of the sanitizer",
        place.paths.config_file.display(),
        config.daemons.len(),
        config.collectors.values().filter(|collector| collector.enabled).count(),
    ));
    Ok(ExitCode::SUCCESS)
}
