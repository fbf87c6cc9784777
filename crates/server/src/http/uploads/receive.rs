//! A request's bytes on their way into an upload.

use axum::body::Body;
use longshore_core::UploadId;
use longshore_engine::{Actor, AppendOptions, Staged};

use super::checksum::Checksum;
use crate::http::app::App;
use crate::http::extract::next_piece;
use crate::measures::Counted;
use crate::problem::Failure;

/// Streams a body into an upload.
///
/// If it breaks off, or this future is dropped, what came is kept, unless it is to have a checksum.
pub(super) async fn receive(
    app: &App,
    actor: &Actor,
    id: UploadId,
    options: AppendOptions,
    mut checksum: Option<Checksum>,
    mut body: Body,
) -> Result<Staged, Failure> {
    let _counted = Counted::upload();
    let mut appending = app.engine().append_upload(actor, id, options).await?;
    loop {
        let piece = tokio::select! {
            biased;
            piece = next_piece(&mut body, app.limits().idle) => piece,
            () = appending.ended() => break,
        };
        match piece {
            Ok(Some(bytes)) => {
                if let Some(checksum) = &mut checksum {
                    checksum.update(&bytes);
                }
                appending.write(bytes).await?;
            }
            Ok(None) => {
                if let Some(Err(wrong)) = checksum.take().map(Checksum::check) {
                    appending.break_off().await?;
                    return Err(wrong);
                }
                break;
            }
            Err(broken) => {
                appending.break_off().await?;
                return Err(broken);
            }
        }
    }
    Ok(appending.finish().await?)
}
