//! The shell text that a remote command is wrapped in.
//!
//! A server runs a command as the login's own shell does; all that is asked of that shell is to
//! understand single and double quotes. It replaces itself with `sh` (unless a command before has
//! told that the login's shell will do, which saves a millisecond). That one sets the environment,
//! enters the folder, sees that the program is there, says its process id on standard error and
//! replaces itself with the command. sshd has made that process the leader of a group
//! (`session.c`: `setsid`), other servers may not have (Dropbear): then `setsid` does, where it is
//! there. So the id is what the command can be ended by. The line is recognised by a random word and
//! taken out of the output.

use crate::transport::command::Command;
use crate::transport::fault::Fault;

/// The longest argument that Linux takes is 128 KiB (`MAX_ARG_STRLEN`, execve(2)), and sshd hands
/// the whole text over as one.
const LONGEST: usize = 128 * 1024 - 1;
/// Sets `$tfe_lead` to `setsid` if the process does not lead a group and the system can tell
/// (proc_pid_stat(5): after the name in brackets come state, parent and group).
const LEAD: &str = "tfe_lead=; if { read -r tfe_stat </proc/$$/stat; } 2>/dev/null; then \
    tfe_stat=${tfe_stat##*) }; tfe_stat=${tfe_stat#* }; tfe_stat=${tfe_stat#* }; \
    test \"${tfe_stat%% *}\" = $$ || ! command -v setsid >/dev/null 2>&1 || tfe_lead=setsid; fi; ";
/// A line that has got longer than this without ending is not ours.
const LONGEST_REPORT: usize = 64;

/// The text to execute for a command; `direct` if the login's shell is known to be a POSIX one.
///
/// # Errors
/// `Input`: the command makes no sense, or is too long.
pub(super) fn wrap(command: &Command, word: &str, direct: bool) -> Result<String, Fault> {
    command.check_env()?;
    let argv = command.program.argv()?;
    let mut script = String::new();
    for (name, value) in &command.env {
        match value {
            Some(value) => script.push_str(&format!("export {name}={}; ", quote(value))),
            None => script.push_str(&format!("unset {name}; ")),
        }
    }
    if let Some(cwd) = &command.cwd {
        if cwd.contains('\0') {
            return Err(Fault::input("the path of a folder can't hold a NUL byte"));
        }
        // Without a slash, `cd` would search $CDPATH, and take `-` for the last folder.
        let anchored = if cwd.starts_with('/') {
            cwd.clone()
        } else {
            format!("./{cwd}")
        };
        script.push_str(&format!(
            "cd {} >/dev/null 2>&1 || {{ echo {word} cwd >&2; exit 126; }}; ",
            quote(&anchored)
        ));
    }
    if let Some(program) = argv.first() {
        let quoted = quote(program);
        let there = if program.contains('/') {
            format!("test -x {quoted} && test ! -d {quoted}")
        } else {
            format!("command -v {quoted} >/dev/null 2>&1")
        };
        script.push_str(&format!(
            "{{ {there}; }} || {{ echo {word} program >&2; exit 127; }}; "
        ));
    }
    let quoted: Vec<String> = argv.iter().map(|argument| quote(argument)).collect();
    script.push_str(&format!(
        "{LEAD}echo {word} $$ ${{SHELL##*/}} >&2; exec $tfe_lead {}",
        quoted.join(" ")
    ));
    let text = if direct {
        script
    } else {
        format!("exec sh -c {}", quote(&script))
    };
    if text.len() > LONGEST {
        return Err(Fault::input(format!(
            "the command is too long to be sent: {} bytes with its quotes, and {LONGEST} is the \
             most; put the text into a script file or into the input",
            text.len()
        )));
    }
    Ok(text)
}

/// The text that ends a remote group: asked first, then made to, once a second or two have passed.
/// A server that gives commands no group of their own has at least the process ended.
pub(super) fn end(pid: u32, at_once: bool) -> String {
    let kill = format!("kill -s KILL -- -{pid} 2>/dev/null || kill -s KILL {pid} 2>/dev/null");
    let script = if at_once {
        format!("{kill}; :")
    } else {
        // One that is stopped would never hear of it.
        format!(
            "{{ kill -s TERM -- -{pid} && kill -s CONT -- -{pid}; }} 2>/dev/null \
             || kill -s TERM {pid} 2>/dev/null; :"
        )
    };
    format!("exec sh -c {}", quote(&script))
}

/// The text that ends what is left of a group whose leader has gone. What has been asked has about
/// two seconds to obey; not every `sleep` takes a fraction.
pub(super) fn sweep(pid: u32) -> String {
    let script = format!(
        "n=0; while kill -s 0 -- -{pid} 2>/dev/null && test $n -lt 20; do \
         if sleep 0.1 2>/dev/null; then n=$((n+1)); else sleep 1; n=$((n+10)); fi; done; \
         kill -s KILL -- -{pid} 2>/dev/null; :"
    );
    format!("exec sh -c {}", quote(&script))
}

/// Quotes for any shell: in single quotes, where `'` itself goes into double quotes. Unlike `\'`,
/// that means the same to csh and fish.
pub(super) fn quote(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:,+@%=".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) && !text.contains('=') {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r#"'"'"'"#))
}

/// What the wrapper said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// The command begins.
    Started {
        /// Its process, and its group.
        pid: u32,
        /// Whether the login's shell is one that reads this script as `sh` does.
        posix_login: bool,
    },
    /// The folder can't be entered. Nothing was started.
    NoFolder,
    /// There is no such program, or it can't be executed. Nothing was started.
    NoProgram,
}

