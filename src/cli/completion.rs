//! `kspot completion`: completion scripts for shells.

use clap::Args as ClapArgs;
use clap_complete::Shell;

use super::session::Session;
use crate::error::Result;

/// Print the completion script of a shell
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  source <(kspot completion bash)
  kspot completion zsh > ~/.zfunc/_kspot
  kspot completion fish > ~/.config/fish/completions/kspot.fish
")]
pub(super) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Args {
    pub(super) fn run(self, session: &Session) -> Result<u8> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::definition(), "kspot", &mut script);
        session.ui.data(String::from_utf8_lossy(&script).trim_end());
        Ok(0)
    }
}
