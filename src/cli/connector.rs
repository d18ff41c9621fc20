//! The drop-in command: called by the name of Testflinger's device connectors, through a link, the
//! program takes their arguments and leaves their files, so that an agent needs no other config.
//!
//! ```text
//! ln -s tf-engine testflinger-device-connector
//! testflinger-device-connector muxpi provision -c default.yaml testflinger.json
//! ```

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use clap::{CommandFactory, FromArgMatches, Parser};
use rustix::process::{Signal, set_parent_process_death_signal};

use super::output::Streams;
use super::perform::{Performance, Performed};
use super::stage::{StageArgs, document};
use super::{Children, Exit, list};
use crate::engine::journal::is_held;
use crate::recipe::Verdict;
use crate::recipe::library::Library;
use crate::recipe::vocabulary::keys::STAGES;
use crate::report::testflinger::{DEVICE_INFO_FILE, ERROR_FILE, write_device_info, write_error};
use crate::report::{Console, Readers, Writer};

/// The names that it is called by; the second is the older one.
const NAMES: [&str; 2] = ["testflinger-device-connector", "snappy-device-agent"];

/// How long a stage waits for the one before it in the same directory: an agent that has killed the
/// shell around us goes on at once, while the board is still being left in order.
const PATIENCE: Duration = Duration::from_secs(600);

/// How often it looks whether that one has ended.
const LOOK: Duration = Duration::from_millis(100);

/// Run a stage of a device type, as Testflinger's agent does
///
/// Exit status: 0 the stage succeeded, 1 it failed, 2 rejected before anything was touched, 46 recovery
/// itself failed, 130 and 143 cancelled by SIGINT or SIGTERM; of `runtest` the tests' own otherwise.
#[derive(Debug, Parser)]
#[command(
    disable_version_flag = true,
    infer_long_args = true,
    max_term_width = 100
)]
struct Connector {
    /// The device type: the name of a recipe
    device: String,
    /// What is to be done
    #[arg(value_parser = STAGES.to_vec())]
    stage: String,
    /// The board's config (YAML)
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// The job data (JSON)
    job_data: PathBuf,
}

/// Whether the program was called by a device connector's name.
pub(super) fn is_called_so(program: Option<&OsString>) -> bool {
    let name = program.and_then(|program| Path::new(program).file_name());
    name.is_some_and(|name| NAMES.iter().any(|known| name == OsStr::new(known)))
}

/// Does what the command line (`args` begins with the program's name) says.
pub(super) fn main(args: &[OsString], children: Children) -> Exit {
    let library = Library::new(
        std::env::var_os("TF_ENGINE_RECIPES")
            .iter()
            .flat_map(std::env::split_paths),
    );
    let parsed = command(args, &library)
        .try_get_matches_from(args)
        .and_then(|matches| Connector::from_arg_matches(&matches));
    match parsed {
        Ok(connector) => connector.run(&library, children),
        Err(error) => super::usage(&error),
    }
}

/// The command line's form; it tells the device types where somebody asks for help.
fn command(args: &[OsString], library: &Library) -> clap::Command {
    let asks = |arg: &OsString| arg == "-h" || arg == "--help";
    let command = Connector::command();
    if args.iter().any(asks) {
        let types = list::entries(library).into_iter();
        let types: Vec<String> = types.map(|entry| entry.name).collect();
        command.after_help(format!("Device types: {}", types.join(", ")))
    } else {
        command
    }
}

impl Connector {
    fn run(self, library: &Library, children: Children) -> Exit {
        // An agent that gives up kills the shell around us, and only that: then the board is left in
        // order, as at a SIGTERM. Where it can't be asked for, the next stage leaves it.
        let _ = set_parent_process_death_signal(Some(Signal::TERM));
        let run_dir = PathBuf::from(".");
        let config = document(&self.config);
        let agent = config
            .as_ref()
            .and_then(|config| config.get("agent_name")?.as_str())
            .unwrap_or_default();
        let mut streams = Streams::of_connector(agent);
        if let Some(config) = &config
            && let Err(error) = write_device_info(&run_dir, config)
        {
            streams.err(&format!(
                "tf-engine: {DEVICE_INFO_FILE} can't be written: {error}\n"
            ));
        }
        await_the_last(&run_dir, &mut streams);
        let console = Console::of_connector(Writer::standard(false), agent.to_owned());
        let stage = StageArgs {
            recipe: self.device,
            stage: self.stage,
            config: Some(self.config),
            job: Some(self.job_data),
            run_dir: run_dir.clone(),
        };
        let performed = Performance {
            stage: &stage,
            library,
            children,
            seed: None,
            readers: Readers::new(vec![Box::new(console)]),
        }
        .run(&mut streams);
        explain(&performed, &run_dir, &mut streams);
        performed.exit
    }
}

/// Says in the agent's file why it failed. A test that failed by itself is no error of ours: its status
/// and its output say all.
fn explain(performed: &Performed, run_dir: &Path, streams: &mut Streams) {
    let Some(outcome) = &performed.outcome else {
        return;
    };
    if matches!(outcome.verdict, Verdict::Ok | Verdict::Test) {
        return;
    }
    if let Err(error) = write_error(run_dir, outcome, &performed.story) {
        streams.err(&format!(
            "tf-engine: {ERROR_FILE} can't be written: {error}\n"
        ));
    }
}

fn await_the_last(run_dir: &Path, streams: &mut Streams) {
    let began = Instant::now();
    while is_held(run_dir) && began.elapsed() < PATIENCE {
        if began.elapsed() < LOOK {
            streams.note(&format!(
                "tf-engine: the last stage in this directory still leaves the board in order; \
                 it is waited for at most {} min\n",
                PATIENCE.as_secs() / 60
            ));
        }
        thread::sleep(LOOK);
    }
}
