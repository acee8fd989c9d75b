//! What a parsed statement may do.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Query, Select, SetExpr, Statement, Visit, Visitor};

use super::Class;
use crate::Dialect;

/// A class, and what makes it so.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) class: Class,
    /// The second half of a sentence; none for `Read`.
    pub(super) reason: Option<String>,
}

impl Finding {
    pub(super) fn read() -> Self {
        Self { class: Class::Read, reason: None }
    }

    /// Takes note of something at least as bad; of equals, the first is kept.
    pub(super) fn worsen(&mut self, class: Class, reason: impl Into<String>) {
        if class > self.class {
            *self = Self { class, reason: Some(reason.into()) };
        }
    }

    pub(super) fn or_worse(self, other: Self) -> Self {
        if other.class > self.class { other } else { self }
    }
}

/// What a statement does, with all that is nested in it.
pub(super) fn statement(statement: &Statement) -> Finding {
    let mut visitor = Classifier { finding: Finding::read() };
    // The visitor never breaks off.
    let _ = match statement {
        // A plan is made and not run.
        Statement::Explain { .. } if !runs_what_it_explains(statement) => return Finding::read(),
        other => other.visit(&mut visitor),
    };
    visitor.finding
}

/// Whether a statement is an `EXPLAIN ANALYZE`.
pub(super) fn runs_what_it_explains(statement: &Statement) -> bool {
    matches!(statement, Statement::Explain { analyze, options, .. } if *analyze || has_analyze(options.as_deref()))
}

fn has_analyze(options: Option<&[sqlparser::ast::UtilityOption]>) -> bool {
    // `ANALYZE false` counts as well: better than to read every spelling of a boolean.
    options.unwrap_or_default().iter().any(|option| {
        !matches!(
            option.name.value.to_ascii_lowercase().as_str(),
            "verbose" | "costs" | "settings" | "generic_plan" | "buffers" | "summary" | "memory" | "format"
        )
    })
}

/// Whether `LIMIT` and `OFFSET` can follow a query.
pub(super) fn takes_limit(query: &Query, dialect: Dialect) -> bool {
    query.limit_clause.is_none()
        && query.fetch.is_none()
        && query.locks.is_empty()
        && query.for_clause.is_none()
        && query.settings.is_none()
        && query.format_clause.is_none()
        && query.pipe_operators.is_empty()
        && match query.body.as_ref() {
            SetExpr::Select(select) => select.into.is_none() && select.top.is_none(),
            // SQLite's grammar has no LIMIT behind VALUES.
            SetExpr::Values(_) => dialect != Dialect::Sqlite,
            SetExpr::SetOperation { .. } | SetExpr::Table(_) => true,
            // A limit may be inside the parentheses.
            SetExpr::Query(_) | SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                false
            }
        }
}

struct Classifier {
    finding: Finding,
}

