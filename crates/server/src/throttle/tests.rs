use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use longshore_core::Timestamp;

use super::table::MOST;
use super::{Rate, Rates, Throttle, network};

const START: Timestamp = Timestamp::from_micros(1_763_613_468_000_000);

fn at(micros: u64) -> Timestamp {
    START.plus(Duration::from_micros(micros))
}

fn address(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(number).into()
}

fn throttle(key: Option<Rate>, address: Option<Rate>, failures: Option<Rate>) -> Throttle {
    Throttle::new(Rates { key, address, failures })
}

#[test]
fn a_rate_holds_and_says_what_it_holds() {
    // Per second, at once, and how long between two that come (microseconds): far too often, about right, by chance.
    for (count, burst) in [(1, 1), (7, 3), (50, 100), (1_000, 5), (999, 10_000)] {
        for pause in [500, 997, 20_011, 1_000_000 / u64::from(count) + 1] {
            let rate = Rate::per_second(count, burst).unwrap();
            let throttle = throttle(None, Some(rate), None);
            let asks = (0..30_000_000).step_by(usize::try_from(pause).unwrap());
            let come: Vec<u64> = asks.filter(|now| throttle.arrive(address(1), at(*now)).is_ok()).collect();
            let asked = 30_000_000_u64.div_ceil(pause);
            let most = (u64::from(burst) + 30 * u64::from(count)).min(asked);
            let found = come.len() as u64;
            assert!(found <= most, "{count}/s, {burst} at once, every {pause} µs: {found} of {most}");
            assert!(
                found * 100 >= most * 95,
                "{count}/s, {burst} at once, every {pause} µs: {found} of {most}"
            );
            assert!(found <= rate.quota());
        }
    }
}

#[test]
fn who_waits_as_long_as_told_comes_in() {
    for rate in [Rate::per_second(3, 5), Rate::per_minute(7, 2), Rate::per_second(1_000, 1)] {
        let throttle = throttle(None, rate, None);
        let mut now = 0;
        for _ in 0..200 {
            while throttle.arrive(address(1), at(now)).is_ok() {}
            let excess = throttle.arrive(address(1), at(now)).unwrap_err();
            assert_eq!((excess.of, excess.rate), ("address", rate.unwrap()));
            now += excess.wait_seconds * 1_000_000;
            throttle.arrive(address(1), at(now)).unwrap();
        }
    }
}

#[test]
fn a_clock_that_is_set_back_shuts_nobody_out() {
    let throttle = throttle(None, Rate::per_second(10, 10), None);
    while throttle.arrive(address(1), at(86_400_000_000)).is_ok() {}
    let excess = throttle.arrive(address(1), at(0)).unwrap_err();
    assert_eq!(excess.wait_seconds, 1);
    throttle.arrive(address(1), at(1_000_000)).unwrap();
}

#[test]
fn a_clock_that_is_set_back_shuts_out_nobody_who_failed() {
    const DAY: u64 = 86_400_000_000;
    for back in [1_800_000_000, DAY] {
        let throttle = throttle(None, None, Rate::per_minute(6, 3));
        let attempt = |secret: &str, now: u64| throttle.attempt(secret, Some(address(1)), true, at(now));
        let guess = |source: u32, now: u64| throttle.guess("a name", Some(address(source)), true, at(now));
        // A slip is one, and the right secret is let in whatever the clock does.
        attempt("good, but new here", 2 * DAY).unwrap().failed();
        attempt("good", 2 * DAY - back).unwrap().succeeded();
        guess(2, 2 * DAY).unwrap().failed();
        guess(2, 2 * DAY - back).unwrap().succeeded();
        // Who is shut out stays so for as long as they were told: one address, and all of them together.
        for _ in 0..3 {
            attempt("none", 2 * DAY).unwrap().failed();
        }
        assert_eq!(attempt("none", 2 * DAY - back).unwrap_err().wait_seconds, 10);
        for source in 10..40 {
            guess(source, 2 * DAY).unwrap().failed();
        }
        assert_eq!(guess(40, 2 * DAY - back).unwrap_err().wait_seconds, 1);
        guess(40, 2 * DAY - back + 10_000_000).unwrap().succeeded();
    }
}

#[test]
fn keys_and_addresses_are_counted_apart() {
    let throttle = throttle(Rate::per_second(1, 2), Rate::per_second(1, 3), None);
    let attempt =
        |key: &str| throttle.attempt(key, Some(address(1)), true, START).map(|attempt| attempt.succeeded());
    for key in ["one", "two"] {
        attempt(key).unwrap();
        attempt(key).unwrap();
        assert_eq!(attempt(key).unwrap_err().of, "key");
    }
    // What is not counted is let through.
    throttle.attempt("one", Some(address(1)), false, START).unwrap().succeeded();
    for source in [1, 2] {
        for _ in 0..3 {
            throttle.arrive(address(source), START).unwrap();
        }
        assert_eq!(throttle.arrive(address(source), START).unwrap_err().of, "address");
    }
}

