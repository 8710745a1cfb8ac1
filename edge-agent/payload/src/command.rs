//! What a box is told on `down/command`.
//!
//! Retained, so one message holds every command that is not yet answered. A command has an id; ids of a box rise, and a box
//! does nothing twice: an id that is not above the last one it dealt with is answered from memory or as superseded. The
//! answers stand in its `state`, see [`crate::StateReport`], which also names the last id. Times of issue in microseconds
//! make good ids.

use prost::Message as _;

use crate::box_id::BoxId;
use crate::error::DecodeError;
use crate::limits::{MAX_WIRE_BYTES, SCHEMA_VERSION};
use crate::stream::Stream;

/// Most commands in one message.
pub const MAX_COMMANDS: usize = 64;
/// Most areas of a campaign.
pub const MAX_AREAS: usize = 64;
/// Most sensors that a profile turns off, and the most bytes of a sensor's name.
pub const MAX_OFF: usize = 32;

/// The commands of a box that are not yet answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandMessage {
    /// The box that is told.
    pub box_id: BoxId,
    /// In the order in which they are to be dealt with.
    pub commands: Vec<Command>,
}

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Above 0, below 2^63, and above every earlier one of this box.
    pub id: u64,
    /// What to do, or why the box cannot know it. One that cannot be read does not hold back the others.
    pub order: Result<Order, OrderError>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Measurements are kept from now on, or not.
    Collection {
        /// Kept.
        on: bool,
    },
    /// Where to collect, and what to send first. Replaces the campaign before.
    Campaign(Campaign),
    /// How the box samples. Replaces the profile before.
    Sampling(SamplingProfile),
    /// Say in `state` how you are.
    Diagnostics,
}

/// Where to collect, and what to send first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Campaign {
    /// Samples with a position outside of all of them are not kept. None: everywhere.
    pub areas: Vec<Area>,
    /// Streams that are sent first when there is a backlog, the higher the earlier; 0 for those that are not named.
    pub priorities: Vec<(Stream, u8)>,
}

/// A rectangle on the WGS 84 ellipsoid, 1e-7 degrees, borders included. One across the 180th meridian is two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Least latitude, −90 to 90 degrees.
    pub south_e7deg: i32,
    /// Least longitude, −180 to 180 degrees.
    pub west_e7deg: i32,
    /// Greatest latitude.
    pub north_e7deg: i32,
    /// Greatest longitude.
    pub east_e7deg: i32,
}

/// Changes to the sampling that the agent was configured with. What is none stays as configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SamplingProfile {
    /// Sensors that are off, by the names of the agent's `sampling.off`, beside those that the configuration turns off.
    pub off: Vec<String>,
    /// Acceleration samples per message of the box.
    pub accel_block: Option<u32>,
    /// Milliseconds between two fixes.
    pub gnss_period_ms: Option<u32>,
    /// Milliseconds between two readings of particulate matter.
    pub pm_period_ms: Option<u32>,
    /// Milliseconds between two readings of temperature, humidity and pressure.
    pub climate_period_ms: Option<u32>,
    /// Milliseconds between two readings of the NO2 cell.
    pub no2_period_ms: Option<u32>,
    /// Milliseconds between two pictures of a camera.
    pub thermal_period_ms: Option<u32>,
    /// Milliseconds between two health messages of the box.
    pub health_period_ms: Option<u32>,
}

/// Why a command says nothing to this reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// An order that this version does not know, or none.
    #[error("an order that this version does not know")]
    Unknown,
    /// More than one order.
    #[error("more than one order in a command")]
    Several,
    /// More areas or names than allowed.
    #[error("more areas or names than allowed")]
    TooMany,
    /// South of its south, or off the globe.
    #[error("an area whose borders are not in order or not on the globe")]
    Area,
    /// Above 255.
    #[error("a priority above 255")]
    Priority,
}

/// Why a message on `down/command` was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Its bytes.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// More than [`MAX_COMMANDS`].
    #[error("{0} commands in one message, more than allowed")]
    TooMany(usize),
    /// An id of 0, or beyond 63 bits.
    #[error("a command id is above 0 and below 2^63, not {0}")]
    Id(u64),
}

