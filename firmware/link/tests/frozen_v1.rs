//! Frozen: what protocol 1 looks like on the wire. Boxes in the field speak these bytes. If this test fails, revert
//! your change rather than edit a vector: a changed message is a new variant, a new layout a new protocol number.
//! (The vectors were checked byte by byte against a second encoder, written from the postcard and COBS documents.)

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{decoded, decoded_command, framed, framed_command, one_of_each, one_of_each_command};
use tournee_link::*;

const HEADER: Header = Header { proto: 1, boot_id: 0xdead_beef, seq: 300, tick_us: 5_000_000_000 };

const FRAMES: [&str; 11] = [
    "0e01effdb6f50dac0280e497d0121a05312e322e3308626f782d303030310467343734014523f7c800",
    "2e01effdb6f50dac0280e497d012018080d7a1eee7a30603095fb281b8c603c3a8f113c4138d418ed401a762b19200",
    "1b01effdb6f50dac0280e497d012028089d1a2eee7a3069014de5100",
    "1201effdb6f50dac0280e497d0120390037a030201108a8001fe01ffff03feff03decdd6f300",
    "0f01effdb6f50dac0280e497d01204095178be0151f543aa00",
    "0f01effdb6f50dac0280e497d012050cad03ae44cd970633bab24200",
    "0f01effdb6f50dac0280e497d0120607af03ce1e87b700",
    "0f01effdb6f50dac0280e497d012070bc0cf248fe5228732712900",
    "1801effdb6f50dac0280e497d0120801ac02058407039f1f08ffff039523eda200",
    "3101effdb6f50dac0280e497d012091d2b51454e473a202273657276696e6763656c6c222c22534541524348229f29b9f500",
    "1a01effdb6f50dac0280e497d0120a0102ac02846b09f57311b100",
];

const HELLO_REQUEST: &str = "0401ac020519c78b7e00";

/// The variants that came after those, checked in the same way against another encoder: Python, written from the postcard
/// specification (varints, zigzag, length prefixes), a bitwise CRC-32C and COBS; it also gave three of the frames above.
const LATER_FRAMES: [&str; 8] = [
    "3801effdb6f50dac0280e497d0120b05322e302e3108643661303563633108626f782d303030320471656d750201130cf0a20401e8db118d00",
    "2701effdb6f50dac0280e497d0120cac02ffffd6a1eee7a306e4e497d012fae597d012aabc8d4100",
    "1a01effdb6f50dac0280e497d0120d8180808008c0015142252000",
    "1801effdb6f50dac0280e497d0120e7f03808001e1f4c67300",
    "2401effdb6f50dac0280e497d0120f01810110c80102fc117f8001f403e0d4031ed4c15d00",
    "1201effdb6f50dac0280e497d0121080010502010709ff22958eba00",
    "1701effdb6f50dac0280e497d012110406ac02d550301400",
    "0f01effdb6f50dac0280e497d012120801ac02f0a2040502030111ac0290cb018020846bffff035329526200",
];

const COMMANDS: [&str; 12] = [
    "0401ac020519c78b7e00",
    "1101ac02018089e6a1eee7a306cefb33dc00",
    "0901ac0202eeb7b09f00",
    "1a01ac020309fe0310c80102fc117f8001f403e0d403b34258c900",
    "0901ac0204065011b900",
    "0901ac020505d37a4b00",
    "1101ac0206c0a907effdb6f50d8076c58f00",
    "0801ac0207800305020107ff7edddfeb9a00",
    "0901ac0208d69f52f400",
    "0901ac0209d51c390600",
    "0901ac020a21ef691500",
    "0901ac020b226c02e700",
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn messages_are_written_as_ever() {
    let written: Vec<String> = one_of_each().iter().map(|message| hex(&framed(&HEADER, message))).collect();
    assert_eq!(written, [&FRAMES[..], &LATER_FRAMES].concat(), "{written:#?}");
}

#[test]
fn messages_are_read_as_ever() {
    for (frame, message) in FRAMES.iter().chain(&LATER_FRAMES).zip(one_of_each()) {
        assert_eq!(decoded(&bytes(frame)), vec![Event::Frame { header: HEADER, message }]);
    }
}

#[test]
fn commands_are_as_ever() {
    let mut out = [0_u8; MAX_COMMAND_FRAME_BYTES];
    let header = CommandHeader { proto: 1, id: 300 };
    let len = encode_command(header, &Command::HelloRequest, &mut out).unwrap();
    assert_eq!(hex(&out[..len]), HELLO_REQUEST);
    let mut events = Vec::new();
    CommandDecoder::new().feed(&bytes(HELLO_REQUEST), |event| events.push(event));
    assert_eq!(events, vec![CommandEvent::Frame { header, command: Command::HelloRequest }]);
}

#[test]
fn all_commands_are_as_ever() {
    let header = CommandHeader { proto: 1, id: 300 };
    let written: Vec<String> =
        one_of_each_command().iter().map(|command| hex(&framed_command(header, command))).collect();
    assert_eq!(written, COMMANDS, "{written:#?}");
    for (frame, command) in COMMANDS.iter().zip(one_of_each_command()) {
        assert_eq!(decoded_command(&bytes(frame)), vec![CommandEvent::Frame { header, command }]);
    }
}
