//! Faults around the running edge agent, one each: the real process, a twin box on a real serial line, Debian's Mosquitto
//! without a memory, and a lake in memory that answers with watermarks. Each ends with the same equation: stored + gaps =
//! generated, nothing twice, nothing missing; and every frame that the box sent was read, or was counted as lost.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::process::{Command, ExitStatus};
use std::time::Duration;
use tournee_link::Message;
use tournee_payload::Stream;
use tournee_tests::consumer::{Consumer, Holdings, Manner};
use tournee_tests::road::{BOX_ID, Road, count, generated, twin};
use tournee_tests::{HostClock, LooseLine, Mqtt, Running, SmallDisk, binary, wait_until};
use tournee_twin::port::TwinPort;

/// Seconds of the box's drive.
const DRIVE_S: u32 = 900;
/// Longest wait for what has to happen.
const SOON: Duration = Duration::from_secs(60);
/// Longest wait for the end of an agent that has to deliver everything first.
const END: Duration = Duration::from_secs(240);
const DAY_US: i64 = 86_400_000_000;
const DAY_S: i64 = 86_400;
/// Quick to come back and to ask again, so that a test sees it.
const QUICK: &str = "reconnect_most_s = 1\nwatermark_timeout_s = 1\n";
/// Quick to come back, but far too patient to ask again within a test: only the new connection can make it.
const PATIENT: &str = "reconnect_most_s = 1\nwatermark_timeout_s = 3600\n";
/// The bit of `flags` that says: the receiver wants to go back in time (docs/flags.md).
const TIME_DISAGREES: i64 = 1 << 2;

fn road() -> Result<Road> {
    Road::new(binary("edge-agent")?, None)
}

/// Waits for an agent that has to end well, and gives its report.
fn end(road: &Road, agent: Running) -> Result<Value> {
    let log = agent.output();
    let status = agent.wait(END)?;
    ensure!(status.success(), "the agent: {status}\n{log}");
    road.report()
}

/// The equation, for one spool's whole life. Gives back what was generated.
fn adds_up(what: &str, report: &Value, holdings: &Holdings) -> Result<u64> {
    let (account, generated) = (holdings.account(), generated(report)?);
    println!(
        "{what}: generated {generated}, {account:?}, {} batches, {} samples came again, {} batches forgotten, frames lost {}",
        holdings.batches,
        holdings.repeated,
        holdings.forgotten,
        count(report, "frames_lost")?
    );
    ensure!(holdings.refused.is_empty(), "{:?}", holdings.refused);
    ensure!(count(report, "pending")? == 0, "{report}");
    ensure!(report["set_aside"].is_null() && count(report, "old_copies")? == 0, "{report}");
    ensure!(generated > 1_000, "the drive did not happen: {report}");
    ensure!(account.stored + account.gaps == generated, "generated {generated}, but {account:?}");
    ensure!(account.gaps == count(report, "gaps")?, "{account:?}, {report}");
    ensure!((account.duplicates, account.both, account.missing) == (0, 0, 0), "{account:?}");
    Ok(generated)
}

/// Nothing was lost on the line.
fn all_frames(report: &Value, sent: u64) -> Result<()> {
    let (ok, lost) = (count(report, "frames_ok")?, count(report, "frames_lost")?);
    ensure!((ok, lost) == (sent, 0), "{sent} frames sent, {ok} read, {lost} lost");
    Ok(())
}

/// One drive with one agent from its start to its end, and a lake that is there all the time.
fn drive(what: &str, mut on_second: impl FnMut(u32, &Road, &Consumer) -> Result<()>) -> Result<Holdings> {
    let road = road()?;
    let broker = Broker::start(&road)?;
    drive_with(what, &road, QUICK, broker, |second, road, consumer, _| on_second(second, road, consumer))
}

/// The broker of a drive; can be killed in its middle.
struct Broker(Option<Running>);

impl Broker {
    fn start(road: &Road) -> Result<Self> {
        Ok(Self(Some(road.broker()?)))
    }

    fn kill_and_restart(&mut self, road: &Road) -> Result<()> {
        self.0.take().context("a broker")?.kill()?;
        self.0 = Some(road.broker()?);
        Ok(())
    }
}

