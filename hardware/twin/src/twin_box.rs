//! A box that drives.

use std::sync::Arc;

use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use tournee_link::{Climate, Co2, Health, Hello, Message, No2, Pm, Pps};

use crate::air::{NO2_CELL, NO2_PER_PM25, Sky, sky};
use crate::drive::{SAMPLES_PER_STEP, STEPS_PER_S, Vehicle};
use crate::noise::{Line, LineNoise};
use crate::plan::{Plan, Round};
use crate::random::hash;
use crate::sensors::accel::Accelerometer;
use crate::sensors::body::{Body, ODR_HZ};
use crate::sensors::gnss::{Motion, Receiver};
use crate::sensors::modem;
use crate::sensors::thermal::{Cameras, Shot};
use crate::world::World;

/// Where a simulated second lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimInstant {
    /// Start of the second, UTC, microseconds since 1970.
    pub utc_us: i64,
    /// Number of the round, from 0.
    pub round: u32,
}

/// What a box has sent so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TwinCounters {
    /// Frames, damaged ones included.
    pub frames_sent: u64,
    /// Frames with a flipped bit.
    pub frames_flipped: u64,
    /// Frames with a lost byte.
    pub frames_cut: u64,
    /// Bytes on the line.
    pub bytes_sent: u64,
    /// Rounds begun.
    pub rounds: u32,
    /// Distance driven, metres.
    pub driven_m: u64,
}

/// Seconds between two readings of CO2 (as an SCD41 gives them) and two health messages.
const CO2_EVERY_S: u32 = 5;
const HEALTH_EVERY_S: u32 = 60;
/// Quartz of the box: at most this far off.
const SKEW_MAX_PPM: f64 = 40.0;

/// A box on a vehicle that drives a plan's rounds through a world.
///
/// One boot per round, ticks from 0. Deterministic: the same world, seed, number, plan and noise give the same bytes.
#[derive(Debug)]
pub struct TwinBox {
    world: Arc<World>,
    plan: Plan,
    seed: u64,
    number: u32,
    rng: ChaCha8Rng,
    vehicle: Vehicle,
    body: Body,
    accelerometer: Accelerometer,
    receiver: Receiver,
    cameras: Cameras,
    line: Line,
    round: usize,
    /// Seconds since the boot; none while the box is off.
    second: Option<u32>,
    tick_per_us: f64,
    plume: Plume,
    rounds_begun: u32,
}

/// A lorry ahead, a chimney: more dust for some seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Plume {
    left_s: u32,
    pm25_ugm3: f64,
}

impl TwinBox {
    /// A box that has not yet been switched on.
    #[must_use]
    pub fn new(world: Arc<World>, seed: u64, box_ix: u32, plan: Plan, noise: LineNoise) -> Self {
        let seed = hash(&[world.seed, seed, u64::from(box_ix)]);
        let skew = (crate::random::unit(hash(&[seed, 61])) * 2.0 - 1.0) * SKEW_MAX_PPM * 1e-6;
        Self {
            vehicle: Vehicle::new(&world),
            plan,
            seed,
            number: box_ix,
            rng: ChaCha8Rng::seed_from_u64(hash(&[seed, 62])),
            body: Body::default(),
            accelerometer: Accelerometer::new(hash(&[seed, 63])),
            receiver: Receiver::new(),
            cameras: Cameras::new(hash(&[seed, 64])),
            line: Line::new(noise, hash(&[seed, 65])),
            round: 0,
            second: None,
            tick_per_us: 1.0 + skew,
            plume: Plume::default(),
            rounds_begun: 0,
            world,
        }
    }

    /// What was sent so far.
    #[must_use]
    pub fn counters(&self) -> TwinCounters {
        let (frames_sent, frames_flipped, frames_cut, bytes_sent) = self.line.counters();
        let driven_m = self.vehicle.driven_m() as u64;
        TwinCounters { frames_sent, frames_flipped, frames_cut, bytes_sent, rounds: self.rounds_begun, driven_m }
    }

