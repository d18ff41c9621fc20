//! One remote command from start to end.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelWriteHalf, Sig};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::io::ReaderStream;

use super::SshHost;
use super::link::{Link, NotOpened};
use super::script::{self, Report, ReportReader};
use crate::transport::command::{Command, Ended, OutputSink, Program, Stdin, Stop, Stream};
use crate::transport::fault::Fault;

/// How long a command may take to go after SIGKILL.
const KILL_PATIENCE: Duration = Duration::from_secs(10);
/// Bounds the command that sends a signal to another one.
const SIGNAL_LIMIT: Duration = Duration::from_secs(10);
/// Once the command has ended, output is read to its end. A process that was left behind may hold
/// it open: then until it has been silent this long, ...
const SILENCE: Duration = Duration::from_secs(1);
/// ... and no longer than this in all.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// Bounds the closing of a channel that the server has not closed.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
/// One read of a stream that goes to the command; a few packets (RFC 4253, 6.1: at most 32 KiB).
const CHUNK: usize = 128 * 1024;
/// RFC 4254, 5.2: the one kind of extended data that is defined.
const STDERR: u32 = 1;

type Signalling<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl SshHost {
    /// Runs a command; see [`Host::run`](crate::transport::Host::run).
    ///
    /// # Errors
    /// As there.
    pub async fn run(
        &self,
        command: Command,
        sink: &mut dyn OutputSink,
        stop: &Stop,
    ) -> Result<Ended, Fault> {
        let opened = tokio::select! {
            biased;
            () = stop.wanted() => return Err(self.not_begun()),
            opened = self.session() => opened,
        };
        let (link, channel) = opened?;
        self.run_in(&link, channel, command, sink, stop).await
    }

    /// Runs a command on this connection and no other.
    pub(super) async fn run_on(
        &self,
        link: &Arc<Link>,
        command: Command,
        sink: &mut dyn OutputSink,
        stop: &Stop,
    ) -> Result<Ended, Fault> {
        let channel = link
            .session()
            .await
            .map_err(|why| self.not_started(&why.to_string()))?;
        self.run_in(link, channel, command, sink, stop).await
    }

    /// A channel. A connection that was kept may have died unnoticed, for instance with a board
    /// that was switched off; nothing has been started on it, so another is made.
    async fn session(&self) -> Result<(Arc<Link>, Channel<Msg>), Fault> {
        let (link, reused) = self.link().await?;
        match link.session().await {
            Ok(channel) => return Ok((link, channel)),
            Err(NotOpened::Dead(_)) if reused => self.discard(&link).await,
            Err(why) => return Err(self.not_started(&why.to_string())),
        }
        let (link, _) = self.link().await?;
        match link.session().await {
            Ok(channel) => Ok((link, channel)),
            Err(why) => Err(self.not_started(&why.to_string())),
        }
    }

    async fn run_in(
        &self,
        link: &Arc<Link>,
        channel: Channel<Msg>,
        command: Command,
        sink: &mut dyn OutputSink,
        stop: &Stop,
    ) -> Result<Ended, Fault> {
        let word = format!("{:016x}", RandomState::new().hash_one(std::process::id()));
        let text = script::wrap(&command, &word, link.has_posix_login())?;
        let (mut read, write) = channel.split();
        tokio::select! {
            biased;
            () = stop.wanted() => return Err(self.not_begun()),
            sent = write.exec(true, text) => sent.map_err(|error| {
                self.not_started(&link.end().unwrap_or_else(|| error.to_string()))
            })?,
        }

        let mut guard = Guard {
            link: Arc::clone(link),
            pid: None,
            over: false,
        };
        let mut running = Running {
            report: ReportReader::new(&word),
            said: None,
            ended: None,
        };
        let mut feed = pin!(feed(&write, command.stdin));
        let mut feeding = true;
        let mut broken: Option<io::Error> = None;
        let (mut asked, mut killed) = (false, false);
        let mut sent: Option<(u8, Option<u32>)> = None;
        let mut signalling: Option<Signalling<'_>> = None;
        let mut deadline: Option<Instant> = None;
        let mut drained_by: Option<Instant> = None;

        loop {
            let open = running.ended.is_none();
            tokio::select! {
                message = read.wait() => {
                    match message.map(|message| running.take(message, sink)) {
                        Some(Took::Part) => {}
                        Some(Took::Refusal) => {
                            guard.over = true;
                            return Err(self.not_started("the server refused to run a command"));
                        }
                        Some(Took::End) | None => break,
                    }
                    if running.ended.is_some() {
                        let now = Instant::now();
                        let end = *drained_by.get_or_insert(now + DRAIN_LIMIT);
                        deadline = Some(end.min(now + SILENCE));
                    }
                }
                fed = &mut feed, if feeding && open => {
                    feeding = false;
                    broken = fed.err();
                }
                () = stop.ask.cancelled(), if !asked && open => asked = true,
                () = stop.kill.cancelled(), if !killed && open => killed = true,
                () = finish(&mut signalling), if signalling.is_some() => signalling = None,
                () = until(deadline), if deadline.is_some() => break,
            }
            guard.pid = running.pid(link);
            if running.ended.is_some() {
                continue;
            }
            let signal = if killed || broken.is_some() {
                deadline.get_or_insert(Instant::now() + KILL_PATIENCE);
                Sig::KILL
            } else if asked {
                Sig::TERM
            } else {
                continue;
            };
            // Without its number only the server can signal it, and many servers won't: it is sent
            // once more when the number comes.
            let news = Some((signal_rank(&signal), guard.pid));
            if news > sent {
                sent = news;
                signalling = Some(Box::pin(self.signal(link, &write, guard.pid, signal)));
            }
        }
        drop(signalling);
        running
            .report
            .finish(|bytes| sink.output(Stream::Stderr, bytes));
        let _ = timeout(CLOSE_LIMIT, write.close()).await;

        let at_once = killed || broken.is_some();
        if (asked || at_once)
            && let Some(pid) = guard.pid
        {
            self.sweep(link, pid, at_once, stop).await;
        }
        guard.over = true;
        match running.said {
            Some(Report::NoFolder) => return Err(self.no_folder(command.cwd.as_deref())),
            Some(Report::NoProgram) => return Err(self.no_program(&command.program)),
            Some(Report::Started { .. }) | None => {}
        }
        if let Some(error) = broken {
            return Err(Fault::io(format!(
                "the command on {} was killed because its input could not be read: {error}",
                self.target
            )));
        }
        running.ended.ok_or_else(|| self.lost(link, at_once))
    }

    /// Sends a signal to the command's group, over another channel or, where the server opens none,
    /// another connection. A server that will have neither may still pass on the signal itself
    /// (RFC 4254, 6.9).
    async fn signal(
        &self,
        link: &Link,
        write: &ChannelWriteHalf<Msg>,
        pid: Option<u32>,
        signal: Sig,
    ) {
        let sent = match pid {
            Some(pid) => {
                let at_once = matches!(signal, Sig::KILL);
                self.on_the_side(link, &script::end(pid, at_once)).await
            }
            None => false,
        };
        if !sent {
            let _ = write.signal(signal).await;
        }
    }

    /// Ends what is left of the group of a command that was told to end.
    async fn sweep(&self, link: &Link, pid: u32, at_once: bool, stop: &Stop) {
        if !at_once {
            let text = script::sweep(pid);
            tokio::select! {
                biased;
                _ = self.on_the_side(link, &text) => return,
                () = stop.kill.cancelled() => {}
            }
        }
        self.on_the_side(link, &script::end(pid, true)).await;
    }

    /// Whether a short command was run to its end.
    async fn on_the_side(&self, link: &Link, text: &str) -> bool {
        let attempt = async {
            if run_quietly(link, text).await {
                return true;
            }
            let Ok(other) = self.open().await else {
                return false;
            };
            let done = run_quietly(&other, text).await;
            other.close().await;
            done
        };
        timeout(SIGNAL_LIMIT, attempt).await.unwrap_or(false)
    }

    fn not_begun(&self) -> Fault {
        Fault::unreachable(format!(
            "the command was cancelled before it began on {}; nothing was started",
            self.target
        ))
    }

    fn not_started(&self, why: &str) -> Fault {
        Fault::unreachable(format!(
            "the command could not be started on {}: {why}; nothing was started",
            self.target
        ))
    }

    fn no_folder(&self, cwd: Option<&str>) -> Fault {
        Fault::io(format!(
            "the folder {} can't be entered on {}; nothing was started",
            cwd.unwrap_or("."),
            self.target
        ))
    }

    fn no_program(&self, program: &Program) -> Fault {
        let argv = program.argv().unwrap_or_default();
        let hint = match program {
            Program::Shell { .. } => "; `shell: sh` on the host needs no more than a POSIX shell",
            Program::Argv(_) | Program::Line(_) => "",
        };
        Fault::unreachable(format!(
            "`{}` is not there on {}, or can't be executed; nothing was started{hint}",
            argv.first().map_or("", String::as_str),
            self.target
        ))
    }

    fn lost(&self, link: &Link, kill_sent: bool) -> Fault {
        let target = &self.target;
        Fault::lost(match link.end() {
            Some(why) => format!("the connection to {target} was lost while a command ran: {why}"),
            None if link.is_closed() => {
                format!("the connection to {target} was lost while a command ran")
            }
            None if kill_sent => {
                format!("the command on {target} did not end within {KILL_PATIENCE:?} of SIGKILL")
            }
            None => format!("{target} ended the command without telling its exit status"),
        })
    }
}

