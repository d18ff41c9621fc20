//! From events to the tree.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span as CharSpan, Tag};

use super::map::{Body, Open, Pending};
use super::node::{Kind, Node, Style};
use super::offsets::Offsets;
use super::{scalar, trap};
use crate::diagnostic::{Code, Finding, Findings, SourceId, Sources, Span};

/// The largest text that is read, in bytes.
pub const MAX_BYTES: usize = 8 << 20;
/// How deep lists and maps may nest.
pub const MAX_DEPTH: usize = 96;
/// How many keys and values a text may have, each alias counted as what it stands for.
pub const MAX_NODES: usize = 300_000;

/// How strictly a text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// A recipe: no tags, merge keys or duplicate keys, and only texts as keys.
    Recipe,
    /// A device config or job data, which other programs wrote and read: merge keys are applied,
    /// of two equal keys the last counts and a warning is given, and a key that is a number or a
    /// boolean is the text that was written.
    Data,
}

/// Reads a text; `None` where it is no YAML or is refused for its size. An empty text is null.
pub fn read(
    sources: &Sources,
    source: SourceId,
    dialect: Dialect,
    findings: &mut Findings,
) -> Option<Node> {
    let file = sources.get(source)?;
    let text = file.text.as_str();
    if text.len() > MAX_BYTES {
        findings.push(Finding::new(
            Code::TooLarge,
            Span::new(source, 0, 0),
            format!("`{}` has more than {} MiB", file.name, MAX_BYTES >> 20),
        ));
        return None;
    }
    Reader {
        text,
        source,
        dialect,
        offsets: Offsets::new(text),
        findings,
        open: Vec::new(),
        root: None,
        anchors: HashMap::new(),
        nodes: 0,
    }
    .run()
}

/// Reads one text.
pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) source: SourceId,
    pub(super) dialect: Dialect,
    offsets: Offsets,
    pub(super) findings: &'a mut Findings,
    open: Vec<Open>,
    root: Option<Node>,
    /// Complete anchored nodes with their sizes.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
}

