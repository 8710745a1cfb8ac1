//! `MAX_FRAME_BYTES` is what the types can grow to, and not less.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{decoded_command, framed, framed_command, one_of_each, one_of_each_command, text};
use tournee_link::*;

const FULL: Header = Header { proto: PROTO, boot_id: u32::MAX, seq: u32::MAX, tick_us: u64::MAX };

/// The greatest message of every variant.
fn greatest(message: Message) -> Message {
    let w = "w".repeat(MODEM_LINE_MAX);
    match message {
        Message::Hello(_) => Message::Hello(Hello {
            firmware: text(&w[..24]),
            serial: text(&w[..24]),
            board: text(&w[..16]),
            reset_cause: u8::MAX,
        }),
        Message::Gnss(_) => Message::Gnss(Gnss {
            utc_us: i64::MIN,
            fix: u8::MAX,
            sats: u8::MAX,
            hdop_centi: u16::MAX,
            lat_e7: i32::MIN,
            lon_e7: i32::MIN,
            h_acc_mm: u32::MAX,
            speed_mmps: u32::MAX,
            heading_cdeg: u16::MAX,
        }),
        Message::Pps(_) => Message::Pps(Pps { utc_us: i64::MIN }),
        Message::Accel(_) => Message::Accel(Accel {
            odr_hz: u16::MAX,
            scale_ug: u16::MAX,
            lost: u16::MAX,
            samples: heapless::Vec::from_slice(&[[i16::MIN; 3]; ACCEL_BLOCK_MAX]).unwrap(),
        }),
        Message::Pm(_) => {
            Message::Pm(Pm { status: 255, pm1_dugm3: u16::MAX, pm25_dugm3: u16::MAX, pm10_dugm3: u16::MAX })
        }
        Message::Climate(_) => {
            Message::Climate(Climate { status: 255, temp_cdegc: i16::MIN, rh_cpct: u16::MAX, pressure_pa: u32::MAX })
        }
        Message::Co2(_) => Message::Co2(Co2 { status: 255, ppm: u16::MAX }),
        Message::No2(_) => Message::No2(No2 { status: 255, we_uv: i32::MIN, ae_uv: i32::MIN }),
        Message::Thermal(_) => Message::Thermal(Thermal {
            camera: 255,
            frame: u16::MAX,
            chunk: 255,
            ambient_cdegc: i16::MIN,
            pixels_cdegc: heapless::Vec::from_slice(&[i16::MIN; THERMAL_CHUNK_MAX]).unwrap(),
        }),
        Message::ModemLine(_) => Message::ModemLine(ModemLine { text: text(&w) }),
        Message::Health(_) => Message::Health(Health {
            queue_drops: u32::MAX,
            uart_overruns: u32::MAX,
            bus_errors: u32::MAX,
            supply_mv: u16::MAX,
            mcu_ddegc: i16::MIN,
        }),
        Message::HelloV2(_) => Message::HelloV2(HelloV2 {
            firmware: text(&w[..24]),
            commit: text(&w[..16]),
            serial: text(&w[..24]),
            board: text(&w[..16]),
            reset_cause: u8::MAX,
            proto_oldest: u8::MAX,
            messages: u8::MAX,
            commands: u8::MAX,
            config_generation: u32::MAX,
            trial: u8::MAX,
        }),
        Message::TimeSync(_) => {
            Message::TimeSync(TimeSync { id: u32::MAX, host_us: i64::MIN, received_us: u64::MAX, sent_us: u64::MAX })
        }
        Message::Ack(_) => Message::Ack(Ack { id: u32::MAX, value: u32::MAX }),
        Message::Nak(_) => Message::Nak(Nak { id: u32::MAX, reason: u8::MAX, detail: u32::MAX }),
        Message::Config(_) => Message::Config(GREATEST_CONFIG),
        Message::SelfTest(_) => {
            Message::SelfTest(SelfTest { id: u32::MAX, status: heapless::Vec::from_slice(&[255; 16]).unwrap() })
        }
        Message::SensorState(_) => {
            Message::SensorState(SensorState { sensor: u8::MAX, fault: u8::MAX, faults: u32::MAX })
        }
        Message::HealthV2(_) => Message::HealthV2(HealthV2 {
            queue_drops: [u32::MAX; 4],
            uart_overruns: u32::MAX,
            bad_commands: u32::MAX,
            sensor_faults: heapless::Vec::from_slice(&[u32::MAX; 16]).unwrap(),
            turn_max_us: u32::MAX,
            stack_free_bytes: u32::MAX,
            supply_mv: u16::MAX,
            mcu_ddegc: i16::MIN,
        }),
    }
}

