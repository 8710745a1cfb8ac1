//! The loop: a scene through the model of the part and its driver, and back.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use embedded_hal_async::delay::DelayNs;
use embedded_hal_async::i2c::{ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation};
use tournee_devices::mlx90640::{Mlx90640 as Model, synthetic_eeprom};
use tournee_devices::{I2cDevice, Nack};
use tournee_drivers::Error;
use tournee_drivers::mlx90640::{ADDRESS, Calibration, Mlx90640, PIXELS, Refresh};

fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}

/// One part on a bus whose time goes on with the bytes.
#[derive(Clone)]
struct Bus {
    model: Rc<RefCell<Model>>,
    now_us: Rc<Cell<u64>>,
    byte_us: u64,
}

impl Bus {
    fn new(eeprom: [u16; 832], byte_us: u64) -> Self {
        Self { model: Rc::new(RefCell::new(Model::new(eeprom))), now_us: Rc::default(), byte_us }
    }

    fn pass(&self, time_us: u64) {
        self.now_us.set(self.now_us.get() + time_us);
    }

    fn scene(&self, scene: &[i16; PIXELS], ambient_cdegc: i16) {
        self.model.borrow_mut().set_scene(scene, ambient_cdegc);
    }
}

impl ErrorType for Bus {
    type Error = ErrorKind;
}

impl I2c for Bus {
    async fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
        assert_eq!(address, ADDRESS);
        let mut model = self.model.borrow_mut();
        for operation in operations {
            let done = match operation {
                Operation::Write(bytes) => {
                    self.pass(self.byte_us * (bytes.len() as u64 + 1));
                    model.write(self.now_us.get(), bytes)
                }
                Operation::Read(buffer) => {
                    self.pass(self.byte_us * (buffer.len() as u64 + 1));
                    model.read(self.now_us.get(), buffer)
                }
            };
            done.map_err(|nack| {
                ErrorKind::NoAcknowledge(match nack {
                    Nack::Address => NoAcknowledgeSource::Address,
                    Nack::Data => NoAcknowledgeSource::Data,
                })
            })?;
        }
        Ok(())
    }
}

impl DelayNs for Bus {
    async fn delay_ns(&mut self, time_ns: u32) {
        self.pass(u64::from(time_ns.div_ceil(1_000)));
    }
}

/// Waits for a half picture.
fn half(driver: &mut Mlx90640<Bus>, bus: &Bus, picture: &mut [i16; PIXELS]) -> (u8, i16) {
    for _ in 0..1_000 {
        if let Some(half) = run(driver.read(picture)).unwrap() {
            return (half.number, half.ambient_cdegc);
        }
        bus.pass(10_000);
    }
    panic!("no data in 10 s");
}

/// A scene from -30 to 60 °C without order.
fn scene(seed: u64) -> [i16; PIXELS] {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::array::from_fn(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % 9_001) as i16 - 3_000
    })
}

#[test]
fn a_scene_comes_back() {
    let mut worst_cdegc = 0;
    for seed in 1..=3 {
        let eeprom = synthetic_eeprom(seed);
        let calibration = Calibration::from_eeprom(&eeprom).unwrap();
        let bus = Bus::new(eeprom, 9);
        let mut driver = Mlx90640::new(bus.clone(), ADDRESS);
        run(driver.start(Refresh::Hz4, bus.clone())).unwrap();
        let mut picture = [0; PIXELS];
        // What was measured while it was set up.
        half(&mut driver, &bus, &mut picture);
        for (ambient_cdegc, supply_mv) in [(-1_500, 3_300), (800, 3_250), (2_500, 3_300), (4_100, 3_360)] {
            let scene = scene(seed ^ ambient_cdegc as u64);
            bus.scene(&scene, ambient_cdegc);
            bus.model.borrow_mut().set_supply_mv(supply_mv);
            let halves = [half(&mut driver, &bus, &mut picture), half(&mut driver, &bus, &mut picture)];
            assert_eq!(halves[0].0 + halves[1].0, 1);
            for (_, found_cdegc) in halves {
                assert!(found_cdegc.abs_diff(ambient_cdegc) <= 3, "{found_cdegc} for {ambient_cdegc}");
            }
            for index in 0..PIXELS {
                if calibration.pixel(index).is_none() {
                    assert_eq!(picture[index], i16::MIN);
                    continue;
                }
                let away = picture[index].abs_diff(scene[index]);
                worst_cdegc = worst_cdegc.max(away);
                assert!(away <= 10, "pixel {index}: {} for {}", picture[index], scene[index]);
            }
            assert_eq!(picture.iter().filter(|value| **value == i16::MIN).count(), 2);
        }
        assert_eq!(driver.overruns(), 0);
    }
    println!("worst: {worst_cdegc} * 0.01 K");
}

