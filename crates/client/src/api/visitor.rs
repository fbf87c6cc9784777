//! Visiting a share link: for who was given its address, and has no key.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use longshore_core::path::encode_segment;
use longshore_core::wire::{Dropped, HiddenText, NodeKind, OpenedShare, SeenShare, ShareMode, SharedNode};
use longshore_core::{Name, Timestamp, WorkspacePath};
use serde::Serialize;

use super::files::Depth;
use super::listing::Listing;
use crate::client::Client;
use crate::client::visit::Visit;
use crate::config::Builder;
use crate::error::{Error, Result};
use crate::transfer::archive::{self, Asked};
use crate::transfer::destination::Destination;
use crate::transfer::download::{self, Download, DownloadOptions, Downloaded, Wanted};
use crate::transfer::drop::{self, DropOptions};
use crate::transfer::progress::Report;
use crate::transfer::source::Source;

/// What a share link leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Opened {
    /// What the link is for.
    pub mode: ShareMode,
    /// The name of the folder or file that it leads to. It comes from the server: whoever makes a local file of that name
    /// checks it, as [`Name::new`] does.
    pub name: String,
    /// Whether that is a folder or a file.
    pub kind: NodeKind,
    /// How many bytes a file has; nothing for a folder.
    pub size: Option<u64>,
    /// When the visit under way is over: after an hour at the latest. Another begins by itself.
    pub expires_at: Timestamp,
}

impl From<&OpenedShare> for Opened {
    fn from(opened: &OpenedShare) -> Self {
        let OpenedShare { mode, name, kind, size, expires_at, .. } = opened.clone();
        Self { mode, name, kind, size, expires_at }
    }
}

/// Somebody who visits a share link.
///
/// ```no_run
/// use longshore::{Depth, Path, Result, Visitor};
///
/// # async fn run(url: &str) -> Result<()> {
/// let visitor = Visitor::new(url)?.with_password("correct horse");
/// let mut below = visitor.list(Path::root(), Depth::All);
/// while let Some(node) = below.next().await {
///     println!("{}", node?.path);
/// }
/// visitor.download_to(Path::new("/q1.csv")?, "q1.csv", &Default::default()).await?;
/// # Ok(())
/// # }
/// ```
///
/// The link is opened by the first verb that needs it. That gives a visit of an hour at most, in which the first download of
/// a content counts as one of the link's; a visit that has ended is followed by another, in which it counts again. Paths
/// begin in what the link leads to: the root is the folder or the file itself.
///
/// A link that leads nowhere, whatever the reason, is [`Code::ShareNotFound`]; a password that is missing or wrong is
/// [`Code::SharePasswordWrong`], and what the link is not for [`Code::ShareModeWrong`]. The link's address is as good as a
/// key, and no error tells it. Clones share connections and the visit.
///
/// [`Code::ShareNotFound`]: longshore_core::Code::ShareNotFound
/// [`Code::SharePasswordWrong`]: longshore_core::Code::SharePasswordWrong
/// [`Code::ShareModeWrong`]: longshore_core::Code::ShareModeWrong
#[derive(Clone)]
pub struct Visitor {
    client: Client,
    visit: Arc<Visit>,
}

impl Visitor {
    /// Makes a visitor of a link's address, such as `https://files.example.org/v1/shares/lsh_…`. Nothing is connected yet.
    pub fn new(url: &str) -> Result<Self> {
        Builder::default().visit(url)
    }

    pub(crate) fn of(client: &Client, visit: Visit) -> Self {
        let visit = Arc::new(visit);
        Self { client: client.visiting(Arc::clone(&visit)), visit }
    }

    /// Returns this visitor with the link's password. It begins a visit of its own.
    #[must_use]
    pub fn with_password(&self, password: impl Into<String>) -> Self {
        Self::of(&self.client, self.visit.with_password(HiddenText::new(password)))
    }

    /// Returns this visitor with the `Idempotency-Key` that its next [`Visitor::put`] carries, in place of one that it makes:
    /// the same file under the same key, once more, gives the first answer again. A key holds within a visit; where that has
    /// ended, [`Code::ShareNotOpened`](longshore_core::Code::ShareNotOpened) says so, and the next verb begins another.
    pub fn with_idempotency_key(&self, key: impl AsRef<str>) -> Result<Self> {
        let client = self.client.with_idempotency_key(key)?;
        Ok(Self { client, visit: Arc::clone(&self.visit) })
    }

    /// Tells what the link is for, and whether it takes a password. It opens nothing, and tells nothing of what is behind.
    pub async fn look(&self) -> Result<SeenShare> {
        self.visit.look().await
    }

    /// Tells what the link leads to, and opens it unless a visit is under way.
    pub async fn open(&self) -> Result<Opened> {
        Ok(Opened::from(&self.visit.entry().await?.opened))
    }

