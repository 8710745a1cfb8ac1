//! A vehicle that drives a plan's rounds through a world, and what the parts of the box on it feel.

use std::sync::Arc;

use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use tournee_devices::gnss::MotionState;
use tournee_devices::scd41::Air;
use tournee_devices::sps30::Particles;
use tournee_devices::{Sensors, bme280};
use tournee_link::ModemLine;

use crate::air::{NO2_CELL, NO2_PER_PM25, Sky, sky};
use crate::drive::Vehicle;
use crate::plan::Round;
use crate::random::hash;
use crate::sensors::accel::Accelerometer;
use crate::sensors::body::Body;
use crate::sensors::gnss::{Error, Motion, Receiver};
use crate::sensors::modem;
use crate::sensors::thermal::{Cameras, Shot};
use crate::world::World;

/// The divider before the converter that measures the supply voltage (hardware/README.md).
const SUPPLY_RATIO: f64 = 11.0;

/// A vehicle under way.
#[derive(Debug)]
pub(crate) struct Rider {
    world: Arc<World>,
    rng: ChaCha8Rng,
    vehicle: Vehicle,
    body: Body,
    accelerometer: Accelerometer,
    receiver: Receiver,
    /// How far off the receiver is in this second; none without a fix.
    error: Option<Error>,
    cameras: Cameras,
    plume: Plume,
}

/// A lorry ahead, a chimney: more dust for some seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Plume {
    left_s: u32,
    pm25_ugm3: f64,
}

/// What a step brought that is not on the bus.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moment {
    /// What the satellite receiver believes.
    pub(crate) motion: Option<MotionState>,
    /// What the modem said.
    pub(crate) modem: Option<ModemLine>,
    /// Dust, for a sensor that is not on the bus: PM1, PM2.5, PM10 in 0.1 µg/m³.
    pub(crate) dust_dugm3: Option<[u16; 3]>,
}

impl Rider {
    /// Everything random comes from `seed`.
    pub(crate) fn new(world: Arc<World>, seed: u64) -> Self {
        Self {
            vehicle: Vehicle::new(&world),
            rng: ChaCha8Rng::seed_from_u64(hash(&[seed, 62])),
            body: Body::default(),
            accelerometer: Accelerometer::new(hash(&[seed, 63])),
            receiver: Receiver::new(),
            error: None,
            cameras: Cameras::new(hash(&[seed, 64])),
            plume: Plume::default(),
            world,
        }
    }

    pub(crate) fn driven_m(&self) -> f64 {
        self.vehicle.driven_m()
    }

    /// The box is switched on at the start of a round.
    pub(crate) fn boot(&mut self, round: &Round) {
        // Before dawn the streets are empty but the letter boxes are many.
        let early = round.start_utc_us.rem_euclid(86_400_000_000) < 7 * 3_600_000_000;
        self.vehicle.restart(&self.world, if early { 0.85 } else { 1.0 }, &mut self.rng);
        self.receiver.restart(&mut self.rng);
        self.error = None;
        self.body = Body::default();
        self.plume = Plume::default();
    }

