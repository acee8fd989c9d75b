//! Checks the expressions of a template, and finds out what is known of their values.

use minijinja::{
    Value as Jinja,
    machinery::{
        Span,
        ast::{BinOpKind, CallArg, CompareOpKind, Expr, UnaryOpKind},
    },
};
use tidegate_core::{name::nearest, parameter::ParameterType};

use super::{Checker, Shape};
use crate::template::environment::{FILTERS, TESTS};

/// The most copies of one value that an expression may join. Without a limit, a few lines of
/// `{% set x = x ~ x %}` would fill the memory.
const MAX_COPIES: u64 = 100;

impl<'s> Checker<'_, 's> {
    /// What stands in `{{ … }}`.
    pub(super) fn emission(&mut self, expression: &Expr<'s>) {
        if let Expr::Filter(filter) = expression
            && let Some(inner) = &filter.expr
            && matches!(filter.name, "ident" | "inlist")
        {
            let shape = self.expression(inner);
            if !filter.args.is_empty() {
                self.fault(filter.span(), format!("`{}` takes no arguments", filter.name));
            }
            if filter.name == "ident" && !(shape.is_parameter && shape.kind == Some(ParameterType::Enum)) {
                self.fault(
                    inner.span(),
                    "`ident` takes an enum parameter and nothing else: declare one with the names that are allowed",
                );
            } else if filter.name == "inlist"
                && shape.kind.is_some_and(|kind| !matches!(kind, ParameterType::List | ParameterType::Json))
            {
                self.fault(inner.span(), "`inlist` takes a list; write a single value as `{{ name }}`");
            }
            return;
        }
        let shape = self.expression(expression);
        if shape.kind == Some(ParameterType::List) {
            self.fault(
                expression.span(),
                "a list cannot be one value: write `IN ({{ name | inlist }})`, or a `{% for %}` loop",
            );
        }
        if let Expr::IfExpr(condition) = expression
            && condition.false_expr.is_none()
        {
            self.fault(condition.true_expr.span(), "an `if` without `else` may have no value; write `… else none`");
        }
    }

    pub(super) fn expression(&mut self, expression: &Expr<'s>) -> Shape {
        let shape = self.shape(expression);
        if shape.copies > MAX_COPIES {
            self.fault(expression.span(), format!("this joins too many values: more than {MAX_COPIES}"));
            return Shape { copies: 1, ..shape };
        }
        shape
    }

    fn shape(&mut self, expression: &Expr<'s>) -> Shape {
        match expression {
            Expr::Var(variable) => self.variable(variable.id, variable.span()),
            Expr::Const(constant) => Shape::of(kind_of_constant(&constant.value), 1),
            Expr::Slice(slice) => {
                let shape = self.expression(&slice.expr);
                [&slice.start, &slice.stop, &slice.step].into_iter().flatten().for_each(|part| {
                    self.expression(part);
                });
                shape
            }
            Expr::UnaryOp(operation) => {
                let shape = self.expression(&operation.expr);
                match operation.op {
                    UnaryOpKind::Not => Shape::of(Some(ParameterType::Boolean), 1),
                    UnaryOpKind::Neg => {
                        self.arithmetic("-", [(shape, operation.expr.span())]);
                        Shape::of(Some(ParameterType::Integer), 1)
                    }
                }
            }
            Expr::BinOp(operation) => {
                let left = (self.expression(&operation.left), operation.left.span());
                let right = (self.expression(&operation.right), operation.right.span());
                self.operation(operation.op, (left, &operation.left), (right, &operation.right))
            }
            Expr::Compare(comparison) => {
                let mut left = (self.expression(&comparison.expr), &comparison.expr);
                for next in &comparison.ops {
                    let right = (self.expression(&next.expr), &next.expr);
                    if !matches!(next.op, CompareOpKind::In | CompareOpKind::NotIn) {
                        self.comparison(left, right);
                    }
                    left = right;
                }
                Shape::of(Some(ParameterType::Boolean), 1)
            }
            Expr::IfExpr(condition) => {
                self.expression(&condition.test_expr);
                let yes = self.expression(&condition.true_expr);
                let no = condition.false_expr.as_ref().map(|no| self.expression(no));
                either(yes, no.unwrap_or(yes))
            }
            Expr::Filter(filter) => {
                let input = filter.expr.as_ref().map_or(Shape::of(None, 1), |input| self.expression(input));
                let copies = self.arguments(&filter.args).saturating_add(input.copies);
                self.filter(filter.name, filter.span(), input, copies)
            }
            Expr::Test(test) => {
                let shape = self.expression(&test.expr);
                self.arguments(&test.args);
                if !TESTS.contains(&test.name) {
                    self.fault(test.span(), unknown("test", test.name, TESTS));
                } else if matches!(test.name, "defined" | "undefined") && shape.is_parameter {
                    self.fault(
                        test.span(),
                        "a parameter is always defined; write `{% if name %}` or `{% if name is not none %}`",
                    );
                }
                Shape::of(Some(ParameterType::Boolean), 1)
            }
            Expr::GetAttr(member) => {
                if matches!(&member.expr, Expr::Var(variable) if variable.id == "loop") && self.local("loop").is_some()
                {
                    let is_count = matches!(
                        member.name,
                        "index" | "index0" | "revindex" | "revindex0" | "length" | "depth" | "depth0"
                    );
                    return Shape::of(is_count.then_some(ParameterType::Integer), 1);
                }
                let shape = self.expression(&member.expr);
                self.member_of(shape, member.expr.span())
            }
            Expr::GetItem(member) => {
                let shape = self.expression(&member.expr);
                self.expression(&member.subscript_expr);
                if shape.kind == Some(ParameterType::List) {
                    return Shape { kind: shape.items, items: None, ..shape };
                }
                self.member_of(shape, member.expr.span())
            }
            Expr::Call(call) => {
                let message = match &call.expr {
                    Expr::Var(function) => format!("there is no function `{}`", function.id),
                    Expr::GetAttr(method) => {
                        format!("there is no method `{}`; use a filter, as in `{{{{ name | upper }}}}`", method.name)
                    }
                    _ => "there are no functions in a template".into(),
                };
                if let Expr::GetAttr(method) = &call.expr {
                    self.expression(&method.expr);
                }
                self.arguments(&call.args);
                self.fault(call.span(), message);
                Shape::of(None, 1)
            }
            Expr::List(list) => self.list(&list.items),
            Expr::Tuple(tuple) => self.list(&tuple.items),
            Expr::Map(map) => {
                let members = map.keys.iter().chain(&map.values);
                let copies = members.map(|member| self.expression(member).copies).fold(0, u64::saturating_add);
                Shape::of(None, copies.max(1))
            }
        }
    }

    /// A variable of the blocks around.
    fn local(&self, name: &str) -> Option<Shape> {
        let mut innermost_first = self.scopes.iter().rev().flat_map(|scope| scope.iter().rev());
        innermost_first.find(|(local, _)| *local == name).map(|(_, shape)| *shape)
    }

    fn variable(&mut self, name: &'s str, span: Span) -> Shape {
        if let Some(shape) = self.local(name) {
            return shape;
        }
        match self.parameters.find(name) {
            Some(declared) => {
                self.used.insert(name);
                let items = (declared.kind == ParameterType::List).then(|| declared.item_kind());
                Shape { kind: Some(declared.kind), items, is_parameter: true, copies: 1 }
            }
            None => {
                let message = self.parameters.unknown(name);
                self.fault(span, message);
                Shape::of(None, 1)
            }
        }
    }

    fn list(&mut self, items: &[Expr<'s>]) -> Shape {
        let shapes: Vec<Shape> = items.iter().map(|item| self.expression(item)).collect();
        let kind = shapes.first().and_then(|first| first.kind);
        Shape {
            kind: Some(ParameterType::List),
            items: kind.filter(|_| shapes.iter().all(|shape| shape.kind == kind)),
            is_parameter: false,
            copies: shapes.iter().map(|shape| shape.copies).max().unwrap_or(1),
        }
    }

    fn member_of(&mut self, shape: Shape, span: Span) -> Shape {
        if shape.kind.is_some_and(|kind| kind != ParameterType::Json) {
            self.fault(span, "only a json parameter has members");
        }
        Shape::of(None, shape.copies)
    }

    /// Checks the arguments of a filter or test; gives the number of values they join.
    fn arguments(&mut self, arguments: &[CallArg<'s>]) -> u64 {
        let shapes = arguments.iter().map(|argument| match argument {
            CallArg::Pos(value) | CallArg::Kwarg(_, value) | CallArg::PosSplat(value) | CallArg::KwargSplat(value) => {
                self.expression(value).copies
            }
        });
        shapes.fold(0, u64::saturating_add)
    }

    fn filter(&mut self, name: &str, span: Span, input: Shape, copies: u64) -> Shape {
        use ParameterType::{Boolean, Integer, List, String};
        if matches!(name, "safe" | "escape" | "e") {
            self.fault(span, format!("there is no filter `{name}`: every value is bound, and none can become SQL"));
        } else if !FILTERS.contains(&name) {
            self.fault(span, unknown("filter", name, FILTERS));
        } else if matches!(name, "ident" | "inlist") {
            self.fault(
                span,
                format!("`{name}` has to be the last filter, and stand alone, as in `{{{{ name | {name} }}}}`"),
            );
        }
        match name {
            "length" | "count" | "int" => Shape::of(Some(Integer), 1),
            "bool" => Shape::of(Some(Boolean), 1),
            "capitalize" | "join" | "lower" | "replace" | "string" | "title" | "trim" | "upper" => {
                Shape::of(Some(String), copies)
            }
            "first" | "last" | "min" | "max" => Shape::of(input.items, copies),
            "list" | "reverse" | "sort" | "unique" | "select" | "reject" if input.kind == Some(List) => {
                Shape { is_parameter: false, copies, ..input }
            }
            _ => Shape::of(None, copies),
        }
    }

    fn operation(
        &mut self,
        operator: BinOpKind,
        left: ((Shape, Span), &Expr<'s>),
        right: ((Shape, Span), &Expr<'s>),
    ) -> Shape {
        use BinOpKind::{Add, Concat, Div, Eq, FloorDiv, Gt, Gte, In, Lt, Lte, Mul, Ne, Pow, Rem, ScAnd, ScOr, Sub};
        let ((a, a_span), (b, b_span)) = (left.0, right.0);
        let copies = a.copies.saturating_add(b.copies);
        let sign = match operator {
            Eq | Ne | Lt | Lte | Gt | Gte => {
                self.comparison((a, left.1), (b, right.1));
                return Shape::of(Some(ParameterType::Boolean), 1);
            }
            In => return Shape::of(Some(ParameterType::Boolean), 1),
            ScAnd | ScOr => return either(a, b),
            Concat => return Shape::of(Some(ParameterType::String), copies),
            Add => "+",
            Sub => "-",
            Mul => "*",
            Div => "/",
            FloorDiv => "//",
            Rem => "%",
            Pow => "**",
        };
        self.arithmetic(sign, [(a, a_span), (b, b_span)]);
        Shape::of(if matches!(operator, Div | Pow) { None } else { Some(ParameterType::Integer) }, 1)
    }

    /// Arithmetic is for whole numbers: of texts and lists it would make ever longer ones.
    fn arithmetic<const N: usize>(&mut self, sign: &str, operands: [(Shape, Span); N]) {
        for (shape, span) in operands {
            if shape.kind != Some(ParameterType::Integer) {
                self.fault(span, format!("`{sign}` takes whole numbers in a template, such as an integer parameter; compute anything else in the SQL, and join texts with `~`"));
            }
        }
    }

    fn comparison(&mut self, (a, left): (Shape, &Expr<'s>), (b, right): (Shape, &Expr<'s>)) {
        if is_none(left) || is_none(right) {
            self.fault(left.span(), "compare with none as `name is none` or `name is not none`");
        } else if (a.is_opaque() || b.is_opaque()) && a.kind != b.kind {
            let kind = if a.is_opaque() { a.kind } else { b.kind };
            let kind = kind.map_or("value", ParameterType::as_str);
            self.fault(
                left.span(),
                format!("a {kind} can only be compared with another {kind} in a template; compare it in the SQL"),
            );
        }
    }
}

/// The shape of one value or the other.
fn either(a: Shape, b: Shape) -> Shape {
    let is_same = a.kind == b.kind && a.items == b.items;
    Shape {
        kind: a.kind.filter(|_| is_same),
        items: a.items.filter(|_| is_same),
        is_parameter: a.is_parameter && b.is_parameter && is_same,
        copies: a.copies.max(b.copies),
    }
}

fn is_none(expression: &Expr<'_>) -> bool {
    matches!(expression, Expr::Const(constant) if constant.value.is_none())
}

fn kind_of_constant(value: &Jinja) -> Option<ParameterType> {
    use minijinja::value::ValueKind::{Bool, Number, String};
    match value.kind() {
        Bool => Some(ParameterType::Boolean),
        String => Some(ParameterType::String),
        Number if value.is_integer() => Some(ParameterType::Integer),
        _ => None,
    }
}

fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(meant) => format!("there is no {what} `{name}`; did you mean `{meant}`?"),
        None => format!("there is no {what} `{name}`; there is {}", known.join(", ")),
    }
}
