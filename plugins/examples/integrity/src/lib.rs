//! An example collector: files that must not change.
//!
//! `[collector.integrity] grant = ["files"]`, `files = { etc = "/etc" }`,
//! `config = { files = [{ root = "etc", pattern = "ssh/*" }] }`. What stands there at the first call is the baseline. What
//! differs from it is a finding until it is as it was, or until `baseline` is given another value, which takes what is
//! there now for good: `baseline = "2026-11-24, after the upgrade"`.
//!
//! A file whose size, identity and time are those of the last look is not read again before `reread_hours` are over: an
//! intruder can set a time, and cannot keep a hash.

use std::collections::BTreeMap;

use ghostd_sdk::host::files::{self, Kind, Metadata};
use ghostd_sdk::{Collector, Descriptor, Error, Failure, Finding, Invocation, Metric, Section, Severity, host};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const SECTION: &str = "integrity";
const STATE: &str = "known";
const HOUR_MS: i64 = 3_600_000;

/// Files that are looked at; more are counted.
const MAX_FILES: u32 = 2_000;

/// Bytes that one call hashes; what is left keeps its last hash until the next.
const MAX_BYTES: u64 = 128 << 20;

/// What may be configured.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    files: Vec<Watched>,
    #[serde(default)]
    baseline: String,
    #[serde(default = "default_reread_hours")]
    reread_hours: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Watched {
    root: String,
    pattern: String,
}

fn default_reread_hours() -> i64 {
    24
}

const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"required":["files"],"properties":{
  "files":{"type":"array","minItems":1,"maxItems":64,"items":{"type":"object","additionalProperties":false,
    "required":["root","pattern"],"properties":{"root":{"type":"string"},"pattern":{"type":"string"}}}},
  "baseline":{"type":"string","maxLength":128},
  "reread_hours":{"type":"integer","minimum":0,"maximum":8760}}}"#;

/// What is remembered.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Memory {
    baseline: Option<String>,
    /// A list and not an object: a file's name may look like that of a secret.
    files: Vec<(String, Known)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    /// The hash of the baseline; none for what came later.
    good: Option<String>,
    /// The last hash; none for what is gone.
    now: Option<String>,
    /// Size, device, inode and time of the last look, and when it was read.
    stamp: (u64, u64, u64, i64),
    read_ms: i64,
    /// Since when it differs.
    since_ms: Option<i64>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Different {
    path: String,
    what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    was: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is: Option<String>,
    since: String,
}

#[derive(Debug, Serialize)]
struct Body {
    baseline: String,
    files: usize,
    different: Vec<Different>,
}

/// The collector.
#[derive(Debug)]
pub struct Integrity;

impl Collector for Integrity {
    type Config = Config;

    fn describe() -> Descriptor {
        Descriptor::new("integrity", env!("CARGO_PKG_VERSION"), "Files that must not change, by their SHA-256.")
            .section(SECTION)
            .config_schema(SCHEMA)
    }

    fn collect(call: &Invocation, config: Config) -> Result<Vec<Section>, Failure> {
        let memory: Memory = host::state::load(STATE).unwrap_or_default();
        let anew = memory.baseline.as_ref() != Some(&config.baseline);
        let mut before: BTreeMap<String, Known> = memory.files.into_iter().collect();
        let mut warnings = Vec::new();
        let mut left = MAX_BYTES;
        let mut after = BTreeMap::new();
        for (path, root, metadata) in listed(&config, &mut warnings)? {
            let known = before.remove(&path);
            match look(&root, &path, &metadata, known.clone(), &config, &mut left, call.now_ms) {
                Ok(mut one) => {
                    if anew {
                        one.good.clone_from(&one.now);
                    }
                    after.insert(path, one);
                }
                Err(error) => {
                    warnings.push(format!("cannot read `{path}`: {error}"));
                    // It is not known to have changed.
                    after.extend(known.map(|known| (path, known)));
                }
            }
        }
        if left == 0 {
            warnings.push(format!("more than {MAX_BYTES} bytes are to be read: the rest keeps its last hash"));
        }
        // What was good and is not there any more is remembered as missing.
        for (path, mut known) in before.into_iter().filter(|(_, known)| known.good.is_some() && !anew) {
            known.now = None;
            after.insert(path, known);
        }
        for one in after.values_mut() {
            one.since_ms = (one.good != one.now).then(|| one.since_ms.unwrap_or(call.now_ms));
        }
        let files: Vec<(String, Known)> = after.into_iter().collect();
        let section = report(&files, &config, call.now_ms)?.warnings(warnings);
        host::state::store(STATE, &Memory { baseline: Some(config.baseline), files })?;
        Ok(vec![section])
    }
}

ghostd_sdk::export!(Integrity);

/// The files that are there: their names as they are shown, their roots, and what they look like.
fn listed(config: &Config, warnings: &mut Vec<String>) -> Result<Vec<(String, String, Metadata)>, Failure> {
    let mut all = BTreeMap::new();
    for watched in &config.files {
        let found = match files::find(&watched.root, &watched.pattern, MAX_FILES) {
            Ok(found) => found,
            Err(Error::Denied(text) | Error::Invalid(text)) => return Err(Failure::Config(text)),
            Err(error) => {
                warnings.push(format!("cannot look for `{}` in `{}`: {error}", watched.pattern, watched.root));
                continue;
            }
        };
        if found.truncated {
            warnings.push(format!("`{}` in `{}` fits more than {MAX_FILES} files", watched.pattern, watched.root));
        }
        for entry in found.entries.into_iter().filter(|entry| entry.metadata.kind == Kind::File) {
            all.insert(format!("{}/{}", watched.root, entry.path), (watched.root.clone(), entry.metadata));
        }
    }
    Ok(all.into_iter().map(|(path, (root, metadata))| (path, root, metadata)).collect())
}

