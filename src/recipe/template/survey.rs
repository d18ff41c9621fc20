//! What a template reads and uses, from its parsed form.

use std::collections::HashSet;
use std::ops::Range;

use minijinja::machinery::{Span, ast};

use super::environment::{FILTERS, FUNCTIONS, TESTS};
use super::syntax::Problem;
use crate::diagnostic::{Code, nearest};
use crate::recipe::Value;

/// One reading of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The name and the members taken of it, as far as their names are literal: `vars["up"].id` is
    /// `vars`, `up`, `id`.
    pub path: Vec<String>,
    /// Where it stands in the text.
    pub range: Range<usize>,
    /// It may be undefined here: under `is defined`, `is undefined` or `default`.
    pub optional: bool,
    /// Only whether or what it is decides something; the value itself does not get into the result
    /// (the condition of an `if`, an operand of a comparison or a test).
    pub control: bool,
    /// A member is taken by a computed name after `path`: where that name stands.
    pub computed: Option<Range<usize>>,
}

/// A filter or a function, and what it is applied to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub range: Range<usize>,
    /// What the filtered value, or the function's arguments, are made of.
    pub of: Vec<Read>,
}

/// A name that is compared with a literal by `==` or `!=`.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// The name.
    pub of: Read,
    /// The literal.
    pub value: Value,
    /// Where the literal stands in the text.
    pub range: Range<usize>,
}

/// What was found in one text.
#[derive(Debug, Default)]
pub(super) struct Survey<'a> {
    pub(super) reads: Vec<Read>,
    pub(super) filters: Vec<Use>,
    pub(super) functions: Vec<Use>,
    pub(super) comparisons: Vec<Compared>,
    pub(super) problems: Vec<Problem>,
    scopes: Vec<HashSet<&'a str>>,
    control: bool,
}

impl<'a> Survey<'a> {
    pub(super) fn of_template(template: &ast::Stmt<'a>) -> Self {
        let mut survey = Self::new();
        survey.statement(template);
        survey
    }

    pub(super) fn of_expression(expression: &ast::Expr<'a>) -> Self {
        let mut survey = Self::new();
        survey.expression(expression);
        survey
    }

    fn new() -> Self {
        Self {
            scopes: vec![HashSet::new()],
            ..Self::default()
        }
    }

    fn statements(&mut self, statements: &[ast::Stmt<'a>]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &ast::Stmt<'a>) {
        match statement {
            ast::Stmt::Template(template) => self.statements(&template.children),
            ast::Stmt::EmitExpr(emit) => self.expression(&emit.expr),
            ast::Stmt::EmitRaw(_) | ast::Stmt::Continue(_) | ast::Stmt::Break(_) => {}
            ast::Stmt::ForLoop(each) => {
                if each.recursive {
                    self.refuse(each.span(), "a loop can't call itself");
                }
                self.expression(&each.iter);
                self.scopes.push(HashSet::from(["loop"]));
                self.bind(&each.target);
                if let Some(filter) = &each.filter_expr {
                    self.deciding(filter);
                }
                self.statements(&each.body);
                self.scopes.pop();
                self.statements(&each.else_body);
            }
            ast::Stmt::IfCond(choice) => {
                self.deciding(&choice.expr);
                self.statements(&choice.true_body);
                self.statements(&choice.false_body);
            }
            ast::Stmt::Set(set) => {
                self.expression(&set.expr);
                if matches!(set.target, ast::Expr::GetAttr(_)) {
                    self.refuse(set.target.span(), "a member of a value can't be set");
                }
                self.bind(&set.target);
            }
            ast::Stmt::WithBlock(it) => self.foreign(it.span(), "with"),
            ast::Stmt::SetBlock(it) => self.foreign(it.span(), "endset"),
            ast::Stmt::AutoEscape(it) => self.foreign(it.span(), "autoescape"),
            ast::Stmt::FilterBlock(it) => self.foreign(it.span(), "filter"),
            ast::Stmt::Block(it) => self.foreign(it.span(), "block"),
            ast::Stmt::Import(it) => self.foreign(it.span(), "import"),
            ast::Stmt::FromImport(it) => self.foreign(it.span(), "from"),
            ast::Stmt::Extends(it) => self.foreign(it.span(), "extends"),
            ast::Stmt::Include(it) => self.foreign(it.span(), "include"),
            ast::Stmt::Macro(it) => self.foreign(it.span(), "macro"),
            ast::Stmt::CallBlock(it) => self.foreign(it.span(), "call"),
            ast::Stmt::Do(it) => self.foreign(it.span(), "do"),
        }
    }

    fn foreign(&mut self, span: Span, word: &str) {
        self.problems.push(
            Problem::new(
                Code::BadTemplate,
                range(span),
                format!("`{{% {word} %}}` is not in the language"),
            )
            .help("there are `{% if %}`, `{% for %}` and `{% set NAME = expr %}`"),
        );
    }

    fn refuse(&mut self, span: Span, message: &str) {
        self.problems
            .push(Problem::new(Code::BadTemplate, range(span), message));
    }

    /// The names of an assignment's left side become the template's own.
    fn bind(&mut self, target: &ast::Expr<'a>) {
        match target {
            ast::Expr::Var(var) => {
                if let Some(scope) = self.scopes.last_mut() {
                    scope.insert(var.id);
                }
            }
            ast::Expr::List(list) => list.items.iter().for_each(|item| self.bind(item)),
            ast::Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.bind(item)),
            _ => {}
        }
    }