impl Visitor for Classifier {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        let (class, does) = class_of(statement);
        if class != Class::Read {
            self.finding.worsen(class, does);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if !query.locks.is_empty() {
            self.finding.worsen(Class::Write, "`FOR UPDATE` or `FOR SHARE` locks rows");
        }
        if query.for_clause.is_some()
            || query.settings.is_some()
            || query.format_clause.is_some()
            || !query.pipe_operators.is_empty()
        {
            self.finding.worsen(Class::Unknown, "the query has a clause that this engine does not have");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if select.into.is_some() {
            self.finding.worsen(Class::Ddl, "`SELECT INTO` makes a table");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Lambda(_) = expr {
            self.finding.worsen(Class::Unknown, "the query has an expression that this engine does not have");
        }
        ControlFlow::Continue(())
    }
}

/// The class of a statement apart from what is nested in it, and what it does.
fn class_of(statement: &Statement) -> (Class, &'static str) {
    match statement {
        Statement::Query(_)
        | Statement::Explain { .. }
        | Statement::ExplainTable { .. }
        | Statement::ShowVariable { .. }
        | Statement::ShowVariables { .. }
        | Statement::ShowStatus { .. }
        | Statement::ShowCreate { .. }
        | Statement::ShowColumns { .. }
        | Statement::ShowDatabases { .. }
        | Statement::ShowSchemas { .. }
        | Statement::ShowTables { .. }
        | Statement::ShowViews { .. }
        | Statement::ShowFunctions { .. }
        | Statement::ShowCollation { .. }
        | Statement::ShowCharset(_)
        | Statement::ShowProcessList { .. } => (Class::Read, ""),

        Statement::Insert(_) => (Class::Write, "`INSERT` changes rows"),
        Statement::Update(_) => (Class::Write, "`UPDATE` changes rows"),
        Statement::Delete(_) => (Class::Write, "`DELETE` changes rows"),
        Statement::Merge(_) => (Class::Write, "`MERGE` changes rows"),

        Statement::Truncate(_)
        | Statement::CreateTable(_)
        | Statement::CreateView(_)
        | Statement::CreateIndex(_)
        | Statement::CreateSchema { .. }
        | Statement::CreateSequence { .. }
        | Statement::CreateType { .. }
        | Statement::CreateDomain(_)
        | Statement::CreateTrigger(_)
        | Statement::CreateVirtualTable { .. }
        | Statement::AlterTable(_)
        | Statement::AlterIndex { .. }
        | Statement::AlterView { .. }
        | Statement::AlterType(_)
        | Statement::AlterSchema(_)
        | Statement::Drop { .. }
        | Statement::DropTrigger(_)
        | Statement::DropDomain(_)
        | Statement::RenameTable(_)
        | Statement::Comment { .. } => (Class::Ddl, "this statement changes the shape of the database"),

        Statement::Set(_)
        | Statement::Use(_)
        | Statement::Pragma { .. }
        | Statement::StartTransaction { .. }
        | Statement::Commit { .. }
        | Statement::Rollback { .. }
        | Statement::Savepoint { .. }
        | Statement::ReleaseSavepoint { .. }
        | Statement::Discard { .. }
        | Statement::Prepare { .. }
        | Statement::Execute { .. }
        | Statement::Deallocate { .. }
        | Statement::Declare { .. }
        | Statement::Fetch { .. }
        | Statement::Close { .. } => (Class::Admin, "this statement changes the session or its transaction"),

        Statement::Copy { .. }
        | Statement::AttachDatabase { .. }
        | Statement::Load { .. }
        | Statement::LoadData { .. } => (Class::Admin, "this statement reaches outside the database"),

        Statement::Call(_) => (Class::Admin, "`CALL` runs a procedure that the guard cannot see into"),

        Statement::Grant(_)
        | Statement::Revoke(_)
        | Statement::Kill { .. }
        | Statement::Flush { .. }
        | Statement::Analyze(_)
        | Statement::Vacuum(_)
        | Statement::OptimizeTable { .. }
        | Statement::LockTables { .. }
        | Statement::UnlockTables
        | Statement::LISTEN { .. }
        | Statement::UNLISTEN { .. }
        | Statement::NOTIFY { .. }
        | Statement::CreateDatabase { .. }
        | Statement::CreateRole(_)
        | Statement::AlterRole { .. }
        | Statement::CreateExtension(_)
        | Statement::DropExtension(_)
        | Statement::CreateFunction(_)
        | Statement::CreateProcedure { .. }
        | Statement::DropFunction(_)
        | Statement::DropProcedure { .. }
        | Statement::AlterFunction(_)
        | Statement::CreatePolicy(_)
        | Statement::AlterPolicy(_)
        | Statement::DropPolicy(_)
        | Statement::CreateServer(_)
        | Statement::CreateUser(_)
        | Statement::AlterUser(_) => (Class::Admin, "this statement changes the server, its users or its code"),

        _ => (Class::Unknown, "this is no statement that the guard knows"),
    }
}
