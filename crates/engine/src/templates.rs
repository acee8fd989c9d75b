//! Compiled templates, one per revision of a query.

use std::sync::Arc;

use tidegate_core::{
    Result,
    id::QueryId,
    memory::Memory,
    query::{QuerySpec, Revision},
    source::{Source, SourceKind},
};
use tidegate_statement::Template;

/// How many compiled templates a process keeps.
const MOST: u64 = 1_000;

/// Compiled templates by query, revision and kind of source. What an author wrote in a revision never changes, so an
/// entry is never stale.
pub(crate) struct Templates(Memory<(QueryId, u64, SourceKind), Arc<Template>>);

impl Default for Templates {
    fn default() -> Self {
        Self(Memory::of_entries(MOST))
    }
}

impl Templates {
    /// The compiled template of a revision.
    pub(crate) fn get(&self, query: QueryId, revision: &Revision, source: &Source) -> Result<Arc<Template>> {
        let kind = source.connection.kind();
        let key = (query, revision.number, kind);
        if let Some(template) = self.0.get(&key) {
            return Ok(template);
        }
        let QuerySpec { statement, parameters, .. } = &revision.spec;
        let template = Arc::new(Template::recompile(statement, parameters, kind.into())?);
        self.0.insert(key, Arc::clone(&template));
        Ok(template)
    }
}

/// Compiles the template of a query for its source.
pub(crate) fn compile(spec: &QuerySpec, source: &Source) -> Result<Template> {
    Template::compile(&spec.statement, &spec.parameters, source.connection.kind().into())
}