    fn is_local(&self, name: &str) -> bool {
        self.scopes.iter().any(|scope| scope.contains(name))
    }

    /// An expression of which only the truth counts.
    fn deciding(&mut self, expression: &ast::Expr<'a>) {
        let before = std::mem::replace(&mut self.control, true);
        self.expression(expression);
        self.control = before;
    }

    fn expression(&mut self, expression: &ast::Expr<'a>) {
        match expression {
            ast::Expr::Var(_) | ast::Expr::GetAttr(_) | ast::Expr::GetItem(_) => {
                self.path(expression, false);
            }
            ast::Expr::Const(_) => {}
            ast::Expr::Slice(slice) => {
                self.expression(&slice.expr);
                for part in [&slice.start, &slice.stop, &slice.step]
                    .into_iter()
                    .flatten()
                {
                    self.deciding(part);
                }
            }
            ast::Expr::UnaryOp(op) => match op.op {
                ast::UnaryOpKind::Not => self.deciding(&op.expr),
                ast::UnaryOpKind::Neg => self.expression(&op.expr),
            },
            ast::Expr::BinOp(op) => {
                if gives_truth(op.op) {
                    let equal = matches!(op.op, ast::BinOpKind::Eq | ast::BinOpKind::Ne);
                    self.sides(&op.left, &op.right, equal);
                } else {
                    self.expression(&op.left);
                    self.expression(&op.right);
                }
            }
            ast::Expr::Compare(compare) => {
                if let [only] = compare.ops.as_slice() {
                    let equal = matches!(only.op, ast::CompareOpKind::Eq | ast::CompareOpKind::Ne);
                    self.sides(&compare.expr, &only.expr, equal);
                } else {
                    self.deciding(&compare.expr);
                    compare.ops.iter().for_each(|op| self.deciding(&op.expr));
                }
            }
            ast::Expr::IfExpr(choice) => {
                self.deciding(&choice.test_expr);
                self.expression(&choice.true_expr);
                if let Some(other) = &choice.false_expr {
                    self.expression(other);
                }
            }
            ast::Expr::Filter(filter) => self.filter(filter, filter.span()),
            ast::Expr::Test(test) => {
                self.known(test.name, test.span(), Kind::Test);
                let before = std::mem::replace(&mut self.control, true);
                let optional = matches!(test.name, "defined" | "undefined");
                self.operand(&test.expr, optional);
                self.arguments(&test.args);
                self.control = before;
            }
            ast::Expr::Call(call) => self.call(call, call.span()),
            ast::Expr::List(list) => list.items.iter().for_each(|item| self.expression(item)),
            ast::Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.expression(item)),
            ast::Expr::Map(map) => {
                map.keys.iter().for_each(|key| self.expression(key));
                map.values.iter().for_each(|value| self.expression(value));
            }
        }
    }

    /// The two sides of a comparison.
    fn sides(&mut self, left: &ast::Expr<'a>, right: &ast::Expr<'a>, equal: bool) {
        let first = self.reads.len();
        self.deciding(left);
        self.deciding(right);
        let (name, literal) = match (left, right) {
            (name, ast::Expr::Const(literal)) => (name, (literal, right)),
            (ast::Expr::Const(literal), name) => (name, (literal, left)),
            _ => return,
        };
        let is_name = matches!(name, ast::Expr::Var(_) | ast::Expr::GetAttr(_));
        let [of] = self.reads.get(first..).unwrap_or_default() else {
            return;
        };
        if let (true, true, Ok(value)) = (equal, is_name, serde_json::to_value(&literal.0.value)) {
            self.comparisons.push(Compared {
                of: of.clone(),
                value,
                range: extent(literal.1),
            });
        }
    }

    fn filter(&mut self, filter: &ast::Filter<'a>, span: Span) {
        self.known(filter.name, span, Kind::Filter);
        let first = self.reads.len();
        if let Some(input) = &filter.expr {
            self.operand(input, matches!(filter.name, "default" | "d"));
        }
        self.filters.push(self.used(filter.name, span, first));
        self.arguments(&filter.args);
    }

    fn used(&self, name: &str, span: Span, first_read: usize) -> Use {
        let start = span.start_offset as usize;
        Use {
            name: name.to_owned(),
            range: start..start + name.len(),
            of: self.reads.get(first_read..).unwrap_or_default().to_vec(),
        }
    }

    fn operand(&mut self, expression: &ast::Expr<'a>, optional: bool) {
        match expression {
            ast::Expr::Var(_) | ast::Expr::GetAttr(_) | ast::Expr::GetItem(_) => {
                self.path(expression, optional);
            }
            other => self.expression(other),
        }
    }

    fn call(&mut self, call: &ast::Call<'a>, span: Span) {
        match call.identify_call() {
            ast::CallType::Function(name) => {
                if self.is_local(name) {
                    self.refuse(span, &format!("`{name}` is a value, not a function"));
                } else {
                    self.known(name, span, Kind::Function);
                }
                let first = self.reads.len();
                self.arguments(&call.args);
                self.functions.push(self.used(name, span, first));
                return;
            }
            ast::CallType::Method(ast::Expr::Var(var), "cycle" | "changed") if var.id == "loop" => {
            }
            ast::CallType::Method(value, method) => {
                let problem = Problem::new(
                    Code::BadTemplate,
                    extent(&call.expr).start..range(span).end,
                    format!("values have no methods such as `{method}()`"),
                );
                self.problems.push(match method {
                    "get" => problem.help("write `value['key'] | default(other)`"),
                    name if FILTERS.contains(&name) => {
                        problem.help(format!("`{name}` is a filter: write `value | {name}`"))
                    }
                    "startswith" => problem.help("write `value is startingwith('…')`"),
                    "endswith" => problem.help("write `value is endingwith('…')`"),
                    "strip" => problem.help("write `value | trim`"),
                    _ => problem.help("there are filters: `value | filter`"),
                });
                self.expression(value);
            }
            ast::CallType::Block(_) | ast::CallType::Object(_) => {
                self.refuse(span, "only functions can be called");
            }
        }
        self.arguments(&call.args);
    }

    fn arguments(&mut self, arguments: &[ast::CallArg<'a>]) {
        for argument in arguments {
            match argument {
                ast::CallArg::Pos(value)
                | ast::CallArg::Kwarg(_, value)
                | ast::CallArg::PosSplat(value)
                | ast::CallArg::KwargSplat(value) => self.expression(value),
            }
        }
    }

    /// A name with the members taken of it.
    fn path(&mut self, expression: &ast::Expr<'a>, optional: bool) {
        let mut members = Vec::new();
        let mut computed = None;
        let mut at = expression;
        loop {
            match at {
                ast::Expr::GetAttr(attr) => {
                    members.push(attr.name.to_owned());
                    at = &attr.expr;
                }
                ast::Expr::GetItem(item) => {
                    match literal(&item.subscript_expr) {
                        Some(name) => members.push(name),
                        None => {
                            members.clear();
                            computed = Some(extent(&item.subscript_expr));
                            self.deciding(&item.subscript_expr);
                        }
                    }
                    at = &item.expr;
                }
                ast::Expr::Var(var) => {
                    if !self.is_local(var.id) {
                        members.push(var.id.to_owned());
                        members.reverse();
                        let end = expression.span().end_offset.max(var.span().end_offset);
                        self.reads.push(Read {
                            path: members,
                            range: var.span().start_offset as usize..end as usize,
                            optional,
                            control: self.control,
                            computed,
                        });
                    }
                    return;
                }
                other => return self.expression(other),
            }
        }
    }

    fn known(&mut self, name: &str, span: Span, kind: Kind) {
        if kind.names().contains(&name) {
            return;
        }
        let start = span.start_offset as usize;
        let problem = Problem::new(
            Code::UnknownFilter,
            start..start + name.len(),
            format!("unknown {} `{name}`", kind.word()),
        );
        let elsewhere = Kind::ALL
            .into_iter()
            .find(|other| other.names().contains(&name));
        self.problems.push(
            match (elsewhere, nearest(name, kind.names().iter().copied())) {
                (Some(Kind::Filter), _) => {
                    problem.help(format!("`{name}` is a filter: write `value | {name}`"))
                }
                (Some(Kind::Test), _) => {
                    problem.help(format!("`{name}` is a test: write `value is {name}`"))
                }
                (Some(Kind::Function), _) => {
                    problem.help(format!("`{name}` is a function: write `{name}(…)`"))
                }
                (None, Some(similar)) => problem.help(format!("did you mean `{similar}`?")),
                (None, None) => problem,
            },
        );
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Filter,
    Test,
    Function,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Filter, Self::Test, Self::Function];

    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Filter => FILTERS,
            Self::Test => TESTS,
            Self::Function => FUNCTIONS,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Test => "test",
            Self::Function => "function",
        }
    }
}

