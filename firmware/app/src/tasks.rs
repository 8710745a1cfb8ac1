//! The loops of a board. Each is one task; a board wraps them into the tasks of its executor.

use embassy_sync::blocking_mutex::raw::RawMutex;
use embedded_hal_async::delay::DelayNs;
use embedded_hal_async::i2c::I2c;
use embedded_io_async::{Read, Write};
use tournee_drivers::{pmsx003, sds011};
use tournee_link::{CommandDecoder, CommandEvent, Dispatcher, MAX_FRAME_BYTES, PmPart, encode};
use tournee_sampler::{Action, FirmwareStore, Service, Step, Update};

use crate::board::Board;
use crate::devices::Devices;
use crate::gnss::Ear;
use crate::shared::Shared;

/// The sensor loop looks at the world at least this often, so that commands take effect and the watchdog sees it move.
const NAP_MAX_US: u64 = 50_000;
/// A serial line that fails is tried again after this long.
const RETRY_US: u32 = 10_000;

/// All sensor jobs, one after the other; also vitals, reboot and the hang of tests. Belongs on the lower executor: a job may
/// take tens of milliseconds.
pub async fn run_sensors<M: RawMutex, I: I2c, P: Write>(
    shared: &Shared<M>,
    devices: &mut Devices<I, P>,
    board: &impl Board,
    mut delay: impl DelayNs,
) -> ! {
    loop {
        shared.sensors_turn();
        let vitals = board.vitals();
        let now_us = board.now_us();
        let (step, config, pressure_pa, action) = shared.quietly(|sampler| {
            sampler.set_vitals(vitals);
            sampler.set_switched_off(now_us, board.is_switched_off());
            (sampler.next(now_us), *sampler.config(), sampler.pressure_pa(), sampler.action())
        });
        match action {
            Some(Action::Reboot) => {
                // The last bytes are on their way out of the UART.
                delay.delay_us(20_000).await;
                board.reboot();
            }
            Some(Action::Hang) => loop {
                core::hint::spin_loop();
            },
            None => {}
        }
        match step {
            Step::Do(job) => {
                let outcome = devices.perform(job, &config, pressure_pa, &mut delay).await;
                let ended_us = board.now_us();
                shared.with(|sampler| sampler.finish(job, now_us, ended_us, outcome));
            }
            Step::WaitUntil(at_us) => {
                // A health message may have been made.
                shared.bell.signal(());
                let nap_us = at_us.saturating_sub(board.now_us()).clamp(1, NAP_MAX_US);
                delay.delay_us(u32::try_from(nap_us).unwrap_or(u32::MAX)).await;
            }
        }
    }
}

/// Queue to line. Belongs on the upper executor.
pub async fn run_sender<M: RawMutex>(
    shared: &Shared<M>,
    mut line: impl Write,
    clock: impl Fn() -> u64,
    mut delay: impl DelayNs,
) -> ! {
    let mut frame = [0_u8; MAX_FRAME_BYTES];
    // Ends whatever the line holds of the boot before.
    let _ = line.write_all(&[0]).await;
    loop {
        shared.sender_turn();
        let now_us = clock();
        let Some((header, message)) = shared.quietly(|sampler| sampler.pop(now_us)) else {
            shared.bell.wait().await;
            continue;
        };
        let Ok(len) = encode(&header, &message, &mut frame) else {
            // Cannot happen with the messages of this version; its number is missing on the line.
            continue;
        };
        // A line that fails loses the message, whose number is then missing: nothing here may stand still.
        if line.write_all(frame.get(..len).unwrap_or_default()).await.is_err() {
            delay.delay_us(RETRY_US).await;
        }
    }
}

/// Commands from the line. Belongs on the upper executor; a board whose flash memory blocks while it is erased puts the
/// receiver on the lower one.
pub async fn run_receiver<M: RawMutex, S: FirmwareStore>(
    shared: &Shared<M>,
    mut line: impl Read,
    store: S,
    board: &impl Board,
    mut delay: impl DelayNs,
) -> ! {
    let mut decoder = CommandDecoder::new();
    let mut dispatcher = Dispatcher::new();
    let mut update = Update::new(store);
    let mut buffer = [0_u8; 64];
    // The first bytes may be the tail of a frame to the boot before.
    decoder.reset();
    loop {
        let Ok(count @ 1..) = line.read(&mut buffer).await else {
            delay.delay_us(RETRY_US).await;
            continue;
        };
        let now_us = board.now_us();
        decoder.feed(buffer.get(..count).unwrap_or_default(), |event: CommandEvent| {
            let service = &mut Service { core: shared, update: &mut update, now_us, for_tests: board.is_for_tests() };
            dispatcher.handle(&event, now_us, service);
        });
        let bad = dispatcher.bad();
        shared.quietly(|sampler| sampler.set_bad_commands(bad));
    }
}

/// The satellite receiver's line, both ways.
pub async fn run_gnss<M: RawMutex>(
    shared: &Shared<M>,
    mut from_receiver: impl Read,
    mut to_receiver: impl Write,
    clock: impl Fn() -> u64,
    mut delay: impl DelayNs,
) -> ! {
    let mut ear = Ear::new();
    let mut buffer = [0_u8; 64];
    loop {
        let Ok(count @ 1..) = from_receiver.read(&mut buffer).await else {
            delay.delay_us(RETRY_US).await;
            continue;
        };
        ear.hear(clock(), buffer.get(..count).unwrap_or_default(), |act| shared.with(|sampler| act(sampler)));
        let period_ms = shared.quietly(|sampler| sampler.config().gnss_period_ms);
        let settings = ear.settings(clock(), period_ms);
        // What does not arrive is asked for again.
        if !settings.is_empty() && to_receiver.write_all(&settings).await.is_err() {
            delay.delay_us(RETRY_US).await;
        }
    }
}

/// The line of a particulate sensor that is not on the bus; which protocol it speaks is the configuration's to say.
pub async fn run_pm_serial<M: RawMutex>(
    shared: &Shared<M>,
    mut line: impl Read,
    clock: impl Fn() -> u64,
    mut delay: impl DelayNs,
) -> ! {
    let mut plantower = pmsx003::Decoder::new();
    let mut nova = sds011::Decoder::new();
    let mut buffer = [0_u8; 32];
    loop {
        let Ok(count @ 1..) = line.read(&mut buffer).await else {
            delay.delay_us(RETRY_US).await;
            continue;
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        let now_us = clock();
        let heard = |mass: [u16; 3]| shared.with(|sampler| sampler.pm_heard(now_us, mass));
        // What is broken is counted by the decoder; a sensor that says nothing else becomes silent, which is reported.
        match shared.quietly(|sampler| sampler.config().pm()) {
            PmPart::Sps30 => {}
            PmPart::Pmsx003 => plantower.feed(bytes, |mass| {
                if let Ok(mass) = mass {
                    heard([mass.pm1_dugm3, mass.pm25_dugm3, mass.pm10_dugm3]);
                }
            }),
            PmPart::Sds011 => nova.feed(bytes, |mass| {
                if let Ok(mass) = mass {
                    heard([tournee_link::PM_NOT_MEASURED, mass.pm25_dugm3, mass.pm10_dugm3]);
                }
            }),
        }
    }
}
