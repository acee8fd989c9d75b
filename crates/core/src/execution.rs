//! The record of one run of a statement.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use utoipa::ToSchema;

use crate::{
    Error, ErrorCode, Name,
    id::{ExecutionId, QueryId, RequestId, SourceId, TenantId},
    principal::Caller,
    result::Truncated,
};

/// One run of a statement. Rows are not part of it, and arguments only when the query says so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// Its id. It is made when the execution ends, so the order of ids is the order of ending.
    pub id: ExecutionId,
    /// The tenant it ran in.
    pub tenant: TenantId,
    /// The request it was part of.
    pub request: Option<RequestId>,
    /// Who called. Items of every age have it as `api_key`.
    #[serde(rename = "api_key")]
    pub caller: Caller,
    /// The query and the number of its revision; none for raw SQL.
    pub query: Option<(QueryId, u64)>,
    /// The server it was called through.
    pub server: Option<Name>,
    /// The source it ran on.
    pub source: SourceId,
    /// SHA-256 of the statement's text, in hexadecimal, shortened to 16 digits. Values are not part of the text.
    pub fingerprint: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// How long it took, in microseconds.
    pub elapsed_us: u64,
    /// Where that time went.
    #[serde(default)]
    pub timing: Timing,
    /// The rows given back.
    pub rows: u64,
    /// The bytes of the encoded rows.
    pub bytes: u64,
    /// What cut it.
    pub truncated: Option<Truncated>,
    /// How it failed.
    pub error: Option<ErrorCode>,
    /// The arguments as they were given, when the query keeps them and they are not too many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Map<String, Json>>,
}

impl Execution {
    /// When it ended, to the millisecond.
    pub fn ended_at(&self) -> DateTime<Utc> {
        let stamp = self.id.as_uuid().get_timestamp().map(|stamp| stamp.to_unix());
        stamp
            .and_then(|(seconds, nanos)| DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos))
            .unwrap_or(self.started_at)
    }

    /// How it ended.
    pub fn outcome(&self) -> Outcome {
        match (self.error, self.truncated) {
            (Some(_), _) => Outcome::Error,
            (None, Some(_)) => Outcome::Truncated,
            (None, None) => Outcome::Ok,
        }
    }
}

/// Where the time of an execution went, in microseconds, one phase after the other. A phase that it did not come to
/// the end of is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Timing {
    /// Finding the source, checking the arguments, compiling and guarding the statement.
    pub prepare_us: u64,
    /// Asking the database for the plan and holding it against `max_estimate`, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_us: Option<u64>,
    /// Waiting in the line before the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_us: Option<u64>,
    /// Getting a session: testing an idle one or connecting, and beginning the transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_us: Option<u64>,
    /// Until the database had planned the statement and given its first row, or said that there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_row_us: Option<u64>,
    /// Waiting for the rows, and for a slow reader of a stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_us: Option<u64>,
    /// Decoding and encoding the rows, estimated from the first four and one in 32 of the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encode_us: Option<u64>,
}

/// How an execution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It gave its whole result.
    Ok,
    /// Its result was cut.
    Truncated,
    /// It failed.
    Error,
}

/// Which outcomes a list of executions holds: `ok`, `truncated`, `error`, or the code of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeFilter {
    /// Those that ended so.
    Outcome(Outcome),
    /// Those that failed with this code.
    Code(ErrorCode),
}

impl OutcomeFilter {
    fn admits(self, execution: &Execution) -> bool {
        match self {
            Self::Outcome(outcome) => execution.outcome() == outcome,
            Self::Code(code) => execution.error == Some(code),
        }
    }
}

impl FromStr for OutcomeFilter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let word = || Json::from(text);
        serde_json::from_value(word())
            .map(Self::Outcome)
            .or_else(|_| serde_json::from_value(word()).map(Self::Code))
            .map_err(|_| {
                Error::invalid_argument("outcome", "`outcome` is `ok`, `truncated`, `error` or the code of an error")
            })
    }
}

