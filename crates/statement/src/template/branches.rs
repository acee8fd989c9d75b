//! Every statement that a template can become.

use std::collections::HashSet;

use tidegate_core::Result;

use super::Template;
use crate::{Arguments, Statement, arguments::Given, parameters::Choice};

/// The most combinations that are tried in full; beyond it, every pair of choices is tried.
const MAX_COMBINATIONS: usize = 64;

/// The most branches of a report.
const MAX_BRANCHES: usize = 128;

/// One way through a template.
#[derive(Debug)]
pub struct Branch {
    /// Which way, by the parameters that decide it: `without origin, sort = carrier`. Empty when there is one way only.
    pub name: String,
    /// What comes out, or why nothing does.
    pub statement: Result<Statement>,
}

/// What a parameter that decides the text can be, and where it stands among the parameters.
struct Decider {
    index: usize,
    choices: Vec<Choice>,
}

impl Template {
    /// The different statements that the template becomes, found by trying what its parameters allow.
    ///
    /// Parameters that change the text on their own are combined: all combinations up to a bound, every pair of
    /// choices beyond it. A branch that opens only on a value nothing declares, such as `{% if n == 4711 %}`, is not
    /// found; it is checked when a call takes it. `InvalidRequest` when a parameter has no value that fits.
    pub fn branches(&self) -> Result<Vec<Branch>> {
        let base: Vec<Given> = self.parameters.examples()?.values().to_vec();
        let deciders = self.deciders(&base);
        let mut branches: Vec<Branch> = Vec::new();
        let mut seen = HashSet::new();
        for combination in combinations(&deciders) {
            let mut values = base.clone();
            let mut name = Vec::new();
            for (decider, choice) in deciders.iter().zip(&combination) {
                if let (Some(value), Some(choice)) = (values.get_mut(decider.index), decider.choices.get(*choice)) {
                    value.clone_from(&choice.given);
                    name.push(choice.label.as_str());
                }
            }
            let statement = self.bind(&self.parameters.chosen(values));
            let text = statement.as_ref().map_or_else(|error| error.message().to_owned(), |it| it.text().to_owned());
            if branches.len() < MAX_BRANCHES && seen.insert(text) {
                branches.push(Branch { name: name.join(", "), statement });
            }
        }
        Ok(branches)
    }

    /// The parameters whose choices change the text, with the rest as in the examples or left out.
    fn deciders(&self, base: &[Given]) -> Vec<Decider> {
        let least = self.parameters.required_examples().map(|arguments| arguments.values().to_vec());
        let backgrounds = [Some(base.to_vec()), least.ok()];
        let mut deciders = Vec::new();
        for (index, declared) in self.parameters.declared().iter().enumerate() {
            let choices = declared.choices();
            let changes = backgrounds.iter().flatten().any(|background| {
                let texts: HashSet<Option<String>> = choices
                    .iter()
                    .map(|choice| {
                        let mut values = background.clone();
                        if let Some(value) = values.get_mut(index) {
                            value.clone_from(&choice.given);
                        }
                        self.text(&self.parameters.chosen(values))
                    })
                    .collect();
                texts.len() > 1
            });
            if changes {
                deciders.push(Decider { index, choices });
            }
        }
        deciders
    }

    /// The text before it is parsed; none when the template fails.
    fn text(&self, arguments: &Arguments) -> Option<String> {
        self.render(arguments).ok().map(|(text, _)| text)
    }
}

/// Which choice of each decider is tried together.
fn combinations(deciders: &[Decider]) -> Vec<Vec<usize>> {
    let sizes: Vec<usize> = deciders.iter().map(|decider| decider.choices.len().max(1)).collect();
    let count = sizes.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    match count.filter(|count| *count <= MAX_COMBINATIONS) {
        Some(count) => (0..count).map(|number| digits(number, &sizes)).collect(),
        None => pairwise(&sizes),
    }
}

/// A number in the mixed base of the sizes, least first.
fn digits(mut number: usize, sizes: &[usize]) -> Vec<usize> {
    sizes
        .iter()
        .map(|size| {
            let digit = number % size;
            number /= size;
            digit
        })
        .collect()
}

