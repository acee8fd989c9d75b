//! test-servers