    /// One step of a tenth of a second on: what the parts feel now. `utc_us` is the start of the second, `step` its tenth.
    pub(crate) fn step(&mut self, utc_us: i64, step: u32, sensors: &mut Sensors) -> Moment {
        if step == 0 {
            self.accelerometer.jump(self.rng.next_u64());
        }
        let world = Arc::clone(&self.world);
        let sky = sky(world.seed, utc_us);
        self.vehicle.steer(&world, &mut self.rng);
        let Some(position) = self.vehicle.position() else { return Moment::default() };
        let place = &world.places[position.way.street];
        let at = place.course.point(position.at_m);
        if step == 0 {
            self.error = self.receiver.second(&mut self.rng);
        }
        let mut moment =
            Moment { motion: Some(self.motion(&world, at, utc_us + 100_000 * i64::from(step))), ..Moment::default() };
        match step {
            1 => sensors.bme280.set_climate(climate(&sky)),
            2 => {
                let particles = self.dust(&world, &sky, at);
                sensors.sps30.set_particles(particles);
                let [pm1, pm25, _, pm10] = particles.mass_ugm3;
                moment.dust_dugm3 = Some([pm1, pm25, pm10].map(|ugm3| (ugm3 * 10.0).round() as u16));
            }
            3 => {
                let (working_uv, auxiliary_uv) = self.no2(&world, &sky, at);
                sensors.ads1115.set_input_uv(0, working_uv);
                sensors.ads1115.set_input_uv(1, auxiliary_uv);
            }
            4 => {
                let ppm = 428.0 + 1.4 * sky.rush * world.air.street_ugm3(at) + 4.0 * self.normal();
                let bme280::Climate { temp_cdegc, rh_cpct, .. } = climate(&sky);
                sensors.scd41.set_air(Air { co2_ppm: ppm.max(400.0) as u16, temp_cdegc, rh_cpct });
            }
            5 => moment.modem = Some(modem::line(&world.radio, at, &mut self.rng)),
            6 | 7 => {
                let shot = Shot {
                    world: &world,
                    place,
                    at_m: position.at_m,
                    forward: position.way.forward,
                    sky: &sky,
                    bits: self.rng.next_u64(),
                };
                let (picture, ambient_cdegc) = self.cameras.shoot(usize::from(step == 7), &shot);
                let camera = if step == 6 { &mut sensors.camera_left } else { &mut sensors.camera_right };
                camera.set_scene(&picture, ambient_cdegc);
            }
            8 => {
                let supply_mv = 13_650.0 + 60.0 * self.normal();
                sensors.ads1115.set_input_uv(3, (supply_mv * 1e3 / SUPPLY_RATIO) as i32);
            }
            _ => {}
        }
        moment
    }

    /// The next sample of the accelerometer: 400 a second.
    pub(crate) fn sample(&mut self) -> [i16; 3] {
        let [forward, left] = self.vehicle.accel_mps2();
        let up = self.body.step(self.vehicle.roll(&self.world));
        self.accelerometer.sample([forward, left, up])
    }

    fn motion(&self, world: &World, at: (f64, f64), utc_us: i64) -> MotionState {
        let Some(error) = &self.error else { return Receiver::no_fix(utc_us) };
        let [east_m, north_m] = error.at_m;
        let at = world.plane.to_degrees((at.0 + east_m, at.1 + north_m));
        let motion = Motion { at, speed_mps: self.vehicle.speed_mps(), angle: self.vehicle.angle() };
        self.receiver.fix(utc_us, motion, error)
    }

    fn dust(&mut self, world: &World, sky: &Sky, at: (f64, f64)) -> Particles {
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
        let mass_ugm3 = [pm1, pm25, 0.5 * (pm25 + pm10), pm10].map(|ugm3| ugm3.clamp(0.0, 999.9) as f32);
        // Counts of a common urban size distribution; nothing reads them.
        let number_pcm3 = [6.0, 7.0, 7.2, 7.25, 7.3].map(|per_ugm3| per_ugm3 * mass_ugm3[1]);
        Particles { mass_ugm3, number_pcm3, typical_um: 0.6 }
    }

    /// Working and auxiliary electrode, µV.
    fn no2(&mut self, world: &World, sky: &Sky, at: (f64, f64)) -> (i32, i32) {
        let no2_ugm3 =
            sky.no2_background_ugm3 + NO2_PER_PM25 * sky.rush * world.air.street_ugm3(at) + 1.5 * self.normal();
        let auxiliary_mv = NO2_CELL.ae_zero_mv + 12.0 + 0.3 * sky.temp_degc + 0.2 * self.normal();
        let microvolt = |mv: f64| (mv * 1e3).round() as i32;
        (microvolt(NO2_CELL.working_mv(no2_ugm3, sky.temp_degc, auxiliary_mv)), microvolt(auxiliary_mv))
    }

    fn normal(&mut self) -> f64 {
        self.rng.sample(StandardNormal)
    }
}

fn climate(sky: &Sky) -> bme280::Climate {
    bme280::Climate {
        temp_cdegc: (sky.temp_degc * 100.0).round() as i16,
        rh_cpct: (sky.rh_pct * 100.0).round() as u16,
        pressure_pa: sky.pressure_pa.round() as u32,
    }
}
