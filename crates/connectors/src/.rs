//! .

/// A  source.
pub struct  {}