    /// Appends the bytes of the next simulated second to `out`; none at the end of the last round.
    pub fn next_second(&mut self, out: &mut Vec<u8>) -> Option<SimInstant> {
        let round = loop {
            let round = *self.plan.rounds.get(self.round)?;
            if self.second.unwrap_or(0) < round.duration_s {
                break round;
            }
            self.round += 1;
            self.second = None;
        };
        let second = match self.second {
            Some(second) => second,
            None => {
                self.boot(&round, out);
                0
            }
        };
        let utc_us = round.start_utc_us + i64::from(second) * 1_000_000;
        self.drive(utc_us, second, out);
        self.second = Some(second + 1);
        Some(SimInstant { utc_us, round: self.round as u32 })
    }

    fn boot(&mut self, round: &Round, out: &mut Vec<u8>) {
        let world = Arc::clone(&self.world);
        // Before dawn the streets are empty but the letter boxes are many.
        let early = round.start_utc_us.rem_euclid(86_400_000_000) < 7 * 3_600_000_000;
        self.vehicle.restart(&world, if early { 0.85 } else { 1.0 }, &mut self.rng);
        self.receiver.restart(&mut self.rng);
        self.accelerometer.restart();
        self.cameras.restart();
        self.body = Body::default();
        self.plume = Plume::default();
        self.rounds_begun += 1;
        self.line.boot(hash(&[self.seed, 66, self.round as u64]) as u32, out);
        let mut hello = Hello {
            firmware: Default::default(),
            serial: Default::default(),
            board: Default::default(),
            reset_cause: 1,
        };
        // All three are shorter than their fields.
        let _ = hello.firmware.push_str(concat!("twin ", env!("CARGO_PKG_VERSION")));
        let _ = std::fmt::Write::write_fmt(&mut hello.serial, format_args!("twin-{:04}", self.number + 1));
        let _ = hello.board.push_str("twin");
        self.line.send(0, &Message::Hello(hello), out);
    }

    fn drive(&mut self, utc_us: i64, second: u32, out: &mut Vec<u8>) {
        let world = Arc::clone(&self.world);
        let sky = sky(world.seed, utc_us);
        self.accelerometer.jump(self.rng.next_u64());
        for step in 0..STEPS_PER_S {
            self.vehicle.steer(&world, &mut self.rng);
            let tick = self.tick(second, step * SAMPLES_PER_STEP);
            self.sense(&world, &sky, utc_us, second, step, tick, out);
            let [forward, left] = self.vehicle.accel_mps2();
            for sample in 0..SAMPLES_PER_STEP {
                if self.accelerometer.begins() {
                    self.line.block_tick_us = self.tick(second, step * SAMPLES_PER_STEP + sample);
                }
                let up = self.body.step(self.vehicle.roll(&world));
                if let Some(block) = self.accelerometer.sample([forward, left, up]) {
                    self.line.send(self.line.block_tick_us, &Message::Accel(block), out);
                }
            }
        }
    }

    /// Box ticks of a body sample of a second of this boot.
    fn tick(&self, second: u32, sample: u32) -> u64 {
        let us = f64::from(second) * 1e6 + f64::from(sample) * (1e6 / f64::from(ODR_HZ));
        (us * self.tick_per_us).round() as u64
    }

    /// What the slow sensors say in this step: each has its place in the second.
    #[allow(clippy::too_many_arguments, reason = "one moment, passed on as it is")]
    fn sense(&mut self, world: &World, sky: &Sky, utc_us: i64, second: u32, step: u32, tick: u64, out: &mut Vec<u8>) {
        let Some(position) = self.vehicle.position() else { return };
        let place = &world.places[position.way.street];
        let at = place.course.point(position.at_m);
        match step {
            0 => self.locate(world, at, utc_us, tick, out),
            1 => self.line.send(tick, &Message::Climate(self.climate(sky)), out),
            2 => {
                let message = self.dust(world, sky, at);
                self.line.send(tick, &Message::Pm(message), out);
            }
            3 => {
                let message = self.no2(world, sky, at);
                self.line.send(tick, &Message::No2(message), out);
            }
            4 if second.is_multiple_of(CO2_EVERY_S) => {
                let ppm = 428.0 + 1.4 * sky.rush * world.air.street_ugm3(at) + 4.0 * self.normal();
                self.line.send(tick, &Message::Co2(Co2 { status: 0, ppm: ppm.max(400.0) as u16 }), out);
            }
            5 => {
                let message = modem::line(&world.radio, at, &mut self.rng);
                self.line.send(tick, &Message::ModemLine(message), out);
            }
            6 | 7 => {
                let shot = Shot {
                    world,
                    place,
                    at_m: position.at_m,
                    forward: position.way.forward,
                    sky,
                    bits: self.rng.next_u64(),
                };
                let line = &mut self.line;
                let camera = usize::from(step == 7);
                self.cameras.shoot(camera, &shot, |part| line.send(tick, &Message::Thermal(part), out));
            }
            8 if second % HEALTH_EVERY_S == 1 => {
                let supply_mv = (13_650.0 + 60.0 * self.normal()) as u16;
                let mcu_ddegc = (10.0 * (sky.temp_degc + 14.0)) as i16;
                let health = Health { queue_drops: 0, uart_overruns: 0, bus_errors: 0, supply_mv, mcu_ddegc };
                self.line.send(tick, &Message::Health(health), out);
            }
            _ => {}
        }
    }

