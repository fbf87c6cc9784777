//! Staged uploads that are not finished.

use longshore_core::wire::OpenUpload;

use super::files::Files;
use super::listing::Listing;

impl Files {
    /// Lists the uploads that this key's principal began and that are not finished, oldest first.
    pub fn open_uploads(&self) -> Listing<OpenUpload> {
        let path = async { Ok("/v1/uploads".to_owned()) };
        Listing::new(self.client.clone(), path)
    }
}
