//! What a power cut may leave: after each system call, whatever was synced, and any part of what was not.
//!
//! The calls of a real run are recorded at the kernel's boundary, SQLite's among them, and replayed on a model of a disk
//! that promises nothing but what fsync(2) promises: the contents of a file are there once the file was synced, and a
//! name is there (or gone) once its directory was. Everything else is there or not, each write by its sectors.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ghostd::model::{Moment, Wall};
use ghostd::store::{ExclusiveStore, StartReport};
use serde_json::Value as Json;

use super::faults::{Fault, faultns, under};
use super::{Random, SMALL, copied, copy_tree, must_be_sound, rounds, skipped, temporaries, whole_snapshots};
use crate::harness::{PATIENCE, Process, Signal, Site, bounded, until};

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;
/// What SQLite maps and never reads again after a crash.
const MAPPED: &str = "ghost.db-shm";

/// A change that may be lost until it is synced.
#[derive(Debug, Clone)]
enum Change {
    Write { inode: usize, at: usize, bytes: Vec<u8> },
    Truncate { inode: usize, length: usize },
    Name { path: PathBuf, inode: usize },
    Unname { path: PathBuf, inode: usize },
    Rename { from: PathBuf, to: PathBuf, inode: usize },
}

impl Change {
    fn inode(&self) -> Option<usize> {
        match self {
            Self::Write { inode, .. } | Self::Truncate { inode, .. } => Some(*inode),
            _ => None,
        }
    }

    fn directory(&self) -> Option<&Path> {
        match self {
            Self::Name { path, .. } | Self::Unname { path, .. } | Self::Rename { to: path, .. } => path.parent(),
            _ => None,
        }
    }
}

/// Names and contents.
#[derive(Debug, Clone, Default)]
struct Image {
    names: BTreeMap<PathBuf, usize>,
    contents: BTreeMap<usize, Vec<u8>>,
}

impl Image {
    /// Carries out a change; of a write only those sectors that `keeps` says.
    fn apply(&mut self, change: &Change, keeps: &mut dyn FnMut() -> bool) {
        match change {
            Change::Write { inode, at, bytes } => {
                let content = self.contents.entry(*inode).or_default();
                let mut from = 0;
                while from < bytes.len() {
                    let room = SECTOR - (at + from) % SECTOR;
                    let to = (from + room).min(bytes.len());
                    if keeps() {
                        if content.len() < at + to {
                            content.resize(at + to, 0);
                        }
                        content[at + from..at + to].copy_from_slice(&bytes[from..to]);
                    }
                    from = to;
                }
            }
            Change::Truncate { inode, length } => self.contents.entry(*inode).or_default().resize(*length, 0),
            Change::Name { path, inode } => {
                self.names.insert(path.clone(), *inode);
            }
            Change::Unname { path, inode } => {
                if self.names.get(path) == Some(inode) {
                    self.names.remove(path);
                }
            }
            Change::Rename { from, to, inode } => {
                if self.names.get(from) == Some(inode) {
                    self.names.remove(from);
                }
                self.names.insert(to.clone(), *inode);
            }
        }
    }

    fn write_to(&self, root: &Path) {
        for dir in ["snapshots", "backups", "cache"] {
            crate::harness::make_private(&root.join(dir));
        }
        for (path, inode) in &self.names {
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(root.join(path))
                .unwrap();
            std::io::Write::write_all(&mut file, self.contents.get(inode).map_or(&[], Vec::as_slice)).unwrap();
        }
    }
}

/// A disk: what is on it for certain, and what may be.
#[derive(Debug, Default)]
struct Disk {
    safe: Image,
    /// As the running program sees it.
    live: Image,
    pending: Vec<Change>,
    inodes: usize,
}

impl Disk {
    /// What lies in a directory, long since synced.
    fn of(root: &Path) -> Self {
        let mut disk = Self::default();
        for dir in ["", "snapshots", "backups"] {
            let Ok(entries) = std::fs::read_dir(root.join(dir)) else { continue };
            for entry in entries.map(Result::unwrap).filter(|entry| entry.file_type().unwrap().is_file()) {
                let path = Path::new(dir).join(entry.file_name());
                disk.inodes += 1;
                disk.safe.contents.insert(disk.inodes, std::fs::read(entry.path()).unwrap());
                disk.safe.names.insert(path, disk.inodes);
            }
        }
        disk.live = disk.safe.clone();
        disk
    }

    fn change(&mut self, change: Change) {
        self.live.apply(&change, &mut || true);
        self.pending.push(change);
    }

