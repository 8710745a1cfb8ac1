//! The messages. Units stand at the end of names; integers only, so that both ends agree to the bit.

use heapless::{String, Vec};
use serde::{Deserialize, Serialize};

use crate::config::BoxConfig;

/// The protocol that this crate speaks.
pub const PROTO: u8 = 1;
/// The oldest protocol that this crate still reads.
pub const PROTO_OLDEST: u8 = 1;
/// Acceleration samples in one block at the most.
pub const ACCEL_BLOCK_MAX: usize = 32;
/// Pixels in one thermal chunk at the most; a 32 × 24 frame is six chunks.
pub const THERMAL_CHUNK_MAX: usize = 128;
/// Bytes of a firmware image in one command at the most; a multiple of what flash memories write at once.
pub const FIRMWARE_CHUNK_MAX: usize = 192;
/// Characters of one modem line at the most.
pub const MODEM_LINE_MAX: usize = 192;
/// Stands for a mass concentration that a part does not measure (an SDS011 has no PM1).
pub const PM_NOT_MEASURED: u16 = u16::MAX;
/// How many variants [`Message`] has; a number from here on is a message of a newer box.
pub const MESSAGE_VARIANTS: u32 = 19;
/// How many variants [`Command`] has.
pub const COMMAND_VARIANTS: u32 = 12;

/// Goes before every message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Protocol number.
    pub proto: u8,
    /// Random number of this boot of the box.
    pub boot_id: u32,
    /// Counts messages of this boot, given before the send queue: a hole is a loss, always.
    pub seq: u32,
    /// Box ticks of the sample (of its first value where it holds many), microseconds since boot.
    pub tick_us: u64,
}

/// Box to host. Append-only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "no allocation on the box")]
pub enum Message {
    /// First message of a boot, and the answer to a request.
    Hello(Hello),
    /// A position.
    Gnss(Gnss),
    /// The pulse per second: `tick_us` of the header is the edge.
    Pps(Pps),
    /// A block of acceleration samples.
    Accel(Accel),
    /// Particulate matter.
    Pm(Pm),
    /// Air temperature, humidity, pressure.
    Climate(Climate),
    /// Carbon dioxide.
    Co2(Co2),
    /// The two electrodes of the NO2 cell.
    No2(No2),
    /// A part of an infrared frame.
    Thermal(Thermal),
    /// A line that the modem said, without its line end.
    ModemLine(ModemLine),
    /// How the box is.
    Health(Health),
    /// Who speaks, with everything that may differ between two boxes: sent instead of [`Hello`].
    HelloV2(HelloV2),
    /// Answer to a time request.
    TimeSync(TimeSync),
    /// The command was done.
    Ack(Ack),
    /// The command was refused.
    Nak(Nak),
    /// How the box samples, as asked.
    Config(BoxConfig),
    /// Result of a self test.
    SelfTest(SelfTest),
    /// A sensor has failed, or delivers again.
    SensorState(SensorState),
    /// How the box is, with stack, drops by class and errors by sensor: sent instead of [`Health`].
    HealthV2(HealthV2),
}

/// Who speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Firmware version.
    pub firmware: String<24>,
    /// Serial number of the box.
    pub serial: String<24>,
    /// Board name.
    pub board: String<16>,
    /// Why the box started: 0 unknown, 1 power, 2 watchdog, 3 asked, 4 fault.
    pub reset_cause: u8,
}

/// A GNSS fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gnss {
    /// UTC of the fix, microseconds since 1970; 0 while unknown.
    pub utc_us: i64,
    /// 0 none, 2 2D, 3 3D, 4 differential.
    pub fix: u8,
    /// Satellites used.
    pub sats: u8,
    /// HDOP × 100.
    pub hdop_centi: u16,
    /// Latitude, degrees × 1e7.
    pub lat_e7: i32,
    /// Longitude, degrees × 1e7.
    pub lon_e7: i32,
    /// Horizontal accuracy, millimetres; 0 where the receiver states none.
    pub h_acc_mm: u32,
    /// Speed over ground, millimetres per second.
    pub speed_mmps: u32,
    /// Course, hundredths of a degree clockwise from north; 36000 or more: unknown.
    pub heading_cdeg: u16,
}

