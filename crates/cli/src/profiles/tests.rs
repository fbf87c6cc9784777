use std::path::Path;

use super::{LOCAL, Profile, Profiles};

const URL: &str = "http://127.0.0.1:7420";

#[test]
fn a_first_start_makes_the_current_profile() {
    let mut profiles = Profiles::default();
    assert_eq!(profiles.started(URL, Some("lsk_1"), Path::new("/data")), Vec::<String>::new());
    assert_eq!(profiles.current.as_deref(), Some(LOCAL));
    assert_eq!(profiles.profiles[LOCAL].key.as_deref(), Some("lsk_1"));
}

#[test]
fn another_server_s_profile_is_kept_under_another_name() {
    let mut profiles = Profiles::default();
    profiles.started(URL, Some("lsk_1"), Path::new("/one"));
    let said = profiles.started("http://127.0.0.1:9999", Some("lsk_2"), Path::new("/two"));
    assert!(said[0].contains("local-2"), "{said:?}");
    assert_eq!(profiles.profiles["local-2"].key.as_deref(), Some("lsk_1"));
    assert_eq!(profiles.profiles[LOCAL].key.as_deref(), Some("lsk_2"));
}

#[test]
fn a_data_folder_made_anew_replaces_its_dead_key() {
    let mut profiles = Profiles::default();
    profiles.started(URL, Some("lsk_1"), Path::new("/data"));
    assert!(profiles.started(URL, Some("lsk_2"), Path::new("/data")).is_empty());
    assert_eq!(profiles.profiles.len(), 1);
    assert_eq!(profiles.profiles[LOCAL].key.as_deref(), Some("lsk_2"));
}

#[test]
fn a_later_start_corrects_the_address_alone() {
    let mut profiles = Profiles::default();
    profiles.started(URL, Some("lsk_1"), Path::new("/data"));
    assert!(profiles.started(URL, None, Path::new("/data")).is_empty());
    assert_eq!(profiles.started("http://127.0.0.1:1", None, Path::new("/data")).len(), 1);
    assert_eq!(profiles.profiles[LOCAL].key.as_deref(), Some("lsk_1"));
    assert_eq!(profiles.profiles[LOCAL].url, "http://127.0.0.1:1");
    assert!(profiles.started("http://127.0.0.1:2", None, Path::new("/other")).is_empty());
}

#[test]
fn the_chosen_profile_stays_current() {
    let mut profiles = Profiles { current: Some("work".to_owned()), ..Profiles::default() };
    profiles.profiles.insert("work".to_owned(), Profile::default());
    assert!(profiles.started(URL, Some("lsk_1"), Path::new("/data"))[0].contains("still work"));
    assert_eq!(profiles.current.as_deref(), Some("work"));
}

#[cfg(unix)]
#[test]
fn the_file_is_the_user_s_alone_and_comes_back() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new/profiles.toml");
    let mut profiles = Profiles::default();
    profiles.started(URL, Some("lsk_1"), Path::new("/data"));
    for _ in 0..2 {
        profiles.write(&file).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(Profiles::read(&file).unwrap() == profiles);
    std::fs::write(&file, "nonsense = 1").unwrap();
    assert!(Profiles::read(&file).is_err());
}
