use longshore_core::Timestamp;

use super::{compare_lines, dispensable};

fn heads() -> [String; 2] {
    ["version 1".to_owned(), "version 2".to_owned()]
}

#[test]
fn lines_that_came_and_went_are_told() {
    let diff = compare_lines("a\nb\nc\n", "a\nB\nc\nd\n", &heads(), 1_000);
    assert_eq!((diff.added, diff.removed, diff.truncated), (2, 1, false));
    assert_eq!(diff.unified, "--- version 1\n+++ version 2\n@@ -1,3 +1,4 @@\n a\n-b\n+B\n c\n+d\n");
    let none = compare_lines("a\n", "a\n", &heads(), 1_000);
    assert_eq!((none.unified.as_str(), none.added, none.removed), ("", 0, 0));
    let end = compare_lines("a", "a\n", &heads(), 1_000);
    assert!(end.unified.contains("\\ No newline at end of file"), "{}", end.unified);
}

#[test]
fn a_long_difference_is_cut_at_a_line() {
    let after: String = (0..1_000).map(|number| format!("é {number}\n")).collect();
    let diff = compare_lines("", &after, &heads(), 5_000);
    assert!(diff.truncated && diff.unified.len() <= 5_000);
    assert!(diff.unified.ends_with('\n'));
    assert_eq!(diff.added, 1_000, "the counts are of all lines");
    let one_line = compare_lines("", &"é".repeat(5_000), &heads(), 4_999);
    assert!(one_line.truncated && one_line.unified.len() <= 4_999);
}

#[test]
fn the_worst_case_ends() {
    let one: String = (0..40_000).map(|number| format!("{}\n", number * 7 % 40_009)).collect();
    let other: String = (0..40_000).map(|number| format!("{}\n", number * 11 % 40_013)).collect();
    let diff = compare_lines(&one, &other, &heads(), 1_000);
    assert!(diff.added > 0 && diff.removed > 0);
}

#[test]
fn no_rule_dispenses_with_nothing() {
    let now = Timestamp::from_micros(1_763_613_468_000_000);
    assert!(dispensable(None, None, now).is_none());
    let by_count = dispensable(Some(3), None, now).unwrap();
    assert_eq!((by_count.kept, by_count.before), (3, Timestamp::from_micros(i64::MAX)));
    let by_age = dispensable(None, Some(1), now).unwrap();
    assert_eq!((by_age.kept, by_age.before), (1, Timestamp::from_micros(1_763_527_068_000_000)));
    // A number of days that reaches before all time is no fault.
    dispensable(None, Some(u32::MAX), now).unwrap();
}
