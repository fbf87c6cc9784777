//! What a URL and the environment say of a bucket, as AWS's own tools read it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::options::{S3Credentials, S3Options};
use crate::config::{Config, invalid};
use crate::error::Result;
use crate::secret::Secret;

impl S3Options {
    /// Takes `s3://BUCKET/path` and its options.
    ///
    /// What is not an option comes from the environment, then from the shared files of AWS's tools. Keys are looked for in the
    /// options, in the profile that they name, in the environment, for a web identity there, in the usual profile, for a container
    /// in the environment, and in the end they are the machine's.
    pub(crate) fn from_config(config: &mut Config) -> Result<Self> {
        let usual = Self::default();
        let bucket = config.demand_host("bucket")?;
        let asked = config.take("profile");
        let shared = Shared::read(config, asked.as_deref())?;
        let variable = |config: &Config, name: &str| config.variable(name).map(str::to_owned);
        let region = config.take("region");
        let region = region
            .or_else(|| variable(config, "AWS_REGION"))
            .or_else(|| variable(config, "AWS_DEFAULT_REGION"))
            .or_else(|| shared.text("region"));
        let endpoint = config.take("endpoint");
        let endpoint = endpoint
            .or_else(|| variable(config, "AWS_ENDPOINT_URL_S3"))
            .or_else(|| variable(config, "AWS_ENDPOINT_URL"))
            .or_else(|| shared.text("endpoint_url"));
        let ca_file = config.take_file("ca_file")?;
        let ca_file = ca_file.or_else(|| variable(config, "AWS_CA_BUNDLE").map(PathBuf::from));
        let options = Self {
            bucket,
            region: region.unwrap_or(usual.region),
            endpoint,
            path_style: config.take_parsed("path_style")?,
            credentials: credentials(config, &shared, asked.is_some())?,
            allow_http: config.take_parsed("allow_http")?.unwrap_or(usual.allow_http),
            ca_file,
            part_size: config.take_length("part_size")?.unwrap_or(usual.part_size),
            parts_in_flight: config.take_parsed("parts_in_flight")?.unwrap_or(usual.parts_in_flight),
            sign_payload: config.take_parsed("sign_payload")?.unwrap_or(usual.sign_payload),
            conditional_writes: config.take_parsed("conditional_writes")?,
            connect_timeout: config.take_parsed("connect_timeout")?.unwrap_or(usual.connect_timeout),
            idle_timeout: config.take_parsed("idle_timeout")?.unwrap_or(usual.idle_timeout),
        };
        options.check()?;
        Ok(options)
    }
}

fn credentials(config: &mut Config, shared: &Shared, is_profile_asked: bool) -> Result<S3Credentials> {
    let is_anonymous = config.take_parsed("anonymous")?.unwrap_or(false);
    let access_key = config.take("access_key_id");
    let secret_key = config.take_secret("secret_access_key");
    let token = config.take_secret("session_token");
    if is_anonymous {
        return Ok(S3Credentials::Anonymous);
    }
    if let Some(keys) = keys(access_key, secret_key, token)? {
        return Ok(keys);
    }
    if is_profile_asked {
        let found = shared.keys()?;
        return found.ok_or_else(|| invalid(format!("the profile {:?} has no keys", shared.profile)));
    }
    let access_key = config.variable("AWS_ACCESS_KEY_ID").map(str::to_owned);
    let secret_key = config.secret_variable("AWS_SECRET_ACCESS_KEY");
    if let Some(keys) = keys(access_key, secret_key, config.secret_variable("AWS_SESSION_TOKEN"))? {
        return Ok(keys);
    }
    let file = |name: &str| config.variable(name).map(PathBuf::from);
    let text = |name: &str| config.variable(name).map(str::to_owned);
    if let Some((token_file, role_arn)) = file("AWS_WEB_IDENTITY_TOKEN_FILE").zip(text("AWS_ROLE_ARN")) {
        let session_name = text("AWS_ROLE_SESSION_NAME");
        return Ok(S3Credentials::WebIdentity { token_file, role_arn, session_name });
    }
    if let Some(keys) = shared.keys()? {
        return Ok(keys);
    }
    if let Some(relative_uri) = text("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        return Ok(S3Credentials::Container { relative_uri });
    }
    let pod = text("AWS_CONTAINER_CREDENTIALS_FULL_URI").zip(file("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"));
    Ok(match pod {
        Some((full_uri, token_file)) => S3Credentials::Pod { full_uri, token_file },
        None => S3Credentials::Instance,
    })
}