fn drive_with(
    what: &str,
    road: &Road,
    mqtt: &str,
    mut broker: Broker,
    mut on_second: impl FnMut(u32, &Road, &Consumer, &mut Broker) -> Result<()>,
) -> Result<Holdings> {
    let consumer = Consumer::start(road.mqtt_port(), BOX_ID)?;
    let mut port = TwinPort::open()?;
    road.configure(port.path(), &road.path("spool.db"), 200, mqtt, "")?;
    let agent = road.agent("agent", true)?;
    let mut twin = twin(DRIVE_S, 0)?;
    let (mut second, mut outcome) = (0, Ok(()));
    port.pump(&mut twin, |_| {
        if outcome.is_ok() {
            outcome = on_second(second, road, &consumer, &mut broker);
        }
        second += 1;
    })?;
    outcome?;
    let report = end(road, agent)?;
    let holdings = consumer.holdings();
    adds_up(what, &report, &holdings)?;
    all_frames(&report, twin.counters().frames_sent)?;
    Ok(holdings)
}

/// Lets everything that waits be sent by an agent that hears nothing new.
fn deliver(road: &Road, name: &str, spool: &std::path::Path, before: &[&str]) -> Result<Value> {
    let mut port = TwinPort::open()?;
    road.configure(port.path(), spool, 200, QUICK, "")?;
    let agent = road.start_agent(name, before, true)?;
    port.close()?;
    end(road, agent)
}

fn stop(agent: Running) -> Result<ExitStatus> {
    agent.terminate(SOON)
}

#[test]
fn a_broker_that_forgets_everything_three_times_costs_nothing() -> Result<()> {
    let road = road()?;
    let broker = Broker::start(&road)?;
    let holdings = drive_with("broker forgets", &road, PATIENT, broker, |second, road, consumer, broker| {
        match second {
            // What it has confirmed to the agent and not handed on is gone with it.
            200 | 400 | 600 => consumer.set(Manner::Forgetful),
            250 | 450 | 650 => {
                wait_until("a batch that gets lost", SOON, || (consumer.holdings().forgotten > 0).then_some(()))?;
                broker.kill_and_restart(road)?;
                consumer.set(Manner::Sound);
            }
            _ => {}
        }
        Ok(())
    })?;
    ensure!(holdings.forgotten > 0);
    Ok(())
}

#[test]
fn lost_watermarks_cost_nothing_though_the_agent_starts_anew_without_them() -> Result<()> {
    let road = road()?;
    let broker = Broker::start(&road)?;
    let consumer = Consumer::start(road.mqtt_port(), BOX_ID)?;
    let spool = road.path("spool.db");
    let mut port = TwinPort::open()?;
    road.configure(port.path(), &spool, 200, QUICK, "")?;
    let agent = road.agent("agent", true)?;
    consumer.set(Manner::Silent);
    let mut first = twin(DRIVE_S, 0)?;
    port.pump(&mut first, |_| ())?;
    wait_until("batches that come again", SOON, || (consumer.holdings().repeated > 0).then_some(()))?;
    ensure!(stop(agent)?.success(), "the agent does not stop");
    let report = road.report()?;
    all_frames(&report, first.counters().frames_sent)?;
    ensure!(count(&report, "pending")? >= generated(&report)?, "nothing was deleted without a watermark: {report}");
    // And the broker forgets the one that was retained, if there was one.
    Mqtt::connect(road.mqtt_port(), "cleaner")?
        .publish_retained(&format!("tournee/v1/{}/{BOX_ID}/down/ack", shard()?), &[])?;
    consumer.set(Manner::Sound);
    let mut port = TwinPort::open()?;
    road.configure(port.path(), &spool, 200, QUICK, "")?;
    let agent = road.agent("next", true)?;
    let mut second = twin(300, 1)?;
    port.pump(&mut second, |_| ())?;
    let report = end(&road, agent)?;
    let holdings = consumer.holdings();
    adds_up("watermark lost", &report, &holdings)?;
    ensure!(holdings.repeated > 0, "nothing had to be sent again");
    all_frames(&report, second.counters().frames_sent)?;
    drop(broker);
    Ok(())
}

