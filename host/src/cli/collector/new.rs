//! `ghostd collector new`: a project that builds outside of this repository, with a language's ordinary tools.
//!
//! Everything that it needs of ours comes with it: the WIT files, and for Rust the SDK. The templates stand in
//! `plugins/templates`, and `build.rs` embeds them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::super::{Failure, Places, output};

/// Text files by their path, for authors.
type Files = &'static [(&'static str, &'static str)];

include!(concat!(env!("OUT_DIR"), "/author_files.rs"));

/// What marks a file of a template, so that no tool takes it for one of this project.
const TEMPLATE_SUFFIX: &str = ".in";

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The collector's name: 1 to 64 of a-z, 0-9 and -, beginning with a letter
    name: String,
    /// The language
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    lang: Language,
    /// Where the project goes [default: a directory of that name here]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    /// cargo and the SDK
    Rust,
    /// componentize-py
    Python,
    /// componentize-js
    Js,
    /// zig cc or clang, wit-bindgen and wasm-tools
    C,
    /// TinyGo
    Go,
}

impl Language {
    fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::Js => "js",
            Self::C => "c",
            Self::Go => "go",
        }
    }
}

pub(super) fn run(places: &Places, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let name = &arguments.name;
    let fits = (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.ends_with('-');
    if !fits {
        let failure = Failure::new(format!("`{}` cannot be a collector's name", output::escaped(name)));
        return Err(failure.hint("1 to 64 of a-z, 0-9 and -, beginning with a letter"));
    }
    let dir = arguments.dir.clone().unwrap_or_else(|| PathBuf::from(name));
    if dir.read_dir().is_ok_and(|mut entries| entries.next().is_some()) || dir.is_file() {
        return Err(
            Failure::new(format!("`{}` is there already", dir.display())).hint("choose another name, or `--dir`")
        );
    }
    let files = project(name, arguments.lang);
    for (path, text) in &files {
        write(&dir.join(path), text)?;
    }
    if places.json {
        let paths: Vec<&String> = files.iter().map(|(path, _)| path).collect();
        output::print_json(&serde_json::json!({
            "name": name, "language": arguments.lang.name(), "directory": dir, "files": paths,
        }));
        return Ok(ExitCode::SUCCESS);
    }
    output::line(format!(
        "made `{}`, {} files. Its README.md says how to build it; in short:\n",
        dir.display(),
        files.len()
    ));
    // The first indented block of the README is the way from the source to the component.
    let readme = files.iter().find(|(path, _)| path == "README.md").map_or("", |(_, text)| text.as_str());
    output::line(format!("    cd {}", dir.display()));
    for line in readme.lines().skip_while(|line| !line.starts_with("    ")).take_while(|line| line.starts_with("    "))
    {
        output::line(line);
    }
    Ok(ExitCode::SUCCESS)
}

/// Everything that a project consists of.
fn project(name: &str, language: Language) -> Vec<(String, String)> {
    let filled = |text: &str| text.replace("{{name}}", name).replace("{{key}}", &name.replace('-', "_"));
    let prefix = format!("{}/", language.name());
    let mut files: Vec<(String, String)> = TEMPLATES
        .iter()
        .filter_map(|(path, text)| Some((path.strip_prefix(&prefix)?.trim_end_matches(TEMPLATE_SUFFIX), text)))
        .map(|(path, text)| (path.to_owned(), filled(text)))
        .collect();
    if language == Language::Rust {
        files.extend(WIT.iter().map(|(path, text)| (format!("wit/{path}"), (*text).to_owned())));
        files.extend(SDK.iter().map(|(path, text)| (format!("ghostd-sdk/{path}"), sdk_file(path, text))));
        return files;
    }
    // A world of the author's own, so that the component imports what it says and no more.
    for (path, text) in WIT {
        let path = path
            .strip_prefix("deps/")
            .map_or_else(|| format!("wit/deps/ghost-collector/{path}"), |path| format!("wit/deps/{path}"));
        if path.ends_with(".wit") {
            files.push((path, (*text).to_owned()));
        }
    }
    let world = TEMPLATES.iter().find(|(path, _)| *path == "world.wit.in").map_or("", |(_, text)| *text);
    files.push(("wit/world.wit".to_owned(), filled(world)));
    files
}

/// A file of the SDK as it stands outside of this workspace.
fn sdk_file(path: &str, text: &str) -> String {
    match path {
        "Cargo.toml" => SDK_MANIFEST.to_owned(),
        "src/bindings.rs" => text.replace("../../wit", "../wit"),
        _ => text.to_owned(),
    }
}

/// What the SDK's manifest inherits from this workspace, written out.
const SDK_MANIFEST: &str = concat!(
    "# The SDK of ghostd ",
    env!("CARGO_PKG_VERSION"),
    r#", as it came with the project.
[package]
name = "ghostd-sdk"
description = "What a Rust author writes a ghostd collector with."
version = ""#,
    env!("CARGO_PKG_VERSION"),
    r#""
edition = "2024"
license = "MIT OR Apache-2.0"
publish = false

[dependencies]
serde = { version = "1", features = ["derive"] }
serde_json = { version = "1", features = ["float_roundtrip", "preserve_order"] }
serde_path_to_error = "0.1"
wit-bindgen = { version = "0.61", default-features = false, features = ["macros", "realloc"] }

[lints.rust]
missing_docs = "warn"

[lints.clippy]
panic = "warn"
"#
);

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let fault = |error: std::io::Error| Failure::new(format!("cannot write `{}`: {error}", path.display()));
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(fault)?;
    }
    #[expect(clippy::disallowed_methods, reason = "an author's project, which no crash of ours endangers")]
    std::fs::write(path, text).map_err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_stands_on_its_own() {
        for language in [Language::Rust, Language::Python, Language::Js, Language::C, Language::Go] {
            let files = project("disk-watch", language);
            for (path, text) in &files {
                assert!(!text.contains("{{") || path.starts_with("ghostd-sdk/"), "{language:?}: {path} has a gap");
                assert!(!path.ends_with(TEMPLATE_SUFFIX) && !text.contains(env!("CARGO_MANIFEST_DIR")), "{path}");
                assert!(!text.contains("workspace = true"), "{path} needs this workspace");
            }
            let has = |wanted: &str| files.iter().any(|(path, _)| path == wanted);
            assert!(has("README.md") && has(".gitignore"), "{language:?}: {files:?}");
            match language {
                Language::Rust => assert!(has("wit/collector.wit") && has("ghostd-sdk/src/fake/mod.rs")),
                _ => assert!(has("wit/world.wit") && has("wit/deps/ghost-host/host.wit")),
            }
        }
    }

    #[test]
    fn the_manifest_of_the_sdk_asks_for_what_the_workspace_asks_for() {
        let workspace = include_str!("../../../../Cargo.toml");
        for line in
            SDK_MANIFEST.lines().filter(|line| line.starts_with("serde_json") || line.starts_with("wit-bindgen"))
        {
            assert!(workspace.contains(line), "{line}");
        }
    }
}
