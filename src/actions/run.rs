//! `run`: a shell command, a program with arguments, or a shipped script.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::exec::{Prepared, create, run, words};
use super::fields::{Field, Fields, Text};
use super::modifiers::{Modifiers, parse_into};
use super::output::Keep;
use super::place::Place;
use super::script::PutScript;
use super::{
    Deed, Line, Note, Output, Performed, Performing, PlanContext, Request, StepContext, StepError,
    paths,
};
use crate::diagnostic::plural;
use crate::transport::{Command, Program, Stdin};

/// What a command line, an argument vector or a script comes to.
#[derive(Clone)]
enum What {
    Shell(Text),
    Argv(Vec<Text>),
    Script {
        name: String,
        text: Arc<str>,
        args: Vec<Text>,
    },
}

/// What is run, and how.
#[derive(Clone)]
pub(super) struct Run {
    place: Place,
    what: What,
    shell: crate::transport::Shell,
    input: Option<Text>,
    cwd: Option<String>,
    output_to: Option<PathBuf>,
    plain: bool,
    show: bool,
    modifiers: Modifiers,
}

pub(super) fn plan(cx: &PlanContext) -> Result<Box<dyn Request>, StepError> {
    let fields = Fields::render(&cx.step.params, cx.context)?;
    Ok(Box::new(Run::of(&fields, cx)?))
}

impl Run {
    /// A command of these parameters, with the modifiers of the step.
    pub(super) fn of(fields: &Fields, cx: &PlanContext) -> Result<Self, StepError> {
        let place = Place::of(cx)?;
        let local = place.is_local();
        let what = if let Some(shell) = fields.get("shell") {
            What::Shell(shell.text()?)
        } else if let Some(argv) = fields.get("argv") {
            let argv = spliced(argv)?;
            if argv.is_empty() {
                return Err(StepError::input(
                    "`argv` names no program: what is left of it without its nones is empty",
                ));
            }
            What::Argv(argv)
        } else {
            let name = fields.need("script")?.text()?.value;
            What::Script {
                text: cx.lab.asset(&name)?,
                name,
                args: fields.get("args").map_or(Ok(Vec::new()), spliced)?,
            }
        };
        let output_to = fields.get("output_to");
        Ok(Self {
            shell: cx.lab.shell(cx.home, &place.name)?,
            place,
            what,
            input: fields.text("input")?,
            cwd: match fields.get("cwd") {
                Some(field) if local => {
                    let path = paths::local(cx, "cwd", field)?;
                    Some(path.to_string_lossy().into_owned())
                }
                field => field.map(Field::path_text).transpose()?,
            },
            output_to: output_to
                .map(|field| paths::local(cx, "output_to", field))
                .transpose()?,
            plain: fields.boolean("plain", false)?,
            show: fields.boolean("show", true)?,
            modifiers: Modifiers::of(cx.step, cx.context, &[0])?,
        })
    }

    fn shown(&self) -> String {
        match &self.what {
            What::Shell(text) => text.shown().trim_end().to_owned(),
            What::Argv(argv) => words(argv),
            What::Script { name, args, .. } if args.is_empty() => name.clone(),
            What::Script { name, args, .. } => format!("{name} {}", words(args)),
        }
    }

    pub(super) fn describe(&self) -> Vec<String> {
        let mut with = Vec::new();
        with.extend(self.cwd.as_ref().map(|cwd| format!("in {cwd}")));
        with.extend(self.modifiers.env.iter().map(|(name, value)| match value {
            Some(value) => format!("{name}={}", words(std::slice::from_ref(value))),
            None => format!("without {name}"),
        }));
        let input = self.input.as_ref();
        with.extend(input.map(|input| format!("input of {}", plural(input.value.len(), "byte"))));
        let output = self.output_to.as_ref();
        with.extend(output.map(|path| format!("output to {}", path.display())));
        let mut shown = self.shown();
        if !with.is_empty() {
            shown.push_str(&format!("  ({})", with.join(", ")));
        }
        vec![self.place.describe(&shown)]
    }

    pub(super) fn deeds(&self) -> Vec<Deed> {
        let shown = |texts: &[Text]| texts.iter().map(|text| text.shown().to_owned()).collect();
        let line = match &self.what {
            What::Shell(text) => Line::Shell(text.shown().to_owned()),
            What::Argv(argv) => Line::Argv(shown(argv)),
            What::Script { name, args, .. } => Line::Script {
                name: name.clone(),
                args: shown(args),
            },
        };
        vec![Deed::Command {
            host: self.place.name.clone(),
            line,
            cwd: self.cwd.clone(),
            env: self.modifiers.shown_env(),
            input: self.input.as_ref().map(|input| input.shown().to_owned()),
        }]
    }

    pub(super) async fn execute(self, cx: &StepContext) -> Performed {
        let shown = self.shown();
        // Before the script, which nothing would remove if this failed.
        let keep = Keep {
            max: self.modifiers.max_output,
            to: self.output_to.as_deref().map(create).transpose()?,
            plain: self.plain,
            hidden: !self.show,
        };
        if self.plain {
            cx.notes.say(Note::Text(String::new())).await;
        }
        let mut script = None;
        let program = match self.what {
            What::Shell(text) => Program::Shell {
                shell: self.shell,
                text: text.value,
            },
            What::Argv(argv) => Program::Argv(argv.into_iter().map(|it| it.value).collect()),
            What::Script { text, args, .. } => {
                let put = PutScript::put(&self.place, &text, cx).await?;
                let argv = std::iter::once(put.path.clone());
                let argv = argv.chain(args.into_iter().map(|it| it.value)).collect();
                script = Some(put);
                Program::Argv(argv)
            }
        };
        let mut command = Command::new(program);
        command.cwd = self.cwd;
        if let Some(input) = self.input {
            command.stdin = Stdin::Bytes(Bytes::from(input.value));
        }
        let prepared = Prepared { command, shown }.with_env(&self.modifiers.env);
        let answer = run(&self.place, prepared, &self.modifiers.expect, keep, cx).await;
        if let Some(script) = script {
            script.remove(cx).await;
        }
        let answer = answer?;
        let mut fields = answer.fields();
        parse_into(
            &mut fields,
            "the output",
            &answer.kept.stdout,
            answer.kept.truncated,
            self.modifiers.parse,
        )
        .map_err(|error| error.with_tail(answer.kept.tail.clone()))?;
        // A file has all of it, or whoever reads standard output.
        if answer.kept.truncated && self.output_to.is_none() && !self.plain {
            super::modifiers::warn_truncated(self.modifiers.max_output, cx).await;
        }
        Ok(Output::of(fields))
    }
}

/// The words of an argument vector: nones are dropped, lists spliced.
fn spliced(argv: &Field) -> Result<Vec<Text>, StepError> {
    let mut words = Vec::new();
    for element in argv.list()? {
        if element.is_none() {
            continue;
        }
        if element.is_list() {
            for inner in element.list()?.iter().filter(|inner| !inner.is_none()) {
                words.push(inner.text()?);
            }
        } else {
            words.push(element.text()?);
        }
    }
    Ok(words)
}

impl Request for Run {
    fn describe(&self) -> Vec<String> {
        Self::describe(self)
    }

    fn deeds(&self) -> Vec<Deed> {
        Self::deeds(self)
    }

    fn perform(self: Box<Self>, cx: StepContext) -> Performing {
        Box::pin(async move { self.execute(&cx).await })
    }
}
