//! The box's certificate: whose it is, and until when. Pure: the clock is an argument.
//!
//! Only what the agent itself has to know is read here. Whether a certificate is good, the broker decides; whether the
//! broker's is, rustls does.

use std::fmt;

use tournee_features::calibration::Date;
use tournee_payload::BoxId;

use crate::certificate_der;

const DAY_S: i64 = 86_400;
/// An end of validity that is nearer is told. A van may be in the workshop for two weeks.
const NEAR_S: i64 = 30 * DAY_S;

/// What stands in a certificate. Times are seconds since 1970 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The common name of its subject.
    pub common_name: String,
    /// Valid from then on.
    pub from_s: i64,
    /// Valid until then.
    pub until_s: i64,
}

/// Why a file holds no certificate of a box.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not PEM, or without a certificate.
    #[error("no PEM certificate in it")]
    None,
    /// A certificate that cannot be read.
    #[error("its certificate cannot be read")]
    Broken,
    /// No common name, several, or one that is not text.
    #[error("its certificate has not exactly one common name")]
    CommonName,
}

/// How it is with the certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CertificateState {
    /// The broker is on this machine and TLS was not asked for.
    #[default]
    NotUsed,
    /// A file cannot be read; the text names it and says why.
    Unreadable(String),
    /// It is that of another box.
    OtherBox {
        /// Whose it is.
        common_name: String,
    },
    /// Not valid yet, by the clock of this machine.
    NotYetValid(Certificate),
    /// Valid.
    Valid(Certificate),
    /// Valid for less than 30 days.
    NearExpiry(Certificate),
    /// Not valid any more, by the clock of this machine.
    Expired(Certificate),
}

/// Reads a certificate, DER.
///
/// # Errors
/// When it cannot be read, or does not have exactly one common name.
pub fn read(der: &[u8]) -> Result<Certificate, CertificateError> {
    let fields = certificate_der::read(der).ok_or(CertificateError::Broken)?;
    let [Some(common_name)] = fields.common_names.as_slice() else { return Err(CertificateError::CommonName) };
    Ok(Certificate { common_name: (*common_name).to_owned(), from_s: fields.not_before_s, until_s: fields.not_after_s })
}

impl CertificateState {
    /// How a certificate that was read is for this box, now.
    #[must_use]
    pub fn of(certificate: Certificate, box_id: &BoxId, now_s: i64) -> Self {
        if certificate.common_name != box_id.as_str() {
            return Self::OtherBox { common_name: certificate.common_name };
        }
        if now_s < certificate.from_s {
            Self::NotYetValid(certificate)
        } else if now_s > certificate.until_s {
            Self::Expired(certificate)
        } else if certificate.until_s.saturating_sub(now_s) < NEAR_S {
            Self::NearExpiry(certificate)
        } else {
            Self::Valid(certificate)
        }
    }

    /// The same certificate at another time.
    #[must_use]
    pub fn at(self, box_id: &BoxId, now_s: i64) -> Self {
        match self {
            Self::NotYetValid(it) | Self::Valid(it) | Self::NearExpiry(it) | Self::Expired(it) => {
                Self::of(it, box_id, now_s)
            }
            other => other,
        }
    }

    /// Whether somebody has to do something.
    #[must_use]
    pub const fn is_trouble(&self) -> bool {
        !matches!(self, Self::NotUsed | Self::Valid(_))
    }

    /// Whether it may be shown to a broker. One that is out of its time may: the clock here may be the one that is wrong,
    /// and the broker has its own.
    #[must_use]
    pub const fn is_of_this_box(&self) -> bool {
        !matches!(self, Self::Unreadable(_) | Self::OtherBox { .. })
    }

    /// End of validity, seconds since 1970 UTC.
    #[must_use]
    pub const fn until_s(&self) -> Option<i64> {
        match self {
            Self::NotYetValid(it) | Self::Valid(it) | Self::NearExpiry(it) | Self::Expired(it) => Some(it.until_s),
            Self::NotUsed | Self::Unreadable(_) | Self::OtherBox { .. } => None,
        }
    }
}

/// A day, or the bare count of seconds outside of the years that have names here.
struct Day(i64);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Date::from_unix_s(self.0) {
            Some(date) => write!(f, "{date}"),
            None => write!(f, "second {} of 1970", self.0),
        }
    }
}

