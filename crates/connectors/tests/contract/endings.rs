//! How calls end whose last answers are late or lost.

use std::time::{Duration, Instant};

use rstest::rstest;
use tidegate_core::ErrorCode;

use crate::{
    proxy::{Loss, Proxy},
    source::{
        Kind::{self, MariaDb, MySql, Postgres},
        after, soon,
    },
};

#[rstest]
#[tokio::test]
async fn a_write_whose_commit_is_not_confirmed_is_not_said_to_have_failed(
    #[values(Postgres, MariaDb, MySql)] kind: Kind,
    #[values(Loss::Held, Loss::Broken)] loss: Loss,
) {
    let table = format!("unconfirmed_{loss:?}");
    kind.make_table(&table).await;
    let proxy = Proxy::before(kind.server().port).await;
    let connector = kind.connector_through(proxy.port);
    proxy.lose_answer_to("COMMIT", loss);
    let (_, written) = kind.run(&connector, &format!("INSERT INTO {table} VALUES (1)"), after(1_000)).await;
    let error = written.unwrap_err();
    let code = if loss == Loss::Held { ErrorCode::Timeout } else { ErrorCode::SourceUnavailable };
    assert_eq!(error.code(), code, "{error:?}");
    assert!(error.message().starts_with("the answer to the commit did not come"), "{error:?}");
    kind.await_row(&table).await;
    kind.run(&connector, "SELECT 1", soon()).await.1.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_write_is_done_also_when_its_session_cannot_be_reset(
    #[values(Postgres, MariaDb, MySql)] kind: Kind,
    #[values(Loss::Held, Loss::Broken)] loss: Loss,
    #[values(500, 30_000)] deadline: u64,
) {
    let table = format!("unreset_{loss:?}_{deadline}");
    kind.make_table(&table).await;
    let proxy = Proxy::before(kind.server().port).await;
    let connector = kind.connector_through(proxy.port);
    let reset = if kind == Postgres { "RESET ALL" } else { "RELEASE_ALL_LOCKS" };
    proxy.lose_answer_to(reset, loss);
    let began = Instant::now();
    kind.run(&connector, &format!("INSERT INTO {table} VALUES (1)"), after(deadline)).await.1.unwrap();
    assert!(proxy.has_lost() && began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    kind.await_row(&table).await;
    kind.run(&connector, "SELECT 1", soon()).await.1.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_read_is_answered_also_when_its_rollback_is_not(
    #[values(Postgres, MariaDb, MySql)] kind: Kind,
    #[values(Loss::Held, Loss::Broken)] loss: Loss,
    #[values(500, 30_000)] deadline: u64,
) {
    let proxy = Proxy::before(kind.server().port).await;
    let connector = kind.connector_through(proxy.port);
    proxy.lose_answer_to("ROLLBACK", loss);
    let began = Instant::now();
    let (recorder, read) = kind.run(&connector, "SELECT 7", after(deadline)).await;
    read.unwrap();
    assert_eq!(recorder.cells, ["Integer(7)"]);
    assert!(proxy.has_lost() && began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    kind.run(&connector, "SELECT 1", soon()).await.1.unwrap();
}

#[rstest]
#[tokio::test]
async fn a_failed_statement_keeps_its_error_when_its_rollback_is_late(#[values(Postgres, MariaDb, MySql)] kind: Kind) {
    let proxy = Proxy::before(kind.server().port).await;
    let connector = kind.connector_through(proxy.port);
    proxy.lose_answer_to("ROLLBACK", Loss::Held);
    let (_, failed) = kind.run(&connector, "SELECT nothing FROM nowhere", after(500)).await;
    assert_eq!(failed.unwrap_err().code(), ErrorCode::DatabaseError);
    assert!(proxy.has_lost());
}
