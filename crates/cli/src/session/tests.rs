use super::{Resolved, resolve};
use crate::cli::Global;
use crate::failure::Exit;
use crate::profiles::{Profile, Profiles};

const ENVIRONMENT: [(&str, &str); 3] =
    [("LONGSHORE_URL", "http://env"), ("LONGSHORE_API_KEY", "lsk_env"), ("LONGSHORE_WORKSPACE", "env")];

fn profiles() -> Profiles {
    let profile = |url: &str, key: &str| Profile {
        url: url.to_owned(),
        key: Some(key.to_owned()),
        workspace: Some("desk".to_owned()),
        data: None,
    };
    Profiles {
        current: Some("local".to_owned()),
        profiles: [
            ("local".to_owned(), profile("http://local", "lsk_local")),
            ("work".to_owned(), profile("https://work/", "lsk_work")),
        ]
        .into(),
    }
}

fn found(global: &Global, environment: &[(&str, &str)]) -> Resolved {
    let variable = |name: &str| {
        environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    };
    match resolve(global, variable, &profiles()) {
        Ok(resolved) => resolved,
        Err(failure) => panic!("{failure}"),
    }
}

fn text(resolved: &Resolved) -> [&str; 3] {
    [&resolved.url, resolved.key.as_deref().unwrap_or("-"), resolved.workspace.as_deref().unwrap_or("-")]
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn flag_then_environment_then_profile() {
    let flags = Global { url: some("http://flag"), key: some("lsk_flag"), ..Global::default() };
    assert_eq!(text(&found(&flags, &ENVIRONMENT)), ["http://flag", "lsk_flag", "env"]);
    assert_eq!(text(&found(&Global::default(), &ENVIRONMENT)), ["http://env", "lsk_env", "env"]);
    assert_eq!(text(&found(&Global::default(), &[])), ["http://local", "lsk_local", "desk"]);
    let blank = [("LONGSHORE_URL", " ")].map(|(name, _)| (name, ""));
    assert_eq!(found(&Global { url: some(" "), ..Global::default() }, &blank[..0]).url, "http://local");
}

#[test]
fn a_named_profile_comes_before_the_environment() {
    let named = Global { profile: some("work"), ..Global::default() };
    assert_eq!(text(&found(&named, &ENVIRONMENT)), ["https://work/", "lsk_work", "desk"]);
    let by_variable = [("LONGSHORE_PROFILE", "work")];
    assert_eq!(found(&Global::default(), &by_variable).url, "https://work/");
}

#[test]
fn a_profile_s_key_goes_to_its_own_server_alone() {
    let elsewhere = Global { url: some("http://elsewhere"), ..Global::default() };
    assert_eq!(text(&found(&elsewhere, &[])), ["http://elsewhere", "-", "-"]);
    let named = Global { profile: some("work"), ..elsewhere };
    assert_eq!(found(&named, &[]).key, None);
    // Another profile's server is recognised by its URL.
    let known = Global { url: some("https://work"), ..Global::default() };
    assert_eq!(text(&found(&known, &[])), ["https://work", "lsk_work", "desk"]);
}

#[test]
fn an_unknown_profile_is_an_error_that_names_the_known() {
    let named = Global { profile: some("nobody"), ..Global::default() };
    let Err(failure) = resolve(&named, |_| None, &profiles()) else { panic!("was found") };
    assert_eq!(failure.exit, Exit::NotFound);
    assert_eq!(failure.hint.as_deref(), Some("there are: local, work"));
}

#[test]
fn without_anything_the_default_url_is_asked_without_a_key() {
    let resolved = resolve(&Global::default(), |_| None, &Profiles::default());
    assert!(resolved.is_ok_and(|found| found.url == longshore::DEFAULT_URL && found.key.is_none()));
}
