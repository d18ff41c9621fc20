//! Expressions and templates, checked as they are read.

use super::cx::Cx;
use crate::diagnostic::{Code, Finding, Span};
use crate::recipe::template::{Expr, Problem, Style, Template};
use crate::recipe::yaml::{Kind, Node, place};

impl Cx<'_> {
    /// A bare expression.
    pub(super) fn expr(&mut self, key: &str, node: &Node) -> Option<Expr> {
        let text = match &node.kind {
            Kind::Str { text, .. } => text.clone(),
            Kind::Bool(_) | Kind::Int(_) | Kind::Float(_) => self.written(node),
            _ => {
                self.wrong_type(key, node, "an expression");
                return None;
            }
        };
        if text.trim().is_empty() {
            self.complain(Code::MissingKey, node.span, format!("`{key}` is empty"));
            return None;
        }
        match Expr::parse(&text, node.span) {
            Ok(expr) => Some(expr),
            Err(problems) => {
                if self.is_cut_by_comma(node, &text) {
                    // The rest of it stands as a key, which is complained about.
                } else if self.is_cut_by_comment(node) {
                    self.push(
                        Finding::new(
                            Code::YamlTrap,
                            node.span,
                            "this expression ends at a comment",
                        )
                        .help("` #` begins a comment: put the expression in quotes"),
                    );
                } else {
                    self.problems(node.span, &text, problems);
                }
                None
            }
        }
    }

    /// A text that holds templates.
    pub(super) fn template(&mut self, node: &Node, text: &str, style: Style) -> Option<Template> {
        match Template::parse(text, node.span, style) {
            Ok(template) => Some(template),
            Err(problems) => {
                self.problems(node.span, text, problems);
                None
            }
        }
    }

    fn problems(&mut self, span: Span, text: &str, problems: Vec<Problem>) {
        for problem in problems {
            let span = place(self.sources, span, text, problem.range);
            let mut finding = Finding::new(problem.code, span, problem.message);
            finding.help = problem.help;
            self.push(finding);
        }
    }

    /// `{ when: f(0, 1), … }`: YAML ends the value at the comma.
    fn is_cut_by_comma(&self, node: &Node, text: &str) -> bool {
        let is_open = |open, close| text.matches(open).count() > text.matches(close).count();
        let is_followed = self
            .sources
            .get(node.span.source)
            .and_then(|file| file.text.get(node.span.end as usize..))
            .is_some_and(|rest| rest.trim_start().starts_with(','));
        is_followed && (is_open('(', ')') || is_open('[', ']'))
    }

    /// `when: x == "a` before ` # b"`: what follows the scalar on its line is a comment.
    fn is_cut_by_comment(&self, node: &Node) -> bool {
        let Some(file) = self.sources.get(node.span.source) else {
            return false;
        };
        file.text
            .get(node.span.end as usize..)
            .and_then(|rest| rest.lines().next())
            .is_some_and(|rest| rest.trim_start().starts_with('#'))
    }
}
