//! What the line knows of the modem: its own port's answers on their way into the pipeline, and the count of what is not used.

use tournee_features::Drive;
use tournee_payload::Sample;

use super::Line;
use crate::modem::{LinkLines, Told};

impl Line {
    /// The modem has its own port: its lines over the link are not used twice.
    pub fn with_own_modem(mut self, own: bool) -> Self {
        self.own_modem = own;
        self
    }

    /// Takes what was found out at `at_us` of the clock of [`Line::feed`]; finished samples are appended to `out`.
    pub fn told(&mut self, at_us: u64, told: Told, out: &mut Vec<Sample>) {
        let first = out.len();
        let tick_us = self.ticks.at(at_us);
        let used = match (told, tick_us) {
            (Told::Unknown(lines), _) => {
                self.pipeline.set_port_unknown(lines);
                true
            }
            _ if !self.collect => {
                self.link_lines.withheld += 1;
                return;
            }
            (_, None) => false,
            (Told::Event(event), Some(tick_us)) => self.pipeline.modem_event(tick_us, event, out),
            (Told::Probe(result), Some(tick_us)) => self.pipeline.probe_result(tick_us, &result, out),
        };
        self.link_lines.without_box += u64::from(!used);
        self.settle(out, first);
    }

    /// What became of the modem's lines. The lines that were kept are copied only when there are new ones.
    pub fn link_lines(&mut self) -> &LinkLines {
        let unknown = self.pipeline.link_unknown();
        if unknown != self.link_lines.unknown {
            self.link_lines.unknown = unknown;
            self.link_lines.kept = self.pipeline.link_kept().map(str::to_owned).collect();
        }
        &self.link_lines
    }

    /// What a service probe needs to know of the vehicle.
    pub fn drive(&self) -> Drive {
        self.pipeline.drive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::LineOrders;
    use crate::steward::Steward;
    use tournee_features::mobile::dialog::Event;
    use tournee_features::mobile::parse::{Report, State};
    use tournee_features::{VehicleProfile, ids};
    use tournee_link::{BoxConfig, Header, MAX_FRAME_BYTES, Message, ModemLine, PROTO, encode};
    use tournee_payload::Stream;

    fn line(own: bool) -> Line {
        let mut profile = VehicleProfile::default();
        (profile.trim.first_m, profile.trim.last_m) = (0.0, 0.0);
        Line::new(profile, None, Steward::new(1, BoxConfig::DEFAULT)).with_own_modem(own)
    }

    fn frame(seq: u32, text: &str) -> Vec<u8> {
        let header = Header { proto: PROTO, boot_id: 9, seq, tick_us: 5_000_000 + u64::from(seq) * 1_000_000 };
        let mut out = [0; MAX_FRAME_BYTES];
        let len = encode(&header, &Message::ModemLine(ModemLine { text: text.try_into().unwrap() }), &mut out).unwrap();
        out[..len].to_vec()
    }

    fn mobile(out: &[Sample]) -> Vec<(Option<i64>, Option<i64>)> {
        let rows = out.iter().filter(|sample| sample.stream == Stream::Mobile);
        rows.map(|row| (row.get(ids::TICK_US), row.get(ids::mobile::RAT))).collect()
    }

    const SEARCH: &str = "+QENG: \"servingcell\",\"SEARCH\"";
    const LEVEL: &str = "+CESQ: 99,99,255,255,20,40";

    #[test]
    fn lines_of_the_link_are_used_only_without_an_own_port() {
        for own in [false, true] {
            let (mut line, mut out) = (line(own), Vec::new());
            line.feed(&frame(0, LEVEL), 0, &mut out);
            line.feed(&frame(1, "+QIND: what"), 1_000_000, &mut out);
            line.finish(&mut out);
            assert_eq!(mobile(&out).len(), usize::from(!own));
            let lines = line.link_lines();
            assert_eq!((lines.not_used, lines.unknown), if own { (2, 0) } else { (0, 1) });
        }
    }

    #[test]
    fn what_is_told_gets_the_tick_of_its_moment_and_nothing_is_dropped_in_silence() {
        let search = || Told::Event(Event::Report(Report::Serving(State::Search, None)));
        let (mut line, mut out) = (line(true), Vec::new());
        line.told(1_000, search(), &mut out);
        assert_eq!(line.link_lines().without_box, 1, "no box yet");
        // Another line makes the boot: 5 s of ticks at 2 s of the host.
        line.feed(&frame(0, SEARCH), 2_000_000, &mut out);
        line.told(2_700_000, search(), &mut out);
        assert_eq!(line.link_lines().without_box, 2, "frames of the modem alone are no box for the pipeline");
        assert!(mobile(&out).is_empty());
        let (mut line, mut out) = (super::tests::line(false), Vec::new());
        line.feed(&frame(0, "OK"), 2_000_000, &mut out);
        line.told(2_700_000, search(), &mut out);
        line.told(2_710_000, Told::Event(Event::Round { reports: 1 }), &mut out);
        line.told(2_710_000, Told::Unknown(7), &mut out);
        let orders = LineOrders { collect: false, areas: Vec::new(), sampling: BoxConfig::DEFAULT };
        line.obey(&orders, &mut out);
        assert_eq!(mobile(&out), [(Some(5_700_000), Some(0))]);
        let told = out
            .iter()
            .find_map(|sample| sample.get(ids::health::MODEM_UNKNOWN).filter(|_| sample.stream == Stream::Health));
        assert_eq!(told, Some(7));
        line.told(3_000_000, search(), &mut out);
        assert_eq!((line.link_lines().withheld, line.link_lines().without_box), (1, 0));
    }
}
