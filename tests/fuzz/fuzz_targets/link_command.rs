//! The host's side of the link, down to the box's dispatch: no bytes from a line make a box do what it must not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tournee_fuzz::{in_slices, link_frame, split_way};
use tournee_link::{
    BoxConfig, BoxService, CommandDecoder, CommandEvent, Dispatcher, FirmwareBegin, FirmwareChunk,
    MAX_COMMAND_FRAME_BYTES, Message, NakReason, Refusal, encode_command,
};

fuzz_target!(|data: &[u8]| {
    let Some((framed, rest)) = split_way(data) else { return };
    // Framed, one command after another: the first byte of each is its length.
    let mut line = vec![0];
    let mut contents = rest;
    while let (true, [len, rest @ ..]) = (framed, contents) {
        let (payload, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        line.extend(link_frame(payload));
        contents = rest;
    }
    if !framed {
        line.extend(rest);
    }
    let (mut at_once, mut in_parts) = (Vec::new(), Vec::new());
    CommandDecoder::new().feed(&line, |event| at_once.push(event));
    let mut decoder = CommandDecoder::new();
    in_slices(&line, |slice| decoder.feed(slice, |event| in_parts.push(event)));
    assert_eq!(at_once, in_parts, "slices do not matter");

    let mut dispatcher = Dispatcher::new();
    let mut service = Strict::default();
    for (now_us, event) in (0..).zip(&at_once) {
        let sent = service.sent;
        dispatcher.handle(event, now_us, &mut service);
        match event {
            CommandEvent::Frame { header, command } => {
                assert!(service.sent > sent, "every command is answered");
                let mut frame = [0; MAX_COMMAND_FRAME_BYTES];
                let len = encode_command(*header, command, &mut frame).expect("every command has room in a frame");
                let mut again = Vec::new();
                CommandDecoder::new().feed(&frame[..len], |event| again.push(event));
                assert_eq!(again, std::slice::from_ref(event));
            }
            CommandEvent::Unknown { .. } => assert_eq!(service.sent, sent + 1),
            CommandEvent::Bad(_) | CommandEvent::NewerProto { .. } => assert_eq!(service.sent, sent),
        }
    }
});

/// A box that minds what it is asked to do.
#[derive(Default)]
struct Strict {
    sent: u32,
    config: Option<BoxConfig>,
    expected: u32,
    len: u32,
}

impl BoxService for Strict {
    fn send(&mut self, _message: Message) {
        self.sent += 1;
    }

    fn hello(&mut self) {
        self.sent += 1;
    }

    fn config(&mut self) -> BoxConfig {
        self.config.unwrap_or(BoxConfig::DEFAULT)
    }

    fn set_config(&mut self, config: &BoxConfig) {
        assert_eq!(config.check(), Ok(()), "only a checked configuration comes here");
        self.config = Some(*config);
    }

    fn self_test(&mut self, _id: u32) -> Result<(), Refusal> {
        Ok(())
    }

    fn reboot(&mut self) -> Result<(), Refusal> {
        Ok(())
    }

    fn firmware_begin(&mut self, begin: &FirmwareBegin) -> Result<u32, Refusal> {
        (self.expected, self.len) = (0, begin.len);
        Ok(0)
    }

    fn firmware_chunk(&mut self, chunk: &FirmwareChunk) -> Result<u32, Refusal> {
        if chunk.offset != self.expected {
            return Err(Refusal { reason: NakReason::Offset, detail: self.expected });
        }
        self.expected = self.expected.saturating_add(chunk.data.len() as u32).min(self.len);
        Ok(self.expected)
    }

    fn firmware_end(&mut self) -> Result<u32, Refusal> {
        Ok(self.len)
    }

    fn firmware_commit(&mut self) -> Result<u32, Refusal> {
        Ok(self.len)
    }

    fn firmware_confirm(&mut self) -> Result<u32, Refusal> {
        Ok(0)
    }

    fn hang(&mut self) -> Result<(), Refusal> {
        Err(Refusal { reason: NakReason::Unsupported, detail: 0 })
    }
}
