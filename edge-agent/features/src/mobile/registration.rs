//! `+CREG`, `+CGREG`, `+CEREG`, `+C5GREG`: registration and where. 3GPP TS 27.007 §7.2, §10.1.20, §10.1.22, §10.1.47.

use super::fields::{self, Unparseable};
use super::qeng::Rat;

/// Which registration a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// `+CREG`: circuit switched.
    Circuit = 0,
    /// `+CGREG`: packet switched, 2G and 3G.
    Packet = 1,
    /// `+CEREG`: LTE.
    Eps = 2,
    /// `+C5GREG`: 5G core.
    FiveG = 3,
}

/// The parameter `<stat>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not registered and not searching.
    Off = 0,
    /// Registered at home.
    Home = 1,
    /// Not registered, searching.
    Searching = 2,
    /// Refused by the network.
    Denied = 3,
    /// Unknown, for example out of coverage.
    Unknown = 4,
    /// Registered, roaming.
    Roaming = 5,
    /// Registered for SMS only, at home.
    SmsHome = 6,
    /// Registered for SMS only, roaming.
    SmsRoaming = 7,
    /// Attached for emergency bearers only.
    Emergency = 8,
    /// Registered at home, circuit switched fall-back not preferred.
    CsfbHome = 9,
    /// Registered roaming, circuit switched fall-back not preferred.
    CsfbRoaming = 10,
    /// Attached for restricted local operator services only.
    RestrictedLocal = 11,
}

impl Status {
    fn from_stat(stat: u32) -> Option<Self> {
        const ALL: [Status; 12] = [
            Status::Off,
            Status::Home,
            Status::Searching,
            Status::Denied,
            Status::Unknown,
            Status::Roaming,
            Status::SmsHome,
            Status::SmsRoaming,
            Status::Emergency,
            Status::CsfbHome,
            Status::CsfbRoaming,
            Status::RestrictedLocal,
        ];
        usize::try_from(stat).ok().and_then(|at| ALL.get(at).copied())
    }

    /// Whether the network serves this SIM as a subscriber: emergency and restricted local service is none.
    #[must_use]
    pub fn is_registered(self) -> bool {
        matches!(
            self,
            Self::Home | Self::Roaming | Self::SmsHome | Self::SmsRoaming | Self::CsfbHome | Self::CsfbRoaming
        )
    }

    /// Whether data may pass: not in a registration for SMS only.
    #[must_use]
    pub fn allows_data(self) -> bool {
        matches!(self, Self::Home | Self::Roaming | Self::CsfbHome | Self::CsfbRoaming)
    }
}

/// What a registration line says. Absent or unreadable parts are `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Which registration.
    pub domain: Domain,
    /// `<n>` of the answer to a question; `None` in a line that came by itself.
    pub mode: Option<u8>,
    /// `<stat>`.
    pub status: Status,
    /// `<lac>` or `<tac>`: location or tracking area code.
    pub area: Option<i64>,
    /// `<ci>`: cell identity, up to 36 bits.
    pub cell_id: Option<i64>,
    /// `<AcT>` as it was printed.
    pub act: Option<u8>,
}

impl Registration {
    /// Technology of `<AcT>`.
    #[must_use]
    pub fn rat(&self) -> Option<Rat> {
        self.act.and_then(rat_of_act)
    }
}

/// Technology of an `<AcT>` value (TS 27.007 §7.3): 7 E-UTRAN, 9 NB-IoT, 10 LTE on a 5G core, 11 and 12 NR, 13 LTE
/// with NR beside it.
#[must_use]
pub fn rat_of_act(act: u8) -> Option<Rat> {
    Some(match act {
        0 | 1 | 3 | 8 => Rat::Gsm,
        2 | 4..=6 => Rat::Umts,
        7 | 9 | 10 => Rat::Lte,
        11 | 12 => Rat::NrSa,
        13 => Rat::NrNsa,
        _ => return None,
    })
}

/// The largest `<n>` of the four commands (+CGREG).
const MODE_MAX: u32 = 7;
const ACT_MAX: u32 = 15;
/// Digits of a 24-bit tracking area code and of a 36-bit NR cell identity.
const AREA_DIGITS: usize = 6;
const CELL_DIGITS: usize = 9;

