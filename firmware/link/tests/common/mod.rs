//! One of each message and command, and any of each.

#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part, and a test may panic")]

pub mod pair;

use proptest::prelude::*;
use tournee_link::*;

pub fn text<const N: usize>(text: &str) -> heapless::String<N> {
    heapless::String::try_from(text).unwrap()
}

/// One of each variant, in the order of the variants.
pub fn one_of_each() -> Vec<Message> {
    vec![
        Message::Hello(Hello {
            firmware: text("1.2.3"),
            serial: text("box-0001"),
            board: text("g474"),
            reset_cause: 1,
        }),
        Message::Gnss(Gnss {
            utc_us: 1_767_600_000_000_000,
            fix: 3,
            sats: 9,
            hdop_centi: 95,
            lat_e7: 476_512_345,
            lon_e7: -20_851_234,
            h_acc_mm: 2_500,
            speed_mmps: 8_333,
            heading_cdeg: 27_150,
        }),
        Message::Pps(Pps { utc_us: 1_767_600_001_000_000 }),
        Message::Accel(Accel {
            odr_hz: 400,
            scale_ug: 122,
            lost: 0,
            samples: heapless::Vec::from_slice(&[[-1, 0, 8_197], [127, -32_768, 32_767]]).unwrap(),
        }),
        Message::Pm(Pm { status: 0, pm1_dugm3: 81, pm25_dugm3: 120, pm10_dugm3: 190 }),
        Message::Climate(Climate { status: 0, temp_cdegc: -215, rh_cpct: 8_750, pressure_pa: 101_325 }),
        Message::Co2(Co2 { status: 0, ppm: 431 }),
        Message::No2(No2 { status: 0, we_uv: 300_000, ae_uv: -285_000 }),
        Message::Thermal(Thermal {
            camera: 1,
            frame: 300,
            chunk: 5,
            ambient_cdegc: 450,
            pixels_cdegc: heapless::Vec::from_slice(&[-2_000, 0, i16::MIN]).unwrap(),
        }),
        Message::ModemLine(ModemLine { text: text("+QENG: \"servingcell\",\"SEARCH\"") }),
        Message::Health(Health { queue_drops: 1, uart_overruns: 2, bus_errors: 300, supply_mv: 13_700, mcu_ddegc: -5 }),
        Message::HelloV2(HelloV2 {
            firmware: text("2.0.1"),
            commit: text("d6a05cc1"),
            serial: text("box-0002"),
            board: text("qemu"),
            reset_cause: 2,
            proto_oldest: 1,
            messages: 19,
            commands: 12,
            config_generation: 70_000,
            trial: 1,
        }),
        Message::TimeSync(TimeSync {
            id: 300,
            host_us: -1_767_600_000_000_000,
            received_us: 5_000_000_100,
            sent_us: 5_000_000_250,
        }),
        Message::Ack(Ack { id: 0x8000_0001, value: 192 }),
        Message::Nak(Nak { id: 127, reason: 3, detail: 16_384 }),
        Message::Config(BoxConfig { generation: 1, enabled: 0x81, ..one_config() }),
        Message::SelfTest(SelfTest { id: 128, status: heapless::Vec::from_slice(&[0, 1, 0, 9, 255]).unwrap() }),
        Message::SensorState(SensorState { sensor: 4, fault: 6, faults: 300 }),
        Message::HealthV2(HealthV2 {
            queue_drops: [0, 1, 300, 70_000],
            uart_overruns: 5,
            bad_commands: 0,
            sensor_faults: heapless::Vec::from_slice(&[0, 0, 300]).unwrap(),
            turn_max_us: 26_000,
            stack_free_bytes: 4_096,
            supply_mv: 13_700,
            mcu_ddegc: i16::MIN,
        }),
    ]
}

fn one_config() -> BoxConfig {
    BoxConfig {
        generation: 9,
        enabled: 0x1fe,
        accel_block: 16,
        gnss_period_ms: 200,
        pm_part: 2,
        pm_period_ms: 2_300,
        climate_period_ms: 127,
        no2_period_ms: 128,
        thermal_period_ms: 500,
        health_period_ms: 60_000,
    }
}

/// One of each variant, in the order of the variants.
pub fn one_of_each_command() -> Vec<Command> {
    vec![
        Command::HelloRequest,
        Command::TimeSync(1_767_600_000_123_456),
        Command::GetConfig,
        Command::SetConfig(one_config()),
        Command::SelfTest,
        Command::Reboot,
        Command::FirmwareBegin(FirmwareBegin { len: 120_000, crc: 0xdead_beef }),
        Command::FirmwareChunk(FirmwareChunk {
            offset: 384,
            data: heapless::Vec::from_slice(&[0, 1, 0, 0xff, 0x7e]).unwrap(),
        }),
        Command::FirmwareEnd,
        Command::FirmwareCommit,
        Command::FirmwareConfirm,
        Command::Hang,
    ]
}

