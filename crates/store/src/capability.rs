//! What a backend can do, known before it is asked to.

use std::fmt::{self, Debug};

macro_rules! capabilities {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// One thing a backend can do or promise.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Capability {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Capability {
            /// Every capability.
            pub const ALL: &[Self] = &[$(Self::$name),+];
        }
    };
}

capabilities! {
    /// Files can be read and looked at.
    Read,
    /// Files can be written.
    Write,
    /// Files and folders can be deleted.
    Delete,
    /// Folders can be listed.
    List,
    /// A file can be moved.
    Move,
    /// A file can be copied.
    Copy,
    /// A written file becomes visible as a whole or not at all.
    AtomicWrite,
    /// Of many writers without `overwrite` to one path, at most one wins.
    AtomicCreate,
    /// A moved file is at all times at exactly one of its two places.
    AtomicMove,
    /// `if_match` is honoured when reading.
    ConditionalRead,
    /// A reader goes on with the content it opened, though the file is replaced meanwhile.
    SnapshotRead,
    /// A path is a file or a folder, never both: where a file stands nothing lies below. Without it (flat object stores) such
    /// writes are taken.
    Hierarchy,
    /// Metadata is kept with a file.
    Metadata,
    /// A media type is kept with a file.
    MediaType,
    /// What was acknowledged survives a loss of power.
    Durable,
}

/// The capabilities of one backend.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CapabilitySet(u32);

impl CapabilitySet {
    /// Makes a set.
    #[must_use]
    pub const fn of(capabilities: &[Capability]) -> Self {
        let mut bits = 0;
        let mut place = 0;
        while place < capabilities.len() {
            bits |= 1 << capabilities[place] as u32;
            place += 1;
        }
        Self(bits)
    }

    /// Returns whether `capability` is in the set.
    #[must_use]
    pub const fn contains(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u32) != 0
    }

    /// Returns whether every member of `other` is in the set.
    #[must_use]
    pub const fn contains_all(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns the set without `capability`.
    #[must_use]
    pub const fn without(self, capability: Capability) -> Self {
        Self(self.0 & !(1 << capability as u32))
    }

    /// Returns the members.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL.iter().copied().filter(move |capability| self.contains(*capability))
    }
}

impl Debug for CapabilitySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
