//! The logical form of an expression: what is decided by `and`, `or`, `not` and comparisons with
//! written values. Everything else is a name for itself.

use minijinja::machinery::ast;

use super::super::Value;
use super::convert::to_plain;
use super::survey::Survey;
use super::{Expr, Template, syntax};

/// An expression as far as its truth goes. Two that are written alike are equal.
#[derive(Clone, Debug, PartialEq)]
pub enum Logic {
    /// A written value.
    Constant(Value),
    /// A name and the members taken of it: `vars.up.ok`.
    Path(Vec<String>),
    /// True where the inner one is false.
    Not(Box<Logic>),
    /// Both.
    And(Box<Logic>, Box<Logic>),
    /// At least one.
    Or(Box<Logic>, Box<Logic>),
    /// The second where the first is true, else the third.
    Choice(Box<[Logic; 3]>),
    /// Whether something equals a written value.
    Equal(Box<Logic>, Value),
    /// Anything else.
    Other {
        /// It, written in one way.
        text: String,
        /// The names that it reads.
        reads: Vec<Vec<String>>,
    },
}

impl Expr {
    /// Its logical form; `None` where it is no expression.
    pub fn logic(&self) -> Option<Logic> {
        logic_of(&self.text)
    }
}

impl Template {
    /// The logical form of a text that is one whole `{{ expr }}`.
    pub fn logic(&self) -> Option<Logic> {
        let (parsed, _) = syntax::template(&self.text).ok()?;
        let range = syntax::whole(&parsed)?;
        logic_of(self.text.get(range)?)
    }
}

fn logic_of(text: &str) -> Option<Logic> {
    let (parsed, _) = syntax::expression(text).ok()?;
    Some(logic(&parsed))
}

fn logic(expression: &ast::Expr<'_>) -> Logic {
    if let Some(value) = constant(expression) {
        return Logic::Constant(value);
    }
    match expression {
        ast::Expr::Var(_) | ast::Expr::GetAttr(_) | ast::Expr::GetItem(_) => {
            path(expression).map_or_else(|| other(expression), Logic::Path)
        }
        ast::Expr::UnaryOp(op) if matches!(op.op, ast::UnaryOpKind::Not) => {
            Logic::Not(Box::new(logic(&op.expr)))
        }
        ast::Expr::BinOp(op) => match op.op {
            ast::BinOpKind::ScAnd => {
                Logic::And(Box::new(logic(&op.left)), Box::new(logic(&op.right)))
            }
            ast::BinOpKind::ScOr => {
                Logic::Or(Box::new(logic(&op.left)), Box::new(logic(&op.right)))
            }
            ast::BinOpKind::Eq => equal(&op.left, &op.right).unwrap_or_else(|| other(expression)),
            ast::BinOpKind::Ne => equal(&op.left, &op.right)
                .map_or_else(|| other(expression), |equal| Logic::Not(Box::new(equal))),
            ast::BinOpKind::In => match constant(&op.right) {
                Some(Value::Array(values)) => {
                    let of = logic(&op.left);
                    let equal = |value| Logic::Equal(Box::new(of.clone()), value);
                    let any = values.into_iter().map(equal);
                    any.reduce(|a, b| Logic::Or(Box::new(a), Box::new(b)))
                        .unwrap_or(Logic::Constant(Value::Bool(false)))
                }
                _ => other(expression),
            },
            _ => other(expression),
        },
        ast::Expr::IfExpr(choice) => {
            let otherwise = choice.false_expr.as_ref();
            Logic::Choice(Box::new([
                logic(&choice.test_expr),
                logic(&choice.true_expr),
                otherwise.map_or(Logic::Constant(Value::Null), logic),
            ]))
        }
        _ => other(expression),
    }
}

fn equal(left: &ast::Expr<'_>, right: &ast::Expr<'_>) -> Option<Logic> {
    let (of, value) = match (constant(left), constant(right)) {
        (None, Some(value)) => (left, value),
        (Some(value), None) => (right, value),
        _ => return None,
    };
    Some(Logic::Equal(Box::new(logic(of)), value))
}

