//! What must follow.

use std::time::Duration;

use crate::diagnostic::{Code, Finding, Spanned};
use crate::recipe::load::cx::Cx;
use crate::recipe::scenario::{Commands, Expect, Pattern, Took};
use crate::recipe::vocabulary::key::names;
use crate::recipe::vocabulary::keys::scenario;
use crate::recipe::yaml::{Kind, Node};
use crate::recipe::{Verdict, duration};

const EXPECT: &[&str] = &names::<{ scenario::EXPECT.len() }>(scenario::EXPECT);
const COMMANDS: &[&str] = &names::<{ scenario::COMMANDS.len() }>(scenario::COMMANDS);
const TOOK: &[&str] = &names::<{ scenario::TOOK.len() }>(scenario::TOOK);

impl Cx<'_> {
    pub(super) fn expectations(&mut self, node: &Node) -> Option<Expect> {
        if !self.is_map("expect", node) {
            return None;
        }
        self.known_keys(node, "`expect`", EXPECT, |key| {
            COMMANDS
                .contains(&key)
                .then(|| format!("it belongs to `commands`: `commands: {{ {key}: [...] }}`"))
        });
        let exit = self.required(node, "exit", "`expect`", node.span);
        let exit = exit.and_then(|exit| self.exit_status(exit));
        let verdict = node.get("verdict").and_then(|node| {
            let mut words = vec![("ok", Verdict::Ok), ("cancelled", Verdict::Cancelled)];
            words.extend_from_slice(Verdict::IN_RECIPES);
            let verdict = self.word("verdict", node, &words)?;
            Some(Spanned::new(verdict, node.span))
        });
        let reason = node.get("reason").and_then(|node| {
            let text = self.literal("reason", node, "a text")?;
            Some(Spanned::new(Pattern(text), node.span))
        });
        let path = node
            .get("path")
            .and_then(|node| self.references("path", node, "a state's name"));
        let never = node
            .get("never")
            .and_then(|node| self.references("never", node, "a state or a step"));
        let commands = node
            .get("commands")
            .map_or_else(Commands::default, |node| self.expected_commands(node));
        let duration = node.get("duration").and_then(|node| {
            let took = self.took(node)?;
            Some(Spanned::new(took, node.span))
        });
        Some(Expect {
            exit: exit?,
            verdict,
            reason,
            path,
            never: never.unwrap_or_default(),
            commands,
            duration,
        })
    }

    fn exit_status(&mut self, node: &Node) -> Option<Spanned<u8>> {
        let status = self.count("exit", node, 0)?;
        match u8::try_from(status) {
            Ok(status) => Some(Spanned::new(status, node.span)),
            Err(_) => {
                self.push(
                    Finding::new(
                        Code::BadValue,
                        node.span,
                        format!("`exit` can't be {status}: an exit status is at most 255"),
                    )
                    .help("0, 1, 2, 46, 130, 143, or what an `exit_status` gives"),
                );
                None
            }
        }
    }

    fn expected_commands(&mut self, node: &Node) -> Commands {
        if !matches!(node.kind, Kind::Map(_)) {
            self.push(
                Finding::new(
                    Code::WrongType,
                    node.span,
                    format!("`commands` must be a map, not {}", node.what()),
                )
                .help("say how: `exactly`, `in_order`, `any_order` or `never`, each with a list"),
            );
            return Commands::default();
        }
        self.known_keys(node, "`commands`", COMMANDS, |_| None);
        let mut patterns = |key: &str| {
            let texts = self.references(key, node.get(key)?, "a text");
            texts.map(|texts| {
                let pattern = |text: Spanned<String>| Spanned::new(Pattern(text.value), text.span);
                texts.into_iter().map(pattern).collect::<Vec<_>>()
            })
        };
        Commands {
            exactly: patterns("exactly"),
            in_order: patterns("in_order").unwrap_or_default(),
            any_order: patterns("any_order").unwrap_or_default(),
            never: patterns("never").unwrap_or_default(),
        }
    }

    fn took(&mut self, node: &Node) -> Option<Took> {
        if !matches!(node.kind, Kind::Map(_)) {
            let exact = self.fixed_duration("duration", node)?;
            return Some(Took {
                at_least: exact,
                at_most: exact,
            });
        }
        self.known_keys(node, "`duration`", TOOK, |_| None);
        let mut bound = |key: &str, default: Duration| match node.get(key) {
            Some(node) => self.fixed_duration(key, node),
            None => Some(default),
        };
        Some(Took {
            at_least: bound("at_least", Duration::ZERO)?,
            at_most: bound("at_most", duration::MAX)?,
        })
    }
}
