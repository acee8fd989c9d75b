//! Processes that die, wait, or are not answered.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
    mpsc,
};

use aws_sdk_dynamodb::{
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextRef},
    },
    error::BoxError,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use tokio::sync::oneshot;

/// Lets so many writes through, and then nothing at all, as if the process had died.
#[derive(Debug)]
pub(in crate::dynamo) struct DieAfter(pub(in crate::dynamo) AtomicUsize);

impl Intercept for DieAfter {
    fn name(&self) -> &'static str {
        "DieAfter"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let left = if is_write(context) {
            self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
        } else {
            Ok(self.0.load(Ordering::SeqCst))
        };
        match left {
            Ok(left) if left > 0 => Ok(()),
            _ => Err("it is dead".into()),
        }
    }
}

fn is_write(context: &BeforeTransmitInterceptorContextRef<'_>) -> bool {
    let target = context.request().headers().get("x-amz-target").unwrap();
    ["PutItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"].iter().any(|it| target.ends_with(it))
}

/// Says when a process is about to make its write of this number, and holds it until it may go on.
#[derive(Debug)]
pub(super) struct HoldAt {
    pub(super) write: AtomicUsize,
    pub(super) reached: Mutex<Option<oneshot::Sender<()>>>,
    pub(super) go_on: Mutex<mpsc::Receiver<()>>,
}

impl Intercept for HoldAt {
    fn name(&self) -> &'static str {
        "HoldAt"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if is_write(context) && self.write.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.reached.lock().unwrap().take().unwrap().send(()).unwrap();
            self.go_on.lock().unwrap().recv()?;
        }
        Ok(())
    }
}

/// Loses the answer of this number. What it answers was done.
#[derive(Debug)]
pub(super) struct LoseAnswer(pub(super) AtomicUsize);

impl Intercept for LoseAnswer {
    fn name(&self) -> &'static str {
        "LoseAnswer"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.0.fetch_sub(1, Ordering::SeqCst) == 1 {
            *context.response_mut() = HttpResponse::new(500.try_into()?, SdkBody::empty());
        }
        Ok(())
    }
}
