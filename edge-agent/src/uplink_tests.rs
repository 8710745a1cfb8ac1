use super::*;

const TIMEOUT: Duration = Duration::from_secs(300);

/// As large as it takes to be out of the way.
const LIMITS: Limits = Limits { ahead_batches: 64, watermark_timeout: TIMEOUT, catch_up_bytes_per_s: 1 << 30 };

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A spool of `batches` sealed batches of ten samples of one stream.
struct Road {
    uplink: Uplink,
    batches: u64,
}

impl Road {
    fn new(batches: u64) -> Self {
        Self { uplink: Uplink::new(&BTreeMap::new(), LIMITS), batches }
    }

    /// Fetches all that may be fetched: first sequence numbers and tokens.
    fn pump(&mut self, now: Duration) -> Vec<(u64, Token)> {
        let mut published = Vec::new();
        while let Some((stream, from)) = self.uplink.wanted(now) {
            let first_seq = from / 10 * 10;
            if stream != Stream::Air || first_seq >= self.batches * 10 {
                self.uplink.nothing_more(stream);
                continue;
            }
            match self.uplink.fetched(now, stream, Span { first_seq, end_seq: first_seq + 10 }, 1_000) {
                Verdict::Publish(token) => published.push((first_seq, token)),
                Verdict::TooLarge => {}
            }
        }
        published
    }

    fn accept(&mut self, now: Duration, published: &[(u64, Token)]) {
        for (_, token) in published {
            self.uplink.answered(now, *token, Outcome::Accepted);
        }
    }
}

fn firsts(published: &[(u64, Token)]) -> Vec<u64> {
    published.iter().map(|(first, _)| *first).collect()
}

#[test]
fn offline_nothing_is_sent_and_live_all_is() {
    let mut road = Road::new(3);
    assert_eq!(road.pump(s(0)), []);
    assert_eq!(road.uplink.phase(), Phase::Offline);
    road.uplink.connected(s(0), None);
    let sent = road.pump(s(0));
    assert_eq!(firsts(&sent), [0, 10, 20]);
    assert_eq!(road.uplink.phase(), Phase::Draining);
    road.accept(s(1), &sent);
    assert_eq!(road.uplink.phase(), Phase::Live);
}

#[test]
fn the_window_is_freed_by_pubacks_in_any_order() {
    let mut road = Road::new(40);
    road.uplink.connected(s(0), None);
    let mut sent = road.pump(s(0));
    assert_eq!(sent.len(), WINDOW_BATCHES);
    sent.reverse();
    road.accept(s(0), &sent[..5]);
    assert_eq!(firsts(&road.pump(s(0))), [160, 170, 180, 190, 200]);
}

#[test]
fn no_more_than_agreed_goes_ahead_of_the_watermark() {
    let mut road = Road::new(1_000);
    road.uplink.connected(s(0), None);
    let mut total = 0;
    loop {
        let sent = road.pump(s(0));
        if sent.is_empty() {
            break;
        }
        total += sent.len();
        road.accept(s(0), &sent);
    }
    assert_eq!(total, 64);
    road.uplink.watermark(s(1), Stream::Air, 25);
    assert_eq!(firsts(&road.pump(s(1))), [640, 650], "two whole batches are below the watermark");
}

#[test]
fn a_withheld_watermark_sends_everything_again_more_and_more_patiently() {
    let mut road = Road::new(3);
    road.uplink.connected(s(0), None);
    let sent = road.pump(s(10));
    road.accept(s(11), &sent);
    assert_eq!(road.uplink.due(s(309)), Due::Nothing, "the wait began with the first batch, at 10 s");
    assert_eq!(road.uplink.due(s(310)), Due::Rewound);
    let again = road.pump(s(310));
    assert_eq!(firsts(&again), [0, 10, 20]);
    road.accept(s(311), &again);
    assert_eq!(road.uplink.due(s(310 + 599)), Due::Nothing);
    assert_eq!(road.uplink.due(s(310 + 600)), Due::Rewound);
    let again = road.pump(s(910));
    road.accept(s(911), &again);
    road.uplink.watermark(s(912), Stream::Air, 10);
    assert_eq!(road.uplink.due(s(912 + 299)), Due::Nothing);
    assert_eq!(road.uplink.due(s(912 + 300)), Due::Rewound, "patience is as at first after progress");
    let again = road.pump(s(1_300));
    assert_eq!(firsts(&again), [10, 20], "from the watermark, not from the start");
    road.accept(s(1_300), &again);
    road.uplink.watermark(s(1_301), Stream::Air, 30);
    assert_eq!(road.uplink.due(s(999_999)), Due::Nothing, "nothing is awaited");
}