fn constant(expression: &ast::Expr<'_>) -> Option<Value> {
    match expression {
        ast::Expr::Const(constant) => to_plain(&constant.value).ok(),
        ast::Expr::UnaryOp(_) | ast::Expr::List(_) => to_plain(&expression.as_const()?).ok(),
        _ => None,
    }
}

/// A name with members that are written out.
fn path(expression: &ast::Expr<'_>) -> Option<Vec<String>> {
    let mut members = Vec::new();
    let mut at = expression;
    loop {
        at = match at {
            ast::Expr::GetAttr(attr) => {
                members.push(attr.name.to_owned());
                &attr.expr
            }
            ast::Expr::GetItem(item) => {
                let value = constant(&item.subscript_expr)?;
                members.push(value.as_str()?.to_owned());
                &item.expr
            }
            ast::Expr::Var(var) => {
                members.push(var.id.to_owned());
                members.reverse();
                return Some(members);
            }
            _ => return None,
        };
    }
}

fn other(expression: &ast::Expr<'_>) -> Logic {
    let mut text = String::new();
    print(expression, &mut text);
    let survey = Survey::of_expression(expression);
    Logic::Other {
        text,
        reads: survey.reads.into_iter().map(|read| read.path).collect(),
    }
}

/// An expression in one way, whatever its spaces, quotes and brackets were.
fn print(expression: &ast::Expr<'_>, to: &mut String) {
    match expression {
        ast::Expr::Var(var) => to.push_str(var.id),
        ast::Expr::Const(constant) => match to_plain(&constant.value) {
            Ok(value) => to.push_str(&value.to_string()),
            Err(_) => to.push_str(&constant.value.to_string()),
        },
        ast::Expr::Slice(slice) => {
            print(&slice.expr, to);
            to.push('[');
            for (n, part) in [&slice.start, &slice.stop, &slice.step]
                .into_iter()
                .enumerate()
            {
                if n > 0 {
                    to.push(':');
                }
                if let Some(part) = part {
                    print(part, to);
                }
            }
            to.push(']');
        }
        ast::Expr::UnaryOp(op) => {
            to.push_str(match op.op {
                ast::UnaryOpKind::Not => "not ",
                ast::UnaryOpKind::Neg => "-",
            });
            print(&op.expr, to);
        }
        ast::Expr::BinOp(op) => {
            to.push('(');
            print(&op.left, to);
            to.push_str(sign(op.op));
            print(&op.right, to);
            to.push(')');
        }
        ast::Expr::Compare(compare) => {
            to.push('(');
            print(&compare.expr, to);
            for part in &compare.ops {
                to.push_str(match part.op {
                    ast::CompareOpKind::Eq => " == ",
                    ast::CompareOpKind::Ne => " != ",
                    ast::CompareOpKind::Lt => " < ",
                    ast::CompareOpKind::Lte => " <= ",
                    ast::CompareOpKind::Gt => " > ",
                    ast::CompareOpKind::Gte => " >= ",
                    ast::CompareOpKind::In => " in ",
                    ast::CompareOpKind::NotIn => " not in ",
                });
                print(&part.expr, to);
            }
            to.push(')');
        }
        ast::Expr::IfExpr(choice) => {
            to.push('(');
            print(&choice.true_expr, to);
            to.push_str(" if ");
            print(&choice.test_expr, to);
            if let Some(otherwise) = &choice.false_expr {
                to.push_str(" else ");
                print(otherwise, to);
            }
            to.push(')');
        }
        ast::Expr::Filter(filter) => {
            if let Some(of) = &filter.expr {
                print(of, to);
                to.push_str(" | ");
            }
            to.push_str(filter.name);
            arguments(&filter.args, to);
        }
        ast::Expr::Test(test) => {
            print(&test.expr, to);
            to.push_str(" is ");
            to.push_str(test.name);
            arguments(&test.args, to);
        }
        ast::Expr::GetAttr(attr) => {
            print(&attr.expr, to);
            to.push('.');
            to.push_str(attr.name);
        }
        ast::Expr::GetItem(item) => {
            print(&item.expr, to);
            to.push('[');
            print(&item.subscript_expr, to);
            to.push(']');
        }
        ast::Expr::Call(call) => {
            print(&call.expr, to);
            arguments(&call.args, to);
        }
        ast::Expr::List(list) => row('[', list.items.iter(), ']', to),
        ast::Expr::Tuple(tuple) => row('(', tuple.items.iter(), ')', to),
        ast::Expr::Map(map) => {
            row('{', map.keys.iter(), ':', to);
            row(':', map.values.iter(), '}', to);
        }
    }
}

