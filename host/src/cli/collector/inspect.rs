//! `ghostd collector inspect`: what a component is and asks for, without running more of it than its description.

use std::process::ExitCode;

use super::super::{Failure, Places, output};
use super::{machinery, name_of, origin, settings};
use crate::plugins::capability::CONTRACT_VERSION;
use crate::plugins::contract;
use crate::plugins::load::{self, Inspection, LoadError, Origin};
use crate::plugins::validate::Descriptor;
use crate::wiring;

/// Everything that is shown.
pub(super) struct Seen {
    pub(super) origin: Origin,
    pub(super) inspection: Inspection,
    pub(super) descriptor: Result<Descriptor, LoadError>,
    pub(super) signed_by: Result<Option<String>, LoadError>,
    /// The table of configuration that would run it.
    pub(super) block: String,
}

pub(super) fn run(places: &Places, component: &str) -> Result<ExitCode, Failure> {
    let machinery = machinery(places)?;
    let origin = origin(component);
    let source = load::read(&origin)?;
    let name = name_of(&origin);
    let seen = look(&machinery, &name, origin, &source)?;
    if places.json {
        output::print_json(&seen.json());
    } else {
        seen.page();
        output::line("\nTo run it, and nothing else under this name, in the configuration:\n");
        output::line(&seen.block);
    }
    Ok(if seen.descriptor.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Compiles a component and asks it what it is.
pub(super) fn look(
    machinery: &wiring::Machinery,
    name: &str,
    origin: Origin,
    source: &load::Source,
) -> Result<Seen, Failure> {
    let call = wiring::call_settings(&settings(machinery, name, &origin));
    let compiled = machinery.loader.compile(source).map_err(|error| Failure::new(format!("`{origin}`: {error}")))?;
    let inspection = machinery.loader.inspect(source, &compiled);
    let descriptor = machinery
        .runner
        .block_on(machinery.loader.describe(&compiled, &inspection, &call))
        .unwrap_or_else(|| Err(LoadError::Contract("ghostd is ending".to_owned())));
    let signed_by = machinery.loader.check_signature(&origin, source);
    let block = grant_block(name, &origin, &inspection);
    Ok(Seen { origin, inspection, descriptor, signed_by, block })
}

impl Seen {
    pub(super) fn json(&self) -> serde_json::Value {
        let Inspection { imports, exports, grants, size_bytes, sha256 } = &self.inspection;
        serde_json::json!({
            "source": self.origin.to_string(), "sha256": sha256, "size_bytes": size_bytes,
            "contract": {"built_for": contract::built_for(imports, exports), "served": CONTRACT_VERSION},
            "signed_by": self.signed_by.as_ref().ok(),
            "signature_error": self.signed_by.as_ref().err().map(ToString::to_string),
            "imports": imports, "exports": exports, "grants": grants,
            "descriptor": self.descriptor.as_ref().ok().map(describe_json),
            "error": self.descriptor.as_ref().err().map(ToString::to_string), "configuration": self.block,
        })
    }

    /// Everything but the table of configuration.
    pub(super) fn page(&self) {
        let Inspection { imports, exports, grants, size_bytes, sha256 } = &self.inspection;
        output::line(format!("source    {}", output::escaped(&self.origin.to_string())));
        output::line(format!("sha256    {sha256}"));
        output::line(format!("size      {} ({size_bytes} bytes)", output::bytes(*size_bytes)));
        let built_for = contract::built_for(imports, exports).unwrap_or_else(|| "none".to_owned());
        output::line(format!("contract  {} (this ghostd serves {CONTRACT_VERSION})", output::escaped(&built_for)));
        match &self.signed_by {
            Ok(Some(by)) => output::line(format!("signed    by `{by}`")),
            Ok(None) => output::line("signed    by nobody that the configuration knows"),
            Err(error) => output::line(format!("signed    no: {}", output::escaped(&error.to_string()))),
        }
        match &self.descriptor {
            Ok(descriptor) => {
                let text = |text: &str| output::escaped(text);
                output::line(format!("name      {} {}", text(&descriptor.name), text(&descriptor.version)));
                output::line(format!("summary   {}", text(&descriptor.summary)));
                output::line(format!("sections  {}", descriptor.sections.join(", ")));
                output::line(format!("config    {}", text(&settings_text(descriptor))));
            }
            Err(error) => output::line(format!("refused   {}", output::escaped(&error.to_string()))),
        }
        let needs = if grants.is_empty() {
            "none: log, state and redact are lent to everybody".to_owned()
        } else {
            grants.iter().cloned().collect::<Vec<_>>().join(", ")
        };
        output::line(format!("needs     {needs}"));
        output::line("imports");
        for import in imports {
            output::line(format!("  {}", output::escaped(import)));
        }
    }
}

/// The keys that its configuration may have, as its schema names them.
fn settings_text(descriptor: &Descriptor) -> String {
    let Some(schema) = &descriptor.config_schema else { return "none".to_owned() };
    let keys = schema.get("properties").and_then(serde_json::Value::as_object);
    match keys {
        Some(keys) if !keys.is_empty() => keys.keys().take(64).cloned().collect::<Vec<_>>().join(", "),
        _ => "whatever its schema allows (`--json` shows it)".to_owned(),
    }
}

fn describe_json(descriptor: &Descriptor) -> serde_json::Value {
    serde_json::json!({
        "name": descriptor.name, "version": descriptor.version, "summary": descriptor.summary,
        "sections": descriptor.sections, "config_schema": descriptor.config_schema, "attributes": descriptor.attributes,
    })
}

/// The TOML that would run and grant it.
pub(super) fn grant_block(name: &str, origin: &Origin, inspection: &Inspection) -> String {
    let source = match origin {
        Origin::Builtin(name) => format!("builtin:{name}"),
        Origin::File(path) => path.canonicalize().unwrap_or_else(|_| path.clone()).display().to_string(),
    };
    let quoted = |text: &str| serde_json::Value::String(text.to_owned()).to_string();
    let mut block = format!("[collector.{name}]\nsource = {}\n", quoted(&source));
    if matches!(origin, Origin::File(_)) {
        block.push_str(&format!("sha256 = \"{}\"\n", inspection.sha256));
    }
    // WASI imports that no grant opens are left out: toolchains import more than they use.
    let grants: Vec<String> =
        inspection.grants.iter().filter(|grant| !grant.starts_with("wasi:")).map(|grant| quoted(grant)).collect();
    block.push_str(&format!("grant = [{}]", grants.join(", ")));
    if inspection.grants.contains("files") {
        block.push_str(&format!("\n[collector.{name}.files]\n# name = \"/directory/that/it/may/read\""));
    }
    if inspection.grants.contains("commands") {
        block.push_str(&format!("\n[collector.{name}.commands]\n# name = [\"program\", \"argument\"]"));
    }
    block
}
