//! The line to the box: it opens, bytes come, frames are whole, the box answers.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::Rng;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_serial::{SerialPortBuilderExt, SerialStream};
use tournee_link::{
    Command, Decoder, Event, HelloV2, MAX_COMMAND_FRAME_BYTES, Message, Outcome, Session, encode_command,
};

use super::clock::Heard;
use super::{Finding, number};
use crate::config::SerialConfig;

/// How long the line is listened to at the most.
const LISTEN: Duration = Duration::from_secs(8);
/// How long at the least: a sensor has a second's period.
const LISTEN_LEAST: Duration = Duration::from_secs(2);

/// What was found.
pub struct Found {
    pub finding: Finding,
    /// The newest believable time of the box's receiver.
    pub gnss: Option<Heard>,
}

/// What was heard.
#[derive(Debug, Default)]
struct Ear {
    bytes: u64,
    frames_ok: u64,
    frames_bad: u64,
    hello: Option<HelloV2>,
    gnss: Option<Heard>,
}

pub async fn check(config: &SerialConfig, running: Option<&Value>) -> Found {
    if let Some(running) = running {
        return Found { finding: by_agent(config, running), gnss: None };
    }
    let path = config.path.display();
    let fail = |text: String, advice: &str| Found { finding: Finding::fail("serial", text, advice), gnss: None };
    let opened = match config.path.to_str() {
        Some(name) => tokio_serial::new(name, config.baud).open_native_async().map_err(std::io::Error::from),
        None => Err(std::io::Error::other("the path is not UTF-8")),
    };
    let port = match opened {
        Ok(port) => port,
        Err(error) => {
            let advice = match error.kind() {
                std::io::ErrorKind::PermissionDenied => "put the agent's user into the group dialout",
                std::io::ErrorKind::NotFound => {
                    "is the box plugged in and supplied? ls /dev/serial/by-id shows what is there"
                }
                _ => "does another program hold the line? serial.path must be a serial device",
            };
            return fail(format!("{path} does not open: {error}"), advice);
        }
    };
    let mut ear = Ear::default();
    let ended = listen(port, &mut ear).await.err();
    let finding = judge(&path.to_string(), config.baud, &ear, ended.as_ref());
    Found { finding, gnss: ear.gnss }
}

/// A line has one reader: while the agent runs, what it counts is what can be told.
fn by_agent(config: &SerialConfig, running: &Value) -> Finding {
    let frames = number(running, "/line/frames_ok");
    let bad = number(running, "/line/frames_bad");
    let text = format!("{}: the agent runs and has read {frames} frames, {bad} broken", config.path.display());
    if frames == 0 {
        return Finding::warn("serial", text, "stop the agent and check again: systemctl stop tournee-edge-agent");
    }
    Finding::ok("serial", text)
}

fn judge(path: &str, baud: u32, ear: &Ear, ended: Option<&std::io::Error>) -> Finding {
    let text = format!("{path}: {} bytes, {} frames, {} broken", ear.bytes, ear.frames_ok, ear.frames_bad);
    if let Some(error) = ended {
        return Finding::fail("serial", format!("{text}; the line ended: {error}"), "is the plug loose?");
    }
    if ear.bytes == 0 {
        return Finding::fail("serial", text, "silence: check the supply of the box and the two data wires");
    }
    if ear.frames_ok == 0 {
        let advice = format!("bytes, but no frame: is serial.baud = {baud} the speed of the box? is it a box at all?");
        return Finding::fail("serial", text, advice);
    }
    let Some(hello) = &ear.hello else {
        return Finding::warn(
            "serial",
            text,
            "frames come but no Hello: check the wire from the agent to the box (TX)",
        );
    };
    let text = format!("{text}; firmware {}, serial {}, board {}", hello.firmware, hello.serial, hello.board);
    // The first may be cut by the opening.
    if ear.frames_bad > 1 + ear.frames_ok / 100 {
        return Finding::warn(
            "serial",
            text,
            "more than 1 % is broken: a shorter or shielded cable, or a lower serial.baud",
        );
    }
    Finding::ok("serial", text)
}

/// Asks for a Hello and listens.
async fn listen(mut port: SerialStream, ear: &mut Ear) -> std::io::Result<()> {
    let began = Instant::now();
    let micros = || u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    let mut session = Session::new(rand::rng().random());
    // Not busy: just made.
    let _ = session.start(Command::HelloRequest, 0);
    let mut open = true;
    let mut decoder = Decoder::new();
    let mut buffer = [0_u8; 4_096];
    while began.elapsed() < LISTEN {
        if ear.hello.is_some() && ear.gnss.is_some() && began.elapsed() >= LISTEN_LEAST {
            break;
        }
        if open {
            match session.transmit(micros()) {
                Ok(Some((header, command))) => {
                    let mut frame = [0_u8; MAX_COMMAND_FRAME_BYTES];
                    let len = encode_command(header, &command, &mut frame).unwrap_or(0);
                    // A delimiter first, so that half a command of somebody before ends there. A line that takes
                    // nothing shows by the missing Hello.
                    let bytes = [&[0][..], frame.get(..len).unwrap_or_default()].concat();
                    let _ = tokio::time::timeout(Duration::from_millis(500), port.write_all(&bytes)).await;
                }
                Ok(None) => {}
                Err(_) => open = false,
            }
        }
        let count = match tokio::time::timeout(Duration::from_millis(100), port.read(&mut buffer)).await {
            Err(_) => continue,
            Ok(Ok(0)) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => read?,
        };
        ear.bytes += count as u64;
        decoder.feed(buffer.get(..count).unwrap_or_default(), |event| match event {
            Event::Frame { message, .. } => {
                ear.frames_ok += 1;
                if let Some(Outcome::Done(_) | Outcome::Refused(_)) = session.receive(&message) {
                    open = false;
                }
                match message {
                    Message::HelloV2(hello) => ear.hello = Some(hello),
                    Message::Gnss(fix) if fix.fix > 0 && fix.utc_us > 0 => {
                        let now = SystemTime::now().duration_since(UNIX_EPOCH);
                        let system_us = now.ok().and_then(|age| i64::try_from(age.as_micros()).ok());
                        ear.gnss = system_us.map(|system_us| Heard { utc_us: fix.utc_us, system_us });
                    }
                    _ => {}
                }
            }
            Event::Unknown { .. } | Event::NewerProto { .. } => ear.frames_ok += 1,
            Event::Bad(_) => ear.frames_bad += 1,
        });
    }
    Ok(())
}