    /// One call of the recording.
    fn carry_out(&mut self, call: &Json, root: &Path) {
        let below =
            |key: &str| call[key].as_str().and_then(|path| Path::new(path).strip_prefix(root).ok()).map(PathBuf::from);
        let Some(path) = below("path") else { return };
        if path.starts_with("cache") || path.ends_with(MAPPED) {
            return;
        }
        let inode = self.live.names.get(&path).copied();
        match (call["op"].as_str().unwrap(), inode) {
            ("create", None) => {
                self.inodes += 1;
                self.live.contents.insert(self.inodes, Vec::new());
                self.change(Change::Name { path, inode: self.inodes });
            }
            ("create" | "open", Some(inode)) if call["flags"].as_u64().unwrap() & (libc_o_trunc()) != 0 => {
                self.change(Change::Truncate { inode, length: 0 });
            }
            ("write", Some(inode)) => {
                let bytes = unhex(call["data"].as_str().unwrap());
                let end = self.live.contents[&inode].len();
                let at =
                    if call["append"] == 1 { end } else { usize::try_from(call["off"].as_u64().unwrap()).unwrap() };
                self.change(Change::Write { inode, at, bytes });
            }
            ("truncate", Some(inode)) => {
                self.change(Change::Truncate {
                    inode,
                    length: usize::try_from(call["len"].as_u64().unwrap()).unwrap(),
                });
            }
            ("unlink", Some(inode)) => self.change(Change::Unname { path, inode }),
            ("rename", Some(inode)) => {
                let to = below("to").expect("nothing leaves the data directory");
                // Ours never replace but where they say so, and a file that is replaced is one that was there before.
                self.change(Change::Rename { from: path, to, inode });
            }
            ("fsync", Some(inode)) => self.sync(|change| change.inode() == Some(inode)),
            ("fsync", None) => self.sync(|change| change.directory() == Some(&path)),
            ("link" | "symlink" | "copy", _) => panic!("no such call is expected of ghostd: {call}"),
            _ => {}
        }
    }

    fn sync(&mut self, concerns: impl Fn(&Change) -> bool) {
        let (synced, pending) = std::mem::take(&mut self.pending).into_iter().partition(concerns);
        self.pending = pending;
        let synced: Vec<Change> = synced;
        for change in &synced {
            self.safe.apply(change, &mut || true);
        }
    }

    /// What may be found after a cut now: `choose` says of each pending change whether it is there, and may tear it.
    fn after_a_cut(&self, choose: &mut dyn FnMut(usize) -> Fate, random: &mut Random) -> Image {
        let mut image = self.safe.clone();
        for (place, change) in self.pending.iter().enumerate() {
            match choose(place) {
                Fate::Lost => {}
                Fate::There => image.apply(change, &mut || true),
                Fate::Torn => image.apply(change, &mut || random.below(2) == 0),
            }
        }
        image
    }
}

/// What became of a change that was not synced.
enum Fate {
    Lost,
    There,
    Torn,
}

fn libc_o_trunc() -> u64 {
    u64::from(rustix::fs::OFlags::TRUNC.bits())
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// Records the calls of a command.
fn recorded(tool: &Path, site: &Site, arguments: &[&str], stop: impl FnOnce(&Site)) -> Vec<Json> {
    let mut command = under(tool, site, Fault::Kill, 0, arguments);
    // `under` ends its own options with `--`.
    let all: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    let mut traced = std::process::Command::new(tool);
    traced.arg("-t").arg(site.path("trace")).args(all).current_dir(site.root());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => traced.env(name, value),
            None => traced.env_remove(name),
        };
    }
    command = traced;
    if arguments.contains(&"run") {
        let log = std::fs::File::create(site.path("log")).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let mut process = Process(command.spawn().unwrap());
        stop(site);
        process.signal(Signal::TERM);
        until("it ends", PATIENCE, || process.0.try_wait().unwrap());
    } else {
        let output = bounded(command);
        assert!(output.status.success(), "{output:?}");
    }
    let trace = std::fs::read_to_string(site.path("trace")).unwrap();
    trace.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The ids that stand in what was said.
fn ids_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_hexdigit() || c == '-'));
    words.filter(|word| word.parse::<ghostd::model::SnapshotId>().is_ok()).map(str::to_owned).collect()
}

struct Campaign {
    states: usize,
    cuts: usize,
    calls: usize,
    daemons: usize,
}

