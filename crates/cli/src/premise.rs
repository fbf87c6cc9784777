//! What a change of a file rests on: the version that it is made to.

use clap::Args;
use longshore::{IfMatch, Node, VersionId};

use crate::failure::Failure;

// No doc comment: clap would take it for the verb's own.
#[derive(Args, Clone, Copy, Default)]
pub(crate) struct Premise {
    /// Do it only if this version of the file, by its id, is the current one; `*` for whichever is [default: the one
    /// that is current when it is looked up]
    #[arg(long, value_name = "VERSION|*", value_parser = stated)]
    if_match: Option<IfMatch>,
}

impl Premise {
    /// Returns the premise of a change of this node, which was just looked up: that it is still so, unless another was
    /// stated. A folder has no versions.
    pub(crate) fn of(self, node: &Node) -> Option<IfMatch> {
        self.if_match.or_else(|| node.version_id.map(IfMatch::Version))
    }

    /// Returns what was stated for changes of so many files; a version is that of one.
    pub(crate) fn stated(self, files: usize) -> Result<Option<IfMatch>, Failure> {
        match self.if_match {
            Some(IfMatch::Version(_)) if files != 1 => {
                Err(Failure::invalid("--if-match with a version is for a single file"))
            }
            stated => Ok(stated),
        }
    }
}

fn stated(text: &str) -> Result<IfMatch, String> {
    match text.trim_matches('"') {
        "*" => Ok(IfMatch::Exists),
        id => id.parse::<VersionId>().map(IfMatch::Version).map_err(|error| format!("{error}; or write `*`")),
    }
}
