//! What a URL and the environment say of a bucket, as Google's own tools read it.

use std::path::PathBuf;

use super::options::{GcsCredential, GcsOptions};
use crate::config::Config;
use crate::error::Result;

impl GcsOptions {
    /// Takes `gs://BUCKET/path` and its options.
    ///
    /// Credentials are looked for in the options, in the environment, in the user's file of `gcloud`, and in the end they are the
    /// machine's.
    pub(crate) fn from_config(config: &mut Config) -> Result<Self> {
        let usual = Self::default();
        let options = Self {
            bucket: config.demand_host("bucket")?,
            credential: credential(config)?,
            endpoint: config.take("endpoint"),
            allow_http: config.take_parsed("allow_http")?.unwrap_or(usual.allow_http),
            conditional_writes: config.take_parsed("conditional_writes")?,
            part_size: config.take_length("part_size")?.unwrap_or(usual.part_size),
            ca_file: config.take_file("ca_file")?,
            connect_timeout: config.take_parsed("connect_timeout")?.unwrap_or(usual.connect_timeout),
            idle_timeout: config.take_parsed("idle_timeout")?.unwrap_or(usual.idle_timeout),
        };
        options.check()?;
        Ok(options)
    }
}

fn credential(config: &mut Config) -> Result<GcsCredential> {
    let file = config.take_file("service_account_file")?;
    let key = config.take_secret("service_account_key");
    if config.take_parsed("anonymous")?.unwrap_or(false) {
        return Ok(GcsCredential::Anonymous);
    }
    if let Some(key) = key {
        return Ok(GcsCredential::ServiceAccount(key));
    }
    let named = file.or_else(|| config.variable("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from));
    let usual = || {
        let file = config.home()?.join(".config/gcloud/application_default_credentials.json");
        file.is_file().then_some(file)
    };
    Ok(named.or_else(usual).map_or(GcsCredential::Machine, GcsCredential::File))
}

#[cfg(test)]
mod tests {
    use super::{GcsCredential, GcsOptions};
    use crate::config::Config;
    use crate::error::Result;

    fn read(url: &str, environment: &[(&str, &str)]) -> Result<GcsOptions> {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::parse(url)?.with_environment(environment).read(GcsOptions::from_config)
    }

    #[test]
    fn a_bucket_and_its_credentials_are_found() {
        let file = |path: &str| GcsCredential::File(path.into());
        let environment = [("GOOGLE_APPLICATION_CREDENTIALS", "/environment.json")];
        let found = read("gs://b/folder?part_size=1MiB", &environment).unwrap();
        assert_eq!((found.bucket.as_str(), found.part_size), ("b", 1024 * 1024));
        assert_eq!(found.credential, file("/environment.json"));
        let found = read("gs://b?service_account_file=/option.json", &environment).unwrap();
        assert_eq!(found.credential, file("/option.json"));
        let found = read("gs://b?service_account_key=hunter2", &environment).unwrap();
        assert_eq!(found.credential, GcsCredential::ServiceAccount("hunter2".into()));
        assert_eq!(read("gs://b?anonymous=true", &environment).unwrap().credential, GcsCredential::Anonymous);
        let home = tempfile::tempdir().unwrap();
        let home_text = home.path().to_string_lossy().into_owned();
        let environment = [("HOME", home_text.as_str())];
        assert_eq!(read("gs://b", &environment).unwrap().credential, GcsCredential::Machine);
        let usual = home.path().join(".config/gcloud/application_default_credentials.json");
        std::fs::create_dir_all(usual.parent().unwrap()).unwrap();
        std::fs::write(&usual, "{}").unwrap();
        assert_eq!(read("gs://b", &environment).unwrap().credential, GcsCredential::File(usual));
        for wrong in ["gs:///folder", "gs://b?endpoint=http://h", "gs://b?part_size=1", "gs://b?unknown=1"] {
            read(wrong, &[]).unwrap_err();
        }
    }
}