/// One batch of a stream vanishes after its PUBACK while another stream goes on without end.
#[test]
fn a_lost_batch_of_one_stream_is_sent_again_though_others_go_on() {
    let mut uplink = Uplink::new(&BTreeMap::new(), LIMITS);
    uplink.connected(s(0), None);
    let send = |uplink: &mut Uplink, now, stream, first_seq| {
        let span = Span { first_seq, end_seq: first_seq + 10 };
        let Verdict::Publish(token) = uplink.fetched(now, stream, span, 1_000) else { panic!("too large") };
        uplink.answered(now, token, Outcome::Accepted);
    };
    for first_seq in [0, 10, 20] {
        send(&mut uplink, s(0), Stream::Air, first_seq);
    }
    uplink.watermark(s(5), Stream::Air, 10);
    let mut rewound = Vec::new();
    for minute in 0..20 {
        let now = s(minute * 60);
        send(&mut uplink, now, Stream::Track, minute * 10);
        uplink.watermark(now + s(30), Stream::Track, minute * 10 + 10);
        let due = uplink.due(now + s(31));
        if due != Due::Nothing {
            assert_eq!(due, Due::Rewound);
            rewound.push(minute);
            let mut wanted = BTreeMap::new();
            while let Some((stream, from)) = uplink.wanted(now + s(31)) {
                wanted.insert(stream, from);
                uplink.nothing_more(stream);
            }
            uplink.available();
            assert_eq!(wanted[&Stream::Air], 10, "from its watermark");
            assert_eq!(wanted[&Stream::Track], minute * 10 + 10, "the other one is left alone");
            for first_seq in [10, 20] {
                send(&mut uplink, now + s(31), Stream::Air, first_seq);
            }
        }
    }
    assert_eq!(rewound, [5, 15], "after 300 s, then after 600 more");
}

#[test]
fn a_publish_that_has_just_left_does_not_cost_the_connection() {
    let mut road = Road::new(3);
    road.uplink.connected(s(0), None);
    let sent = road.pump(s(0));
    road.accept(s(0), &sent);
    road.batches = 4;
    road.uplink.available();
    assert_eq!(firsts(&road.pump(s(299))), [30]);
    assert_eq!(road.uplink.due(s(300)), Due::Rewound, "its PUBACK is not late");
    assert_eq!(firsts(&road.pump(s(300))), [0, 10, 20, 30]);
    assert_eq!(road.uplink.due(s(900)), Due::Reconnect);
}

#[test]
fn lost_pubacks_end_in_a_new_connection() {
    let mut road = Road::new(3);
    road.uplink.connected(s(0), None);
    let sent = road.pump(s(0));
    road.accept(s(0), &sent[..2]);
    assert_eq!(road.uplink.due(s(300)), Due::Reconnect);
    road.uplink.disconnected();
    assert_eq!(road.pump(s(301)), []);
    road.uplink.connected(s(302), None);
    assert_eq!(firsts(&road.pump(s(302))), [0, 10, 20]);
    road.uplink.answered(s(303), sent[2].1, Outcome::Refused(0x97));
    assert_eq!(road.pump(s(303)), [], "an answer of the old connection is for nobody");
}

/// The batches arrive and the watermark says so, but their PUBACKs never come: the window must not stay full for ever.
#[test]
fn a_window_of_lost_pubacks_ends_in_a_new_connection_though_watermarks_go_on() {
    let mut road = Road::new(40);
    road.uplink.connected(s(0), None);
    assert_eq!(road.pump(s(0)).len(), WINDOW_BATCHES);
    road.uplink.watermark(s(1), Stream::Air, 160);
    assert_eq!(road.pump(s(1)), [], "the client's own window is as full");
    assert_eq!(road.uplink.due(s(299)), Due::Nothing);
    assert_eq!(road.uplink.due(s(300)), Due::Reconnect);
    road.uplink.disconnected();
    road.uplink.connected(s(301), None);
    assert_eq!(firsts(&road.pump(s(301)))[0], 160);
}

