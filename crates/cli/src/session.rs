//! Which server, which key, which workspace: what was asked, the environment and the profiles taken together.

use longshore::{
    Client, Code, DEFAULT_CONCURRENCY, DEFAULT_URL, LockToken, Node, NodeId, Path, Place, RetryPolicy,
    Workspace, WorkspaceId,
};
use std::time::Duration;
use tokio::sync::OnceCell;

use crate::cli::Global;
use crate::failure::{Exit, Failure, NO_KEY};
use crate::profiles::{LOCAL, Profile, Profiles, variable};
use crate::transfer::Traffic;

/// The variable in which a command under locks finds their tokens.
pub(crate) const LOCK_TOKEN: &str = "LONGSHORE_LOCK_TOKEN";

/// Whom to speak to.
// No `Debug`: it would show the key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) url: String,
    pub(crate) key: Option<String>,
    pub(crate) workspace: Option<String>,
    /// The locks to write under.
    pub(crate) locks: Vec<LockToken>,
    /// The profile that had a part in it.
    pub(crate) profile: Option<String>,
}

/// Resolves what was asked. A flag comes before the environment, the environment before the profile; naming a
/// profile by a flag puts that profile before the environment.
///
/// A profile's key is never sent to another URL than the profile's own.
pub(crate) fn resolve(
    global: &Global,
    variable: impl Fn(&str) -> Option<String>,
    profiles: &Profiles,
) -> Result<Resolved, Failure> {
    let blank = |value: &Option<String>| value.clone().filter(|value| !value.trim().is_empty());
    let named = blank(&global.profile);
    let environment = |name| if named.is_some() { None } else { variable(name) };
    let name = named.clone().or_else(|| environment("LONGSHORE_PROFILE"));
    let explicit = name.is_some();
    let name = name.or_else(|| profiles.current.clone()).unwrap_or_else(|| LOCAL.to_owned());
    let profile = profiles.profiles.get(&name).map(|profile| (name.as_str(), profile));
    if explicit && profile.is_none() {
        let known: Vec<_> = profiles.profiles.keys().map(String::as_str).collect();
        let hint = if known.is_empty() {
            "there are no profiles yet; `longshore serve` makes the first".to_owned()
        } else {
            format!("there are: {}", known.join(", "))
        };
        let message = format!("there is no profile {name:?}");
        return Err(Failure::new(Exit::NotFound, "local_profile", message).hint(hint));
    }
    let asked = blank(&global.url).or_else(|| environment("LONGSHORE_URL"));
    let url = asked
        .or_else(|| profile.map(|(_, profile)| profile.url.clone()))
        .unwrap_or_else(|| DEFAULT_URL.to_owned());
    let fits = |(_, profile): &(&str, &Profile)| same_server(&profile.url, &url);
    let mut profile = profile.filter(fits);
    if profile.is_none() && !explicit {
        let all = profiles.profiles.iter().map(|(name, profile)| (name.as_str(), profile));
        profile = all.filter(|(_, profile)| profile.key.is_some()).find(fits);
    }
    let own =
        |field: fn(&Profile) -> &Option<String>| profile.and_then(|(_, profile)| field(profile).clone());
    let locks = blank(&global.lock_token).or_else(|| environment(LOCK_TOKEN));
    Ok(Resolved {
        locks: locks.as_deref().map(lock_tokens).transpose()?.unwrap_or_default(),
        key: blank(&global.key)
            .or_else(|| environment("LONGSHORE_API_KEY"))
            .or_else(|| own(|profile| &profile.key)),
        workspace: blank(&global.workspace)
            .or_else(|| environment("LONGSHORE_WORKSPACE"))
            .or_else(|| own(|profile| &profile.workspace)),
        profile: profile.map(|(name, _)| name.to_owned()),
        url,
    })
}

fn same_server(one: &str, other: &str) -> bool {
    one.trim().trim_end_matches('/').eq_ignore_ascii_case(other.trim().trim_end_matches('/'))
}

/// A client, and the workspace it works in.
pub(crate) struct Session {
    pub(crate) resolved: Resolved,
    pub(crate) client: Client,
    workspace: OnceCell<Workspace>,
}

/// What this program calls itself.
pub(crate) const USER_AGENT: &str = concat!("longshore-cli/", env!("CARGO_PKG_VERSION"));

/// People wait for these verbs: a server that is not there should show within a second.
pub(crate) fn impatient() -> RetryPolicy {
    RetryPolicy {
        base: Duration::from_millis(200),
        cap: Duration::from_secs(1),
        max_attempts: 3,
        ..RetryPolicy::default()
    }
}

impl Session {
    /// Opens a session; nothing is sent yet.
    pub(crate) fn open(global: &Global) -> Result<Self, Failure> {
        let resolved = resolve(global, variable, &Profiles::load()?)?;
        if resolved.key.is_none() {
            return Err(
                Failure::of_code(Code::KeyMissing, format!("no API key for {}", resolved.url)).hint(NO_KEY)
            );
        }
        let client = build(&resolved, impatient(), DEFAULT_CONCURRENCY, None)?;
        Ok(Self { resolved, client, workspace: OnceCell::new() })
    }