/// The part of a box's topics that spreads the load.
fn shard() -> Result<u8> {
    Ok(tournee_payload::shard(&tournee_payload::BoxId::new(BOX_ID)?))
}

#[test]
fn withheld_and_reordered_watermarks_cost_nothing() -> Result<()> {
    let holdings = drive("withheld, then newest first", |second, _, consumer| {
        match second {
            0 => consumer.set(Manner::Silent),
            400 => {
                wait_until("batches that come again", SOON, || (consumer.holdings().repeated > 0).then_some(()))?;
                consumer.set(Manner::Reordering(5));
            }
            _ => {}
        }
        // At the end the last watermark has to come, as from any lake that is alive.
        if second == DRIVE_S - 1 {
            consumer.set(Manner::Sound);
        }
        Ok(())
    })?;
    ensure!(holdings.repeated > 0);
    Ok(())
}

#[test]
fn a_session_that_the_broker_does_not_know_costs_nothing() -> Result<()> {
    let road = road()?;
    let broker = Broker::start(&road)?;
    let mut lost = 0;
    let holdings = drive_with("session_present = 0", &road, PATIENT, broker, |second, road, consumer, _| {
        match second % 300 {
            // Batches that are on their way are lost with the session, confirmed ones too.
            100 => consumer.set(Manner::Forgetful),
            200 => {
                let before = std::mem::replace(&mut lost, 0);
                wait_until("a batch that gets lost", SOON, || {
                    lost = consumer.holdings().forgotten;
                    (lost > before).then_some(())
                })?;
                consumer.set(Manner::Sound);
                // Under the box's own name: the broker throws the box out.
                let thief = Mqtt::connect(road.mqtt_port(), BOX_ID)?;
                ensure!(!thief.session_present(), "the broker kept a session");
            }
            _ => {}
        }
        Ok(())
    })?;
    ensure!(holdings.forgotten >= 3, "{} batches were lost", holdings.forgotten);
    Ok(())
}

#[test]
fn a_full_disk_costs_nothing_that_is_not_named() -> Result<()> {
    let road = road()?;
    let Some(disk) = SmallDisk::mount(road.folder(), "4m")? else { return Ok(()) };
    let enter = disk.enter();
    let enter: Vec<&str> = enter.iter().map(String::as_str).collect();
    let mut port = TwinPort::open()?;
    // Nobody to send to: everything has to stay.
    road.configure(port.path(), &disk.at().join("spool.db"), 200, QUICK, "")?;
    let agent = road.start_agent("agent", &enter, true)?;
    let ballast = disk.outside("ballast");
    let mut twin = twin(DRIVE_S, 0)?;
    let (mut second, mut outcome) = (0, Ok(()));
    port.pump(&mut twin, |_| {
        if (200..600).contains(&second) {
            // Ends with an error, when nothing is left.
            let mut file = match fs::File::options().create(true).append(true).open(&ballast) {
                Ok(file) => file,
                Err(error) => return outcome = Err(error.into()),
            };
            if file.write_all(&vec![1; 5_000_000]).is_ok() {
                outcome = Err(anyhow::anyhow!("the disk is larger than it should be"));
            }
        }
        if second == 599 && outcome.is_ok() {
            outcome = wait_until("a refusal of the disk", SOON, || {
                agent.output().contains("the spool database refuses").then_some(())
            });
        }
        if second == 600 && outcome.is_ok() {
            outcome = fs::remove_file(&ballast).map_err(anyhow::Error::from);
        }
        second += 1;
    })?;
    outcome.with_context(|| agent.output())?;
    let broker = road.broker()?;
    let consumer = Consumer::start(road.mqtt_port(), BOX_ID)?;
    let report = end(&road, agent)?;
    adds_up("disk full", &report, &consumer.holdings())?;
    all_frames(&report, twin.counters().frames_sent)?;
    broker.kill()
}

