use std::collections::BTreeSet;

use longshore_core::Code;
use longshore_core::wire::Verb::{self, Create, Delete, Manage, Read, Share, Write};

use super::{Narrowing, Need};

fn to(verbs: &[Verb]) -> Narrowing {
    Narrowing { verbs: Some(verbs.iter().copied().collect()), ..Narrowing::default() }
}

#[test]
fn a_verb_lets_through_what_it_is_for_and_nothing_else() {
    for (need, enough, short) in [
        (Need::READ, vec![&[Read][..]], &[Create, Write, Delete, Share, Manage][..]),
        (Need::SHARE, vec![&[Read, Share]], &[Share, Write]),
        (Need::COPY, vec![&[Read, Create]], &[Create, Write, Delete]),
        (Need::UPLOAD, vec![&[Create], &[Write]], &[Read, Delete, Share, Manage]),
        (Need::UNDO, vec![&[Write], &[Delete]], &[Read, Create, Share, Manage]),
        (Need::PURGE, vec![&[Delete]], &[Read, Create, Write, Share, Manage]),
        (Need::MANAGE, vec![&[Manage]], &[Read, Create, Write, Delete, Share]),
    ] {
        Narrowing::default().allow(need).unwrap();
        for enough in enough {
            to(enough).allow(need).unwrap();
        }
        assert_eq!(to(short).allow(need).unwrap_err().code(), Code::Forbidden, "{need:?}");
    }
}

#[test]
fn a_key_makes_none_that_is_good_for_more() {
    let narrow = Narrowing {
        networks: Some(vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()]),
        ..to(&[Manage, Read])
    };
    let verbs = |verbs: &[Verb]| Some(verbs.iter().copied().collect::<BTreeSet<_>>());
    assert_eq!(narrow.verbs_within(None).unwrap(), verbs(&[Manage, Read]));
    assert_eq!(narrow.verbs_within(verbs(&[Read])).unwrap(), verbs(&[Read]));
    assert_eq!(narrow.verbs_within(verbs(&[Read, Write])).unwrap_err().code(), Code::Forbidden);
    assert_eq!(narrow.verbs_within(verbs(&[])).unwrap_err().code(), Code::InvalidBody);
    assert_eq!(narrow.networks_within(None).unwrap(), narrow.networks);
    for (wanted, refused) in [
        ("10.1.0.0/16", None),
        ("2001:db8:1::/48", None),
        ("10.0.0.1", None),
        ("0.0.0.0/0", Some(Code::Forbidden)),
        ("10.0.0.0/7", Some(Code::Forbidden)),
        ("10.0.0.0/33", Some(Code::InvalidBody)),
        ("8.0.0.0/7", Some(Code::Forbidden)),
        ("11.0.0.0/8", Some(Code::Forbidden)),
        ("2001:db8::/31", Some(Code::Forbidden)),
        ("::ffff:10.0.0.1", Some(Code::Forbidden)),
        ("ten", Some(Code::InvalidBody)),
    ] {
        let found = narrow.networks_within(Some(&[wanted.to_owned()])).err().map(|error| error.code());
        assert_eq!(found, refused, "{wanted}");
    }
    assert_eq!(narrow.networks_within(Some(&[])).unwrap_err().code(), Code::InvalidBody);
    narrow.ensure_covers(&narrow).unwrap();
    assert_eq!(narrow.ensure_covers(&to(&[Read])).unwrap_err().code(), Code::Forbidden);
    assert_eq!(narrow.ensure_covers(&Narrowing::default()).unwrap_err().code(), Code::Forbidden);
}

#[test]
fn an_address_decides_and_none_is_none_of_them() {
    let narrow = Narrowing {
        networks: Some(vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()]),
        ..Narrowing::default()
    };
    for (address, is_good) in [
        (Some("10.255.0.1"), true),
        (Some("::ffff:10.1.2.3"), true),
        (Some("2001:db8:ffff::1"), true),
        (Some("11.0.0.1"), false),
        (Some("2001:db9::"), false),
        (None, false),
    ] {
        let address = address.map(|text| text.parse().unwrap());
        assert_eq!(narrow.ensure_good_from(address).is_ok(), is_good, "{address:?}");
        Narrowing::default().ensure_good_from(address).unwrap();
    }
}
