//! The read-only guard.

/// What a statement may do, from the harmless to the worst. What cannot be told is `Unknown`, which counts as the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// It only reads.
    Read,
    /// It changes rows.
    Write,
    /// It changes the shape of the database.
    Ddl,
    /// It changes the server, the session or a transaction, or reaches outside the database.
    Admin,
    /// It cannot be told.
    Unknown,
}
