use std::time::Duration;

use tokio::time::Instant;

use super::{Counts, KEPT, KNOWN, Line};

const MIB: u64 = 1024 * 1024;
/// Bytes a second that are compared.
const COMPARING: f64 = (400 * MIB) as f64;

/// A line over which so many bytes went in a second.
fn line(bytes: u64, limit_rate: Option<u64>) -> Line {
    let (line, start) = (Line::new(limit_rate), Instant::now());
    line.lock().begin(start);
    line.lock().end(start + Duration::from_secs(1), bytes);
    line
}

#[test]
fn a_delta_pays_on_a_line_that_is_slow_beside_the_comparing() {
    for (rate, pays) in [(KNOWN, true), (99 * MIB, true), (101 * MIB, false), (1_000 * MIB, false)] {
        assert_eq!(line(rate, None).pays_to_compare(COMPARING), Some(pays), "{rate}");
    }
}

#[test]
fn what_was_sent_to_find_out_counts() {
    for (millis, pays) in [(4_000, true), (41, true), (39, false), (0, true)] {
        let line = Line::new(None);
        line.probed(4 * MIB, Duration::from_millis(millis));
        let known = (millis > 0).then_some(pays);
        assert_eq!(line.pays_to_compare(COMPARING), known, "{millis}");
    }
}

#[test]
fn nothing_is_known_before_enough_was_sent() {
    assert_eq!(Line::new(None).pays_to_compare(COMPARING), None);
    assert_eq!(line(KNOWN - 1, None).pays_to_compare(COMPARING), None);
}

#[test]
fn what_the_client_may_not_exceed_makes_a_line_slow_and_not_fast() {
    assert_eq!(Line::new(Some(MIB)).pays_to_compare(COMPARING), Some(true));
    assert_eq!(line(1_000 * MIB, Some(MIB)).pays_to_compare(COMPARING), Some(true));
    assert_eq!(Line::new(Some(1_000 * MIB)).pays_to_compare(COMPARING), None);
    assert_eq!(line(KNOWN, Some(1_000 * MIB)).pays_to_compare(COMPARING), Some(true));
}

#[test]
fn bodies_beside_each_other_count_once() {
    let (mut counts, start) = (Counts::default(), Instant::now());
    let at = |seconds| start + Duration::from_secs(seconds);
    counts.begin(at(0));
    counts.begin(at(1));
    counts.end(at(3), 4 * MIB);
    counts.end(at(4), 4 * MIB);
    // Nothing was on its way for a while.
    counts.begin(at(100));
    counts.end(at(104), 8 * MIB);
    assert_eq!(counts.rate(), Some((2 * MIB) as f64));
}

#[test]
fn a_line_that_changes_is_seen_to() {
    let (mut counts, mut now) = (Counts::default(), Instant::now());
    for (bytes, rounds) in [(100 * MIB, 20), (MIB, 1_000)] {
        for _ in 0..rounds {
            counts.begin(now);
            now += Duration::from_secs(1);
            counts.end(now, bytes);
        }
    }
    assert!(counts.rate().unwrap() < (2 * MIB) as f64);
    assert!(counts.bytes <= KEPT);
}

#[test]
fn how_fast_is_compared_is_measured_once() {
    let line = Line::new(None);
    let rates = [None, Some(7.0), Some(8.0)].map(|measured| line.comparing(|| measured));
    assert_eq!(rates, [None, Some(7.0), Some(7.0)]);
}
