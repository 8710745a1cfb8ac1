//! What goes wrong in a seed, and when: in seconds that the boxes have driven and in steps that a worker has made, so that
//! the plan of a seed is the same on a fast and on a slow machine.

use super::{DRIVE_S, Dice, FLEETS, WORKERS};

/// Lives of a worker that have faults of their own; later ones are healthy.
pub const LIVES: usize = 3;

/// Who is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The vehicles of one process.
    Fleet(usize),
    /// A worker.
    Worker(usize),
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// SIGKILL of a process with its vehicles.
    KillFleet(usize),
    /// SIGKILL of a worker.
    KillWorker(usize),
    /// SIGKILL of the broker: what it held in memory is gone.
    KillBroker,
    /// SIGKILL of the maintenance.
    KillMaintenance,
    /// The TCP connections end, in the middle of a message.
    Cut(Who),
    /// Nothing moves, from here to [`Event::Heal`].
    Hold(Who),
    /// No connection, from here to [`Event::Heal`].
    Refuse(Who),
    /// What was held or refused passes again.
    Heal(Who),
}

/// The plan of a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// The broker writes its sessions and queues to disk, and comes back with an old copy of them.
    pub broker_persists: bool,
    /// `TOURNEE_FAIL` of each worker's first lives; none: a healthy life.
    pub lives: [[Option<String>; LIVES]; WORKERS],
    /// The same for the second and third run of the maintenance; the first finds little to do.
    pub maintenance: Option<String>,
    /// Seconds driven, and what happens then; in order.
    pub events: Vec<(u32, Event)>,
    /// What happens after the boxes' last second, while the vehicles empty their spools.
    pub late: Vec<Event>,
}

/// Points of a commit at which a worker ends, each in turn: before and after every step.
pub const STEPS: [&str; 9] = [
    "before_parquet",
    "before_object",
    "before_commit",
    "store_written",
    "after_commit",
    "before_ack",
    "before_watermark",
    "after_watermark",
    "store_write",
];
/// Points of the maintenance at which it ends, each in turn. Nothing is old enough to be deleted in so short a time.
pub const MAINTENANCE_STEPS: [&str; 3] = ["before_rewrite", "before_rewrite_commit", "after_rewrite_commit"];
/// Tables that every drive fills.
const TABLES: [&str; 5] = ["*", "air", "track", "health", "mobile"];

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed.wrapping_mul(0x5851_f42d_4c95_7f2d) ^ 0x0074_6f75_726e_6565);
        let turn = usize::try_from(seed % (STEPS.len() as u64 * WORKERS as u64)).unwrap_or_default();
        let mut lives: [[Option<String>; LIVES]; WORKERS] = Default::default();
        for (worker, lives) in lives.iter_mut().enumerate() {
            for (life, rules) in lives.iter_mut().enumerate() {
                // Over eighteen seeds each worker ends at each step in its first life; what is later is chance.
                let step = if life == 0 { turn / WORKERS + worker * 4 } else { dice.place(STEPS.len()) };
                let first = life == 0 && worker == turn % WORKERS;
                if first || dice.one_in(2) {
                    let crash = crash(&mut dice, STEPS[step % STEPS.len()], first);
                    let store = if dice.one_in(2) { format!(",{}", store_fault(&mut dice)) } else { String::new() };
                    *rules = Some(format!("on-purpose,{crash}{store}"));
                } else if dice.one_in(2) {
                    *rules = Some(format!("on-purpose,{}", store_fault(&mut dice)));
                }
            }
        }
        let mut events = Vec::new();
        let at = |dice: &mut Dice, from: u32, to: u32| {
            u32::try_from(dice.between(u64::from(from), u64::from(to))).unwrap_or(from)
        };
        for worker in 0..WORKERS {
            if dice.one_in(2) {
                events.push((at(&mut dice, 30, DRIVE_S), Event::KillWorker(worker)));
            }
        }
        if dice.one_in(2) {
            events.push((at(&mut dice, 30, DRIVE_S), Event::KillBroker));
        }
        for _ in 0..dice.between(1, 3) {
            events.push((at(&mut dice, 30, DRIVE_S - 20), Event::KillFleet(dice.place(FLEETS))));
        }
        for _ in 0..dice.between(2, 5) {
            events.push((at(&mut dice, 30, DRIVE_S), Event::Cut(who(&mut dice))));
        }
        if dice.one_in(3) {
            let (who, from) = (who(&mut dice), at(&mut dice, 30, DRIVE_S - 60));
            let begin = if dice.one_in(2) { Event::Hold(who) } else { Event::Refuse(who) };
            events.push((from, begin));
            events.push((from + at(&mut dice, 10, 50), Event::Heal(who)));
        }
        for _ in 0..dice.between(1, 3) {
            events.push((at(&mut dice, 60, DRIVE_S), Event::KillMaintenance));
        }
        events.sort_by_key(|(second, _)| *second);
        let mut late = vec![match dice.place(4) {
            0 => Event::KillBroker,
            1 => Event::Cut(who(&mut dice)),
            _ => Event::KillWorker(dice.place(WORKERS)),
        }];
        if dice.one_in(3) {
            late.push(Event::Cut(who(&mut dice)));
        }
        let step = MAINTENANCE_STEPS[usize::try_from(seed % 3).unwrap_or_default()];
        let maintenance = dice.one_in(2).then(|| format!("on-purpose,{step}:*:{}", dice.between(1, 3)));
        Self { seed, broker_persists: dice.one_in(3), lives, maintenance, events, late }
    }
}

