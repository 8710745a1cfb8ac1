//! `edge-agent box …`: talks to the box on its serial line, for the installer. The agent itself must not be running: a line
//! has one reader.

mod conversation;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use conversation::Conversation;
use tournee_link::{Command, Fault, HelloV2, ImageTransfer, Message, NakReason, Outcome, SensorId, TransferError};

use crate::config::{AgentConfig, ConfigError};

/// How long a self test may take: the slowest sensor is set up in a second, all one after the other.
const SELF_TEST_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a box may take to start anew: the boot loader copies the image page by page.
const BOOT_TIMEOUT: Duration = Duration::from_secs(60);

/// What to do with the box.
#[derive(Args, Debug)]
pub struct BoxArguments {
    /// The serial line; without it that of the configuration.
    #[arg(long, value_name = "DEVICE")]
    port: Option<PathBuf>,
    /// Bits per second of `--port`.
    #[arg(long, default_value_t = 921_600)]
    baud: u32,
    /// The configuration, TOML.
    #[arg(long, value_name = "FILE", default_value = "/etc/tournee/edge-agent.toml")]
    config: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Who is there: firmware, serial number, why it started.
    Hello,
    /// How the box samples; with `--set` first set it to what the configuration says.
    Config {
        /// Set what `[sampling]` of the configuration says, then read it back.
        #[arg(long)]
        set: bool,
    },
    /// Set every sensor up anew and say what came of it; fails when one is not in order.
    SelfTest,
    /// Four stamps: how far the box's clock is away, and how long the line takes.
    Time,
    /// Start anew.
    Reboot,
    /// Transfer a firmware image (raw binary) into the box's second bank and have it checked there.
    Flash {
        /// The image.
        file: PathBuf,
        /// Then start it on trial, wait for its Hello and confirm it; without it the old image goes on running.
        #[arg(long)]
        start: bool,
    },
}

/// Why it did not work.
#[derive(Debug, thiserror::Error)]
pub enum BoxError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The line.
    #[error(
        "cannot open the serial line {path}: {cause}; is the agent still running (systemctl stop tournee-edge-agent)?"
    )]
    Open {
        /// The device.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The line went away.
    #[error("the serial line ended: {0}; is the box unplugged?")]
    Line(std::io::Error),
    /// Nobody there.
    #[error("the box does not answer ({0}): check its supply, the line and its speed")]
    NoAnswer(&'static str),
    /// The box said no.
    #[error("the box refused: {0}")]
    Refused(String),
    /// Sensors that are not in order.
    #[error("not in order: {0}")]
    SelfTest(String),
    /// The image.
    #[error("cannot read the image {path}: {cause}")]
    Image {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Not a raw image.
    #[error("{0} is an ELF file; the box takes the raw image: make it with `llvm-objcopy -O binary`")]
    Elf(PathBuf),
    /// The transfer.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// The box came back with something else.
    #[error("after the start the box does not run the new image: {0}")]
    RolledBack(String),
}

/// Does it, and prints what the box says.
///
/// # Errors
/// [`BoxError`].
pub async fn run(arguments: BoxArguments) -> Result<(), BoxError> {
    let (path, baud) = match &arguments.port {
        Some(path) => (path.clone(), arguments.baud),
        None => {
            let config = configuration(&arguments.config)?;
            (config.serial.path, config.serial.baud)
        }
    };
    let mut line = Conversation::open(&path, baud)?;
    match &arguments.what {
        What::Hello => print_hello(&hello(&mut line).await?),
        What::Config { set } => {
            if *set {
                let wanted = configuration(&arguments.config)?.sampling.wanted()?;
                done(line.ask(Command::SetConfig(wanted)).await?.0, "set the configuration")?;
            }
            let (outcome, said) = line.ask(Command::GetConfig).await?;
            done(outcome, "read the configuration")?;
            for message in said {
                if let Message::Config(config) = message {
                    println!("{config:#?}");
                }
            }
        }
        What::SelfTest => self_test(&mut line).await?,
        What::Time => {
            let exchange = line.exchange().await?;
            println!("box ticks - host clock {} µs, round trip {} µs", exchange.offset_us, exchange.round_trip_us);
        }
        What::Reboot => {
            done(line.ask(Command::Reboot).await?.0, "reboot")?;
            print_hello(&new_hello(&mut line).await?);
        }
        What::Flash { file, start } => flash(&mut line, file, *start).await?,
    }
    Ok(())
}

/// Without the calibration files: a bad one must not keep an installer from the box.
fn configuration(path: &Path) -> Result<AgentConfig, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::Read { path: path.to_owned(), cause })?;
    AgentConfig::from_toml(&text)
}