/// Makes keys of what there is: both or none.
fn keys(
    access_key: Option<String>,
    secret_key: Option<Secret>,
    token: Option<Secret>,
) -> Result<Option<S3Credentials>> {
    match (access_key, secret_key) {
        (Some(access_key), Some(secret_key)) => {
            Ok(Some(S3Credentials::Keys { access_key, secret_key, token }))
        }
        (None, None) => Ok(None),
        _ => Err(invalid("an access key and its secret key belong together, and one is missing".to_owned())),
    }
}

/// What the shared files say in one profile.
struct Shared {
    profile: String,
    values: BTreeMap<String, String>,
}

impl Shared {
    /// Reads the profile that is asked for, by an option or the environment, or the usual one, which need not be there.
    fn read(config: &Config, asked: Option<&str>) -> Result<Self> {
        let named = asked.or_else(|| config.variable("AWS_PROFILE"));
        let profile = named.unwrap_or("default").to_owned();
        let place = |variable: &str, name: &str| {
            let usual = || config.home().map(|home| home.join(".aws").join(name));
            config.variable(variable).map(PathBuf::from).or_else(usual)
        };
        let mut values = BTreeMap::new();
        let mut is_there = false;
        for (file, section) in [
            (place("AWS_CONFIG_FILE", "config"), format!("profile {profile}")),
            // What both say, the second says last.
            (place("AWS_SHARED_CREDENTIALS_FILE", "credentials"), profile.clone()),
        ] {
            let Some(text) = file.map(|file| text(&file)).transpose()?.flatten() else { continue };
            for name in [section.as_str(), profile.as_str()] {
                if let Some(found) = section_of(&text, name) {
                    values.extend(found);
                    is_there = true;
                    break;
                }
            }
        }
        if named.is_some() && !is_there {
            return Err(invalid(format!("there is no profile {profile:?} in the shared files of AWS")));
        }
        Ok(Self { profile, values })
    }

    fn text(&self, key: &str) -> Option<String> {
        self.values.get(key).filter(|value| !value.is_empty()).cloned()
    }

    fn keys(&self) -> Result<Option<S3Credentials>> {
        let secret = |key| self.text(key).map(Secret::new);
        keys(self.text("aws_access_key_id"), secret("aws_secret_access_key"), secret("aws_session_token"))
    }
}

/// Reads a small file that need not be there.
fn text(file: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(invalid(format!("cannot read {}: {error}", file.display()))),
    }
}

