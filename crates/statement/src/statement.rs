//! Statements: text and bound values, never text with values in it.

mod locate;

use std::{fmt, mem, sync::Arc};

use sha2::{Digest, Sha256};
use tidegate_core::{Error, ErrorCode, Result, parameter::ParameterType, query::Mode, value::Value};

use crate::{
    Calls, Class, Dialect,
    guard::{self, Analysis},
    template::Origin,
};

/// A bound value and the type its parameter declares, which a NULL has too.
#[derive(Clone, Debug, PartialEq)]
pub struct Bind {
    /// The value.
    pub value: Value,
    /// The declared type; that of the items for an item of a list.
    pub kind: ParameterType,
}

/// What a template compiles to. Only this crate makes one, and only a statement reaches a connector.
#[derive(Clone)]
pub struct Statement {
    analysis: Arc<Analysis>,
    binds: Vec<Bind>,
    /// What it was made of; none for SQL that is not a template.
    origin: Option<Origin>,
    /// The bytes that were put in front of what it was made of.
    before: usize,
}

impl Statement {
    pub(crate) fn of_template(analysis: Arc<Analysis>, binds: Vec<Bind>, origin: Origin) -> Self {
        Self { analysis, binds, origin: Some(origin), before: 0 }
    }

    /// A statement without values from SQL that is not a template. `InvalidStatement` when it is not one statement, or
    /// has placeholders.
    pub fn raw(text: &str, dialect: Dialect) -> Result<Self> {
        let analysis = Arc::new(guard::analyse(text, dialect)?);
        Ok(Self { analysis, binds: Vec::new(), origin: None, before: 0 })
    }

    /// The statement inside another text, with so many bytes in front of it and more values behind its own.
    pub(crate) fn inside(self, text: String, before: usize, binds: Vec<Bind>) -> Self {
        let analysis = Arc::new(self.analysis.with_text(text));
        Self { analysis, binds, before: self.before + before, ..self }
    }

    /// The statement with `LIMIT` and `OFFSET` behind its text.
    pub(crate) fn limited(mut self, rows: Bind, offset: Bind) -> Self {
        let limited = self.analysis.limited.get_or_init(|| {
            // A line of its own, because the text may end in a comment.
            let mut text = format!("{}\nLIMIT ", self.text());
            self.dialect().push_placeholder(&mut text, self.binds.len());
            text.push_str(" OFFSET ");
            self.dialect().push_placeholder(&mut text, self.binds.len() + 1);
            Arc::new(self.analysis.with_text(text))
        });
        self.analysis = Arc::clone(limited);
        self.binds.extend([rows, offset]);
        self
    }

    /// Takes the values out.
    pub(crate) fn take_binds(&mut self) -> Vec<Bind> {
        mem::take(&mut self.binds)
    }

    /// The text, with the dialect's placeholders, without the semicolon at its end.
    pub fn text(&self) -> &str {
        &self.analysis.text
    }

    /// The values, in the order of the placeholders.
    pub fn binds(&self) -> &[Bind] {
        &self.binds
    }

    /// The dialect it is written in.
    pub fn dialect(&self) -> Dialect {
        self.analysis.dialect
    }

    /// What it may do. A connector locks its engine read-only unless this says `Write` or worse.
    pub fn class(&self) -> Class {
        self.analysis.class
    }

    /// Whether it is a query, such as a `SELECT`, rather than a `SHOW`, an `EXPLAIN` or something that writes.
    pub fn is_query(&self) -> bool {
        self.analysis.is_query
    }

    /// Whether it is an `EXPLAIN ANALYZE`, which runs a statement to tell what that took.
    pub fn runs_what_it_explains(&self) -> bool {
        self.analysis.runs_what_it_explains
    }

    /// What it may call. A class of `Read` says nothing about functions of the user's own.
    pub fn calls(&self) -> &Arc<Calls> {
        &self.analysis.calls
    }

    /// Fails with `StatementNotAllowed` when it does more than `mode` allows: a read query must be of class `Read`, a
    /// writing one of class `Read` or `Write`.
    pub fn require(&self, mode: Mode) -> Result<()> {
        let (most, allowed) = match mode {
            Mode::Read => (Class::Read, "only reading is allowed here"),
            Mode::Write => (Class::Write, "only reading and changing rows is allowed here"),
        };
        if self.class() <= most {
            return Ok(());
        }
        Err(Error::new(ErrorCode::StatementNotAllowed, format!("{allowed}, and {}", self.analysis.reason())))
    }

    /// The first 16 hexadecimal digits of the SHA-256 of the text.
    pub fn fingerprint(&self) -> &str {
        self.analysis.fingerprint.get_or_init(|| {
            let digest = Sha256::digest(self.text().as_bytes());
            digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
        })
    }

    pub(crate) fn analysis(&self) -> &Analysis {
        &self.analysis
    }
}

/// Without the values, which are data and do not belong into a log.
impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statement")
            .field("text", &self.text())
            .field("binds", &self.binds.len())
            .field("class", &self.class())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_sixteen_digits_of_the_text() {
        let statement = Statement::raw("select 1", Dialect::Sqlite).unwrap();
        assert_eq!(statement.fingerprint(), "822ae07d4783158b");
        assert_eq!(Statement::raw("select 1;", Dialect::Sqlite).unwrap().fingerprint(), statement.fingerprint());
    }

    #[test]
    fn an_explain_that_analyses_runs_what_it_explains() {
        let runs = |text, dialect| Statement::raw(text, dialect).unwrap().runs_what_it_explains();
        for text in
            ["explain analyze select 1", "explain (costs off, analyze) select 1", "explain (timing) delete from t"]
        {
            assert!(runs(text, Dialect::Postgres), "{text}");
        }
        for text in ["explain analyze select 1", "desc analyze select 1", "explain analyze format=tree select 1"] {
            assert!(runs(text, Dialect::Mysql), "{text}");
        }
        for text in ["explain select 1", "explain (verbose, format json) select 1", "select 1", "show all"] {
            assert!(!runs(text, Dialect::Postgres), "{text}");
        }
    }

    #[test]
    fn raw_sql_has_no_values_to_bind() {
        for (text, dialect) in [
            ("select $1", Dialect::Postgres),
            ("select ?", Dialect::Mysql),
            ("select ?", Dialect::Sqlite),
            ("select ?1", Dialect::Sqlite),
            ("select :name", Dialect::Sqlite),
            ("select @name", Dialect::Sqlite),
            ("select $name", Dialect::Sqlite),
        ] {
            let error = Statement::raw(text, dialect).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidStatement, "{text}");
            assert_eq!((error.faults()[0].line, error.faults()[0].column), (Some(1), Some(8)), "{text}");
        }
        Statement::raw("select doc ? 'a', doc ?| array['a'] from t", Dialect::Postgres).unwrap();
    }

    #[test]
    fn a_mode_allows_its_class_and_no_worse() {
        let read = Statement::raw("select 1", Dialect::Postgres).unwrap();
        let write = Statement::raw("delete from t", Dialect::Postgres).unwrap();
        let ddl = Statement::raw("drop table t", Dialect::Postgres).unwrap();
        assert!(read.require(Mode::Read).is_ok() && read.require(Mode::Write).is_ok());
        assert!(write.require(Mode::Write).is_ok() && ddl.require(Mode::Write).is_err());
        let error = write.require(Mode::Read).unwrap_err();
        assert_eq!(error.code(), ErrorCode::StatementNotAllowed);
        assert_eq!(error.message(), "only reading is allowed here, and `DELETE` changes rows");
    }
}
