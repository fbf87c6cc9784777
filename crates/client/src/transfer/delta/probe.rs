//! Finding out whether a delta pays.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use blake3::Hasher;
use bytes::Bytes;
use longshore_core::chunks::Chunker;
use tokio::time::Instant;

use crate::client::Client;
use crate::error::Result;
use crate::lock::Named;
use crate::transfer::line::KNOWN;
use crate::transfer::plan::CHUNK;
use crate::transfer::progress::Report;
use crate::transfer::reader::open_file;
use crate::transfer::staged::protocol::{Creation, Tus};
use crate::transfer::threads::blocking;
use crate::transfer::upload::begun::Begun;
use crate::transfer::upload::{Guard, UploadOptions};
use crate::transport::body::{Body, Sending};

/// How much is compared to see how long that takes.
const SAMPLE: u64 = 8 * 1024 * 1024;

/// Files from this length on are worth a piece that is sent for nothing else than to know the line: a 32nd of them at most.
const PROBED: u64 = 32 * KNOWN;

/// What is sent before the piece: a request with so little takes what any takes, whatever the line. On a fast line that would
/// count for more than the bytes.
const FIRST: u64 = 4 * 1024;

/// Tells whether a delta pays, by what is known of the line; nothing where nothing is.
pub(super) async fn pays(client: &Client, path: &Path) -> Result<Option<bool>> {
    let (here, path) = (client.clone(), path.to_owned());
    let comparing = blocking(move || Ok(here.line().comparing(|| measure(&path)))).await?;
    Ok(comparing.and_then(|comparing| client.line().pays_to_compare(comparing)))
}

/// Tells the same once nothing was known: a piece of a large file is sent for that. A line over which that does not come
/// through is no fast one.
pub(super) async fn pays_after_all(
    client: &Client,
    path: &Path,
    length: u64,
    options: &UploadOptions,
    begun: &Begun<'_>,
) -> Result<bool> {
    if length < PROBED {
        return Ok(true);
    }
    // What is wrong with the file is told by who sends it.
    let read = path.to_owned();
    if let Some(piece) = blocking(move || Ok(read_piece(&read))).await? {
        let _no_matter = send(client, piece, options, begun).await;
    }
    Ok(pays(client, path).await?.unwrap_or(true))
}

/// Cuts and hashes the beginning of a file as a comparison does; returns how many bytes of it that would be in a second.
fn measure(path: &Path) -> Option<f64> {
    let (file, _) = open_file(path).ok()?;
    let (mut file, mut bite, mut read) = (file.take(SAMPLE), vec![0; CHUNK], 0_u64);
    let (mut hasher, mut chunker, begun) = (Hasher::new(), Chunker::default(), Instant::now());
    loop {
        let count = file.read(&mut bite).ok()?;
        if count == 0 {
            break;
        }
        read += count as u64;
        hasher.update(&bite[..count]);
        chunker.update(&bite[..count], |_| ());
    }
    let rate = read as f64 / begun.elapsed().as_secs_f64();
    Some(rate).filter(|rate| rate.is_finite() && read > 0)
}

fn read_piece(path: &Path) -> Option<Bytes> {
    let mut piece = Vec::new();
    let (file, _) = open_file(path).ok()?;
    file.take(FIRST + KNOWN).read_to_end(&mut piece).ok()?;
    Some(piece.into())
}

/// Sends a piece, and has the server forget it.
async fn send(client: &Client, piece: Bytes, options: &UploadOptions, begun: &Begun<'_>) -> Result<()> {
    let tus = Tus { client, options };
    let part = Creation::of_part(client, None, 0, piece.len() as u64)?;
    let upload = begun.begin(&part, Body::Empty).await?.place;
    let slot = client.slots().acquire().await;
    let sent = measure_sending(client, &tus, &upload, piece).await;
    slot.ended(sent.as_ref().err());
    begun.remove(&upload).await;
    sent
}

async fn measure_sending(client: &Client, tus: &Tus<'_>, upload: &str, mut piece: Bytes) -> Result<()> {
    let length = piece.len() as u64;
    let Some(rest) = length.checked_sub(FIRST).filter(|rest| *rest > 0) else {
        // It was longer when it was looked at.
        return Ok(());
    };
    let first = piece.split_to(FIRST as usize);
    let mut took = [Duration::ZERO; 2];
    for (took, (range, bytes)) in took.iter_mut().zip([(0..FIRST, first), (FIRST..length, piece)]) {
        // It is no progress of the file.
        let sending = Sending::new(Report::new(None, 0));
        let _guard = Guard(Arc::clone(&sending));
        let (body, begun) = (Body::Pieces(bytes, sending), Instant::now());
        tus.append(upload, range, None, &Named::default(), body).await?;
        *took = begun.elapsed();
    }
    let [request, all] = took;
    client.line().probed(rest, all.saturating_sub(request).max(Duration::from_nanos(1)));
    Ok(())
}
