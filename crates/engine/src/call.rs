//! One call: compile, page, dispatch, stream, record.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use serde_json::{Map, Value as Json};
use tidegate_connectors::Connector;
use tidegate_core::{
    Error, ErrorCode, Name, Result,
    budget::{Budget, Limits},
    cost::MaxEstimate,
    deadline::Deadline,
    id::{QueryId, RequestId},
    policy::{Permit, RunQuery, RunRaw},
    principal::Principal,
    query::{Mode, OrderColumn},
    result::Truncated,
    source::Source,
};
use tidegate_statement::{Binding, Class, Dialect, Position, Statement, Subject, Window};
use tokio::sync::mpsc;
use tracing::Instrument;

use crate::{
    Engine,
    budget::BudgetedSink,
    cost,
    encode::{Encoder, Summary},
    page::OrderKey,
    pools::SourceConnector,
    recorder::{Ended, Progress, Record, Recorder},
    timing::Moments,
};

/// How many chunks of a stream may wait for a slow reader.
const CHUNKS_AHEAD: usize = 4;

/// Arguments that are larger as JSON are not kept in the history, in bytes.
const MAX_KEPT_ARGUMENTS: usize = 4 << 10;

/// What a caller asks of a run, beside the statement.
#[derive(Clone, Debug, Default)]
pub struct RunRequest {
    /// The values of the parameters.
    pub arguments: Map<String, Json>,
    /// Where to go on.
    pub cursor: Option<String>,
    /// Limits below those of the environment, the source, the query and the API key.
    pub limits: Limits,
    /// The request it is part of.
    pub request: Option<RequestId>,
}

/// The whole answer of a run.
#[derive(Debug)]
pub struct Answer<E> {
    /// The encoder, with what it kept beside the body.
    pub encoder: E,
    /// The encoded result.
    pub body: Vec<u8>,
    /// What is known of the result.
    pub summary: Summary,
}

/// A statement that is ready to run.
pub(crate) struct Call {
    statement: Arc<Statement>,
    skip: u64,
    offset: u64,
    order: Option<OrderKey>,
    binding: Binding,
    pageable: bool,
    budget: Budget,
    max_estimate: MaxEstimate,
    deadline: Deadline,
    connector: Arc<SourceConnector>,
    began: Instant,
    record: Record,
}

/// What a statement runs under, by where it comes from.
struct Rules<'a> {
    mode: Mode,
    order: &'a [OrderColumn],
    binding: Binding,
    limits: Limits,
    max_estimate: MaxEstimate,
    query: Option<(QueryId, u64)>,
    server: Option<Name>,
    /// The arguments that the history is to keep.
    kept: Option<Map<String, Json>>,
}

impl Call {
    /// How the database would run the statement.
    pub(crate) async fn explain(&self) -> Result<Json> {
        self.connector.explain(&self.statement, self.deadline).await
    }

    /// The dialect of the statement.
    pub(crate) fn dialect(&self) -> Dialect {
        self.statement.dialect()
    }

    /// Whether a stream of it is cancelled when its reader goes away. What may write is done in whole, whoever reads what
    /// it gives back.
    fn ends_with_its_reader(&self) -> bool {
        self.statement.class() == Class::Read
    }
}

impl Engine {
    /// Runs a query and gives back its whole page.
    pub async fn run_query<E: Encoder>(
        &self,
        permit: &Permit<RunQuery>,
        request: RunRequest,
        encoder: E,
    ) -> Result<Answer<E>> {
        let call = self.prepare_query(permit, request).await?;
        self.collect(call, encoder, None).await
    }

    /// Runs raw SQL, which may do what its permit says, and gives back its whole page.
    pub async fn run_raw<E: Encoder>(
        &self,
        permit: &Permit<RunRaw>,
        sql: &str,
        request: RunRequest,
        encoder: E,
    ) -> Result<Answer<E>> {
        let call = self.prepare_raw(permit, sql, request).await?;
        self.collect(call, encoder, None).await
    }

    /// Runs a query and gives back its page in chunks while rows stream. What fails before the first chunk is an error;
    /// what fails later ends the stream without its summary.
    pub async fn stream_query<E: Encoder>(
        self: &Arc<Self>,
        permit: &Permit<RunQuery>,
        request: RunRequest,
        encoder: E,
    ) -> Result<RowStream> {
        let call = self.prepare_query(permit, request).await?;
        self.stream(call, encoder).await
    }

