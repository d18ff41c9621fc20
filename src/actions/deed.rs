//! What a request does, for a program to read.

use std::collections::BTreeMap;

use serde::Serialize;

/// One thing that a request does. What is secret is hidden.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Deed {
    /// A command.
    Command {
        /// The host's name in the recipe; `local`: the engine's own machine.
        host: String,
        /// What is run.
        #[serde(flatten)]
        line: Line,
        /// The folder that it is run in.
        #[serde(skip_serializing_if = "Option::is_none")]
        cwd: Option<String>,
        /// Its environment, on top of the host's; null takes a name out.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        env: BTreeMap<String, Option<String>>,
        /// What it reads on its standard input.
        #[serde(skip_serializing_if = "Option::is_none")]
        input: Option<String>,
    },
    /// An HTTP request.
    Http {
        /// The method.
        method: String,
        /// With its query.
        url: String,
        /// As they are sent, but for those that every request has (`host`, `content-length`).
        headers: BTreeMap<String, String>,
        /// A form or several parts are shown as JSON.
        #[serde(skip_serializing_if = "Option::is_none")]
        body: Option<String>,
    },
    /// An image is written.
    Image {
        /// A URL, or a path on the engine's machine.
        image: String,
        /// Where it is written.
        host: String,
        /// The device there.
        device: String,
        /// Whether it is read back and compared.
        verify: bool,
        /// What the image's SHA-256 must be.
        #[serde(skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
    },
    /// A file is written.
    File {
        /// Where.
        host: String,
        /// Its path there.
        path: String,
        /// In octal digits.
        mode: String,
        /// What is in it.
        content: String,
    },
}

/// What a command is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// A program and its arguments; no shell reads them.
    Argv(Vec<String>),
    /// For the host's shell.
    Shell(String),
    /// A shipped script, which is put on the host.
    Script {
        /// Its name.
        name: String,
        /// Its arguments.
        args: Vec<String>,
    },
}

impl Deed {
    /// A command with nothing around it.
    pub fn command(host: &str, line: Line) -> Self {
        Self::Command {
            host: host.to_owned(),
            line,
            cwd: None,
            env: BTreeMap::new(),
            input: None,
        }
    }

    /// The same with every text as `mask` leaves it.
    #[must_use]
    pub fn masked(self, mask: impl Fn(&str) -> String) -> Self {
        let one = |text: String| mask(&text);
        let all = |texts: Vec<String>| texts.iter().map(|text| mask(text)).collect();
        match self {
            Self::Command {
                host,
                line,
                cwd,
                env,
                input,
            } => Self::Command {
                host,
                line: match line {
                    Line::Argv(argv) => Line::Argv(all(argv)),
                    Line::Shell(command) => Line::Shell(one(command)),
                    Line::Script { name, args } => Line::Script {
                        name,
                        args: all(args),
                    },
                },
                cwd: cwd.map(one),
                env: env
                    .into_iter()
                    .map(|(name, value)| (name, value.map(one)))
                    .collect(),
                input: input.map(one),
            },
            Self::Http {
                method,
                url,
                headers,
                body,
            } => Self::Http {
                method,
                url: one(url),
                headers: headers
                    .into_iter()
                    .map(|(name, value)| (name, one(value)))
                    .collect(),
                body: body.map(one),
            },
            Self::Image {
                image,
                host,
                device,
                verify,
                sha256,
            } => Self::Image {
                image: one(image),
                host,
                device: one(device),
                verify,
                sha256,
            },
            Self::File {
                host,
                path,
                mode,
                content,
            } => Self::File {
                host,
                path: one(path),
                mode,
                content: one(content),
            },
        }
    }
}