/// Which executions a list holds; all of the tenant by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecutionFilter {
    /// Only those of this query.
    pub query: Option<QueryId>,
    /// Only those on this source.
    pub source: Option<SourceId>,
    /// Only those of this caller.
    pub caller: Option<Caller>,
    /// Only those that ended so.
    pub outcome: Option<OutcomeFilter>,
    /// Only those that ended then or later, to the millisecond.
    pub from: Option<DateTime<Utc>>,
    /// Only those that ended before then, to the millisecond.
    pub to: Option<DateTime<Utc>>,
}

impl ExecutionFilter {
    /// Whether an execution belongs into the list.
    pub fn admits(&self, execution: &Execution) -> bool {
        let ended = execution.ended_at().timestamp_millis();
        self.query.is_none_or(|query| execution.query.is_some_and(|(id, _)| id == query))
            && self.source.is_none_or(|source| execution.source == source)
            && self.caller.as_ref().is_none_or(|caller| execution.caller == *caller)
            && self.outcome.is_none_or(|outcome| outcome.admits(execution))
            && self.from.is_none_or(|from| ended >= from.timestamp_millis())
            && self.to.is_none_or(|to| ended < to.timestamp_millis())
    }
}

/// A page of the history, newest first. It may hold fewer than were asked for, or none, and not be the last.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutionPage {
    /// The executions.
    pub items: Vec<Execution>,
    /// Where the next page begins, in the store's own words; none at the end.
    pub next: Option<String>,
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::id::ApiKeyId;

    fn execution() -> Execution {
        Execution {
            id: ExecutionId::from_uuid(Uuid::parse_str("01900000-0000-7000-8000-000000000000").unwrap()),
            tenant: TenantId::from_uuid(Uuid::nil()),
            request: None,
            caller: Caller::ApiKey(ApiKeyId::from_uuid(Uuid::nil())),
            query: None,
            server: None,
            source: SourceId::from_uuid(Uuid::nil()),
            fingerprint: String::new(),
            started_at: DateTime::UNIX_EPOCH,
            elapsed_us: 1,
            timing: Timing::default(),
            rows: 0,
            bytes: 0,
            truncated: None,
            error: None,
            arguments: None,
        }
    }

    #[test]
    fn an_execution_ended_when_its_id_was_made() {
        assert_eq!(execution().ended_at().timestamp_millis(), 0x0190_0000_0000);
    }

    #[test]
    fn an_outcome_is_a_word_or_the_code_of_an_error() {
        let whole = execution();
        let cut = Execution { truncated: Some(Truncated::Rows), ..execution() };
        let failed = Execution { error: Some(ErrorCode::Timeout), ..cut.clone() };
        for (word, expected) in [
            ("ok", [true, false, false]),
            ("truncated", [false, true, false]),
            ("error", [false, false, true]),
            ("timeout", [false, false, true]),
            ("database_error", [false, false, false]),
        ] {
            let filter = ExecutionFilter { outcome: Some(word.parse().unwrap()), ..ExecutionFilter::default() };
            assert_eq!([&whole, &cut, &failed].map(|execution| filter.admits(execution)), expected, "{word}");
        }
        let error = "failed".parse::<OutcomeFilter>().unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
    }

    #[test]
    fn a_range_of_time_holds_its_beginning_and_not_its_end() {
        let ended = execution().ended_at();
        let admits = |from, to| ExecutionFilter { from, to, ..ExecutionFilter::default() }.admits(&execution());
        let later = ended + chrono::Duration::milliseconds(1);
        assert!(admits(Some(ended), Some(later)) && admits(None, None));
        assert!(!admits(Some(later), None) && !admits(None, Some(ended)));
    }

    #[test]
    fn a_record_holds_its_caller_as_one_text() {
        let mut record = serde_json::to_value(execution()).unwrap();
        assert_eq!(record["api_key"], Uuid::nil().to_string());
        record["api_key"] = "token:auth0|1".into();
        let read: Execution = serde_json::from_value(record).unwrap();
        let subject = "auth0|1".into();
        assert_eq!(read, Execution { caller: Caller::Token { subject }, ..execution() });
    }

    #[test]
    fn a_record_without_timing_can_be_read() {
        let mut record = serde_json::to_value(execution()).unwrap();
        record.as_object_mut().unwrap().remove("timing");
        assert_eq!(serde_json::from_value::<Execution>(record).unwrap(), execution());
    }
}