/// Returns what stands in `[name]`. Lines that are set in belong to the one above, and mean nothing here.
fn section_of(text: &str, name: &str) -> Option<BTreeMap<String, String>> {
    let mut found = None;
    let mut is_inside = false;
    for line in text.lines().filter(|line| !line.starts_with([' ', '\t', '#', ';'])) {
        if let Some(title) = line.trim_end().strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            is_inside = title.split_whitespace().eq(name.split_whitespace());
            if is_inside {
                found.get_or_insert_with(BTreeMap::new);
            }
        } else if is_inside
            && let Some((key, value)) = line.split_once('=')
            && let Some(found) = &mut found
        {
            found.insert(key.trim().to_owned(), value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{S3Credentials, S3Options};
    use crate::config::Config;
    use crate::error::Result;

    fn read(url: &str, environment: &[(&str, &str)]) -> Result<S3Options> {
        let environment = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Config::parse(url)?.with_environment(environment).read(S3Options::from_config)
    }

    fn access_key(options: &S3Options) -> &str {
        match &options.credentials {
            S3Credentials::Keys { access_key, .. } => access_key,
            other => panic!("no keys: {other:?}"),
        }
    }

    #[test]
    fn options_win_over_the_environment() {
        let environment = [
            ("AWS_ACCESS_KEY_ID", "environment"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_SESSION_TOKEN", "t"),
            ("AWS_DEFAULT_REGION", "eu-central-1"),
            ("AWS_ENDPOINT_URL", "https://general.example.org"),
            ("AWS_ENDPOINT_URL_S3", "https://s3.example.org"),
        ];
        let options = read("s3://bucket/some/prefix", &environment).unwrap();
        assert_eq!((options.bucket.as_str(), options.region.as_str()), ("bucket", "eu-central-1"));
        assert_eq!(options.endpoint.as_deref(), Some("https://s3.example.org"));
        assert_eq!(access_key(&options), "environment");
        let url = "s3://bucket?region=r&endpoint=http://h:1&allow_http=true&part_size=16MiB&path_style=false\
                   &access_key_id=option&secret_access_key=x&conditional_writes=false&idle_timeout=5s";
        let options = read(url, &environment).unwrap();
        assert_eq!((access_key(&options), options.region.as_str()), ("option", "r"));
        assert_eq!((options.part_size, options.path_style), (16 << 20, Some(false)));
        assert_eq!(options.conditional_writes, Some(false));
        assert_eq!(options.address(), "http://bucket.h:1");
        assert_eq!(
            read("s3://b?anonymous=true", &environment).unwrap().credentials,
            S3Credentials::Anonymous
        );
    }

    #[test]
    fn credentials_are_where_the_machine_keeps_them() {
        let of = |environment: &[(&str, &str)]| read("s3://b", environment).unwrap().credentials;
        assert_eq!(of(&[]), S3Credentials::Instance);
        let role = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/t"), ("AWS_ROLE_ARN", "r")];
        assert!(matches!(of(&role), S3Credentials::WebIdentity { .. }));
        let container = of(&[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x")]);
        assert!(matches!(container, S3Credentials::Container { .. }));
        let pod = [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://p"),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/t"),
        ];
        assert!(matches!(of(&pod), S3Credentials::Pod { .. }));
    }

    #[test]
    fn a_profile_is_read_from_the_shared_files() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".aws");
        std::fs::create_dir(&folder).unwrap();
        let config = "# c\n[default]\nregion = eu\n[profile work]\nregion=us\nendpoint_url = https://w\ns3 =\n  x = y\n";
        std::fs::write(folder.join("config"), config).unwrap();
        let keys = "[default]\naws_access_key_id = d\naws_secret_access_key = hunter2\n\
                    [work]\naws_access_key_id=w\naws_secret_access_key=hunter2\naws_session_token=t\n[empty]\n";
        std::fs::write(folder.join("credentials"), keys).unwrap();
        let at_home = ("HOME", home.path().to_str().unwrap());
        let options = read("s3://b", &[at_home]).unwrap();
        assert_eq!((access_key(&options), options.region.as_str()), ("d", "eu"));
        assert!(!format!("{options:?}").contains("hunter2"));
        let options = read("s3://b", &[at_home, ("AWS_PROFILE", "work")]).unwrap();
        assert_eq!((access_key(&options), options.endpoint.as_deref()), ("w", Some("https://w")));
        // A profile that is asked for by name wins over keys that happen to be set.
        let set = [at_home, ("AWS_ACCESS_KEY_ID", "e"), ("AWS_SECRET_ACCESS_KEY", "e")];
        assert_eq!(access_key(&read("s3://b", &set).unwrap()), "e");
        assert_eq!(access_key(&read("s3://b?profile=work", &set).unwrap()), "w");
        for wrong in ["s3://b?profile=empty", "s3://b?profile=nobody"] {
            read(wrong, &set).unwrap_err();
        }
    }

    #[test]
    fn wrong_options_are_refused() {
        for wrong in [
            "s3:///path",
            "s3://b?regoin=x",
            "s3://b:1/",
            "s3://u@b",
            "s3://b?endpoint=http://h",
            "s3://b?part_size=1KiB",
            "s3://b?access_key_id=a",
        ] {
            read(wrong, &[]).unwrap_err();
        }
    }
}
