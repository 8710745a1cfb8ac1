//! The box's answers to commands: the sampler and the firmware store behind the contract's dispatcher.

use tournee_link::{BoxConfig, BoxService, FirmwareBegin, FirmwareChunk, Message, NakReason, Refusal};

use crate::sampler::{Action, Sampler};
use crate::update::{FirmwareStore, Update};

/// Where the sampler is: at hand, or behind a lock that is held for short only (never while a flash memory is written).
pub trait Core {
    /// Does something with the sampler.
    fn with<R>(&mut self, act: impl FnOnce(&mut Sampler) -> R) -> R;
}

impl Core for &mut Sampler {
    fn with<R>(&mut self, act: impl FnOnce(&mut Sampler) -> R) -> R {
        act(self)
    }
}

/// A box on command.
#[derive(Debug)]
pub struct Service<'a, C, S> {
    /// The sampler.
    pub core: C,
    /// The firmware transfer.
    pub update: &'a mut Update<S>,
    /// The time, box ticks.
    pub now_us: u64,
    /// Whether the board was made for tests, and obeys [`tournee_link::Command::Hang`].
    pub for_tests: bool,
}

impl<C: Core, S: FirmwareStore> BoxService for Service<'_, C, S> {
    fn send(&mut self, message: Message) {
        let now_us = self.now_us;
        self.core.with(|sampler| sampler.send(now_us, message));
    }

    fn hello(&mut self) {
        let now_us = self.now_us;
        self.core.with(|sampler| sampler.hello(now_us));
    }

    fn config(&mut self) -> BoxConfig {
        self.core.with(|sampler| *sampler.config())
    }

    fn set_config(&mut self, config: &BoxConfig) {
        let now_us = self.now_us;
        self.core.with(|sampler| sampler.configure(now_us, config));
    }

    fn self_test(&mut self, id: u32) -> Result<(), Refusal> {
        let now_us = self.now_us;
        let begun = self.core.with(|sampler| sampler.self_test(now_us, id));
        if begun { Ok(()) } else { Err(Refusal { reason: NakReason::State, detail: 0 }) }
    }

    fn reboot(&mut self) -> Result<(), Refusal> {
        self.core.with(|sampler| sampler.act(Action::Reboot));
        Ok(())
    }

    fn firmware_begin(&mut self, begin: &FirmwareBegin) -> Result<u32, Refusal> {
        self.update.begin(begin)
    }

    fn firmware_chunk(&mut self, chunk: &FirmwareChunk) -> Result<u32, Refusal> {
        self.update.chunk(chunk)
    }

    fn firmware_end(&mut self) -> Result<u32, Refusal> {
        self.update.end()
    }

    fn firmware_commit(&mut self) -> Result<u32, Refusal> {
        let len = self.update.commit()?;
        self.core.with(|sampler| sampler.act(Action::Reboot));
        Ok(len)
    }

    fn firmware_confirm(&mut self) -> Result<u32, Refusal> {
        let done = self.update.confirm()?;
        self.core.with(Sampler::confirmed);
        Ok(done)
    }

    fn hang(&mut self) -> Result<(), Refusal> {
        if !self.for_tests {
            return Err(Refusal { reason: NakReason::Unsupported, detail: 0 });
        }
        self.core.with(|sampler| sampler.act(Action::Hang));
        Ok(())
    }
}
