//! What closing a connector does to its calls.

use std::{sync::Arc, time::Duration};

use rstest::rstest;
use tidegate_connectors::Connector;
use tidegate_core::ErrorCode;
use tokio::{sync::Notify, time::timeout};

use crate::source::{
    ENDLESS,
    Kind::{self, MariaDb, MySql, Postgres, Sqlite},
    Recorder, soon,
};

#[rstest]
#[tokio::test]
async fn closing_ends_the_calls_under_way_and_lets_no_other_begin(
    #[values(Postgres, MariaDb, MySql, Sqlite)] kind: Kind,
    #[values("computes", "drains")] held_up: &str,
) {
    let folder = tempfile::tempdir().unwrap();
    let connector = Arc::new(kind.connector(&folder));
    let begun = Arc::new(Notify::new());
    let (text, recorder) = match held_up {
        "computes" => (ENDLESS, Recorder { ready: Some(Arc::clone(&begun)), ..Recorder::default() }),
        _ => ("SELECT 1", Recorder { stuck: Some(Arc::clone(&begun)), ..Recorder::default() }),
    };
    let call = tokio::spawn({
        let (connector, statement) = (Arc::clone(&connector), kind.statement(text));
        async move { connector.run(statement, soon(), recorder).await.1 }
    });
    begun.notified().await;
    let waiting = tokio::spawn({
        let connector = Arc::clone(&connector);
        async move { kind.run(&connector, "SELECT 1", soon()).await.1 }
    });
    tokio::task::yield_now().await;
    let ended = timeout(Duration::from_secs(10), async {
        connector.close().await;
        [call.await.unwrap(), waiting.await.unwrap(), kind.run(&connector, "SELECT 1", soon()).await.1]
    });
    for error in ended.await.unwrap_or_else(|_| panic!("a call goes on")).map(Result::unwrap_err) {
        assert_eq!(error.code(), ErrorCode::SourceUnavailable, "{error:?}");
        assert!(error.message().ends_with("try again"), "{error:?}");
    }
}
