use std::path::Path;

use super::{Config, LogFormat, Origin, StoreKind};

fn load(text: &str) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("longshore.toml");
    std::fs::write(&file, text).unwrap();
    Config::load(Some(&file)).map_err(|error| error.to_string())
}

#[test]
fn nothing_configured_is_a_server_on_this_machine() {
    let config = Config::load(None).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:7420");
    assert_eq!(config.store.kind, StoreKind::Local);
    assert_eq!(config.log.format, LogFormat::Text);
    assert_eq!(config.store.folder(&config.data.dir), Path::new("longshore-data/store"));
}

#[test]
fn the_template_is_a_file_that_changes_nothing() {
    let template = Config::template();
    assert!(template.contains("#listen = \"127.0.0.1:7420\""), "{template}");
    assert!(template.contains("LONGSHORE_SWEEP_INTERVAL_SECONDS"), "{template}");
    let config = load(&template).unwrap();
    assert_eq!(format!("{config:?}"), format!("{:?}", Config::load(None).unwrap()));
    // Every line that is commented out is a line that could be used.
    let used: String = template
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')))
        .fold(String::new(), |mut text, line| {
            if let Some(line) = line.filter(|line| !line.ends_with('=') && !line.ends_with("= ")) {
                text.push_str(line);
                text.push('\n');
            }
            text
        });
    assert!(used.contains("max_connections = 4096"), "{used}");
}

