//! The files of TLS: readable, of this box, in force. Read as the uplink reads them.

use super::Finding;
use crate::certificate::CertificateState as State;
use crate::config::AgentConfig;
use crate::tls;

pub fn check(config: &AgentConfig) -> Finding {
    let files = &config.mqtt.tls;
    if !files.is_on() {
        return Finding::ok("certificate", "none: the broker is on this machine and spoken to in plain text");
    }
    let (state, _) = tls::load(files, &config.box_id, tls::now_s());
    judge(&state, tls::key_is_open(files))
}

fn judge(state: &State, open_key: bool) -> Finding {
    let text = state.to_string();
    match state {
        State::Valid(_) | State::NotUsed if !open_key => Finding::ok("certificate", text),
        State::Valid(_) | State::NotUsed => Finding::warn(
            "certificate",
            format!("{text}, but everybody on this machine can read its key"),
            "chmod 0600 the file of mqtt.tls.key, owned by the agent's user",
        ),
        State::NearExpiry(_) => Finding::warn("certificate", text, "no restart is needed when the file is replaced"),
        State::Expired(_) => Finding::fail(
            "certificate",
            text,
            "samples are kept until then; no restart is needed when the file is replaced",
        ),
        State::NotYetValid(_) => Finding::fail("certificate", text, "compare with the line of the clock above"),
        State::OtherBox { .. } => {
            Finding::fail("certificate", text, "install the files that were made for this box, or correct box_id")
        }
        State::Unreadable(_) => Finding::fail(
            "certificate",
            text,
            "put the three PEM files of mqtt.tls in place, readable by the agent's user",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::certificate::Certificate;

    #[test]
    fn what_stops_the_uplink_fails() {
        let it = || Certificate { common_name: "van-01".to_owned(), from_s: 0, until_s: 1 };
        let verdict = |state: &State, open| judge(state, open).verdict;
        assert_eq!(verdict(&State::Valid(it()), false), Verdict::Ok);
        assert_eq!(verdict(&State::Valid(it()), true), Verdict::Warn);
        assert_eq!(verdict(&State::NearExpiry(it()), false), Verdict::Warn);
        let failures = [
            State::Expired(it()),
            State::NotYetValid(it()),
            State::OtherBox { common_name: "van-02".to_owned() },
            State::Unreadable("no file".to_owned()),
        ];
        assert!(failures.iter().all(|state| verdict(state, false) == Verdict::Fail));
    }
}
