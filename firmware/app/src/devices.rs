//! The parts of the box and the jobs done with them.

use embedded_hal_async::delay::DelayNs;
use embedded_hal_async::i2c::I2c;
use embedded_io_async::Write;
use tournee_drivers::ads1115::{Ads1115, FullScale, Input};
use tournee_drivers::bme280::Bme280;
use tournee_drivers::bmi323::{self, Bmi323};
use tournee_drivers::mlx90640::{Mlx90640, Refresh};
use tournee_drivers::scd41::Scd41;
use tournee_drivers::sps30::Sps30;
use tournee_drivers::{pmsx003, sds011};
use tournee_link::{BoxConfig, Fault, PmPart, SensorId};
use tournee_sampler::{Job, Reading};

use crate::fault::fault;

/// Bus addresses of the cameras: the right one's was changed in its EEPROM (hardware/README.md).
const CAMERA_LEFT: u8 = 0x33;
const CAMERA_RIGHT: u8 = 0x34;
/// Inputs of the converter: the NO2 cell's electrodes, the divided supply.
const WORKING: Input = Input::Ain0;
const AUXILIARY: Input = Input::Ain1;
const SUPPLY: Input = Input::Ain3;
/// Samples read from the accelerometer's FIFO at once.
const SAMPLES_AT_ONCE: usize = 64;
/// The divider before the converter: 100 kΩ over 10 kΩ. Its tolerance is the calibration's matter.
pub const SUPPLY_RATIO: i32 = 11;
/// A change of air pressure that is worth telling the CO2 sensor, Pa: 5 hPa move it by 0.3 %.
const PRESSURE_STEP_PA: u32 = 500;

/// The parts: `I` a handle on a bus, `P` the line to a particulate sensor that is not on a bus. The satellite receiver is
/// set up by whoever listens to it: see [`crate::Ear`].
pub struct Devices<I, P> {
    accel: Bmi323<I>,
    cameras: [Mlx90640<I>; 2],
    pm: Sps30<I>,
    co2: Scd41<I>,
    climate: Bme280<I>,
    adc: Ads1115<I>,
    pm_serial: P,
    told_pressure_pa: Option<u32>,
    samples: [[i16; 3]; SAMPLES_AT_ONCE],
    pictures: [[i16; 768]; 2],
}

impl<I: I2c, P: Write> Devices<I, P> {
    /// Nothing is set up yet. `fast` gives handles on the bus of accelerometer and cameras (400 kHz), `slow` on that of the
    /// others (100 kHz); they may be the same.
    pub fn new(mut fast: impl FnMut() -> I, mut slow: impl FnMut() -> I, pm_serial: P) -> Self {
        // The electrodes stay below 2 V; the divided supply reaches 2.7 V at 30 V.
        let mut adc = Ads1115::new(slow());
        adc.set_full_scale(SUPPLY, FullScale::V4096);
        Self {
            accel: Bmi323::new(fast()),
            // Each made in its place: 9.5 kB that an array's `map` would carry over the stack.
            cameras: [Mlx90640::new(fast(), CAMERA_LEFT), Mlx90640::new(fast(), CAMERA_RIGHT)],
            pm: Sps30::new(slow()),
            co2: Scd41::new(slow()),
            climate: Bme280::new(slow()),
            adc,
            pm_serial,
            told_pressure_pa: None,
            samples: [[0; 3]; SAMPLES_AT_ONCE],
            pictures: [[i16::MIN; 768]; 2],
        }
    }