    /// Runs raw SQL like [`Engine::stream_query`].
    pub async fn stream_raw<E: Encoder>(
        self: &Arc<Self>,
        permit: &Permit<RunRaw>,
        sql: &str,
        request: RunRequest,
        encoder: E,
    ) -> Result<RowStream> {
        let call = self.prepare_raw(permit, sql, request).await?;
        self.stream(call, encoder).await
    }

    pub(crate) async fn prepare_query(&self, permit: &Permit<RunQuery>, request: RunRequest) -> Result<Call> {
        let began = self.parts.clock.instant();
        let RunQuery { query, revision, server } = permit.action();
        let source = self.source_of(permit.tenant(), revision).await?;
        let template = self.templates.get(*query, revision, &source)?;
        let arguments = template.arguments(&request.arguments)?;
        let statement = template.bind(&arguments)?;
        let rules = Rules {
            mode: revision.spec.mode,
            order: &revision.spec.order,
            binding: Binding {
                tenant: permit.tenant(),
                subject: Subject::Query { id: *query, revision: revision.number },
                arguments: arguments.hash(),
            },
            limits: revision.spec.limits,
            max_estimate: revision.spec.max_estimate,
            query: Some((*query, revision.number)),
            server: server.clone(),
            kept: revision.spec.keep_arguments.then(|| kept(&request.arguments)).flatten(),
        };
        self.prepare(began, permit.principal(), &source, statement, rules, request).await
    }

    pub(crate) async fn prepare_raw(&self, permit: &Permit<RunRaw>, sql: &str, request: RunRequest) -> Result<Call> {
        let began = self.parts.clock.instant();
        let RunRaw { source, server, mode } = permit.action();
        let statement = Statement::raw(sql, source.connection.kind().into())?;
        if *mode == Mode::Write && statement.class() == Class::Read {
            return Err(Error::new(
                ErrorCode::StatementNotAllowed,
                "`mode: write` is for a statement that changes rows, and this one only reads; leave `mode` out",
            ));
        }
        let rules = Rules {
            mode: *mode,
            order: &[],
            binding: Binding {
                tenant: permit.tenant(),
                subject: Subject::Raw { source: source.id, fingerprint: statement.fingerprint().to_owned() },
                arguments: [0; 32],
            },
            limits: Limits::default(),
            max_estimate: MaxEstimate::default(),
            query: None,
            server: server.clone(),
            kept: None,
        };
        self.prepare(began, permit.principal(), source, statement, rules, request).await
    }

    async fn prepare(
        &self,
        began: Instant,
        principal: &Arc<Principal>,
        source: &Source,
        statement: Statement,
        rules: Rules<'_>,
        request: RunRequest,
    ) -> Result<Call> {
        let Rules { mode, order, binding, limits, max_estimate, query, server, kept } = rules;
        statement.require(mode)?;
        let fingerprint = statement.fingerprint().to_owned();
        let max_estimate = max_estimate.on(source)?;
        let budget = (self.parts.budget.narrowed(&source.limits).narrowed(&limits))
            .narrowed(&principal.limits)
            .narrowed(&request.limits);
        let position = request.cursor.map(|cursor| self.parts.cursor_key.open(&cursor, &binding)).transpose()?;
        let offset = match &position {
            Some(Position::Offset(offset)) => *offset,
            _ => 0,
        };
        let pageable = mode == Mode::Read;
        let (statement, skip) = if pageable {
            // One row more than the page holds tells whether there is another page.
            let rows = budget.rows.saturating_add(1);
            let paged = statement.page(Window { rows, from: position.as_ref(), order })?;
            (paged.statement, paged.skip)
        } else {
            (statement, 0)
        };
        Ok(Call {
            statement: Arc::new(statement),
            skip,
            offset,
            order: (pageable && !order.is_empty()).then(|| OrderKey::of(order)),
            binding,
            pageable,
            budget,
            max_estimate,
            deadline: self.deadline(&budget),
            connector: self.pools.get(source).await?,
            began,
            record: Record {
                principal: Arc::clone(principal),
                request: request.request,
                query,
                server,
                source: source.id,
                fingerprint,
                started_at: self.parts.clock.now(),
                arguments: kept,
            },
        })
    }

