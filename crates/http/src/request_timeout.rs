//! How long the caller wants to wait at most.

use std::{
    num::NonZeroU64,
    time::{Duration, Instant},
};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
    response::{IntoResponse, Response},
};
use tidegate_core::{Error, ErrorCode, Result, deadline::Deadline};
use tokio::time::timeout;

use crate::Problem;

/// The header that says it: a whole number of milliseconds, from 1.
pub const HEADER: &str = "x-request-timeout";

/// What is kept back of the platform's time for recording the call and sending its answer.
pub const MARGIN: Duration = Duration::from_millis(500);

/// What is kept back of the platform's time for the answer that says that it has passed. It is less than [`MARGIN`], for
/// a call that ends by itself says more.
const LAST_MARGIN: Duration = Duration::from_millis(300);

/// When the platform ends the process, whatever it is doing then. Where there is such a moment, it is in the extensions
/// of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlatformDeadline(pub Deadline);

impl PlatformDeadline {
    /// What is left for work: the platform's time less a [`MARGIN`].
    pub fn left(self, now: Instant) -> Duration {
        self.0.remaining(now).saturating_sub(MARGIN)
    }
}

/// The most wall time of a call in milliseconds: what its caller said, or what the platform leaves of its time less a
/// [`MARGIN`], if that is less. It can only lower what holds anyway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestTimeout(pub Option<NonZeroU64>);

impl RequestTimeout {
    fn of(headers: &HeaderMap) -> Result<Self> {
        let mut values = headers.get_all(HEADER).iter();
        let milliseconds = match (values.next(), values.next()) {
            (None, _) => return Ok(Self(None)),
            (Some(value), None) => value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit())),
            (Some(_), Some(_)) => None,
        };
        match milliseconds.and_then(|text| text.parse().ok()) {
            Some(milliseconds) => Ok(Self(Some(milliseconds))),
            None => Err(Error::new(
                ErrorCode::InvalidRequest,
                "the header `X-Request-Timeout` must be one whole number of milliseconds, from 1",
            )),
        }
    }

    /// Ends before the platform does. When the margin has begun, a millisecond is left: the call fails as one whose
    /// time has passed.
    fn before(self, platform: PlatformDeadline, now: Instant) -> Self {
        let left = NonZeroU64::new(u64::try_from(platform.left(now).as_millis()).unwrap_or(u64::MAX))
            .unwrap_or(NonZeroU64::MIN);
        Self(Some(self.0.map_or(left, |asked| asked.min(left))))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestTimeout {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let asked = Self::of(&parts.headers)?;
        Ok(match parts.extensions.get::<PlatformDeadline>() {
            Some(platform) => asked.before(*platform, Instant::now()),
            None => asked,
        })
    }
}

/// Ends a call that is still under way when the platform's time is all but over: the platform would end the process, and
/// the caller would not learn why. A statement ends a [`MARGIN`] before that, so what goes on is a part of Tidegate that
/// does not answer.
pub(crate) async fn end_in_time(
    answer: impl Future<Output = Response>,
    deadline: Option<PlatformDeadline>,
) -> Response {
    let Some(PlatformDeadline(deadline)) = deadline else { return answer.await };
    let left = deadline.remaining(Instant::now()).saturating_sub(LAST_MARGIN);
    match timeout(left, answer).await {
        Ok(response) => response,
        Err(_) => {
            let late = "tidegate did not answer in time; what the call changes may or may not have been done: look, and \
                        try again in a moment";
            let error = Error::new(ErrorCode::Unavailable, late).with_context("the time of the call has passed");
            Problem(error).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn of(values: &[&'static str]) -> Result<RequestTimeout> {
        let named = |value: &&'static str| (HeaderName::from_static(HEADER), HeaderValue::from_static(value));
        RequestTimeout::of(&values.iter().map(named).collect())
    }

    #[test]
    fn one_whole_number_of_milliseconds_is_taken() {
        assert_eq!(of(&[]).unwrap(), RequestTimeout(None));
        assert_eq!(of(&["1500"]).unwrap(), RequestTimeout(NonZeroU64::new(1500)));
    }

    #[test]
    fn the_platform_s_time_less_a_margin_is_the_most() {
        let now = Instant::now();
        let platform = PlatformDeadline(Deadline::after(now, Duration::from_secs(3)));
        let before = |asked, passed: u64| {
            RequestTimeout(NonZeroU64::new(asked))
                .before(platform, now + Duration::from_millis(passed))
                .0
                .unwrap()
                .get()
        };
        assert_eq!(before(0, 0), 2500);
        assert_eq!((before(2000, 0), before(2000, 1000)), (2000, 1500));
        assert_eq!(before(60_000, 2000), 500);
        assert_eq!([2499, 2500, 3000, 9000].map(|passed| before(60_000, passed)), [1, 1, 1, 1]);
    }

    #[tokio::test]
    async fn the_platform_s_time_lowers_what_the_caller_asked() {
        let platform = PlatformDeadline(Deadline::after(Instant::now(), Duration::from_secs(60)));
        let taken = async |asked: Option<&str>, platform: Option<PlatformDeadline>| {
            let mut request = axum::http::Request::new(());
            request.headers_mut().extend(asked.map(|asked| (HeaderName::from_static(HEADER), asked.parse().unwrap())));
            platform.map(|platform| request.extensions_mut().insert(platform));
            let (mut parts, ()) = request.into_parts();
            RequestTimeout::from_request_parts(&mut parts, &()).await.map(|RequestTimeout(timeout)| timeout)
        };
        assert_eq!(taken(None, None).await.unwrap(), None);
        assert_eq!(taken(Some("700"), Some(platform)).await.unwrap(), NonZeroU64::new(700));
        let left = taken(Some("600000"), Some(platform)).await.unwrap().unwrap().get();
        assert!((50_000..=59_500).contains(&left), "{left}");
        assert_eq!(taken(Some("soon"), Some(platform)).await.unwrap_err().0.code(), ErrorCode::InvalidRequest);
    }

    #[tokio::test]
    async fn a_call_without_an_end_ends_before_the_platform_s_time() {
        let deadline = Deadline::after(Instant::now(), LAST_MARGIN + Duration::from_millis(20));
        let response = end_in_time(pending(), Some(PlatformDeadline(deadline))).await;
        assert!(Instant::now() < deadline.instant());
        let Problem(error) = response.extensions().get::<Problem>().unwrap();
        assert_eq!((error.code(), error.retry_after_seconds()), (ErrorCode::Unavailable, Some(1)));
    }

    #[test]
    fn anything_else_is_refused() {
        for values in [&["0"][..], &[""], &["-1"], &["+1"], &["1.5"], &["2s"], &["99999999999999999999"], &["5", "5"]] {
            assert_eq!(of(values).unwrap_err().code(), ErrorCode::InvalidRequest, "{values:?}");
        }
    }
}
