//! `Upload-Metadata`: what the maker of an upload says of it, and where the file goes by that.

use std::collections::BTreeMap;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use longshore_core::wire::OnConflict;
use longshore_core::{Digest, Name, NodeId, UploadId, VersionId, WorkspaceId, WorkspacePath};
use longshore_engine::{Actor, Made, Preconditions, Premises, Target, UploadOptions};

use super::protocol::malformed;
use crate::http::app::App;
use crate::http::extract::{Caller, NodeRef};
use crate::http::incoming::well_formed_media_type;
use crate::problem::Failure;

/// Keys and their values, decoded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata(BTreeMap<String, String>);

fn wrong(rule: &str) -> Failure {
    malformed("upload-metadata", rule)
}

impl Metadata {
    /// Reads the header's value; an empty one says nothing.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let mut found = BTreeMap::new();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
            let value = STANDARD.decode(value.trim()).ok().and_then(|value| String::from_utf8(value).ok());
            let value = value.ok_or_else(|| wrong("has keys, each with a value of UTF-8 in base64"))?;
            if found.insert(key.to_owned(), value).is_some() {
                return Err(wrong("says one thing twice"));
            }
        }
        Ok(Self(found))
    }

    pub(super) fn into_map(self) -> BTreeMap<String, String> {
        self.0
    }

    /// Reads one value; an empty one says nothing.
    fn read<T: FromStr>(&self, key: &str, what: &str) -> Result<Option<T>, Failure> {
        let value = self.0.get(key).filter(|value| !value.is_empty());
        let read = |text: &String| text.parse().map_err(|_| wrong(&format!("has as `{key}` {what}")));
        value.map(read).transpose()
    }

    /// Where a part begins in its file.
    pub(super) fn offset(&self) -> Result<Option<u64>, Failure> {
        self.read("offset", "a number of bytes")
    }

    /// In which workspace a part's file is to be.
    pub(super) fn workspace(&self) -> Result<Option<WorkspaceId>, Failure> {
        self.read("workspace", "a workspace's id")
    }

    fn on_conflict(&self) -> Result<OnConflict, Failure> {
        match self.0.get("on_conflict").map_or("", String::as_str) {
            "" | "version" => Ok(OnConflict::Version),
            "error" => Ok(OnConflict::Error),
            "rename" => Ok(OnConflict::Rename),
            _ => Err(wrong("has as `on_conflict` version, error or rename")),
        }
    }

    /// The version that must stand, bare or in quotes, or `*`.
    fn if_match(&self) -> Result<Option<Option<Vec<VersionId>>>, Failure> {
        let Some(text) = self.0.get("if_match").filter(|text| !text.is_empty()) else { return Ok(None) };
        if text == "*" {
            return Ok(Some(None));
        }
        let version = text.trim_matches('"').parse();
        version.map(|id| Some(Some(vec![id]))).map_err(|_| wrong("has as `if_match` a version or `*`"))
    }

    /// Returns what the upload makes, if it is no part. What the request's own header demands comes first.
    pub(super) async fn file(
        &self,
        app: &App,
        caller: &Caller,
        id: UploadId,
        mut premises: Premises,
    ) -> Result<Made, Failure> {
        let asked = &premises.preconditions;
        if asked.if_match.is_none() && !asked.if_none_match {
            premises.preconditions = Preconditions { if_match: self.if_match()?, if_none_match: false };
        }
        let media_type = self.0.get("filetype").and_then(|text| well_formed_media_type(text));
        let digest = self.read::<Digest>("digest", "`blake3:` or `sha256:` and 64 hexadecimal characters")?;
        let options = UploadOptions {
            length: None,
            media_type,
            digests: digest.into_iter().collect(),
            on_conflict: self.on_conflict()?,
            metadata: None,
            premises: Premises { idempotency: None, ..premises },
        };
        Ok(Made::File(self.target(app, caller, id).await?, Box::new(options)))
    }

    async fn target(&self, app: &App, caller: &Caller, id: UploadId) -> Result<Target, Failure> {
        if let Some(node) = self.read::<NodeId>("node_id", "a file's id")? {
            return Ok(Target::Node(node));
        }
        // Who gives no name has the id, which the answer tells.
        let name = match self.0.get("filename").filter(|name| !name.is_empty()) {
            Some(name) => Name::new(name.as_str())?,
            None => Name::new(id.to_string())?,
        };
        let workspace = self.workspace()?;
        if let Some(parent) = self.read::<NodeRef>("parent_id", "a folder's id or `root`")? {
            let of_root = workspace.filter(|_| matches!(parent, NodeRef::Root));
            let parent = app.node(caller, parent, of_root).await?;
            return Ok(Target::Child { parent, name });
        }
        let actor: &Actor = caller;
        let workspace = match workspace {
            Some(workspace) => workspace,
            None => app.engine().current_workspace(actor).await?.id,
        };
        let path = match self.0.get("path").filter(|path| !path.is_empty()) {
            None => WorkspacePath::default().join(name)?,
            Some(path) => match path.strip_suffix('/') {
                Some("") => WorkspacePath::default().join(name)?,
                Some(folder) => folder.parse::<WorkspacePath>()?.join(name)?,
                None => path.parse::<WorkspacePath>()?,
            },
        };
        Ok(Target::Path { workspace, path })
    }
}

#[cfg(test)]
mod tests {
    use longshore_core::Code;

    use super::Metadata;

    #[test]
    fn keys_come_with_and_without_values() {
        assert_eq!(Metadata::parse("").unwrap(), Metadata::default());
        assert_eq!(Metadata::parse(" , ").unwrap(), Metadata::default());
        let read = Metadata::parse("filename d29ybGQ=,is_new, other  eA==").unwrap().into_map();
        let read: Vec<_> = read.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(read, [("filename", "world"), ("is_new", ""), ("other", "x")]);
        for bad in ["filename ?", "a eA==,a eA==", "a /w=="] {
            assert_eq!(Metadata::parse(bad).unwrap_err().code(), Code::InvalidHeader, "{bad}");
        }
    }
}
