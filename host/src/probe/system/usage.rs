//! Asking mounts for their space without ever being held up by one that is dead.
//!
//! Owns the threads. statvfs of a hung NFS server or of a dying disk does not return, and nothing can end it. One
//! worker asks all mounts in turn; the one it does not come back from keeps that worker, is pending from then on, and
//! is not asked again until it answers. So there are never more threads than hung mounts and one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use super::super::{Error, Result};
use super::types::Usage;

/// How long one mount may take. A healthy one needs microseconds, one over a network milliseconds.
const DEADLINE: Duration = Duration::from_millis(250);
/// How long all of them may take: who asks waits no longer for the figures of the machine.
const TOTAL: Duration = Duration::from_secs(1);
/// How many mounts may hang, each with a thread, before no other is asked any more.
const MAX_HUNG: usize = 64;
/// A worker calls statvfs and nothing else.
const STACK_BYTES: usize = 64 * 1024;

type Ask = fn(&Path) -> Result<Usage>;

/// The threads that ask.
#[derive(Debug)]
pub(super) struct Workers {
    ask: Ask,
    idle: Option<Worker>,
    hung: HashMap<PathBuf, Hung>,
}

#[derive(Debug)]
struct Worker {
    places: Sender<PathBuf>,
    answers: Receiver<Result<Usage>>,
}

#[derive(Debug)]
struct Hung {
    worker: Worker,
    since: Instant,
}

impl Default for Workers {
    fn default() -> Self {
        Self::asking(statvfs)
    }
}

impl Workers {
    fn asking(ask: Ask) -> Self {
        Self { ask, idle: None, hung: HashMap::new() }
    }

    /// The usage of each place, in their order.
    pub(super) fn ask(&mut self, places: &[PathBuf]) -> Vec<Result<Usage>> {
        let end = Instant::now() + TOTAL;
        let usages = places.iter().map(|place| self.ask_one(place, end)).collect();
        // What was unmounted while it hung: its thread ends when the kernel lets it go.
        self.hung.retain(|place, _| places.contains(place));
        usages
    }

    fn ask_one(&mut self, place: &Path, end: Instant) -> Result<Usage> {
        if let Some(hung) = self.hung.remove(place) {
            match hung.worker.answers.try_recv() {
                Ok(usage) => {
                    self.idle = Some(hung.worker);
                    return usage;
                }
                Err(TryRecvError::Empty) => {
                    let seconds = hung.since.elapsed().as_secs();
                    self.hung.insert(place.to_owned(), hung);
                    return Err(Error::Pending(format!(
                        "mount `{}` has not answered for {seconds} s",
                        place.display()
                    )));
                }
                Err(TryRecvError::Disconnected) => {}
            }
        }
        let left = end.saturating_duration_since(Instant::now()).min(DEADLINE);
        if left.is_zero() {
            return Err(Error::Pending(format!("mount `{}` was not asked, others took too long", place.display())));
        }
        if self.hung.len() >= MAX_HUNG {
            return Err(Error::Exhausted(format!("{MAX_HUNG} mounts do not answer, no more are asked")));
        }
        let worker = match self.idle.take() {
            Some(worker) => worker,
            None => Worker::start(self.ask)?,
        };
        if worker.places.send(place.to_owned()).is_err() {
            return Err(Error::Io(format!("the thread that asks mount `{}` has ended", place.display())));
        }
        match worker.answers.recv_timeout(left) {
            Ok(usage) => {
                self.idle = Some(worker);
                usage
            }
            Err(RecvTimeoutError::Timeout) => {
                self.hung.insert(place.to_owned(), Hung { worker, since: Instant::now() });
                let ms = left.as_millis();
                Err(Error::Pending(format!("mount `{}` did not answer within {ms} ms", place.display())))
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(Error::Io(format!("the thread that asks mount `{}` has ended", place.display())))
            }
        }
    }
}

impl Worker {
    fn start(ask: Ask) -> Result<Self> {
        let (places, to_ask) = channel::<PathBuf>();
        let (answer, answers) = channel();
        std::thread::Builder::new()
            .name("mount-usage".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                // Ends when whoever asks has gone, at the latest after the answer that it is stuck in.
                while let Ok(place) = to_ask.recv() {
                    if answer.send(ask(&place)).is_err() {
                        break;
                    }
                }
            })
            .map_err(|error| Error::from_io("a thread to ask mounts", &error))?;
        Ok(Self { places, answers })
    }
}

fn statvfs(place: &Path) -> Result<Usage> {
    let answer = rustix::fs::statvfs(place)
        .map_err(|errno| Error::from_errno(&format!("the space of `{}`", place.display()), errno))?;
    let bytes = |blocks: u64| blocks.saturating_mul(answer.f_frsize);
    Ok(Usage {
        total_bytes: bytes(answer.f_blocks),
        free_bytes: bytes(answer.f_bfree),
        available_bytes: bytes(answer.f_bavail),
        inodes: answer.f_files,
        inodes_free: answer.f_ffree,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const FINE: Usage = Usage { total_bytes: 1, free_bytes: 1, available_bytes: 1, inodes: 1, inodes_free: 1 };

    #[test]
    fn the_root_answers() {
        let usage = Workers::default().ask(&[PathBuf::from("/")]).remove(0).unwrap();
        assert!(usage.total_bytes >= usage.free_bytes && usage.free_bytes >= usage.available_bytes);
        let missing = Workers::default().ask(&[PathBuf::from("/does/not/exist")]).remove(0);
        assert!(missing.unwrap_err().is_not_found());
    }

    #[test]
    fn a_hung_mount_is_pending_and_asked_once_until_it_answers() {
        static ASKED: AtomicU32 = AtomicU32::new(0);
        static RELEASED: AtomicU32 = AtomicU32::new(0);
        fn ask(place: &Path) -> Result<Usage> {
            if place == Path::new("/hung") {
                ASKED.fetch_add(1, Ordering::SeqCst);
                while RELEASED.load(Ordering::SeqCst) == 0 {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
            Ok(FINE)
        }
        let places = ["/a", "/hung", "/b"].map(PathBuf::from);
        let mut workers = Workers::asking(ask);
        for round in 0..3 {
            let begin = Instant::now();
            let usages = workers.ask(&places);
            assert_eq!((&usages[0], &usages[2]), (&Ok(FINE), &Ok(FINE)), "the others are told");
            assert!(matches!(usages[1], Err(Error::Pending(_))), "{usages:?}");
            if round > 0 {
                assert!(begin.elapsed() < DEADLINE, "nobody waits for it again");
            }
        }
        assert_eq!(ASKED.load(Ordering::SeqCst), 1, "never a second stuck thread");
        RELEASED.store(1, Ordering::SeqCst);
        let end = Instant::now() + Duration::from_secs(10);
        while workers.ask(&places)[1].is_err() {
            assert!(Instant::now() < end);
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(workers.hung.is_empty());
    }

    #[test]
    fn many_hung_mounts_do_not_take_longer_than_the_whole_may() {
        fn ask(_: &Path) -> Result<Usage> {
            std::thread::sleep(Duration::from_secs(3));
            Ok(FINE)
        }
        let places: Vec<PathBuf> = (0..20).map(|n| PathBuf::from(format!("/{n}"))).collect();
        let mut workers = Workers::asking(ask);
        let begin = Instant::now();
        assert!(workers.ask(&places).iter().all(|usage| matches!(usage, Err(Error::Pending(_)))));
        assert!(begin.elapsed() < TOTAL + Duration::from_secs(1));
        assert!(workers.hung.len() <= 4);
    }
}
