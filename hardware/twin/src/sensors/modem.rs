//! The modem: what a Quectel module answers to `AT+QENG="servingcell"`.

use std::fmt::Write;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use tournee_link::ModemLine;

use crate::world::{NO_SERVICE_DBM, Radio};

/// Fast fading that one second's mean leaves, dB.
const FADING_DB: f64 = 1.6;

/// Orange, on LTE.
const OPERATOR: &str = "208,01";
const TAC: u32 = 0x6030;

/// The line of one second.
pub(crate) fn line(radio: &Radio, at: (f64, f64), rng: &mut ChaCha8Rng) -> ModemLine {
    let mut normal = || rng.sample::<f64, _>(StandardNormal);
    let serving = radio.serving(at);
    let rsrp = serving.rsrp_dbm + FADING_DB * normal();
    let mut message = ModemLine { text: Default::default() };
    // Both texts are far shorter than a line may be, so that writing cannot fail.
    let _ = if rsrp < NO_SERVICE_DBM {
        write!(message.text, "+QENG: \"servingcell\",\"SEARCH\"")
    } else {
        // Signal over noise of the receiver (−125 dBm per subcarrier) and a part of the next cell's power.
        let noise = 10.0_f64.powf(-12.5) + 0.3 * 10.0_f64.powf(serving.other_dbm / 10.0);
        let sinr = (rsrp - 10.0 * noise.log10() + 0.8 * normal()).clamp(-10.0, 30.0);
        // Load adds up to 6 dB of wide-band power per subcarrier; 50 blocks of 12 subcarriers at 10 MHz.
        let rsrq = (-9.0 - (8.0 - sinr).max(0.0) * 0.45 + 0.6 * normal()).clamp(-19.0, -5.0);
        let blocks: f64 = if serving.mast.bandwidth == 5 { 100.0 } else { 50.0 };
        let rssi = rsrp - rsrq + 10.0 * blocks.log10();
        let mast = serving.mast;
        write!(
            message.text,
            "+QENG: \"servingcell\",\"NOCONN\",\"LTE\",\"FDD\",{OPERATOR},{:X},{},{},{},{bw},{bw},{TAC:X},{:.0},{:.0},{:.0},{:.0},{:.0}",
            mast.cell_id,
            mast.pci,
            mast.earfcn,
            mast.band,
            rsrp.max(-140.0),
            rsrq,
            rssi,
            sinr,
            (rsrp + 128.0).max(0.0),
            bw = mast.bandwidth,
        )
    };
    message
}
