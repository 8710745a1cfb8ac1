use super::*;
use proptest::prelude::*;
use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair, date_time_ymd};

/// Written by another hand: rcgen.
fn certificate(names: &[DnValue], from: (i32, u8, u8), until: (i32, u8, u8)) -> Vec<u8> {
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "FR");
    for (at, name) in names.iter().enumerate() {
        // rcgen keeps one value per type: the second goes in under the same identifier by its numbers.
        let kind = if at == 0 { DnType::CommonName } else { DnType::CustomDnType(vec![2, 5, 4, 3]) };
        params.distinguished_name.push(kind, name.clone());
    }
    params.distinguished_name.push(DnType::OrganizationName, "x".repeat(200));
    params.not_before = date_time_ymd(from.0, from.1, from.2);
    params.not_after = date_time_ymd(until.0, until.1, until.2);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

fn utf8(name: &str) -> DnValue {
    DnValue::Utf8String(name.to_owned())
}

#[test]
fn names_and_times_are_those_that_were_written() {
    // UTCTime ends with 2049, GeneralizedTime begins with 2050 (RFC 5280, section 4.1.2.5).
    for (from, until, from_s, until_s) in [
        ((1970, 1, 1), (2049, 12, 31), 0, 2_524_521_600),
        ((2024, 2, 29), (2050, 1, 1), 1_709_164_800, 2_524_608_000),
        ((1955, 5, 5), (9999, 12, 31), 0, 253_402_214_400),
    ] {
        let der = certificate(&[utf8("van-01")], from, until);
        let fields = read(&der).unwrap();
        assert_eq!(fields, Fields { common_names: vec![Some("van-01")], not_before_s: from_s, not_after_s: until_s });
    }
    let printable = DnValue::PrintableString("van-02".try_into().unwrap());
    let der = certificate(&[printable, utf8("van-03")], (2020, 1, 1), (2030, 1, 1));
    assert_eq!(read(&der).unwrap().common_names, [Some("van-02"), Some("van-03")]);
    let wide = DnValue::BmpString("van-04".try_into().unwrap());
    assert_eq!(read(&certificate(&[wide], (2020, 1, 1), (2030, 1, 1))).unwrap().common_names, [None]);
}

#[test]
fn lengths_and_times_at_their_limits() {
    let mut long = Der(&[0x04, 0x82, 0x00, 0x01, 0xaa, 0x05, 0x00]);
    assert_eq!((long.value(), long.value(), long.value()), (Some((4, &[0xaa][..])), Some((5, &[][..])), None));
    let too_long = [0x30, 0x84, 0xff, 0xff, 0xff, 0xff];
    for broken in [&[][..], &[0x30], &[0x30, 0x80], &[0x30, 0x85, 0, 0, 0, 0, 0], &too_long, &[0x30, 2, 0]] {
        assert_eq!(Der(broken).value(), None, "{broken:?}");
    }
    let time = |tag: u8, text: &str| Der(&[&[tag, text.len() as u8], text.as_bytes()].concat()).time_s();
    assert_eq!(time(UTC_TIME, "491231235959Z"), Some(2_524_607_999));
    assert_eq!(time(UTC_TIME, "700101000001Z"), Some(1));
    let bad = [
        "7001010000Z",
        "700101000000+0100",
        "700101000060Z",
        "700101240000Z",
        "701301000000Z",
        "70013100000xZ",
        "Z",
        "",
    ];
    for text in bad {
        assert_eq!(time(UTC_TIME, text), None, "{text}");
    }
    assert_eq!(time(GENERALIZED_TIME, "20230229000000Z"), None, "no such day");
    assert_eq!(time(UTC_TIME, "20500101000000Z"), None, "the tag says how many digits");
}

proptest! {
    #[test]
    fn hostile_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
    }

    #[test]
    fn damaged_certificates_are_refused_or_read(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        static GOOD: std::sync::LazyLock<Vec<u8>> =
            std::sync::LazyLock::new(|| certificate(&[utf8("van-01")], (2020, 1, 1), (2030, 1, 1)));
        let mut bytes = GOOD.clone();
        let cut = cut.index(bytes.len());
        prop_assert_eq!(read(&bytes[..cut]), None, "cut off");
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = read(&bytes);
    }
}