#[test]
fn a_new_connection_starts_at_the_watermark() {
    let mut road = Road::new(5);
    road.uplink.connected(s(0), None);
    let sent = road.pump(s(0));
    road.accept(s(0), &sent);
    road.uplink.watermark(s(1), Stream::Air, 20);
    road.uplink.disconnected();
    road.uplink.connected(s(2), None);
    assert_eq!(firsts(&road.pump(s(2))), [20, 30, 40]);
    road.uplink.watermark(s(3), Stream::Air, 10);
    road.uplink.disconnected();
    road.uplink.connected(s(4), None);
    assert_eq!(firsts(&road.pump(s(4))), [20, 30, 40], "a watermark that arrives late does not go back");
}

#[test]
fn a_session_reset_sends_again_at_once_a_refusal_after_a_rest() {
    let mut road = Road::new(4);
    road.uplink.connected(s(0), None);
    let sent = road.pump(s(0));
    road.uplink.answered(s(0), sent[1].1, Outcome::Lost);
    assert_eq!(firsts(&road.pump(s(0))), [10, 20, 30]);
    let mut road = Road::new(4);
    road.uplink.connected(s(0), None);
    let sent = road.pump(s(0));
    road.uplink.answered(s(0), sent[2].1, Outcome::NoSubscriber);
    assert_eq!(road.pump(s(1)), [], "a broker without ingest is not hammered");
    assert_eq!(firsts(&road.pump(s(2))), [20, 30]);
}

#[test]
fn a_spool_that_refuses_is_asked_again_after_a_rest() {
    let mut road = Road::new(3);
    road.uplink.connected(s(0), None);
    road.uplink.later(s(0), Stream::Air, 0);
    assert_eq!(road.pump(s(1)), []);
    assert_eq!(road.uplink.phase(), Phase::Draining, "not taken for empty");
    let sent = road.pump(s(2));
    assert_eq!(firsts(&sent), [0, 10, 20]);
    // A batch that is too large is passed before it is given up; when that fails it comes again.
    let mut road = Road::new(3);
    road.uplink.connected(s(0), Some(1_015));
    let span = Span { first_seq: 0, end_seq: 10 };
    assert_eq!(road.uplink.fetched(s(0), Stream::Air, span, 1_000), Verdict::TooLarge);
    road.uplink.later(s(0), Stream::Air, 0);
    let asked = std::iter::from_fn(|| {
        let (stream, from) = road.uplink.wanted(s(2))?;
        road.uplink.nothing_more(stream);
        Some((stream, from))
    });
    assert!(asked.collect::<Vec<_>>().contains(&(Stream::Air, 0)));
}

#[test]
fn a_batch_that_the_broker_would_choke_on_is_never_published() {
    let mut uplink = Uplink::new(&BTreeMap::new(), LIMITS);
    uplink.connected(s(0), Some(1_024));
    let span = Span { first_seq: 0, end_seq: 10 };
    assert_eq!(uplink.fetched(s(0), Stream::Air, span, 1_009), Verdict::TooLarge);
    let next = Span { first_seq: 10, end_seq: 20 };
    assert!(matches!(uplink.fetched(s(0), Stream::Air, next, 1_008), Verdict::Publish(_)));
    assert_eq!(uplink.wanted(s(0)).map(|(stream, _)| stream), Some(Stream::Air));
}

#[test]
fn streams_take_turns() {
    let mut uplink = Uplink::new(&BTreeMap::from([(Stream::Track, 7)]), LIMITS);
    uplink.connected(s(0), None);
    let mut turns = Vec::new();
    for at in 0..10 {
        let (stream, from) = uplink.wanted(s(0)).unwrap();
        turns.push(stream);
        uplink.fetched(s(0), stream, Span { first_seq: from, end_seq: from + 1 + at }, 10);
    }
    assert_eq!(turns[..8], Stream::ALL);
    assert_eq!(turns[8..], Stream::ALL[..2]);
}

