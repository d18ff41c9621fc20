//! The program: what the command line says, and its exit status.

use std::process::ExitCode;

use tf_engine::cli::{Children, main_with};

fn main() -> ExitCode {
    main_with(std::env::args_os(), Children::Ours).into()
}
