//! What the server makes while it is read: one zip of many folders and files, a whole workspace.

use std::sync::atomic::AtomicU64;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use longshore_core::WorkspaceId;
use longshore_core::wire::CreateArchive;

use super::destination::Destination;
use super::download::{Download, DownloadOptions, Downloaded, Flowing};
use super::progress::Report;
use crate::client::{Client, Lane};
use crate::error::{Error, Result};
use crate::transport::body::Body;

/// What is asked for.
pub(crate) enum Asked {
    /// These of a workspace as a zip.
    Zip(WorkspaceId, CreateArchive),
    /// All of a workspace.
    Export(WorkspaceId),
    /// The zip that a route gives.
    Route(String),
}

async fn open_once(client: &Client, asked: &Asked) -> Result<Download> {
    let (workspace, wanted) = match asked {
        Asked::Zip(workspace, wanted) => (workspace, wanted),
        Asked::Route(route) => {
            let request = client.request(Method::GET, route, Body::Empty)?;
            return Ok(Download::without_digest(client.send(request, None, Lane::Common).await?));
        }
        Asked::Export(workspace) => {
            let route = format!("/v1/workspaces/{workspace}/export");
            let request = client.request(Method::GET, &route, Body::Empty)?;
            return Ok(Download::of_export(client.send(request, None, Lane::Common).await?));
        }
    };
    let body = serde_json::to_vec(wanted)
        .map_err(|error| Error::invalid(format!("the request cannot be written: {error}")))?;
    let route = format!("/v1/workspaces/{workspace}/archive");
    let mut request = client.request(Method::POST, &route, Body::Whole(body.into()))?;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(Download::without_digest(client.send(request, None, Lane::Common).await?))
}

/// Opens an archive, again and again until its head has come.
pub(crate) async fn open(client: &Client, asked: &Asked) -> Result<Download> {
    let mut tries = client.tries();
    loop {
        match open_once(client, asked).await {
            Ok(download) => return Ok(download),
            Err(error) => {
                tries.again(error).await?;
            }
        }
    }
}

/// Downloads an archive into a file; what broke off is begun anew, as the next one is another.
pub(crate) async fn to_file(
    client: &Client,
    asked: &Asked,
    destination: &Destination,
    options: &DownloadOptions,
    report: Report,
) -> Result<Downloaded> {
    let control = options.control.clone().unwrap_or_default();
    let mut tries = client.tries();
    let mut started = false;
    let result = loop {
        let moved = AtomicU64::new(0);
        let flowing = Flowing { control: &control, report: &report, moved: &moved };
        let attempt = async {
            let download = open_once(client, asked).await?;
            if !std::mem::replace(&mut started, true) {
                report.started(download.length());
            }
            flowing.write_behind(download, destination.clone(), options.replace).await
        };
        match control.guard(Box::pin(attempt)).await {
            Ok((bytes, digest)) => {
                break Ok(Downloaded { bytes, digest, version: None, reused: 0, skipped: false });
            }
            Err(error) => match control.guard(tries.again(error)).await {
                Ok(retried) => report.retried(&retried, moved.into_inner()),
                Err(error) => break Err(error),
            },
        }
    };
    report.ended(result, |done| done.bytes)
}