fn look(
    root: &str,
    path: &str,
    metadata: &Metadata,
    known: Option<Known>,
    config: &Config,
    left: &mut u64,
    now_ms: i64,
) -> Result<Known, Error> {
    let stamp = (metadata.size, metadata.identity.device, metadata.identity.inode, metadata.modified_ns);
    let good = known.as_ref().and_then(|known| known.good.clone());
    let since_ms = known.as_ref().and_then(|known| known.since_ms);
    if let Some(known) = &known
        && known.now.is_some()
        && ((known.stamp == stamp && now_ms - known.read_ms < config.reread_hours * HOUR_MS) || *left == 0)
    {
        return Ok(known.clone());
    }
    let file = files::open(root, &path[root.len() + 1..])?;
    let mut hash = Sha256::new();
    let mut offset = 0;
    loop {
        let chunk = file.read_at(offset, files::MAX_READ_BYTES)?;
        if chunk.is_empty() {
            break;
        }
        hash.update(&chunk);
        offset += chunk.len() as u64;
        *left = left.saturating_sub(chunk.len() as u64);
        if *left == 0 && offset < metadata.size {
            return Err(Error::Exhausted(format!("it does not fit into the {MAX_BYTES} bytes of one call")));
        }
    }
    let now = Some(hex(&hash.finalize()));
    Ok(Known { good, now, stamp, read_ms: now_ms, since_ms })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn report(files: &[(String, Known)], config: &Config, now_ms: i64) -> Result<Section, Failure> {
    let (mut different, mut findings) = (Vec::new(), Vec::new());
    for (path, known) in files.iter().filter(|(_, known)| known.good != known.now) {
        let what = match (&known.good, &known.now) {
            (Some(_), Some(_)) => "changed",
            (Some(_), None) => "missing",
            _ => "added",
        };
        let verb = if known.now.is_none() { "is" } else { "was" };
        let since_ms = known.since_ms.unwrap_or(now_ms);
        findings.push(
            Finding::new(&format!("integrity:{path}"), Severity::High, format!("{path} {verb} {what}"))
                .source(path.clone())
                .seen(since_ms, now_ms),
        );
        different.push(Different {
            path: path.clone(),
            what,
            was: known.good.clone(),
            is: known.now.clone(),
            since: ghostd_sdk::time::rfc3339(since_ms),
        });
    }
    let count = different.len() as f64;
    Ok(Section::new(SECTION, "example.integrity/1")
        .body(&Body { baseline: config.baseline.clone(), files: files.len(), different })?
        .metric(Metric::gauge("integrity.files", "{file}", files.len() as f64))
        .metric(Metric::gauge("integrity.different", "{file}", count))
        .findings(findings))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ghostd_sdk::fake;

    const CONFIG: &str = r#"{"files":[{"root":"etc","pattern":"**"}],"reread_hours":0}"#;

    fn look_at(host: &mut fake::Host, config: &str) -> Vec<String> {
        let section = host.collect::<Integrity>(&fake::invocation(&[SECTION]), config).unwrap().remove(0);
        section.findings.into_iter().map(|finding| finding.title).collect()
    }

    #[test]
    fn what_changes_comes_or_goes_is_told_until_it_is_as_it_was() {
        let mut host = fake::Host::new();
        host.files.write("etc", "passwd", b"root:x:0");
        host.files.write("etc", "ssh/sshd_config", b"PermitRootLogin no");
        assert!(look_at(&mut host, CONFIG).is_empty());

        host.files.write("etc", "passwd", b"root:x:0\nme:x:0");
        host.files.write("etc", "ld.so.preload", b"/tmp/x.so");
        host.files.remove("etc", "ssh/sshd_config");
        let told = ["etc/ld.so.preload was added", "etc/passwd was changed", "etc/ssh/sshd_config is missing"];
        assert_eq!(look_at(&mut host, CONFIG), told);
        assert_eq!(look_at(&mut host, CONFIG), told, "it stays open");

        host.files.write("etc", "passwd", b"root:x:0");
        assert_eq!(look_at(&mut host, CONFIG).len(), 2);
        let taken = CONFIG.replace("\"reread", "\"baseline\":\"v2\",\"reread");
        assert!(look_at(&mut host, &taken).is_empty(), "another baseline takes what is there");
    }

    #[test]
    fn the_hash_is_that_of_sha256sum() {
        let mut host = fake::Host::new();
        host.files.write("etc", "a", b"abc");
        look_at(&mut host, CONFIG);
        let state = host.state.get(STATE).unwrap();
        assert!(state.contains("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"), "{state}");
    }

    #[test]
    fn a_root_that_is_not_lent_is_a_fault_of_the_configuration() {
        let mut host = fake::Host::new();
        let failure = host.collect::<Integrity>(&fake::invocation(&[SECTION]), CONFIG).unwrap_err();
        assert!(matches!(failure, Failure::Config(_)), "{failure:?}");
    }
}
