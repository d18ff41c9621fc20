//! Running a command for an action: its output shown and kept, its end judged by `expect`.

use std::fs::File;

use serde_json::json;

use super::fields::Text;
use super::output::{Collector, Keep, Kept};
use super::place::Place;
use super::{StepContext, StepError};
use crate::recipe::model::Expect;
use crate::recipe::template::shell_word;
use crate::recipe::{ErrorKind, Value};
use crate::transport::{Command, Ended, Fault, FaultKind, Program, Stdin};

/// As much of a command as stands in a message.
const SHOWN: usize = 300;

/// A command as it runs and as it is shown.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) command: Command,
    /// Secrets hidden.
    pub(super) shown: String,
}

impl Prepared {
    /// An argument vector.
    pub(super) fn argv(argv: &[Text]) -> Self {
        let values = argv.iter().map(|it| it.value.clone()).collect();
        Self {
            command: Command::new(Program::Argv(values)),
            shown: words(argv),
        }
    }

    /// An argument vector without secrets.
    pub(super) fn plain(argv: &[&str]) -> Self {
        let texts: Vec<Text> = argv.iter().map(|word| Text::plain(*word)).collect();
        Self::argv(&texts)
    }

    /// With an environment.
    pub(super) fn with_env(mut self, env: &[(String, Option<Text>)]) -> Self {
        self.command.env = env
            .iter()
            .map(|(name, value)| (name.clone(), value.as_ref().map(|it| it.value.clone())))
            .collect();
        self
    }

    /// With bytes as its input.
    pub(super) fn with_input(mut self, bytes: impl Into<bytes::Bytes>) -> Self {
        self.command.stdin = Stdin::Bytes(bytes.into());
        self
    }
}

/// An argument vector as a shell would have to be given it; secrets hidden.
pub(super) fn words(argv: &[Text]) -> String {
    let words: Vec<String> = argv
        .iter()
        .map(|word| match word.secret {
            true => word.shown().to_owned(),
            false => shell_word(&word.value).unwrap_or_else(|| format!("{:?}", word.value)),
        })
        .collect();
    words.join(" ")
}

/// A command as it stands in a message: one line, cut where it is long.
pub(super) fn brief(shown: &str) -> String {
    let line = shown.trim().replace('\n', " ⏎ ");
    match line.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line,
    }
}

/// How a command came out that ended as `expect` says.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    /// None where the link dropped, or a signal ended it.
    pub(super) exit: Option<u32>,
    pub(super) signal: Option<String>,
    pub(super) kept: Kept,
}

impl Answer {
    /// The fields `stdout`, `stderr`, `exit`, `signal`, `truncated`.
    pub(super) fn fields(&self) -> serde_json::Map<String, Value> {
        let mut fields = serde_json::Map::new();
        fields.insert("stdout".to_owned(), json!(self.kept.stdout));
        fields.insert("stderr".to_owned(), json!(self.kept.stderr));
        fields.insert("exit".to_owned(), json!(self.exit));
        fields.insert("signal".to_owned(), json!(self.signal));
        fields.insert("truncated".to_owned(), json!(self.kept.truncated));
        fields
    }
}

/// Runs a command to its end and judges it.
pub(super) async fn run(
    place: &Place,
    prepared: Prepared,
    expect: &Expect,
    keep: Keep,
    cx: &StepContext,
) -> Result<Answer, StepError> {
    let collector = Collector::new(&cx.lab, keep);
    let mut sink = collector.sink();
    let running = Box::pin(place.host.run(prepared.command, &mut sink, &cx.stop));
    let ended = collector.follow(running, &cx.notes, &cx.stop).await;
    let kept = collector.kept();
    let what = format!(
        "`{}`{}",
        brief(&cx.lab.mask(&prepared.shown)),
        place.suffix()
    );
    if cx.stop.ask.is_cancelled() || cx.stop.kill.is_cancelled() {
        return Err(stopped(&what).with_tail(kept.tail));
    }
    judge(&what, ended, expect, &kept)
}

/// Runs a command of the action's own, of which nothing is shown, for its standard output.
pub(super) async fn quietly(
    place: &Place,
    prepared: Prepared,
    max: usize,
    cx: &StepContext,
) -> Result<(Result<Ended, Fault>, Vec<u8>, String), StepError> {
    let mut bytes = Bytes {
        stdout: Vec::new(),
        stderr: Vec::new(),
        max,
    };
    let ended = place.host.run(prepared.command, &mut bytes, &cx.stop).await;
    if cx.stop.ask.is_cancelled() || cx.stop.kill.is_cancelled() {
        let what = format!("`{}`{}", brief(&prepared.shown), place.suffix());
        return Err(stopped(&what));
    }
    let stderr = String::from_utf8_lossy(&bytes.stderr);
    let stderr = cx.lab.mask(&stderr).trim_end().to_owned();
    Ok((ended, bytes.stdout, stderr))
}

/// Keeps the bytes as they are, up to a bound and one more.
struct Bytes {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    max: usize,
}

