//! The box: sensors, queue and commands together.

use heapless::{String, Vec};
use tournee_link::{
    BoxConfig, COMMAND_VARIANTS, Climate, Co2, Fault, Gnss, Header, HealthV2, HelloV2, MESSAGE_VARIANTS, Message, No2,
    PROTO_OLDEST, Pm, Pps, SENSOR_COUNT, SelfTest, SensorId, SensorState,
};

use crate::accel::AccelBlocks;
use crate::pictures::{PIXELS, Pictures};
use crate::pulse::Pulse;
use crate::queue::SendQueue;
use crate::schedule::{Job, Schedule, speaks_by_itself};

/// Who the box is. Longer texts are cut.
#[derive(Clone, Debug)]
pub struct Identity<'a> {
    /// Firmware version.
    pub firmware: &'a str,
    /// Commit that it was built from; empty when unknown.
    pub commit: &'a str,
    /// Serial number of the box.
    pub serial: &'a str,
    /// Board name.
    pub board: &'a str,
    /// Why the box started: see [`tournee_link::Hello`].
    pub reset_cause: u8,
    /// See [`HelloV2`].
    pub trial: u8,
}

/// What only the board knows of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Bytes that the receiving UARTs lost since boot.
    pub uart_overruns: u32,
    /// Least free stack since boot, bytes.
    pub stack_free_bytes: u32,
    /// Microcontroller temperature, 0.1 °C; `i16::MIN` where the board cannot tell.
    pub mcu_ddegc: i16,
}

/// What a sensor said.
#[derive(Clone, Copy, Debug)]
pub enum Reading<'a> {
    /// The accelerometer was set up, with this rate and this unit in micro-g.
    AccelSetUp {
        /// Samples per second.
        odr_hz: u16,
        /// Micro-g per unit.
        scale_ug: u16,
    },
    /// Samples of the FIFO, oldest first.
    Accel {
        /// x, y, z in units of `scale_ug`.
        samples: &'a [[i16; 3]],
        /// Newer samples that stayed in the FIFO.
        left: usize,
        /// The FIFO has lost samples before these.
        overrun: bool,
    },
    /// Particulate matter: PM1, PM2.5, PM10 in 0.1 µg/m³.
    Pm([u16; 3]),
    /// Air.
    Climate {
        /// 0.01 °C.
        temp_cdegc: i16,
        /// 0.01 %.
        rh_cpct: u16,
        /// Pa.
        pressure_pa: u32,
    },
    /// Carbon dioxide, ppm.
    Co2(u16),
    /// NO2 cell: working and auxiliary electrode, µV.
    No2([i32; 2]),
    /// Half of an infrared picture.
    SubPage {
        /// 0 or 1.
        number: u8,
        /// Temperature of the array, 0.01 °C.
        ambient_cdegc: i16,
        /// The picture with this half in it, 0.01 °C.
        picture: &'a [i16; PIXELS],
    },
    /// Supply voltage, mV.
    Supply(u16),
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// This.
    Do(Job),
    /// Nothing until this tick, unless a command comes.
    WaitUntil(u64),
}

/// What only the board can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    // Not from 0, so that no action is all zero: see `Sampler::new`.
    /// Start anew, once everything queued is sent.
    Reboot = 1,
    /// Hang, as a task in an endless loop does.
    Hang = 2,
}

#[derive(Debug)]
struct SelfTestRun {
    id: u32,
    /// Sensors that are still to be set up.
    open: u16,
    status: Vec<u8, 16>,
}

/// The box's core.
#[derive(Debug)]
pub struct Sampler {
    firmware: String<24>,
    commit: String<16>,
    serial: String<24>,
    board: String<16>,
    reset_cause: u8,
    trial: u8,
    /// As the host has set it.
    config: BoxConfig,
    /// The same, with nothing on while the driver's switch says so.
    active: BoxConfig,
    switched_off: bool,
    schedule: Schedule,
    queue: SendQueue,
    accel: AccelBlocks,
    pictures: [Pictures; 2],
    pulse: Pulse,
    pressure_pa: Option<u32>,
    supply_mv: u16,
    vitals: Vitals,
    bad_commands: u32,
    turn_max_us: u32,
    health_due_us: u64,
    self_test: Option<SelfTestRun>,
    action: Option<Action>,
}

