//! PostgreSQL, and what speaks its protocol.

mod bind;
mod catalog;
mod connect;
mod decode;
mod error;
mod explain;
mod functions;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod prepare;
mod privileges;
mod readable;
mod run;
mod types;

use std::{future::Future, sync::Arc};

use serde_json::Value as Json;
use sqlx::Row;
use tidegate_core::{
    Result,
    catalog::{Schema, Table, TableDetail},
    deadline::Deadline,
    result::{Column, RowSink},
    source::{Credentials, Endpoint},
};
use tidegate_statement::{Class, Statement};
use tokio::time::timeout_at;

use self::{
    connect::{Session, Sessions},
    functions::Functions,
};
use crate::{Connector, ConnectorConfig, ServerInfo};

/// A PostgreSQL source.
pub struct PostgresConnector {
    sessions: Sessions,
    functions: Functions,
}

impl PostgresConnector {
    /// The connector for an endpoint. Nothing is opened yet; only settings are checked.
    ///
    /// # Errors
    /// `InvalidRequest` when it can never be connected to.
    pub fn new(endpoint: &Endpoint, credentials: Option<&Credentials>, config: &ConnectorConfig) -> Result<Self> {
        Sessions::new(endpoint, credentials, config).map(|sessions| Self { sessions, functions: Functions::new() })
    }

    /// Runs a statement in its transaction.
    async fn run_in_session<S: RowSink>(&self, statement: &Statement, deadline: Deadline, sink: &mut S) -> Result<()> {
        let mut session = self.sessions.begin(statement.class(), deadline).await?;
        sink.session_ready();
        let result = match self.require_harmless(&mut session, statement).await {
            Ok(()) => run::run(&mut session, statement, sink).await,
            Err(refusal) => Err(refusal),
        };
        if session.is_running {
            return result;
        }
        if statement.class() == Class::Read || result.is_err() {
            session.roll_back().await;
            return result;
        }
        session.commit().await.map_err(|failure| error::running(&failure, None))
    }

    /// Refuses what the server says may do more than read. A statement that may write may call what it likes.
    async fn require_harmless(&self, session: &mut Session, statement: &Statement) -> Result<()> {
        if statement.class() != Class::Read {
            return Ok(());
        }
        self.functions.require_harmless(session, statement.calls()).await
    }

    /// Asks something that only reads.
    async fn ask<T>(&self, deadline: Deadline, question: impl AsyncFnOnce(&mut Session) -> Result<T>) -> Result<T> {
        within(deadline, async {
            let mut session = self.sessions.begin(Class::Read, deadline).await?;
            let answer = question(&mut session).await;
            session.roll_back().await;
            answer
        })
        .await
    }
}

/// Ends work at its deadline. What it had begun is dropped, and with it the session, which cancels its statement.
async fn within<T>(deadline: Deadline, work: impl Future<Output = Result<T>>) -> Result<T> {
    timeout_at(deadline.instant().into(), work).await.unwrap_or_else(|_| Err(error::timeout()))
}

impl Connector for PostgresConnector {
    async fn test(&self, deadline: Deadline) -> Result<ServerInfo> {
        self.ask(deadline, async |session| {
            let row = sqlx::query("SELECT version()").fetch_one(&mut session.connection).await;
            let version: String =
                row.and_then(|row| row.try_get(0)).map_err(|failure| error::running(&failure, None))?;
            // `PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64-pc-linux-gnu, compiled by …`
            let mut words = version.split_whitespace();
            let mut word = || words.next().unwrap_or_default().to_owned();
            Ok(ServerInfo { product: word(), version: word() })
        })
        .await
    }

    async fn privilege_warnings(&self, deadline: Deadline) -> Result<Vec<String>> {
        self.ask(deadline, privileges::warnings).await
    }

    async fn describe(&self, statement: &Statement, deadline: Deadline) -> Result<Vec<Column>> {
        self.ask(deadline, async |session| {
            self.require_harmless(session, statement).await?;
            let prepared = prepare::prepare(session, statement.text(), statement.binds()).await?;
            bind::check(prepared.parameters(), statement.binds())?;
            Ok(prepared.columns)
        })
        .await
    }

    async fn explain(&self, statement: &Statement, deadline: Deadline) -> Result<Json> {
        self.ask(deadline, async |session| {
            self.require_harmless(session, statement).await?;
            explain::explain(session, statement).await
        })
        .await
    }

    async fn run<S: RowSink + 'static>(
        &self,
        statement: Arc<Statement>,
        deadline: Deadline,
        mut sink: S,
    ) -> (S, Result<()>) {
        let result = within(deadline, self.run_in_session(&statement, deadline, &mut sink)).await;
        (sink, result)
    }

    async fn schemas(&self, deadline: Deadline) -> Result<Vec<Schema>> {
        self.ask(deadline, catalog::schemas).await
    }

    async fn tables(&self, schema: &str, deadline: Deadline) -> Result<Vec<Table>> {
        self.ask(deadline, async |session| catalog::tables(session, schema).await).await
    }

    async fn table(&self, schema: &str, table: &str, deadline: Deadline) -> Result<TableDetail> {
        self.ask(deadline, async |session| catalog::table(session, schema, table).await).await
    }

    async fn close(&self) {
        self.sessions.close().await;
    }
}
