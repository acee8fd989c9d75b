//! tidegate-mcp
