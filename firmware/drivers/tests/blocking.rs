//! The drivers on a blocking bus: the same transactions, and against the models of the parts.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use embedded_hal::i2c::{ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation};
use embedded_hal_mock::eh1::i2c::{Mock, Transaction};
use tournee_devices::{I2cDevice, Nack};
use tournee_drivers::Error;
use tournee_drivers::ads1115::{Ads1115, Input};
use tournee_drivers::blocking::{Blocking, BlockingDelay, run};
use tournee_drivers::bme280::Bme280;
use tournee_drivers::bmi323::{Bmi323, ODR_HZ};
use tournee_drivers::scd41::Scd41;
use tournee_drivers::sps30::Sps30;

/// A bus with one part, on which a byte takes 90 µs (100 kHz), and the delay that shares its clock.
#[derive(Clone)]
struct Line<D> {
    part: Rc<RefCell<D>>,
    now_us: Rc<Cell<u64>>,
}

impl<D: I2cDevice> Line<D> {
    fn new(part: D) -> Self {
        Self { part: Rc::new(RefCell::new(part)), now_us: Rc::new(Cell::new(1_000_000)) }
    }

    fn pass(&self, us: u64) {
        self.now_us.set(self.now_us.get() + us);
    }

    fn power_cycle(&self) {
        self.part.borrow_mut().power_cycle(self.now_us.get());
        self.pass(1_000_000);
    }
}

impl<D> ErrorType for Line<D> {
    type Error = ErrorKind;
}

