//! The chaos harness of ingest: vehicles, a broker and workers under faults that a seed decides, and the account at the end.
//!
//! Real parts only: the agent's own library over pseudo-terminals with a recorded box on each, Debian's Mosquitto, `tournee
//! ingest`, `tournee lake maintain`. Between the clients and the broker stand TCP proxies of this process, which cut.

mod account;
mod boxes;
mod broker;
mod cast;
mod dice;
mod part;
mod plan;
mod proxy;
mod seed;

pub use account::Account;
pub use boxes::Recordings;
pub use dice::Dice;
pub use plan::{Event, MAINTENANCE_STEPS, Plan, STEPS, Who};
pub use seed::{Consumer, Outcome, run_seed};

/// Vehicles of a seed.
pub const VEHICLES: usize = 52;
/// Processes that hold them.
pub const FLEETS: usize = 4;
/// Vehicles of one process.
pub const PER_FLEET: usize = VEHICLES / FLEETS;
/// Workers; each owns half of the shards.
pub const WORKERS: usize = 2;
/// Seconds of the box that a seed drives.
pub const DRIVE_S: u32 = 150;

/// The name of a vehicle.
#[must_use]
pub fn box_id(vehicle: usize) -> String {
    format!("chaos-{vehicle:02}")
}