/// The disk holds an hour and the vehicle is out of reach for longer: what has to go is named, and nothing else goes.
#[test]
fn a_disk_that_is_too_small_for_the_drive_sheds_into_gap_records() -> Result<()> {
    let road = road()?;
    let Some(disk) = SmallDisk::mount(road.folder(), "4m")? else { return Ok(()) };
    let enter = disk.enter();
    let enter: Vec<&str> = enter.iter().map(String::as_str).collect();
    let mut port = TwinPort::open()?;
    road.configure(port.path(), &disk.at().join("spool.db"), 200, QUICK, "")?;
    let agent = road.start_agent("agent", &enter, true)?;
    let mut twin = twin(50_000, 0)?;
    port.pump(&mut twin, |_| ())?;
    let broker = road.broker()?;
    let consumer = Consumer::start(road.mqtt_port(), BOX_ID)?;
    let report = end(&road, agent)?;
    adds_up("disk too small", &report, &consumer.holdings())?;
    ensure!(count(&report, "gaps")? > 0, "there was room for everything: {report}");
    all_frames(&report, twin.counters().frames_sent)?;
    ensure!(!disk.outside("spool.db.windows").exists(), "raw windows take room that samples were given up for");
    broker.kill()
}

/// Smaller than what the spool needs for its own work: told at the start, with what it needs.
#[test]
fn a_disk_that_can_never_hold_the_spool_is_refused() -> Result<()> {
    let road = road()?;
    let Some(disk) = SmallDisk::mount(road.folder(), "900k")? else { return Ok(()) };
    let enter = disk.enter();
    let enter: Vec<&str> = enter.iter().map(String::as_str).collect();
    let port = TwinPort::open()?;
    road.configure(port.path(), &disk.at().join("spool.db"), 200, QUICK, "")?;
    let refused = road.spawn_agent("agent", &enter, false)?;
    let status = refused.wait(SOON)?;
    let said = fs::read_to_string(road.path("agent.log"))?;
    println!("on a disk of 900 kB: {status}, {said}");
    ensure!(status.code() == Some(1) && said.contains("a spool needs 4194304"), "{status}: {said}");
    Ok(())
}

/// The disk is full and stays so: the agent ends all the same when it is told to, and says what that costs. The next one,
/// with room, counts the frames of it as lost.
#[test]
fn a_stop_on_a_full_disk_ends_and_what_it_costs_is_counted() -> Result<()> {
    let road = road()?;
    let Some(disk) = SmallDisk::mount(road.folder(), "6m")? else { return Ok(()) };
    let enter = disk.enter();
    let enter: Vec<&str> = enter.iter().map(String::as_str).collect();
    let (link, ballast, spool) = (road.path("box"), disk.outside("ballast"), disk.outside("spool.db"));
    let mut line = LooseLine::start(&link)?;
    road.configure(&link, &disk.at().join("spool.db"), 200, QUICK, "")?;
    let mut agent = Some(road.start_agent("agent", &enter, false)?);
    let mut next = None;
    let mut read_before = 0;
    let mut twin = twin(DRIVE_S, 0)?;
    line.drive(
        &mut twin,
        |_, _| (),
        |second, line| {
            if (300..600).contains(&second) {
                let mut file = fs::File::options().create(true).append(true).open(&ballast)?;
                ensure!(file.write_all(&vec![1; 7_000_000]).is_err(), "the disk is larger than it should be");
            }
            if second == 599 {
                let agent = agent.take().context("the agent")?;
                wait_until("a refusal of the disk", SOON, || {
                    agent.output().contains("the spool database refuses").then_some(())
                })?;
                line.drain(SOON)?;
                read_before = road.status(&spool)?["line"]["frames_ok"].as_u64().context("frames")?;
                let log = road.path("agent.log");
                let status = stop(agent)?;
                let said = fs::read_to_string(log)?;
                let cost = said.lines().find(|line| line.contains("samples that were only in memory are lost"));
                println!("stopped on a full disk: {status}, {cost:?}");
                ensure!(status.code() == Some(1) && cost.is_some(), "{status}: {said}");
                fs::remove_file(&ballast)?;
                next = Some(road.start_agent("next", &enter, true)?);
            }
            Ok(())
        },
    )?;
    line.drain(SOON)?;
    let sent = line.frames_sent();
    let broker = road.broker()?;
    let consumer = Consumer::start(road.mqtt_port(), BOX_ID)?;
    drop(line);
    let report = end(&road, next.context("the next agent")?)?;
    adds_up("stopped on a full disk", &report, &consumer.holdings())?;
    let (ok, lost) = (count(&report, "frames_ok")?, count(&report, "frames_lost")?);
    println!("{sent} frames sent, {read_before} read before the stop, {ok} after it, {lost} counted as lost");
    ensure!(lost > 0 && ok + lost < sent && read_before + ok + lost >= sent, "{report}");
    broker.kill()
}