pub fn any_header() -> impl Strategy<Value = Header> {
    (any::<u32>(), any::<u32>(), any::<u64>()).prop_map(|(boot_id, seq, tick_us)| Header {
        proto: PROTO,
        boot_id,
        seq,
        tick_us,
    })
}

fn any_text<const N: usize>() -> impl Strategy<Value = heapless::String<N>> {
    proptest::collection::vec(0x20_u8..0x7f, 0..=N).prop_map(|bytes| text(std::str::from_utf8(&bytes).unwrap()))
}

/// Any values, also such as no box accepts.
pub fn any_config() -> impl Strategy<Value = BoxConfig> {
    ((any::<u32>(), any::<u16>(), any::<u8>(), any::<u8>()), any::<[u16; 6]>()).prop_map(
        |((generation, enabled, accel_block, pm_part), [gnss, pm, climate, no2, thermal, health])| BoxConfig {
            generation,
            enabled,
            accel_block,
            gnss_period_ms: gnss,
            pm_part,
            pm_period_ms: pm,
            climate_period_ms: climate,
            no2_period_ms: no2,
            thermal_period_ms: thermal,
            health_period_ms: health,
        },
    )
}

fn some<T: Clone + std::fmt::Debug + Arbitrary, const N: usize>() -> impl Strategy<Value = heapless::Vec<T, N>> {
    proptest::collection::vec(any::<T>(), 0..=N).prop_map(|list| heapless::Vec::from_slice(&list).unwrap())
}

pub fn any_message() -> impl Strategy<Value = Message> {
    prop_oneof![11 => any_first_message(), 8 => any_later_message()]
}

/// The variants of 0.1.
fn any_first_message() -> impl Strategy<Value = Message> {
    prop_oneof![
        (any_text(), any_text(), any_text(), any::<u8>()).prop_map(|(firmware, serial, board, reset_cause)| {
            Message::Hello(Hello { firmware, serial, board, reset_cause })
        }),
        (
            (any::<i64>(), any::<u8>(), any::<u8>(), any::<u16>()),
            (any::<i32>(), any::<i32>(), any::<u32>(), any::<u32>(), any::<u16>())
        )
            .prop_map(
                |((utc_us, fix, sats, hdop_centi), (lat_e7, lon_e7, h_acc_mm, speed_mmps, heading_cdeg))| {
                    Message::Gnss(Gnss {
                        utc_us,
                        fix,
                        sats,
                        hdop_centi,
                        lat_e7,
                        lon_e7,
                        h_acc_mm,
                        speed_mmps,
                        heading_cdeg,
                    })
                }
            ),
        any::<i64>().prop_map(|utc_us| Message::Pps(Pps { utc_us })),
        (any::<u16>(), any::<u16>(), any::<u16>(), proptest::collection::vec(any::<[i16; 3]>(), 0..=ACCEL_BLOCK_MAX))
            .prop_map(|(odr_hz, scale_ug, lost, samples)| {
                let samples = heapless::Vec::from_slice(&samples).unwrap();
                Message::Accel(Accel { odr_hz, scale_ug, lost, samples })
            }),
        (any::<u8>(), any::<u16>(), any::<u16>(), any::<u16>()).prop_map(
            |(status, pm1_dugm3, pm25_dugm3, pm10_dugm3)| Message::Pm(Pm { status, pm1_dugm3, pm25_dugm3, pm10_dugm3 })
        ),
        (any::<u8>(), any::<i16>(), any::<u16>(), any::<u32>()).prop_map(
            |(status, temp_cdegc, rh_cpct, pressure_pa)| {
                Message::Climate(Climate { status, temp_cdegc, rh_cpct, pressure_pa })
            }
        ),
        (any::<u8>(), any::<u16>()).prop_map(|(status, ppm)| Message::Co2(Co2 { status, ppm })),
        (any::<u8>(), any::<i32>(), any::<i32>()).prop_map(|(status, we_uv, ae_uv)| Message::No2(No2 {
            status,
            we_uv,
            ae_uv
        })),
        (
            any::<u8>(),
            any::<u16>(),
            any::<u8>(),
            any::<i16>(),
            proptest::collection::vec(any::<i16>(), 0..=THERMAL_CHUNK_MAX)
        )
            .prop_map(|(camera, frame, chunk, ambient_cdegc, pixels)| {
                let pixels_cdegc = heapless::Vec::from_slice(&pixels).unwrap();
                Message::Thermal(Thermal { camera, frame, chunk, ambient_cdegc, pixels_cdegc })
            }),
        any_text().prop_map(|text| Message::ModemLine(ModemLine { text })),
        (any::<u32>(), any::<u32>(), any::<u32>(), any::<u16>(), any::<i16>()).prop_map(
            |(queue_drops, uart_overruns, bus_errors, supply_mv, mcu_ddegc)| {
                Message::Health(Health { queue_drops, uart_overruns, bus_errors, supply_mv, mcu_ddegc })
            }
        ),
    ]
}

