//! The command line: one file per command, holding its arguments (whose doc comments are the help) and one `run`.
//!
//! A command reads its arguments, calls one operation of [`crate::ops`], and shows what it gave through
//! [`crate::ui`]. It knows no AWS. Adding a command is one file and one line in `Command` (or in the enum of the verb
//! that it belongs to).

mod addons;
mod apply;
mod completion;
mod config;
mod create;
mod delete;
mod diff;
mod distrust;
mod drift;
mod edit;
mod etcd;
mod explain;
mod export;
mod get;
pub mod global;
mod history;
mod iam;
mod instance_types;
mod lock;
mod logs;
mod man;
mod node;
mod promote;
mod reach;
mod replace;
mod rollback;
mod selector;
mod session;
mod set;
mod specs;
mod toolbox;
mod update;
mod validate;
mod version;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::context::Context;
use crate::error::Result;
use crate::ui::{Options, Ui};
use global::Global;
use session::Session;

/// Examples stand first, since they are what most people look for.
const TEMPLATE: &str = "{about-with-newline}{before-help}\n{usage-heading} {usage}\n\n{all-args}{after-help}";

/// Self-managed Kubernetes clusters on AWS, spot first
///
/// The desired state is a set of versioned specs in a state store (an S3 bucket or a directory), the observed state is
/// AWS itself; every change is the difference between the two, shown before it is made.
#[derive(Parser, Debug)]
#[command(
    name = "kspot",
    version,
    help_template = TEMPLATE,
    before_help = "Examples:
  export KSPOT_STATE_STORE=$(kspot create state-store --auto)
  export KSPOT_CLUSTER_NAME=demo.k8s.local
  kspot create cluster --zones us-east-1a,us-east-1b,us-east-1c --control-plane-count 3
  kspot toolbox instance-selector spot --vcpus 4 --memory 16GiB --usage-class spot
  kspot update cluster            # shows every change
  kspot update cluster --yes      # makes them
",
    disable_help_subcommand = true,
    propagate_version = true
)]
struct Cli {
    #[command(flatten)]
    global: Global,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Create(create::Args),
    Apply(apply::Args),
    Get(get::Args),
    Edit(edit::Args),
    Set(set::SetArgs),
    Unset(set::UnsetArgs),
    Replace(replace::Args),
    Delete(delete::Args),
    Update(update::Args),
    Validate(validate::Args),
    Drift(drift::Args),
    Addons(addons::Args),
    Etcd(etcd::Args),
    Export(export::Args),
    Promote(promote::Args),
    Distrust(distrust::Args),
    History(history::Args),
    Diff(diff::Args),
    Rollback(rollback::Args),
    Lock(lock::Args),
    Toolbox(toolbox::Args),
    InstanceTypes(Box<instance_types::Args>),
    Iam(iam::Args),
    Explain(explain::Args),
    Config(config::Args),
    Version(version::Args),
    Completion(completion::Args),
    Man(man::Args),
    #[command(hide = true)]
    Node(node::Args),
}

impl Command {
    async fn run(self, session: &Session) -> Result<u8> {
        match self {
            Command::Create(args) => args.run(session).await,
            Command::Apply(args) => args.run(session).await,
            Command::Get(args) => args.run(session).await,
            Command::Edit(args) => args.run(session).await,
            Command::Set(args) => args.run(session).await,
            Command::Unset(args) => args.run(session).await,
            Command::Replace(args) => args.run(session).await,
            Command::Delete(args) => args.run(session).await,
            Command::Update(args) => args.run(session).await,
            Command::Validate(args) => args.run(session).await,
            Command::Drift(args) => args.run(session).await,
            Command::Addons(args) => args.run(session).await,
            Command::Etcd(args) => args.run(session).await,
            Command::Export(args) => args.run(session).await,
            Command::Promote(args) => args.run(session).await,
            Command::Distrust(args) => args.run(session).await,
            Command::History(args) => args.run(session).await,
            Command::Diff(args) => args.run(session).await,
            Command::Rollback(args) => args.run(session).await,
            Command::Lock(args) => args.run(session).await,
            Command::Toolbox(args) => args.run(session).await,
            Command::InstanceTypes(args) => args.run(session).await,
            Command::Iam(args) => args.run(session).await,
            Command::Explain(args) => args.run(session),
            Command::Config(args) => args.run(session),
            Command::Version(args) => args.run(session),
            Command::Completion(args) => args.run(session),
            Command::Man(args) => args.run(session),
            Command::Node(args) => args.run(session).await,
        }
    }
}

/// The command line's definition, with the help template in every subcommand.
pub fn definition() -> clap::Command {
    fn templated(command: clap::Command) -> clap::Command {
        command.help_template(TEMPLATE).mut_subcommands(templated)
    }
    templated(Cli::command())
}

/// Parses the process's arguments, runs the command, shows its error, and gives the exit code.
pub fn main() -> ExitCode {
    let matches = match definition().try_get_matches() {
        Ok(matches) => matches,
        Err(e) => return usage(&e),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(e) => return usage(&e),
    };
    let ui = Ui::new(Options {
        color: cli.global.color,
        quiet: cli.global.quiet,
        verbose: cli.global.verbose,
        ..Options::default()
    });
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            ui.error(&crate::Error::failed("can't start the runtime").because(e));
            return ExitCode::from(1);
        }
    };
    let session = Session::new(ui.clone(), Context::system(), cli.global.clone());
    let ended = runtime.block_on(cli.command.run(&session)).and_then(|code| ui.finish().map(|()| code));
    // A blocked background read (a terminal prompt) must not hold the process back.
    runtime.shutdown_background();
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(e) => {
            ui.error(&e);
            ExitCode::from(e.kind().exit_code())
        }
    }
}

/// clap's own messages: help and version are results (0), the rest is a usage error (2).
fn usage(error: &clap::Error) -> ExitCode {
    // Nothing can be done when the terminal is gone.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

#[cfg(test)]
mod tests {
    /// clap's own consistency checks hold for every command.
    #[test]
    fn the_definition_is_consistent() {
        super::definition().debug_assert();
    }

    /// No argument of a command has the id of a global option: clap would take one for the other.
    #[test]
    fn no_argument_hides_a_global_option() {
        fn check(command: &clap::Command, globals: &[&clap::Id]) {
            for sub in command.get_subcommands() {
                let hidden: Vec<_> =
                    sub.get_arguments().map(clap::Arg::get_id).filter(|id| globals.contains(id)).collect();
                assert!(hidden.is_empty(), "{}: {hidden:?}", sub.get_name());
                check(sub, globals);
            }
        }
        let root = super::definition();
        let globals: Vec<_> = root.get_arguments().filter(|a| a.is_global_set()).map(clap::Arg::get_id).collect();
        assert!(!globals.is_empty());
        check(&root, &globals);
    }

    /// Every command shows examples before anything else.
    #[test]
    fn every_command_has_examples() {
        fn check(command: &clap::Command) {
            for sub in command.get_subcommands() {
                check(sub);
            }
            if command.get_subcommands().next().is_none() {
                let help = command.get_before_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.starts_with("Examples:\n"), "{} has no examples", command.get_name());
            }
        }
        check(&super::definition());
    }
}
