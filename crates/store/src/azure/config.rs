//! What a URL and the environment say of a container, as Azure's own tools read it.

use std::path::PathBuf;

use super::options::{AzureCredential, AzureOptions};
use crate::config::{Config, invalid};
use crate::error::Result;
use crate::secret::Secret;

impl AzureOptions {
    /// Takes `az://CONTAINER/path` or `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/path`, and options.
    ///
    /// Credentials are looked for in the options, in the environment (a key, a signature, a connection string, an application, a
    /// workload identity), and in the end they are the machine's.
    pub(crate) fn from_config(config: &mut Config) -> Result<Self> {
        let usual = Self::default();
        let said = Said::read(config);
        let place = Place::take(config)?;
        let account = config.take("account");
        let variable = |name: &str| config.variable(name).map(str::to_owned);
        let account = place
            .account
            .or(account)
            .or_else(|| variable("AZURE_STORAGE_ACCOUNT_NAME"))
            .or_else(|| said.account.clone())
            .ok_or_else(|| {
                invalid(
                    "the option \"account\" is missing, and AZURE_STORAGE_ACCOUNT_NAME is not set".to_owned(),
                )
            })?;
        let endpoint = config.take("endpoint").or(place.endpoint).or_else(|| said.endpoint.clone());
        let options = Self {
            account,
            container: place.container,
            credential: credential(config, said)?,
            endpoint,
            dfs_endpoint: config.take("dfs_endpoint"),
            hierarchical: config.take_parsed("hierarchical")?,
            allow_http: config.take_parsed("allow_http")?.unwrap_or(usual.allow_http),
            part_size: config.take_length("part_size")?.unwrap_or(usual.part_size),
            parts_in_flight: config.take_parsed("parts_in_flight")?.unwrap_or(usual.parts_in_flight),
            ca_file: config.take_file("ca_file")?,
            connect_timeout: config.take_parsed("connect_timeout")?.unwrap_or(usual.connect_timeout),
            idle_timeout: config.take_parsed("idle_timeout")?.unwrap_or(usual.idle_timeout),
        };
        options.dfs_url()?;
        Ok(options)
    }
}

/// What the URL names.
struct Place {
    container: String,
    account: Option<String>,
    /// The Blob endpoint, where it is none of Azure's public cloud.
    endpoint: Option<String>,
}

impl Place {
    fn take(config: &mut Config) -> Result<Self> {
        if config.scheme() != "abfss" {
            return Ok(Self { container: config.demand_host("container")?, account: None, endpoint: None });
        }
        let form = "the URL is no abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/path";
        let wrong = || invalid(form.to_owned());
        let container = config.take_user().ok_or_else(wrong)?;
        let host = config.take_host().ok_or_else(wrong)?;
        let (account, rest) = host.split_once('.').ok_or_else(wrong)?;
        let suffix = rest.strip_prefix("dfs.").ok_or_else(wrong)?;
        let endpoint = (suffix != "core.windows.net").then(|| format!("https://{account}.blob.{suffix}"));
        Ok(Self { container, account: Some(account.to_owned()), endpoint })
    }
}

/// What a connection string in the environment says.
#[derive(Default)]
struct Said {
    account: Option<String>,
    endpoint: Option<String>,
    key: Option<Secret>,
    signature: Option<Secret>,
}

impl Said {
    fn read(config: &Config) -> Self {
        let mut said = Self::default();
        let text = config.variable("AZURE_STORAGE_CONNECTION_STRING").unwrap_or_default();
        for (name, value) in text.split(';').filter_map(|pair| pair.split_once('=')) {
            match name.trim() {
                "AccountName" => said.account = Some(value.to_owned()),
                "AccountKey" => said.key = Some(value.into()),
                "SharedAccessSignature" => said.signature = Some(value.into()),
                "BlobEndpoint" => said.endpoint = Some(value.to_owned()),
                _ => {}
            }
        }
        said
    }
}

