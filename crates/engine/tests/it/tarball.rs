//! Exports taken apart and put together again: as they were, or as nobody should have made them.

use bytes::Bytes;
use longshore_core::export::{CONTENTS, END, ExportCounts, ExportEnd, ExportHeader, HEADER, Section};
use longshore_core::tar::{self, Part, Reader};
use longshore_core::wire::Workspace;
use longshore_core::{Algorithm, Digest, WorkspaceId};
use longshore_engine::{Actor, ImportOptions, Result};

use crate::world::{World, collect, name};

/// The files of an archive.
#[derive(Clone, Debug)]
pub(crate) struct Tarball(pub(crate) Vec<(String, Vec<u8>)>);

impl Tarball {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let (mut reader, mut input, mut files) = (Reader::default(), bytes, Vec::<(String, Vec<u8>)>::new());
        while let Some(part) = reader.read(&mut input).expect("a tar") {
            match part {
                Part::Begin { name, .. } => files.push((name, Vec::new())),
                Part::Bytes(bytes) => files.last_mut().expect("a file").1.extend_from_slice(bytes),
                Part::End | Part::Over => {}
            }
        }
        assert!(reader.is_over());
        Self(files)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, content) in &self.0 {
            let size = content.len() as u64;
            bytes.extend(tar::header(name, size, 0));
            bytes.extend_from_slice(content);
            bytes.resize(bytes.len() + tar::padding(size), 0);
        }
        bytes.extend(tar::END);
        bytes
    }

    pub(crate) fn file(&self, name: &str) -> &[u8] {
        &self.0.iter().find(|(found, _)| found == name).expect("a file").1
    }

    pub(crate) fn file_mut(&mut self, name: &str) -> &mut Vec<u8> {
        &mut self.0.iter_mut().find(|(found, _)| found == name).expect("a file").1
    }

    pub(crate) fn header(&self) -> ExportHeader {
        serde_json::from_slice(self.file(HEADER)).expect("a header")
    }

    pub(crate) fn lines(&self, section: Section) -> Vec<serde_json::Value> {
        let lines = self.file(section.file()).split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).expect("a line")).collect()
    }

    /// Changes the lines of a section.
    pub(crate) fn edit(&mut self, section: Section, edit: impl FnOnce(&mut Vec<serde_json::Value>)) {
        let mut lines = self.lines(section);
        edit(&mut lines);
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        *self.file_mut(section.file()) = text.into_bytes();
    }

    pub(crate) fn contents(&self) -> impl Iterator<Item = &(String, Vec<u8>)> {
        self.0.iter().filter(|(name, _)| name.starts_with(CONTENTS))
    }

    /// Has header and end say what is there.
    pub(crate) fn seal(mut self) -> Self {
        let mut counts = ExportCounts::default();
        for section in Section::ALL {
            let lines = self.file(section.file()).iter().filter(|byte| **byte == b'\n').count();
            (0..lines).for_each(|_| counts.count(section));
        }
        counts.bytes = self.contents().map(|(_, content)| content.len() as u64).sum();
        let header = ExportHeader { counts, ..self.header() };
        *self.file_mut(HEADER) = serde_json::to_vec(&header).expect("a header");
        let mut hash = blake3::Hasher::new();
        hash.update(self.file(HEADER));
        for section in Section::ALL {
            hash.update(self.file(section.file()));
        }
        let metadata = Digest::new(Algorithm::Blake3, *hash.finalize().as_bytes());
        *self.file_mut(END) = serde_json::to_vec(&ExportEnd { counts, metadata }).expect("an end");
        self
    }
}

pub(crate) async fn export_of(world: &World, workspace: WorkspaceId) -> Vec<u8> {
    let export = world.engine.export_workspace(&world.owner, workspace).await.expect("an export");
    let length = export.length();
    let bytes = collect(export.into_bytes()).await.expect("all of it");
    assert_eq!(bytes.len() as u64, length);
    bytes
}

pub(crate) fn options(text: &str) -> ImportOptions {
    ImportOptions {
        name: name(text),
        match_members: false,
        keep_quota: false,
        digests: Vec::new(),
        idempotency: None,
    }
}

pub(crate) async fn import_as(
    world: &World,
    actor: &Actor,
    options: ImportOptions,
    bytes: &[u8],
) -> Result<Workspace> {
    let mut import = world.engine.begin_import(actor, options).await?;
    // Not a length that anything in it is a multiple of.
    for piece in bytes.chunks(70_001) {
        import.write(Bytes::copy_from_slice(piece)).await?;
    }
    import.finish().await
}

pub(crate) async fn import(world: &World, text: &str, bytes: &[u8]) -> Result<Workspace> {
    import_as(world, &world.owner, options(text), bytes).await
}
