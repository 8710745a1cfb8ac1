//! How the vehicle moves: stop and go along the walk.

use std::collections::VecDeque;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::random::{gauss, hash, mix};
use crate::route::{Walk, Way};
use crate::sensors::body::{ODR_HZ, hole_slope};
use crate::world::{LANES, PROFILE_STEP_M, Place, World};

/// Steps of the driver per second.
pub(crate) const STEPS_PER_S: u32 = 10;
/// Body samples in one step.
pub(crate) const SAMPLES_PER_STEP: u32 = ODR_HZ / STEPS_PER_S;

const PULL_MPS2: f64 = 1.2;
const BRAKE_MPS2: f64 = 1.2;
/// The driver looks this far ahead: more than the way to stop from 13 m/s.
const LOOK_AHEAD_M: f64 = 90.0;
/// Turns are driven over about this length.
const TURN_M: f64 = 6.0;
const TURN_LATERAL_MPS2: f64 = 2.5;

/// What slows the vehicle at a place of a leg.
#[derive(Clone, Copy, Debug)]
struct Limit {
    at_m: f64,
    speed_mps: f64,
    /// How long it stands there; only where the speed is zero.
    wait_s: f64,
}

/// A street of the way, in one direction.
#[derive(Debug)]
struct Leg {
    way: Way,
    length_m: f64,
    cruise_mps: f64,
    limits: Vec<Limit>,
    /// Key of the profile of this lane in this direction, and which lane.
    profile: u64,
    lane: u64,
}

/// Where the vehicle is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position {
    pub(crate) way: Way,
    /// Metres from the street's first node, whatever the direction.
    pub(crate) at_m: f64,
}

/// The vehicle on its walk.
#[derive(Debug)]
pub(crate) struct Vehicle {
    walk: Walk,
    legs: VecDeque<Leg>,
    gone_m: f64,
    speed_mps: f64,
    accel_mps2: f64,
    angle: f64,
    yaw_radps: f64,
    wait_s: f64,
    hurry: f64,
    driven_m: f64,
}

impl Vehicle {
    pub(crate) fn new(world: &World) -> Self {
        Self {
            walk: Walk::new(&world.graph),
            legs: VecDeque::new(),
            gone_m: 0.0,
            speed_mps: 0.0,
            accel_mps2: 0.0,
            angle: 0.0,
            yaw_radps: 0.0,
            wait_s: 0.0,
            hurry: 1.0,
            driven_m: 0.0,
        }
    }

    /// Begins a round, standing, where the walk wants to begin. `hurry` scales the usual speeds.
    pub(crate) fn restart(&mut self, world: &World, hurry: f64, rng: &mut ChaCha8Rng) {
        self.legs.clear();
        self.hurry = hurry;
        (self.gone_m, self.speed_mps, self.accel_mps2, self.yaw_radps) = (0.0, 0.0, 0.0, 0.0);
        self.wait_s = f64::from(rng.random_range(5_u32..25));
        if let Some(way) = self.walk.start(&world.graph, rng) {
            self.push(world, way, rng);
            self.angle = self.course_angle(world);
        }
    }

    pub(crate) fn speed_mps(&self) -> f64 {
        self.speed_mps
    }

    pub(crate) fn angle(&self) -> f64 {
        self.angle
    }

    pub(crate) fn driven_m(&self) -> f64 {
        self.driven_m
    }

    /// Forward and lateral (to the left) acceleration of this step.
    pub(crate) fn accel_mps2(&self) -> [f64; 2] {
        [self.accel_mps2, self.speed_mps * self.yaw_radps]
    }

    pub(crate) fn position(&self) -> Option<Position> {
        let leg = self.legs.front()?;
        let at_m = if leg.way.forward { self.gone_m } else { leg.length_m - self.gone_m };
        Some(Position { way: leg.way, at_m })
    }

    /// The driver's decision for the next tenth of a second.
    pub(crate) fn steer(&mut self, world: &World, rng: &mut ChaCha8Rng) {
        const DT: f64 = 1.0 / STEPS_PER_S as f64;
        self.see(world, rng);
        if self.wait_s > 0.0 {
            self.wait_s -= DT;
            (self.speed_mps, self.accel_mps2, self.yaw_radps) = (0.0, 0.0, 0.0);
            return;
        }
        let wanted = self.allowed_mps();
        if self.wait_s > 0.0 {
            (self.speed_mps, self.accel_mps2) = (0.0, 0.0);
            return;
        }
        let wish = ((wanted - self.speed_mps) / DT).clamp(-1.9, PULL_MPS2);
        // No one steps on a pedal within a tenth of a second.
        self.accel_mps2 += (wish - self.accel_mps2).clamp(-0.6, 0.6);
        self.accel_mps2 = self.accel_mps2.max(-self.speed_mps / DT);
        let off = crate::world::turn(self.angle, self.course_angle(world));
        let limit = (TURN_LATERAL_MPS2 / self.speed_mps.max(0.5)).min(0.8);
        self.yaw_radps = (off * self.speed_mps / TURN_M).clamp(-limit, limit);
        self.angle += self.yaw_radps * DT;
    }