/// The pulse per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pps {
    /// UTC of the edge, microseconds since 1970, always a whole second; 0 while unknown.
    pub utc_us: i64,
}

/// A block of acceleration samples, sensor axes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accel {
    /// Output data rate, samples per second.
    pub odr_hz: u16,
    /// Micro-g per unit of `samples`.
    pub scale_ug: u16,
    /// Samples that the sensor's FIFO lost before this block.
    pub lost: u16,
    /// x, y, z.
    pub samples: Vec<[i16; 3], ACCEL_BLOCK_MAX>,
}

/// Particulate matter, one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pm {
    /// 0 valid; else the sensor's fault, and the values are void.
    pub status: u8,
    /// PM1, 0.1 µg/m³; [`PM_NOT_MEASURED`] where the part has none.
    pub pm1_dugm3: u16,
    /// PM2.5, 0.1 µg/m³.
    pub pm25_dugm3: u16,
    /// PM10, 0.1 µg/m³.
    pub pm10_dugm3: u16,
}

/// Temperature, humidity, pressure, one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Climate {
    /// 0 valid; else the sensor's fault, and the values are void.
    pub status: u8,
    /// Air temperature, 0.01 °C.
    pub temp_cdegc: i16,
    /// Relative humidity, 0.01 %.
    pub rh_cpct: u16,
    /// Pressure, Pa.
    pub pressure_pa: u32,
}

/// Carbon dioxide, one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Co2 {
    /// 0 valid; else the sensor's fault, and the value is void.
    pub status: u8,
    /// ppm by volume.
    pub ppm: u16,
}

/// Electrodes of the electrochemical NO2 cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct No2 {
    /// 0 valid; else the converter's fault, and the values are void.
    pub status: u8,
    /// Working electrode, µV.
    pub we_uv: i32,
    /// Auxiliary electrode, µV.
    pub ae_uv: i32,
}

/// A part of a 32 × 24 infrared frame, row by row from the top left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thermal {
    /// 0 left, 1 right, in the direction of travel.
    pub camera: u8,
    /// Counts frames of this camera.
    pub frame: u16,
    /// Which part, from 0.
    pub chunk: u8,
    /// Temperature of the sensor itself, 0.01 °C.
    pub ambient_cdegc: i16,
    /// Apparent temperatures at emissivity 1, 0.01 °C; `i16::MIN` for a dead pixel.
    pub pixels_cdegc: Vec<i16, THERMAL_CHUNK_MAX>,
}

/// A line that the modem said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModemLine {
    /// The text.
    pub text: String<MODEM_LINE_MAX>,
}

/// How the box is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Messages dropped from the send queue since boot.
    pub queue_drops: u32,
    /// Bytes that the receiving UART lost since boot.
    pub uart_overruns: u32,
    /// Bus errors since boot, all sensors.
    pub bus_errors: u32,
    /// Supply voltage, mV.
    pub supply_mv: u16,
    /// Microcontroller temperature, 0.1 °C.
    pub mcu_ddegc: i16,
}

/// Who speaks, in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloV2 {
    /// Firmware version.
    pub firmware: String<24>,
    /// Commit that the firmware was built from; empty when unknown.
    pub commit: String<16>,
    /// Serial number of the box.
    pub serial: String<24>,
    /// Board name.
    pub board: String<16>,
    /// Why the box started: 0 unknown, 1 power, 2 watchdog, 3 asked, 4 fault.
    pub reset_cause: u8,
    /// Oldest protocol that the box reads.
    pub proto_oldest: u8,
    /// Variants of [`Message`] and of [`Command`] that the box knows.
    pub messages: u8,
    /// See `messages`.
    pub commands: u8,
    /// Generation of the configuration in force; 0 is the default one.
    pub config_generation: u32,
    /// 0 confirmed firmware, 1 on trial: it goes back to the old one unless confirmed, 2 the new one failed and the old
    /// one is back.
    pub trial: u8,
}

