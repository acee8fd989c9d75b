//! The SQL dialects.

use tidegate_core::source::SourceKind;

/// The SQL of one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// PostgreSQL: placeholders `$1`, `$2` …, identifiers in double quotes.
    Postgres,
    /// MySQL and MariaDB: placeholders `?`, identifiers in backticks.
    Mysql,
    /// SQLite: placeholders `?1`, `?2` …, identifiers in double quotes.
    Sqlite,
}

impl From<SourceKind> for Dialect {
    fn from(kind: SourceKind) -> Self {
        match kind {
            SourceKind::Postgres => Self::Postgres,
            SourceKind::Mysql => Self::Mysql,
            SourceKind::Sqlite => Self::Sqlite,
        }
    }
}