/// What is known of a running command.
struct Running {
    report: ReportReader,
    said: Option<Report>,
    ended: Option<Ended>,
}

/// What a message was, for the loop.
enum Took {
    Part,
    Refusal,
    End,
}

impl Running {
    fn take(&mut self, message: ChannelMsg, sink: &mut dyn OutputSink) -> Took {
        match message {
            ChannelMsg::Data { data } => sink.output(Stream::Stdout, &data),
            ChannelMsg::ExtendedData { data, ext: STDERR } => {
                let said = self
                    .report
                    .feed(&data, |bytes| sink.output(Stream::Stderr, bytes));
                self.said = self.said.or(said);
            }
            ChannelMsg::ExitStatus { exit_status } => {
                self.ended = Some(Ended::Status(exit_status));
            }
            ChannelMsg::ExitSignal { signal_name, .. } => {
                self.ended = Some(Ended::signal_name(name(&signal_name)));
            }
            ChannelMsg::Failure => return Took::Refusal,
            ChannelMsg::Close => return Took::End,
            _ => {}
        }
        Took::Part
    }

    /// The process, once it is known; what else was said is noted for later commands.
    fn pid(&self, link: &Link) -> Option<u32> {
        match self.said {
            Some(Report::Started { pid, posix_login }) => {
                link.note_login(posix_login);
                Some(pid)
            }
            Some(Report::NoFolder | Report::NoProgram) | None => None,
        }
    }
}

