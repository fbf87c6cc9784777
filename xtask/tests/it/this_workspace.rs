use std::path::Path;

use xtask::tidy;

#[test]
fn this_workspace_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let report = tidy::check(root).unwrap();
    let mut text = Vec::new();
    report.print(&mut text).unwrap();
    assert!(report.passes(), "{}", String::from_utf8_lossy(&text));
    assert!(report.files > 50, "only {} files were looked at", report.files);
}
