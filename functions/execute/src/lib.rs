//! tidegate-execute
