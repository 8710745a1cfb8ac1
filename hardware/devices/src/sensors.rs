//! All sensors of a box on one bus.

use crate::ads1115::Ads1115;
use crate::bme280::Bme280;
use crate::bmi323::Bmi323;
use crate::bus::{I2cDevice, Nack, Op};
use crate::mlx90640::{Mlx90640, synthetic_eeprom};
use crate::scd41::Scd41;
use crate::sps30::Sps30;

/// A part on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// Acceleration.
    Bmi323,
    /// Particulate matter.
    Sps30,
    /// Carbon dioxide.
    Scd41,
    /// Temperature, humidity, pressure.
    Bme280,
    /// The converter of the NO2 cell and the supply voltage.
    Ads1115,
    /// The infrared array that looks to the left.
    CameraLeft,
    /// The infrared array that looks to the right.
    CameraRight,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Bmi323, Self::Sps30, Self::Scd41, Self::Bme280, Self::Ads1115, Self::CameraLeft, Self::CameraRight];

    /// The address on the bus, seven bits. The cameras leave the factory with 0x33; the right one is re-addressed.
    #[must_use]
    pub const fn address(self) -> u8 {
        match self {
            Self::Bmi323 => 0x68,
            Self::Sps30 => 0x69,
            Self::Scd41 => 0x62,
            Self::Bme280 => 0x76,
            Self::Ads1115 => 0x48,
            Self::CameraLeft => 0x33,
            Self::CameraRight => 0x34,
        }
    }

    /// Which part has an address.
    #[must_use]
    pub fn at(address: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.address() == address)
    }

    const fn index(self) -> usize {
        self as usize
    }
}

/// What a bus has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BusCounters {
    /// Transactions asked for.
    pub transactions: u64,
    /// Those that nobody answered: nothing there, unplugged, or busy.
    pub nack_address: u64,
    /// Those in which a part refused a byte.
    pub nack_data: u64,
}

/// The sensors and the bus between them and the microcontroller.
pub struct Sensors {
    /// Acceleration.
    pub bmi323: Bmi323,
    /// Particulate matter.
    pub sps30: Sps30,
    /// Carbon dioxide.
    pub scd41: Scd41,
    /// Temperature, humidity, pressure.
    pub bme280: Bme280,
    /// Analogue inputs.
    pub ads1115: Ads1115,
    /// Infrared array, left.
    pub camera_left: Mlx90640,
    /// Infrared array, right.
    pub camera_right: Mlx90640,
    unplugged: [bool; Part::ALL.len()],
    counters: BusCounters,
    by_part: [BusCounters; Part::ALL.len()],
    last_us: u64,
}

impl std::fmt::Debug for Sensors {
    /// Without the registers, of which the cameras alone have thousands.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unplugged: Vec<Part> = Part::ALL.into_iter().filter(|part| !self.is_plugged(*part)).collect();
        f.debug_struct("Sensors")
            .field("unplugged", &unplugged)
            .field("counters", &self.counters)
            .field("last_us", &self.last_us)
            .finish_non_exhaustive()
    }
}