impl Area {
    /// Whether a position is within.
    #[must_use]
    pub const fn contains(&self, lat_e7deg: i64, lon_e7deg: i64) -> bool {
        self.south_e7deg as i64 <= lat_e7deg
            && lat_e7deg <= self.north_e7deg as i64
            && self.west_e7deg as i64 <= lon_e7deg
            && lon_e7deg <= self.east_e7deg as i64
    }

    const fn is_on_the_globe(&self) -> bool {
        self.south_e7deg >= -900_000_000
            && self.south_e7deg <= self.north_e7deg
            && self.north_e7deg <= 900_000_000
            && self.west_e7deg >= -1_800_000_000
            && self.west_e7deg <= self.east_e7deg
            && self.east_e7deg <= 1_800_000_000
    }
}

impl CommandMessage {
    /// The bytes of `down/command`. Commands whose order is an error are written without one.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let commands = self.commands.iter().map(CommandWire::from).collect();
        CommandMessageWire { schema_version: SCHEMA_VERSION, box_id: self.box_id.to_string(), commands }.encode_to_vec()
    }

    /// Reads the bytes of `down/command`.
    ///
    /// # Errors
    /// When the bytes are too many, no such message, of a newer schema, name no box, or hold more commands than allowed or
    /// one without an id.
    pub fn decode(bytes: &[u8]) -> Result<Self, CommandError> {
        if bytes.len() > MAX_WIRE_BYTES {
            return Err(DecodeError::TooLarge(bytes.len()).into());
        }
        let wire = CommandMessageWire::decode(bytes).map_err(|error| DecodeError::Envelope(error.to_string()))?;
        crate::batch::check_version(wire.schema_version)?;
        if wire.commands.len() > MAX_COMMANDS {
            return Err(CommandError::TooMany(wire.commands.len()));
        }
        let box_id = BoxId::new(&wire.box_id).map_err(DecodeError::from)?;
        let commands = wire.commands.into_iter().map(Command::try_from).collect::<Result<_, _>>()?;
        Ok(Self { box_id, commands })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct CommandMessageWire {
    #[prost(uint32, tag = "1")]
    schema_version: u32,
    #[prost(string, tag = "2")]
    box_id: String,
    #[prost(message, repeated, tag = "3")]
    commands: Vec<CommandWire>,
}

/// Exactly one of the orders. Not a protobuf `oneof`: of several that would silently keep the last.
#[derive(Clone, PartialEq, prost::Message)]
struct CommandWire {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(message, optional, tag = "2")]
    collection: Option<CollectionWire>,
    #[prost(message, optional, tag = "3")]
    campaign: Option<CampaignWire>,
    #[prost(message, optional, tag = "4")]
    sampling: Option<SamplingWire>,
    #[prost(message, optional, tag = "5")]
    diagnostics: Option<DiagnosticsWire>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct CollectionWire {
    #[prost(bool, tag = "1")]
    on: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct CampaignWire {
    #[prost(message, repeated, tag = "1")]
    areas: Vec<AreaWire>,
    #[prost(message, repeated, tag = "2")]
    priorities: Vec<PriorityWire>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AreaWire {
    #[prost(sint32, tag = "1")]
    south_e7deg: i32,
    #[prost(sint32, tag = "2")]
    west_e7deg: i32,
    #[prost(sint32, tag = "3")]
    north_e7deg: i32,
    #[prost(sint32, tag = "4")]
    east_e7deg: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PriorityWire {
    #[prost(uint32, tag = "1")]
    stream: u32,
    #[prost(uint32, tag = "2")]
    priority: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SamplingWire {
    #[prost(string, repeated, tag = "1")]
    off: Vec<String>,
    #[prost(uint32, optional, tag = "2")]
    accel_block: Option<u32>,
    #[prost(uint32, optional, tag = "3")]
    gnss_period_ms: Option<u32>,
    #[prost(uint32, optional, tag = "4")]
    pm_period_ms: Option<u32>,
    #[prost(uint32, optional, tag = "5")]
    climate_period_ms: Option<u32>,
    #[prost(uint32, optional, tag = "6")]
    no2_period_ms: Option<u32>,
    #[prost(uint32, optional, tag = "7")]
    thermal_period_ms: Option<u32>,
    #[prost(uint32, optional, tag = "8")]
    health_period_ms: Option<u32>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct DiagnosticsWire {}

impl From<&Command> for CommandWire {
    fn from(command: &Command) -> Self {
        let mut wire = Self { id: command.id, ..Self::default() };
        match &command.order {
            Ok(Order::Collection { on }) => wire.collection = Some(CollectionWire { on: *on }),
            Ok(Order::Campaign(campaign)) => {
                let areas = campaign.areas.iter().map(|area| AreaWire {
                    south_e7deg: area.south_e7deg,
                    west_e7deg: area.west_e7deg,
                    north_e7deg: area.north_e7deg,
                    east_e7deg: area.east_e7deg,
                });
                let priorities = campaign
                    .priorities
                    .iter()
                    .map(|(stream, priority)| PriorityWire { stream: *stream as u32, priority: u32::from(*priority) });
                wire.campaign = Some(CampaignWire { areas: areas.collect(), priorities: priorities.collect() });
            }
            Ok(Order::Sampling(profile)) => {
                wire.sampling = Some(SamplingWire {
                    off: profile.off.clone(),
                    accel_block: profile.accel_block,
                    gnss_period_ms: profile.gnss_period_ms,
                    pm_period_ms: profile.pm_period_ms,
                    climate_period_ms: profile.climate_period_ms,
                    no2_period_ms: profile.no2_period_ms,
                    thermal_period_ms: profile.thermal_period_ms,
                    health_period_ms: profile.health_period_ms,
                });
            }
            Ok(Order::Diagnostics) => wire.diagnostics = Some(DiagnosticsWire {}),
            Err(_) => {}
        }
        wire
    }
}

impl TryFrom<CommandWire> for Command {
    type Error = CommandError;

    fn try_from(wire: CommandWire) -> Result<Self, CommandError> {
        if wire.id == 0 || wire.id >> 63 != 0 {
            return Err(CommandError::Id(wire.id));
        }
        let order = match (wire.collection, wire.campaign, wire.sampling, wire.diagnostics) {
            (Some(collection), None, None, None) => Ok(Order::Collection { on: collection.on }),
            (None, Some(campaign), None, None) => campaign.read().map(Order::Campaign),
            (None, None, Some(sampling), None) => sampling.read().map(Order::Sampling),
            (None, None, None, Some(_)) => Ok(Order::Diagnostics),
            (None, None, None, None) => Err(OrderError::Unknown),
            _ => Err(OrderError::Several),
        };
        Ok(Self { id: wire.id, order })
    }
}

impl CampaignWire {
    /// Priorities of streams that this version does not know are left out.
    fn read(self) -> Result<Campaign, OrderError> {
        if self.areas.len() > MAX_AREAS || self.priorities.len() > MAX_AREAS {
            return Err(OrderError::TooMany);
        }
        let areas = self.areas.into_iter().map(|wire| Area {
            south_e7deg: wire.south_e7deg,
            west_e7deg: wire.west_e7deg,
            north_e7deg: wire.north_e7deg,
            east_e7deg: wire.east_e7deg,
        });
        let areas: Vec<Area> = areas.collect();
        if !areas.iter().all(Area::is_on_the_globe) {
            return Err(OrderError::Area);
        }
        let mut priorities = Vec::new();
        for wire in self.priorities {
            let priority = u8::try_from(wire.priority).map_err(|_| OrderError::Priority)?;
            if let Some(stream) = Stream::from_code(wire.stream) {
                priorities.push((stream, priority));
            }
        }
        Ok(Campaign { areas, priorities })
    }
}

impl SamplingWire {
    fn read(self) -> Result<SamplingProfile, OrderError> {
        if self.off.len() > MAX_OFF || self.off.iter().any(|name| name.len() > MAX_OFF) {
            return Err(OrderError::TooMany);
        }
        Ok(SamplingProfile {
            off: self.off,
            accel_block: self.accel_block,
            gnss_period_ms: self.gnss_period_ms,
            pm_period_ms: self.pm_period_ms,
            climate_period_ms: self.climate_period_ms,
            no2_period_ms: self.no2_period_ms,
            thermal_period_ms: self.thermal_period_ms,
            health_period_ms: self.health_period_ms,
        })
    }
}
