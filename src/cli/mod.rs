//! The command line: arguments, one file per subcommand, exit statuses.
//!
//! A subcommand builds a value and lets `report` write it. What it rejects is said on standard
//! error, with status 2.

mod bounded;
mod check;
mod completions;
mod connector;
pub mod exit;
mod explain;
mod explore;
mod findings;
mod graph;
mod list;
mod migrate;
mod new;
mod output;
mod parallel;
mod perform;
mod plan;
mod recipes;
mod run;
mod schema;
mod show;
mod stage;
mod test;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use exit::Exit;
use output::Streams;

/// Brings lab boards back to life, by recipes.
#[derive(Debug, Parser)]
#[command(name = "tf-engine", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every subcommand takes.
#[derive(Debug, Args)]
struct Global {
    /// A folder of recipes that come before the built-in ones; may be given several times
    #[arg(
        long = "recipes",
        global = true,
        value_name = "DIR",
        env = "TF_ENGINE_RECIPES",
        value_delimiter = ':'
    )]
    recipe_folders: Vec<PathBuf>,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    color: Color,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Plan(plan::Plan),
    Check(check::Check),
    Explore(explore::Explore),
    Test(test::Test),
    Migrate(migrate::Migrate),
    New(new::New),
    List(list::List),
    Show(show::Show),
    Graph(graph::Graph),
    Explain(explain::Explain),
    Schema(schema::Schema),
    Completions(completions::Completions),
}

/// Whose the process's children are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Children {
    /// The run's alone: whatever process is left when a command has ended came from it, and is ended.
    Ours,
    /// Other code in this process has children of its own; what a command left is known by a marker in
    /// its environment.
    Shared,
}

/// Whether a command line (beginning with the program's name) is one: documents are held against it.
///
/// # Errors
/// What is wrong with it.
pub fn parses<I, A>(args: I) -> Result<(), String>
where
    I: IntoIterator<Item = A>,
    A: Into<OsString> + Clone,
{
    match Cli::try_parse_from(args) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Does what the command line says (`args` begins with the program's name), on the process's own
/// streams and signals.
pub fn main_with<I, A>(args: I, children: Children) -> Exit
where
    I: IntoIterator<Item = A>,
    A: Into<OsString> + Clone,
{
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    if connector::is_called_so(args.first()) {
        return connector::main(&args, children);
    }
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let mut streams = Streams::new(cli.global.color);
    match cli.command {
        Command::Run(run) => run.run(&cli.global, &mut streams, children),
        Command::Plan(plan) => plan.run(&cli.global, &mut streams),
        Command::Check(check) => check.run(&cli.global, &mut streams),
        Command::Explore(explore) => explore.run(&cli.global, &mut streams),
        Command::Migrate(migrate) => migrate.run(&cli.global, &mut streams),
        Command::New(new) => new.run(&cli.global, &mut streams),
        Command::Test(test) => test.run(&cli.global, &mut streams),
        Command::List(list) => list.run(&cli.global, &mut streams),
        Command::Show(show) => show.run(&cli.global, &mut streams),
        Command::Graph(graph) => graph.run(&cli.global, &mut streams),
        Command::Explain(explain) => explain.run(&mut streams),
        Command::Schema(schema) => schema.run(&cli.global, &mut streams),
        Command::Completions(completions) => completions.run(&mut streams),
    }
}

/// Says what a command line lacks, or the help that it asks for: `--help` and `--version` are such
/// errors too.
fn usage(error: &clap::Error) -> Exit {
    // Nothing can be done where even this can't be said.
    let _ = error.print();
    if error.use_stderr() {
        Exit::Rejected
    } else {
        Exit::Success
    }
}