/// A log on a full disk, or whose reader is gone, is no reason to stop measuring.
#[test]
fn a_log_that_cannot_be_written_ends_nothing() -> Result<()> {
    const BEFORE: [&str; 4] = ["bash", "-c", "exec \"$@\" > /dev/full 2>&1", "agent"];
    let road = road()?;
    let broker = road.broker()?;
    let consumer = Consumer::start(road.mqtt_port(), BOX_ID)?;
    let spool = road.path("spool.db");
    let mut port = TwinPort::open()?;
    road.configure(port.path(), &spool, 200, QUICK, "")?;
    let agent = road.spawn_agent("agent", &BEFORE, true)?;
    wait_until("the agent's status", SOON, || road.status(&spool).ok())?;
    let mut twin = twin(DRIVE_S, 0)?;
    port.pump(&mut twin, |_| ())?;
    let report = end(&road, agent)?;
    adds_up("log cannot be written", &report, &consumer.holdings())?;
    all_frames(&report, twin.counters().frames_sent)?;
    broker.kill()
}

#[test]
fn a_read_only_disk_is_told_by_its_path_and_left_as_it_is() -> Result<()> {
    let road = road()?;
    let Some(disk) = SmallDisk::mount(road.folder(), "8m")? else { return Ok(()) };
    let enter = disk.enter();
    let enter: Vec<&str> = enter.iter().map(String::as_str).collect();
    let spool = disk.at().join("spool.db");
    let mut port = TwinPort::open()?;
    road.configure(port.path(), &spool, 200, QUICK, "")?;
    let agent = road.start_agent("agent", &enter, false)?;
    let mut twin = twin(DRIVE_S, 0)?;
    let sent = |twin: &tournee_twin::TwinBox| twin.counters().frames_sent;
    port.pump(&mut twin, |_| ())?;
    ensure!(stop(agent)?.success(), "the agent does not stop");
    all_frames(&road.report()?, sent(&twin))?;

    let before = fs::read(disk.outside("spool.db"))?;
    disk.remount("ro")?;
    let refused = road.spawn_agent("read-only", &enter, false)?;
    let status = refused.wait(SOON)?;
    let said = fs::read_to_string(road.path("read-only.log"))?;
    println!("on a read-only disk: {status}, {said}");
    ensure!(!status.success() && said.contains(&spool.display().to_string()), "{status}: {said}");
    ensure!(!said.contains("panicked"), "{said}");
    ensure!(fs::read(disk.outside("spool.db"))? == before, "the file was changed");
    disk.remount("rw")?;

    let broker = road.broker()?;
    let consumer = Consumer::start(road.mqtt_port(), BOX_ID)?;
    let report = deliver(&road, "next", &spool, &enter)?;
    adds_up("read-only disk", &report, &consumer.holdings())?;
    broker.kill()
}

