//! The box's firmware on an emulated Cortex-M, with register-level models behind its bus, read over a real pseudo-terminal.
//! One box at a time: they run in real time.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command as Program, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tournee_devices::Part;
use tournee_devices::pm_serial::PmSerial;
use tournee_link::{BoxConfig, Command, Decoder, Event, Message, Outcome, PM_NOT_MEASURED, PmPart, SensorId};
use tournee_tests::{BoxLine, Running, binary, firmware, free_port, wait_until};
use tournee_twin::emulated::{EmulatedBox, EmulatedConfig};
use tournee_twin::line_simulator::LineConfig;
use tournee_twin::{Round, Town, World};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A box on a vehicle, and its folder.
struct Bench {
    // The box goes before its folder.
    one: EmulatedBox,
    folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Bench {
    fn start() -> Result<Self> {
        Self::start_with(None)
    }

    fn start_with(pm_serial: Option<PmSerial>) -> Result<Self> {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::Builder::new().prefix("box-").tempdir()?;
        let world = Arc::new(World::new(3, Town::grid(6, 6, 100.0))?);
        let config = EmulatedConfig {
            seed: 3,
            box_ix: 0,
            // A Monday in January, 10:00 UTC.
            round: Round { start_utc_us: 1_768_212_000_000_000, duration_s: 1_800 },
            firmware: firmware("tournee-box-qemu")?,
            folder: folder.path().to_owned(),
            line: LineConfig::new(folder.path().join("tty")),
            tap: Some(folder.path().join("clean")),
            pm_serial,
        };
        Ok(Self { one: EmulatedBox::start(world, config)?, folder, _turn: turn })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn tty(&self) -> PathBuf {
        self.path("tty")
    }

    /// The agent's configuration: as many messages as a box can send. No broker: what is delivered is not the matter here.
    fn agent_config(&self) -> Result<PathBuf> {
        let path = self.path("agent.toml");
        fs::write(
            &path,
            format!(
                "box_id = \"van-1\"\n[serial]\npath = \"{}\"\n[spool]\npath = \"{}\"\n[mqtt]\nport = {}\n\
                 [sampling]\naccel_block = 4\ngnss_period_ms = 100\nno2_period_ms = 100\nclimate_period_ms = 200\n\
                 health_period_ms = 1000\n",
                self.tty().display(),
                self.path("spool.db").display(),
                free_port()?
            ),
        )?;
        Ok(path)
    }

    fn agent(&self, report: &str) -> Result<Running> {
        Running::start(
            report,
            self.folder.path(),
            Program::new(binary("edge-agent")?)
                .arg("--config")
                .arg(self.agent_config()?)
                .arg("--report")
                .arg(self.path(report)),
        )
    }

    fn report(&self, name: &str) -> Result<Value> {
        Ok(serde_json::from_slice(&fs::read(self.path(name))?)?)
    }

    /// Every frame that the box has sent, by boot and number.
    fn clean(&self) -> Result<BTreeMap<(u32, u32), Message>> {
        let mut frames = BTreeMap::new();
        Decoder::new().feed(&fs::read(self.path("clean"))?, |event| {
            if let Event::Frame { header, message } = event {
                frames.insert((header.boot_id, header.seq), message);
            }
        });
        Ok(frames)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.one.emulator().log()).unwrap_or_default()
    }
}

fn count(report: &Value, key: &str) -> Result<u64> {
    report[key].as_u64().with_context(|| format!("{key} in {report}"))
}

#[test]
fn a_minute_feeds_the_agent_without_a_loss_and_every_injected_fault_is_counted() -> Result<()> {
    let bench = Bench::start()?;
    let cpu_before = bench.one.emulator().cpu_seconds().unwrap_or(0.0);
    let agent = bench.agent("clean.json")?;
    let begun = Instant::now();
    std::thread::sleep(Duration::from_secs(61));
    ensure!(agent.terminate(Duration::from_secs(20))?.success(), "the agent did not end cleanly");
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = bench.one.emulator().cpu_seconds().unwrap_or(0.0) - cpu_before;
    let report = bench.report("clean.json")?;
    let (ok, bad, lost) = (count(&report, "frames_ok")?, count(&report, "frames_bad")?, count(&report, "frames_lost")?);
    println!(
        "clean minute: {ok} frames in {seconds:.1} s ({:.1}/s), {bad} bad, {lost} lost; emulator {:.2} CPU s per second; {:?}; {}",
        ok as f64 / seconds,
        cpu / seconds,
        bench.one.emulator().bus_counters(),
        report["box"]
    );
    ensure!(ok >= 8_000 && bad == 0 && lost == 0, "{report}\n{}", bench.log());
    ensure!(report["box"]["faults"] == serde_json::json!({}), "{report}");
    ensure!(count(&report["box"], "commands_unanswered")? == 0, "{report}");
    ensure!(count(&report["box"], "config_generation")? != 0, "the agent has set its sampling: {report}");
    ensure!(count(&report["box"], "stack_free_bytes")? >= 4_096, "{report}");
    ensure!(count(&report, "frames_unknown")? == 0, "{report}");

    // The same agent again, on a bad line. It takes over where the first one ended.
    let agent = bench.agent("noisy.json")?;
    std::thread::sleep(Duration::from_secs(2));
    let before = bench.clean()?.len();
    bench.one.line().flip_next(200);
    wait_until("200 byte faults", Duration::from_secs(60), || (bench.one.line().planned_flips() == 0).then_some(()))?;
    std::thread::sleep(Duration::from_secs(1));
    ensure!(agent.terminate(Duration::from_secs(20))?.success(), "the agent did not end cleanly");
    let report = bench.report("noisy.json")?;
    let flipped = bench.one.line().counters().flipped;
    let (ok, bad, lost) = (count(&report, "frames_ok")?, count(&report, "frames_bad")?, count(&report, "frames_lost")?);
    println!(
        "noisy line: {flipped} bytes flipped, {ok} frames, {bad} bad, {lost} lost; {} sent",
        bench.clean()?.len() - before
    );
    ensure!(flipped >= 150, "only {flipped} faults");
    ensure!(bad > 0 && lost > 0, "faults are seen: {report}");
    // A fault breaks the frame that it hits, and the next one too when it hits the delimiter.
    ensure!((flipped / 2..=2 * flipped + 200).contains(&lost), "{flipped} faults, {report}");
    ensure!(count(&report, "voided_values")? == 0, "no value out of its range: {report}");
    Ok(())
}

#[test]
fn no_injected_fault_makes_a_wrong_value_and_the_next_frame_is_whole_again() -> Result<()> {
    let bench = Bench::start()?;
    let mut line = BoxLine::open(&bench.tty())?;
    line.wait_for("a Hello", Duration::from_secs(10), |_, message| {
        matches!(message, Message::HelloV2(_)).then_some(())
    })?;
    let dense = BoxConfig { generation: 1, accel_block: 4, ..BoxConfig::DEFAULT };
    ensure!(line.ask(Command::SetConfig(dense))? == Outcome::Done(0), "configuration");
    bench.one.line().flip_next(200);
    let until = Instant::now() + Duration::from_secs(60);
    while bench.one.line().planned_flips() > 0 && Instant::now() < until {
        ensure!(line.hear(Duration::from_millis(200))?, "the line ended");
    }
    ensure!(line.hear(Duration::from_secs(1))?, "the line ended");
    let flipped = bench.one.line().counters().flipped;
    let clean = bench.clean()?;
    let mut numbers: Vec<u32> = Vec::new();
    for (header, message) in &line.said {
        let sent = clean.get(&(header.boot_id, header.seq)).context("a frame that was never sent")?;
        ensure!(sent == message, "number {} arrived with another content", header.seq);
        numbers.push(header.seq);
    }
    let (first, last) = (numbers[0], numbers[numbers.len() - 1]);
    let sent = clean.keys().filter(|(_, seq)| (first..=last).contains(seq)).count();
    let missing = sent - numbers.len();
    println!("{flipped} bytes flipped: {} of {sent} frames arrived, {} bad", numbers.len(), line.bad);
    ensure!(flipped >= 150, "only {flipped} faults");
    let dropped_by_the_box = u64::from(last - first + 1) - sent as u64;
    ensure!(line.tracker.lost() == missing as u64 + dropped_by_the_box, "every loss is a gap, and no other gap");
    // One fault costs its own frame, and one more where it hits a delimiter: the one after that is whole.
    ensure!(missing as u64 <= 2 * flipped, "{missing} frames for {flipped} faults");
    ensure!(line.bad <= 2 * flipped, "{} bad for {flipped} faults", line.bad);
    Ok(())
}

/// Waits until each of these sensors has reported a fault and then that it delivers again; gives the longest time.
fn recovered(line: &mut BoxLine, sensors: &[SensorId], within: Duration, what: &str) -> Result<Duration> {
    let begun = Instant::now();
    let mut open: BTreeMap<u8, bool> = sensors.iter().map(|sensor| (sensor.number(), false)).collect();
    line.wait_for(what, within, |_, message| {
        if let Message::SensorState(state) = message {
            match (state.fault, open.get_mut(&state.sensor)) {
                (0, Some(true)) => {
                    open.remove(&state.sensor);
                }
                (1.., Some(seen)) => *seen = true,
                _ => {}
            }
        }
        open.is_empty().then_some(())
    })
    .with_context(|| format!("{what}: {:?}", open))?;
    Ok(begun.elapsed())
}

const ON_THE_BUS: [(Part, SensorId); 6] = [
    (Part::Bmi323, SensorId::Accel),
    (Part::Sps30, SensorId::Pm),
    (Part::Scd41, SensorId::Co2),
    (Part::Bme280, SensorId::Climate),
    (Part::CameraLeft, SensorId::CameraLeft),
    (Part::CameraRight, SensorId::CameraRight),
];

#[test]
fn restarted_sensors_a_silent_bus_an_unplugged_line_and_a_hung_task_all_come_back() -> Result<()> {
    let bench = Bench::start()?;
    let mut line = BoxLine::open(&bench.tty())?;
    let first_boot = line.wait_for("a Hello", Duration::from_secs(10), |header, message| {
        matches!(message, Message::HelloV2(_)).then_some(header.boot_id)
    })?;
    // Every sensor delivers.
    line.wait_for("carbon dioxide", Duration::from_secs(15), |_, message| {
        matches!(message, Message::Co2(co2) if co2.status == 0).then_some(())
    })?;

    // The cameras' settings are those that they have after power-on: they lose nothing and report nothing.
    let silently = [SensorId::CameraLeft, SensorId::CameraRight];
    let sensors: Vec<SensorId> =
        ON_THE_BUS.iter().map(|(_, sensor)| *sensor).filter(|sensor| !silently.contains(sensor)).collect();
    let restarted = Instant::now();
    bench.one.with_sensors(|now_us, parts| ON_THE_BUS.iter().for_each(|(part, _)| parts.restart(now_us, *part)));
    let took = recovered(&mut line, &sensors, Duration::from_secs(10), "restarted sensors deliver again")?;
    println!("all sensors restarted at once: the last one delivers again after {took:.1?}");
    for camera in 0..2 {
        let left = Duration::from_secs(10).saturating_sub(restarted.elapsed());
        line.wait_for("a picture after the restart", left, |_, message| {
            matches!(message, Message::Thermal(part) if part.camera == camera).then_some(())
        })?;
    }

    bench.one.with_sensors(|_, parts| ON_THE_BUS.iter().for_each(|(part, _)| parts.unplug(*part)));
    line.hear(Duration::from_secs(3))?;
    bench.one.with_sensors(|now_us, parts| ON_THE_BUS.iter().for_each(|(part, _)| parts.plug(now_us, *part)));
    line.wait_for("carbon dioxide after 3 s without sensors", Duration::from_secs(10), |_, message| {
        matches!(message, Message::Co2(co2) if co2.status == 0).then_some(())
    })?;

    bench.one.emulator().pause_bus();
    line.hear(Duration::from_secs(3))?;
    bench.one.emulator().resume_bus();
    let resumed = Instant::now();
    line.wait_for("acceleration after a silent bus", Duration::from_secs(10), |_, message| {
        matches!(message, Message::Accel(_)).then_some(())
    })?;
    println!("bus silent for 3 s: acceleration again after {:.1?}", resumed.elapsed());

    // The receiver loses its settings: it speaks NMEA again, until it is set up again.
    bench.one.restart_receiver();
    line.hear(Duration::from_secs(4))?;
    line.said.clear();
    line.hear(Duration::from_secs(3))?;
    let fixes = line.said.iter().filter(|(_, message)| matches!(message, Message::Gnss(_))).count();
    ensure!(fixes >= 2, "only {fixes} fixes in 3 s after the receiver's restart");

    // Unplugged for 3 s: the line ends, and comes back under the same name.
    let lost_before = line.tracker.lost();
    bench.one.line().unplug()?;
    ensure!(!line.hear(Duration::from_secs(2))?, "an unplugged line ends");
    std::thread::sleep(Duration::from_secs(2));
    bench.one.line().replug()?;
    let mut again = BoxLine::open(&bench.tty())?;
    again.tracker = line.tracker.clone();
    again.wait_for("a frame after the line is back", Duration::from_secs(5), |header, _| {
        (header.boot_id == first_boot).then_some(())
    })?;
    again.hear(Duration::from_millis(500))?;
    ensure!(again.tracker.lost() > lost_before, "what was said meanwhile is counted as lost");
    println!("unplugged: {} frames lost, all counted; {} bad", again.tracker.lost() - lost_before, again.bad);

    let hung = Instant::now();
    ensure!(again.ask(Command::Hang)? == Outcome::Done(0), "this board is made for tests");
    let (boot, cause) =
        again.wait_for("a new Hello after the watchdog", Duration::from_secs(10), |header, message| match message {
            Message::HelloV2(hello) => Some((header.boot_id, hello.reset_cause)),
            _ => None,
        })?;
    println!("hung: new Hello after {:.1?}", hung.elapsed());
    ensure!(boot != first_boot && cause == 2, "boot {boot:#x} after {first_boot:#x}, reset cause {cause}");
    again.wait_for("acceleration of the new boot", Duration::from_secs(5), |header, message| {
        (header.boot_id == boot && matches!(message, Message::Accel(_))).then_some(())
    })?;
    Ok(())
}

fn box_command(config: &Path, arguments: &[&str]) -> Result<(bool, String)> {
    let output = Program::new(binary("edge-agent")?)
        .args(["box", "--config"])
        .arg(config)
        .args(arguments)
        .stdin(Stdio::null())
        .output()?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("$ edge-agent box {}\n{text}", arguments.join(" "));
    Ok((output.status.success(), text))
}

#[test]
fn an_installer_configures_tests_and_updates_the_box_over_its_line() -> Result<()> {
    let bench = Bench::start()?;
    let config = bench.agent_config()?;
    let expect = |arguments: &[&str], words: &[&str]| -> Result<()> {
        let (ok, text) = box_command(&config, arguments)?;
        ensure!(ok, "{arguments:?} failed: {text}");
        for word in words {
            ensure!(text.contains(word), "{arguments:?} did not say {word:?}: {text}");
        }
        Ok(())
    };
    expect(&["hello"], &["emulated-0001", "power", "confirmed"])?;
    expect(&["config"], &["generation: 0", "accel_block: 32"])?;
    expect(&["config", "--set"], &["accel_block: 4", "gnss_period_ms: 100"])?;
    expect(&["self-test"], &["co2           in order", "camera-right  in order"])?;
    expect(&["time"], &["round trip"])?;

    bench.one.with_sensors(|_, parts| parts.unplug(Part::Scd41));
    let (ok, text) = box_command(&config, &["self-test"])?;
    ensure!(!ok && text.contains("no answer") && text.contains("not in order: co2"), "{text}");

    let image: Vec<u8> = (0..30_001_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let file = bench.path("image.bin");
    fs::write(&file, &image)?;
    let name = file.display().to_string();
    expect(&["flash", &name], &["100 %", "has checked it"])?;
    ensure!(bench.one.emulator().stored_image(image.len())? == image, "the store holds the image byte for byte");
    // This board can keep an image and not start it, and says so.
    let (ok, text) = box_command(&config, &["flash", &name, "--start"])?;
    ensure!(!ok && text.contains("this board cannot do it"), "{text}");
    let elf = firmware("tournee-box-qemu")?.display().to_string();
    let (ok, text) = box_command(&config, &["flash", &elf])?;
    ensure!(!ok && text.contains("raw image"), "{text}");

    let boots = bench.one.emulator().boots()?;
    expect(&["reboot"], &["started by  asked", "generation 0"])?;
    ensure!(bench.one.emulator().boots()? == boots + 1, "one new boot");
    Ok(())
}

#[test]
fn particulate_sensors_of_the_serial_line_serve_as_well() -> Result<()> {
    for (part, model) in [(PmPart::Pmsx003, PmSerial::pmsx003()), (PmPart::Sds011, PmSerial::sds011())] {
        let bench = Bench::start_with(Some(model))?;
        let mut line = BoxLine::open(&bench.tty())?;
        let on_the_bus = line.wait_for("dust from the bus", Duration::from_secs(15), |_, message| match message {
            Message::Pm(pm) if pm.status == 0 => Some(pm.pm25_dugm3),
            _ => None,
        })?;
        let config = BoxConfig { generation: 1, pm_part: part as u8, ..BoxConfig::DEFAULT };
        ensure!(line.ask(Command::SetConfig(config))? == Outcome::Done(0), "configuration");
        bench.one.with_sensors(|_, parts| parts.unplug(Part::Sps30));
        line.said.clear();
        line.hear(Duration::from_secs(8))?;
        let heard: Vec<_> = line
            .said
            .iter()
            .filter_map(|(_, message)| match message {
                Message::Pm(pm) if pm.status == 0 => Some(*pm),
                _ => None,
            })
            .collect();
        println!("{part:?}: {} readings in 8 s, the last {:?}; from the bus {on_the_bus}", heard.len(), heard.last());
        ensure!(heard.len() >= 4, "only {} readings of the {part:?}", heard.len());
        ensure!(heard.iter().all(|pm| (pm.pm1_dugm3 == PM_NOT_MEASURED) == (part == PmPart::Sds011)), "{heard:?}");
        ensure!(heard.iter().all(|pm| pm.pm25_dugm3 > 0 && pm.pm25_dugm3 < pm.pm10_dugm3), "{heard:?}");
    }
    Ok(())
}
