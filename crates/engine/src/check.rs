//! The proof of a query when it is saved.

use serde::Serialize;
use tidegate_connectors::{AnyConnector, Connector};
use tidegate_core::{
    Error, ErrorCode, Result,
    deadline::Deadline,
    error::Fault,
    query::{Mode, Proof, QuerySpec},
    result::Column,
    source::Source,
};
use tidegate_statement::{Statement, Window};
use utoipa::ToSchema;

use crate::{Engine, page::locate, templates::compile};

/// What the check of a query found.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Checked {
    /// How far it could be proved.
    pub proof: Proof,
    /// The statement that its examples compile to.
    pub statement: String,
    /// The columns of its result, when its source described them.
    pub columns: Option<Vec<Column>>,
    /// What does not keep the query from being saved but should be known.
    pub warnings: Vec<String>,
}

impl Engine {
    /// Compiles a query with its examples, guards it, and has its source prepare it when that can be reached.
    pub async fn check(&self, spec: &QuerySpec, source: &Source) -> Result<Checked> {
        if spec.description.trim().is_empty() {
            let fault = Fault::of("description", "say what the query answers; assistants choose tools by it");
            return Err(Error::new(ErrorCode::InvalidRequest, fault.message.clone()).with_faults(vec![fault]));
        }
        if spec.mode == Mode::Write && !spec.order.is_empty() {
            let fault = Fault::of("order", "a query that changes data has no pages; leave `order` out");
            return Err(Error::new(ErrorCode::InvalidRequest, fault.message.clone()).with_faults(vec![fault]));
        }
        let template = compile(spec, source)?;
        let full = template.bind(&template.parameters().examples()?)?;
        // What is optional may take another branch when it is left out.
        let least = template.bind(&template.parameters().required_examples()?)?;
        full.require(spec.mode)?;
        least.require(spec.mode)?;
        let text = full.text().to_owned();
        let mut warnings = Vec::new();

        let deadline = self.deadline(&self.parts.budget.narrowed(&source.limits));
        let described = match self.pools.get(source).await {
            Ok(connector) => describe(&connector, spec, full, least, deadline).await,
            Err(error) => Err(error),
        };
        let (proof, columns) = match described {
            Ok(columns) => (Proof::Described, Some(columns)),
            Err(error) if is_out_of_reach(error.code()) => {
                warnings.push(format!("the statement was not proved on its source: {}", error.message()));
                (Proof::Parsed, None)
            }
            Err(error) => return Err(error),
        };
        Ok(Checked { proof, statement: text, columns, warnings })
    }
}

/// Has the source prepare the statement in both forms, and as a page when its order is declared.
async fn describe(
    connector: &AnyConnector,
    spec: &QuerySpec,
    full: Statement,
    least: Statement,
    deadline: Deadline,
) -> Result<Vec<Column>> {
    let columns = connector.describe(&full, deadline).await?;
    if least.text() != full.text() {
        connector.describe(&least, deadline).await?;
    }
    if !spec.order.is_empty() {
        for order in &spec.order {
            locate(&order.column, &columns)?;
        }
        let paged = full.page(Window { rows: 1, from: None, order: &spec.order })?;
        connector.describe(&paged.statement, deadline).await?;
    }
    Ok(columns)
}

/// Whether an error says nothing of the statement.
fn is_out_of_reach(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::SourceUnavailable
            | ErrorCode::SourceAuthenticationFailed
            | ErrorCode::Timeout
            | ErrorCode::Unavailable
    )
}