    /// Returns a client for what lasts, and outlasts a server's restart.
    pub(crate) fn patient(&self, concurrency: usize) -> Result<Client, Failure> {
        build(&self.resolved, RetryPolicy::default(), concurrency, None)
    }

    /// The same, for moving many files.
    pub(crate) fn for_traffic(&self, traffic: &Traffic) -> Result<Client, Failure> {
        build(&self.resolved, RetryPolicy::default(), traffic.pace.concurrency, traffic.limit_rate)
    }

    /// Returns a client for what outlasts any restart, once the server is known to be there.
    pub(crate) fn patient_for_ever(&self) -> Result<Client, Failure> {
        build(
            &self.resolved,
            RetryPolicy { max_attempts: u32::MAX, ..RetryPolicy::default() },
            DEFAULT_CONCURRENCY,
            None,
        )
    }

    /// Returns the workspace, and so proves that the server answers and knows the key.
    pub(crate) async fn workspace(&self) -> Result<&Workspace, Failure> {
        self.workspace
            .get_or_try_init(async || match &self.resolved.workspace {
                None => self.client.workspaces().current().await.map_err(|error| self.ambiguous(&error)),
                Some(text) => self.find_workspace(text).await,
            })
            .await
    }

    fn ambiguous(&self, error: &longshore::Error) -> Failure {
        let failure = Failure::from(error);
        if error.is(Code::WorkspaceNotFound) {
            return failure
                .hint("name one with --workspace, or for good with `longshore workspaces use NAME`");
        }
        failure
    }

    /// Finds a workspace by its id or its name.
    pub(crate) async fn find_workspace(&self, text: &str) -> Result<Workspace, Failure> {
        if let Ok(id) = text.parse::<WorkspaceId>() {
            return Ok(self.client.workspaces().get(id).await?);
        }
        let mut workspaces = self.client.workspaces().list();
        while let Some(workspace) = workspaces.next().await {
            let workspace = workspace?;
            if workspace.name == text {
                return Ok(workspace);
            }
        }
        Err(Failure::of_code(Code::WorkspaceNotFound, format!("there is no workspace {text:?}"))
            .hint("`longshore workspaces list` shows those this key reaches"))
    }

    /// Returns a path in the workspace.
    pub(crate) async fn place(&self, path: Path) -> Result<Place, Failure> {
        Ok((self.workspace().await?.id, path).into())
    }

    /// Finds the node that a text names: a path, or an id.
    pub(crate) async fn node(&self, text: &str) -> Result<Node, Failure> {
        let found = match text.parse::<NodeId>() {
            Ok(id) => self.client.files().get(id).await,
            Err(_) => {
                let place = self.place(workspace_path(text)?).await?;
                self.client.files().by_path(place).await
            }
        };
        found.map_err(|error| about(text, &error))
    }

    /// Finds the node at a path, or nothing.
    pub(crate) async fn node_if_any(&self, path: Path) -> Result<Option<Node>, Failure> {
        let text = path.to_string();
        let place = self.place(path).await?;
        match self.client.files().by_path(place).await {
            Ok(node) => Ok(Some(node)),
            Err(error) if error.is(Code::NodeNotFound) => Ok(None),
            Err(error) => Err(about(&text, &error)),
        }
    }
}

fn build(
    resolved: &Resolved,
    retry: RetryPolicy,
    concurrency: usize,
    limit_rate: Option<u64>,
) -> Result<Client, Failure> {
    let mut builder = Client::builder()
        .url(resolved.url.as_str())
        .user_agent(USER_AGENT)
        .retry(retry)
        .concurrency(concurrency);
    if let Some(rate) = limit_rate {
        builder = builder.limit_rate(rate);
    }
    if let Some(key) = &resolved.key {
        builder = builder.api_key(key.as_str());
    }
    Ok(builder.build()?.under(resolved.locks.iter().cloned()))
}

/// Reads lock tokens with commas between them. What is none is not shown: it may be one with a typing error.
pub(crate) fn lock_tokens(text: &str) -> Result<Vec<LockToken>, Failure> {
    let tokens = text.split(',').map(str::trim).filter(|token| !token.is_empty()).map(|token| {
        token.parse().map_err(|error| Failure::invalid(format!("a lock token is malformed: {error}")))
    });
    tokens.collect()
}

/// Returns an error that says what it is about.
pub(crate) fn about(text: &str, error: &longshore::Error) -> Failure {
    let mut failure = Failure::from(error);
    if !failure.message.contains(text) && !error.is_network() {
        failure.message = format!("{text}: {}", failure.message);
    }
    failure
}

/// Takes a text of the command line as a path in the workspace.
pub(crate) fn workspace_path(text: &str) -> Result<Path, Failure> {
    Path::new(text).map_err(|error| {
        let failure = Failure::of_code(error.code(), format!("{text:?} is no path: {error}"));
        if text.starts_with('/') { failure } else { failure.hint(format!("write /{text}")) }
    })
}

#[cfg(test)]
mod tests;
