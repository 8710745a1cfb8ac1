//! What the driver says on the bus.

use embedded_hal::i2c::{ErrorKind, NoAcknowledgeSource};
use embedded_hal_mock::eh1::delay::{CheckedDelay, NoopDelay, Transaction as Wait};
use embedded_hal_mock::eh1::i2c::{Mock, Transaction};
use tournee_devices::I2cDevice;
use tournee_devices::mlx90640::{Mlx90640 as Model, synthetic_eeprom};
use tournee_drivers::Error;
use tournee_drivers::mlx90640::{ADDRESS, CHUNK_WORDS, Frame, Mlx90640, PIXELS, Refresh, SubPage};

use super::{frame_of, run};

const NACK: ErrorKind = ErrorKind::NoAcknowledge(NoAcknowledgeSource::Unknown);

fn register(address: u16, word: u16) -> Transaction {
    Transaction::write_read(ADDRESS, address.to_be_bytes().to_vec(), word.to_be_bytes().to_vec())
}

fn set(address: u16, word: u16) -> Transaction {
    Transaction::write(ADDRESS, [address.to_be_bytes(), word.to_be_bytes()].concat())
}

fn block(address: u16, words: &[u16]) -> Vec<Transaction> {
    let chunk = |(index, words): (usize, &[u16])| {
        let start = address + (index * CHUNK_WORDS) as u16;
        let bytes = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        Transaction::write_read(ADDRESS, start.to_be_bytes().to_vec(), bytes)
    };
    words.chunks(CHUNK_WORDS).enumerate().map(chunk).collect()
}

/// 4 Hz: 0x1981.
fn setting_up(eeprom: &[u16]) -> Vec<Transaction> {
    let mut steps = block(0x2400, eeprom);
    steps.extend([set(0x800d, 0x1981), register(0x800d, 0x1981), set(0x8000, 0x0010)]);
    steps
}

fn reading(frame: &Frame, status: u16) -> Vec<Transaction> {
    let mut steps = vec![register(0x8000, status), register(0x800d, 0x1981), set(0x8000, 0x0010)];
    steps.extend(block(0x0400, &frame[..832]));
    steps.push(register(0x8000, status & !0x0008 | 0x0010));
    steps
}

/// A driver that was set up, with these transactions to come.
fn started(eeprom: &[u16; 832], steps: impl IntoIterator<Item = Transaction>) -> (Mlx90640<Mock>, Mock) {
    let mut all = setting_up(eeprom);
    all.extend(steps);
    let mock = Mock::new(&all);
    let mut driver = Mlx90640::new(mock.clone(), ADDRESS);
    run(driver.start(Refresh::Hz4, NoopDelay::new())).unwrap();
    (driver, mock)
}

fn model(eeprom: [u16; 832]) -> Model {
    let mut model = Model::new(eeprom);
    let scene: [i16; PIXELS] = std::array::from_fn(|index| 1_000 + 3 * index as i16);
    model.set_scene(&scene, 3_000);
    // 4 Hz from the sub-page after the one under way on.
    model.write(0, &[0x80, 0x0d, 0x19, 0x81]).unwrap();
    model
}

#[test]
fn set_up_and_both_halves() {
    let eeprom = synthetic_eeprom(3);
    let mut model = model(eeprom);
    let first = frame_of(&mut model, 600_000);
    let second = frame_of(&mut model, 800_000);
    assert_eq!((first[833], second[833]), (0x0008, 0x0009));
    let mut steps = setting_up(&eeprom);
    steps.extend(reading(&first, 0x0008));
    steps.push(register(0x8000, 0x0010));
    steps.extend(reading(&second, 0x0019));
    let mut mock = Mock::new(&steps);
    let mut delay = CheckedDelay::new(&[Wait::delay_ms(80)]);
    let mut driver = Mlx90640::new(mock.clone(), ADDRESS);
    assert!(driver.calibration().is_none());
    run(driver.start(Refresh::Hz4, &mut delay)).unwrap();
    assert!(driver.calibration().is_some());
    let mut picture = [i16::MAX; PIXELS];
    let half = run(driver.read(&mut picture)).unwrap();
    assert_eq!(half.map(|half| half.number), Some(0));
    for (index, value) in picture.iter().enumerate() {
        assert_eq!(*value == i16::MAX, (index / 32 + index) % 2 == 1, "pixel {index}");
    }
    assert_eq!(run(driver.read(&mut picture)), Ok(None));
    let half = run(driver.read(&mut picture)).unwrap();
    let Some(SubPage { number: 1, ambient_cdegc }) = half else { panic!("{half:?}") };
    assert!((2_998..=3_002).contains(&ambient_cdegc), "{ambient_cdegc}");
    assert!(!picture.contains(&i16::MAX));
    assert_eq!(picture.iter().filter(|value| **value == i16::MIN).count(), 2);
    assert_eq!(driver.overruns(), 0);
    mock.done();
    delay.done();
}

#[test]
fn a_refusal_at_each_step_of_setting_up() {
    let eeprom = synthetic_eeprom(4);
    let all = setting_up(&eeprom);
    for step in 0..all.len() {
        let mut steps = all[..=step].to_vec();
        steps[step] = steps[step].clone().with_error(NACK);
        let mut mock = Mock::new(&steps);
        let mut driver = Mlx90640::new(mock.clone(), ADDRESS);
        assert_eq!(run(driver.start(Refresh::Hz4, NoopDelay::new())), Err(Error::Bus(NACK)), "step {step}");
        // Not set up: nothing is asked of the bus.
        assert_eq!(run(driver.read(&mut [0; PIXELS])), Err(Error::Restarted));
        mock.done();
    }
}

