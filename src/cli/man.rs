//! `kspot man`: manual pages.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::session::Session;
use crate::error::{Context as _, Result};

/// Print the manual page, or write one for every command
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot man | man -l -
  kspot man --out /usr/local/share/man/man1
")]
pub(super) struct Args {
    /// Write a page for every command to this directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Args {
    pub(super) fn run(self, session: &Session) -> Result<u8> {
        let command = super::definition();
        match self.out {
            Some(dir) => {
                std::fs::create_dir_all(&dir).context(|| format!("can't make {}", dir.display()))?;
                clap_mangen::generate_to(command, &dir).context(|| format!("can't write to {}", dir.display()))?;
                session.ui.say(format!("the manual pages are in {}", dir.display()));
            }
            None => {
                let mut page = Vec::new();
                clap_mangen::Man::new(command).render(&mut page).context(|| "can't make the manual page".into())?;
                session.ui.data(String::from_utf8_lossy(&page).trim_end());
            }
        }
        Ok(0)
    }
}