impl crate::transport::OutputSink for Bytes {
    fn output(&mut self, stream: crate::transport::Stream, bytes: &[u8]) {
        let (into, max) = match stream {
            crate::transport::Stream::Stdout => (&mut self.stdout, self.max.saturating_add(1)),
            crate::transport::Stream::Stderr => (&mut self.stderr, 64 * 1024),
        };
        let room = max.saturating_sub(into.len());
        into.extend(bytes.iter().take(room));
    }
}

/// What is said of something that was told to stop; the machine knows why, and which bound it was.
pub(super) fn stopped(what: &str) -> StepError {
    StepError::new(
        ErrorKind::Cancelled,
        format!("{what} had not ended and was stopped"),
    )
}

fn judge(
    what: &str,
    ended: Result<Ended, Fault>,
    expect: &Expect,
    kept: &Kept,
) -> Result<Answer, StepError> {
    let answer = |exit: Option<u32>, signal: Option<String>| Answer {
        exit,
        signal,
        kept: kept.clone(),
    };
    let failed = |kind: ErrorKind, message: String, answer: &Answer| {
        Err(StepError::new(kind, message)
            .with_tail(answer.kept.tail.clone())
            .with_output(Value::Object(answer.fields())))
    };
    let answer = match ended {
        Ok(Ended::Status(status)) => {
            let answer = answer(Some(status), None);
            if !expect.any && !expect.statuses.contains(&status) {
                let message = format!("{what} ended with exit status {status}");
                return failed(ErrorKind::Exit, message, &answer);
            }
            answer
        }
        Ok(Ended::Signal(name, number)) => {
            // 128+n is what a shell makes of it (POSIX.1-2024, Shell Command Language 2.8.2).
            let exit = expect.any.then(|| number.saturating_add(128));
            let answer = answer(exit, Some(name.clone()));
            if !expect.any && !expect.lost {
                let message = format!("{what} was ended by the signal {name}");
                return failed(ErrorKind::Lost, message, &answer);
            }
            answer
        }
        Err(fault) if fault.kind == FaultKind::Lost && expect.lost => answer(None, None),
        Err(fault) => {
            let error = StepError::from_fault(what, &fault);
            return failed(error.kind, error.message, &answer(None, None));
        }
    };
    if let Some(why) = &answer.kept.unwritten {
        let message = format!("the output of {what} could not be written: {why}");
        return failed(ErrorKind::Io, message, &answer);
    }
    Ok(answer)
}

/// Opens a file of the run directory for writing, with the folders that lead to it.
pub(super) fn create(path: &std::path::Path) -> Result<File, StepError> {
    let made = match path.parent() {
        Some(parent) => std::fs::create_dir_all(parent),
        None => Ok(()),
    };
    made.and_then(|()| File::create(path)).map_err(|error| {
        StepError::new(
            ErrorKind::Io,
            format!("{} can't be written: {error}", path.display()),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(ended: Result<Ended, Fault>, expect: &Expect) -> Result<Answer, ErrorKind> {
        judge("`x`", ended, expect, &Kept::default()).map_err(|error| error.kind)
    }

    #[test]
    fn expect_says_which_ends_are_success() {
        let zero = Expect {
            statuses: vec![0],
            ..Expect::default()
        };
        let any = Expect {
            any: true,
            ..Expect::default()
        };
        let lost = Expect {
            lost: true,
            statuses: vec![0],
            ..Expect::default()
        };
        let term = || Ok(Ended::Signal("TERM".to_owned(), 15));
        let dropped = || Err(Fault::new(FaultKind::Lost, "the link dropped"));
        let refused = || Err(Fault::new(FaultKind::Unreachable, "refused"));
        let exit = |result: Result<Answer, ErrorKind>| result.map(|answer| answer.exit);

        assert_eq!(exit(ended(Ok(Ended::Status(0)), &zero)), Ok(Some(0)));
        assert_eq!(
            exit(ended(Ok(Ended::Status(3)), &zero)),
            Err(ErrorKind::Exit)
        );
        assert_eq!(exit(ended(Ok(Ended::Status(3)), &any)), Ok(Some(3)));
        assert_eq!(exit(ended(term(), &zero)), Err(ErrorKind::Lost));
        assert_eq!(exit(ended(term(), &any)), Ok(Some(143)));
        assert_eq!(exit(ended(term(), &lost)), Ok(None));
        assert_eq!(exit(ended(dropped(), &lost)), Ok(None));
        assert_eq!(exit(ended(dropped(), &any)), Err(ErrorKind::Lost));
        assert_eq!(exit(ended(refused(), &lost)), Err(ErrorKind::Unreachable));
    }

    #[test]
    fn a_command_in_a_message_is_one_line_of_bounded_length() {
        assert_eq!(brief("a\nb\n"), "a ⏎ b");
        let long = "é".repeat(1000);
        assert_eq!(brief(&long).chars().count(), SHOWN + 1);
        let argv = [
            Text::plain("echo"),
            Text::plain("it's"),
            Text {
                value: "pw".to_owned(),
                secret: true,
            },
        ];
        assert_eq!(words(&argv), r"echo 'it'\''s' •••");
    }
}
