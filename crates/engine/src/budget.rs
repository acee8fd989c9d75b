//! The sink that counts while rows stream.

use std::{fmt::Write, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use tidegate_core::{
    Error, ErrorCode, Result,
    budget::Budget,
    result::{Column, Flow, RowSink, Truncated},
    value::Cell,
};
use tokio::sync::mpsc;

use crate::{
    encode::{Encoder, Summary},
    page::OrderKey,
    recorder::Progress,
    timing::RowClock,
};

/// How much a stream gathers before it hands it on, in bytes.
const CHUNK: usize = 32 << 10;

/// Encodes rows within a budget. A row is written or it is not: one that breaks the byte budget is taken back.
pub struct BudgetedSink<E> {
    encoder: E,
    budget: Budget,
    /// Rows still to be passed over, for pages of a statement that brings its own LIMIT.
    skip: u64,
    out: Vec<u8>,
    row_start: usize,
    /// The column the next cell belongs to.
    column: usize,
    /// Whether the row under way is written.
    taking: bool,
    rows: u64,
    sent: u64,
    affected: Option<u64>,
    truncated: Option<Truncated>,
    cut_cells: bool,
    too_large: bool,
    cut: String,
    order: Option<OrderKey>,
    outlet: Option<mpsc::Sender<Result<Bytes>>>,
    columns: Vec<Column>,
    /// Whether the encoder was told of the columns.
    is_headed: bool,
    row_clock: RowClock,
    progress: Arc<Progress>,
    /// Whether nobody takes what is handed on.
    is_abandoned: bool,
}

impl<E: Encoder> BudgetedSink<E> {
    /// A sink that passes over `skip` rows first. With an `outlet` it hands on what it encodes while rows stream.
    pub(crate) fn new(
        encoder: E,
        budget: Budget,
        skip: u64,
        order: Option<OrderKey>,
        outlet: Option<mpsc::Sender<Result<Bytes>>>,
        progress: Arc<Progress>,
    ) -> Self {
        Self {
            encoder,
            budget,
            skip,
            out: Vec::with_capacity(1 << 10),
            row_start: 0,
            column: 0,
            taking: false,
            rows: 0,
            sent: 0,
            affected: None,
            truncated: None,
            cut_cells: false,
            too_large: false,
            cut: String::new(),
            order,
            outlet,
            columns: Vec::new(),
            is_headed: false,
            row_clock: RowClock::default(),
            progress,
            is_abandoned: false,
        }
    }

    /// The rows written.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The bytes written.
    pub fn bytes(&self) -> u64 {
        self.sent + (self.out.len() + self.encoder.held()) as u64
    }

    /// How long the rows took to decode and encode.
    pub(crate) fn encoding(&self) -> Duration {
        self.row_clock.estimate()
    }

    /// Whether the reader of a stream went away before its end.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.is_abandoned
    }

    /// The columns that were announced.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// What cut the result, most telling first.
    pub fn truncated(&self) -> Option<Truncated> {
        self.truncated.or(self.cut_cells.then_some(Truncated::Cells))
    }

    /// Says that the deadline passed while rows streamed.
    pub fn cut_by_time(&mut self) {
        // The row under way has not been ended, so it is not part of the result.
        if self.column > 0 && self.taking {
            self.out.truncate(self.row_start);
            self.encoder.undo_row();
        }
        self.truncated = Some(Truncated::Time);
    }

    /// The order key of the last row written.
    pub fn last_key(&mut self) -> Option<OrderKey> {
        self.order.take()
    }

    /// Fails when not even one row fits the byte budget, since no page could ever go on from there.
    pub fn ensure_progress(&self) -> Result<()> {
        if !self.too_large {
            return Ok(());
        }
        Err(Error::new(
            ErrorCode::LimitExceeded,
            format!(
                "one row is larger than the byte budget of {} bytes; select fewer columns, or ask for a lower `cell_bytes`",
                self.budget.bytes
            ),
        ))
    }

    /// Writes what stands behind the rows and gives back the encoder and what was not handed on yet.
    pub fn finish(mut self, summary: &Summary) -> (E, Vec<u8>) {
        self.encoder.finish(&mut self.out, summary);
        (self.encoder, self.out)
    }

    /// Makes the result of a statement that brought no columns and no rows: one row that says how many rows it changed.
    pub fn settle(&mut self) {
        if self.is_headed {
            return;
        }
        let columns = match self.affected {
            Some(_) => vec![Column {
                name: "affected_rows".to_owned(),
                kind: tidegate_core::result::ColumnType::Integer,
                database_type: None,
            }],
            None => Vec::new(),
        };
        self.head(columns);
        if let Some(affected) = self.affected {
            self.encoder.begin_row(&mut self.out, true);
            self.encoder.cell(&mut self.out, 0, Cell::Unsigned(affected));
            self.encoder.end_row(&mut self.out);
            self.rows = 1;
        }
    }

    /// Writes what stands before the rows.
    fn head(&mut self, columns: Vec<Column>) {
        self.encoder.columns(&mut self.out, &columns);
        self.columns = columns;
        self.is_headed = true;
    }

    fn begin_row(&mut self) {
        self.row_clock.row_begins();
        if !self.is_headed {
            self.head(Vec::new());
        }
        self.taking = self.skip == 0 && self.rows < self.budget.rows;
        if self.taking {
            self.row_start = self.out.len();
            self.encoder.begin_row(&mut self.out, self.rows == 0);
        }
    }

    /// Ends the row under way, and takes it back when it is one too many.
    fn close_row(&mut self) -> Flow {
        if self.column == 0 {
            self.begin_row();
        }
        self.column = 0;
        if self.skip > 0 {
            self.skip -= 1;
            return Flow::Continue(());
        }
        if !self.taking {
            self.truncated = Some(Truncated::Rows);
            return Flow::Break(());
        }
        self.encoder.end_row(&mut self.out);
        if self.bytes() > self.budget.bytes {
            self.out.truncate(self.row_start);
            self.encoder.undo_row();
            self.truncated = Some(Truncated::Bytes);
            self.too_large = self.rows == 0;
            return Flow::Break(());
        }
        if let Some(order) = &mut self.order {
            order.keep();
        }
        self.rows += 1;
        self.progress.wrote(self.rows, self.bytes());
        Flow::Continue(())
    }

    /// Writes the beginning of a cell that is over its budget, with its full length.
    fn cut_cell(&mut self, cell: Cell<'_>) {
        self.cut_cells = true;
        self.cut.clear();
        let most = usize::try_from(self.budget.cell_bytes).unwrap_or(usize::MAX);
        let length = match cell {
            Cell::Text(text) | Cell::Json(text) | Cell::Decimal(text) => {
                self.cut.push_str(text.get(..text.floor_char_boundary(most)).unwrap_or_default());
                text.len()
            }
            Cell::Bytes(bytes) => {
                use base64::{display::Base64Display, engine::general_purpose::STANDARD};
                let head = bytes.get(..most).unwrap_or(bytes);
                let _ = write!(self.cut, "{}", Base64Display::new(head, &STANDARD));
                bytes.len()
            }
            _ => return,
        };
        let _ = write!(self.cut, "… [cut, {length} bytes in all]");
        self.encoder.cell(&mut self.out, self.column, Cell::Text(&self.cut));
    }
}