/// Reads what stands after the colon.
///
/// An answer is `<n>,<stat>,…`, a line by itself `<stat>,…`, and both lack their end at will. Told apart by the second
/// field: an area code is a string, or four digits where the modem leaves the quotes away; a status has at most three
/// digits (some modems pad it), or four where the area code after it has quotes.
pub(super) fn read(domain: Domain, rest: &str) -> Result<Registration, Unparseable> {
    let raw = fields::split(rest);
    let first = raw.first().and_then(|text| fields::decimal(text)).ok_or(Unparseable::Broken)?;
    let is_status = |text: &str| {
        let next_quoted = raw.get(2).is_some_and(|next| fields::is_quoted(next));
        text.len() <= if next_quoted { 4 } else { 3 }
    };
    let second = raw.get(1).filter(|text| is_status(text)).and_then(|text| fields::decimal(text));
    let (mode, stat, place) = match second {
        Some(stat) if first <= MODE_MAX => (u8::try_from(first).ok(), stat, raw.get(2..)),
        Some(_) => return Err(Unparseable::Broken),
        None => (None, first, raw.get(1..)),
    };
    let status = Status::from_stat(stat).ok_or(Unparseable::Broken)?;
    let place: Vec<&str> = place.unwrap_or(&[]).iter().map(|field| fields::bare(field)).collect();
    let at = |index: usize| place.get(index).copied().unwrap_or("");
    let act = |text: &str| {
        fields::decimal(text).filter(|act| text.len() <= 3 && *act <= ACT_MAX).and_then(|act| u8::try_from(act).ok())
    };
    // Some firmware puts a routing area code of two digits between area and cell.
    let routing = act(at(2)).is_none()
        && (1..=2).contains(&at(1).len())
        && at(2).len() > 2
        && fields::hex_digits(at(2), CELL_DIGITS).is_some();
    let (cell, act) = if routing { (at(2), act(at(3))) } else { (at(1), act(at(2))) };
    Ok(Registration {
        domain,
        mode,
        status,
        area: fields::hex_digits(at(0), AREA_DIGITS),
        cell_id: fields::hex_digits(cell, CELL_DIGITS),
        act,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rest: &str) -> (Option<u8>, Status, Option<i64>, Option<i64>, Option<u8>) {
        let read = read(Domain::Eps, rest).unwrap();
        (read.mode, read.status, read.area, read.cell_id, read.act)
    }

    #[test]
    fn answers_and_lines_by_themselves() {
        assert_eq!(of("0,1"), (Some(0), Status::Home, None, None, None));
        assert_eq!(of(" 2 "), (None, Status::Searching, None, None, None));
        let place = (Some(0x603), Some(0x0767_6A09), Some(7));
        assert_eq!(of(r#"2,5,"0603","07676A09",7"#), (Some(2), Status::Roaming, place.0, place.1, place.2));
        assert_eq!(of(r#"1,"0603","07676A09",7"#), (None, Status::Home, place.0, place.1, place.2));
        // A rejection: no place, a cause that nobody keeps.
        assert_eq!(of("3,3,,,,0,15"), (Some(3), Status::Denied, None, None, None));
        assert_eq!(of(r#"2,8,"","",11"#), (Some(2), Status::Emergency, None, None, Some(11)));
    }

    #[test]
    fn what_is_no_registration() {
        for broken in ["", "x", "-1", "0,12", "12", "8,1", "\"1\"", "99999999999", "1,99"] {
            assert_eq!(read(Domain::Circuit, broken), Err(Unparseable::Broken), "{broken}");
        }
    }

    #[test]
    fn registered_is_not_the_same_as_attached() {
        let registered: Vec<u32> =
            (0..12).filter(|stat| Status::from_stat(*stat).is_some_and(Status::is_registered)).collect();
        assert_eq!(registered, [1, 5, 6, 7, 9, 10]);
        let data: Vec<u32> = (0..12).filter(|stat| Status::from_stat(*stat).is_some_and(Status::allows_data)).collect();
        assert_eq!(data, [1, 5, 9, 10]);
        assert!((0..12).all(|stat| Status::from_stat(stat).is_some_and(|status| status as u32 == stat)));
    }
}