/// Combinations in which every pair of choices of two deciders occurs. Each begins with the first pair that is missing
/// and takes, for every other decider, the choice that covers most missing pairs (greedy covering array; Cohen et al.,
/// "The AETG system", IEEE TSE 23(7), 1997).
fn pairwise(sizes: &[usize]) -> Vec<Vec<usize>> {
    let mut missing: Vec<(usize, usize, usize, usize)> = Vec::new();
    for (a, size_a) in sizes.iter().enumerate() {
        for (b, size_b) in sizes.iter().enumerate().skip(a + 1) {
            missing.extend((0..size_a * size_b).map(|pair| (a, pair % size_a, b, pair / size_a)));
        }
    }
    let mut rows = vec![vec![0; sizes.len()]];
    let covers = |row: &[Option<usize>], pair: &(usize, usize, usize, usize)| {
        let at = |index: usize| row.get(index).copied().flatten();
        at(pair.0) == Some(pair.1) && at(pair.2) == Some(pair.3)
    };
    loop {
        if let Some(row) = rows.last() {
            let row: Vec<Option<usize>> = row.iter().copied().map(Some).collect();
            missing.retain(|pair| !covers(&row, pair));
        }
        let Some(&(a, choice_a, b, choice_b)) = missing.first() else { return rows };
        let mut row: Vec<Option<usize>> = vec![None; sizes.len()];
        for (index, choice) in [(a, choice_a), (b, choice_b)] {
            if let Some(place) = row.get_mut(index) {
                *place = Some(choice);
            }
        }
        for (index, size) in sizes.iter().enumerate() {
            if row.get(index).is_some_and(Option::is_some) {
                continue;
            }
            let gain = |choice: usize| {
                let mut tried = row.clone();
                if let Some(place) = tried.get_mut(index) {
                    *place = Some(choice);
                }
                missing.iter().filter(|pair| covers(&tried, pair)).count()
            };
            let best = (0..*size).max_by_key(|choice| (gain(*choice), usize::MAX - choice)).unwrap_or(0);
            if let Some(place) = row.get_mut(index) {
                *place = Some(best);
            }
        }
        rows.push(row.into_iter().map(Option::unwrap_or_default).collect());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidegate_core::parameter::Parameter;

    use super::*;
    use crate::Dialect;

    fn branches(text: &str, parameters: serde_json::Value) -> Vec<(String, String)> {
        let parameters: Vec<Parameter> = serde_json::from_value(parameters).unwrap();
        let template = Template::compile(text, &parameters, Dialect::Sqlite).unwrap();
        let found = template.branches().unwrap();
        found
            .into_iter()
            .map(|branch| (branch.name, branch.statement.map_or_else(|e| e.message().into(), |s| s.text().into())))
            .collect()
    }

    #[test]
    fn a_template_without_conditions_has_one_branch() {
        let parameters = json!([{"name": "a", "type": "integer"}, {"name": "b", "type": "string", "required": false}]);
        assert_eq!(branches("SELECT {{ a }}, {{ b }}", parameters), [(String::new(), "SELECT ?1, ?2".into())]);
    }

    #[test]
    fn conditions_enums_and_lists_are_combined() {
        let parameters = json!([
            {"name": "o", "type": "string", "required": false},
            {"name": "sort", "type": "enum", "enum": ["a", "b"], "default": "a"},
            {"name": "down", "type": "boolean", "default": false},
        ]);
        let text = "SELECT a FROM t {% if o %}WHERE o = {{ o }} {% endif %}ORDER BY {{ sort | ident }}{% if down %} DESC{% endif %}";
        let found = branches(text, parameters);
        assert_eq!(found.len(), 8, "{found:#?}");
        assert!(
            found.contains(&("without o, sort = b, down = true".into(), "SELECT a FROM t ORDER BY \"b\" DESC".into()))
        );
    }

    #[test]
    fn a_broken_branch_is_found_and_named() {
        let parameters = json!([{"name": "kind", "type": "enum", "enum": ["x", "y", "z"]}]);
        let template = Template::compile(
            "SELECT a FROM t WHERE k = {{ kind }}{% if kind == 'z' %} ){% endif %}",
            &serde_json::from_value::<Vec<Parameter>>(parameters).unwrap(),
            Dialect::Sqlite,
        )
        .unwrap();
        let broken: Vec<String> =
            template.branches().unwrap().into_iter().filter(|it| it.statement.is_err()).map(|it| it.name).collect();
        assert_eq!(broken, ["kind = z"]);
    }

    #[test]
    fn beyond_the_bound_every_pair_is_tried() {
        let sizes = [4, 3, 3, 2, 2, 5, 2];
        let rows = pairwise(&sizes);
        assert!(rows.len() < 60, "{}", rows.len());
        for (a, size_a) in sizes.iter().enumerate() {
            for (b, size_b) in sizes.iter().enumerate().skip(a + 1) {
                for (x, y) in (0..*size_a).flat_map(|x| (0..*size_b).map(move |y| (x, y))) {
                    assert!(rows.iter().any(|row| row[a] == x && row[b] == y), "{a}={x} {b}={y}");
                }
            }
        }
    }
}