/// A file system that turns read-only under way cannot be had without rights over it while its files are open. The kernel's
/// limit on the size of files does the same to the agent: from one moment on every write is refused, and later it is not.
#[test]
fn a_disk_that_takes_no_more_writes_under_way_costs_nothing() -> Result<()> {
    // Ignored, the signal does not end the process, and the write fails as on a disk that is write-protected. The log goes
    // through a pipe: the limit is for files.
    const BEFORE: [&str; 4] = ["bash", "-c", "trap '' XFSZ; exec \"$@\" > >(exec cat) 2>&1", "agent"];
    let road = road()?;
    let mut port = TwinPort::open()?;
    road.configure(port.path(), &road.path("spool.db"), 200, QUICK, "")?;
    let agent = road.start_agent("agent", &BEFORE, true)?;
    let id = agent.id().to_string();
    let limit = |size: &str| -> Result<()> {
        let status = Command::new("prlimit").args(["--pid", &id, &format!("--fsize={size}:unlimited")]).status()?;
        ensure!(status.success(), "prlimit: {status}");
        Ok(())
    };
    let mut twin = twin(DRIVE_S, 0)?;
    let (mut second, mut outcome) = (0, Ok(()));
    port.pump(&mut twin, |_| {
        if outcome.is_ok() {
            outcome = match second {
                200 => limit("0"),
                599 => wait_until("a refusal", SOON, || {
                    agent.output().contains("the spool database refuses").then_some(())
                }),
                600 => limit("unlimited"),
                _ => Ok(()),
            };
        }
        second += 1;
    })?;
    outcome.with_context(|| agent.output())?;
    let broker = road.broker()?;
    let consumer = Consumer::start(road.mqtt_port(), BOX_ID)?;
    let report = end(&road, agent)?;
    adds_up("writes refused under way", &report, &consumer.holdings())?;
    ensure!(count(&report, "gaps")? == 0, "given up for want of what was not room: {report}");
    all_frames(&report, twin.counters().frames_sent)?;
    broker.kill()
}

/// Waits until a running agent has read, or counted as lost, so many frames.
fn all_read(road: &Road, sent: u64) -> Result<()> {
    let mut last = Value::Null;
    wait_until("the agent to read everything", SOON, || {
        last = road.status(&road.path("spool.db")).ok()?;
        let line = |key: &str| last["line"][key].as_u64();
        (line("frames_ok")? + line("frames_lost")? >= sent).then_some(())
    })
    .with_context(|| format!("{sent} frames sent; {last}"))
}

#[test]
fn an_unplugged_line_costs_what_it_swallowed_and_every_frame_is_counted() -> Result<()> {
    let road = road()?;
    let broker = road.broker()?;
    let consumer = Consumer::start(road.mqtt_port(), BOX_ID)?;
    let (link, spool) = (road.path("box"), road.path("spool.db"));
    let mut line = LooseLine::start(&link)?;
    road.configure(&link, &spool, 200, QUICK, "")?;
    let agent = road.agent("agent", false)?;
    let opened = || agent.output().matches("serial line open").count();
    let mut twin = twin(DRIVE_S, 0)?;
    line.drive(
        &mut twin,
        |_, _| (),
        |second, line| {
            match second {
                200 | 500 => line.simulator().unplug()?,
                230 | 560 => {
                    let before = opened();
                    line.simulator().replug()?;
                    wait_until("the agent to come back to the line", SOON, || (opened() > before).then_some(()))?;
                }
                _ => {}
            }
            Ok(())
        },
    )?;
    line.drain(SOON)?;
    all_read(&road, line.frames_sent())?;
    ensure!(stop(agent)?.success(), "the agent does not stop");
    let report = road.report()?;
    let (ok, lost) = (count(&report, "frames_ok")?, count(&report, "frames_lost")?);
    let counters = line.simulator().counters();
    println!(
        "unplugged twice for 90 s of the drive: {} frames sent, {ok} read, {lost} counted as lost; {counters:?}",
        line.frames_sent()
    );
    ensure!(counters.unplugs == 2 && counters.discarded_bytes > 0, "{counters:?}");
    ensure!(lost > 0 && ok + lost == line.frames_sent(), "{ok} + {lost} of {}", line.frames_sent());
    let report = deliver(&road, "next", &spool, &[])?;
    adds_up("unplugged", &report, &consumer.holdings())?;
    broker.kill()
}

