//! `+COPS`: the operator in use and the list of networks. 3GPP TS 27.007 §7.3.

use super::fields::{self, Unparseable};

/// Names are for people; a network has no name longer than this.
const NAME_CHARS_MAX: usize = 64;
/// Networks of a list that are kept.
const NETWORKS_MAX: usize = 32;

/// The operator in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// `<mode>`: 0 automatic, 1 manual, 2 deregistered, 3 format only, 4 manual, then automatic.
    pub mode: u8,
    /// MCC and MNC as one number, where the modem was asked for it.
    pub operator_mccmnc: Option<i64>,
    /// Long or short name otherwise.
    pub name: Option<String>,
    /// `<AcT>` as it was printed.
    pub act: Option<u8>,
}

/// One network of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// 0 unknown, 1 available, 2 current, 3 forbidden.
    pub status: u8,
    /// MCC and MNC as one number; `None` where the digits are not five or six.
    pub operator_mccmnc: Option<i64>,
    /// Long name, else the short one.
    pub name: Option<String>,
    /// `<AcT>` as it was printed.
    pub act: Option<u8>,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cops {
    InUse(Operator),
    Networks(Vec<Network>),
}

/// Reads what stands after the colon.
pub(super) fn read(rest: &str) -> Result<Cops, Unparseable> {
    if rest.trim_start().starts_with('(') {
        return Ok(Cops::Networks(networks(rest)));
    }
    let raw = fields::split(rest);
    let small = |at: usize, most: u32| {
        let text = fields::bare(raw.get(at).copied().unwrap_or(""));
        match fields::decimal(text) {
            Some(value) if value <= most => Ok(u8::try_from(value).ok()),
            None if text.is_empty() => Ok(None),
            _ => Err(Unparseable::Broken),
        }
    };
    let mode = small(0, 4)?.ok_or(Unparseable::Broken)?;
    let format = small(1, 2)?;
    let text = fields::bare(raw.get(2).copied().unwrap_or(""));
    let numeric = format == Some(2);
    Ok(Cops::InUse(Operator {
        mode,
        operator_mccmnc: if numeric { fields::operator_of(text) } else { None },
        name: if numeric { None } else { name(text) },
        act: small(3, 15)?,
    }))
}

/// Networks of a list, at most 32. Groups of another form (the supported modes and formats at the end, a torn group) are
/// passed over; `<AcT>` may also stand behind the bracket, as one maker prints it.
pub(super) fn networks(text: &str) -> Vec<Network> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, inside)) = rest.split_once('(') {
        let Some(end) = closing(inside) else { break };
        let (group, after) = (inside.get(..end).unwrap_or(""), inside.get(end + 1..).unwrap_or(""));
        rest = after;
        let parts = fields::split(group);
        let [status, long, short, numeric, more @ ..] = &parts[..] else { continue };
        let status = fields::decimal(status).filter(|status| *status <= 3).and_then(|status| u8::try_from(status).ok());
        let strings = [long, short].iter().all(|part| part.is_empty() || fields::is_quoted(part));
        let (Some(status), true, true) = (status, strings, fields::is_quoted(numeric)) else { continue };
        let behind = || after.strip_prefix(',').and_then(|text| text.split_once(')')).map(|(act, _)| act.trim());
        let act = more.first().copied().or_else(behind).and_then(fields::decimal).filter(|act| *act <= 15);
        found.push(Network {
            status,
            operator_mccmnc: fields::operator_of(fields::bare(numeric)),
            name: name(fields::bare(long)).or_else(|| name(fields::bare(short))),
            act: act.and_then(|act| u8::try_from(act).ok()),
        });
        if found.len() == NETWORKS_MAX {
            break;
        }
    }
    found
}

/// Where the bracket that is open ends, quotes apart.
fn closing(inside: &str) -> Option<usize> {
    let mut quoted = false;
    inside.bytes().position(|byte| {
        quoted ^= byte == b'"';
        byte == b')' && !quoted
    })
}

fn name(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.chars().take(NAME_CHARS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_use() {
        let read_one = |rest: &str| match read(rest).unwrap() {
            Cops::InUse(operator) => operator,
            Cops::Networks(list) => panic!("{list:?}"),
        };
        assert_eq!(read_one(r#" 0,2,"20801",7"#).operator_mccmnc, Some(20_801));
        assert_eq!(read_one(r#"0,2,"310410",13"#).act, Some(13));
        let named = read_one(r#"0, 0, "Orange F, Paris", 7"#);
        assert_eq!((named.operator_mccmnc, named.name.as_deref()), (None, Some("Orange F, Paris")));
        assert_eq!(read_one("0"), Operator { mode: 0, operator_mccmnc: None, name: None, act: None });
        for broken in ["", "5", "x", "0,3,\"20801\"", "0,2,\"20801\",99"] {
            assert_eq!(read(broken), Err(Unparseable::Broken), "{broken}");
        }
    }

    #[test]
    fn a_list_is_bounded_and_takes_what_is_whole() {
        let list = networks(&r#"(1,"A","B","20801",7),"#.repeat(50));
        assert_eq!(list.len(), NETWORKS_MAX);
        assert_eq!(networks(r#"(1,"A","B","20801",7),(2,"C","#).len(), 1);
        let long = networks(&format!(r#"(1,"{}","","20810")"#, "é".repeat(500)));
        assert_eq!(
            long.first().and_then(|one| one.name.as_ref()).map(|name| name.chars().count()),
            Some(NAME_CHARS_MAX)
        );
    }
}
