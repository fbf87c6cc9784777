//! The kinds of callers, and what the table of rights says of each.

use longshore_core::wire::{Role, Verb};
use longshore_server::rights::{Right, Verbs};

/// Who calls. Who is not let in comes first: what they do must leave things as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    Anonymous,
    Revoked,
    Expired,
    Deactivated,
    /// An admin of another workspace alone.
    Foreign,
    /// A member no longer.
    Removed,
    /// An admin, whose key is not good from where they are.
    Elsewhere,
    /// Admins, whose keys are narrowed to a verb.
    Reading,
    Creating,
    Managing,
    /// An admin whose key is narrowed to a folder: of what lies outside, and in it.
    Outside,
    Inside,
    /// The owner, by a key that may only read.
    OwnerAsViewer,
    Viewer,
    Editor,
    Admin,
    Owner,
    /// An admin of the server, who is no member.
    Server,
    /// Who had a session that has ended.
    SignedOut,
    /// An admin of another workspace alone, in a session.
    SignedInElsewhere,
    /// A member, in a session. The owner administers the server too.
    SignedIn(Role),
    /// Who has opened a share link, and shows that and no key: of what the walk is about, or else of the whole workspace.
    SharedWith,
}

pub(super) const CALLERS: [Caller; 25] = [
    Caller::Anonymous,
    Caller::SharedWith,
    Caller::SignedOut,
    Caller::Revoked,
    Caller::Expired,
    Caller::Deactivated,
    Caller::Foreign,
    Caller::Removed,
    Caller::Elsewhere,
    Caller::Reading,
    Caller::Creating,
    Caller::Managing,
    Caller::Outside,
    Caller::Inside,
    Caller::OwnerAsViewer,
    Caller::Viewer,
    Caller::Editor,
    Caller::Admin,
    Caller::Owner,
    Caller::Server,
    Caller::SignedInElsewhere,
    Caller::SignedIn(Role::Viewer),
    Caller::SignedIn(Role::Editor),
    Caller::SignedIn(Role::Admin),
    Caller::SignedIn(Role::Owner),
];

/// What comes of a call: a refusal by its status, or whatever else the route has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Refused(u16),
    LetThrough,
}

impl Caller {
    /// Returns the role in the workspace of the walk.
    pub(super) const fn role(self) -> Option<Role> {
        match self {
            Self::OwnerAsViewer | Self::Viewer => Some(Role::Viewer),
            Self::Editor => Some(Role::Editor),
            Self::Reading | Self::Creating | Self::Managing | Self::Outside | Self::Inside => {
                Some(Role::Admin)
            }
            Self::Admin | Self::Server => Some(Role::Admin),
            Self::Owner => Some(Role::Owner),
            Self::SignedIn(role) => Some(role),
            _ => None,
        }
    }

    pub(super) const fn role_somewhere(self) -> Option<Role> {
        match self {
            Self::Foreign | Self::SignedInElsewhere => Some(Role::Admin),
            other => other.role(),
        }
    }

    /// Returns the verb that the key is narrowed to.
    pub(super) const fn verb(self) -> Option<Verb> {
        match self {
            Self::Reading => Some(Verb::Read),
            Self::Creating => Some(Verb::Create),
            Self::Managing => Some(Verb::Manage),
            _ => None,
        }
    }

    pub(super) const fn is_of_folder(self) -> bool {
        matches!(self, Self::Outside | Self::Inside)
    }

    pub(super) const fn is_signed_in(self) -> bool {
        matches!(self, Self::SignedIn(_) | Self::SignedInElsewhere)
    }

    /// Whether they reach several workspaces.
    pub(super) const fn reaches_several(self) -> bool {
        matches!(self, Self::Server | Self::SignedIn(Role::Owner))
    }

    pub(super) const fn is_unknown(self) -> bool {
        matches!(
            self,
            Self::Anonymous
                | Self::Revoked
                | Self::Expired
                | Self::Deactivated
                | Self::SignedOut
                | Self::SharedWith
        )
    }