fn done(outcome: Outcome, what: &'static str) -> Result<u32, BoxError> {
    match outcome {
        Outcome::Done(value) => Ok(value),
        Outcome::Refused(nak) => Err(BoxError::Refused(match NakReason::from_code(nak.reason) {
            Some(reason) => format!("{what}: {reason} ({})", nak.detail),
            None => format!("{what}: reason {} ({})", nak.reason, nak.detail),
        })),
        Outcome::Time(_) | Outcome::NoAnswer => Err(BoxError::NoAnswer(what)),
    }
}

async fn hello(line: &mut Conversation) -> Result<HelloV2, BoxError> {
    let (outcome, said) = line.ask(Command::HelloRequest).await?;
    done(outcome, "hello")?;
    said.into_iter()
        .find_map(|message| match message {
            Message::HelloV2(hello) => Some(hello),
            _ => None,
        })
        .ok_or(BoxError::NoAnswer("hello"))
}

/// The Hello that a box says by itself when it has started.
async fn new_hello(line: &mut Conversation) -> Result<HelloV2, BoxError> {
    line.wait_for(BOOT_TIMEOUT, |message| match message {
        Message::HelloV2(hello) => Some(hello.clone()),
        _ => None,
    })
    .await?
    .ok_or(BoxError::NoAnswer("start"))
}

fn print_hello(hello: &HelloV2) {
    let cause = ["unknown", "power", "watchdog", "asked", "fault"].get(usize::from(hello.reset_cause));
    println!("firmware    {} {}", hello.firmware, hello.commit);
    println!("serial      {}", hello.serial);
    println!("board       {}", hello.board);
    println!("started by  {}", cause.unwrap_or(&"a cause that this program does not know"));
    println!("sampling    generation {}", hello.config_generation);
    println!(
        "image       {}",
        match hello.trial {
            0 => "confirmed",
            1 => "on trial: goes back unless it is confirmed",
            2 => "rolled back: the last new one failed",
            _ => "in a state that this program does not know",
        }
    );
}

async fn self_test(line: &mut Conversation) -> Result<(), BoxError> {
    done(line.ask(Command::SelfTest).await?.0, "self test")?;
    let result = line
        .wait_for(SELF_TEST_TIMEOUT, |message| match message {
            Message::SelfTest(result) => Some(result.clone()),
            _ => None,
        })
        .await?
        .ok_or(BoxError::NoAnswer("self test"))?;
    let mut bad = Vec::new();
    for (sensor, status) in SensorId::ALL.into_iter().zip(&result.status) {
        let text = match (*status, Fault::from_code(*status)) {
            (0, _) => "in order",
            (_, Some(fault)) => fault.text(),
            (_, None) => "a fault that this program does not know",
        };
        println!("{:<14}{text}", sensor.name());
        if *status != 0 && *status != Fault::Off.code() {
            bad.push(sensor.name());
        }
    }
    if bad.is_empty() { Ok(()) } else { Err(BoxError::SelfTest(bad.join(", "))) }
}

async fn flash(line: &mut Conversation, file: &PathBuf, start: bool) -> Result<(), BoxError> {
    let image = std::fs::read(file).map_err(|cause| BoxError::Image { path: file.clone(), cause })?;
    if image.starts_with(b"\x7fELF") {
        return Err(BoxError::Elf(file.clone()));
    }
    let before = hello(line).await?;
    let mut transfer = ImageTransfer::new(&image)?;
    let mut shown = 0;
    while let Some(command) = transfer.command() {
        let (outcome, _) = line.ask(command).await?;
        transfer.advance(outcome)?;
        let percent = u64::from(transfer.done()) * 100 / image.len() as u64;
        if percent / 10 > shown {
            shown = percent / 10;
            println!("{percent} % of {} bytes", image.len());
        }
    }
    println!("the box has the image and has checked it");
    if !start {
        return Ok(());
    }
    done(line.ask(Command::FirmwareCommit).await?.0, "start the image")?;
    let after = new_hello(line).await?;
    print_hello(&after);
    if after.trial != 1 {
        return Err(BoxError::RolledBack(format!("before {}, now {}", before.firmware, after.firmware)));
    }
    done(line.ask(Command::FirmwareConfirm).await?.0, "confirm the image")?;
    println!("confirmed");
    Ok(())
}
