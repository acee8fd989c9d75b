//! A connector that answers for its source: it bounds the calls on it, leaves it alone while it is away, and repeats what
//! may be repeated.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value as Json;
use tidegate_connectors::{Connector, ServerInfo};
use tidegate_core::{
    Error, ErrorCode, Result,
    catalog::{Schema, Table, TableDetail},
    deadline::Deadline,
    ports::Clock,
    result::{Column, Flow, RowSink},
    source::SourceKind,
    value::Cell,
};
use tidegate_statement::{Class, Statement};
use tokio::sync::SemaphorePermit;

use crate::{
    admission::Admission,
    breaker::{Breaker, Pass},
    source_span::SourceSpan,
};

/// A connector behind the circuit breaker of its source and the line before its sessions.
///
/// Beside the errors of the connector, a call ends with `SourceUnavailable` and the time to wait while the source is left
/// alone, and with `RateLimited` when too many calls wait. What only reads is repeated once when its session was lost
/// before anything of the result came. What the database says of a statement is said of its template.
pub(crate) struct Guarded<C> {
    kind: SourceKind,
    connector: C,
    admission: Admission,
    breaker: Breaker,
    clock: Arc<dyn Clock>,
}

impl<C: Connector> Guarded<C> {
    pub(crate) fn new(kind: SourceKind, connector: C, max_sessions: u32, clock: Arc<dyn Clock>) -> Self {
        Self { kind, connector, admission: Admission::new(max_sessions), breaker: Breaker::new(), clock }
    }

    /// Waits for a place, unless the source is left alone.
    async fn enter(&self, deadline: Deadline) -> Result<(SemaphorePermit<'_>, Pass<'_>)> {
        // While the source is away its places may all be taken by calls that hang, so nobody waits for one in vain.
        self.breaker.check(self.clock.instant())?;
        let place = self.admission.enter(deadline).await?;
        Ok((place, self.breaker.enter(self.clock.instant())?))
    }

    /// Asks the source something that only reads.
    async fn ask<T, A: Future<Output = Result<T>>>(&self, deadline: Deadline, question: impl Fn() -> A) -> Result<T> {
        let call = async {
            let (_place, pass) = self.enter(deadline).await?;
            let mut answer = question().await;
            if self.may_repeat(&answer, deadline) {
                answer = question().await;
            }
            pass.note(&answer, self.clock.instant());
            answer
        };
        SourceSpan::begin(self.kind).over(call).await
    }

    /// Runs a statement, as [`Connector::run`] says.
    async fn run_guarded<S: RowSink + 'static>(
        &self,
        statement: &Arc<Statement>,
        deadline: Deadline,
        mut sink: S,
    ) -> (S, Result<()>) {
        let (_place, pass) = match self.enter(deadline).await {
            Ok(entered) => entered,
            Err(refusal) => return (sink, Err(refusal)),
        };
        let repeatable = statement.class() == Class::Read;
        sink.admitted();
        let sink = Watched { sink, is_touched: false };
        let (mut sink, mut outcome) = self.connector.run(Arc::clone(statement), deadline, sink).await;
        if repeatable && !sink.is_touched && self.may_repeat(&outcome, deadline) {
            (sink, outcome) = self.connector.run(Arc::clone(statement), deadline, sink).await;
        }
        pass.note(&outcome, self.clock.instant());
        (sink.sink, outcome)
    }

    /// Whether the source was reached, then the connection to it broke, and there is time left.
    fn may_repeat<T>(&self, outcome: &Result<T>, deadline: Deadline) -> bool {
        let is_lost = |error: &Error| error.code() == ErrorCode::SourceUnavailable && !error.is_while_connecting();
        outcome.as_ref().is_err_and(is_lost) && self.clock.instant() < deadline.instant()
    }
}

impl<C: Connector> Connector for Guarded<C> {
    async fn test(&self, deadline: Deadline) -> Result<ServerInfo> {
        let call = async {
            let _place = self.admission.enter(deadline).await?;
            let pass = self.breaker.force();
            let answer = self.connector.test(deadline).await;
            pass.note(&answer, self.clock.instant());
            answer
        };
        SourceSpan::begin(self.kind).over(call).await
    }

    async fn privilege_warnings(&self, deadline: Deadline) -> Result<Vec<String>> {
        self.ask(deadline, || self.connector.privilege_warnings(deadline)).await
    }

    async fn describe(&self, statement: &Statement, deadline: Deadline) -> Result<Vec<Column>> {
        let answer = self.ask(deadline, || self.connector.describe(statement, deadline)).await;
        answer.map_err(|error| statement.locate(error))
    }

    async fn explain(&self, statement: &Statement, deadline: Deadline) -> Result<Json> {
        let answer = self.ask(deadline, || self.connector.explain(statement, deadline)).await;
        answer.map_err(|error| statement.locate(error))
    }

    async fn run<S: RowSink + 'static>(
        &self,
        statement: Arc<Statement>,
        deadline: Deadline,
        sink: S,
    ) -> (S, Result<()>) {
        let span = SourceSpan::begin(self.kind);
        let (sink, outcome) = span.around(self.run_guarded(&statement, deadline, sink)).await;
        span.end(&outcome);
        (sink, outcome.map_err(|error| statement.locate(error)))
    }

    async fn schemas(&self, deadline: Deadline) -> Result<Vec<Schema>> {
        self.ask(deadline, || self.connector.schemas(deadline)).await
    }

    async fn tables(&self, schema: &str, deadline: Deadline) -> Result<Vec<Table>> {
        self.ask(deadline, || self.connector.tables(schema, deadline)).await
    }

    async fn table(&self, schema: &str, table: &str, deadline: Deadline) -> Result<TableDetail> {
        self.ask(deadline, || self.connector.table(schema, table, deadline)).await
    }

    async fn close(&self) {
        self.connector.close().await;
    }
}

/// A sink that knows whether it was sent anything. The columns come first, also when no row follows.
struct Watched<S> {
    sink: S,
    is_touched: bool,
}

#[async_trait]
impl<S: RowSink> RowSink for Watched<S> {
    fn session_ready(&mut self) {
        self.sink.session_ready();
    }

    fn byte_budget(&self) -> u64 {
        self.sink.byte_budget()
    }

    fn columns(&mut self, columns: Vec<Column>) -> Result<()> {
        self.is_touched = true;
        self.sink.columns(columns)
    }

    fn cell(&mut self, cell: Cell<'_>) {
        self.sink.cell(cell);
    }

    fn end_row(&mut self) -> Flow {
        self.sink.end_row()
    }

    fn wants_drain(&self) -> bool {
        self.sink.wants_drain()
    }

    async fn drain(&mut self) -> Flow {
        self.sink.drain().await
    }

    fn affected(&mut self, rows: u64) {
        self.sink.affected(rows);
    }
}