const GREATEST_CONFIG: BoxConfig = BoxConfig {
    generation: u32::MAX,
    enabled: u16::MAX,
    accel_block: u8::MAX,
    gnss_period_ms: u16::MAX,
    pm_part: u8::MAX,
    pm_period_ms: u16::MAX,
    climate_period_ms: u16::MAX,
    no2_period_ms: u16::MAX,
    thermal_period_ms: u16::MAX,
    health_period_ms: u16::MAX,
};

/// The greatest command of every variant.
fn greatest_command(command: Command) -> Command {
    match command {
        Command::TimeSync(_) => Command::TimeSync(i64::MIN),
        Command::SetConfig(_) => Command::SetConfig(GREATEST_CONFIG),
        Command::FirmwareBegin(_) => Command::FirmwareBegin(FirmwareBegin { len: u32::MAX, crc: u32::MAX }),
        Command::FirmwareChunk(_) => Command::FirmwareChunk(FirmwareChunk {
            offset: u32::MAX,
            data: heapless::Vec::from_slice(&[0xff; FIRMWARE_CHUNK_MAX]).unwrap(),
        }),
        Command::HelloRequest
        | Command::GetConfig
        | Command::SelfTest
        | Command::Reboot
        | Command::FirmwareEnd
        | Command::FirmwareCommit
        | Command::FirmwareConfirm
        | Command::Hang => command,
    }
}

#[test]
fn the_greatest_command_has_room_and_is_read() {
    let header = CommandHeader { proto: PROTO, id: u32::MAX };
    let mut longest = 0;
    for command in one_of_each_command().into_iter().map(greatest_command) {
        let frame = framed_command(header, &command);
        longest = longest.max(frame.len());
        assert_eq!(decoded_command(&frame), vec![CommandEvent::Frame { header, command }]);
    }
    // Proto, id, variant, offset, length, image, check sum; one byte of COBS and the delimiter.
    assert_eq!(longest, (1 + 5) + (1 + 5 + 2 + FIRMWARE_CHUNK_MAX) + 4 + 1 + 1);
    assert!(longest <= MAX_COMMAND_FRAME_BYTES);
    let overlong = [&[1; MAX_COMMAND_FRAME_BYTES][..], &[0]].concat();
    assert_eq!(decoded_command(&overlong), vec![CommandEvent::Bad(BadFrame::TooLong)]);
}

#[test]
fn the_greatest_frame_of_all_is_the_constant() {
    let lengths: Vec<usize> =
        one_of_each().into_iter().map(|message| framed(&FULL, &greatest(message)).len()).collect();
    assert_eq!(lengths.iter().max(), Some(&MAX_FRAME_BYTES), "{lengths:?}");
}

#[test]
fn the_greatest_frame_is_read_and_one_byte_more_is_not() {
    let message = greatest(one_of_each().remove(8));
    let frame = framed(&FULL, &message);
    assert_eq!(common::decoded(&frame), vec![Event::Frame { header: FULL, message }]);
    let mut longer = frame;
    longer.insert(0, 1);
    assert_eq!(common::decoded(&longer), vec![Event::Bad(BadFrame::TooLong)]);
}

#[test]
fn the_number_of_variants_is_right() {
    // A new variant must be added to `one_of_each`, to the frozen bytes and to the constant.
    assert_eq!(one_of_each().len(), MESSAGE_VARIANTS as usize);
    for (number, message) in one_of_each().iter().enumerate() {
        assert_eq!(usize::from(postcard::to_extend(message, Vec::new()).unwrap()[0]), number);
    }
    assert_eq!(one_of_each_command().len(), COMMAND_VARIANTS as usize);
    for (number, command) in one_of_each_command().iter().enumerate() {
        assert_eq!(usize::from(postcard::to_extend(command, Vec::new()).unwrap()[0]), number);
    }
    let beyond = postcard::from_bytes::<Message>(&[MESSAGE_VARIANTS as u8; 64]);
    assert!(beyond.is_err(), "{beyond:?}");
    let beyond = postcard::from_bytes::<Command>(&[COMMAND_VARIANTS as u8; 64]);
    assert!(beyond.is_err(), "{beyond:?}");
}

#[test]
fn the_check_sum_is_crc32c_and_may_come_in_pieces() {
    // The check value of CRC-32/ISCSI in the catalogue of parametrised CRC algorithms, and RFC 3720, B.4: 32 bytes of 0 and of 1s.
    assert_eq!(checksum(b"123456789"), 0xe306_9283);
    assert_eq!((checksum(&[0; 32]), checksum(&[0xff; 32])), (0x8a91_36aa, 0x62a8_ab43));
    let bytes: Vec<u8> = (0..=255).cycle().take(1_000).collect();
    for piece in [1, 7, 192, 999] {
        let mut sum = Checksum::new();
        bytes.chunks(piece).for_each(|bytes| sum.update(bytes));
        assert_eq!(sum.finish(), checksum(&bytes), "{piece}");
    }
}