fn gives_truth(op: ast::BinOpKind) -> bool {
    use ast::BinOpKind::{Eq, Gt, Gte, In, Lt, Lte, Ne};
    matches!(op, Eq | Ne | Lt | Lte | Gt | Gte | In)
}

/// A subscript that is written out: a text, or an integer as text.
fn literal(subscript: &ast::Expr<'_>) -> Option<String> {
    let value = match subscript {
        ast::Expr::Const(constant) => constant.value.clone(),
        ast::Expr::UnaryOp(_) => subscript.as_const()?,
        _ => return None,
    };
    (value.as_str().is_some() || value.is_integer()).then(|| value.to_string())
}

/// The bytes of an expression. (A span begins at the last operator in places, not at the first token.)
fn extent(expression: &ast::Expr<'_>) -> Range<usize> {
    let mut start = expression.span().start_offset;
    let mut at = expression;
    while let ast::Expr::GetAttr(_) | ast::Expr::GetItem(_) | ast::Expr::Filter(_) = at {
        at = match at {
            ast::Expr::GetAttr(attr) => &attr.expr,
            ast::Expr::GetItem(item) => &item.expr,
            ast::Expr::Filter(filter) => match &filter.expr {
                Some(input) => input,
                None => break,
            },
            _ => break,
        };
        start = start.min(at.span().start_offset);
    }
    start as usize..expression.span().end_offset.max(start) as usize
}

pub(super) fn range(span: Span) -> Range<usize> {
    span.start_offset as usize..span.end_offset.max(span.start_offset) as usize
}
