//! `ghost:host/clock`.

use wasmtime::Result;

use super::super::bindings::ghost::host::clock as wit;
use super::super::state::CallState;
use super::fake::given;
use super::{Answer, answer};

impl wit::Host for CallState {
    fn now(&mut self) -> Result<wit::Clocks> {
        self.lent.collecting()?;
        if let Some(fake) = &self.lent.fake {
            return Ok(fake.clocks());
        }
        let clocks = self.lent.services.clocks();
        Ok(wit::Clocks {
            realtime_ns: clocks.realtime_ns,
            monotonic_ns: clocks.monotonic_ns,
            monotonic_raw_ns: clocks.monotonic_raw_ns,
            boottime_ns: clocks.boottime_ns,
            read_ns: clocks.read_ns,
        })
    }

    fn discipline(&mut self) -> Answer<wit::KernelDiscipline> {
        self.lend(
            |fake| given("clock.discipline", &fake.clock.discipline),
            |_| {
                answer(crate::probe::clock::discipline(), |one| wit::KernelDiscipline {
                    synchronised: one.synchronised,
                    offset_ns: one.offset_ns,
                    frequency_ppm: one.frequency_ppm,
                    maximum_error_us: one.maximum_error_us,
                    estimated_error_us: one.estimated_error_us,
                    status: one.status,
                    leap: one.leap,
                    time_constant: one.time_constant,
                    tai_offset: one.tai_offset,
                })
            },
        )
    }

    fn sntp(&mut self) -> Answer<Vec<wit::SntpAnswer>> {
        self.lend(|fake| given("clock.sntp", &fake.clock.sntp), |services| Ok(Ok(services.sntp())))
    }

    fn chrony(&mut self) -> Answer<wit::Tracking> {
        self.lend(
            |fake| given("clock.chrony", &fake.clock.chrony),
            |services| answer(services.chrony(), |tracking| tracking),
        )
    }

    fn steps(&mut self) -> Result<(u64, Option<i64>)> {
        self.lent.collecting()?;
        Ok(match &self.lent.fake {
            Some(fake) => fake.clock.steps,
            None => self.lent.services.steps(),
        })
    }
}
