//! Compiled templates, one per query version.

use std::sync::Arc;

use moka::sync::Cache;
use tidegate_core::{Result, id::QueryId, query::Query, source::Source};
use tidegate_statement::Template;

/// How many compiled templates a process keeps.
const MOST: u64 = 1_000;

/// Compiled templates by query and version. A version never changes, so an entry is never stale.
pub(crate) struct Templates(Cache<(QueryId, u64), Arc<Template>>);

impl Default for Templates {
    fn default() -> Self {
        Self(Cache::new(MOST))
    }
}

impl Templates {
    /// The compiled template of a query.
    pub(crate) fn get(&self, query: &Query, source: &Source) -> Result<Arc<Template>> {
        let key = (query.id, query.version);
        if let Some(template) = self.0.get(&key) {
            return Ok(template);
        }
        let template = Arc::new(compile(&query.spec, source)?);
        self.0.insert(key, Arc::clone(&template));
        Ok(template)
    }
}

/// Compiles the template of a query for its source.
pub(crate) fn compile(spec: &tidegate_core::query::QuerySpec, source: &Source) -> Result<Template> {
    Template::compile(&spec.statement, &spec.parameters, source.connection.kind().into())
}
