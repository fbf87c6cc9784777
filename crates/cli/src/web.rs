//! What `fetch` and `enrich` make of servers that are not ours, over [`longshore_web`]: many requests at once, each tried again
//! where that may help, files and answers that survive a kill.
//!
//! Nothing a server says is trusted: not its names, its lengths or its sizes. A secret goes to the host that the user named,
//! to no other, and into no message.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use longshore_flow::RetryPolicy;
use longshore_web::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use longshore_web::{Agent, LONGEST_PAUSE, Manners, Settings, Url};

use crate::failure::Failure;
use crate::profiles::variable;

pub(crate) mod content;
pub(crate) mod download;
pub(crate) mod ended;
pub(crate) mod enrich;
pub(crate) mod filename;
pub(crate) mod folder;
pub(crate) mod journal;
pub(crate) mod lines;
pub(crate) mod link;
pub(crate) mod patience;
pub(crate) mod watched;

/// Fields that belong to the exchange itself, which this program makes.
const OWN: [&str; 8] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "range",
    "if-range",
    "proxy-authorization",
    "expect",
];

// No doc comment: clap would take it for the verb's own. No `Debug`: headers are secrets.
#[derive(Args)]
#[command(next_help_heading = "Requests")]
pub(crate) struct Requests {
    /// Send this header to the hosts you name, though not to one they redirect to; may be given many times
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Send the token in this variable of the environment as `Authorization: Bearer`
    #[arg(long, value_name = "NAME")]
    bearer_env: Option<String>,
    /// How often a request is tried again after a fault that may pass
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    retries: u32,
    /// Trust these certificates (PEM) besides the machine's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Follow redirects from https to http, too
    #[arg(long)]
    allow_downgrade: bool,
}

impl Requests {
    /// Returns what goes with every request, with the token in it.
    pub(crate) fn headers(&self) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        for line in &self.headers {
            // The value may be a secret: no message shows it.
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| Failure::invalid("a header is written as 'Name: value', with a colon"))?;
            let name = HeaderName::from_bytes(name.trim().as_bytes())
                .map_err(|_| Failure::invalid(format!("{name:?} is no name of a header")))?;
            if OWN.contains(&name.as_str()) {
                return Err(Failure::invalid(format!("the header {name} is made by the request itself")));
            }
            let mut value = HeaderValue::from_str(value.trim())
                .map_err(|_| Failure::invalid(format!("the value of the header {name} cannot be sent")))?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        if let Some(name) = &self.bearer_env {
            let token = variable(name)
                .ok_or_else(|| Failure::invalid(format!("the environment has nothing in {name}")))?;
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
                .map_err(|_| Failure::invalid(format!("the token in {name} cannot be sent in a header")))?;
            value.set_sensitive(true);
            if headers.insert(AUTHORIZATION, value).is_some() {
                return Err(Failure::invalid(
                    "--bearer-env and a header Authorization cannot be given together",
                ));
            }
        }
        Ok(headers)
    }

    /// Returns what sends the requests, once all that can be known to be wrong with it is known not to be.
    pub(crate) fn agent(&self, timeout: Duration, manners: Manners) -> Result<Agent, Failure> {
        let timeout = timeout.max(Duration::from_millis(1));
        let settings = Settings {
            user_agent: concat!("longshore/", env!("CARGO_PKG_VERSION")),
            ca_file: self.ca_file.clone(),
            connect: timeout,
            idle: timeout,
            downgrade: self.allow_downgrade,
            upgrade: true,
            // How often a request may be sent is what the user says.
            resend: false,
            proxies: true,
        };
        let agent = Agent::new(settings, Some(manners));
        agent.check().map_err(|refused| Failure::invalid(refused.message))?;
        Ok(agent)
    }

    /// Returns how often, and after which pauses, a request is tried.
    pub(crate) fn policy(&self) -> RetryPolicy {
        RetryPolicy {
            max_attempts: self.retries.saturating_add(1),
            retry_after_cap: LONGEST_PAUSE,
            ..RetryPolicy::default()
        }
    }
}

/// Reads a URL that may be dialled: http or https, with a host.
pub(crate) fn url(text: &str) -> Result<Url, Failure> {
    longshore_web::parse_url(text).map_err(Failure::from)
}