/// Cuts the power after each of some calls, and starts on what is left.
fn cut(base: &Site, site: &Site, calls: &[Json], cuts: usize, random: &mut Random) -> Campaign {
    let root = site.data();
    let mut disk = Disk::of(&base.data());
    let mut acknowledged = whole_snapshots(&base.data());
    let mut campaign = Campaign { states: 0, cuts: 0, calls: calls.len(), daemons: 0 };
    let stride = (calls.len() / cuts.max(1)).max(1);
    for (place, call) in calls.iter().enumerate() {
        if call["op"] == "said" {
            let text = String::from_utf8_lossy(&unhex(call["data"].as_str().unwrap())).into_owned();
            let is_acknowledgement =
                !text.contains("level") && (text.contains("is durable") || text.trim().len() == 36);
            if is_acknowledgement {
                acknowledged.extend(ids_in(&text));
            }
        }
        disk.carry_out(call, &root);
        if place % stride != 0 && call["op"] != "said" {
            continue;
        }
        campaign.cuts += 1;
        let count = disk.pending.len();
        let mut plans: Vec<Box<dyn FnMut(usize) -> Fate>> = vec![Box::new(|_| Fate::Lost), Box::new(|_| Fate::There)];
        let singles: Vec<usize> = if super::is_whole() { (0..count).collect() } else { (0..count.min(2)).collect() };
        for one in singles {
            plans.push(Box::new(move |place| if place == one { Fate::There } else { Fate::Lost }));
            plans.push(Box::new(move |place| if place == one { Fate::Lost } else { Fate::There }));
        }
        for _ in 0..if count == 0 { 0 } else { 4 } {
            let mut chance = Random(random.next());
            plans.push(Box::new(move |_| match chance.below(3) {
                0 => Fate::Lost,
                1 => Fate::There,
                _ => Fate::Torn,
            }));
        }
        for mut plan in plans {
            let image = disk.after_a_cut(&mut plan, random);
            campaign.states += 1;
            let what = format!("cut {} after call {place} ({} {})", campaign.states, call["op"], call["path"]);
            let with_daemon = campaign.states.is_multiple_of(61);
            start_on(&image, base, &acknowledged, with_daemon, &what);
            campaign.daemons += usize::from(with_daemon);
        }
    }
    campaign
}

/// Starts on what a cut has left, in this process, and now and then with the real binary.
fn start_on(image: &Image, base: &Site, acknowledged: &BTreeSet<String>, with_daemon: bool, what: &str) {
    let site = Site::empty();
    site.configure(SMALL);
    let data = site.data();
    image.write_to(&data);
    whole_snapshots(&data);
    let now = Moment { wall: Wall::from_millis(1_800_000_000_000), boottime_ns: 1, boot_id: "after the cut".into() };
    let opened: Result<(ExclusiveStore, StartReport), _> = ExclusiveStore::open(&data, &now);
    match opened {
        Ok((store, report)) => {
            assert!(report.vanished.is_empty() && report.rejected.is_empty(), "{what}: {report:?}");
            drop(store);
        }
        Err(error) => panic!("{what}: it does not start: {error} {error:?}\n{}", kept(&site)),
    }
    must_be_sound(&data, acknowledged, what);
    let left = temporaries(&data);
    assert!(left.is_empty(), "{what}: {left:?}");
    if with_daemon {
        std::fs::remove_dir(data.join("cache")).unwrap();
        copy_tree(&base.data().join("cache"), &data.join("cache"));
        let next = site.ghostd(&["snapshot"]);
        assert_eq!(next.code, Some(0), "{what}: {next:?}");
        must_be_sound(&data, &acknowledged.iter().cloned().chain([next.stdout.trim().to_owned()]).collect(), what);
    }
}

fn kept(site: &Site) -> String {
    site.all_files().iter().map(|path| format!("{}\n", path.display())).collect()
}

#[test]
fn after_any_cut_what_was_acknowledged_is_there() {
    let tool = match faultns() {
        Ok(tool) => tool,
        Err(why) => return skipped(why),
    };
    let cuts = rounds(6);
    let mut random = Random::seeded();
    let base = Site::with(SMALL);
    for _ in 0..3 {
        base.snapshot();
    }
    base.ghostd(&["keep", "latest~1", "--why", "a mark"]).exits(0);

    let site = copied(&base, SMALL);
    let calls = recorded(tool, &site, &["snapshot"], |_| ());
    let one = cut(&base, &site, &calls, cuts, &mut random);

    // A daemon with retention, for long enough that SQLite writes its log back into the database.
    let config = format!(
        "{SMALL}[snapshot]\nevery = \"200ms\"\n[heartbeat]\nevery = \"100ms\"\n[store]\nmax_count = 2\nkeep_last = 2\nkeep_hourly = 0\ncleanup_every = \"1s\"\n"
    );
    let site = copied(&base, &config);
    let calls = recorded(tool, &site, &["run"], |site| {
        let many = ghostd_sequence(site) + 8;
        until("eight snapshots", PATIENCE, || (ghostd_sequence(site) >= many).then_some(()));
    });
    let other = cut(&base, &site, &calls, cuts, &mut random);
    for (name, told) in [("one capture", one), ("a daemon with retention", other)] {
        println!(
            "power cuts in {name}: {} states after {} of {} calls, {} of them with the real binary after",
            told.states, told.cuts, told.calls, told.daemons
        );
    }
}

fn ghostd_sequence(site: &Site) -> u64 {
    site.newest().map_or(0, |body| body["sequence"].as_u64().unwrap())
}
