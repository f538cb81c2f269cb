//! Where collectors run: threads of their own, so that eight spinning guests on two processors leave the control
//! socket, the heartbeat and SIGTERM answering.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::bindings::ghost::collector::types as wit;
use super::call::{self, CallAccount, CallContext, CallFailure};
use super::load::Loaded;
use super::validate;
use crate::model::Section;

/// Threads that run guests. A spinning guest yields every few milliseconds, so two serve many.
const THREADS: usize = 2;

/// How long after its deadline a call is waited for. It is over by then unless a host call hangs in the kernel.
const GRACE: Duration = Duration::from_millis(250);

/// What one call brought. Only [`Runner::collect`] makes one.
#[derive(Debug)]
pub struct Collected {
    /// The sections, held against the contract; or why there are none.
    pub result: Result<Vec<Section>, CallFailure>,
    /// What the call used and left behind.
    pub account: CallAccount,
}

/// The threads.
#[derive(Debug)]
pub struct Runner {
    runtime: Option<Runtime>,
}

impl Runner {
    /// Starts them.
    pub fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("collector")
            .thread_stack_size(1 << 20)
            .max_blocking_threads(16)
            // A guest's turn is long: look at timers and at what was cancelled after each.
            .event_interval(1)
            .global_queue_interval(1)
            .enable_all()
            .build()?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Runs something on these threads.
    pub fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<tokio::task::JoinHandle<T>> {
        self.runtime.as_ref().map(|runtime| runtime.spawn(future))
    }

    /// Runs something on these threads and waits for it; not from an async context.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        self.runtime.as_ref().map(|runtime| runtime.block_on(future))
    }

    /// Calls a collector. Ends by its deadline and a little grace, whatever the guest or the kernel does. What
    /// `then` makes of the result is made on the collectors' threads too.
    pub async fn collect<T>(
        &self,
        context: Arc<CallContext>,
        loaded: Arc<Loaded>,
        invocation: wit::Invocation,
        state: BTreeMap<String, String>,
        then: impl FnOnce(Collected) -> T + Send + 'static,
    ) -> Option<T>
    where
        T: From<CallFailure> + Send + 'static,
    {
        let wall = loaded.settings.limits.wall;
        let task = self.spawn(async move {
            let (returned, account) =
                call::collect(&context, &loaded.pre, &loaded.settings, &invocation, &loaded.config, state).await;
            let result = returned.and_then(|raw| {
                validate::sections(raw, &loaded.descriptor.sections)
                    .map_err(|fault| CallFailure::Invalid(fault.to_string()))
            });
            then(Collected { result, account })
        })?;
        let abort = task.abort_handle();
        match tokio::time::timeout(wall + GRACE, task).await {
            Ok(Ok(made)) => Some(made),
            Ok(Err(join)) => Some(CallFailure::Trapped(format!("a host function panicked: {join}")).into()),
            Err(_) => {
                abort.abort();
                Some(CallFailure::TimedOut(wall).into())
            }
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // A host call that hangs in the kernel must not keep ghostd from ending.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
