//! What a store is opened from: a URL, options, and an environment that the caller hands in.
//!
//! Nothing here reads the process's environment, and nothing here is printed that is secret: `Debug` and `Display` show
//! `***` for passwords and for the values of [`is_secret`] keys, and errors name keys, never such values.

mod expand;
#[cfg(test)]
mod tests;
mod url;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug, Display};
use std::path::PathBuf;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use self::url::Url;
pub(crate) use self::value::FromOption;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;

/// What stands in place of a secret.
const HIDDEN: &str = "***";

/// What is written with `%` where a URL is shown.
const RESERVED: &AsciiSet =
    &CONTROLS.add(b' ').add(b'%').add(b'?').add(b'#').add(b'&').add(b'"').add(b'<').add(b'>');

/// The same within user and host.
const RESERVED_AUTHORITY: &AsciiSet = &RESERVED.add(b'/').add(b'@').add(b':');

/// Where a store is, and how it is used: see [`Store::open`](crate::Store::open).
///
/// # URL
/// `scheme://user:password@host:port/path?key=value&key=value`, everything but the scheme optional. Each part is decoded from
/// its `%`-form by itself; `+` is a plus. Refused are a `#` (write `%23`), an `@` but behind the user (write `%40`), and a path with a `..` segment.
///
/// # Options
/// Those of the URL's query, then those of [`with_option`](Self::with_option), which win. A key that the scheme does not know,
/// or a part of the URL that it has no use for, is `InvalidInput` when the store is opened.
///
/// `${NAME}` in an option's value, in the user and in the password becomes the variable `NAME` of the environment, and
/// `${NAME:-default}` the default where that is not set or empty. Write `$${` for `${` itself.
#[derive(Clone)]
pub struct Config {
    url: Url,
    options: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
    /// Every option that was asked for: those the scheme knows.
    known: BTreeSet<&'static str>,
}

impl Config {
    /// Reads a URL. What breaks the form is `InvalidInput`.
    pub fn parse(url: &str) -> Result<Self> {
        let (url, options) = Url::parse(url)?;
        Ok(Self { url, options, environment: BTreeMap::new(), known: BTreeSet::new() })
    }

    /// Returns this with an option more. One of the same key, from the URL too, is replaced.
    #[must_use]
    pub fn with_option(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.insert(key.into(), value.into());
        self
    }

    /// Returns this with an option more, unless it is there.
    #[must_use]
    pub fn with_default(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.entry(key.into()).or_insert_with(|| value.into());
        self
    }