#[test]
fn a_stream_of_higher_priority_goes_first_and_equals_take_turns() {
    let mut uplink = Uplink::new(&BTreeMap::new(), LIMITS);
    uplink.connected(s(0), None);
    uplink.prioritise(BTreeMap::from([(Stream::Thermal, 9), (Stream::Air, 9), (Stream::Road, 3)]));
    let mut turns = Vec::new();
    for at in 0..6 {
        let (stream, from) = uplink.wanted(s(0)).unwrap();
        turns.push(stream);
        uplink.fetched(s(0), stream, Span { first_seq: from, end_seq: from + 1 + at }, 10);
        if at == 3 {
            uplink.nothing_more(Stream::Air);
            uplink.nothing_more(Stream::Thermal);
        }
    }
    let [air, thermal, road] = [Stream::Air, Stream::Thermal, Stream::Road];
    assert_eq!(turns, [air, thermal, air, thermal, road, road]);
    uplink.prioritise(BTreeMap::new());
    assert_ne!(uplink.wanted(s(0)).unwrap().0, road, "without priorities every stream has its turn again");
}

/// A day offline, in virtual time: 600 batches of 16 KiB at 64 KiB/s, a watermark a second after each batch.
#[test]
fn a_backlog_leaves_at_the_agreed_rate_over_reconnections_too() {
    const BATCH_BYTES: usize = 16_384;
    let limits = Limits { ahead_batches: 512, catch_up_bytes_per_s: 65_536, ..LIMITS };
    let mut road = Road { uplink: Uplink::new(&BTreeMap::new(), limits), batches: 600 };
    let mut left = Vec::new();
    let mut now = Duration::ZERO;
    while road.uplink.phase() != Phase::Live && now < s(1_000) {
        if now.as_millis().is_multiple_of(20_000) {
            road.uplink.disconnected();
            road.uplink.connected(now, None);
        }
        while let Some((stream, from)) = road.uplink.wanted(now) {
            if stream != Stream::Air || from >= road.batches * 10 {
                road.uplink.nothing_more(stream);
                continue;
            }
            let span = Span { first_seq: from, end_seq: from + 10 };
            let Verdict::Publish(token) = road.uplink.fetched(now, stream, span, BATCH_BYTES) else { panic!() };
            road.uplink.answered(now, token, Outcome::Accepted);
            left.push((now, span.end_seq));
        }
        let committed = left.iter().filter(|(at, _)| *at + s(1) <= now).map(|(_, end)| *end).max();
        road.uplink.watermark(now, Stream::Air, committed.unwrap_or(0));
        now += Duration::from_millis(250);
    }
    assert_eq!(road.uplink.phase(), Phase::Live, "it arrives");
    assert_eq!(left.iter().map(|(_, end)| *end).max(), Some(6_000));
    for (at, (from, _)) in left.iter().enumerate() {
        let window = left[at..].iter().take_while(|(until, _)| *until < *from + s(10)).count();
        assert!(
            window * BATCH_BYTES <= 262_144 + 10 * 65_536 + BATCH_BYTES,
            "{window} batches in ten seconds from {from:?}"
        );
    }
    // 9.6 MB less the burst, and what the seven reconnections sent twice: the bytes of at most 1.25 s each.
    let least = Duration::from_secs((600 * BATCH_BYTES as u64 - 262_144) / 65_536);
    assert!(now > least - s(1) && now < least + s(12), "{now:?}, at least {least:?}");
}