impl Sensors {
    /// Parts that got their supply long ago, with serial numbers and calibrations from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            bmi323: Bmi323::new(),
            sps30: Sps30::new(&format!("{seed:016X}")),
            scd41: Scd41::new(seed),
            bme280: Bme280::from_seed(seed),
            ads1115: Ads1115::new(),
            camera_left: Mlx90640::new(synthetic_eeprom(seed.wrapping_mul(2))),
            camera_right: Mlx90640::new(synthetic_eeprom(seed.wrapping_mul(2).wrapping_add(1))),
            unplugged: [false; Part::ALL.len()],
            counters: BusCounters::default(),
            by_part: [BusCounters::default(); Part::ALL.len()],
            last_us: 0,
        }
    }

    /// One transaction at an address, seven bits. It ends at the first operation that is refused; operations before it
    /// have had their effect, as on a real bus. A time before the last one counts as the last one.
    ///
    /// # Errors
    /// [`Nack::Address`] when nothing answers, [`Nack::Data`] when the part refuses a byte.
    pub fn transaction(&mut self, now_us: u64, address: u8, ops: &mut [Op<'_>]) -> Result<(), Nack> {
        self.last_us = self.last_us.max(now_us);
        let now_us = self.last_us;
        let part = Part::at(address);
        let result = match part {
            Some(part) if self.is_plugged(part) => run(self.device(part), now_us, ops),
            _ => Err(Nack::Address),
        };
        count(&mut self.counters, result);
        if let Some(counters) = part.and_then(|part| self.by_part.get_mut(part.index())) {
            count(counters, result);
        }
        result
    }

    /// Takes a part off the bus; whatever it was set to is lost when it comes back.
    pub fn unplug(&mut self, part: Part) {
        if let Some(slot) = self.unplugged.get_mut(part.index()) {
            *slot = true;
        }
    }

    /// Puts a part back, with its settings from power-on. A part that is there already is left alone.
    pub fn plug(&mut self, now_us: u64, part: Part) {
        if !self.is_plugged(part)
            && let Some(slot) = self.unplugged.get_mut(part.index())
        {
            *slot = false;
            self.restart(now_us, part);
        }
    }

    /// Whether a part is on the bus.
    #[must_use]
    pub fn is_plugged(&self, part: Part) -> bool {
        !self.unplugged.get(part.index()).copied().unwrap_or(false)
    }

    /// A dip of the supply: the part forgets its settings and begins anew.
    pub fn restart(&mut self, now_us: u64, part: Part) {
        self.last_us = self.last_us.max(now_us);
        let now_us = self.last_us;
        self.device(part).power_cycle(now_us);
    }

    /// What the bus has seen.
    #[must_use]
    pub fn counters(&self) -> BusCounters {
        self.counters
    }

    /// What one part's address has seen.
    #[must_use]
    pub fn part_counters(&self, part: Part) -> BusCounters {
        self.by_part.get(part.index()).copied().unwrap_or_default()
    }

    fn device(&mut self, part: Part) -> &mut dyn I2cDevice {
        match part {
            Part::Bmi323 => &mut self.bmi323,
            Part::Sps30 => &mut self.sps30,
            Part::Scd41 => &mut self.scd41,
            Part::Bme280 => &mut self.bme280,
            Part::Ads1115 => &mut self.ads1115,
            Part::CameraLeft => &mut self.camera_left,
            Part::CameraRight => &mut self.camera_right,
        }
    }
}

fn count(counters: &mut BusCounters, result: Result<(), Nack>) {
    counters.transactions += 1;
    match result {
        Ok(()) => {}
        Err(Nack::Address) => counters.nack_address += 1,
        Err(Nack::Data) => counters.nack_data += 1,
    }
}

/// Hands the operations to a part, adjacent ones of the same kind as one transfer.
fn run(device: &mut dyn I2cDevice, now_us: u64, ops: &mut [Op<'_>]) -> Result<(), Nack> {
    let same = |a: &Op<'_>, b: &Op<'_>| matches!(a, Op::Write(_)) == matches!(b, Op::Write(_));
    for group in ops.chunk_by_mut(same) {
        match group {
            [Op::Write(bytes)] => device.write(now_us, bytes)?,
            [Op::Read(buffer)] => device.read(now_us, buffer)?,
            [Op::Write(_), ..] => {
                let parts: Vec<&[u8]> =
                    group.iter().filter_map(|op| if let Op::Write(b) = op { Some(*b) } else { None }).collect();
                device.write(now_us, &parts.concat())?;
            }
            _ => {
                let lengths = group.iter().map(|op| if let Op::Read(buffer) = op { buffer.len() } else { 0 });
                let mut whole = vec![0; lengths.sum()];
                device.read(now_us, &mut whole)?;
                let mut bytes = whole.into_iter();
                for op in group {
                    if let Op::Read(buffer) = op {
                        buffer.iter_mut().zip(&mut bytes).for_each(|(to, from)| *to = from);
                    }
                }
            }
        }
    }
    Ok(())
}
