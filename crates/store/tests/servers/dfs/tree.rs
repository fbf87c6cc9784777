//! What a filesystem holds: directories that are there for themselves, and files with what is not flushed yet.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// A file or a directory.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) is_directory: bool,
    pub(super) content: Vec<u8>,
    /// Appended bytes by their position, seen by nobody before a flush.
    uncommitted: BTreeMap<usize, Vec<u8>>,
    pub(super) content_type: String,
    /// `x-ms-properties` as it was sent.
    pub(super) properties: String,
    pub(super) etag: u64,
    pub(super) modified: SystemTime,
}

impl Node {
    /// Returns the tag without quotes, as a listing gives it.
    pub(super) fn tag(&self) -> String {
        format!("0x8D{:013X}", self.etag)
    }
}

/// A code of the service's error table, with its status.
pub(super) type Refusal = (u16, &'static str);

/// Paths with what stands there, and whether there are more.
pub(super) type Page<'a> = (Vec<(&'a str, &'a Node)>, bool);

/// One filesystem.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: BTreeMap<String, Node>,
    changes: u64,
}

const CONFLICT: Refusal = (409, "PathConflict");
const EXISTS: Refusal = (409, "PathAlreadyExists");
const NOT_FOUND: Refusal = (404, "PathNotFound");
const CONDITION: Refusal = (412, "ConditionNotMet");

/// What must hold of the path a call is about.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    /// `If-None-Match: *`.
    pub(super) must_be_new: bool,
    /// `If-Match`.
    pub(super) tag: Option<String>,
}

impl Conditions {
    fn check(&self, found: Option<&Node>) -> Result<(), Refusal> {
        if self.must_be_new && found.is_some() {
            return Err(EXISTS);
        }
        let Some(tag) = &self.tag else { return Ok(()) };
        let matches = found.is_some_and(|node| tag == "*" || tag.trim_matches('"') == node.tag());
        if matches { Ok(()) } else { Err(CONDITION) }
    }
}