/// Shells that read the wrapper as `sh` does.
const POSIX_SHELLS: [&str; 4] = ["sh", "bash", "dash", "ash"];

fn read_report(said: &str) -> Option<Report> {
    match said {
        "cwd" => Some(Report::NoFolder),
        "program" => Some(Report::NoProgram),
        _ => {
            let (pid, shell) = said.split_once(' ').unwrap_or((said, ""));
            let pid = pid.parse().ok().filter(|pid| *pid > 1)?;
            Some(Report::Started {
                pid,
                posix_login: POSIX_SHELLS.contains(&shell),
            })
        }
    }
}

/// Takes the wrapper's report out of standard error.
///
/// A login's start-up files may write before it, so it is looked for anywhere; bytes are held back
/// only while they may be its beginning.
pub(super) struct ReportReader {
    word: Vec<u8>,
    held: Vec<u8>,
    done: bool,
}

impl ReportReader {
    pub(super) fn new(word: &str) -> ReportReader {
        ReportReader {
            word: format!("{word} ").into_bytes(),
            held: Vec::new(),
            done: false,
        }
    }

    /// Passes on what is the command's own, and answers with the report when it is complete.
    pub(super) fn feed(&mut self, bytes: &[u8], mut pass: impl FnMut(&[u8])) -> Option<Report> {
        if self.done {
            pass(bytes);
            return None;
        }
        self.held.extend_from_slice(bytes);
        let begin = find(&self.held, &self.word);
        let keep = begin.unwrap_or_else(|| self.held.len() - self.suffix_that_may_begin());
        let rest = self.held.split_off(keep);
        let before = std::mem::replace(&mut self.held, rest);
        if !before.is_empty() {
            pass(&before);
        }
        begin?;
        let Some(end) = self.held.iter().position(|byte| *byte == b'\n') else {
            if self.held.len() > self.word.len() + LONGEST_REPORT {
                self.done = true;
                self.finish(pass);
            }
            return None;
        };
        self.done = true;
        let after = self.held.split_off(end + 1);
        let line = std::mem::take(&mut self.held);
        let said = line.get(self.word.len()..end).unwrap_or_default();
        let report = std::str::from_utf8(said).ok().and_then(read_report);
        if !after.is_empty() {
            pass(&after);
        }
        report
    }

    /// Passes on what was held back, at the end of the output.
    pub(super) fn finish(&mut self, mut pass: impl FnMut(&[u8])) {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            pass(&held);
        }
    }

    fn suffix_that_may_begin(&self) -> usize {
        (1..self.word.len().min(self.held.len() + 1))
            .rev()
            .find(|&length| {
                let suffix = self.held.get(self.held.len() - length..);
                suffix == self.word.get(..length)
            })
            .unwrap_or(0)
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::transport::FaultKind;
    use crate::transport::command::{Program, Shell};

    #[test]
    fn quotes_are_read_back_by_sh() {
        for text in [
            "",
            "plain",
            "a b",
            "it's",
            "'",
            "''",
            "$x `y` \\ \" !\n*?[a] ~",
            "-n",
            "A=b",
            "=ls",
        ] {
            let output = std::process::Command::new("sh")
                .args(["-c", &format!("printf %s {}", quote(text))])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
    }

    #[test]
    fn what_is_too_long_is_refused_by_length() {
        let command = Command::new(Program::Shell {
            shell: Shell::Sh,
            text: "x".repeat(200_000),
        });
        let fault = wrap(&command, "w", false).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Input);
        assert!(fault.message.contains("131071"), "{fault}");
    }

    #[test]
    fn the_report_is_found_and_taken_out() {
        #[track_caller]
        fn case(output: &str, report: Option<Report>, left: &str) {
            let mut reader = ReportReader::new("w0rd");
            let mut passed = Vec::new();
            let mut found = None;
            for byte in output.as_bytes() {
                let said = reader.feed(&[*byte], |bytes| passed.extend_from_slice(bytes));
                found = found.or(said);
            }
            reader.finish(|bytes| passed.extend_from_slice(bytes));
            assert_eq!(
                (found, String::from_utf8(passed).unwrap().as_str()),
                (report, left)
            );
        }
        let started = |pid, posix_login| Some(Report::Started { pid, posix_login });
        case("w0rd 42\nhello", started(42, false), "hello");
        case("w0rd 42 bash\nhello", started(42, true), "hello");
        case("motd w0rw0rd 42 fish\n", started(42, false), "motd w0r");
        case("w0rd cwd\n", Some(Report::NoFolder), "");
        case("w0rd program\nx", Some(Report::NoProgram), "x");
        case("nothing of the kind w0r", None, "nothing of the kind w0r");
        case("w0rd 1\n", None, "");
        let endless = format!("w0rd {}", "9".repeat(100));
        case(&endless, None, &endless);
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_or_added(output in proptest::collection::vec("[w0rd 1\n]{0,9}", 0..20)) {
            let mut reader = ReportReader::new("w0rd");
            let mut passed = Vec::new();
            for piece in &output {
                reader.feed(piece.as_bytes(), |bytes| passed.extend_from_slice(bytes));
            }
            reader.finish(|bytes| passed.extend_from_slice(bytes));
            let whole = output.concat();
            prop_assume!(whole.split('\n').all(|line| line.len() < LONGEST_REPORT / 2));
            let expected = match whole.split_once("w0rd ") {
                Some((before, rest)) => match rest.split_once('\n') {
                    Some((_, after)) => format!("{before}{after}"),
                    _ => whole.clone(),
                },
                None => whole.clone(),
            };
            prop_assert_eq!(String::from_utf8(passed).unwrap(), expected);
        }
    }
}
