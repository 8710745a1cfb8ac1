//! What is asked, and how answers end. 3GPP TS 27.007 for the `+C` commands and error numbers (§9.2), V.250 for the rest;
//! `+QENG` is Quectel's.

/// Is anybody there.
pub(super) const SYNC: &str = "AT\r";
pub(super) const ECHO_OFF: &str = "ATE0\r";
pub(super) const NUMBERED_ERRORS: &str = "AT+CMEE=1\r";
pub(super) const SIM: &str = "AT+CPIN?\r";

/// Once after each start: no echo, errors as numbers, a SIM, the operator as digits, registrations with the cell. A PIN is
/// never entered: the SIM of a box has none, and three wrong ones lock it.
pub(super) const SET_UP: &[&str] =
    &[ECHO_OFF, NUMBERED_ERRORS, SIM, "AT+COPS=3,2\r", "AT+CREG=2\r", "AT+CGREG=2\r", "AT+CEREG=2\r", "AT+C5GREG=2\r"];

/// One question of a round.
#[derive(Debug)]
pub(super) struct Ask {
    pub command: &'static str,
    /// Changes rarely.
    pub slow: bool,
}

/// A round. The serving cell stands first: with it the others may be slow.
pub(super) const ASK: [Ask; 8] = [
    Ask { command: "AT+QENG=\"servingcell\"\r", slow: false },
    Ask { command: "AT+CESQ\r", slow: false },
    Ask { command: "AT+CSQ\r", slow: false },
    Ask { command: "AT+CEREG?\r", slow: false },
    Ask { command: "AT+C5GREG?\r", slow: true },
    Ask { command: "AT+CGREG?\r", slow: true },
    Ask { command: "AT+CREG?\r", slow: true },
    Ask { command: "AT+COPS?\r", slow: true },
];

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Final {
    Ok,
    /// No network service, or none that answers.
    NoNetwork,
    /// No SIM, or one that wants a PIN or fails.
    NoSim,
    /// The modem does not know the command.
    NotKnown,
    Error,
}

pub(super) fn final_result(line: &str) -> Option<Final> {
    if let Some(reason) = line.strip_prefix("+CME ERROR:").or_else(|| line.strip_prefix("+CMS ERROR:")) {
        return Some(reason_of(reason.trim(), line.starts_with("+CMS")));
    }
    match line {
        "OK" => Some(Final::Ok),
        "ERROR" | "ABORTED" => Some(Final::Error),
        _ => None,
    }
}

/// Numbers of +CME ERROR, and its words where the modem does not number.
fn reason_of(reason: &str, of_messages: bool) -> Final {
    if of_messages {
        return Final::Error;
    }
    match reason.parse::<u32>() {
        Ok(30 | 31) => Final::NoNetwork,
        // Not inserted, PIN, PUK, failure, busy, wrong, PIN2, PUK2.
        Ok(10..=18) => Final::NoSim,
        Ok(4) => Final::NotKnown,
        Ok(_) => Final::Error,
        Err(_) => {
            let is = |words: &[&str]| words.iter().any(|word| reason.eq_ignore_ascii_case(word));
            if is(&["no network service", "network timeout"]) {
                Final::NoNetwork
            } else if reason.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("SIM")) {
                Final::NoSim
            } else if is(&["operation not supported"]) {
                Final::NotKnown
            } else {
                Final::Error
            }
        }
    }
}

/// Lines by which modems announce their start.
pub(super) fn is_start(line: &str) -> bool {
    matches!(line, "RDY" | "APP RDY" | "^SYSSTART")
}

/// Lines by which modems announce their end.
pub(super) fn is_stop(line: &str) -> bool {
    matches!(line, "POWERED DOWN" | "NORMAL POWER DOWN" | "^SHUTDOWN")
}

pub(super) fn is_echo(line: &str) -> bool {
    line.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("AT"))
}

/// Whether a line is the one that the command asks for: it begins with the command's own name. Registration lines that
/// come by themselves look alike, save for their missing `<n>`; taking one for the answer does no harm.
pub(super) fn answers(command: &str, line: &str) -> bool {
    let name = command.strip_prefix("AT").unwrap_or(command);
    let name = name.trim_end().trim_end_matches('?');
    let name = name.split_once('=').map_or(name, |(name, _)| name);
    name.starts_with('+') && line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with(':'))
}

/// `+CPIN: READY`, or what else the SIM wants.
pub(super) fn sim_ready(line: &str) -> Option<bool> {
    let (head, rest) = line.split_once(':')?;
    (head.trim() == "+CPIN").then(|| rest.trim().trim_matches('"') == "READY")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_answers() {
        let of = |line: &str| final_result(line);
        assert_eq!((of("OK"), of("ERROR"), of("OKAY")), (Some(Final::Ok), Some(Final::Error), None));
        assert_eq!((of("+CME ERROR: 30"), of("+CME ERROR:10")), (Some(Final::NoNetwork), Some(Final::NoSim)));
        assert_eq!((of("+CME ERROR: 4"), of("+CME ERROR: 100")), (Some(Final::NotKnown), Some(Final::Error)));
        assert_eq!(of("+CME ERROR: SIM not inserted"), Some(Final::NoSim));
        assert_eq!(of("+CME ERROR: No network service"), Some(Final::NoNetwork));
        assert_eq!(of("+CMS ERROR: 30"), Some(Final::Error));
    }

    #[test]
    fn which_line_answers_which_command() {
        assert!(answers("AT+QENG=\"servingcell\"\r", "+QENG: \"servingcell\",\"SEARCH\""));
        assert!(answers("AT+CREG?\r", "+CREG: 2,1") && answers("AT+CSQ\r", "+CSQ:17,99"));
        assert!(!answers("AT+CREG?\r", "+CGREG: 2,1") && !answers("AT\r", "+CREG: 1") && !answers("ATE0\r", "E0: 1"));
        assert_eq!((sim_ready("+CPIN: READY"), sim_ready("+CPIN: \"SIM PIN\"")), (Some(true), Some(false)));
        assert_eq!(sim_ready("+CSQ: READY"), None);
    }
}