/// The variants that came after them.
fn any_later_message() -> impl Strategy<Value = Message> {
    prop_oneof![
        ((any_text(), any_text(), any_text(), any_text()), (any::<[u8; 4]>(), any::<u32>(), any::<u8>()),).prop_map(
            |((firmware, commit, serial, board), (bytes, config_generation, trial))| {
                let [reset_cause, proto_oldest, messages, commands] = bytes;
                Message::HelloV2(HelloV2 {
                    firmware,
                    commit,
                    serial,
                    board,
                    reset_cause,
                    proto_oldest,
                    messages,
                    commands,
                    config_generation,
                    trial,
                })
            }
        ),
        (any::<u32>(), any::<i64>(), any::<u64>(), any::<u64>()).prop_map(|(id, host_us, received_us, sent_us)| {
            Message::TimeSync(TimeSync { id, host_us, received_us, sent_us })
        }),
        (any::<u32>(), any::<u32>()).prop_map(|(id, value)| Message::Ack(Ack { id, value })),
        (any::<u32>(), any::<u8>(), any::<u32>()).prop_map(|(id, reason, detail)| Message::Nak(Nak {
            id,
            reason,
            detail
        })),
        any_config().prop_map(Message::Config),
        (any::<u32>(), some()).prop_map(|(id, status)| Message::SelfTest(SelfTest { id, status })),
        (any::<u8>(), any::<u8>(), any::<u32>())
            .prop_map(|(sensor, fault, faults)| Message::SensorState(SensorState { sensor, fault, faults })),
        (any::<[u32; 8]>(), some(), any::<u16>(), any::<i16>()).prop_map(
            |(
                [a, b, c, d, uart_overruns, bad_commands, turn_max_us, stack_free_bytes],
                faults,
                supply_mv,
                mcu_ddegc,
            )| {
                Message::HealthV2(HealthV2 {
                    queue_drops: [a, b, c, d],
                    uart_overruns,
                    bad_commands,
                    sensor_faults: faults,
                    turn_max_us,
                    stack_free_bytes,
                    supply_mv,
                    mcu_ddegc,
                })
            }
        ),
    ]
}

pub fn any_command() -> impl Strategy<Value = Command> {
    let plain: Vec<Command> = one_of_each_command()
        .into_iter()
        .filter(|command| postcard::to_extend(command, Vec::new()).unwrap().len() == 1)
        .collect();
    prop_oneof![
        proptest::sample::select(plain),
        any::<i64>().prop_map(Command::TimeSync),
        any_config().prop_map(Command::SetConfig),
        (any::<u32>(), any::<u32>()).prop_map(|(len, crc)| Command::FirmwareBegin(FirmwareBegin { len, crc })),
        (any::<u32>(), some()).prop_map(|(offset, data)| Command::FirmwareChunk(FirmwareChunk { offset, data })),
    ]
}

/// The frame of a command, delimiter included.
pub fn framed_command(header: CommandHeader, command: &Command) -> Vec<u8> {
    let mut out = [0_u8; MAX_COMMAND_FRAME_BYTES];
    let len = encode_command(header, command, &mut out).unwrap();
    out[..len].to_vec()
}

/// What a fresh decoder makes of these bytes, after one delimiter.
pub fn decoded_command(bytes: &[u8]) -> Vec<CommandEvent> {
    let mut events = Vec::new();
    let mut decoder = CommandDecoder::new();
    decoder.feed(&[0], |event| events.push(event));
    decoder.feed(bytes, |event| events.push(event));
    events
}

/// The frame of a message, delimiter included.
pub fn framed(header: &Header, message: &Message) -> Vec<u8> {
    let mut out = [0_u8; MAX_FRAME_BYTES];
    let len = encode(header, message, &mut out).unwrap();
    out[..len].to_vec()
}

/// What a fresh decoder makes of these bytes, after one delimiter (so that it is in step).
pub fn decoded(bytes: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut decoder = Decoder::new();
    decoder.feed(&[0], |event| events.push(event));
    decoder.feed(bytes, |event| events.push(event));
    events
}
