//! tidegate-registry
