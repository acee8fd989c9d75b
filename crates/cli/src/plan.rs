//! What has to change so that the server has what the files declare.

use std::collections::HashMap;

use crate::{
    entity::{Desired, Entity, Kind, Live, Quotas},
    failure::Failure,
};

/// What happens to one entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Create,
    Replace {
        version: u64,
    },
    /// The draft that the server has is as declared, and is to run.
    Publish {
        version: u64,
    },
    Delete {
        version: u64,
    },
}

/// One change, with the fields before and after it.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    pub(crate) action: Action,
    pub(crate) kind: Kind,
    pub(crate) name: &'a str,
    pub(crate) before: Option<&'a Entity>,
    pub(crate) after: Option<&'a Desired>,
    /// Whether the credentials are sent. They cannot be compared, so this is decided apart from the fields.
    pub(crate) sends_credentials: bool,
    /// Whether the server forgets the credentials it has: the connection leads elsewhere and no others are declared.
    pub(crate) drops_credentials: bool,
}

/// The changes in the order in which they are made.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) changes: Vec<Change<'a>>,
    /// How many declared entities are live as they are declared.
    pub(crate) unchanged: usize,
    /// How many live entities no file declares and this plan leaves alone.
    pub(crate) undeclared: usize,
}

/// What the caller allows beyond creating and replacing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Permissions {
    /// Delete what no file declares.
    pub(crate) prune: bool,
    /// Send the credentials of sources that already have some.
    pub(crate) update_credentials: bool,
}

impl<'a> Plan<'a> {
    /// Compares what is declared with what is live; both come in the order of dependence.
    pub(crate) fn new(desired: &'a [Desired], live: &'a [Live], permissions: Permissions) -> Self {
        let mut undeclared: HashMap<(Kind, &str), &Live> =
            live.iter().map(|live| ((live.entity.kind, live.entity.name.as_str()), live)).collect();
        let mut changes = Vec::new();
        let mut unchanged = 0;
        for desired in desired {
            let (kind, name) = (desired.entity.kind, desired.entity.name.as_str());
            let after = Some(desired);
            let has_some = desired.credentials.is_some();
            let Some(live) = undeclared.remove(&(kind, name)) else {
                let action = Action::Create;
                let sends_credentials = has_some;
                changes.push(Change {
                    action,
                    kind,
                    name,
                    before: None,
                    after,
                    sends_credentials,
                    drops_credentials: false,
                });
                continue;
            };
            // The server drops stored credentials when the connection leads elsewhere.
            let keeps_stored =
                live.has_credentials && desired.entity.fields.get("connection") == live.entity.fields.get("connection");
            let sends_credentials = has_some && (permissions.update_credentials || !keeps_stored);
            let drops_credentials = !has_some && live.has_credentials && !keeps_stored;
            if sends_credentials || desired.entity.fields != live.entity.fields {
                let action = Action::Replace { version: live.version };
                let before = Some(&live.entity);
                changes.push(Change { action, kind, name, before, after, sends_credentials, drops_credentials });
            } else if live.is_draft {
                let action = Action::Publish { version: live.version };
                let before = Some(&live.entity);
                changes.push(Change { action, kind, name, before, after, sends_credentials, drops_credentials });
            } else {
                unchanged += 1;
            }
        }
        let left_alone = if permissions.prune { 0 } else { undeclared.len() };
        if permissions.prune {
            // What is needed goes after what needs it.
            changes.extend(live.iter().rev().filter_map(|live| {
                let Entity { kind, name, .. } = &live.entity;
                undeclared.contains_key(&(*kind, name.as_str())).then_some(Change {
                    action: Action::Delete { version: live.version },
                    kind: *kind,
                    name,
                    before: Some(&live.entity),
                    after: None,
                    sends_credentials: false,
                    drops_credentials: false,
                })
            }));
        }
        Self { changes, unchanged, undeclared: left_alone }
    }

    /// Makes sure that the tenant may have what there will be before anything is deleted, which comes last.
    pub(crate) fn expect_room(&self, live: &[Live], quotas: &Quotas) -> Result<(), Failure> {
        let mut excesses = Vec::new();
        for kind in Kind::ALL {
            let list = kind.list();
            let is_made = |change: &&Change<'_>| change.kind == kind && change.action == Action::Create;
            let made = self.changes.iter().filter(is_made).count();
            let all = made + live.iter().filter(|live| live.entity.kind == kind).count();
            if let Some(most) = quotas.get(list).filter(|most| made > 0 && all > **most) {
                excesses.push(format!(
                    "there would be {all} {list} and this tenant may have {most}; delete some first, or ask the operator \
                     to raise `quotas.{list}`"
                ));
            }
        }
        if excesses.is_empty() { Ok(()) } else { Err(Failure::message(excesses.join("; "))) }
    }

    /// How many changes are of the kind that `is` tells.
    fn count(&self, is: impl Fn(Action) -> bool) -> usize {
        self.changes.iter().filter(|change| is(change.action)).count()
    }

    /// One line that sums it up.
    pub(crate) fn summary(&self) -> String {
        let left_alone = match self.undeclared {
            0 => String::new(),
            count => format!("; {count} not declared and left alone (--prune deletes what is not declared)"),
        };
        if self.changes.is_empty() {
            return format!("no changes: {} as declared{left_alone}", self.unchanged);
        }
        let to_publish = match self.count(|action| matches!(action, Action::Publish { .. })) {
            0 => String::new(),
            count => format!(", {count} to publish"),
        };
        format!(
            "{} to create, {} to replace{to_publish}, {} to delete, {} unchanged{left_alone}",
            self.count(|action| action == Action::Create),
            self.count(|action| matches!(action, Action::Replace { .. })),
            self.count(|action| matches!(action, Action::Delete { .. })),
            self.unchanged,
        )
    }
}