/// A rule that ends the process at a step. `surely`: early enough to be reached in every drive.
fn crash(dice: &mut Dice, step: &str, surely: bool) -> String {
    // The points of the acknowledgement are of no table, and come once a commit.
    let of_no_table = matches!(step, "before_ack" | "before_watermark" | "after_watermark");
    let table = if of_no_table { "*" } else { TABLES[dice.place(TABLES.len())] };
    let nth = dice.between(1, if surely { 3 } else { 7 });
    format!("{step}:{table}:{nth}")
}

/// A rule by which the store misbehaves and the process lives on.
fn store_fault(dice: &mut Dice) -> String {
    let table = TABLES[dice.place(TABLES.len())];
    let first = dice.between(1, 12);
    let range = format!("{first}-{}", first + dice.between(0, 3));
    match dice.place(4) {
        0 => format!("store_write:{table}:{range}=error"),
        1 => format!("store_written:{table}:{range}=error"),
        2 => format!("after_link:{table}:{}=error", dice.between(1, 4)),
        _ => format!("store_write:{table}:{range}=slow-{}", dice.between(20, 400)),
    }
}

fn who(dice: &mut Dice) -> Who {
    if dice.one_in(2) { Who::Worker(dice.place(WORKERS)) } else { Who::Fleet(dice.place(FLEETS)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_plan() {
        for seed in 0..200 {
            let plan = Plan::new(seed);
            assert_eq!(plan, Plan::new(seed));
            assert!(plan.events.is_sorted_by_key(|(second, _)| *second));
            assert!(plan.events.iter().all(|(second, _)| *second < DRIVE_S));
            assert!(!plan.late.is_empty() && plan.lives.iter().flatten().any(Option::is_some));
        }
        assert_ne!(Plan::new(1).events, Plan::new(2).events);
    }

    #[test]
    fn eighteen_seeds_end_each_worker_at_each_step() {
        for worker in 0..WORKERS {
            for step in STEPS {
                let planned = |seed| {
                    let [first, ..] = &Plan::new(seed).lives[worker];
                    first.as_ref().is_some_and(|rules| rules.contains(&format!("on-purpose,{step}:")))
                };
                assert!((0..18).any(planned), "worker {worker}, {step}");
            }
        }
    }

    #[test]
    fn workers_understand_every_plan() {
        for seed in 0..500 {
            let plan = Plan::new(seed);
            for rules in plan.lives.iter().flatten().flatten().chain(&plan.maintenance) {
                tournee_ingest::FailPlan::parse(rules).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            }
        }
    }
}