impl Reader<'_> {
    fn run(mut self) -> Option<Node> {
        let mut documents = 0;
        for event in Parser::new_from_str(self.text) {
            let (event, at) = match event {
                Ok(event) => event,
                Err(error) => {
                    let offset = self.offsets.byte(error.marker().index());
                    let explained = trap::explain(error.info(), self.text, offset);
                    // Half a template was a map; all of it is no YAML: one complaint is enough.
                    self.findings.0.retain(|earlier| {
                        earlier.code != Code::YamlTrap
                            || earlier.span.is_none_or(|span| {
                                span.source != self.source
                                    || !explained.range.contains(&(span.start as usize))
                            })
                    });
                    let mut finding = Finding::new(
                        explained.code,
                        Span::new(self.source, explained.range.start, explained.range.end),
                        explained.message,
                    );
                    if let Some(help) = explained.help {
                        finding = finding.help(help);
                    }
                    self.findings.push(finding);
                    return None;
                }
            };
            let span = self.span(at);
            let fits = match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        self.findings.push(
                            Finding::new(
                                Code::UnsupportedYaml,
                                span,
                                "a second document in one file",
                            )
                            .help("remove this line, or put the rest in a file of its own"),
                        );
                        break;
                    }
                    true
                }
                Event::Scalar(text, style, anchor, tag) => {
                    let node = self.scalar(&text, style, tag.as_deref(), span);
                    self.remember(anchor, &node);
                    self.add(node)
                }
                Event::SequenceStart(anchor, tag) => {
                    self.refuse_tag(tag.as_deref(), span);
                    self.begin(span, anchor, Body::Seq(Vec::new()))
                }
                Event::MappingStart(anchor, tag) => {
                    self.refuse_tag(tag.as_deref(), span);
                    let body = Body::Map {
                        entries: Vec::new(),
                        seen: HashMap::new(),
                        pending: None,
                        merges: Vec::new(),
                        is_template: false,
                    };
                    self.begin(span, anchor, body)
                }
                Event::SequenceEnd | Event::MappingEnd => self.end(span),
                Event::Alias(anchor) => self.alias(anchor, span),
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => true,
            };
            if !fits {
                return None;
            }
        }
        Some(self.root.unwrap_or(Node {
            span: Span::new(self.source, 0, 0),
            kind: Kind::Null,
        }))
    }

    /// The place in bytes, without blanks at its end (the parser counts those after a quote).
    fn span(&self, at: CharSpan) -> Span {
        let start = self.offsets.byte(at.start.index());
        let end = self.offsets.byte(at.end.index()).max(start);
        let written = self.text.get(start..end).unwrap_or_default().trim_end();
        Span::new(self.source, start, start + written.len())
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Node {
        let is_text = self.refuse_tag(tag, span);
        let (style, span) = match style {
            // The parser gives what is not there the place of what follows.
            ScalarStyle::Plain if text.is_empty() && tag.is_none() => {
                let start = span.start as usize;
                (Style::Plain, Span::new(self.source, start, start))
            }
            ScalarStyle::Plain => (Style::Plain, span),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => (Style::Quoted, span),
            ScalarStyle::Literal | ScalarStyle::Folded => (Style::Block, self.with_header(span)),
        };
        let kind = if style == Style::Plain && !is_text {
            scalar::resolve(text)
        } else {
            Kind::Str {
                text: text.to_owned(),
                style,
            }
        };
        Node { span, kind }
    }

    /// A block scalar's place from its `|` or `>` on: the parser gives the content alone.
    fn with_header(&self, span: Span) -> Span {
        let content = span.start as usize;
        let before = self.text.get(..content).unwrap_or_default().trim_end();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = &before[line_start..];
        let is_header = |rest: &str| {
            let rest =
                rest.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-'));
            rest.is_empty()
                || rest.starts_with(char::is_whitespace) && rest.trim_start().starts_with('#')
        };
        line.char_indices()
            .find(|(at, c)| matches!(c, '|' | '>') && is_header(&line[at + 1..]))
            .map_or(span, |(at, _)| {
                Span::new(self.source, line_start + at, span.end as usize)
            })
    }

    /// Complains about a tag; true where it says that a plain scalar is a text.
    fn refuse_tag(&mut self, tag: Option<&Tag>, span: Span) -> bool {
        let Some(tag) = tag else { return false };
        if self.dialect == Dialect::Data {
            return tag.suffix == "str";
        }
        self.findings.push(
            Finding::new(Code::UnsupportedYaml, span, "a YAML tag (`!…`)")
                .help("recipes have no tags: a text that starts with `!` needs quotes"),
        );
        true
    }

    fn remember(&mut self, anchor: usize, node: &Node) {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), node.size()));
        }
    }

    fn begin(&mut self, span: Span, anchor: usize, body: Body) -> bool {
        if self.open.len() >= MAX_DEPTH {
            self.too_large(span, format!("lists and maps nest deeper than {MAX_DEPTH}"));
            return false;
        }
        self.open.push(Open {
            start: span.start as usize,
            end: span.end as usize,
            anchor,
            body,
        });
        true
    }

    fn end(&mut self, span: Span) -> bool {
        let Some(open) = self.open.pop() else {
            return true;
        };
        let mut is_template = false;
        let (closing, kind) = match open.body {
            Body::Seq(items) => (']', Kind::Seq(items)),
            Body::Map {
                mut entries,
                mut seen,
                merges,
                is_template: of_map,
                ..
            } => {
                is_template = of_map;
                for (key, value) in merges.iter().flat_map(Node::entries) {
                    if !seen.contains_key(&key.name) {
                        seen.insert(key.name.clone(), entries.len());
                        entries.push((key.clone(), value.clone()));
                    }
                }
                ('}', Kind::Map(entries))
            }
        };
        // The place of a flow collection's end may lack its bracket; a block has no end of its own.
        let is_flow = self
            .text
            .get(open.start..)
            .is_some_and(|text| text.starts_with(['[', '{', '&', '!']));
        let mut end = open.end;
        if is_flow && span.end as usize >= open.end {
            let rest = self.text.get(open.end..).unwrap_or_default();
            let close = rest
                .find(|c: char| c != ',' && !c.is_whitespace())
                .filter(|at| rest[*at..].starts_with(closing));
            end = close.map_or(span.end as usize, |at| open.end + at + 1);
        }
        // What was meant is known: going on with it spares the reader complaints about a map.
        let kind = if is_template {
            Kind::Str {
                text: self
                    .text
                    .get(open.start..end)
                    .unwrap_or_default()
                    .to_owned(),
                style: Style::Quoted,
            }
        } else {
            kind
        };
        let node = Node {
            span: Span::new(self.source, open.start, end),
            kind,
        };
        self.remember(open.anchor, &node);
        self.add(node)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> bool {
        let Some((node, size)) = self.anchors.get(&anchor) else {
            self.findings.push(Finding::new(
                Code::UnsupportedYaml,
                span,
                "an alias to what it stands in",
            ));
            return false;
        };
        let (node, size) = (node.clone(), *size);
        if self.open.len() + node.depth() > MAX_DEPTH {
            self.too_large(span, format!("lists and maps nest deeper than {MAX_DEPTH}"));
            return false;
        }
        self.nodes += size;
        self.add(node)
    }

    fn too_large(&mut self, span: Span, message: String) {
        self.findings
            .push(Finding::new(Code::TooLarge, span, message));
    }

    /// Puts a complete node where it belongs.
    fn add(&mut self, mut node: Node) -> bool {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            self.too_large(
                node.span,
                format!("more than {MAX_NODES} keys and values, aliases written out"),
            );
            return false;
        }
        let Some(mut open) = self.open.pop() else {
            self.root = Some(node);
            return true;
        };
        if node.span.source == self.source && node.span.start as usize >= open.start {
            open.end = open.end.max(node.span.end as usize);
        }
        match &mut open.body {
            Body::Seq(items) => items.push(node),
            Body::Map {
                entries,
                seen,
                pending,
                merges,
                is_template,
            } => match pending.take() {
                None => {
                    let key = self.key(&node);
                    *is_template |= matches!(key, Pending::Template);
                    *pending = Some(key);
                }
                Some(Pending::Refused | Pending::Template) => {}
                Some(Pending::Merge(span)) => self.merge(merges, node, span),
                Some(Pending::Key(key)) => {
                    if node.is_null() && node.span.start == node.span.end {
                        node.span = key.span;
                    }
                    self.member(entries, seen, key, node);
                }
            },
        }
        self.open.push(open);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{Dialect, MAX_DEPTH, read};
    use crate::diagnostic::{Code, Findings, Sources, Span};
    use crate::recipe::yaml::{Kind, Node};

    fn load(text: &str, dialect: Dialect) -> (Sources, Option<Node>, Findings) {
        let mut sources = Sources::default();
        let id = sources.add("test.yaml", text);
        let mut findings = Findings::default();
        let node = read(&sources, id, dialect, &mut findings);
        (sources, node, findings)
    }

    fn tree(text: &str) -> (Sources, Node) {
        let (sources, node, findings) = load(text, Dialect::Recipe);
        assert!(findings.0.is_empty(), "{findings:?}");
        (sources, node.expect("the text is YAML"))
    }

    /// The first finding's code and the text that it underlines.
    #[track_caller]
    fn refused(text: &str, code: Code, underlined: &str) {
        let (sources, _, findings) = load(text, Dialect::Recipe);
        let finding = findings.0.first().expect("it is refused");
        let place = finding
            .span
            .map(|span| sources.text(span))
            .unwrap_or_default();
        assert_eq!(
            (finding.code, place),
            (code, underlined),
            "{}",
            finding.message
        );
    }

    #[test]
    fn every_node_knows_its_place() {
        let text = "é: {a: [1, b], c: 'x' }  # note\nlist:\n  - one\n  - k: v\n\nblock: |\n  some\n  text\nempty:\n";
        let (sources, root) = tree(text);
        let at = |span: Span| sources.text(span);
        assert_eq!(at(root.span), text.trim_end().trim_end_matches(':'));
        let flow = root.get("é").expect("`é` is there");
        assert_eq!(at(flow.span), "{a: [1, b], c: 'x' }");
        assert_eq!(at(flow.get("a").expect("`a` is there").span), "[1, b]");
        assert_eq!(at(flow.get("c").expect("`c` is there").span), "'x'");
        let list = root.get("list").expect("`list` is there");
        assert_eq!(at(list.span), "- one\n  - k: v");
        assert_eq!(at(list.items()[1].span), "k: v");
        assert_eq!(
            at(root.get("block").expect("`block` is there").span),
            "|\n  some\n  text"
        );
        let (key, value) = root.entry("empty").expect("`empty` is there");
        assert!(value.is_null());
        assert_eq!((at(key.span), at(value.span)), ("empty", "empty"));
        assert!(root.get("empty").is_none());
    }

    #[test]
    fn what_recipes_do_not_use_is_refused_at_its_place() {
        refused("a: 1\nb: 2\na: 3\n", Code::DuplicateKey, "a");
        refused("a: !x y\n", Code::UnsupportedYaml, "!x y");
        refused("<<: {a: b}\n", Code::UnsupportedYaml, "<<");
        refused("a: b\n---\nc: d\n", Code::UnsupportedYaml, "---");
        refused("? [a]\n: b\n", Code::UnsupportedYaml, "[a]");
        refused("1: b\n", Code::UnsupportedYaml, "1");
        refused("a: &a [*a]\n", Code::UnsupportedYaml, "*a");
    }

    #[test]
    fn traps_are_explained_at_their_place() {
        refused("a: {{ x }}\n", Code::YamlTrap, "{{ x }}");
        refused("a: {{ x }}/foo\n", Code::YamlTrap, "{{ x }}/foo");
        refused("- a: {% if x %}y\n", Code::YamlTrap, "{% if x %}y");
        refused("when: \"sd\" in x\n", Code::YamlTrap, "\"sd\" in x");
        refused("do:\n  - run: echo a: b\n", Code::YamlTrap, "echo a: b");
        refused("a: b\n  c: d\n", Code::Syntax, "c: d");
        refused("a:\n\tb: c\n", Code::Syntax, "b");
        refused("a: [\nb: c\n", Code::Syntax, "b: c");
        refused("a: @x\n", Code::Syntax, "@");
        refused("a: \"x\\q\"\n", Code::Syntax, "a: \"x\\q\"");
        refused("a: 'x\nb: y\n", Code::Syntax, "a: 'x");
        refused("a: *nowhere\n", Code::Syntax, "*");
        refused("- a\nb: c\n", Code::Syntax, "b: c");
    }

    #[test]
    fn bombs_are_refused() {
        refused(&"[".repeat(100_000), Code::TooLarge, "[");
        refused(&"- ".repeat(100_000), Code::TooLarge, "");
        refused(&"{a: ".repeat(100_000), Code::TooLarge, "{");
        let mut laughs = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
        for (name, last) in ('b'..='j').zip('a'..) {
            laughs.push_str(&format!(
                "{name}: &{name} [{}]\n",
                format!("*{last}, ").repeat(9)
            ));
        }
        let (_, node, findings) = load(&laughs, Dialect::Data);
        assert!(node.is_none());
        assert_eq!(findings.0[0].code, Code::TooLarge);
        let deep = format!(
            "a: &a {}x{}\nb: &b {}*a{}\n",
            "[".repeat(60),
            "]".repeat(60),
            "[".repeat(60),
            "]".repeat(60)
        );
        let (_, node, findings) = load(&deep, Dialect::Recipe);
        assert!(node.is_none(), "deeper than {MAX_DEPTH} by an alias");
        assert_eq!(findings.0[0].code, Code::TooLarge);
    }

    #[test]
    fn data_of_other_programs_is_read_leniently() {
        let text = "base: &base {x: 1, y: 2}\nmore: {<<: *base, y: 3}\n5: five\nyes: !!str 5\na: 1\na: 2\n";
        let (_, node, findings) = load(text, Dialect::Data);
        let node = node.expect("the text is YAML");
        assert!(!findings.has_errors(), "{findings:?}");
        assert_eq!(findings.0.len(), 1);
        assert_eq!(
            node.to_value(),
            serde_json::json!({
                "base": {"x": 1, "y": 2},
                "more": {"x": 1, "y": 3},
                "5": "five",
                "yes": "5",
                "a": 2,
            })
        );
    }

    #[test]
    fn an_alias_is_what_it_stands_for() {
        let (_, root) = tree("a: &x {k: v}\nb: *x\n");
        assert!(
            matches!(&root.get("b").expect("`b` is there").kind, Kind::Map(entries) if entries.len() == 1)
        );
    }

    #[test]
    fn an_empty_text_is_null() {
        let (_, root) = tree("# nothing\n");
        assert!(root.is_null());
    }
}
