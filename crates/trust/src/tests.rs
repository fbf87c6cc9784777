//! Files that hold authorities, and files that hold none.

use std::path::Path;

use super::read_authorities;

#[test]
fn a_file_without_a_certificate_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    assert!(read_authorities(Path::new("/nonexistent/ca.pem")).is_err());
    std::fs::write(&file, "no certificate\n").unwrap();
    let error = read_authorities(&file).unwrap_err();
    assert_eq!(error.to_string(), "it holds no certificate");
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(&file, nonsense).unwrap();
    assert!(read_authorities(&file).is_err());
}
