//! `Range`: which bytes a request asks for (RFC 9110, 14).

use std::ops::Range;

/// The most parts that one answer has. Who asks for more gets all: the RFC lets a server do so, and a list of
/// thousands of ranges is nearly always an attack.
const MOST: usize = 64;

/// What a `Range` comes to, given the length of the content.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing to heed: not bytes, not well formed, or too many parts.
    Ignored,
    /// Well formed, and none of it lies inside the content.
    Outside,
    /// These bytes: at least one range, none of them empty, in ascending order, with a gap between any two.
    Parts(Vec<Range<u64>>),
}

/// One range (`range-spec` of the RFC), before the length is known.
#[derive(Clone, Copy, Debug)]
enum RangeSpec {
    From(u64, Option<u64>),
    Last(u64),
}

impl RangeSpec {
    fn read(text: &str) -> Option<Self> {
        let number = |text: &str| -> Option<u64> {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            // A number past all that there is means the same as the largest one.
            digits.then(|| text.parse().unwrap_or(u64::MAX))
        };
        match text.split_once('-')? {
            ("", last) => number(last).map(Self::Last),
            (first, "") => number(first).map(|first| Self::From(first, None)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::From(first, Some(last)))
            }
        }
    }

    fn within(self, size: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::From(first, last) => first..last.map_or(size, |last| last.saturating_add(1).min(size)),
            Self::Last(count) => size.saturating_sub(count)..size,
        };
        (range.start < range.end).then_some(range)
    }
}

/// Reads the value of `Range` for a content of `size` bytes.
///
/// Ranges that overlap or touch become one, whatever their order: no byte is ever sent twice, so that a short header
/// cannot ask for more than there is.
pub(super) fn find(text: &str, size: u64) -> Found {
    let Some((unit, list)) = text.split_once('=') else { return Found::Ignored };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Found::Ignored;
    }
    let mut parts = Vec::new();
    let mut any = false;
    for one in list.split(',').map(|one| one.trim_matches([' ', '\t'])).filter(|one| !one.is_empty()) {
        let Some(spec) = RangeSpec::read(one) else { return Found::Ignored };
        any = true;
        parts.extend(spec.within(size));
    }
    match (any, parts.is_empty()) {
        (false, _) => return Found::Ignored,
        (true, true) => return Found::Outside,
        (true, false) => {}
    }
    parts.sort_unstable_by_key(|part| part.start);
    parts.dedup_by(|next, before| {
        let meets = next.start <= before.end;
        if meets {
            before.end = before.end.max(next.end);
        }
        meets
    });
    if parts.len() > MOST { Found::Ignored } else { Found::Parts(parts) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Found, MOST, find};

    #[test]
    fn one_range_at_its_edges() {
        let one = |range: std::ops::Range<u64>| Found::Parts(vec![range]);
        assert_eq!(find("bytes=0-0", 10), one(0..1));
        assert_eq!(find("bytes=2-", 10), one(2..10));
        assert_eq!(find("bytes=-3", 10), one(7..10));
        assert_eq!(find("bytes=-30", 10), one(0..10));
        assert_eq!(find("Bytes = 1-1", 10), one(1..2));
        assert_eq!(find("bytes=9-99999999999999999999999", 10), one(9..10));
        for ignored in
            ["bytes=3-2", "bytes=", "bytes=,", "bytes=-", "lines=0-1", "bytes=a-b", "bytes=+1-2", ""]
        {
            assert_eq!(find(ignored, 10), Found::Ignored, "{ignored}");
        }
        for (outside, size) in [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-1", 0)] {
            assert_eq!(find(outside, size), Found::Outside, "{outside}");
        }
    }

    #[test]
    fn several_ranges_are_put_together_where_they_meet() {
        for (asked, parts) in [
            ("bytes=0-1,5-6", &[0..2, 5..7][..]),
            ("bytes=5-6 ,\t0-1", &[0..2, 5..7]),
            ("bytes=0-1,2-3", std::slice::from_ref(&(0..4))),
            ("bytes=0-5,1-2,4-7", std::slice::from_ref(&(0..8))),
            ("bytes=0-0,,-1,", &[0..1, 9..10]),
            ("bytes=0-0,20-30", std::slice::from_ref(&(0..1))),
        ] {
            assert_eq!(find(asked, 10), Found::Parts(parts.to_vec()), "{asked}");
        }
        assert_eq!(find("bytes=20-30,40-", 10), Found::Outside);
        assert_eq!(find("bytes=0-1,x", 10), Found::Ignored);
        let many = |count: usize| {
            let list: Vec<_> = (0..count).map(|place| format!("{0}-{0}", place * 2)).collect();
            find(&format!("bytes={}", list.join(",")), 1_000)
        };
        assert!(matches!(many(MOST), Found::Parts(parts) if parts.len() == MOST));
        assert_eq!(many(MOST + 1), Found::Ignored);
    }

    proptest! {
        #[test]
        fn what_is_found_lies_inside_in_order_and_never_twice(
            text in "(bytes=)?([0-9]{0,3}-[0-9]{0,3}[, ]{0,2}){0,70}", size in 0_u64..300,
        ) {
            if let Found::Parts(parts) = find(&text, size) {
                prop_assert!(!parts.is_empty() && parts.len() <= MOST);
                prop_assert!(parts.iter().all(|part| part.start < part.end && part.end <= size));
                prop_assert!(parts.windows(2).all(|pair| pair[0].end < pair[1].start));
            }
        }
    }
}