    /// One body sample on: moves the vehicle and gives the road's vertical velocity under its wheels.
    pub(crate) fn roll(&mut self, world: &World) -> f64 {
        const DT: f64 = 1.0 / ODR_HZ as f64;
        self.speed_mps = (self.speed_mps + self.accel_mps2 * DT).max(0.0);
        let step = self.speed_mps * DT;
        if step == 0.0 {
            return 0.0;
        }
        self.gone_m += step;
        self.driven_m += step;
        while self.legs.len() > 1 && self.legs[0].length_m <= self.gone_m {
            self.gone_m -= self.legs[0].length_m;
            self.legs.pop_front();
        }
        let Some(leg) = self.legs.front() else { return 0.0 };
        let place = &world.places[leg.way.street];
        let cell = (self.gone_m * (1.0 / PROFILE_STEP_M)) as u64;
        let mut slope = place.slope * gauss(mix(leg.profile ^ cell));
        if !place.holes.is_empty() {
            slope += holes(place, leg, self.gone_m);
        }
        slope * self.speed_mps
    }

    /// Plans legs until the look-ahead is filled.
    fn see(&mut self, world: &World, rng: &mut ChaCha8Rng) {
        let mut ahead: f64 = self.legs.iter().map(|leg| leg.length_m).sum::<f64>() - self.gone_m;
        while ahead < LOOK_AHEAD_M {
            let Some(way) = self.legs.back().map(|leg| leg.way) else { return };
            let next = self.walk.next(&world.graph, way, rng);
            self.push(world, next, rng);
            ahead += self.legs.back().map_or(LOOK_AHEAD_M, |leg| leg.length_m);
        }
    }

    fn push(&mut self, world: &World, way: Way, rng: &mut ChaCha8Rng) {
        let before = self.legs.back().map(|leg| leg.way);
        if let (Some(before), Some(leg)) = (before, self.legs.back_mut()) {
            leg.limits.extend(junction(world, before, way, rng));
        }
        let place = &world.places[way.street];
        let length_m = place.course.length_m();
        let mut limits: Vec<Limit> = place
            .course
            .bends()
            .filter(|(_, turn)| *turn > 0.6)
            .map(|(at_m, turn)| Limit {
                at_m: if way.forward { at_m } else { length_m - at_m },
                speed_mps: if turn > 1.2 { 3.5 } else { 5.5 },
                wait_s: 0.0,
            })
            .collect();
        if rng.random::<f64>() < 0.02 {
            let at_m = length_m * rng.random::<f64>();
            limits.push(Limit { at_m, speed_mps: 0.0, wait_s: rng.random_range(8.0..25.0) });
        }
        let lane = rng.random_range(0..LANES);
        let mood = rng.random_range(0.85..1.1) * self.hurry;
        self.legs.push_back(Leg {
            way,
            length_m,
            cruise_mps: (place.cruise_mps * mood).clamp(5.8, 13.0),
            limits,
            profile: hash(&[place.key, u64::from(way.forward), lane]),
            lane,
        });
    }

    /// The greatest speed that everything ahead allows. Begins a wait where the vehicle has come to a stop.
    fn allowed_mps(&mut self) -> f64 {
        let mut allowed = self.legs.front().map_or(0.0, |leg| leg.cruise_mps);
        let mut begin = -self.gone_m;
        let (speed, mut wait) = (self.speed_mps, 0.0);
        for (number, leg) in self.legs.iter_mut().enumerate() {
            if number > 0 {
                allowed = allowed.min(reach(leg.cruise_mps, begin));
            }
            leg.limits.retain(|limit| {
                let ahead = begin + limit.at_m;
                if limit.wait_s > 0.0 {
                    if ahead < 0.8 && speed < 0.45 {
                        wait = limit.wait_s;
                        return false;
                    }
                } else if ahead < 0.0 {
                    return false;
                }
                allowed = allowed.min(reach(limit.speed_mps, ahead - 0.3));
                true
            });
            begin += leg.length_m;
            if begin > LOOK_AHEAD_M {
                break;
            }
        }
        self.wait_s = wait;
        // Even before a stop line the vehicle creeps, so that it always comes to it.
        allowed.max(0.3)
    }