fn size(cell: Cell<'_>) -> u64 {
    match cell {
        Cell::Text(text) | Cell::Json(text) | Cell::Decimal(text) => text.len() as u64,
        Cell::Bytes(bytes) => bytes.len() as u64,
        _ => 0,
    }
}

#[async_trait]
impl<E: Encoder> RowSink for BudgetedSink<E> {
    fn admitted(&mut self) {
        self.progress.note(|moments| &mut moments.admitted);
    }

    fn session_ready(&mut self) {
        self.progress.note(|moments| &mut moments.session_ready);
    }

    fn byte_budget(&self) -> u64 {
        self.budget.bytes
    }

    fn columns(&mut self, columns: Vec<Column>) -> Result<()> {
        self.progress.note(|moments| &mut moments.answered);
        // A statement without a result set is settled when it has ended. PostgreSQL has rows without columns as well.
        if columns.is_empty() {
            return Ok(());
        }
        if let Some(order) = &mut self.order {
            order.locate(&columns)?;
        }
        self.head(columns);
        Ok(())
    }

    fn cell(&mut self, cell: Cell<'_>) {
        if self.column == 0 {
            self.begin_row();
        }
        // A row that is over the budget already will be taken back, so the rest of its cells is not written.
        if self.taking && self.bytes() <= self.budget.bytes {
            if let Some(order) = &mut self.order {
                order.take(self.column, cell);
            }
            if size(cell) > self.budget.cell_bytes {
                self.cut_cell(cell);
            } else {
                self.encoder.cell(&mut self.out, self.column, cell);
            }
        }
        self.column += 1;
    }

