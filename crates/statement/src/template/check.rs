//! Checks a template before it is compiled, branch by branch, so that no fault waits for a call to be found.

mod expression;
pub(super) mod text;

use std::collections::BTreeSet;

use minijinja::machinery::{
    Span,
    ast::{Expr, ForLoop, Stmt},
};
use tidegate_core::{error::Fault, parameter::ParameterType};

use crate::Parameters;

/// The most faults that are reported. To find the line and column of each takes as long as the template is.
const MAX_FAULTS: usize = 100;

/// What is wrong with a parsed template.
pub(super) fn faults(text: &str, template: &Stmt<'_>, parameters: &Parameters) -> Vec<Fault> {
    let mut checker = Checker { text, parameters, scopes: Vec::new(), used: BTreeSet::new(), faults: Vec::new() };
    checker.block(std::slice::from_ref(template));
    for declared in parameters.declared().iter().filter(|declared| !checker.used.contains(declared.name.as_str())) {
        let message = format!("the parameter `{}` is declared and not used", declared.name);
        checker.faults.push(Fault::of(format!("parameters.{}", declared.name), message));
    }
    checker.faults
}

/// What is known of the value of an expression.
#[derive(Clone, Copy)]
struct Shape {
    /// Its type, when that is known.
    kind: Option<ParameterType>,
    /// The type of its items, when it is a list.
    items: Option<ParameterType>,
    /// Whether it is the value of a parameter as it is.
    is_parameter: bool,
    /// The number of values it may join.
    copies: u64,
}

impl Shape {
    fn of(kind: Option<ParameterType>, copies: u64) -> Self {
        Self { kind, items: None, is_parameter: false, copies }
    }

    /// Whether minijinja compares it wrongly with a value of another type.
    fn is_opaque(self) -> bool {
        use ParameterType::{Date, Number, Time, Timestamp, Uuid};
        matches!(self.kind, Some(Date | Number | Time | Timestamp | Uuid))
    }
}

struct Checker<'a, 's> {
    text: &'s str,
    parameters: &'a Parameters,
    /// The variables of the blocks around, the innermost last.
    scopes: Vec<Vec<(&'s str, Shape)>>,
    used: BTreeSet<&'s str>,
    faults: Vec<Fault>,
}

impl<'s> Checker<'_, 's> {
    fn fault(&mut self, span: Span, message: impl Into<String>) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(Fault::at_offset(self.text, span.start_offset as usize, message));
        }
    }

    fn block(&mut self, statements: &[Stmt<'s>]) {
        self.scopes.push(Vec::new());
        statements.iter().for_each(|statement| self.statement(statement));
        self.scopes.pop();
    }

    fn statement(&mut self, statement: &Stmt<'s>) {
        match statement {
            Stmt::Template(template) => template.children.iter().for_each(|child| self.statement(child)),
            Stmt::EmitRaw(_) => {}
            Stmt::EmitExpr(emission) => self.emission(&emission.expr),
            Stmt::ForLoop(repeated) => {
                if repeated.recursive {
                    self.fault(repeated.span(), "a recursive loop is not possible here");
                }
                self.repeated(repeated);
            }
            Stmt::IfCond(condition) => {
                self.expression(&condition.expr);
                self.block(&condition.true_body);
                self.block(&condition.false_body);
            }
            Stmt::WithBlock(with) => {
                self.scopes.push(Vec::new());
                for (target, expression) in &with.assignments {
                    let shape = self.expression(expression);
                    self.assign(target, shape);
                }
                with.body.iter().for_each(|statement| self.statement(statement));
                self.scopes.pop();
            }
            Stmt::Set(set) => {
                let shape = self.expression(&set.expr);
                self.assign(&set.target, shape);
            }
            Stmt::AutoEscape(autoescape) => {
                self.expression(&autoescape.enabled);
                self.block(&autoescape.body);
            }
            Stmt::SetBlock(set) => self.fault(
                set.span(),
                "`{% set %}` with a block makes text, and text cannot become SQL: repeat the SQL, or set a value with `{% set name = … %}`",
            ),
            Stmt::FilterBlock(filter) => self.fault(
                filter.span(),
                "`{% filter %}` makes text, and text cannot become SQL: put the filter on a value, as in `{{ name | upper }}`",
            ),
            Stmt::Do(call) => self.fault(call.span(), "there is nothing that `{% do %}` could call"),
        }
    }

    fn repeated(&mut self, repeated: &ForLoop<'s>) {
        let iterated = self.expression(&repeated.iter);
        if iterated.kind.is_some_and(|kind| !matches!(kind, ParameterType::List | ParameterType::Json)) {
            self.fault(repeated.iter.span(), "only a list can be looped over");
        }
        let item = Shape { kind: iterated.items, items: None, ..iterated };
        self.scopes.push(vec![("loop", Shape::of(None, 1))]);
        self.assign(&repeated.target, item);
        if let Some(filter) = &repeated.filter_expr {
            self.expression(filter);
        }
        self.block(&repeated.body);
        self.scopes.pop();
        self.block(&repeated.else_body);
    }

    fn assign(&mut self, target: &Expr<'s>, shape: Shape) {
        match target {
            Expr::Var(variable) => {
                if let Some(scope) = self.scopes.last_mut() {
                    scope.push((variable.id, shape));
                }
            }
            Expr::List(list) => list.items.iter().for_each(|item| self.assign(item, Shape::of(None, shape.copies))),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.assign(item, Shape::of(None, shape.copies))),
            other => self.fault(other.span(), "only a plain name can be set"),
        }
    }
}
