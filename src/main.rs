//! The `kspot` binary: parse, run, exit code; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    kspot::cli::main()
}