/// Watermarks that come late, twice, out of order, or not at all, over connections that break; some batches are given up.
/// Stored and gaps together are what was generated, and nothing is stored twice that the lake has not seen twice.
#[test]
fn withheld_and_reordered_watermarks_lose_nothing() {
    let mut road = Road::new(60);
    let mut lake = std::collections::BTreeSet::new();
    let mut gaps = std::collections::BTreeSet::new();
    let mut withheld = VecDeque::new();
    let mut now = s(0);
    for step in 0..400_u64 {
        now += s(7);
        if step % 31 == 0 {
            road.uplink.disconnected();
            road.uplink.connected(now, Some(1_500));
        }
        if road.uplink.due(now) == Due::Reconnect {
            road.uplink.disconnected();
            road.uplink.connected(now, Some(1_500));
        }
        while let Some((stream, from)) = road.uplink.wanted(now) {
            let first_seq = from / 10 * 10;
            if stream != Stream::Air || first_seq >= 600 {
                road.uplink.nothing_more(stream);
                continue;
            }
            let bytes = if first_seq % 70 == 0 { 1_501 } else { 1_000 };
            match road.uplink.fetched(now, stream, Span { first_seq, end_seq: first_seq + 10 }, bytes) {
                Verdict::TooLarge => drop(gaps.insert(first_seq)),
                Verdict::Publish(token) => {
                    // Every third time the broker forgets what it acknowledged.
                    let lost = (step + first_seq / 10) % 3 == 0;
                    road.uplink.answered(now, token, Outcome::Accepted);
                    if !lost {
                        lake.insert(first_seq);
                    }
                }
            }
        }
        let next = (0..).map(|n| n * 10).find(|first| !lake.contains(first) && !gaps.contains(first)).unwrap();
        withheld.push_front(next);
        if step % 5 == 4 {
            // The newest first, then the old ones.
            while let Some(old) = withheld.pop_front() {
                road.uplink.watermark(now, Stream::Air, old);
            }
        }
    }
    assert_eq!(lake.len() + gaps.len(), 60);
    assert_eq!(gaps.len(), 9, "0, 70, ..., 560");
    assert!(lake.is_disjoint(&gaps));
    assert_eq!(road.uplink.phase(), Phase::Live);
}

mod random {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Seal(u8),
        Pump,
        Answer { at: u8, outcome: u8 },
        Commit,
        Break,
        Connect,
        Wait(u16),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (1..20u8).prop_map(Step::Seal),
            Just(Step::Pump),
            (any::<u8>(), 0..8u8).prop_map(|(at, outcome)| Step::Answer { at, outcome }),
            Just(Step::Commit),
            Just(Step::Break),
            Just(Step::Connect),
            (1..2_000u16).prop_map(Step::Wait),
        ];
        prop::collection::vec(step, 1..120)
    }

    proptest! {
        /// Whatever a broker does, a lake that commits what reached it gets everything once the storm is over.
        #[test]
        fn everything_arrives_in_the_end(steps in steps()) {
            let mut road = Road::new(0);
            let mut now = s(0);
            let mut flying: Vec<(u64, Token)> = Vec::new();
            let mut broker = std::collections::BTreeSet::new();
            let mut lake = std::collections::BTreeSet::new();
            let mut sealed = 0;
            let contiguous = |lake: &std::collections::BTreeSet<u64>| (0..).map(|n| n * 10).find(|f| !lake.contains(f)).unwrap();
            for step in steps {
                match step {
                    Step::Seal(n) => {
                        sealed += u64::from(n);
                        road.batches = sealed;
                        road.uplink.available();
                    }
                    Step::Pump => flying.extend(road.pump(now)),
                    Step::Answer { at, outcome } if !flying.is_empty() => {
                        let (first, token) = flying.remove(usize::from(at) % flying.len());
                        let outcome = match outcome {
                            0 => Outcome::NoSubscriber,
                            1 => Outcome::Refused(0x97),
                            2 => Outcome::Lost,
                            _ => { broker.insert(first); Outcome::Accepted }
                        };
                        road.uplink.answered(now, token, outcome);
                    }
                    Step::Answer { .. } => {}
                    Step::Commit => {
                        lake.append(&mut broker);
                        road.uplink.watermark(now, Stream::Air, contiguous(&lake));
                    }
                    Step::Break => { road.uplink.disconnected(); flying.clear(); broker.clear(); }
                    Step::Connect => { flying.clear(); road.uplink.connected(now, None); }
                    Step::Wait(seconds) => {
                        now += s(u64::from(seconds));
                        if road.uplink.due(now) == Due::Reconnect { road.uplink.disconnected(); flying.clear(); }
                    }
                }
                prop_assert!(flying.len() <= 2 * WINDOW_BATCHES);
            }
            road.uplink.disconnected();
            road.uplink.connected(now, None);
            for _ in 0..200 {
                now += s(3);
                let sent = road.pump(now);
                road.accept(now, &sent);
                lake.extend(sent.iter().map(|(first, _)| *first));
                road.uplink.watermark(now, Stream::Air, contiguous(&lake));
            }
            prop_assert_eq!(lake.len() as u64, sealed);
            prop_assert_eq!(road.uplink.phase(), Phase::Live);
        }
    }
}
