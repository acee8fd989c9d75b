//! The SQL dialects.

use std::fmt::Write;

use sqlparser::dialect::{MySqlDialect, PostgreSqlDialect, SQLiteDialect};
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

impl Dialect {
    /// The name of the engine, for messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MySQL",
            Self::Sqlite => "SQLite",
        }
    }

    /// Writes the placeholder of the value at `index`, counted from 0.
    pub(crate) fn push_placeholder(self, text: &mut String, index: usize) {
        let number = index + 1;
        // Writing to a string cannot fail.
        let _ = match self {
            Self::Postgres => write!(text, "${number}"),
            Self::Mysql => text.write_char('?'),
            Self::Sqlite => write!(text, "?{number}"),
        };
    }

    /// The character around identifiers; it is doubled inside them.
    const fn identifier_quote(self) -> char {
        match self {
            Self::Postgres | Self::Sqlite => '"',
            Self::Mysql => '`',
        }
    }

    /// Writes a quoted identifier.
    pub(crate) fn push_identifier(self, text: &mut String, name: &str) {
        let quote = self.identifier_quote();
        text.push(quote);
        for character in name.chars() {
            if character == quote {
                text.push(quote);
            }
            text.push(character);
        }
        text.push(quote);
    }

    /// The grammar that reads it.
    pub(crate) fn grammar(self) -> &'static dyn sqlparser::dialect::Dialect {
        match self {
            Self::Postgres => &PostgreSqlDialect {},
            Self::Mysql => &MySqlDialect {},
            Self::Sqlite => &SQLiteDialect {},
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_inside_identifiers_are_doubled() {
        for (dialect, quoted) in
            [(Dialect::Postgres, "\"a\"\"b`c\""), (Dialect::Mysql, "`a\"b``c`"), (Dialect::Sqlite, "\"a\"\"b`c\"")]
        {
            let mut text = String::new();
            dialect.push_identifier(&mut text, "a\"b`c");
            assert_eq!(text, quoted);
        }
    }
}
