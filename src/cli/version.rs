//! `kspot version`.

use clap::{Args as ClapArgs, ValueEnum};
use serde_json::json;

use super::session::Session;
use crate::error::Result;
use crate::spec::{API_VERSION, KubernetesVersion};

/// Show kspot's version and the releases of Kubernetes it knows
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot version
  kspot version -o json
")]
pub(super) struct Args {
    /// Form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,

    /// The bare version
    #[arg(long)]
    short: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
}

impl Args {
    pub(super) fn run(self, session: &Session) -> Result<u8> {
        let version = env!("CARGO_PKG_VERSION");
        let (oldest, newest) = (KubernetesVersion::OLDEST_MINOR, KubernetesVersion::NEWEST_MINOR);
        let (oldest, newest) = (format!("1.{oldest}"), format!("1.{newest}"));
        let default = KubernetesVersion::DEFAULT.to_string();
        match (self.short, self.output) {
            (true, _) => session.ui.data(version),
            (false, Form::Text) => session.ui.data(format!(
                "kspot       {version}\nspecs       {API_VERSION}\nKubernetes  {oldest} to {newest}, default {default}"
            )),
            (false, Form::Json) => session.ui.json(&json!({
                "version": version,
                "apiVersion": API_VERSION,
                "kubernetes": { "oldest": oldest, "newest": newest, "default": default },
            }))?,
        }
        Ok(0)
    }
}