    /// Direction of the course where the vehicle is.
    fn course_angle(&self, world: &World) -> f64 {
        self.position().map_or(self.angle, |position| {
            let angle = world.places[position.way.street].course.angle(position.at_m);
            if position.way.forward { angle } else { angle + std::f64::consts::PI }
        })
    }
}

/// Slope of the holes under the wheels.
fn holes(place: &Place, leg: &Leg, gone_m: f64) -> f64 {
    let at_m = if leg.way.forward { gone_m } else { leg.length_m - gone_m };
    let slope: f64 = place
        .holes
        .iter()
        .enumerate()
        .filter(|(number, _)| !(leg.lane + *number as u64).is_multiple_of(LANES))
        .map(|(_, hole)| hole_slope(at_m - hole.at_m, hole.depth_m))
        .sum();
    if leg.way.forward { slope } else { -slope }
}

/// The speed from which `then_mps` is reached within `ahead_m`.
fn reach(then_mps: f64, ahead_m: f64) -> f64 {
    (then_mps * then_mps + 2.0 * BRAKE_MPS2 * ahead_m.max(0.0)).sqrt()
}

/// What the end of a leg demands.
fn junction(world: &World, from: Way, to: Way, rng: &mut ChaCha8Rng) -> Option<Limit> {
    let (a, b) = (&world.places[from.street].course, &world.places[to.street].course);
    let flip = |angle: f64, forward: bool| if forward { angle } else { angle + std::f64::consts::PI };
    let leave = flip(a.angle(if from.forward { a.length_m() } else { 0.0 }), from.forward);
    let enter = flip(b.angle(if to.forward { 0.0 } else { b.length_m() }), to.forward);
    let turn = crate::world::turn(leave, enter).abs();
    let crossing = world.graph.degree(world.graph.target(from)) >= 3;
    let (speed_mps, stops) = match turn {
        turn if turn > 2.6 => (1.5, 0.6),
        turn if turn > 0.9 => (3.5, 0.2),
        turn if turn > 0.45 => (6.0, 0.06),
        _ => (f64::INFINITY, 0.06),
    };
    let at_m = a.length_m();
    if crossing && rng.random::<f64>() < stops {
        return Some(Limit { at_m: at_m - 1.0, speed_mps: 0.0, wait_s: rng.random_range(1.5..7.0) });
    }
    speed_mps.is_finite().then_some(Limit { at_m, speed_mps, wait_s: 0.0 })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::town::Town;

    #[test]
    fn driving_is_stop_and_go_within_what_a_van_does() {
        let world = World::new(1, Town::grid(6, 6, 100.0)).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut vehicle = Vehicle::new(&world);
        vehicle.restart(&world, 1.0, &mut rng);
        let (mut standing, mut usable, mut turning) = (0, 0, 0);
        let steps = 30 * 60 * STEPS_PER_S;
        let mut before = vehicle.position().unwrap();
        for _ in 0..steps {
            vehicle.steer(&world, &mut rng);
            for _ in 0..SAMPLES_PER_STEP {
                vehicle.roll(&world);
            }
            let [forward, left] = vehicle.accel_mps2();
            assert!(forward.abs() < 2.0 && left.abs() <= TURN_LATERAL_MPS2 + 0.2, "{forward} {left}");
            assert!(vehicle.speed_mps() <= 13.2);
            standing += u32::from(vehicle.speed_mps() < 0.1);
            usable += u32::from(vehicle.speed_mps() > 20.0 / 3.6);
            turning += u32::from(vehicle.yaw_radps.abs() > 0.3);
            // Positions follow each other: no jumps.
            let now = vehicle.position().unwrap();
            let point = |position: Position| world.places[position.way.street].course.point(position.at_m);
            let (a, b) = (point(before), point(now));
            assert!((b.0 - a.0).hypot(b.1 - a.1) < 1.5);
            before = now;
        }
        let share = |count: u32| f64::from(count) / f64::from(steps);
        assert!((0.03..0.4).contains(&share(standing)), "{}", share(standing));
        assert!(share(usable) > 0.4, "{}", share(usable));
        assert!(share(turning) > 0.02, "{}", share(turning));
        assert!((8_000.0..16_000.0).contains(&vehicle.driven_m()), "{}", vehicle.driven_m());
    }
}
