//! All-or-nothing writes.

use std::time::Duration;

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{CancellationReason, TransactWriteItem},
};
use tidegate_core::Error;

use super::{DynamoStore, Item, failed};
use crate::{
    backoff::{ATTEMPTS, pause},
    failure,
};

/// The most actions of one transaction (DynamoDB API reference, `TransactWriteItems`).
pub(super) const MAX_ACTIONS: usize = 100;

/// How long a transaction is tried, whatever stands in its way.
const PATIENCE: Duration = Duration::from_secs(8);

/// Why a transaction failed.
pub(super) enum Cancelled {
    /// Conditions of these actions did not hold.
    Conditions(Vec<Unmet>),
    /// Anything else. When it is `Unavailable`, the transaction may have been written all the same.
    Other(Error),
}

impl From<Error> for Cancelled {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// A condition that did not hold.
pub(super) struct Unmet {
    /// The place of its action in the transaction.
    pub(super) action: usize,
    /// The item as it is, when the action asks for it and there is one.
    pub(super) item: Option<Item>,
}

impl DynamoStore {
    /// Writes everything or nothing. The SDK gives each call a token, so an attempt whose answer was lost is not
    /// applied twice; an attempt that ran into another transaction is repeated here.
    pub(super) async fn transact(&self, actions: Vec<TransactWriteItem>) -> Result<(), Cancelled> {
        match tokio::time::timeout(PATIENCE, self.attempt(actions)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(failure::unavailable("store").with_context("a transaction takes too long").into()),
        }
    }

    async fn attempt(&self, actions: Vec<TransactWriteItem>) -> Result<(), Cancelled> {
        let mut attempt = 0;
        loop {
            let sent = self.client.transact_write_items().set_transact_items(Some(actions.clone())).send().await;
            let error = match sent {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            let Some(reasons) = cancellation(&error) else {
                return Err(failed("TransactWriteItems", &error).into());
            };
            match judge(reasons) {
                Verdict::Conditions(unmet) => return Err(Cancelled::Conditions(unmet)),
                Verdict::Refused(message) => return Err(failure::refused("store", message).into()),
                Verdict::Transient => {}
            }
            attempt += 1;
            if attempt == ATTEMPTS {
                return Err(failure::unavailable("store").with_context("transactions keep colliding").into());
            }
            pause(attempt).await;
        }
    }
}

fn cancellation(error: &SdkError<TransactWriteItemsError>) -> Option<&[CancellationReason]> {
    match error.as_service_error()? {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => Some(cancelled.cancellation_reasons()),
        _ => None,
    }
}

enum Verdict<'a> {
    Conditions(Vec<Unmet>),
    Refused(&'a str),
    Transient,
}

fn judge(reasons: &[CancellationReason]) -> Verdict<'_> {
    let unmet: Vec<_> = reasons
        .iter()
        .enumerate()
        .filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"))
        .map(|(action, reason)| Unmet { action, item: reason.item().cloned() })
        .collect();
    if !unmet.is_empty() {
        return Verdict::Conditions(unmet);
    }
    let permanent = |reason: &&CancellationReason| {
        matches!(reason.code(), Some("ValidationError" | "ItemCollectionSizeLimitExceeded"))
    };
    match reasons.iter().find(permanent) {
        Some(reason) => Verdict::Refused(reason.message().unwrap_or_default()),
        // A conflict with another transaction, or throttling.
        None => Verdict::Transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(codes: &[&str]) -> Vec<CancellationReason> {
        codes
            .iter()
            .map(|code| CancellationReason::builder().code(*code).message(format!("{code} size")).build())
            .collect()
    }

    #[test]
    fn a_condition_that_fails_outweighs_a_conflict() {
        let reasons = reasons(&["None", "TransactionConflict", "ConditionalCheckFailed"]);
        let Verdict::Conditions(unmet) = judge(&reasons) else { panic!("not a condition") };
        assert_eq!(unmet.iter().map(|one| one.action).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn conflicts_and_throttling_are_transient() {
        for code in ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"] {
            assert!(matches!(judge(&reasons(&["None", code])), Verdict::Transient), "{code}");
        }
    }

    #[test]
    fn a_broken_rule_is_not_repeated() {
        assert!(matches!(judge(&reasons(&["ValidationError", "None"])), Verdict::Refused("ValidationError size")));
    }
}