    /// Returns the route of a verb on what stands at a path.
    fn route(&self, verb: &str, path: &WorkspacePath) -> String {
        if path.is_root() {
            return self.visit.route(&format!("/{verb}"));
        }
        self.visit.route(&format!("/{verb}?path={}", encode_segment(&path.to_string())))
    }

    /// Lists what is below a folder, depth first, by name in byte order.
    pub fn list(&self, folder: WorkspacePath, depth: Depth) -> Listing<SharedNode> {
        let route = self.route("tree", &folder);
        let mark = if folder.is_root() { '?' } else { '&' };
        let route = format!("{route}{mark}depth={depth}");
        Listing::new(self.client.clone(), async move { Ok(route) })
    }

    /// Downloads a file into memory, verified.
    pub async fn download(&self, file: WorkspacePath) -> Result<Bytes> {
        let route = self.route("content", &file);
        download::bytes(&self.client, Wanted::Route(&route), &DownloadOptions::default()).await
    }

    /// Opens a file for reading as a stream, which verifies itself at its end.
    pub async fn stream(&self, file: WorkspacePath, options: &DownloadOptions) -> Result<Download> {
        let route = self.route("content", &file);
        download::open(&self.client, Wanted::Route(&route), options, true).await
    }

    /// Downloads a file into a local one, as [`Files::download_to`](crate::Files::download_to) does: it appears only once it
    /// is whole and verified, and goes on where a connection, or an earlier run, broke off.
    pub async fn download_to(
        &self,
        file: WorkspacePath,
        destination: impl Into<Destination>,
        options: &DownloadOptions,
    ) -> Result<Downloaded> {
        let (route, destination) = (self.route("content", &file), destination.into());
        let report = Report::new(options.progress.clone(), 0);
        download::to_file(&self.client, Wanted::Route(&route), &destination, options, report).await
    }

    /// Opens a folder with all that is below it, or a file, as a zip. It has no digest: that it is whole is known at its end.
    pub async fn archive(&self, path: WorkspacePath) -> Result<Download> {
        archive::open(&self.client, &Asked::Route(self.route("archive", &path))).await
    }

    /// Downloads a folder with all that is below it, or a file, as a zip into a file, which appears only once it is whole.
    pub async fn archive_to(
        &self,
        path: WorkspacePath,
        destination: impl Into<Destination>,
        options: &DownloadOptions,
    ) -> Result<Downloaded> {
        if options.range.is_some() {
            return Err(Error::invalid("an archive is made anew each time, and has no ranges"));
        }
        let report = Report::new(options.progress.clone(), 0);
        let (asked, destination) = (Asked::Route(self.route("archive", &path)), destination.into());
        archive::to_file(&self.client, &asked, &destination, options, report).await
    }

    /// Puts a new file into the drop box that the link leads to. Where its name is taken it gets another, of which nothing is
    /// told.
    ///
    /// What can be replayed (a path, bytes) is sent again after a failure, and makes one file: it goes under one key, by which
    /// the server knows it for as long as the visit lasts. Where that ends before it is known what came of it, the failure is
    /// the answer, and [`Error::may_have_happened`] says so. A stream is not sent again.
    pub async fn put(
        &self,
        source: impl Into<Source>,
        name: &Name,
        options: &DropOptions,
    ) -> Result<Dropped> {
        drop::put(&self.client, &self.visit, name, source.into(), options).await
    }
}

impl fmt::Debug for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visitor").field("client", &self.client).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use longshore_core::{ShareToken, Timestamp};

    use super::Visitor;

    #[test]
    fn an_address_is_read_and_never_told() {
        let token = ShareToken::generate(Timestamp::from_micros(0));
        let token = token.reveal();
        for good in ["http://host", "https://host:1/a/b", " http://[::1]:7420"] {
            let visitor = Visitor::new(&format!("{good}/v1/shares/{token} \n")).unwrap();
            assert!(!format!("{visitor:?}").contains(&token[10..]), "{visitor:?}");
        }
        let typo = format!("{}x", &token[..token.len() - 1]);
        for bad in [
            String::new(),
            token.to_owned(),
            format!("/v1/shares/{token}"),
            format!("ftp://host/v1/shares/{token}"),
            format!("http://me:secret@host/v1/shares/{token}"),
            format!("http://host/{token}/v1/shares/{token}?a=b"),
            format!("http://h ost/{token}/v1/shares/{token}"),
            format!("http://host/v1/shares/{token}/tree"),
            format!("http://host/v1/shares/{typo}"),
            format!("http://host/shares/{token}"),
            "http://host/v1/shares/".to_owned(),
        ] {
            let error = Visitor::new(&bad).expect_err(&bad);
            assert_eq!(error.kind(), longshore_core::ErrorKind::Invalid, "{bad}: {error}");
            assert!(!format!("{error} {error:?}").contains(&token[30..60]), "{error:?}");
        }
    }
}
