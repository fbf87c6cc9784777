//! The power cut under the server, on a disk of its own.
//!
//! The cuts are those of `bench/power_loss.py`, which makes a hundred of them by hand; here a few run with every
//! change, and the controls, which prove that a cut loses what nobody flushed.

use crate::kill::{bench, nothing_was_lost};

/// What the program ends with where no such disk can be made: it takes root and loop devices.
const CANNOT: i32 = 77;

#[test]
fn nothing_acknowledged_is_lost_with_the_power() {
    let output = bench("power_loss.py", &["--cuts", "6", "--disks", "ext4"]);
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.code() == Some(CANNOT) {
        println!("{text}");
        return;
    }
    nothing_was_lost(&output);
    assert!(text.matches("as it must be\n").count() >= 2, "no control ran: {text}");
}
