//! Hosts.

use super::cx::Cx;
use super::value::has_template;
use crate::diagnostic::{Code, Finding, Span, Spanned};
use crate::recipe::model::{Host, HostKeys, Login, Map, Role, ShellKind, Tree};
use crate::recipe::template::Style;
use crate::recipe::vocabulary::Shape;
use crate::recipe::vocabulary::key::names;
use crate::recipe::vocabulary::keys;
use crate::recipe::yaml::{Key, Node};

const KEYS: &[&str] = &names::<{ keys::HOST.len() }>(keys::HOST);
const LOCAL: &[&str] = &names::<{ keys::LOCAL.len() }>(keys::LOCAL);

impl Cx<'_> {
    /// One host.
    pub(super) fn host_entry(&mut self, key: &Key, node: &Node) -> Option<Host> {
        if !self.is_map(&key.name, node) {
            return None;
        }
        let owner = format!("host `{}`", key.name);
        let shell = node
            .get("shell")
            .and_then(|node| {
                self.word(
                    "shell",
                    node,
                    &[("bash", ShellKind::Bash), ("sh", ShellKind::Sh)],
                )
            })
            .unwrap_or_default();
        if key.name == "local" {
            self.known_keys(node, "`local`", LOCAL, |name| {
                KEYS.contains(&name).then(|| {
                    "`local` is the engine's machine: only its `shell` can be said".to_owned()
                })
            });
            return Some(Host {
                span: key.span,
                login: None,
                shell,
                role: Role::Lab,
            });
        }
        self.known_keys(node, &owner, KEYS, |_| None);
        let role = node
            .get("role")
            .and_then(|node| {
                self.word(
                    "role",
                    node,
                    &[("lab", Role::Lab), ("device", Role::Device)],
                )
            })
            .unwrap_or(if key.name == "dut" {
                Role::Device
            } else {
                Role::Lab
            });
        let address = self
            .required(node, "address", &owner, key.span)
            .and_then(|node| self.text("address", node, Style::Value))?;
        let words = [
            ("accept_new", HostKeys::AcceptNew),
            ("known", HostKeys::Known),
            ("any", HostKeys::Any),
        ];
        let login = Login {
            address,
            port: self.optional(node, "port", &Shape::Integer(1, 65_535)),
            user: self.optional(node, "user", &Shape::Text),
            password: self.optional(node, "password", &Shape::Text),
            identity: self.optional(node, "identity", &Shape::OneOrMany(&Shape::Path)),
            host_key: node
                .get("host_key")
                .and_then(|node| self.word("host_key", node, &words))
                .unwrap_or_default(),
            via: node.get("via").and_then(|node| self.host("via", node)),
            connect_timeout: node
                .get("connect_timeout")
                .and_then(|node| self.duration("connect_timeout", node, true)),
        };
        Some(Host {
            span: key.span,
            login: Some(login),
            shell,
            role,
        })
    }

    fn optional(&mut self, node: &Node, key: &str, shape: &Shape) -> Option<Tree> {
        let member = node.get(key)?;
        self.shaped(key, shape, member, false)
    }

    /// Complains about hosts that are reached through each other.
    pub(super) fn via_cycles(&mut self, hosts: &Map<Host>) {
        let via = |name: &str| -> Option<&Spanned<String>> {
            hosts.get(name)?.login.as_ref()?.via.as_ref()
        };
        for name in hosts.keys() {
            let mut at = name.as_str();
            let mut place: Option<Span> = None;
            // A walk longer than there are hosts goes in a circle.
            for _ in 0..hosts.len() {
                let Some(next) = via(at) else { break };
                place.get_or_insert(next.span);
                at = &next.value;
                if at == name {
                    let span = place.unwrap_or(next.span);
                    self.push(
                        Finding::new(
                            Code::ViaCycle,
                            span,
                            format!("host `{name}` is reached through itself"),
                        )
                        .help("`via` leads to a host that is reached directly in the end"),
                    );
                    break;
                }
            }
        }
    }

    /// A name that a host, gear or track gets.
    pub(super) fn declared(&mut self, key: &Key) -> bool {
        if has_template(&key.name) {
            self.complain(Code::NotLiteral, key.span, "a name can't hold a template");
            return false;
        }
        self.is_name(&key.name, key.span)
    }
}