    pub(super) fn expects(self, route: &str, right: Right) -> Outcome {
        if matches!(right, Right::Open | Right::Link) {
            return Outcome::LetThrough;
        }
        if right == Right::Token && matches!(self, Self::Anonymous | Self::SharedWith) {
            return Outcome::LetThrough;
        }
        if right == Right::Visitor {
            return if self == Self::SharedWith { Outcome::LetThrough } else { Outcome::Refused(401) };
        }
        if self.is_unknown() {
            return Outcome::Refused(401);
        }
        if self == Self::Elsewhere || lacks(self.verb(), right) {
            return Outcome::Refused(403);
        }
        if self.is_of_folder()
            && let Some(refused) = self.refused_in_folder(route, right)
        {
            return Outcome::Refused(refused);
        }
        let least = |own: Option<Role>, role, otherwise| {
            if own >= Some(role) { Outcome::LetThrough } else { Outcome::Refused(otherwise) }
        };
        match right {
            Right::Open | Right::Link | Right::Visitor | Right::Key(_) => Outcome::LetThrough,
            Right::Account | Right::Session | Right::Token if self.is_signed_in() => Outcome::LetThrough,
            // The one key that is not narrowed.
            Right::Token if self == Self::Server => Outcome::LetThrough,
            Right::Account | Right::Token => Outcome::Refused(403),
            Right::Session => Outcome::Refused(404),
            Right::Somewhere(role, _) => least(self.role_somewhere(), role, 403),
            Right::Workspace(role, _) | Right::Node(role, _) | Right::Whole(role, _) => {
                least(self.role(), role, if self.role().is_none() { 404 } else { 403 })
            }
            Right::Owner(_) if self == Self::Owner || self.reaches_several() => Outcome::LetThrough,
            Right::Owner(_) => Outcome::Refused(if self.role().is_none() { 404 } else { 403 }),
            // Whoever has the token need be no member; the key of a viewer here only reads.
            Right::Claim if matches!(self, Self::Foreign | Self::OwnerAsViewer | Self::Viewer) => {
                Outcome::Refused(403)
            }
            Right::Claim => Outcome::LetThrough,
            // What targets are made by.
            Right::Maker(..) if self == Self::Editor => Outcome::LetThrough,
            Right::Maker(role, _) if self.role_somewhere() < Some(role) => Outcome::Refused(403),
            Right::Maker(..) => Outcome::Refused(404),
            // Keys of a folder are of admins here, and see what they have made themselves.
            Right::ShareMaker if self.is_of_folder() => Outcome::Refused(404),
            Right::ShareMaker if self == Self::Editor || self.role() >= Some(Role::Admin) => {
                Outcome::LetThrough
            }
            Right::ShareMaker => Outcome::Refused(404),
            Right::Server if self.reaches_several() => Outcome::LetThrough,
            Right::Server => Outcome::Refused(403),
        }
    }

    /// Tells how a key of a folder is refused, if it is.
    pub(super) fn refused_in_folder(self, route: &str, right: Right) -> Option<u16> {
        // The root is outside of every other folder, and no job is said to be about a folder.
        let is_nowhere = route == "GET /v1/workspaces/{ws}/tree" || route.contains("/v1/jobs/{job}");
        match right {
            Right::Whole(..)
            | Right::Owner(_)
            | Right::Claim
            | Right::Server
            | Right::Somewhere(_, Verbs::All(&[Verb::Manage])) => Some(403),
            Right::Node(..) if self == Self::Outside || is_nowhere => Some(404),
            _ => None,
        }
    }
}

/// Tells whether a key that is narrowed to a verb may not do what is asked.
fn lacks(own: Option<Verb>, right: Right) -> bool {
    let Some(own) = own else { return false };
    match right {
        Right::Open | Right::Link | Right::Visitor | Right::Token | Right::Account | Right::Session => false,
        Right::ShareMaker => true,
        Right::Key(verbs)
        | Right::Somewhere(_, verbs)
        | Right::Workspace(_, verbs)
        | Right::Node(_, verbs)
        | Right::Whole(_, verbs)
        | Right::Owner(verbs)
        | Right::Maker(_, verbs) => match verbs {
            Verbs::None => false,
            Verbs::All(needed) => needed.iter().any(|verb| *verb != own),
            Verbs::Any(needed) => !needed.contains(&own),
        },
        Right::Claim | Right::Server => own != Verb::Manage,
    }
}