#[test]
fn a_typing_mistake_is_an_error_that_names_it() {
    for (text, word) in [
        ("[server]\nlisten_on = \"0.0.0.0:1\"\n", "listen_on"),
        ("[sever]\nlisten = \"0.0.0.0:1\"\n", "sever"),
        ("[server]\nlisten = \"everywhere\"\n", "listen"),
        ("[store]\nkind = \"floppy\"\n", "kind"),
        ("[store]\nurl = \"s3//hunter2\"\n", "store.url"),
        ("[store]\nurl = \"sftp://me:1/hunter2@host/\"\n", "store.url"),
        ("[store]\nurl = \"memory:\"\ndir = \"blobs\"\n", "store.dir"),
        (
            "[store]\nurl = \"memory:\"\noptions = { secret_key = [\"hunter2\"] }\n",
            "store.options.secret_key",
        ),
        ("[store]\noptions = { secret_key = \"hunter2\" }\n", "store.options"),
        ("[server]\ntls_key = \"key.pem\"\n", "tls_certificate"),
        ("[server]\nmax_connections = 0\n", "max_connections"),
        ("[server]\nallowed_origins = \"https://app.example.org/\"\n", "allowed_origins"),
        ("[server]\ntrusted_proxies = \"proxy.example.org\"\n", "trusted_proxies"),
        ("[server]\nproxy_header = \"x-real-ip\"\n", "proxy_header"),
        ("[rates]\nkey_burst = 0\n", "rates.key_burst"),
        ("[rates]\nfailures_per_minute = 1000001\n", "rates.failures_per_minute"),
        ("[server]\ncontent_origin = \"*\"\n", "content_origin"),
        ("[limits]\nmax_open_uploads = 0\n", "max_open_uploads"),
        ("[database]\nconnections = 4611686018427387904\n", "database.connections"),
        ("[jobs]\nconcurrency = 0\n", "jobs.concurrency"),
        ("[jobs]\nenabled = \"perhaps\"\n", "enabled"),
        ("[database]\nurl = \"mysql://root:hunter2@host/db\"\n", "database.url"),
    ] {
        let error = load(text).unwrap_err();
        assert!(error.contains(word), "{text:?}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    assert!(Config::load(Some(Path::new("/nowhere/longshore.toml"))).is_err());
}

#[test]
fn a_time_that_no_clock_can_take_is_refused() {
    for (table, field, least) in [
        ("server", "header_timeout_seconds", 1),
        ("server", "idle_timeout_seconds", 1),
        ("server", "shutdown_grace_seconds", 0),
        ("sweep", "interval_seconds", 1),
        // What is younger may belong to a write that is being committed.
        ("sweep", "orphan_grace_seconds", 3_600),
        // It is renewed at a third of it: a pause of a second or two must not cost all that runs.
        ("jobs", "lease_seconds", 5),
    ] {
        let most: u64 = 315_360_000;
        let load = |seconds: u64| load(&format!("[{table}]\n{field} = {seconds}\n"));
        for good in [least, most] {
            assert!(load(good).is_ok(), "{field} = {good}");
        }
        let too_short = (least > 0).then(|| least - 1);
        for bad in too_short.into_iter().chain([most + 1, i64::MAX as u64]) {
            let error = load(bad).unwrap_err();
            assert!(error.ends_with(&format!("{table}.{field} is {least} to {most}")), "{error}");
        }
    }
}

#[test]
fn origins_are_listed() {
    let config = load("[server]\nallowed_origins = \"https://a.example, http://localhost:5173\"\n").unwrap();
    let origin = |text: &str| Origin::Of(text.to_owned());
    let found = config.server.allowed_origins.0;
    assert_eq!(found, [origin("https://a.example"), origin("http://localhost:5173")]);
    let none = Config::load(None).unwrap().server.allowed_origins.0;
    assert!(none.is_empty());
}

#[test]
fn a_store_is_named_by_url_and_options() {
    let text = "[store]\nurl = \"file:///srv/blobs?durability=none&note=a\"\noptions = { read_chunk = 4096, create = false, durability = \"file\", api_token = \"hunter2\" }\n";
    let config = load(text).unwrap();
    let shown = config.store.opened_by().unwrap().unwrap().to_string();
    assert_eq!(shown, "file:///srv/blobs?api_token=***&create=false&durability=file&note=a&read_chunk=4096");
    assert!(!format!("{config:?}").contains("hunter2"));
    assert!(!config.store.is_in_memory().unwrap());
    assert!(load("[store]\nurl = \"memory:\"\n").unwrap().store.is_in_memory().unwrap());
}

#[test]
fn providers_to_sign_in_by_are_listed() {
    let origin = "[server]\npublic_origin = \"https://files.example.org\"\n";
    let one = |more: &str| {
        format!(
            "[[oidc]]\nname = \"a\"\nissuer = \"https://login.example.org/realms/a\"\nclient_id = \"longshore\"\n{more}"
        )
    };
    let secret = "client_secret = \"hunter2\"\n";
    let good = load(&format!("{origin}{}", one(secret))).unwrap();
    let provider = &good.oidc.providers().unwrap()[0];
    assert_eq!((provider.label(), provider.scopes.join(" ").as_str()), ("a", "openid email profile"));
    assert!(provider.allowed_domains.is_empty() && !format!("{good:?}").contains("hunter2"));
    assert!(Config::load(None).unwrap().oidc.providers().unwrap().is_empty());
    // A variable that every process has.
    let path = load(&format!("{origin}{}", one("client_secret = \"${PATH}\"\n"))).unwrap();
    assert_eq!(
        path.oidc.providers().unwrap()[0].secret().unwrap().0,
        std::env::vars().find(|(key, _)| key == "PATH").unwrap().1
    );
    for (text, word) in [
        (one(secret), "server.public_origin"),
        (format!("{origin}{}", one("")), "client_secret"),
        (format!("{origin}{}", one("client_secret = \"\"\n")), "oidc.client_secret"),
        (format!("{origin}{}", one("client_secret = \"${LONGSHORE_NOWHERE}\"\n")), "oidc.client_secret"),
        (format!("{origin}{}", one("client_secret = [\"hunter2\"]\n")), "client_secret"),
        (format!("{origin}{}", one("client_secrets = \"hunter2\"\n")), "client_secrets"),
        (format!("{origin}{}{}", one(secret), one(secret)), "oidc.name"),
        (format!("{origin}{}", one(secret).replace("\"a\"", "\"A/b\"")), "oidc.name"),
        (format!("{origin}{}", one(secret).replace("https://login", "http://login")), "oidc.issuer"),
        (format!("{origin}{}", one(secret).replace("/realms/a", "/?a=b")), "oidc.issuer"),
        (format!("{origin}{}scopes = [\"email\"]\n", one(secret)), "oidc.scopes"),
        (format!("{origin}{}allowed_domains = [\"a@b\"]\n", one(secret)), "oidc.allowed_domains"),
        ("[server]\npublic_origin = \"http://files.example.org\"\n".to_owned(), "public_origin"),
    ] {
        let error = load(&text).unwrap_err();
        assert!(error.contains(word), "{text}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