    /// Returns this with variables of the environment, such as `std::env::vars()`: for `${NAME}`, and for the credentials
    /// that each service's own tools look for there. One of the same name is replaced.
    #[must_use]
    pub fn with_environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment.extend(variables);
        self
    }

    /// Returns the scheme, in lower case.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.url.scheme
    }

    /// Returns the path, decoded; it may be empty.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.url.path
    }

    /// Returns this with another path, such as that of one file.
    #[must_use]
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.url.path = path.into();
        self
    }

    /// Returns whether two configurations differ in nothing but the path.
    #[must_use]
    pub fn is_same_store(&self, other: &Self) -> bool {
        let paths_apart = |config: &Self| Url { path: String::new(), ..config.url.clone() };
        paths_apart(self) == paths_apart(other)
            && self.options == other.options
            && self.environment == other.environment
    }

    /// Makes options of this: lets `take` take what it knows, and refuses what it has not taken.
    ///
    /// The path may stay: [`Store::open`](crate::Store::open) makes it the root of the store.
    pub(crate) fn read<T>(&mut self, take: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let taken = take(self)?;
        self.finish()?;
        Ok(taken)
    }

    /// Resolves `${NAME}`, once, before anything is taken.
    pub(crate) fn resolve(&mut self) -> Result<()> {
        let Self { url, options, environment, .. } = self;
        let options = options.iter_mut().map(|(key, value)| (format!("option {key:?}"), value));
        let user = url.user.iter_mut().map(|user| ("user".to_owned(), user));
        let password = url.password.iter_mut().map(|password| ("password".to_owned(), password));
        for (what, value) in options.chain(user).chain(password) {
            *value =
                expand::expand(value, environment).map_err(|why| invalid(format!("the {what}: {why}")))?;
        }
        Ok(())
    }

    /// Refuses what nobody has taken, and says what could have been.
    fn finish(&self) -> Result<()> {
        let scheme = self.scheme();
        let left = [
            ("user", self.url.user.is_some()),
            ("password", self.url.password.is_some()),
            ("host", self.url.host.is_some()),
            ("port", self.url.port.is_some()),
        ];
        if let Some((part, _)) = left.into_iter().find(|(_, is_left)| *is_left) {
            return Err(invalid(format!("a URL of {scheme}: has no {part}")));
        }
        let Some(unknown) = self.options.keys().next() else { return Ok(()) };
        let known: Vec<_> = self.known.iter().copied().collect();
        Err(invalid(format!("{scheme}: has no option {unknown:?}; it has: {}", known.join(", "))))
    }

    /// Takes the host: of some schemes the bucket or the container.
    pub(crate) fn take_host(&mut self) -> Option<String> {
        self.url.host.take()
    }

    /// Takes the path, decoded and as it was written, with its leading `/`: for schemes that open it themselves. What is
    /// not taken becomes the root of the store.
    pub(crate) fn take_path(&mut self) -> String {
        std::mem::take(&mut self.url.path)
    }

    /// Takes an option as text.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<String> {
        self.known.insert(key);
        self.options.remove(key)
    }

    /// Takes an option: a number, a yes or no, a duration; see [`FromOption`].
    pub(crate) fn take_parsed<T: FromOption>(&mut self, key: &'static str) -> Result<Option<T>> {
        let Some(text) = self.take(key) else { return Ok(None) };
        T::from_option(&text).map(Some).ok_or_else(|| misread(key, &text, T::FORM))
    }

    /// Takes an option that is a number of bytes: `4096`, `64KiB`, `8MiB`, `1GiB`.
    pub(crate) fn take_size(&mut self, key: &'static str) -> Result<Option<u64>> {
        let Some(text) = self.take(key) else { return Ok(None) };
        value::size(&text).map(Some).ok_or_else(|| misread(key, &text, value::SIZE_FORM))
    }

    /// Takes an option that is a number of bytes in memory.
    pub(crate) fn take_length(&mut self, key: &'static str) -> Result<Option<usize>> {
        let length = self.take_size(key)?.map(usize::try_from).transpose();
        length.map_err(|_| invalid(format!("the option {key:?} is too large")))
    }

    /// Takes an option that is one of a few words.
    pub(crate) fn take_one_of<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
    ) -> Result<Option<T>> {
        let Some(text) = self.take(key) else { return Ok(None) };
        if let Some((_, found)) = words.iter().find(|(word, _)| *word == text) {
            return Ok(Some(*found));
        }
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        Err(misread(key, &text, &format!("one of {}", words.join(", "))))
    }

    /// Takes the host, which must be there. `what` says what it names: `"bucket"`.
    pub(crate) fn demand_host(&mut self, what: &str) -> Result<String> {
        let form = format!("the URL names no {what}: {}://{}/path", self.scheme(), what.to_uppercase());
        self.take_host().ok_or_else(|| invalid(form))
    }

    /// Takes the port.
    pub(crate) fn take_port(&mut self) -> Option<u16> {
        self.url.port.take()
    }

    /// Takes the user's name.
    pub(crate) fn take_user(&mut self) -> Option<String> {
        self.url.user.take()
    }

    /// Takes the password.
    pub(crate) fn take_password(&mut self) -> Option<Secret> {
        self.url.password.take().map(Secret::new)
    }

    /// Takes an option that is secret.
    pub(crate) fn take_secret(&mut self, key: &'static str) -> Option<Secret> {
        debug_assert!(is_secret(key), "{key} would be shown");
        self.take(key).map(Secret::new)
    }

    /// Takes an option that is a file of this machine; a leading `~/` is the home folder.
    pub(crate) fn take_file(&mut self, key: &'static str) -> Result<Option<PathBuf>> {
        let Some(text) = self.take(key) else { return Ok(None) };
        let Some(below) = text.strip_prefix("~/") else { return Ok(Some(text.into())) };
        let home = self
            .home()
            .ok_or_else(|| invalid(format!("the option {key:?}: the home folder is not known")))?;
        Ok(Some(home.join(below)))
    }

    /// Returns a variable of the environment, unless it is empty.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns a variable of the environment that is secret.
    pub(crate) fn secret_variable(&self, name: &str) -> Option<Secret> {
        self.variable(name).map(Secret::new)
    }

    /// Returns the home folder of who opens the store.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        self.variable("HOME").map(PathBuf::from)
    }
}

/// Tells whether an option of this name is never shown.
fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    [
        "key",
        "secret",
        "token",
        "sas",
        "passphrase",
        "password",
        "credential",
        "credentials",
        "sig",
        "signature",
    ]
    .iter()
    .any(|end| key.ends_with(end))
}

/// Returns an option's value as it may be shown.
fn shown<'a>(key: &str, value: &'a str) -> &'a str {
    // A URL as a value may have a password of its own.
    let has_user = value.split_once("://").is_some_and(|(_, rest)| rest.contains('@'));
    if is_secret(key) || has_user { HIDDEN } else { value }
}

pub(crate) fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

fn misread(key: &str, text: &str, form: &str) -> Error {
    invalid(format!("the option {key:?} is {:?}, which is not {form}", shown(key, text)))
}

impl Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = |text| utf8_percent_encode(text, RESERVED);
        let authority = |text| utf8_percent_encode(text, RESERVED_AUTHORITY);
        let Url { scheme, user, password, host, port, path } = &self.url;
        write!(f, "{scheme}:")?;
        if host.is_some() || path.starts_with('/') {
            f.write_str("//")?;
        }
        if let Some(user) = user {
            write!(f, "{}", authority(user))?;
        }
        if password.is_some() {
            write!(f, ":{HIDDEN}")?;
        }
        if user.is_some() || password.is_some() {
            f.write_str("@")?;
        }
        match host {
            Some(host) if host.contains(':') => write!(f, "[{host}]")?,
            Some(host) => write!(f, "{}", authority(host))?,
            None => {}
        }
        if let Some(port) = port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", encoded(path))?;
        for (place, (key, value)) in self.options.iter().enumerate() {
            let before = if place == 0 { '?' } else { '&' };
            write!(f, "{before}{}={}", encoded(key), encoded(shown(key, value)))?;
        }
        Ok(())
    }
}

impl Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Variables hold credentials: that there are some is all that is shown.
        f.debug_struct("Config")
            .field("url", &format_args!("{self}"))
            .field("variables", &self.environment.len())
            .finish()
    }
}