/// The model agrees with the driver also where the driver never sets it: interleaved, other resolutions, TGC.
#[test]
fn other_patterns_and_resolutions() {
    for (seed, control, tgc) in
        [(4, 0x0981, 0x00), (5, 0x0d81, 0x20), (6, 0x1d81, 0xe8), (7, 0x1581, 0x00), (8, 0x1981, 0x20)]
    {
        let mut eeprom = synthetic_eeprom(seed);
        eeprom[0x3c] |= tgc;
        let calibration = Calibration::from_eeprom(&eeprom).unwrap();
        let mut model = Model::new(eeprom);
        let scene = scene(seed);
        model.set_scene(&scene, 2_700);
        model.set_supply_mv(3_270);
        model.write(0, &[[0x80, 0x0d], u16::to_be_bytes(control)].concat()).unwrap();
        let mut picture = [0; PIXELS];
        for (now_us, page) in [(600_000, 0), (800_000, 1)] {
            let mut frame = [0; 834];
            let mut read = |address: u16, words: &mut [u16]| {
                let mut bytes = vec![0; 2 * words.len()];
                model.write(now_us, &address.to_be_bytes()).unwrap();
                model.read(now_us, &mut bytes).unwrap();
                for (word, pair) in words.iter_mut().zip(bytes.chunks(2)) {
                    *word = u16::from_be_bytes([pair[0], pair[1]]);
                }
            };
            read(0x0400, &mut frame[..832]);
            read(0x800d, &mut frame[832..833]);
            read(0x8000, &mut frame[833..]);
            let conditions = calibration.apparent(&frame, &mut picture).unwrap();
            assert_eq!(conditions.sub_page, page);
            assert!((conditions.supply_v - 3.27).abs() < 0.001);
        }
        // Half a step of the converter; one bit less makes it twice as large.
        let tolerance = if control & 0x0c00 == 0x0400 { 20 } else { 10 };
        for index in (0..PIXELS).filter(|index| calibration.pixel(*index).is_some()) {
            let away = picture[index].abs_diff(scene[index]);
            assert!(away <= tolerance, "control {control:#x} pixel {index}: {} for {}", picture[index], scene[index]);
        }
    }
}

#[test]
fn a_brown_out_is_survived() {
    let bus = Bus::new(synthetic_eeprom(9), 9);
    let mut driver = Mlx90640::new(bus.clone(), ADDRESS);
    run(driver.start(Refresh::Hz8, bus.clone())).unwrap();
    let mut picture = [0; PIXELS];
    half(&mut driver, &bus, &mut picture);
    bus.model.borrow_mut().power_cycle(bus.now_us.get());
    let absent = run(driver.read(&mut picture));
    assert_eq!(absent, Err(Error::Bus(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address))));
    bus.pass(600_000);
    assert_eq!(run(driver.read(&mut picture)), Err(Error::Restarted));
    run(driver.start(Refresh::Hz8, bus.clone())).unwrap();
    bus.scene(&[4_000; PIXELS], 3_000);
    half(&mut driver, &bus, &mut picture);
    half(&mut driver, &bus, &mut picture);
    assert!(picture.iter().all(|value| *value == i16::MIN || value.abs_diff(4_000) <= 10));
}

/// At 100 kHz a sub-page takes 160 ms: too long for 8 Hz, and said so, never a picture of two halves in one.
#[test]
fn a_bus_that_is_too_slow_gives_no_torn_picture() {
    let bus = Bus::new(synthetic_eeprom(10), 90);
    let mut driver = Mlx90640::new(bus.clone(), ADDRESS);
    run(driver.start(Refresh::Hz8, bus.clone())).unwrap();
    let mut picture = [i16::MAX; PIXELS];
    for _ in 0..60 {
        assert_eq!(run(driver.read(&mut picture)), Ok(None));
        bus.pass(20_000);
    }
    assert!(driver.overruns() >= 30, "{}", driver.overruns());
    assert_eq!(picture, [i16::MAX; PIXELS]);
}