#[test]
fn a_refusal_at_each_step_of_reading() {
    let eeprom = synthetic_eeprom(4);
    let frame = frame_of(&mut model(eeprom), 600_000);
    let all = reading(&frame, 0x0008);
    for step in 0..all.len() {
        let mut steps = all[..=step].to_vec();
        steps[step] = steps[step].clone().with_error(NACK);
        // The next one is read as if nothing had happened.
        steps.extend(reading(&frame, 0x0008));
        let (mut driver, mut mock) = started(&eeprom, steps);
        let mut picture = [i16::MAX; PIXELS];
        assert_eq!(run(driver.read(&mut picture)), Err(Error::Bus(NACK)), "step {step}");
        assert_eq!(picture, [i16::MAX; PIXELS]);
        assert!(run(driver.read(&mut picture)).unwrap().is_some());
        mock.done();
    }
}

#[test]
fn a_restarted_part_is_seen_and_set_up_again() {
    let eeprom = synthetic_eeprom(5);
    let mut steps = vec![register(0x8000, 0x0008), register(0x800d, 0x1901)];
    steps.extend(setting_up(&eeprom));
    steps.push(register(0x8000, 0x0000));
    let (mut driver, mut mock) = started(&eeprom, steps);
    let mut picture = [0; PIXELS];
    assert_eq!(run(driver.read(&mut picture)), Err(Error::Restarted));
    assert_eq!(run(driver.read(&mut picture)), Err(Error::Restarted));
    run(driver.start(Refresh::Hz4, NoopDelay::new())).unwrap();
    assert_eq!(run(driver.read(&mut picture)), Ok(None));
    mock.done();
}

#[test]
fn a_sub_page_that_was_overwritten_while_it_was_read_is_thrown_away() {
    let eeprom = synthetic_eeprom(6);
    let frame = frame_of(&mut model(eeprom), 600_000);
    // The next one, the next but one, and one that came before the mark was cleared.
    for after in [0x0019, 0x0018, 0x0011] {
        let mut steps = reading(&frame, 0x0008);
        steps.pop();
        steps.push(register(0x8000, after));
        let (mut driver, mut mock) = started(&eeprom, steps);
        let mut picture = [i16::MAX; PIXELS];
        assert_eq!(run(driver.read(&mut picture)), Ok(None));
        assert_eq!(picture, [i16::MAX; PIXELS]);
        assert_eq!(driver.overruns(), 1);
        mock.done();
    }
}

#[test]
fn a_frame_that_no_part_measures() {
    let eeprom = synthetic_eeprom(7);
    let good = frame_of(&mut model(eeprom), 600_000);
    let mut no_gain = good;
    no_gain[0x30a] = 0;
    for (frame, status) in [(no_gain, 0x0008), (good, 0x000a), ([0xffff; 834], 0x0008)] {
        let (mut driver, mut mock) = started(&eeprom, reading(&frame, status));
        let mut picture = [i16::MAX; PIXELS];
        assert_eq!(run(driver.read(&mut picture)), Err(Error::Range));
        assert_eq!(picture, [i16::MAX; PIXELS]);
        mock.done();
    }
}

#[test]
fn another_part_and_a_control_register_that_does_not_keep() {
    let mut eeprom = synthetic_eeprom(8);
    let mut steps = setting_up(&eeprom);
    steps.truncate(832 / CHUNK_WORDS + 1);
    steps.push(register(0x800d, 0x1901));
    let refused = |steps: &[Transaction]| {
        let mut mock = Mock::new(steps);
        let refused = run(Mlx90640::new(mock.clone(), ADDRESS).start(Refresh::Hz4, NoopDelay::new()));
        mock.done();
        refused
    };
    assert_eq!(refused(&steps), Err(Error::Internal(0x1901)));
    eeprom[0x0a] = 0x0040;
    assert_eq!(refused(&block(0x2400, &eeprom)), Err(Error::Identity(0x0040)));
    assert_eq!(refused(&block(0x2400, &[0; 832])), Err(Error::Range));
}

#[test]
fn refresh_rates() {
    let rates = [Refresh::Hz0_5, Refresh::Hz1, Refresh::Hz2, Refresh::Hz4, Refresh::Hz8, Refresh::Hz16, Refresh::Hz32];
    for (code, (rate, period_us)) in rates
        .into_iter()
        .chain([Refresh::Hz64])
        .zip([2_000_000, 1_000_000, 500_000, 250_000, 125_000, 62_500, 31_250, 15_625])
        .enumerate()
    {
        assert_eq!(rate.period_us(), period_us);
        let control = 0x1801 | (code as u16) << 7;
        let eeprom = synthetic_eeprom(9);
        let mut steps = block(0x2400, &eeprom);
        steps.extend([set(0x800d, control), register(0x800d, control), set(0x8000, 0x0010)]);
        let mut mock = Mock::new(&steps);
        run(Mlx90640::new(mock.clone(), ADDRESS).start(rate, NoopDelay::new())).unwrap();
        mock.done();
    }
}
