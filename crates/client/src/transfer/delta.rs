//! A new version of a file that the server has, of which only what changed is sent.
//!
//! The server lists the chunks of the old version, the local file is cut by the same rule, and a staged upload is
//! composed of ranges of the old one and of what it does not have. The server verifies the digest of the whole. Where this
//! does not pay, or the server cannot do it, the file is sent whole as if nothing had been tried.
//!
//! Whether it pays follows from how fast the line is and how fast content is compared: see [`super::line`]. Where nothing is
//! known of the line, a piece of a large file is sent to find out; a smaller one is compared, which costs a moment at most.

mod probe;
mod read;
mod recipe;

use std::ops::RangeInclusive;
use std::path::Path;

use http::Method;
use longshore_core::wire::{Node, NodeKind};
use longshore_core::{Algorithm, Code, VersionId};
use longshore_flow::Cancel;

use self::recipe::{Known, Listing};
use super::control::Control;
use super::plan::shows_itself;
use super::progress::Report;
use super::single::Single;
use super::source::{Known as Standing, Target};
use super::staged::is_gone;
use super::threads::blocking;
use super::upload::begun::Begun;
use super::upload::{UploadOptions, find};
use crate::client::{Client, Lane};
use crate::error::{Error, Result};
use crate::transport::body::Body;

/// How long content is of which only what changed is sent. Below, a list of chunks saves too little; above, what is known
/// of them takes too much memory: about 2 MiB for each GiB of one at a time.
const LENGTHS: RangeInclusive<u64> = 4 * 1024 * 1024..=16 * 1024 * 1024 * 1024;

/// Whether only what changed of a file is sent. It is where a file of 4 MiB or more, by its path, is written where the server
/// has a version of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delta {
    /// Where it is over sooner than sending all of it, by how fast this client's uploads have been. Of a file of 128 MiB or
    /// more, while that is not known, 4 MiB are sent first to find out.
    #[default]
    WhereItPays,
    /// On a fast line too, where it costs time: for who pays by the byte.
    Always,
    /// Never: all of it is sent.
    Never,
}

/// Uploads a new version by what changed alone; nothing where the file is to be sent whole. `known` is what
/// stands at the target, where that is known: else the server is asked.
pub(super) async fn try_upload(
    client: &Client,
    path: &Path,
    target: &Target,
    known: &Standing,
    options: &UploadOptions,
    report: &Report,
    begun: &Begun<'_>,
) -> Result<Option<Node>> {
    let is_stated = options.digest.is_some_and(|digest| digest.algorithm() != Algorithm::Blake3);
    let makes_a_version = shows_itself(options.on_conflict, options.if_none_match);
    // A caller's own idempotency key goes with one request, and this takes several.
    if options.delta == Delta::Never || !makes_a_version || is_stated || client.has_own_key() {
        return Ok(None);
    }
    let looked = path.to_owned();
    let Some(length) = blocking(move || Ok(read::is_worth_a_look(&looked, LENGTHS))).await? else {
        return Ok(None);
    };
    options.hand().pass().await?;
    let pays = match options.delta {
        Delta::Always => Some(true),
        Delta::WhereItPays | Delta::Never => probe::pays(client, path).await?,
    };
    if pays == Some(false) {
        return Ok(None);
    }
    let found = match known {
        Standing::Node(node) => Some(Node::clone(node)),
        Standing::Absent => None,
        // What cannot be found out is nothing to go by.
        Standing::Unknown => find(client, target).await.ok(),
    };
    let Some((node, base)) = found.and_then(base) else { return Ok(None) };
    if pays.is_none() && !probe::pays_after_all(client, path, length, options, begun).await? {
        return Ok(None);
    }
    // What is known of a file is held until it was compared, and many at once are to take no more memory than one.
    let turn = client.comparing().acquire().await.map_err(Error::lost)?;
    let Some(known) = chunks(client, &node, base, &options.hand()).await? else { return Ok(None) };
    let (path, cancel) = (path.to_owned(), Cancel::new());
    let _cancelled_with_this = cancel.clone().on_drop();
    let compared = blocking(move || Ok(read::compare(&path, base, known, &cancel)));
    let Some(compared) = compared.await? else { return Ok(None) };
    drop(turn);
    let mut single = Single::new(client, target, options, report, begun, compared).await?;
    match single.run().await {
        // All of it moves, and is told, again.
        Err(error) if asks_for_all(&error) => {
            single.give_up(error).await;
            Ok(None)
        }
        ended => ended.map(Some),
    }
}

/// Returns a file whose version something may be shared with, and that version.
fn base(node: Node) -> Option<(Node, VersionId)> {
    let version = node.version_id.filter(|_| node.kind == NodeKind::File && LENGTHS.contains(&node.size))?;
    Some((node, version))
}

/// Asks for the chunks of a version; nothing where there is no list that can be used.
async fn chunks(
    client: &Client,
    node: &Node,
    version: VersionId,
    control: &Control,
) -> Result<Option<Known>> {
    let route = format!("/v1/files/{}/versions/{version}/chunks", node.id);
    let mut tries = client.tries();
    loop {
        control.pass().await?;
        let slot = client.slots().acquire().await;
        let listed = list(client, &route, node.size).await;
        slot.ended(listed.as_ref().err());
        match listed {
            Ok(known) => return Ok(known),
            // Who cannot be reached for this is perhaps reached for the whole.
            Err(error) => match tries.again(error).await {
                Ok(_) => {}
                Err(_) => return Ok(None),
            },
        }
    }
}

async fn list(client: &Client, route: &str, length: u64) -> Result<Option<Known>> {
    let request = client.request(Method::GET, route, Body::Empty)?;
    let mut answer = client.send(request, None, Lane::Common).await?;
    let mut listing = Listing::default();
    while let Some(bytes) = answer.chunk().await {
        if listing.push(&bytes?, length).is_err() {
            return Ok(None);
        }
    }
    Ok(listing.finish(length).ok())
}

/// Tells whether a refusal says that the file must be sent whole.
fn asks_for_all(error: &Error) -> bool {
    let codes = [
        Code::RouteNotFound,
        Code::MediaTypeUnsupported,
        Code::UploadNotAppendable,
        Code::TooManyPieces,
        Code::VersionNotFound,
        Code::NodeNotFound,
        Code::InTrash,
        Code::InvalidDelta,
        // It repeats what is in the old version more often than a delta may.
        Code::BodyTooLarge,
    ];
    is_gone(error) || codes.into_iter().any(|code| error.is(code))
}
