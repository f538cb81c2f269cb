//! The store as requests read it: a few readers that are kept open, on a few threads that may wait for a disk.
//!
//! Owns: how many read at a time and how many may wait for their turn.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::problem::Problem;
use crate::store::Reader;

/// Requests that read at a time. Each has a connection to the database with its cache.
pub(super) const MAX_READING: usize = 4;

/// Requests that wait for their turn. Beyond it they are told to come again.
const MAX_WAITING: usize = 256;

/// Readers that are kept open while nobody reads.
const MAX_IDLE: usize = 2;

/// The pool.
#[derive(Debug)]
pub(super) struct Readers {
    data_dir: PathBuf,
    idle: Mutex<Vec<Reader>>,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Readers {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            idle: Mutex::default(),
            turns: Arc::new(Semaphore::new(MAX_READING)),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Does something with a reader, on a thread that may wait.
    pub(super) async fn read<T, F>(self: &Arc<Self>, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&Reader) -> Result<T, Problem> + Send + 'static,
    {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Problem::unavailable("too many requests wait for the store"));
        }
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let turn = turn.map_err(|_| Problem::unavailable("ghostd ends"))?;
        let pool = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || {
            let reader = match pool.take() {
                Some(reader) => reader,
                None => Reader::open(&pool.data_dir)?,
            };
            let result = work(&reader);
            pool.give_back(reader);
            // Held for as long as the thread is busy, also where nobody waits for the answer any more.
            drop(turn);
            result
        });
        done.await.map_err(|_| Problem::unavailable("the request was given up"))?
    }

    fn take(&self) -> Option<Reader> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give_back(&self, reader: Reader) {
        // One that has no database, or a broken one, is opened anew: the next may find it mended.
        if reader.database_error().is_none() && reader.identity().is_some() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < MAX_IDLE {
                idle.push(reader);
            }
        }
    }
}
