//! `ghost:host/units`.

use super::super::bindings::ghost::host::units as wit;
use super::super::state::CallState;
use super::fake::given;
use super::{Answer, answer, may_block};

impl wit::Host for CallState {
    fn all(&mut self) -> Answer<Vec<wit::Unit>> {
        self.lend(
            |fake| given("units", &fake.units),
            |services| {
                answer(may_block(|| services.manager.units()), |all| {
                    all.into_iter()
                        .map(|one| wit::Unit {
                            name: one.name,
                            description: one.description,
                            load_state: one.load_state,
                            active_state: one.active_state,
                            sub_state: one.sub_state,
                            restarts: one.restarts,
                            main_pid: one.main_pid,
                        })
                        .collect()
                })
            },
        )
    }
}