fn row<'a, 'e: 'a>(
    open: char,
    items: impl Iterator<Item = &'a ast::Expr<'e>>,
    close: char,
    to: &mut String,
) {
    to.push(open);
    for (n, item) in items.enumerate() {
        if n > 0 {
            to.push_str(", ");
        }
        print(item, to);
    }
    to.push(close);
}

fn arguments(arguments: &[ast::CallArg<'_>], to: &mut String) {
    if arguments.is_empty() {
        return;
    }
    to.push('(');
    for (n, argument) in arguments.iter().enumerate() {
        if n > 0 {
            to.push_str(", ");
        }
        let value = match argument {
            ast::CallArg::Pos(value) => value,
            ast::CallArg::Kwarg(name, value) => {
                to.push_str(name);
                to.push('=');
                value
            }
            ast::CallArg::PosSplat(value) => {
                to.push('*');
                value
            }
            ast::CallArg::KwargSplat(value) => {
                to.push_str("**");
                value
            }
        };
        print(value, to);
    }
    to.push(')');
}

fn sign(op: ast::BinOpKind) -> &'static str {
    match op {
        ast::BinOpKind::Eq => " == ",
        ast::BinOpKind::Ne => " != ",
        ast::BinOpKind::Lt => " < ",
        ast::BinOpKind::Lte => " <= ",
        ast::BinOpKind::Gt => " > ",
        ast::BinOpKind::Gte => " >= ",
        ast::BinOpKind::ScAnd => " and ",
        ast::BinOpKind::ScOr => " or ",
        ast::BinOpKind::Add => " + ",
        ast::BinOpKind::Sub => " - ",
        ast::BinOpKind::Mul => " * ",
        ast::BinOpKind::Div => " / ",
        ast::BinOpKind::FloorDiv => " // ",
        ast::BinOpKind::Rem => " % ",
        ast::BinOpKind::Pow => " ** ",
        ast::BinOpKind::Concat => " ~ ",
        ast::BinOpKind::In => " in ",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Logic;
    use crate::diagnostic::Span;
    use crate::recipe::template::Expr;

    fn logic(text: &str) -> Logic {
        let text = text.into();
        let span = Span::default();
        Expr { text, span }.logic().expect("an expression")
    }

    fn path(text: &str) -> Box<Logic> {
        Box::new(Logic::Path(text.split('.').map(str::to_owned).collect()))
    }

    #[test]
    fn connectives_and_comparisons_with_written_values_are_seen() {
        assert_eq!(
            logic("not vars.a['b'] and 'x' == job.c"),
            Logic::And(
                Box::new(Logic::Not(path("vars.a.b"))),
                Box::new(Logic::Equal(path("job.c"), json!("x")))
            )
        );
        assert_eq!(
            logic("vars.n not in [1, 2]"),
            Logic::Not(Box::new(Logic::Or(
                Box::new(Logic::Equal(path("vars.n"), json!(1))),
                Box::new(Logic::Equal(path("vars.n"), json!(2)))
            )))
        );
        assert_eq!(
            logic("a if b else false"),
            Logic::Choice(Box::new([
                *path("b"),
                *path("a"),
                Logic::Constant(json!(false))
            ]))
        );
    }

    #[test]
    fn what_is_written_alike_is_alike() {
        assert_eq!(logic("vars.n>3"), logic("( vars.n  >  3 )"));
        assert_eq!(logic("x | trim == 'a'"), logic("(x|trim) == \"a\""));
        assert_ne!(logic("vars.n > 3"), logic("vars.n > 4"));
    }
}
