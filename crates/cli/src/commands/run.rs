//! `tidegate run`: one query, its rows on the standard output.

mod arguments;
mod output;

use std::io;

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value as Json, json};
use tidegate_core::{
    parameter::Parameter,
    result::{Column, Truncated},
};

use crate::{
    client::{ApiArguments, Client, understood},
    failure::Failure,
    terminal,
};

/// The query to run.
#[derive(Args, Debug)]
pub(crate) struct RunArguments {
    /// The name or id of the query
    query: String,
    /// An argument, such as `carrier=AA`
    ///
    /// The value is read as the type that the query declares. A list is given as `x=a,b,c`, or as `x=a x=b` when an
    /// item holds a comma, or as JSON: `x=["a","b"]`. A key that is narrowed to some queries cannot see what they
    /// declare: with it, whatever is JSON is read as JSON, so that the text 10 is written as `x='"10"'`.
    #[arg(value_name = "KEY=VALUE", value_parser = arguments::pair)]
    arguments: Vec<(String, String)>,
    /// How the rows are printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// The most rows of one page
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    rows: Option<u64>,
    /// Go on where an earlier page ended
    #[arg(long)]
    cursor: Option<String>,
    /// Run the draft of the query, not what is published; it takes an editor
    #[arg(long)]
    draft: bool,
    /// Fetch page after page until there are no more
    #[arg(long)]
    all_pages: bool,
    #[command(flatten)]
    api: ApiArguments,
}

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Aligned columns, for people
    Table,
    /// The answer of the API: columns, rows, what cut it, and the next cursor
    Json,
    /// A header and a line for each row, NULL as nothing
    Csv,
}

/// One page of the result.
#[derive(Debug, Serialize, Deserialize)]
struct Page {
    columns: Vec<Column>,
    rows: Vec<Vec<Json>>,
    row_count: u64,
    truncated: Option<Truncated>,
    next_cursor: Option<String>,
    elapsed_ms: Number,
}

/// What the command needs to know of the query.
#[derive(Deserialize)]
struct QueryView {
    #[serde(default)]
    parameters: Vec<Parameter>,
    #[serde(default)]
    draft: Option<Box<Self>>,
}

pub(super) async fn run(arguments: RunArguments) -> Result<(), Failure> {
    let client = Client::new(&arguments.api)?;
    let values = match parameters(&client, &arguments.query, arguments.draft).await? {
        Some(parameters) => arguments::typed(&parameters, &arguments.arguments).map_err(Failure::Usage)?,
        None => arguments::untyped(&arguments.arguments),
    };
    let call = Call { client, query: arguments.query, values, rows: arguments.rows, draft: arguments.draft };

    let progress = if arguments.all_pages { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    let mut page = call.page(arguments.cursor).await?;
    let mut csv = output::Csv::new(io::stdout().lock());
    if arguments.format == Format::Csv {
        csv.header(&page.columns)?;
    }
    loop {
        if arguments.format == Format::Csv {
            csv.rows(page.rows.drain(..))?;
        }
        if !arguments.all_pages {
            break;
        }
        let Some(cursor) = page.next_cursor.take() else { break };
        progress.set_message(format!("{} rows", page.row_count));
        progress.tick();
        page.go_on(call.page(Some(cursor)).await?);
    }
    progress.finish_and_clear();
    match arguments.format {
        Format::Table => {
            terminal::print(&output::table(&page))?;
            let noun = if page.row_count == 1 { "row" } else { "rows" };
            terminal::note(format_args!("{} {noun} in {} ms", page.row_count, page.elapsed_ms));
        }
        Format::Json => terminal::print(&output::json(&page)?)?,
        Format::Csv => csv.finish()?,
    }
    if let Some(notice) = notice(&page) {
        terminal::note(notice);
    }
    Ok(())
}

/// What the query declares, unless the key is narrowed: such a key runs queries and does not see the registry.
async fn parameters(client: &Client, query: &str, of_draft: bool) -> Result<Option<Vec<Parameter>>, Failure> {
    match client.get(&["queries", query]).await {
        Ok(view) => {
            let view: QueryView = understood(view)?;
            Ok(Some(view.draft.filter(|_| of_draft).map_or(view.parameters, |draft| draft.parameters)))
        }
        Err(Failure::Problem { problem, .. }) if problem.code.as_deref() == Some("forbidden") => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The call that fetches one page after another.
struct Call {
    client: Client,
    query: String,
    values: Map<String, Json>,
    rows: Option<u64>,
    draft: bool,
}

impl Call {
    async fn page(&self, cursor: Option<String>) -> Result<Page, Failure> {
        let limits = self.rows.map_or_else(|| json!({}), |rows| json!({ "rows": rows }));
        let body = json!({ "arguments": self.values, "cursor": cursor, "limits": limits, "draft": self.draft });
        understood(self.client.post(&["execute", &self.query], &body).await?)
    }
}

impl Page {
    fn go_on(&mut self, mut next: Self) {
        self.rows.append(&mut next.rows);
        self.row_count = self.row_count.saturating_add(next.row_count);
        self.truncated = next.truncated;
        self.next_cursor = next.next_cursor;
        let elapsed = [&self.elapsed_ms, &next.elapsed_ms].into_iter().filter_map(Number::as_f64).sum::<f64>();
        self.elapsed_ms = Number::from_f64(elapsed).unwrap_or(next.elapsed_ms);
    }
}

/// What cut the result, and how to go on.
fn notice(page: &Page) -> Option<String> {
    let cut = page.truncated.map(|truncated| match truncated {
        Truncated::Rows => "cut at the limit of rows",
        Truncated::Bytes => "cut at the limit of bytes",
        Truncated::Time => "cut at the limit of time",
        Truncated::Cells => "some cells were cut to the limit of their size",
    });
    match (cut, &page.next_cursor) {
        (None, None) => None,
        (Some(cut), None) => Some(cut.to_owned()),
        (cut, Some(cursor)) => {
            let cut = cut.unwrap_or("there is more");
            Some(format!("{cut}; go on with --cursor '{cursor}', or take everything with --all-pages"))
        }
    }
}