    /// Does one job. `pressure_pa`: the air pressure measured last.
    ///
    /// # Errors
    /// What is wrong with the part; every bus error ends here.
    pub async fn perform(
        &mut self,
        job: Job,
        config: &BoxConfig,
        pressure_pa: Option<u32>,
        delay: &mut impl DelayNs,
    ) -> Result<Option<Reading<'_>>, Fault> {
        match job {
            Job::SetUp(sensor) => self.set_up(sensor, config, delay).await,
            Job::Read(sensor) => self.read(sensor, pressure_pa, delay).await,
        }
    }

    async fn set_up(
        &mut self,
        sensor: SensorId,
        config: &BoxConfig,
        delay: &mut impl DelayNs,
    ) -> Result<Option<Reading<'_>>, Fault> {
        match sensor {
            SensorId::Accel => {
                self.accel.start(delay).await.map_err(fault)?;
                return Ok(Some(Reading::AccelSetUp { odr_hz: bmi323::ODR_HZ, scale_ug: bmi323::SCALE_UG }));
            }
            SensorId::CameraLeft => self.start_camera(0, config, delay).await?,
            SensorId::CameraRight => self.start_camera(1, config, delay).await?,
            SensorId::Pm => match config.pm() {
                PmPart::Sps30 => self.pm.start(delay).await.map_err(fault)?,
                PmPart::Pmsx003 => {
                    say(&mut self.pm_serial, &pmsx003::WAKE).await?;
                    say(&mut self.pm_serial, &pmsx003::ACTIVE).await?;
                }
                PmPart::Sds011 => {
                    for command in [sds011::WAKE, sds011::ACTIVE, sds011::CONTINUOUS] {
                        say(&mut self.pm_serial, &command).await?;
                    }
                }
            },
            SensorId::Co2 => {
                self.co2.start(delay).await.map_err(fault)?;
                self.told_pressure_pa = None;
            }
            SensorId::Climate => self.climate.start(delay).await.map_err(fault)?,
            // See `Ear`.
            SensorId::Gnss => {}
            // The converter keeps no settings: each reading brings its own.
            SensorId::No2 | SensorId::Supply => {
                self.adc.read_uv(SUPPLY, delay).await.map_err(fault)?;
            }
        }
        Ok(None)
    }

    async fn start_camera(&mut self, camera: usize, config: &BoxConfig, delay: &mut impl DelayNs) -> Result<(), Fault> {
        // Two halves make a picture; the part knows powers of two.
        let refresh = match config.thermal_period_ms {
            ..=250 => Refresh::Hz8,
            251..=500 => Refresh::Hz4,
            501..=1_000 => Refresh::Hz2,
            1_001..=2_000 => Refresh::Hz1,
            _ => Refresh::Hz0_5,
        };
        let Some(part) = self.cameras.get_mut(camera) else { return Err(Fault::Off) };
        part.start(refresh, delay).await.map_err(fault)
    }

    async fn read(
        &mut self,
        sensor: SensorId,
        pressure_pa: Option<u32>,
        delay: &mut impl DelayNs,
    ) -> Result<Option<Reading<'_>>, Fault> {
        Ok(match sensor {
            SensorId::Accel => {
                let drained = self.accel.drain(&mut self.samples).await.map_err(fault)?;
                if drained.count == 0 && self.accel.is_restarted().await.map_err(fault)? {
                    return Err(Fault::Restarted);
                }
                let samples = self.samples.get(..drained.count).unwrap_or_default();
                (drained.count > 0).then_some(Reading::Accel { samples, left: drained.left, overrun: drained.overrun })
            }
            SensorId::CameraLeft => self.shoot(0).await?,
            SensorId::CameraRight => self.shoot(1).await?,
            SensorId::Pm => {
                let mass = self.pm.read().await.map_err(fault)?;
                mass.map(|mass| Reading::Pm([mass.pm1_dugm3, mass.pm25_dugm3, mass.pm10_dugm3]))
            }
            SensorId::Climate => {
                let air = self.climate.read(delay).await.map_err(fault)?;
                Some(Reading::Climate {
                    temp_cdegc: air.temp_cdegc,
                    rh_cpct: air.rh_cpct,
                    pressure_pa: air.pressure_pa,
                })
            }
            SensorId::Co2 => self.read_co2(pressure_pa).await?,
            SensorId::No2 => {
                let we_uv = self.adc.read_uv(WORKING, delay).await.map_err(fault)?;
                let ae_uv = self.adc.read_uv(AUXILIARY, delay).await.map_err(fault)?;
                Some(Reading::No2([we_uv, ae_uv]))
            }
            SensorId::Supply => {
                let uv = self.adc.read_uv(SUPPLY, delay).await.map_err(fault)?;
                let mv = uv.saturating_mul(SUPPLY_RATIO) / 1_000;
                Some(Reading::Supply(u16::try_from(mv.max(0)).unwrap_or(u16::MAX)))
            }
            // Speaks by itself.
            SensorId::Gnss => None,
        })
    }

    async fn shoot(&mut self, camera: usize) -> Result<Option<Reading<'_>>, Fault> {
        let (Some(part), Some(picture)) = (self.cameras.get_mut(camera), self.pictures.get_mut(camera)) else {
            return Err(Fault::Off);
        };
        let half = part.read(picture).await.map_err(fault)?;
        Ok(half.map(|half| Reading::SubPage { number: half.number, ambient_cdegc: half.ambient_cdegc, picture }))
    }

    async fn read_co2(&mut self, pressure_pa: Option<u32>) -> Result<Option<Reading<'static>>, Fault> {
        if self.co2.is_restarted().await.map_err(fault)? {
            return Err(Fault::Restarted);
        }
        let news =
            pressure_pa.filter(|now| self.told_pressure_pa.is_none_or(|told| now.abs_diff(told) > PRESSURE_STEP_PA));
        if let Some(pressure_pa) = news {
            self.co2.set_pressure(pressure_pa).await.map_err(fault)?;
            self.told_pressure_pa = Some(pressure_pa);
        }
        let reading = self.co2.read().await.map_err(fault)?;
        Ok(reading.map(|reading| Reading::Co2(reading.ppm)))
    }
}

async fn say(line: &mut impl Write, bytes: &[u8]) -> Result<(), Fault> {
    line.write_all(bytes).await.map_err(|_| Fault::Bus)
}
