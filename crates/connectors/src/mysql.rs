//! MySQL and MariaDB.

mod bind;
mod catalog;
mod connect;
mod decode;
mod error;
mod explain;
mod functions;
mod lease;
mod privileges;
mod run;
mod types;

use std::{future::Future, sync::Arc};

use serde_json::Value as Json;
use tidegate_core::{
    Error, ErrorCode, Result,
    catalog::{Schema, Table, TableDetail},
    deadline::Deadline,
    result::{Column, RowSink},
    source::{Credentials, Endpoint},
};
use tidegate_statement::{Class, Statement};
use tokio::{sync::watch, time::timeout_at};

use crate::{Connector, ConnectorConfig, ServerInfo};
use connect::{Access, Sessions};
use functions::Functions;
use lease::Lease;
use run::Prepared;

/// A source on a MySQL or MariaDB server.
pub struct MysqlConnector {
    sessions: Arc<Sessions>,
    functions: Functions,
    closed: watch::Sender<bool>,
}

impl MysqlConnector {
    /// The connector of a database. Nothing is opened yet. `InvalidRequest` when it can never be connected to.
    pub fn new(endpoint: &Endpoint, credentials: Option<&Credentials>, config: &ConnectorConfig) -> Result<Self> {
        endpoint.check()?;
        let sessions = Arc::new(Sessions::new(endpoint, credentials, config));
        Ok(Self { sessions, functions: Functions::new(), closed: watch::Sender::new(false) })
    }

    /// Does `work` unless the deadline passes or the connector is closed before.
    async fn within<T>(&self, deadline: Deadline, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut closed = self.closed.subscribe();
        tokio::select! {
            biased;
            done = timeout_at(deadline.instant().into(), work) => done.unwrap_or_else(|_| {
                Err(Error::new(ErrorCode::Timeout, "the deadline passed before the database had answered; narrow the statement or raise the timeout"))
            }),
            _ = closed.wait_for(|&closed| closed) => Err(connect::closed()),
        }
    }

    /// Looks at the server in a session that goes back afterwards.
    async fn look<T>(
        &self,
        access: Access,
        deadline: Deadline,
        look: impl AsyncFnOnce(&mut Lease) -> Result<T>,
    ) -> Result<T> {
        self.within(deadline, async {
            let mut lease = self.sessions.begin(access, deadline).await?;
            let seen = look(&mut lease).await;
            lease.give_back().await;
            seen
        })
        .await
    }

    /// Runs a statement in its transaction. A session that has run more than reads and writes of rows is not given back:
    /// such a statement may change its variables, its database, its locks.
    async fn run_into<S: RowSink>(&self, statement: &Statement, deadline: Deadline, sink: &mut S) -> Result<()> {
        let arguments = bind::arguments(statement.binds())?;
        let class = statement.class();
        let ran = self.within(deadline, async {
            let mut lease = self.sessions.begin(access(statement), deadline).await?;
            sink.session_ready();
            let ran = match self.prepare(&mut lease, statement).await {
                Ok(prepared) => run::run(&mut lease, prepared, arguments, class, sink).await,
                Err(error) => Err(error),
            };
            match ran {
                Ok(()) if class != Class::Read => Ok(Some(lease)),
                ran => {
                    if class <= Class::Write {
                        lease.give_back().await
                    } else {
                        lease.retire().await
                    }
                    ran.map(|()| None)
                }
            }
        });
        match ran.await? {
            Some(lease) => self.commit(lease, class, deadline).await,
            None => Ok(()),
        }
    }

    /// Prepares a statement, unless it calls what the server says may do more than read. A statement that may write may
    /// call what it likes.
    async fn prepare(&self, lease: &mut Lease, statement: &Statement) -> Result<Prepared> {
        if statement.class() == Class::Read {
            self.functions.require_harmless(lease, statement.calls()).await?;
        }
        run::prepare(lease, statement).await
    }

    async fn commit(&self, mut lease: Lease, class: Class, deadline: Deadline) -> Result<()> {
        let committed = self.within(deadline, async {
            lease.commit().await?;
            if class <= Class::Write {
                lease.keep()
            } else {
                lease.retire().await
            }
            Ok(())
        });
        committed.await.map_err(|error| match error.code() {
            code @ (ErrorCode::Timeout | ErrorCode::SourceUnavailable) => {
                let message =
                    "the answer to the commit did not come; look whether the change is there before trying again";
                Error::new(code, message).with_context(error)
            }
            _ => error,
        })
    }
}

fn access(statement: &Statement) -> Access {
    match statement.class() {
        Class::Read => Access::ReadOnly,
        Class::Write | Class::Ddl | Class::Admin | Class::Unknown => Access::ReadWrite,
    }
}

impl Connector for MysqlConnector {
    async fn test(&self, deadline: Deadline) -> Result<ServerInfo> {
        self.look(Access::ReadOnly, deadline, async |lease| {
            lease.settle();
            let (product, version) = lease.server();
            Ok(ServerInfo { product: product.to_owned(), version: version.to_owned() })
        })
        .await
    }

    async fn privilege_warnings(&self, deadline: Deadline) -> Result<Vec<String>> {
        self.look(Access::ReadOnly, deadline, async |lease| privileges::warnings(lease).await).await
    }

    async fn describe(&self, statement: &Statement, deadline: Deadline) -> Result<Vec<Column>> {
        // MariaDB refuses to prepare a write in a read-only transaction.
        self.look(access(statement), deadline, async |lease| Ok(self.prepare(lease, statement).await?.columns)).await
    }

    async fn explain(&self, statement: &Statement, deadline: Deadline) -> Result<Json> {
        self.look(access(statement), deadline, async |lease| {
            // Checks the number of values, and the server's complaints about the statement do not count the prefix. The
            // server calls functions of constants to make a plan.
            self.prepare(lease, statement).await?;
            explain::explain(lease, statement).await
        })
        .await
    }

    async fn run<S: RowSink + 'static>(
        &self,
        statement: Arc<Statement>,
        deadline: Deadline,
        mut sink: S,
    ) -> (S, Result<()>) {
        let ran = self.run_into(&statement, deadline, &mut sink).await;
        (sink, ran)
    }

    async fn schemas(&self, deadline: Deadline) -> Result<Vec<Schema>> {
        self.look(Access::ReadOnly, deadline, async |lease| catalog::schemas(lease).await).await
    }

    async fn tables(&self, schema: &str, deadline: Deadline) -> Result<Vec<Table>> {
        self.look(Access::ReadOnly, deadline, async |lease| catalog::tables(lease, schema).await).await
    }

    async fn table(&self, schema: &str, table: &str, deadline: Deadline) -> Result<TableDetail> {
        self.look(Access::ReadOnly, deadline, async |lease| catalog::table(lease, schema, table).await).await
    }

    async fn close(&self) {
        self.closed.send_replace(true);
        self.sessions.close().await;
    }
}
