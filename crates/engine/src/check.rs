//! The proof of a query when it is saved.

use serde::Serialize;
use tidegate_connectors::Connector;
use tidegate_core::{
    Error, ErrorCode, Result,
    deadline::Deadline,
    error::Fault,
    query::{Mode, Proof, QuerySpec},
    result::{Column, ColumnType},
    source::Source,
};
use tidegate_statement::{Branch, Statement, Window};
use utoipa::ToSchema;

use crate::{Engine, page::locate, templates::compile};

/// What the check of a query found.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Checked {
    /// How far it could be proved.
    pub proof: Proof,
    /// The statement that its examples compile to.
    pub statement: String,
    /// The columns of its result, when its source described them. A column whose type differs from branch to branch is
    /// of type `any`.
    pub columns: Option<Vec<Column>>,
    /// Every statement that the template can become, by the arguments that lead to it.
    pub branches: Vec<CheckedBranch>,
    /// What does not keep the query from being saved but should be known.
    pub warnings: Vec<String>,
}

/// One way through a template.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CheckedBranch {
    /// Which way: `without origin, sort = carrier`. Empty when there is one way only.
    pub name: String,
    /// The statement of this branch.
    pub statement: String,
}

impl Engine {
    /// Compiles every branch of a query, guards it, and has its source prepare it when that can be reached.
    pub async fn check(&self, spec: &QuerySpec, source: &Source) -> Result<Checked> {
        let (mut checked, unreached) = self.examine(spec, source).await?;
        if let Some(error) = unreached {
            checked.warnings.push(format!("the statement was not proved on its source: {}", error.message()));
        }
        Ok(checked)
    }

    /// Checks a query that is about to run: that its source cannot be reached is an error.
    pub async fn prove(&self, spec: &QuerySpec, source: &Source) -> Result<Checked> {
        match self.examine(spec, source).await? {
            (checked, None) => Ok(checked),
            (_, Some(unreached)) => Err(unreached),
        }
    }

    /// What a check finds, and why the source could not be reached when it could not.
    async fn examine(&self, spec: &QuerySpec, source: &Source) -> Result<(Checked, Option<Error>)> {
        if spec.description.trim().is_empty() {
            return Err(faulty("description", "say what the query answers; assistants choose tools by it"));
        }
        if spec.deprecated.as_ref().is_some_and(|deprecated| deprecated.trim().is_empty()) {
            return Err(faulty("deprecated", "say what to use instead, or leave `deprecated` out"));
        }
        if spec.mode == Mode::Write && !spec.order.is_empty() {
            return Err(faulty("order", "a query that changes data has no pages; leave `order` out"));
        }
        let max_estimate = spec.max_estimate.on(source)?;
        let template = compile(spec, source)?;
        let statement = template.bind(&template.parameters().examples()?)?.text().to_owned();
        let mut branches = Vec::new();
        for Branch { name, statement } in template.branches()? {
            let proved = statement.and_then(|statement| statement.require(spec.mode).map(|()| statement));
            branches.push((proved.map_err(|error| in_branch(&name, &error))?, name));
        }
        let mut warnings = Vec::new();
        let deadline = self.deadline(&self.parts.budget.narrowed(&source.limits));
        let described = match self.pools.get(source).await {
            Ok(connector) => describe(&*connector, spec, &branches, deadline, &mut warnings).await,
            Err(error) => Err(error),
        };
        let (proof, columns, unreached) = match described {
            Ok(columns) => (Proof::Described, columns, None),
            Err(error) if is_out_of_reach(error.code()) => (Proof::Parsed, None, Some(error)),
            Err(error) => return Err(error),
        };
        if unreached.is_none() && !max_estimate.is_empty() {
            warnings.extend(self.foresee(spec, source, &branches, max_estimate, deadline).await?);
        }
        let branches = branches
            .into_iter()
            .map(|(statement, name)| CheckedBranch { name, statement: statement.text().to_owned() })
            .collect();
        Ok((Checked { proof, statement, columns, branches, warnings }, unreached))
    }
}

/// The error of a field of a query.
fn faulty(field: &str, message: &str) -> Error {
    Error::new(ErrorCode::InvalidRequest, message).with_faults(vec![Fault::of(field, message)])
}

/// Has the source prepare every branch, and as a page when its order is declared. The columns are those that the branches
/// have in common; none when they differ in more than their types.
async fn describe(
    connector: &impl Connector,
    spec: &QuerySpec,
    branches: &[(Statement, String)],
    deadline: Deadline,
    warnings: &mut Vec<String>,
) -> Result<Option<Vec<Column>>> {
    let mut common: Option<Vec<Column>> = None;
    let mut agree = true;
    for (statement, name) in branches {
        let columns = prove(connector, spec, statement, deadline).await.map_err(|error| in_branch(name, &error))?;
        common = Some(match common {
            None => columns,
            Some(known) if known.iter().map(|it| &it.name).eq(columns.iter().map(|it| &it.name)) => {
                known.into_iter().zip(columns).map(|(known, column)| union(known, &column)).collect()
            }
            Some(known) => {
                agree = false;
                known
            }
        });
    }
    if !agree {
        warnings.push("the branches give different columns, so the tool cannot say beforehand which".to_owned());
    }
    Ok(common.filter(|_| agree))
}

async fn prove(
    connector: &impl Connector,
    spec: &QuerySpec,
    statement: &Statement,
    deadline: Deadline,
) -> Result<Vec<Column>> {
    let columns = connector.describe(statement, deadline).await?;
    if !spec.order.is_empty() {
        for order in &spec.order {
            locate(&order.column, &columns)?;
        }
        let paged = statement.clone().page(Window { rows: 1, from: None, order: &spec.order })?;
        connector.describe(&paged.statement, deadline).await?;
    }
    Ok(columns)
}

/// A column as both branches can promise it.
fn union(known: Column, other: &Column) -> Column {
    let database_type = known.database_type.filter(|kind| other.database_type.as_ref() == Some(kind));
    let kind = if known.kind == other.kind { known.kind } else { ColumnType::Any };
    Column { kind, database_type, ..known }
}

/// Says which branch an error is of.
fn in_branch(name: &str, error: &Error) -> Error {
    if name.is_empty() { error.clone() } else { error.clone().in_part(format_args!("in the branch {name}")) }
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