#[test]
fn a_host_of_ipv6_is_one_whatever_it_calls_itself() {
    let parse = |text: &str| network(text.parse().unwrap());
    assert_eq!(parse("2001:db8:1:2::1"), parse("2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert_ne!(parse("2001:db8:1:2::1"), parse("2001:db8:1:3::1"));
    assert_eq!(parse("::ffff:192.0.2.1"), parse("192.0.2.1"));
    assert_ne!(parse("192.0.2.1"), parse("192.0.2.2"));
}

#[test]
fn wrong_secrets_shut_out_their_address_and_no_good_secret() {
    let throttle = throttle(None, None, Rate::per_minute(6, 3));
    let attempt =
        |secret: &str, source: u32, now: u64| throttle.attempt(secret, Some(address(source)), true, at(now));
    attempt("good", 1, 0).unwrap().succeeded();
    for guess in ["a", "b", "c"] {
        attempt(guess, 1, 0).unwrap().failed();
    }
    let excess = attempt("d", 1, 0).unwrap_err();
    assert_eq!((excess.of, excess.wait_seconds), ("failures", 10));
    assert!(attempt("also good, but new here", 1, 0).is_err());
    // Others, and who was good, go on.
    attempt("d", 2, 0).unwrap().succeeded();
    attempt("good", 1, 0).unwrap().succeeded();
    // One more try each ten seconds.
    attempt("e", 1, 10_000_000).unwrap().failed();
    assert!(attempt("f", 1, 10_000_000).is_err());
    // What was good and is no more is a try like another: it is let in once more, and counts.
    attempt("good", 1, 15_000_000).unwrap().failed();
    assert!(attempt("good", 1, 15_000_000).is_err());
    // Nobody is good for ever.
    attempt("d", 2, 3_700_000_000).unwrap().failed();
    attempt("d", 2, 3_700_000_000).unwrap().failed();
    attempt("d", 2, 3_700_000_000).unwrap().failed();
    assert!(attempt("d", 2, 3_700_000_000).is_err());
    // Without an address there is nobody to count for.
    for guess in 0..10 {
        throttle.attempt(&guess.to_string(), None, true, START).unwrap().failed();
    }
}

#[test]
fn tries_side_by_side_are_made_up_for() {
    let throttle = throttle(None, None, Rate::per_minute(60, 5));
    let begin = |now| throttle.attempt("guess", Some(address(1)), true, at(now));
    let many: Vec<_> = (0..100).map(|_| begin(0).unwrap()).collect();
    many.into_iter().for_each(super::Attempt::failed);
    // 95 more than were left.
    assert_eq!(begin(0).unwrap_err().wait_seconds, 96);
    assert!(begin(95_000_000).is_err());
    begin(96_000_000).unwrap().failed();
    // But not for longer than an hour.
    let many: Vec<_> = (0..10_000).map(|_| begin(200_000_000).unwrap()).collect();
    many.into_iter().for_each(super::Attempt::failed);
    assert!(begin(200_000_000).unwrap_err().wait_seconds <= 3_601);
}

#[test]
fn a_million_addresses_take_no_more_room_than_some() {
    let throttle = throttle(None, Rate::per_second(1, 10), Rate::per_minute(1, 2));
    let stays = address(u32::MAX);
    while throttle.arrive(stays, at(0)).is_ok() {}
    for number in 0..1_000_000 {
        throttle.arrive(address(number), at(0)).unwrap();
    }
    for number in 0..200_000_u32 {
        let prefix = Ipv6Addr::from_bits(u128::from(number) << 64);
        throttle.attempt("guess", Some(prefix.into()), true, at(0)).unwrap().failed();
    }
    assert!(throttle.addresses.len() <= MOST && throttle.failures.len() <= MOST);
    assert!(throttle.secrets.len() <= 1, "a secret that was none is not remembered");
    assert!(throttle.arrive(stays, at(0)).is_err(), "who took most is forgotten last");
    // All of them are silent then, and the next ones find room.
    for number in 0..100_000 {
        throttle.arrive(address(number), at(3_600_000_000)).unwrap();
    }
    assert!(throttle.addresses.len() <= MOST);
}

#[test]
fn no_limit_counts_nothing() {
    let throttle = throttle(Rate::per_second(0, 1), Rate::per_second(0, 0), Rate::per_minute(0, 9));
    for _ in 0..1_000 {
        throttle.arrive(address(1), START).unwrap();
        throttle.attempt("guess", Some(address(1)), true, START).unwrap().failed();
        throttle.attempt("good", Some(address(1)), true, START).unwrap().succeeded();
    }
    assert_eq!(throttle.addresses.len() + throttle.failures.len() + throttle.secrets.len(), 0);
}
