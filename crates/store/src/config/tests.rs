use std::time::Duration;

use proptest::prelude::*;

use super::{Config, FromOption as _, expand, is_secret, value};
use crate::error::{ErrorKind, Result};
use crate::store::Store;

fn parts(text: &str) -> String {
    let config = Config::parse(text).unwrap();
    let url = &config.url;
    let options: Vec<_> = config.options.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!(
        "{} {} {} {} {} {:?} {}",
        url.scheme,
        url.user.as_deref().unwrap_or("-"),
        url.password.as_deref().unwrap_or("-"),
        url.host.as_deref().unwrap_or("-"),
        url.port.map_or("-".to_owned(), |port| port.to_string()),
        url.path,
        options.join(" ")
    )
}

#[test]
fn a_url_is_taken_apart() {
    for (text, expected) in [
        ("memory:", r#"memory - - - - "" "#),
        ("memory:a/b", r#"memory - - - - "a/b" "#),
        ("FILE:///srv/my%20data?durability=none", r#"file - - - - "/srv/my data" durability=none"#),
        ("file:/srv", r#"file - - - - "/srv" "#),
        ("s3://my_bucket", r#"s3 - - my_bucket - "" "#),
        ("s3://b/p/q?region=eu%26x&a=b+c=d", r#"s3 - - b - "/p/q" a=b+c=d region=eu&x"#),
        ("sftp://me:p%40s%2Fs:w@host:2222//abs", r#"sftp me p@s/s:w host 2222 "//abs" "#),
        ("sftp://me@[::1]:22/x", r#"sftp me - ::1 22 "/x" "#),
        ("sftp://[fe80::1]/", r#"sftp - - fe80::1 - "/" "#),
        ("sftp://:secret@host", r#"sftp - secret host - "" "#),
        ("abfss://fs@acc.dfs.core.windows.net/d", r#"abfss fs - acc.dfs.core.windows.net - "/d" "#),
    ] {
        assert_eq!(parts(text), expected, "{text}");
    }
}

#[test]
fn what_is_no_url_is_refused() {
    for text in [
        "",
        "folder",
        "/folder",
        "://x",
        "1s:x",
        "s3://b#f",
        "s3://b/a/../c",
        "s3://b/a%2F..%2Fc",
        "s3://b\n/x",
        "s3://b/%00",
        "s3://b/%FF",
        "sftp://h:0/",
        "sftp://h:65536/",
        "sftp://h:/",
        "sftp://[::1]x/",
        "sftp://me:pa/ss@h/",
        "sftp://me:1/ss@h/",
        "sftp://me:1?a=b@h/",
        "s3://b?flag",
        "s3://b?=x",
        "s3://b?a=1&a=2",
    ] {
        let error = Config::parse(text).map(|config| config.to_string()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
    }
}

#[test]
fn options_are_read() {
    for (text, expected) in
        [("0", Some(0)), ("4096B", Some(4096)), ("8MiB", Some(8 << 20)), ("2TiB", Some(2 << 40))]
            .into_iter()
            .chain(["", "KiB", "8MB", "-1", "1.5MiB", "99999999999TiB"].map(|bad| (bad, None)))
    {
        assert_eq!(value::size(text), expected, "{text}");
    }
    for (text, expected) in
        [("500ms", Some(500)), ("30s", Some(30_000)), ("5m", Some(300_000)), ("1h", Some(3_600_000))]
            .into_iter()
            .chain(["", "30", "s", "1d", "-1s", "18446744073709551615h"].map(|bad| (bad, None)))
    {
        assert_eq!(Duration::from_option(text), expected.map(Duration::from_millis), "{text}");
    }
    assert_eq!((bool::from_option("true"), bool::from_option("yes")), (Some(true), None));
    assert_eq!((u16::from_option("65535"), u16::from_option("65536")), (Some(65535), None));
}

#[test]
fn variables_are_resolved_once() {
    let variables =
        [("A", "a"), ("NONE", ""), ("TRAP", "${A}")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let variables = variables.into_iter().collect();
    for (text, expected) in [
        ("", Some("")),
        ("${A}", Some("a")),
        ("x${A}y${A:-b}z", Some("xayaz")),
        ("${NONE}", Some("")),
        ("${NONE:-b}", Some("b")),
        ("${MISSING:-}", Some("")),
        ("${MISSING:-b:-c}", Some("b:-c")),
        ("${TRAP}", Some("${A}")),
        ("$A $ {A} }", Some("$A $ {A} }")),
        ("$${A}", Some("${A}")),
        ("${MISSING}", None),
        ("${A", None),
        ("${}", None),
        ("${A B}", None),
    ] {
        assert_eq!(expand::expand(text, &variables).ok().as_deref(), expected, "{text}");
    }
}

/// What a scheme with every kind of option would take.
fn take_all(config: &mut Config) -> Result<String> {
    let taken = [
        config.demand_host("bucket")?,
        format!("{:?}", config.take_port()),
        format!("{:?}", config.take_user()),
        config.take_password().map(|secret| secret.expose().to_owned()).unwrap_or_default(),
        config.take_secret("token").map(|secret| secret.expose().to_owned()).unwrap_or_default(),
        format!("{:?}", config.take_parsed::<u32>("retries")?),
        format!("{:?}", config.take_size("part_size")?),
        format!("{:?}", config.take_file("key_file")?),
        config.variable("REGION").unwrap_or_default().to_owned(),
        config.secret_variable("REGION").map(|secret| secret.expose().to_owned()).unwrap_or_default(),
    ];
    Ok(taken.join(" "))
}

#[test]
fn a_scheme_takes_what_it_knows() {
    let environment = [("HOME", "/home/me"), ("PASS", "p${x}"), ("REGION", "eu")];
    let environment = environment.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let mut config =
        Config::parse("x://me:${PASS}@b:1/first/rest/of?retries=3&token=${NO:-t}&part_size=1KiB")
            .unwrap()
            .with_option("retries", "4")
            .with_option("key_file", "~/.ssh/id")
            .with_environment(environment);
    config.resolve().unwrap();
    let taken = config.read(take_all).unwrap();
    assert_eq!(taken, r#"b Some(1) Some("me") p${x} t Some(4) Some(1024) Some("/home/me/.ssh/id") eu eu"#);
    assert_eq!(config.path(), "/first/rest/of");
}

#[test]
fn an_unknown_option_is_refused_with_the_known_ones() {
    let told = |url: &str| Store::open(Config::parse(url).unwrap()).unwrap_err().to_string();
    let file = told("file:///nowhere/at/all?durabilty=full");
    let known = "\"durabilty\"; it has: at_once, attempts, chunk_timeout, create, durability, private, read_chunk, sweep_older_than, timeout";
    assert!(file.contains(known), "{file}");
    assert!(!std::path::Path::new("/nowhere").exists());
    assert!(told("file:///nowhere?durability=half").contains("one of full, file, none"));
    assert!(told("file:relative").contains("not absolute"));
    assert!(told("file://other/folder").contains("other"));
    assert!(told("file:///nowhere?read_chunk=1GiB").contains("64MiB"));
    assert!(told("memory://host").contains("has no host"));
    assert!(told("memory://me@/").contains("has no user"));
    assert!(told("memory:?timeout=soon").contains("a duration such as"));
    assert!(told("memory:?timeout=${NOT_SET}").contains("NOT_SET is not set"));
    assert!(told("ftp://host/").contains("there is no store ftp:, but there are memory:, file:///FOLDER"));
}

#[test]
fn options_of_the_caller_win() {
    let config = Config::parse("file:///nowhere?durability=half").unwrap().with_option("create", "false");
    let error = Store::open(config.with_option("durability", "none")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(!std::path::Path::new("/nowhere").exists());
}

#[tokio::test]
async fn the_path_is_the_root_of_the_store() {
    let store = Store::open(Config::parse("memory:some/folder?attempts=2&at_once=1").unwrap()).unwrap();
    store.write("file", "content", crate::WriteOptions::default()).await.unwrap();
    assert_eq!(store.path_of_native("some/folder/file").unwrap().as_str(), "file");
    assert_eq!(store.read_bytes("file").await.unwrap(), "content");
}

#[test]
fn what_is_shown_can_be_read_again() {
    for text in ["memory:a%20b", "file:///srv/x%3Fy?durability=none", "sftp://a%40b@[::1]:22/x%25?note=a%26b"]
    {
        let config = Config::parse(text).unwrap();
        assert_eq!(config.to_string(), text);
    }
}

#[test]
fn keys_that_are_secret() {
    for key in
        ["secret_access_key", "account_key", "TOKEN", "sas", "passphrase", "client_secret", "session_token"]
    {
        assert!(is_secret(key), "{key}");
    }
    for key in ["access_key_id", "key_file", "region", "endpoint"] {
        assert!(!is_secret(key), "{key}");
    }
}

proptest! {
    /// Wherever a secret may stand, it is in nothing that is printed, whatever else is right or wrong. (An `&` in a query
    /// that is not written as %26 ends the secret, and what stands in `${}` is a name.)
    #[test]
    fn no_secret_is_printed(
        secret in "[A-Za-z0-9+/=@:#?&{} %.]{0,6}XYZZY[A-Za-z0-9+/=@:#?&{} %.]{0,6}",
        scheme in prop::sample::select(vec!["memory", "file", "s3", "sftp", "nothing"]),
        place in 0..7,
        encoded in any::<bool>(),
    ) {
        let written = if encoded {
            percent_encoding::utf8_percent_encode(&secret, percent_encoding::NON_ALPHANUMERIC).to_string()
        } else {
            secret.replace('&', "")
        };
        let url = match place {
            0 => format!("{scheme}://user:{written}@host/path"),
            1 => format!("{scheme}://:{written}@host:22/path"),
            2 => format!("{scheme}://host/path?secret_access_key={written}"),
            3 => format!("{scheme}://host/path?timeout=1s&sas={written}"),
            4 => format!("{scheme}:///nowhere?proxy=http://user:{written}@host"),
            _ => format!("{scheme}:///nowhere"),
        };
        let mut printed = String::new();
        match Config::parse(&url) {
            Err(error) => printed.push_str(&format!("{error} {error:?}")),
            Ok(mut config) => {
                if place == 6 {
                    config = config.with_option("proxy", format!("http://{secret}@host"));
                }
                if place == 5 {
                    config = config.with_option("token", secret.clone());
                    config = config.with_environment([("SECRET".to_owned(), secret.clone())]);
                }
                config = config.with_option("create", "false");
                printed.push_str(&format!("{config} {config:?} "));
                for error in [config.clone().read(take_all).err(), Store::open(config).err()].into_iter().flatten() {
                    printed.push_str(&format!("{error} {error:?}"));
                }
            }
        }
        prop_assert!(!printed.contains("XYZZY"), "{}", printed);
    }
}
