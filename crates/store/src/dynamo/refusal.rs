//! What a caller is told when a rule of the store refuses a write.

use tidegate_core::{
    Error, ErrorCode,
    ports::{Entity, EntityKind, Reference},
};

use super::{repository::MAX_REFERENCES, transaction::Unmet};

pub(super) fn taken<T: Entity>(entity: &T) -> Error {
    Error::new(
        ErrorCode::AlreadyExists,
        format!("there is a {} `{}` already; choose another name, or change that one", T::KIND, entity.name()),
    )
}

pub(super) fn reused() -> Error {
    Error::new(
        ErrorCode::IdempotencyKeyReused,
        "this `Idempotency-Key` was sent with another request; send a key of its own with each request, and the same \
         one only to repeat a request unchanged",
    )
}

pub(super) fn gone<T: Entity>(entity: &T) -> Error {
    Error::not_found(T::KIND.as_str(), entity.name())
}

/// Something `entity` refers to does not exist. The references are in the order of their actions, from `first` on.
pub(super) fn missing<T: Entity>(
    entity: &T,
    mut references: impl Iterator<Item = Reference>,
    first: usize,
    unmet: &[Unmet],
) -> Error {
    let action = unmet.first().and_then(|unmet| unmet.action.checked_sub(first));
    match action.and_then(|action| references.nth(action)) {
        Some(reference) => Error::new(
            ErrorCode::NotFound,
            format!(
                "the {} `{}` needs the {} `{}`, which does not exist",
                T::KIND,
                entity.name(),
                reference.kind,
                reference.id
            ),
        ),
        None => Error::internal("a transaction was cancelled by an action it does not have"),
    }
}

pub(super) fn conflict<T: Entity>(entity: &T, stored: u64) -> Error {
    Error::new(
        ErrorCode::VersionConflict,
        format!(
            "the {} `{}` is at version {stored}: someone else changed it; read it again and repeat the change",
            T::KIND,
            entity.name()
        ),
    )
}

pub(super) fn in_use<T: Entity>(entity: &T, users: &[Reference]) -> Error {
    let counts: Vec<_> = [
        (EntityKind::Source, "source", "sources"),
        (EntityKind::Query, "query", "queries"),
        (EntityKind::Server, "server", "servers"),
        (EntityKind::ApiKey, "API key", "API keys"),
    ]
    .into_iter()
    .filter_map(|(kind, one, many)| match users.iter().filter(|user| user.kind == kind).count() {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {many}")),
    })
    .collect();
    Error::new(
        ErrorCode::InUse,
        format!(
            "the {} `{}` is used by {}; delete or change what uses it first",
            T::KIND,
            entity.name(),
            counts.join(" and ")
        ),
    )
}

pub(super) fn renamed<T: Entity>(stored: &T) -> Error {
    Error::new(
        ErrorCode::InvalidRequest,
        format!("the name of the {} `{}` cannot change; make another one with the other name", T::KIND, stored.name()),
    )
}

pub(super) fn too_many_references<T: Entity>(entity: &T, count: usize) -> Error {
    Error::new(
        ErrorCode::LimitExceeded,
        format!("the {} `{}` names {count} things; it may name {MAX_REFERENCES} at most", T::KIND, entity.name()),
    )
}

pub(super) fn too_many_changes<T: Entity>(entity: &T, most: usize) -> Error {
    Error::new(
        ErrorCode::LimitExceeded,
        format!(
            "one change of the {} `{}` may add and remove {most} of the things it names; make it in two steps",
            T::KIND,
            entity.name()
        ),
    )
}
