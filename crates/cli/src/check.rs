//! What can be told of a declaration without a server: its templates, its parameters and its references.

use std::collections::HashMap;

use tidegate_core::{Error, error::Fault, query::QuerySpec, source::SourceKind};
use tidegate_statement::{Dialect, Parameters, Template};

use crate::{
    declaration::{Declaration, Declared, Origin},
    diagnostic::Diagnostic,
};

/// Every fault, and a warning for what only a server can tell.
pub(crate) fn check(declaration: &Declaration) -> Vec<Diagnostic> {
    let Declaration { sources, queries, servers } = declaration;
    let kinds: HashMap<&str, SourceKind> =
        sources.iter().map(|source| (source.spec.name.as_str(), source.spec.connection.kind())).collect();
    let mut found = Vec::new();
    for Declared { spec, origin } in sources {
        if let Err(error) = spec.check() {
            faults(&mut found, origin, &error);
        }
    }
    for Declared { spec, origin } in queries {
        let proved = match kinds.get(spec.source.as_str()) {
            Some(kind) => spec.max_estimate.check(*kind).and_then(|()| prove(spec, (*kind).into())),
            None => {
                let message =
                    format!("the source `{}` is not in these files: the statement is not checked", spec.source);
                found.push(Diagnostic::warning(origin, origin.place("source"), message));
                Parameters::new(&spec.parameters).map(drop)
            }
        };
        if let Err(error) = proved {
            faults(&mut found, origin, &error);
        }
    }
    for Declared { spec, origin } in servers {
        for name in spec.queries.iter().filter(|name| !queries.iter().any(|query| query.spec.name == **name)) {
            let message = format!("the query `{name}` is not in these files");
            found.push(Diagnostic::warning(origin, origin.place("queries"), message));
        }
        for name in spec.sources.iter().filter(|name| !kinds.contains_key(name.as_str())) {
            let message = format!("the source `{name}` is not in these files");
            found.push(Diagnostic::warning(origin, origin.place("sources"), message));
        }
    }
    found
}

/// As far as a server goes before it asks the source: the template is compiled with its examples, and guarded.
fn prove(spec: &QuerySpec, dialect: Dialect) -> Result<(), Error> {
    let template = Template::compile(&spec.statement, &spec.parameters, dialect)?;
    template.bind(&template.parameters().examples()?)?.require(spec.mode)
}

fn faults(found: &mut Vec<Diagnostic>, origin: &Origin, error: &Error) {
    let whole = [Fault::of("statement", error.message())];
    let faults = if error.faults().is_empty() { &whole } else { error.faults() };
    found.extend(faults.iter().map(|fault| Diagnostic::error(origin, origin.place_of(fault), &fault.message)));
}
