//! The reader against the model of the receiver, which was written from the data sheet without it: from power-on over
//! configuration to a reset on the road.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use tournee_devices::gnss::{Generation, MotionState, UbloxReceiver};
use tournee_drivers::gnss::{Event, Fix, Limits, Receiver};

const NOON_US: i64 = 1_795_780_800_000_000;

struct Road {
    model: UbloxReceiver,
    driver: Receiver,
    now_us: u64,
    fix: u8,
    /// Moment after noon, event.
    events: Vec<(i64, Event)>,
    edges: Vec<i64>,
    configured: u32,
    period_ms: u16,
}

impl Road {
    fn new(generation: Generation, period_ms: u16) -> Self {
        Self {
            model: UbloxReceiver::of(generation),
            driver: Receiver::new(Limits::default()),
            now_us: 0,
            fix: 0,
            events: Vec::new(),
            edges: Vec::new(),
            configured: 0,
            period_ms,
        }
    }

    /// 8 m/s to the north-east.
    fn truth(at_us: i64) -> (i32, i32) {
        (476_500_000 + (at_us / 1_000 * 5 / 10) as i32, -20_800_000 + (at_us / 1_000 * 76 / 100) as i32)
    }

    /// As the firmware would: every 10 ms, configuring once a second where that is needed.
    fn run(&mut self, for_ms: u64) {
        for _ in 0..for_ms / 10 {
            self.now_us += 10_000;
            let at = self.now_us as i64;
            let (lat_e7, lon_e7) = Self::truth(at);
            let motion = MotionState {
                utc_us: NOON_US + at,
                lat_e7,
                lon_e7,
                fix: self.fix,
                sats: 12,
                hdop_centi: 88,
                h_acc_mm: 1_500,
                speed_mmps: 8_000,
                heading_cdeg: 4_500,
            };
            self.model.set_motion(self.now_us, motion);
            let Self { model, driver, events, edges, .. } = self;
            model.poll(
                self.now_us,
                |bytes| driver.feed(bytes, |event| events.push((at, event))),
                |edge_us| edges.push(edge_us as i64),
            );
            if self.now_us.is_multiple_of(1_000_000) && driver.needs_configuration() {
                self.configured += 1;
                driver.configure(self.period_ms, |bytes| model.receive(bytes));
            }
        }
    }

    fn fixes(&self) -> Vec<(i64, Fix)> {
        let fixes = self.events.iter().filter_map(|(at, event)| match event {
            Event::Fix(fix) => Some((*at, *fix)),
            _ => None,
        });
        fixes.collect()
    }
}

#[test]
fn from_power_on_to_labelled_pulses() {
    for (generation, period_ms) in [(Generation::Eight, 1_000), (Generation::Nine, 1_000), (Generation::Ten, 200)] {
        let mut road = Road::new(generation, period_ms);
        road.run(8_000);
        assert!(road.fixes().iter().all(|(_, fix)| fix.fix == 0 && fix.utc_us == 0), "cold: {generation:?}");
        assert!(!road.driver.needs_configuration());
        road.fix = 3;
        road.run(30_000);
        assert!(road.configured <= 3, "{generation:?} {}", road.configured);
        let valid: Vec<_> = road.fixes().into_iter().filter(|(_, fix)| fix.fix > 0).collect();
        assert!(valid.len() as u64 >= 29_000 / u64::from(period_ms), "{generation:?} {}", valid.len());
        for (number, (at, fix)) in valid.iter().enumerate() {
            let epoch = fix.utc_us - NOON_US;
            assert_eq!(epoch % (i64::from(period_ms) * 1_000), 0);
            assert!((60_000..=120_000).contains(&(at - epoch)), "{at} {epoch}");
            let (lat_e7, lon_e7) = Road::truth(epoch);
            assert!(fix.lat_e7.abs_diff(lat_e7) <= 1 && fix.lon_e7.abs_diff(lon_e7) <= 1, "{fix:?} {lat_e7} {lon_e7}");
            // NAV-DOP follows NAV-PVT: the first fix has PDOP, its upper bound.
            let hdop_centi = if number == 0 { 149 } else { 88 };
            assert_eq!((fix.fix, fix.sats, fix.hdop_centi, fix.h_acc_mm), (3, 12, hdop_centi, 1_500));
            assert_eq!((fix.speed_mmps, fix.heading_cdeg), (8_000, 4_500));
        }
        // Every pulse but perhaps the first was named beforehand.
        let named: Vec<i64> = road
            .events
            .iter()
            .filter_map(|(at, event)| match event {
                Event::TimePulse { utc_us } => {
                    assert!((1..1_000_000).contains(&(utc_us - NOON_US - at)));
                    Some(utc_us - NOON_US)
                }
                _ => None,
            })
            .collect();
        assert!(road.edges.len() >= 29);
        assert!(road.edges[1..].iter().all(|edge| named.contains(edge)), "{:?} {named:?}", road.edges);
        let refused = road.driver.counters().refused_in_all();
        assert_eq!((refused, road.driver.counters().garbage_bytes), (0, 0), "{generation:?}");
    }
}

#[test]
fn a_reset_on_the_road_is_seen_and_healed() {
    let mut road = Road::new(Generation::Eight, 1_000);
    road.fix = 3;
    road.run(20_000);
    assert!(!road.driver.needs_configuration());
    let before = road.configured;
    road.model.power_cycle(road.now_us);
    road.fix = 0;
    road.run(3_000);
    road.fix = 3;
    road.run(20_000);
    assert!(road.configured > before && road.configured <= before + 3, "{before} {}", road.configured);
    assert!(!road.driver.needs_configuration());
    let late = road.fixes().into_iter().filter(|(at, fix)| *at > 33_000_000 && fix.fix == 3 && fix.h_acc_mm == 1_500);
    assert_eq!(late.count(), 10, "NAV-PVT again, each second");
    // At no time was an epoch given twice, or out of order.
    let times: Vec<i64> = road.fixes().iter().filter(|(_, fix)| fix.fix > 0).map(|(_, fix)| fix.utc_us).collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
}