#[test]
fn the_boxes_clock_jumps_by_a_day_both_ways_and_no_row_is_lost_or_goes_back_in_time() -> Result<()> {
    let road = road()?;
    let broker = road.broker()?;
    let consumer = Consumer::start(road.mqtt_port(), BOX_ID)?;
    let (link, spool) = (road.path("box"), road.path("spool.db"));
    let mut line = LooseLine::start(&link)?;
    road.configure(&link, &spool, 200, QUICK, "")?;
    let agent = road.agent("agent", false)?;
    let mut twin = twin(DRIVE_S, 0)?;
    let mut jumped = 0_u64;
    // The satellite receiver goes wrong and comes back: the day before first, as the agent believes in no step back.
    let change = |second: u32, message: &mut Message| {
        let shift_us = match second {
            200..400 => -DAY_US,
            600.. => DAY_US,
            _ => return,
        };
        let utc_us = match message {
            Message::Gnss(gnss) => &mut gnss.utc_us,
            Message::Pps(pps) => &mut pps.utc_us,
            _ => return,
        };
        if *utc_us != 0 {
            *utc_us += shift_us;
            jumped += 1;
        }
    };
    line.drive(&mut twin, change, |_, _| Ok(()))?;
    line.drain(SOON)?;
    all_read(&road, line.frames_sent())?;
    ensure!(stop(agent)?.success(), "the agent does not stop");
    all_frames(&road.report()?, line.frames_sent())?;
    let report = deliver(&road, "next", &spool, &[])?;
    let holdings = consumer.holdings();
    adds_up("box's clock jumps", &report, &holdings)?;
    ensure!(jumped > 400, "{jumped} times were changed");

    // In the order of the box's ticks time rises in each stream, by 86,400 s once, and what was refused is marked.
    let (mut marked, mut steps) = (0, 0);
    for stream in Stream::ALL.into_iter().filter(|stream| *stream != Stream::Gap) {
        let mut rows: Vec<(i64, i64, i64)> = holdings
            .samples
            .iter()
            .filter(|((_, of, _), _)| *of == stream)
            .filter_map(|(_, kept)| Some((kept.tick_us?, kept.t_us?, kept.flags)))
            .collect();
        rows.sort_unstable();
        marked += rows.iter().filter(|(.., flags)| flags & TIME_DISAGREES != 0).count();
        for pair in rows.windows(2) {
            let [(ticks_0, t_0, _), (ticks_1, t_1, _)] = *pair else { continue };
            ensure!(t_1 >= t_0, "{} goes back: {pair:?}", stream.name());
            steps += u32::from((t_1 - t_0) - (ticks_1 - ticks_0) > DAY_US / 2);
        }
    }
    println!("{jumped} times of the receiver changed; {marked} rows say that it disagrees, {steps} steps forwards");
    ensure!(marked > 100, "the day before was not noticed");
    ensure!(steps >= 1, "the day after was never believed");
    broker.kill()
}

#[test]
fn the_hosts_clock_jumps_by_a_day_both_ways_and_nothing_is_lost() -> Result<()> {
    let road = road()?;
    let clock = HostClock::new(road.folder())?;
    let before = clock.before();
    let before: Vec<&str> = before.iter().map(String::as_str).collect();
    let broker = road.broker()?;
    let consumer = Consumer::start(road.mqtt_port(), BOX_ID)?;
    let spool = road.path("spool.db");
    let mut port = TwinPort::open()?;
    road.configure(port.path(), &spool, 200, QUICK, "")?;
    let agent = road.start_agent("agent", &before, true)?;
    let now = || road.status(&spool).ok()?["now_unix_s"].as_i64();
    let mut twin = twin(DRIVE_S, 0)?;
    let (mut second, mut outcome, mut seen) = (0, Ok(()), Vec::new());
    port.pump(&mut twin, |_| {
        let shift_s = match second {
            200 => Some(DAY_S),
            400 => Some(-DAY_S),
            600 => Some(0),
            _ => None,
        };
        if let (Some(shift_s), true) = (shift_s, outcome.is_ok()) {
            outcome = now().context("no status").and_then(|was_s| {
                clock.shift(shift_s)?;
                seen.push(now().context("no status")? - was_s);
                Ok(())
            });
        }
        second += 1;
    })?;
    outcome.with_context(|| agent.output())?;
    let report = end(&road, agent)?;
    println!("the host's clock jumped by {seen:?} s");
    let jumps = [DAY_S, -2 * DAY_S, DAY_S];
    ensure!(seen.len() == 3 && seen.iter().zip(jumps).all(|(seen, jump)| (seen - jump).abs() < 30), "{seen:?}");
    adds_up("host's clock jumps", &report, &consumer.holdings())?;
    all_frames(&report, twin.counters().frames_sent)?;
    broker.kill()
}