    async fn collect<E: Encoder>(
        &self,
        call: Call,
        encoder: E,
        outlet: Option<mpsc::Sender<Result<Bytes>>>,
    ) -> Result<Answer<E>> {
        let ends_with_its_reader = call.ends_with_its_reader();
        let Call { statement, skip, offset, order, binding, pageable, budget, deadline, connector, began, .. } = call;
        let progress = Arc::new(Progress::of(Moments::of(began, self.parts.clock.instant())));
        let recorder = Recorder::new(&self.parts, call.record, Arc::clone(&progress));
        let is_held = !call.max_estimate.is_empty();
        let held =
            if is_held { cost::hold(&statement, call.max_estimate, &*connector, deadline).await } else { Ok(()) };
        if held.as_ref().map_or_else(|error| error.code() == ErrorCode::TooExpensive, |()| is_held) {
            progress.note(|moments| &mut moments.planned);
        }
        let sink = BudgetedSink::new(encoder, budget, skip, order, outlet, Arc::clone(&progress));
        let (mut sink, outcome) = match held {
            Ok(()) => connector.run(statement, deadline, sink).await,
            Err(refusal) => (sink, Err(refusal)),
        };
        let outcome = match outcome {
            Ok(()) if sink.is_abandoned() && ends_with_its_reader => {
                Err(Error::new(ErrorCode::Cancelled, "the reader of the stream went away before its end"))
            }
            Ok(()) => sink.ensure_progress(),
            // The rows that came in time are an answer; the cursor goes on behind them.
            Err(error) if error.code() == ErrorCode::Timeout && pageable && sink.rows() > 0 => {
                sink.cut_by_time();
                Ok(())
            }
            Err(error) => Err(error),
        };
        let rows_ended = outcome.is_ok().then(|| self.parts.clock.instant());
        let timing = progress.moments().timing(rows_ended, sink.encoding());
        let ended = outcome.and_then(|()| {
            sink.settle();
            let truncated = sink.truncated();
            let goes_on = pageable && matches!(truncated, Some(Truncated::Rows | Truncated::Bytes | Truncated::Time));
            let next_cursor = if goes_on {
                let position = match sink.last_key() {
                    Some(key) => key.into_position()?,
                    None => Position::Offset(offset.saturating_add(sink.rows())),
                };
                Some(self.parts.cursor_key.seal(&binding, &position)?)
            } else {
                None
            };
            let elapsed = self.parts.clock.instant().saturating_duration_since(began);
            Ok(Summary { row_count: sink.rows(), truncated, next_cursor, elapsed })
        });
        let error = ended.as_ref().err().map(Error::code);
        let (rows, bytes, truncated) = (sink.rows(), sink.bytes(), sink.truncated());
        recorder.ended(Ended { timing, rows, bytes, truncated, error }).await?;
        let summary = ended?;
        let (encoder, body) = sink.finish(&summary);
        Ok(Answer { encoder, body, summary })
    }

    async fn stream<E: Encoder>(self: &Arc<Self>, call: Call, encoder: E) -> Result<RowStream> {
        let (outlet, mut inlet) = mpsc::channel(CHUNKS_AHEAD);
        let engine = Arc::clone(self);
        let stream = async move {
            let ends_with_its_reader = call.ends_with_its_reader();
            let run = engine.collect(call, encoder, Some(outlet.clone()));
            let ended = tokio::select! {
                ended = run => ended,
                // Dropping the run cancels it, so a reader that went away leaves a record and no statement behind.
                () = outlet.closed(), if ends_with_its_reader => return,
            };
            let _ = outlet.send(ended.map(|answer| Bytes::from(answer.body))).await;
        };
        tokio::spawn(stream.in_current_span());
        let first = inlet.recv().await.ok_or_else(|| Error::internal("a streamed call ended without a word"))??;
        Ok(RowStream { first: Some(first), rest: inlet })
    }
}

/// A page in chunks, while its rows stream. A failure after the first rows is its last line.
pub struct RowStream {
    first: Option<Bytes>,
    rest: mpsc::Receiver<Result<Bytes>>,
}

impl RowStream {
    /// The next chunk; none at the end.
    pub async fn next(&mut self) -> Option<Bytes> {
        match self.first.take() {
            Some(first) => Some(first),
            None => self.rest.recv().await.map(|chunk| chunk.unwrap_or_else(|error| failure_line(&error))),
        }
    }
}

/// The arguments, unless they are too large to be kept.
fn kept(arguments: &Map<String, Json>) -> Option<Map<String, Json>> {
    let size = serde_json::to_vec(arguments).map_or(usize::MAX, |text| text.len());
    (size <= MAX_KEPT_ARGUMENTS).then(|| arguments.clone())
}

/// The line that ends a stream that failed after its first rows.
fn failure_line(error: &Error) -> Bytes {
    let body = serde_json::json!({"tidegate": {"error": {"code": error.code(), "detail": error.message()}}});
    Bytes::from(format!("{body}\n"))
}