impl fmt::Display for CertificateState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUsed => f.write_str("no certificate is used"),
            Self::Unreadable(why) => f.write_str(why),
            Self::OtherBox { common_name } => write!(f, "the certificate is that of {common_name:?}, not of this box"),
            Self::NotYetValid(it) => write!(
                f,
                "the certificate of this box is valid from {} on; is the clock of this machine right?",
                Day(it.from_s)
            ),
            Self::Valid(it) => write!(f, "the certificate of this box is valid until {}", Day(it.until_s)),
            Self::NearExpiry(it) => {
                write!(f, "the certificate of this box ends on {}: put a new one in place", Day(it.until_s))
            }
            Self::Expired(it) => {
                write!(f, "the certificate of this box ended on {}: put a new one in place", Day(it.until_s))
            }
        }
    }
}

/// Says once a day that something is to be done, and at once when it becomes something else.
#[derive(Debug, Default)]
pub(crate) struct Reminder {
    last: Option<(CertificateState, i64)>,
}

impl Reminder {
    /// Whether to say it now.
    pub fn is_due(&mut self, state: &CertificateState, now_s: i64) -> bool {
        if !state.is_trouble() {
            self.last = None;
            return false;
        }
        // A clock that was set back must not silence it.
        let due =
            self.last.as_ref().is_none_or(|(said, at_s)| said != state || !(*at_s..*at_s + DAY_S).contains(&now_s));
        if due {
            self.last = Some((state.clone(), now_s));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};

    fn der(names: &[&str]) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (at, name) in names.iter().enumerate() {
            // rcgen keeps one value per type: the second goes in under the same identifier by its numbers.
            let kind = if at == 0 { DnType::CommonName } else { DnType::CustomDnType(vec![2, 5, 4, 3]) };
            params.distinguished_name.push(kind, *name);
        }
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2027, 1, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    const FROM_S: i64 = 1_767_225_600;
    const UNTIL_S: i64 = 1_798_761_600;

    fn van() -> (Certificate, BoxId) {
        (
            Certificate { common_name: "van-01".to_owned(), from_s: FROM_S, until_s: UNTIL_S },
            BoxId::new("van-01").unwrap(),
        )
    }

    #[test]
    fn name_and_times_are_read() {
        assert_eq!(read(&der(&["van-01"])), Ok(van().0));
    }

    #[test]
    fn what_is_no_certificate_of_a_box_is_refused() {
        assert_eq!(read(b""), Err(CertificateError::Broken));
        assert_eq!(read(&der(&[])), Err(CertificateError::CommonName));
        assert_eq!(read(&der(&["van-01", "van-02"])), Err(CertificateError::CommonName));
        assert_eq!(read(&[0x30, 0x03, 0x02, 0x01, 0x01]), Err(CertificateError::Broken));
    }

    #[test]
    fn states_follow_the_clock() {
        let (certificate, box_id) = van();
        let at = |now_s| CertificateState::of(certificate.clone(), &box_id, now_s);
        assert!(matches!(at(0), CertificateState::NotYetValid(_)));
        assert!(matches!(at(FROM_S), CertificateState::Valid(_)));
        assert!(matches!(at(UNTIL_S - NEAR_S), CertificateState::Valid(_)));
        assert!(matches!(at(UNTIL_S - NEAR_S + 1), CertificateState::NearExpiry(_)));
        assert!(matches!(at(UNTIL_S), CertificateState::NearExpiry(_)));
        assert!(matches!(at(UNTIL_S + 1), CertificateState::Expired(_)));
        assert!(at(FROM_S).at(&box_id, UNTIL_S + 1).to_string().contains("ended on 2027-01-01"));
        let other = CertificateState::of(certificate, &BoxId::new("van-1").unwrap(), FROM_S);
        assert!(!other.is_of_this_box() && other.to_string().contains("\"van-01\""), "{other}");
    }

    #[test]
    fn a_reminder_comes_daily_and_with_every_change() {
        let (certificate, box_id) = van();
        let mut reminder = Reminder::default();
        let mut said = Vec::new();
        for hour in 0..24 * 40 {
            let now_s = UNTIL_S - 35 * DAY_S + hour * 3_600;
            if reminder.is_due(&CertificateState::of(certificate.clone(), &box_id, now_s), now_s) {
                said.push(hour);
            }
        }
        // Near from day 5 on (one hour after it, "less than" 30 days), over one hour after day 35.
        let expected = (0..30).map(|day| 5 * 24 + 1 + day * 24).chain((0..5).map(|day| 35 * 24 + 1 + day * 24));
        assert_eq!(said, expected.collect::<Vec<_>>());
        let back = UNTIL_S - DAY_S;
        assert!(reminder.is_due(&CertificateState::of(certificate, &box_id, back), back), "a clock set back");
    }
}
