//! Compiled components on disk: native code that is mapped, and therefore trusted only with proof.
//!
//! Each entry is `<component SHA-256>-<engine>.cwasm` with a MAC beside it, made with a key of this
//! installation. A missing, foreign, damaged or outdated entry is a miss, never an error. The directory
//! belongs to us alone (0700): whoever can write there could run code as ghostd.
//!
//! Owns: names and authenticity of entries. Must not know: how a component is compiled.

use std::fs::{File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::model::Digest;

/// The length of the installation's key, in bytes.
const KEY_BYTES: usize = 32;

/// The cache of one installation.
#[derive(Debug, Clone)]
pub struct Cache {
    dir: PathBuf,
    key: [u8; KEY_BYTES],
    engine: String,
}

/// Why there is no cache. Components are then compiled in memory at each start.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It cannot be made, read or written.
    #[error("cannot use the cache of compiled collectors `{path}`")]
    Io {
        /// The directory or the key's file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Somebody else could write native code into it.
    #[error(
        "the cache of compiled collectors `{path}` is {fault} (it must belong to the user that runs ghostd, mode 0700)"
    )]
    Unsafe {
        /// The directory.
        path: PathBuf,
        /// `owned by uid 1000`, `writable by others`.
        fault: String,
    },
}

/// Hashes with FNV-1a: the same number in every process and build, which std does not promise of its own.
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl Cache {
    /// Opens or makes the cache in `dir`.
    pub fn open(dir: &Path, engine: &Engine) -> Result<Self, CacheError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| CacheError::Io { path, source }
        };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io(dir))?;
        let meta = std::fs::symlink_metadata(dir).map_err(io(dir))?;
        let uid = rustix::process::geteuid().as_raw();
        let fault = if !meta.is_dir() {
            Some("not a directory".to_owned())
        } else if meta.uid() != uid {
            Some(format!("owned by uid {}", meta.uid()))
        } else if meta.mode() & 0o022 != 0 {
            Some("writable by others".to_owned())
        } else {
            None
        };
        if let Some(fault) = fault {
            return Err(CacheError::Unsafe { path: dir.to_owned(), fault });
        }
        let key = read_or_make_key(&dir.join("key")).map_err(io(&dir.join("key")))?;
        let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self { dir: dir.to_owned(), key, engine: format!("{:016x}", hasher.finish()) })
    }

    /// Where the compiled form of a component stands, or would.
    pub fn path(&self, component: &Digest) -> PathBuf {
        self.dir.join(format!("{component}-{}.cwasm", self.engine))
    }

    /// The compiled form of a component, if it is there and ours.
    pub fn get(&self, engine: &Engine, component: &Digest) -> Option<Component> {
        let path = self.path(component);
        let mut mac = [0; 32];
        File::open(path.with_extension("mac")).and_then(|mut file| file.read_exact(&mut mac)).ok()?;
        // Bytes of a MAC that an attacker would have to guess without an oracle: a plain comparison will do.
        if self.mac(component, &path).ok()? != mac {
            tracing::warn!(path = %path.display(), "A compiled collector does not match its MAC and is compiled anew.");
            return None;
        }
        #[expect(
            unsafe_code,
            reason = "the file was made by this installation: its MAC was just checked, and only our user can write to the directory"
        )]
        let loaded = unsafe { Component::deserialize_file(engine, &path) };
        loaded.ok()
    }

    /// Makes a compiled form that stands at `path(component)` trusted. The file must come from our own compiler.
    pub fn vouch(&self, component: &Digest) -> io::Result<()> {
        let path = self.path(component);
        let mac = self.mac(component, &path)?;
        let target = path.with_extension("mac");
        let temporary = self.dir.join(format!(".tmp-{}-{component}", std::process::id()));
        let written = private_file(&temporary).and_then(|mut file| file.write_all(&mac));
        // No fsync: a cache entry that a power cut damages is a miss.
        #[expect(clippy::disallowed_methods, reason = "a cache entry that a power cut loses is a miss")]
        let renamed = written.and_then(|()| std::fs::rename(&temporary, target));
        if renamed.is_err() {
            let _ = std::fs::remove_file(&temporary);
        }
        renamed
    }

    /// Removes entries that no engine of this build can use, and all that are not in `keep`.
    pub fn retain(&self, keep: &[Digest]) {
        let Ok(entries) = std::fs::read_dir(&self.dir) else { return };
        let wanted: Vec<String> = keep.iter().map(|digest| format!("{digest}-{}", self.engine)).collect();
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(stem) = name.to_str().and_then(|n| n.strip_suffix(".cwasm").or_else(|| n.strip_suffix(".mac")))
            else {
                continue;
            };
            if !wanted.iter().any(|want| want == stem) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    /// Keyed BLAKE3 over the component's digest and the compiled bytes. All entries are read at every start, megabytes
    /// of them; this takes a third of what HMAC-SHA-256 does.
    fn mac(&self, component: &Digest, path: &Path) -> io::Result<[u8; 32]> {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(component.as_bytes());
        hasher.update_reader(File::open(path)?)?;
        Ok(hasher.finalize().into())
    }
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn read_or_make_key(path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    let read = || {
        let mut key = [0; KEY_BYTES];
        let mut file =
            OpenOptions::new().read(true).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32).open(path)?;
        file.read_exact(&mut key).map(|()| key)
    };
    match read() {
        Ok(key) => return Ok(key),
        // A key that was cut short protects nothing: entries made with it are misses with a new one.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => std::fs::remove_file(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut key = [0; KEY_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    match private_file(path).and_then(|mut file| file.write_all(&key).and_then(|()| file.sync_all())) {
        Ok(()) => Ok(key),
        // Another process was quicker.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(),
        Err(error) => Err(error),
    }
}