/// The box's half of a time exchange. With the moment at which the answer arrived, the host has the four stamps of NTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeSync {
    /// Number of the command.
    pub id: u32,
    /// What the host said: its time when it sent the request, microseconds, any epoch.
    pub host_us: i64,
    /// Box ticks when the request had arrived.
    pub received_us: u64,
    /// Box ticks when this answer was handed to the line.
    pub sent_us: u64,
}

/// A command was done, or accepted where it takes its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// Number of the command.
    pub id: u32,
    /// Of a firmware command: the offset that the box expects next. Otherwise 0.
    pub value: u32,
}

/// A command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nak {
    /// Number of the command.
    pub id: u32,
    /// Why: a [`crate::NakReason`].
    pub reason: u8,
    /// What the reason is about: a field of the configuration, an offset, a variant.
    pub detail: u32,
}

/// Result of a self test: every sensor was set up anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfTest {
    /// Number of the command.
    pub id: u32,
    /// By [`crate::SensorId`]: 0 in order, else a [`crate::Fault`].
    pub status: Vec<u8, 16>,
}

/// A sensor has failed, or delivers again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SensorState {
    /// Which: a [`crate::SensorId`].
    pub sensor: u8,
    /// 0 delivers again, else a [`crate::Fault`].
    pub fault: u8,
    /// Faults of this sensor since boot.
    pub faults: u32,
}

/// How the box is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthV2 {
    /// Messages dropped from the full send queue since boot, by class: control, slow sensors, acceleration, thermal.
    pub queue_drops: [u32; 4],
    /// Bytes that the receiving UARTs lost since boot.
    pub uart_overruns: u32,
    /// Frames from the host that were broken or unknown, since boot.
    pub bad_commands: u32,
    /// Faults since boot, by [`crate::SensorId`].
    pub sensor_faults: Vec<u32, 16>,
    /// Longest time that one turn of a sensor took since boot, microseconds.
    pub turn_max_us: u32,
    /// Least free stack since boot, bytes.
    pub stack_free_bytes: u32,
    /// Supply voltage, mV; 0 while unknown.
    pub supply_mv: u16,
    /// Microcontroller temperature, 0.1 °C; `i16::MIN` where the board cannot tell.
    pub mcu_ddegc: i16,
}

/// Host to box. Append-only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Say Hello again.
    HelloRequest,
    /// What time is it? The host's time when it sends this, microseconds, any epoch.
    TimeSync(i64),
    /// Say how you sample.
    GetConfig,
    /// Sample so. Setting the same twice is setting it once.
    SetConfig(BoxConfig),
    /// Set every sensor up anew and say what came of it.
    SelfTest,
    /// Start anew, once everything queued is sent.
    Reboot,
    /// A firmware image comes.
    FirmwareBegin(FirmwareBegin),
    /// A part of it.
    FirmwareChunk(FirmwareChunk),
    /// That was all: check it.
    FirmwareEnd,
    /// Start the checked image, on trial.
    FirmwareCommit,
    /// The running image is good: keep it.
    FirmwareConfirm,
    /// Stop feeding the watchdog as a hung task would. Only boards made for tests obey.
    Hang,
}

/// A firmware image comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirmwareBegin {
    /// Bytes of the image.
    pub len: u32,
    /// CRC-32C of the image.
    pub crc: u32,
}

/// A part of a firmware image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirmwareChunk {
    /// Where it begins.
    pub offset: u32,
    /// Its bytes: [`FIRMWARE_CHUNK_MAX`] but for the last.
    pub data: Vec<u8, FIRMWARE_CHUNK_MAX>,
}
