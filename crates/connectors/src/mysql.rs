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

use std::sync::Arc;

use serde_json::Value as Json;
use tidegate_core::{
    Result,
    catalog::{Schema, Table, TableDetail},
    deadline::Deadline,
    result::{Column, RowSink},
    source::{Credentials, Endpoint},
};
use tidegate_statement::{Class, Statement};

use crate::{
    Connector, ConnectorConfig, ServerInfo,
    bounds::{self, Closing, hand_back},
};
use connect::{Access, Sessions};
use functions::Functions;
use lease::Lease;
use run::Prepared;

/// A source on a MySQL or MariaDB server.
pub struct MysqlConnector {
    sessions: Arc<Sessions>,
    functions: Functions,
    closing: Closing,
}

impl MysqlConnector {
    /// The connector of a database. Nothing is opened yet. `InvalidRequest` when it can never be connected to.
    pub fn new(endpoint: &Endpoint, credentials: Option<&Credentials>, config: &ConnectorConfig) -> Result<Self> {
        endpoint.check()?;
        let sessions = Arc::new(Sessions::new(endpoint, credentials, config));
        Ok(Self { sessions, functions: Functions::new(), closing: Closing::default() })
    }

    /// Looks at the server in a session that goes back afterwards.
    async fn look<T>(
        &self,
        access: Access,
        deadline: Deadline,
        look: impl AsyncFnOnce(&mut Lease) -> Result<T>,
    ) -> Result<T> {
        let looked = self.closing.within(deadline.instant(), async {
            let mut lease = self.sessions.begin(access, deadline).await?;
            let seen = look(&mut lease).await;
            Ok((lease, seen))
        });
        let (lease, seen) = looked.await?;
        hand_back(deadline, lease.give_back()).await;
        seen
    }

    /// Runs a statement in its transaction. What comes after its outcome does not change it.
    async fn run_into<S: RowSink>(&self, statement: &Statement, deadline: Deadline, sink: &mut S) -> Result<()> {
        let arguments = bind::arguments(statement.binds())?;
        let class = statement.class();
        let ran = self.closing.within(deadline.instant(), async {
            let mut lease = self.sessions.begin(access(statement), deadline).await?;
            sink.session_ready();
            let result = match self.prepare(&mut lease, statement).await {
                Ok(prepared) => run::run(&mut lease, prepared, arguments, class, sink).await,
                Err(error) => Err(error),
            };
            Ok((lease, result))
        });
        let (mut lease, result) = ran.await?;
        let result = match result {
            Ok(()) if class != Class::Read => {
                let committed = self.closing.within(deadline.instant(), lease.commit()).await;
                committed.map_err(bounds::of_commit)
            }
            result => result,
        };
        hand_back(deadline, end(lease, class)).await;
        result
    }

    /// Prepares a statement, unless it calls what the server says may do more than read. A statement that may write may
    /// call what it likes.
    async fn prepare(&self, lease: &mut Lease, statement: &Statement) -> Result<Prepared> {
        if statement.class() == Class::Read {
            self.functions.require_harmless(lease, statement.calls()).await?;
        }
        run::prepare(lease, statement).await
    }
}

/// Ends a session's use. One that has run more than reads and writes of rows is not given back: such a statement may change
/// its variables, its database, its locks.
async fn end(lease: Lease, class: Class) {
    if class <= Class::Write {
        lease.give_back().await;
    } else {
        lease.retire().await;
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
        self.closing.begin();
        self.sessions.close().await;
    }
}