    fn end_row(&mut self) -> Flow {
        let flow = self.close_row();
        self.row_clock.row_ended();
        flow
    }

    fn wants_drain(&self) -> bool {
        self.outlet.is_some() && self.out.len() >= CHUNK
    }

    async fn drain(&mut self) -> Flow {
        let Some(outlet) = &self.outlet else { return Flow::Continue(()) };
        // The deadline may drop this while it waits. What was not handed on by then still belongs to the page.
        let Ok(place) = outlet.reserve().await else {
            self.is_abandoned = true;
            return Flow::Break(());
        };
        let chunk = std::mem::take(&mut self.out);
        self.sent += chunk.len() as u64;
        place.send(Ok(Bytes::from(chunk)));
        Flow::Continue(())
    }

    fn affected(&mut self, rows: u64) {
        self.affected = Some(rows);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use futures::FutureExt;
    use tidegate_core::result::ColumnType;

    use super::*;
    use crate::{
        encode::{Json, Ndjson},
        timing::Moments,
    };

    type Outlet = mpsc::Sender<Result<Bytes>>;

    fn sink<E: Encoder>(encoder: E, budget: Budget, outlet: Option<Outlet>) -> BudgetedSink<E> {
        let now = Instant::now();
        let progress = Arc::new(Progress::of(Moments::of(now, now)));
        BudgetedSink::new(encoder, budget, 0, None, outlet, progress)
    }

    #[test]
    fn what_waits_for_a_slow_reader_at_the_deadline_is_not_lost() {
        let (outlet, mut inlet) = mpsc::channel(1);
        let budget = Budget { rows: u64::MAX, ..Budget::default() };
        let mut sink = sink(Ndjson::default(), budget, Some(outlet));
        let column = Column { name: "number".to_owned(), kind: ColumnType::Integer, database_type: None };
        RowSink::columns(&mut sink, vec![column]).unwrap();
        let mut drained = Vec::new();
        let mut number = 0;
        while drained.len() < 2 {
            sink.cell(Cell::Integer(number));
            assert!(sink.end_row().is_continue());
            number += 1;
            if sink.wants_drain() {
                drained.push(sink.drain().now_or_never());
            }
        }
        assert_eq!(drained, [Some(Flow::Continue(())), None], "the reader takes one chunk and no more");
        sink.cut_by_time();
        let (rows, bytes) = (sink.rows(), sink.bytes());
        let summary = Summary { row_count: rows, truncated: None, next_cursor: None, elapsed: Duration::ZERO };
        let (_, rest) = sink.finish(&summary);
        let text = [&*inlet.try_recv().unwrap().unwrap(), &*rest].concat();
        let text = String::from_utf8(text).unwrap();
        let mut lines = text.lines();
        for expected in 0..number {
            assert_eq!(lines.next(), Some(&*format!("{{\"number\":{expected}}}")));
        }
        let last = lines.next().unwrap();
        assert!(last.starts_with("{\"tidegate\""), "{last}");
        assert_eq!((rows, bytes), (number.unsigned_abs(), (text.len() - last.len() - 1) as u64));
    }

    #[test]
    fn rows_without_columns_are_rows() {
        let mut sink = sink(Json, Budget::default(), None);
        RowSink::columns(&mut sink, Vec::new()).unwrap();
        for _ in 0..2 {
            assert!(sink.end_row().is_continue());
        }
        sink.affected(2);
        sink.settle();
        let summary = Summary { row_count: sink.rows(), truncated: None, next_cursor: None, elapsed: Duration::ZERO };
        let (_, body) = sink.finish(&summary);
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["columns"], serde_json::json!([]));
        assert_eq!((&body["rows"], &body["row_count"]), (&serde_json::json!([[], []]), &serde_json::json!(2)));
    }

    #[test]
    fn a_row_that_is_over_the_budget_is_not_encoded_to_its_end() {
        let budget = Budget { bytes: 1_000, cell_bytes: 400, ..Budget::default() };
        let mut sink = sink(Json, budget, None);
        for _ in 0..1_000 {
            sink.cell(Cell::Text(&"x".repeat(300)));
        }
        assert!((1_000..1_400).contains(&sink.bytes()), "{}", sink.bytes());
        assert!(sink.end_row().is_break());
        assert_eq!((sink.rows(), sink.truncated()), (0, Some(Truncated::Bytes)));
        assert_eq!(sink.ensure_progress().unwrap_err().code(), ErrorCode::LimitExceeded);
    }
}
