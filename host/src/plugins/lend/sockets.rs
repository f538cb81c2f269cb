//! `ghost:host/sockets`.

use super::super::bindings::ghost::host::sockets as wit;
use super::super::state::CallState;
use super::fake::given;
use super::{Answer, answer, may_block};

impl wit::Host for CallState {
    fn listening(&mut self) -> Answer<Vec<wit::Listener>> {
        self.lend(
            |fake| given("sockets", &fake.sockets),
            |services| {
                answer(may_block(|| services.listening()), |all| {
                    all.into_iter()
                        .map(|one| wit::Listener {
                            protocol: one.protocol,
                            address: one.address,
                            pid: one.pid,
                            process: one.process,
                            uid: one.uid,
                        })
                        .collect()
                })
            },
        )
    }
}