/// No sensor, no rhythm.
const NOTHING: BoxConfig = BoxConfig {
    generation: 0,
    enabled: 0,
    accel_block: 0,
    gnss_period_ms: 0,
    pm_part: 0,
    pm_period_ms: 0,
    climate_period_ms: 0,
    no2_period_ms: 0,
    thermal_period_ms: 0,
    health_period_ms: 0,
};

impl Default for Sampler {
    fn default() -> Self {
        Self::new()
    }
}

impl Sampler {
    /// A box that is off: nothing is due until [`Sampler::boot`]. All bytes are zero, so that a static one costs no flash.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            firmware: String::new(),
            commit: String::new(),
            serial: String::new(),
            board: String::new(),
            reset_cause: 0,
            trial: 0,
            config: NOTHING,
            active: NOTHING,
            switched_off: false,
            schedule: Schedule::new(),
            queue: SendQueue::new(0),
            accel: AccelBlocks::new(),
            pictures: [Pictures::new(); 2],
            pulse: Pulse::new(),
            pressure_pa: None,
            supply_mv: 0,
            vitals: Vitals { uart_overruns: 0, stack_free_bytes: 0, mcu_ddegc: 0 },
            bad_commands: 0,
            turn_max_us: 0,
            health_due_us: 0,
            self_test: None,
            action: None,
        }
    }

    /// Starts: everything as at power-on, a Hello in the queue, every sensor due to be set up.
    pub fn boot(&mut self, now_us: u64, boot_id: u32, identity: &Identity<'_>) {
        *self = Self::new();
        self.queue = SendQueue::new(boot_id);
        self.firmware = cut(identity.firmware);
        self.commit = cut(identity.commit);
        self.serial = cut(identity.serial);
        self.board = cut(identity.board);
        self.reset_cause = identity.reset_cause;
        self.trial = identity.trial;
        self.vitals.mcu_ddegc = i16::MIN;
        self.config = BoxConfig::DEFAULT;
        self.hello(now_us);
        self.health_due_us = now_us.saturating_add(1_000_000);
        self.activate(now_us);
    }

    /// Queues a message.
    pub fn send(&mut self, tick_us: u64, message: Message) {
        self.queue.push(tick_us, message);
    }

    /// Queues a Hello.
    pub fn hello(&mut self, now_us: u64) {
        let hello = HelloV2 {
            firmware: self.firmware.clone(),
            commit: self.commit.clone(),
            serial: self.serial.clone(),
            board: self.board.clone(),
            reset_cause: self.reset_cause,
            proto_oldest: PROTO_OLDEST,
            messages: MESSAGE_VARIANTS as u8,
            commands: COMMAND_VARIANTS as u8,
            config_generation: self.config.generation,
            trial: self.trial,
        };
        self.queue.push(now_us, Message::HelloV2(hello));
    }

    /// The next message for the line. The last of a time exchange's stamps is taken here.
    pub fn pop(&mut self, now_us: u64) -> Option<(Header, Message)> {
        let (header, mut message) = self.queue.pop()?;
        if let Message::TimeSync(answer) = &mut message {
            answer.sent_us = now_us;
        }
        Some((header, message))
    }

    /// The configuration in force.
    #[must_use]
    pub const fn config(&self) -> &BoxConfig {
        &self.config
    }

    /// The air pressure that was measured last, Pa; other sensors correct by it.
    #[must_use]
    pub const fn pressure_pa(&self) -> Option<u32> {
        self.pressure_pa
    }

    /// Puts a checked configuration in force.
    pub fn configure(&mut self, now_us: u64, config: &BoxConfig) {
        if *config == self.config {
            return;
        }
        if config.health_period_ms != self.config.health_period_ms {
            self.health_due_us = now_us;
        }
        self.config = *config;
        self.activate(now_us);
    }

    /// The driver's switch: while it is off nothing is collected but the supply voltage.
    pub fn set_switched_off(&mut self, now_us: u64, off: bool) {
        if off != self.switched_off {
            self.switched_off = off;
            self.activate(now_us);
        }
    }

    fn activate(&mut self, now_us: u64) {
        let kept = if self.switched_off { SensorId::Supply.bit() } else { u16::MAX };
        let new = BoxConfig { enabled: self.config.enabled & kept, ..self.config };
        let mut off = 0_u16;
        self.schedule.configure(now_us, &self.active, &new, |sensor| off |= sensor.bit());
        self.active = new;
        for sensor in SensorId::ALL.into_iter().filter(|sensor| off & sensor.bit() != 0) {
            let faults = self.schedule.faults(sensor);
            let state = SensorState { sensor: sensor.number(), fault: Fault::Off.code(), faults };
            self.queue.push(now_us, Message::SensorState(state));
            self.tested(now_us, sensor, Fault::Off.code());
        }
    }

    /// What the board knows of itself; goes into the next health message.
    pub fn set_vitals(&mut self, vitals: Vitals) {
        self.vitals = vitals;
    }

    /// Frames from the host that were broken or unknown, so far.
    pub fn set_bad_commands(&mut self, bad: u32) {
        self.bad_commands = bad;
    }

    /// What is due. Makes a health message when one is due.
    pub fn next(&mut self, now_us: u64) -> Step {
        if now_us >= self.health_due_us {
            self.health(now_us);
        }
        let mut silent = 0_u16;
        let next = self.schedule.next(now_us, &self.active, |sensor| silent |= sensor.bit());
        for sensor in SensorId::ALL.into_iter().filter(|sensor| silent & sensor.bit() != 0) {
            self.fault(Job::Read(sensor), now_us, Fault::Silent);
        }
        match next {
            Ok(job) => Step::Do(job),
            Err(wake_us) => Step::WaitUntil(wake_us.min(self.health_due_us)),
        }
    }

    /// Takes the outcome of a job that was begun at `began_us`: set up or something new, nothing new, a fault.
    pub fn finish(&mut self, job: Job, began_us: u64, now_us: u64, outcome: Result<Option<Reading<'_>>, Fault>) {
        let turn_us = u32::try_from(now_us.saturating_sub(began_us)).unwrap_or(u32::MAX);
        let sensor = job.sensor();
        if !self.active.has(sensor) {
            // Switched off while the job ran.
            self.tested(now_us, sensor, Fault::Off.code());
            return;
        }
        match (job, outcome) {
            (_, Err(fault)) => {
                self.fault(job, now_us, fault);
                if matches!(job, Job::SetUp(_)) {
                    self.tested(now_us, sensor, fault.code());
                } else {
                    self.void(sensor, began_us, fault);
                }
            }
            (Job::SetUp(_), Ok(reading)) => {
                self.schedule.is_up(sensor, now_us, &self.active);
                match (sensor, reading) {
                    (_, Some(Reading::AccelSetUp { odr_hz, scale_ug })) => self.accel.restart(odr_hz, scale_ug),
                    (SensorId::CameraLeft, _) => self.pictures[0].restart(),
                    (SensorId::CameraRight, _) => self.pictures[1].restart(),
                    _ => {}
                }
                self.tested(now_us, sensor, 0);
            }
            (Job::Read(_), Ok(None)) => {
                if self.schedule.nothing_new(sensor, now_us, &self.active) {
                    self.fault(job, now_us, Fault::Silent);
                }
            }
            (Job::Read(_), Ok(Some(reading))) => {
                self.turn_max_us = self.turn_max_us.max(turn_us);
                self.read(sensor, began_us, now_us, reading);
            }
        }
    }

    fn read(&mut self, sensor: SensorId, began_us: u64, now_us: u64, reading: Reading<'_>) {
        let mut more = false;
        let queue = &mut self.queue;
        match reading {
            Reading::AccelSetUp { odr_hz, scale_ug } => self.accel.restart(odr_hz, scale_ug),
            Reading::Accel { samples, left, overrun } => {
                let block_len = usize::from(self.config.accel_block);
                more = left >= block_len;
                self.accel.take(began_us, samples, left, overrun, block_len, |tick_us, block| {
                    queue.push(tick_us, Message::Accel(block));
                });
            }
            Reading::Pm([pm1_dugm3, pm25_dugm3, pm10_dugm3]) => {
                queue.push(began_us, Message::Pm(Pm { status: 0, pm1_dugm3, pm25_dugm3, pm10_dugm3 }));
            }
            Reading::Climate { temp_cdegc, rh_cpct, pressure_pa } => {
                self.pressure_pa = Some(pressure_pa);
                queue.push(began_us, Message::Climate(Climate { status: 0, temp_cdegc, rh_cpct, pressure_pa }));
            }
            Reading::Co2(ppm) => queue.push(began_us, Message::Co2(Co2 { status: 0, ppm })),
            Reading::No2([we_uv, ae_uv]) => queue.push(began_us, Message::No2(No2 { status: 0, we_uv, ae_uv })),
            Reading::SubPage { number, ambient_cdegc, picture } => {
                let camera = u8::from(sensor == SensorId::CameraRight);
                self.pictures[usize::from(camera)].take(
                    began_us,
                    camera,
                    number,
                    ambient_cdegc,
                    picture,
                    |tick_us, part| queue.push(tick_us, Message::Thermal(part)),
                );
            }
            Reading::Supply(mv) => self.supply_mv = mv,
        }
        self.is_fresh(sensor, now_us, more);
    }

    fn is_fresh(&mut self, sensor: SensorId, now_us: u64, more: bool) {
        if self.schedule.fresh(sensor, now_us, more, &self.active) {
            let faults = self.schedule.faults(sensor);
            let state = SensorState { sensor: sensor.number(), fault: 0, faults };
            self.queue.push(now_us, Message::SensorState(state));
        }
    }

    fn fault(&mut self, job: Job, now_us: u64, fault: Fault) {
        let sensor = job.sensor();
        if self.schedule.failed(job, now_us, fault, &self.active) {
            let faults = self.schedule.faults(sensor);
            let state = SensorState { sensor: sensor.number(), fault: fault.code(), faults };
            self.queue.push(now_us, Message::SensorState(state));
        }
        match sensor {
            SensorId::CameraLeft => self.pictures[0].restart(),
            SensorId::CameraRight => self.pictures[1].restart(),
            SensorId::Supply => self.supply_mv = 0,
            _ => {}
        }
    }

    /// A reading that failed is a message without a value, where the message has room to say so.
    fn void(&mut self, sensor: SensorId, tick_us: u64, fault: Fault) {
        let status = fault.code();
        let message = match sensor {
            SensorId::Pm => Message::Pm(Pm { status, pm1_dugm3: 0, pm25_dugm3: 0, pm10_dugm3: 0 }),
            SensorId::Climate => Message::Climate(Climate { status, temp_cdegc: 0, rh_cpct: 0, pressure_pa: 0 }),
            SensorId::Co2 => Message::Co2(Co2 { status, ppm: 0 }),
            SensorId::No2 => Message::No2(No2 { status, we_uv: 0, ae_uv: 0 }),
            SensorId::Accel | SensorId::Gnss | SensorId::CameraLeft | SensorId::CameraRight | SensorId::Supply => {
                return;
            }
        };
        self.queue.push(tick_us, message);
    }

    /// A particulate sensor that speaks by itself has spoken: PM1, PM2.5, PM10 in 0.1 µg/m³.
    pub fn pm_heard(&mut self, now_us: u64, [pm1_dugm3, pm25_dugm3, pm10_dugm3]: [u16; 3]) {
        if !self.active.has(SensorId::Pm) || !speaks_by_itself(SensorId::Pm, &self.active) {
            return;
        }
        self.queue.push(now_us, Message::Pm(Pm { status: 0, pm1_dugm3, pm25_dugm3, pm10_dugm3 }));
        self.is_fresh(SensorId::Pm, now_us, false);
    }

    /// The receiver has sent a fix, with or without a position. Its tick becomes that of its epoch where the pulse tells it.
    pub fn fix_heard(&mut self, now_us: u64, fix: Gnss) {
        if !self.active.has(SensorId::Gnss) {
            return;
        }
        let tick_us = self.pulse.fix(now_us, fix.utc_us);
        self.queue.push(tick_us, Message::Gnss(fix));
        self.is_fresh(SensorId::Gnss, now_us, false);
    }

    /// The receiver has said which UTC second the next pulse begins.
    pub fn pulse_announced(&mut self, now_us: u64, utc_us: i64) {
        self.pulse.announce(now_us, utc_us);
    }

    /// A rising edge of the pulse.
    pub fn pulse_edge(&mut self, tick_us: u64) {
        if !self.active.has(SensorId::Gnss) {
            return;
        }
        let utc_us = self.pulse.edge(tick_us);
        self.queue.push(tick_us, Message::Pps(Pps { utc_us }));
    }

    /// Begins a self test; false while another one runs.
    pub fn self_test(&mut self, now_us: u64, id: u32) -> bool {
        if self.self_test.is_some() {
            return false;
        }
        let mut status = Vec::new();
        for sensor in SensorId::ALL {
            // As many places as sensors, and more.
            let _ = status.push(if self.active.has(sensor) { 0 } else { Fault::Off.code() });
        }
        self.self_test = Some(SelfTestRun { id, open: self.active.enabled, status });
        self.schedule.set_up_all(now_us);
        self.end_self_test(now_us);
        true
    }

    fn tested(&mut self, now_us: u64, sensor: SensorId, status: u8) {
        let Some(run) = self.self_test.as_mut().filter(|run| run.open & sensor.bit() != 0) else { return };
        run.open &= !sensor.bit();
        if let Some(place) = run.status.get_mut(sensor.index()) {
            *place = status;
        }
        self.end_self_test(now_us);
    }

    fn end_self_test(&mut self, now_us: u64) {
        // A sensor that was switched off meanwhile is never set up.
        let enabled = self.active.enabled;
        if let Some(run) = self.self_test.take_if(|run| run.open & enabled == 0) {
            self.queue.push(now_us, Message::SelfTest(SelfTest { id: run.id, status: run.status }));
        }
    }

    fn health(&mut self, now_us: u64) {
        self.health_due_us = now_us.saturating_add(u64::from(self.config.health_period_ms) * 1_000);
        let mut sensor_faults = Vec::new();
        for sensor in SensorId::ALL {
            // As many places as sensors, and more.
            let _ = sensor_faults.push(self.schedule.faults(sensor));
        }
        const { assert!(SENSOR_COUNT <= 16, "a health message has room for 16 sensors") }
        let health = HealthV2 {
            queue_drops: self.queue.drops(),
            uart_overruns: self.vitals.uart_overruns,
            bad_commands: self.bad_commands,
            sensor_faults,
            turn_max_us: self.turn_max_us,
            stack_free_bytes: self.vitals.stack_free_bytes,
            supply_mv: self.supply_mv,
            mcu_ddegc: self.vitals.mcu_ddegc,
        };
        self.queue.push(now_us, Message::HealthV2(health));
    }

    /// Asks for what only the board can do.
    pub fn act(&mut self, action: Action) {
        self.action = Some(action);
    }

    /// What only the board can do, when it is time for it.
    pub fn action(&mut self) -> Option<Action> {
        match self.action {
            Some(Action::Reboot) if !self.queue.is_empty() => None,
            _ => self.action.take(),
        }
    }

    /// The running firmware was confirmed.
    pub fn confirmed(&mut self) {
        self.trial = 0;
    }
}

fn cut<const N: usize>(text: &str) -> String<N> {
    let mut short = String::new();
    for character in text.chars() {
        if short.push(character).is_err() {
            break;
        }
    }
    short
}
