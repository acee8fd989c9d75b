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

use std::sync::Arc;

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

use self::{
    connect::{Session, Sessions},
    functions::Functions,
};
use crate::{
    Connector, ConnectorConfig, ServerInfo,
    bounds::{self, Closing, hand_back},
};

/// A PostgreSQL source.
pub struct PostgresConnector {
    sessions: Sessions,
    functions: Functions,
    closing: Closing,
}

impl PostgresConnector {
    /// The connector for an endpoint. Nothing is opened yet; only settings are checked.
    ///
    /// # Errors
    /// `InvalidRequest` when it can never be connected to.
    pub fn new(endpoint: &Endpoint, credentials: Option<&Credentials>, config: &ConnectorConfig) -> Result<Self> {
        let sessions = Sessions::new(endpoint, credentials, config)?;
        Ok(Self { sessions, functions: Functions::new(), closing: Closing::default() })
    }

    /// Runs a statement in its transaction. What comes after its outcome does not change it.
    async fn run_into<S: RowSink>(&self, statement: &Statement, deadline: Deadline, sink: &mut S) -> Result<()> {
        let ran = self.closing.within(deadline.instant(), async {
            let mut session = self.sessions.begin(statement.class(), deadline).await?;
            sink.session_ready();
            let result = match self.require_harmless(&mut session, statement).await {
                Ok(()) => run::run(&mut session, statement, sink).await,
                Err(refusal) => Err(refusal),
            };
            Ok((session, result))
        });
        let (session, result) = ran.await?;
        let result = result.map_err(|error| session.judge(error));
        if session.is_running {
            return result;
        }
        if statement.class() == Class::Read || result.is_err() {
            hand_back(deadline, session.roll_back()).await;
            return result;
        }
        self.commit(session, deadline).await
    }

    async fn commit(&self, mut session: Session, deadline: Deadline) -> Result<()> {
        let committed = self.closing.within(deadline.instant(), session.commit()).await;
        if committed.is_ok() {
            hand_back(deadline, session.reset()).await;
        }
        committed.map_err(bounds::of_commit)
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
        let asked = self.closing.within(deadline.instant(), async {
            let mut session = self.sessions.begin(Class::Read, deadline).await?;
            let answer = question(&mut session).await;
            Ok((session, answer))
        });
        let (session, answer) = asked.await?;
        let answer = answer.map_err(|error| session.judge(error));
        hand_back(deadline, session.roll_back()).await;
        answer
    }
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
        let result = self.run_into(&statement, deadline, &mut sink).await;
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
        self.closing.begin();
        self.sessions.close().await;
    }
}