    fn locate(&mut self, world: &World, at: (f64, f64), utc_us: i64, tick: u64, out: &mut Vec<u8>) {
        let message = match self.receiver.second(at, &mut self.rng) {
            Some(believed) => {
                self.line.send(tick, &Message::Pps(Pps { utc_us }), out);
                let (lon, lat) = world.plane.to_degrees(believed);
                let motion =
                    Motion { at: (lon, lat), speed_mps: self.vehicle.speed_mps(), angle: self.vehicle.angle() };
                self.receiver.fix(utc_us, motion, &mut self.rng)
            }
            None => self.receiver.no_fix(utc_us),
        };
        self.line.send(tick, &Message::Gnss(message), out);
    }

    fn climate(&self, sky: &Sky) -> Climate {
        Climate {
            status: 0,
            temp_cdegc: (sky.temp_degc * 100.0).round() as i16,
            rh_cpct: (sky.rh_pct * 100.0).round() as u16,
            pressure_pa: sky.pressure_pa.round() as u32,
        }
    }

    fn dust(&mut self, world: &World, sky: &Sky, at: (f64, f64)) -> Pm {
        if self.plume.left_s > 0 {
            self.plume.left_s -= 1;
        } else if self.rng.random::<f64>() < 1.0 / 500.0 {
            let left_s = self.rng.random_range(4..14);
            self.plume = Plume { left_s, pm25_ugm3: self.rng.random_range(8.0..40.0) };
        }
        let plume = if self.plume.left_s > 0 { self.plume.pm25_ugm3 } else { 0.0 };
        let true_ugm3 = sky.pm25_background_ugm3 + sky.rush * world.air.street_ugm3(at) + plume;
        let pm25 = (true_ugm3 * (1.0 + 0.04 * self.normal()) + 0.6 * self.normal()).max(0.1);
        let pm1 = pm25 * (0.68 + 0.02 * self.normal());
        let pm10 = pm25 * (1.45 + 0.06 * self.normal()) + 1.5;
        let tenths = |ugm3: f64| (ugm3 * 10.0).round().clamp(0.0, 9_999.0) as u16;
        Pm { status: 0, pm1_dugm3: tenths(pm1), pm25_dugm3: tenths(pm25), pm10_dugm3: tenths(pm10) }
    }

    fn no2(&mut self, world: &World, sky: &Sky, at: (f64, f64)) -> No2 {
        let no2_ugm3 =
            sky.no2_background_ugm3 + NO2_PER_PM25 * sky.rush * world.air.street_ugm3(at) + 1.5 * self.normal();
        let auxiliary_mv = NO2_CELL.ae_zero_mv + 12.0 + 0.3 * sky.temp_degc + 0.2 * self.normal();
        let microvolt = |mv: f64| (mv * 1e3).round() as i32;
        No2 {
            status: 0,
            we_uv: microvolt(NO2_CELL.working_mv(no2_ugm3, sky.temp_degc, auxiliary_mv)),
            ae_uv: microvolt(auxiliary_mv),
        }
    }

    fn normal(&mut self) -> f64 {
        self.rng.sample(StandardNormal)
    }
}