/// Kills a command whose future is dropped, without waiting.
struct Guard {
    link: Arc<Link>,
    pid: Option<u32>,
    over: bool,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(pid) = self.pid.filter(|_| !self.over) else {
            return;
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let link = Arc::clone(&self.link);
            runtime.spawn(timeout(SIGNAL_LIMIT, async move {
                run_quietly(&link, &script::end(pid, true)).await
            }));
        }
    }
}

/// Runs a text on a channel of its own; whether it ended with an exit status.
async fn run_quietly(link: &Link, text: &str) -> bool {
    let Ok(mut channel) = link.session().await else {
        return false;
    };
    if channel.exec(true, text).await.is_err() {
        return false;
    }
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::ExitStatus { .. } => return true,
            ChannelMsg::Failure | ChannelMsg::Close => return false,
            _ => {}
        }
    }
    false
}

/// Hands the input over and closes it. A command that doesn't want all of its input is no error; an
/// input that can't be read is.
async fn feed(write: &ChannelWriteHalf<Msg>, stdin: Stdin) -> io::Result<()> {
    let taken = match stdin {
        Stdin::Empty => true,
        Stdin::Bytes(bytes) => write.data_bytes(bytes).await.is_ok(),
        Stdin::Stream(source) => {
            let mut chunks = ReaderStream::with_capacity(source, CHUNK);
            let mut taken = true;
            while let Some(chunk) = chunks.next().await {
                taken = write.data_bytes(chunk?).await.is_ok();
                if !taken {
                    break;
                }
            }
            taken
        }
    };
    if taken {
        let _ = write.eof().await;
    }
    Ok(())
}

/// SIGKILL is sent after SIGTERM, never the other way round.
fn signal_rank(signal: &Sig) -> u8 {
    u8::from(matches!(signal, Sig::KILL))
}

async fn finish(signalling: &mut Option<Signalling<'_>>) {
    match signalling {
        Some(signalling) => signalling.await,
        None => std::future::pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn name(signal: &Sig) -> &str {
    match signal {
        Sig::ABRT => "ABRT",
        Sig::ALRM => "ALRM",
        Sig::FPE => "FPE",
        Sig::HUP => "HUP",
        Sig::ILL => "ILL",
        Sig::INT => "INT",
        Sig::KILL => "KILL",
        Sig::PIPE => "PIPE",
        Sig::QUIT => "QUIT",
        Sig::SEGV => "SEGV",
        Sig::TERM => "TERM",
        Sig::USR1 => "USR1",
        Sig::Custom(name) => name,
    }
}