fn credential(config: &mut Config, said: Said) -> Result<AzureCredential> {
    let key = config.take_secret("account_key");
    let signature = config.take_secret("sas");
    let (tenant, client) = (config.take("tenant_id"), config.take("client_id"));
    let secret = config.take_secret("client_secret");
    if let Some(key) = key {
        return Ok(AzureCredential::Key(key));
    }
    if let Some(signature) = signature {
        return Ok(AzureCredential::Signature(signature));
    }
    let variable = |name: &str| config.variable(name).map(str::to_owned);
    let is_asked = secret.is_some();
    let tenant = tenant.or_else(|| variable("AZURE_TENANT_ID"));
    let client = client.or_else(|| variable("AZURE_CLIENT_ID"));
    let application = |secret| match (tenant.clone(), client.clone()) {
        (Some(tenant), Some(client)) => Some(AzureCredential::ClientSecret { tenant, client, secret }),
        _ => None,
    };
    if let Some(secret) = secret
        && let Some(found) = application(secret)
    {
        return Ok(found);
    }
    if is_asked {
        return Err(invalid(
            "to the option \"client_secret\" belong \"tenant_id\" and \"client_id\"".to_owned(),
        ));
    }
    if let Some(key) = config.secret_variable("AZURE_STORAGE_ACCOUNT_KEY") {
        return Ok(AzureCredential::Key(key));
    }
    if let Some(signature) = config.secret_variable("AZURE_STORAGE_SAS_TOKEN") {
        return Ok(AzureCredential::Signature(signature));
    }
    if let Some(key) = said.key {
        return Ok(AzureCredential::Key(key));
    }
    if let Some(signature) = said.signature {
        return Ok(AzureCredential::Signature(signature));
    }
    if let Some(found) = config.secret_variable("AZURE_CLIENT_SECRET").and_then(application) {
        return Ok(found);
    }
    let token_file = variable("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from);
    Ok(match (tenant, client, token_file) {
        (Some(tenant), Some(client), Some(token_file)) => {
            AzureCredential::WorkloadIdentity { tenant, client, token_file }
        }
        (_, client, _) => AzureCredential::ManagedIdentity { client },
    })
}

#[cfg(test)]
mod tests {
    use super::{AzureCredential, AzureOptions};
    use crate::config::Config;
    use crate::error::Result;

    fn read(url: &str, environment: &[(&str, &str)]) -> Result<AzureOptions> {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::parse(url)?.with_environment(environment).read(AzureOptions::from_config)
    }

    #[test]
    fn both_forms_name_a_container() {
        let az = read("az://data/folder?account=acme&account_key=a2V5", &[]).unwrap();
        assert_eq!((az.account.as_str(), az.container.as_str()), ("acme", "data"));
        assert_eq!(az.credential, AzureCredential::Key("a2V5".into()));
        let abfss = read("abfss://data@acme.dfs.core.windows.net/folder?sas=sig%3Dx", &[]).unwrap();
        assert_eq!((abfss.account.as_str(), abfss.container.as_str()), ("acme", "data"));
        assert_eq!((abfss.endpoint.as_deref(), abfss.hierarchical), (None, None));
        let china = read("abfss://data@acme.dfs.core.chinacloudapi.cn/", &[]).unwrap();
        assert_eq!(china.endpoint.as_deref(), Some("https://acme.blob.core.chinacloudapi.cn"));
        for wrong in [
            "az://data",
            "az:///folder?account=acme",
            "abfss://data/folder",
            "abfss://acme.dfs.core.windows.net/folder",
            "abfss://data@acme.example.org/folder",
            "az://data?account=acme&client_secret=x",
            "az://data?account=acme&endpoint=http://h",
            "az://data?account=acme&part_size=1",
            "az://data?account=acme&unknown=1",
        ] {
            read(wrong, &[]).unwrap_err();
        }
    }

    #[test]
    fn credentials_are_found_in_their_order() {
        let url = "az://data?account=acme";
        let workload =
            [("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c"), ("AZURE_FEDERATED_TOKEN_FILE", "/token")];
        let found = read(url, &workload).unwrap().credential;
        assert!(matches!(found, AzureCredential::WorkloadIdentity { .. }), "{found:?}");
        let secret = [workload.as_slice(), &[("AZURE_CLIENT_SECRET", "s")]].concat();
        let found = read(url, &secret).unwrap().credential;
        assert!(matches!(found, AzureCredential::ClientSecret { .. }), "{found:?}");
        let key = [secret.as_slice(), &[("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")]].concat();
        assert_eq!(read(url, &key).unwrap().credential, AzureCredential::Key("a2V5".into()));
        let found = read("az://data?account=acme&sas=x", &key).unwrap().credential;
        assert_eq!(found, AzureCredential::Signature("x".into()));
        let found = read(url, &[]).unwrap().credential;
        assert_eq!(found, AzureCredential::ManagedIdentity { client: None });
        let said = "AccountName=other;AccountKey=a2V5==;BlobEndpoint=https://other.blob.example.org/";
        let found = read("az://data", &[("AZURE_STORAGE_CONNECTION_STRING", said)]).unwrap();
        assert_eq!(found.account, "other");
        assert_eq!(found.credential, AzureCredential::Key("a2V5==".into()));
        assert_eq!(found.endpoint.as_deref(), Some("https://other.blob.example.org/"));
    }
}