impl Tree {
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.nodes.keys().map(String::as_str)
    }

    pub(super) fn get(&self, path: &str, conditions: &Conditions) -> Result<&Node, Refusal> {
        let node = self.nodes.get(path).ok_or(NOT_FOUND)?;
        conditions.check(Some(node))?;
        Ok(node)
    }

    fn node(&mut self, is_directory: bool) -> Node {
        self.changes += 1;
        Node {
            is_directory,
            content: Vec::new(),
            uncommitted: BTreeMap::new(),
            content_type: String::new(),
            properties: String::new(),
            etag: self.changes,
            modified: now(),
        }
    }

    /// Makes a file, empty, or a directory, and the directories above it.
    pub(super) fn create(
        &mut self,
        path: &str,
        is_directory: bool,
        said: (String, String),
        conditions: &Conditions,
    ) -> Result<Node, Refusal> {
        let above: Vec<_> = path.match_indices('/').map(|(end, _)| path[..end].to_owned()).collect();
        if above.iter().any(|parent| self.nodes.get(parent).is_some_and(|node| !node.is_directory)) {
            return Err(CONFLICT);
        }
        let found = self.nodes.get(path);
        conditions.check(found)?;
        if let Some(found) = found {
            if found.is_directory != is_directory {
                return Err(CONFLICT);
            }
            if is_directory {
                return Ok(found.clone());
            }
        }
        for parent in above {
            if !self.nodes.contains_key(&parent) {
                let directory = self.node(true);
                self.nodes.insert(parent, directory);
            }
        }
        let mut node = self.node(is_directory);
        (node.content_type, node.properties) = said;
        self.nodes.insert(path.to_owned(), node.clone());
        Ok(node)
    }

    /// Makes a file as if it was so long ago.
    pub(super) fn leave(&mut self, path: &str, age: Duration) -> Result<(), Refusal> {
        let made = self.create(path, false, Default::default(), &Conditions::default())?;
        self.nodes.insert(path.to_owned(), Node { modified: now() - age, ..made });
        Ok(())
    }

    pub(super) fn append(&mut self, path: &str, position: usize, bytes: Vec<u8>) -> Result<(), Refusal> {
        let node = self.nodes.get_mut(path).ok_or(NOT_FOUND)?;
        if node.is_directory {
            return Err((409, "InvalidAppendOperation"));
        }
        node.uncommitted.insert(position, bytes);
        Ok(())
    }

    /// Makes what was appended part of the file, which then ends at `position`.
    pub(super) fn flush(&mut self, path: &str, position: usize) -> Result<Node, Refusal> {
        self.changes += 1;
        let node = self.nodes.get_mut(path).ok_or(NOT_FOUND)?;
        let mut end = node.content.len();
        for (start, bytes) in &node.uncommitted {
            if *start != end {
                return Err((400, "InvalidFlushPosition"));
            }
            end += bytes.len();
        }
        if end != position {
            return Err((400, "InvalidFlushPosition"));
        }
        for bytes in std::mem::take(&mut node.uncommitted).into_values() {
            node.content.extend(bytes);
        }
        (node.etag, node.modified) = (self.changes, now());
        Ok(node.clone())
    }

    /// Renames a file or a directory, in one step. It keeps its tag.
    pub(super) fn rename(
        &mut self,
        (from, source): (&str, &Conditions),
        (to, target): (&str, &Conditions),
    ) -> Result<(), Refusal> {
        let node = self.nodes.get(from).ok_or((404, "SourcePathNotFound"))?;
        source.check(Some(node)).map_err(|_| (412, "SourceConditionNotMet"))?;
        let is_directory = node.is_directory;
        if is_directory && to.strip_prefix(from).is_some_and(|rest| rest.starts_with('/')) {
            return Err((409, "InvalidRenameSourcePath"));
        }
        if let Some((parent, _)) = to.rsplit_once('/') {
            match self.nodes.get(parent) {
                None => return Err((404, "RenameDestinationParentPathNotFound")),
                Some(parent) if !parent.is_directory => return Err(CONFLICT),
                Some(_) => {}
            }
        }
        let found = self.nodes.get(to);
        target.check(found)?;
        if let Some(found) = found {
            if found.is_directory != is_directory {
                return Err((409, "InvalidSourceOrDestinationResourceType"));
            }
            if self.has_below(to) {
                return Err((409, "DirectoryNotEmpty"));
            }
        }
        if from == to {
            return Ok(());
        }
        let moved: Vec<_> = self.below(from).chain([from]).map(str::to_owned).collect();
        for path in moved {
            if let Some(node) = self.nodes.remove(&path) {
                self.nodes.insert(format!("{to}{}", &path[from.len()..]), node);
            }
        }
        Ok(())
    }

    /// Deletes up to `most` paths, those below first; tells whether some are left.
    pub(super) fn delete(
        &mut self,
        path: &str,
        recursive: bool,
        most: usize,
        conditions: &Conditions,
    ) -> Result<bool, Refusal> {
        self.get(path, conditions)?;
        if !recursive && self.has_below(path) {
            return Err((409, "DirectoryNotEmpty"));
        }
        let mut gone: Vec<_> = self.below(path).map(str::to_owned).collect();
        gone.push(path.to_owned());
        // What lies deepest goes first, so that no entry is ever without its directory.
        gone.sort_by_key(|path| std::cmp::Reverse(path.matches('/').count()));
        let is_rest = gone.len() > most;
        for path in gone.into_iter().take(most) {
            self.nodes.remove(&path);
        }
        Ok(is_rest)
    }

    /// Returns up to `most` paths of a directory after `after`, and whether there are more.
    pub(super) fn list(
        &self,
        directory: &str,
        recursive: bool,
        after: &str,
        most: usize,
    ) -> Result<Page<'_>, Refusal> {
        if !directory.is_empty() {
            let node = self.nodes.get(directory).ok_or(NOT_FOUND)?;
            if !node.is_directory {
                return Err(CONFLICT);
            }
        }
        let cut = if directory.is_empty() { 0 } else { directory.len() + 1 };
        let wanted = |path: &&str| *path > after && (recursive || !path[cut..].contains('/'));
        let mut found: Vec<_> = self.below(directory).filter(wanted).take(most + 1).collect();
        let is_rest = found.len() > most;
        found.truncate(most);
        Ok((found.into_iter().map(|path| (path, &self.nodes[path])).collect(), is_rest))
    }

    fn below<'a>(&'a self, directory: &str) -> impl Iterator<Item = &'a str> {
        let start = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        let end = start.clone();
        self.nodes
            .range(start..)
            .map(|(path, _)| path.as_str())
            .take_while(move |path| path.starts_with(&end))
    }

    fn has_below(&self, path: &str) -> bool {
        self.below(path).next().is_some()
    }
}

#[expect(clippy::disallowed_methods, reason = "this stands for the service's clock")]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}