impl<D: I2cDevice> I2c for Line<D> {
    fn transaction(&mut self, _: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
        for operation in operations {
            let now_us = self.now_us.get();
            let (done, bytes) = match operation {
                Operation::Write(bytes) => (self.part.borrow_mut().write(now_us, bytes), bytes.len()),
                Operation::Read(buffer) => (self.part.borrow_mut().read(now_us, buffer), buffer.len()),
            };
            self.pass(90 * (1 + bytes as u64));
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

impl<D: I2cDevice> embedded_hal::delay::DelayNs for Line<D> {
    fn delay_ns(&mut self, ns: u32) {
        self.pass(u64::from(ns).div_ceil(1000));
    }
}

fn done<T>(future: impl Future<Output = T>) -> T {
    run(future).expect("a blocking bus never waits")
}

#[test]
fn passes_every_call_on_as_it_is() {
    use embedded_hal_async::i2c::I2c as _;
    let steps = [
        Transaction::write(1, vec![2, 3]),
        Transaction::read(4, vec![5]),
        Transaction::write_read(6, vec![7], vec![8, 9]),
        Transaction::transaction_start(10),
        Transaction::write(10, vec![11]),
        Transaction::read(10, vec![12]),
        Transaction::transaction_end(10),
        Transaction::write(13, vec![]).with_error(ErrorKind::Overrun),
    ];
    let mut mock = Mock::new(&steps);
    // The mock's own asynchronous face is another impl: the newtype uses the blocking one.
    let mut bus = Blocking(mock.clone());
    let (mut one, mut two, mut third) = ([0], [0; 2], [0]);
    done(async {
        bus.write(1, &[2, 3]).await?;
        bus.read(4, &mut one).await?;
        bus.write_read(6, &[7], &mut two).await?;
        bus.transaction(10, &mut [Operation::Write(&[11]), Operation::Read(&mut third)]).await
    })
    .unwrap();
    assert_eq!((one, two, third), ([5], [8, 9], [12]));
    assert_eq!(done(bus.write(13, &[])), Err(ErrorKind::Overrun));
    mock.done();
}

#[test]
fn a_future_that_waits_is_not_spun_on() {
    assert_eq!(run(std::future::pending::<()>()), None);
    assert_eq!(run(async { 7 }), Some(7));
}

#[test]
fn sps30_model_delivers_and_is_silent_after_a_power_cut_until_started_again() {
    use tournee_devices::sps30::{Particles, Sps30 as Model};
    let mut line = Line::new(Model::new("0123456789ABCDEF"));
    let particles = Particles { mass_ugm3: [5.0, 12.3, 14.0, 15.6], ..Particles::default() };
    line.part.borrow_mut().set_particles(particles);
    let mut part = Sps30::new(Blocking(line.clone()));
    for _ in 0..2 {
        done(part.start(&mut BlockingDelay(&mut line))).unwrap();
        assert_eq!(done(part.read()), Ok(None));
        line.pass(2_000_000);
        let mass = done(part.read()).unwrap().expect("a second has passed");
        assert_eq!((mass.pm1_dugm3, mass.pm25_dugm3, mass.pm10_dugm3), (50, 123, 156));
        assert_eq!(done(part.read()), Ok(None));
        line.power_cycle();
        line.pass(3_000_000);
        assert_eq!(done(part.read()), Ok(None));
    }
    done(part.start(&mut BlockingDelay(&mut line))).unwrap();
    line.part.borrow_mut().raise_status(Model::STATUS_FAN);
    line.pass(2_000_000);
    assert_eq!(done(part.read()), Err(Error::Internal(Model::STATUS_FAN)));
}

#[test]
fn scd41_model_delivers_and_shows_a_power_cut() {
    use tournee_devices::scd41::Scd41 as Model;
    let mut line = Line::new(Model::new(0x1234_5678_9ABC));
    let mut part = Scd41::new(Blocking(line.clone()));
    for pressure_pa in [99_040, 101_300] {
        done(part.start(&mut BlockingDelay(&mut line))).unwrap();
        assert!(line.part.borrow().is_measuring());
        assert_eq!(done(part.read()), Ok(None));
        line.pass(6_000_000);
        let reading = done(part.read()).unwrap().expect("five seconds have passed");
        assert!((300..=5000).contains(&reading.ppm), "{reading:?}");
        // At once after each other: the part is at work on the pressure for a millisecond.
        done(part.set_pressure(pressure_pa)).unwrap();
        assert_eq!(done(part.read()), Ok(None));
        done(part.set_pressure(pressure_pa)).unwrap();
        assert_eq!(done(part.is_restarted()), Ok(false));
        line.power_cycle();
        assert_eq!(done(part.is_restarted()), Ok(true));
    }
}

#[test]
fn bme280_model_measures_and_a_power_cut_is_no_value() {
    use tournee_devices::bme280::{Bme280 as Model, Climate};
    let mut line = Line::new(Model::from_seed(7));
    let mut part = Bme280::new(Blocking(line.clone()));
    for (temp_cdegc, rh_cpct, pressure_pa) in [(2143, 4510, 100_710), (-850, 9120, 96_310)] {
        line.part.borrow_mut().set_climate(Climate { temp_cdegc, rh_cpct, pressure_pa });
        done(part.start(&mut BlockingDelay(&mut line))).unwrap();
        let reading = done(part.read(&mut BlockingDelay(&mut line))).unwrap();
        assert!(i32::from(reading.temp_cdegc).abs_diff(i32::from(temp_cdegc)) <= 2, "{reading:?}");
        assert!(reading.rh_cpct.abs_diff(rh_cpct) <= 10, "{reading:?}");
        assert!(reading.pressure_pa.abs_diff(pressure_pa) <= 10, "{reading:?}");
        line.power_cycle();
        assert_eq!(done(part.read(&mut BlockingDelay(&mut line))), Err(Error::Restarted));
    }
}

#[test]
fn ads1115_model_converts() {
    use tournee_devices::ads1115::Ads1115 as Model;
    let mut line = Line::new(Model::new());
    line.part.borrow_mut().set_input_uv(0, 287_500);
    line.part.borrow_mut().set_input_uv(3, 2_500_000);
    let mut part = Ads1115::new(Blocking(line.clone()));
    assert_eq!(done(part.read_uv(Input::Ain0, &mut BlockingDelay(&mut line))), Ok(287_500));
    assert_eq!(done(part.read_uv(Input::Ain3, &mut BlockingDelay(&mut line))), Err(Error::Range));
}

#[test]
fn bmi323_model_streams_overruns_and_shows_a_power_cut() {
    use tournee_devices::bmi323::Bmi323 as Model;
    let mut line = Line::new(Model::new());
    let mut part = Bmi323::new(Blocking(line.clone()));
    done(part.start(&mut BlockingDelay(&mut line))).unwrap();
    assert_eq!(done(part.is_restarted()), Ok(false));
    let feed = |samples: i16| {
        for n in 0..samples {
            line.pass(1_000_000 / u64::from(ODR_HZ));
            line.part.borrow_mut().push(line.now_us.get(), [n, -n, 8192]);
        }
    };
    line.pass(10_000);
    feed(20);
    let mut out = [[0; 3]; 32];
    let drained = done(part.drain(&mut out)).unwrap();
    assert_eq!((drained.count, drained.left, drained.overrun), (20, 0, false));
    assert!(out[..20].iter().zip(0_i16..).all(|(sample, n)| *sample == [n, -n, 8192]));
    feed(400);
    let mut all = Vec::new();
    let first = done(part.drain(&mut out)).unwrap();
    assert!(first.overrun && first.left > 0);
    all.extend_from_slice(&out[..first.count]);
    loop {
        let next = done(part.drain(&mut out)).unwrap();
        all.extend_from_slice(&out[..next.count]);
        if next.left == 0 {
            break;
        }
    }
    // The newest are there, in order, without a hole.
    assert_eq!(all.len(), 341);
    assert!(all.iter().rev().zip((0_i16..400).rev()).all(|(sample, n)| *sample == [n, -n, 8192]));
    line.power_cycle();
    assert_eq!(done(part.is_restarted()), Ok(true));
    assert_eq!(done(part.drain(&mut out)).unwrap().count, 0);
}
