//! The sums of a check.

use serde::Serialize;

/// The account of one box, stream and epoch; or a sum of such.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Numbers given by the vehicle, as far as the lake has heard of them: the largest one, plus one. To be compared with
    /// the vehicle's own count.
    pub generated: u64,
    /// Distinct rows in the stream's table.
    pub stored: u64,
    /// Numbers whose row was stored and has left the table because of its age.
    pub expired: u64,
    /// Numbers that the vehicle gave up, of those neither stored nor expired.
    pub gaps: u64,
    /// Numbers whose row ingest refused, of those not in the sums above.
    pub refused: u64,
    /// Rows beyond the first with the same key.
    pub duplicates: u64,
    /// Numbers that nothing accounts for. On the way, while a vehicle still sends; a loss, when it says it is done.
    pub missing: u64,
}

impl Account {
    pub(crate) fn add(&mut self, other: &Self) {
        self.generated += other.generated;
        self.stored += other.stored;
        self.expired += other.expired;
        self.gaps += other.gaps;
        self.refused += other.refused;
        self.duplicates += other.duplicates;
        self.missing += other.missing;
    }

    /// Is everything accounted for exactly once?
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.missing == 0
            && self.duplicates == 0
            && self.generated == self.stored + self.expired + self.gaps + self.refused
    }
}

/// The account of one series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeriesAccount {
    /// The box.
    pub box_id: String,
    /// The stream.
    pub stream: &'static str,
    /// The epoch of the spool.
    pub epoch: i64,
    /// Its account.
    pub account: Account,
}

/// What one date holds of one stream. The date of a row is that of its partition; of a given up number that of the gap record,
/// of a refused one that of the refusal. Numbers whose explanation has expired itself, or was summed up in `quarantine`, have no
/// date: `-`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DayAccount {
    /// `YYYY-MM-DD`, or `-`.
    pub date: String,
    /// The stream.
    pub stream: &'static str,
    /// Its sums: `generated` is the sum of the others, and nothing is missing, for what is missing has no date.
    pub account: Account,
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The table.
    pub table: &'static str,
    /// A word for programs: `duplicate`, `missing_rows`, `missing_file`, `broken_file`, `missing_watermark`, `unaccounted_rows`,
    /// `lost_rows`, `missing_expired`.
    pub kind: &'static str,
    /// What exactly, for people.
    pub detail: String,
}

/// The account of a lake.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LakeCheck {
    /// One per box, stream and epoch, in this order.
    pub series: Vec<SeriesAccount>,
    /// Their sum.
    pub total: Account,
    /// Per date and stream.
    pub days: Vec<DayAccount>,
    /// Rows in `quarantine`: messages and refused rows.
    pub quarantined: u64,
    /// Of these, messages that could not be read as a batch.
    pub refused_messages: u64,
    /// Everything that is wrong, each named.
    pub violations: Vec<Violation>,
}

impl LakeCheck {
    /// Was it proved that generated = stored + expired + gaps + refused, that no key is there twice, and that rows and watermarks
    /// say the same?
    #[must_use]
    pub fn holds(&self) -> bool {
        self.total.holds() && self.violations.is_empty()
    }
}
