//! The engine that runs collectors, and the clock that interrupts them.
//!
//! Owns: wasmtime's settings and the epoch. Must not know: any collector, any capability.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use wasmtime::{Config, Engine, OptLevel};

/// How often a running guest is made to look at the clock and to let others run. Short enough for eight
/// spinning guests on two processors to notice their deadlines within a tenth of a second.
const EPOCH: Duration = Duration::from_millis(10);

/// The stack that a guest may use, in bytes. Deep recursion ends here.
const GUEST_STACK_BYTES: usize = 1 << 20;

/// The stack of a call, guest and host functions together, in bytes. Only what is touched takes memory.
const CALL_STACK_BYTES: usize = GUEST_STACK_BYTES + (1 << 20);

/// wasmtime as every process of ghostd uses it: what one compiles another can map.
pub fn new_engine() -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config.wasm_component_model(true);
    config.epoch_interruption(true);
    config.max_wasm_stack(GUEST_STACK_BYTES);
    config.async_stack_size(CALL_STACK_BYTES);
    config.cranelift_opt_level(OptLevel::Speed);
    // Relaxed SIMD may differ from machine to machine; a record should not.
    config.wasm_relaxed_simd(false);
    config.wasm_memory64(false);
    Engine::new(&config)
}

/// Advances the engine's epoch while a call is running, and sleeps while none is.
#[derive(Debug)]
pub struct Ticker {
    shared: Arc<TickerShared>,
}

#[derive(Debug, Default)]
struct TickerShared {
    calls: AtomicUsize,
    sleeping: Mutex<()>,
    wake: Condvar,
}

/// A call in flight: the epoch advances for as long as one of these lives.
#[derive(Debug)]
pub struct Ticking(Arc<TickerShared>);

impl Ticker {
    /// Starts the thread that ticks. It ends with the process.
    pub fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(TickerShared::default());
        let (ticker, engine) = (Arc::clone(&shared), engine.clone());
        std::thread::Builder::new().name("epoch".to_owned()).stack_size(64 << 10).spawn(move || {
            loop {
                let mut guard = ticker.sleeping.lock().unwrap_or_else(PoisonError::into_inner);
                while ticker.calls.load(Ordering::SeqCst) == 0 {
                    guard = ticker.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
                }
                drop(guard);
                std::thread::sleep(EPOCH);
                engine.increment_epoch();
            }
        })?;
        Ok(Self { shared })
    }

    /// Has the epoch advance until the result is dropped.
    pub fn tick(&self) -> Ticking {
        if self.shared.calls.fetch_add(1, Ordering::SeqCst) == 0 {
            let _guard = self.shared.sleeping.lock().unwrap_or_else(PoisonError::into_inner);
            self.shared.wake.notify_one();
        }
        Ticking(Arc::clone(&self.shared))
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::SeqCst);
    }
}
