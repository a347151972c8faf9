//! Options that every command takes, and the environment variables behind them.

use clap::Args;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::ui::ColorWhen;

/// `KSPOT_STATE_STORE`: where the specs are.
pub const STATE_STORE: &str = "KSPOT_STATE_STORE";
/// `KSPOT_CLUSTER_NAME`: which cluster commands are about.
pub const CLUSTER_NAME: &str = "KSPOT_CLUSTER_NAME";
/// kOps' names for the same, read when ours are not set.
const FALLBACKS: &[(&str, &str)] = &[(STATE_STORE, "KOPS_STATE_STORE"), (CLUSTER_NAME, "KOPS_CLUSTER_NAME")];

/// Options that every command takes.
#[derive(Args, Clone, Debug, Default)]
pub struct Global {
    /// The state store: s3://BUCKET[/PREFIX] or file:///DIRECTORY [env: KSPOT_STATE_STORE]
    #[arg(long, global = true, value_name = "URL", help_heading = "Global options")]
    pub state: Option<String>,

    /// The cluster's name [env: KSPOT_CLUSTER_NAME]
    #[arg(long, global = true, value_name = "CLUSTER", help_heading = "Global options")]
    pub name: Option<String>,

    /// The AWS region; else the cluster's own, else AWS_REGION or the profile's
    #[arg(long, global = true, value_name = "REGION", help_heading = "Global options")]
    pub region: Option<String>,

    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", help_heading = "Global options")]
    pub color: ColorWhen,

    /// Say nothing but results, warnings and errors
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub quiet: bool,

    /// Say more: -v shows causes in full, -vv every AWS call
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub verbose: u8,
}

/// A setting and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its value.
    pub value: String,
    /// `--state`, `KSPOT_STATE_STORE` ...
    pub source: &'static str,
}

/// The value of an environment variable of ours, or of kOps' name for it.
fn from_env(context: &Context, variable: &'static str) -> Option<Setting> {
    let set = |name: &'static str| {
        let value = context.env(name)?;
        (!value.is_empty()).then(|| Setting { value: value.to_owned(), source: name })
    };
    set(variable).or_else(|| FALLBACKS.iter().find(|(ours, _)| *ours == variable).and_then(|(_, kops)| set(kops)))
}

impl Global {
    /// The state store's URL and where it was set.
    pub fn state_setting(&self, context: &Context) -> Option<Setting> {
        let flag = self.state.clone().map(|value| Setting { value, source: "--state" });
        flag.or_else(|| from_env(context, STATE_STORE))
    }

    /// The cluster's name and where it was set: the positional argument, `--name`, or the environment. kubectl's
    /// context is never asked.
    pub fn cluster_setting(&self, context: &Context, positional: Option<&str>) -> Result<Setting> {
        match (positional, &self.name) {
            (Some(a), Some(b)) if a != b => Err(Error::usage(format!("two cluster names are given: {a} and {b}"))
                .hint("name the cluster once: as an argument or with --name")),
            (Some(a), _) => Ok(Setting { value: a.to_owned(), source: "argument" }),
            (None, Some(b)) => Ok(Setting { value: b.clone(), source: "--name" }),
            (None, None) => from_env(context, CLUSTER_NAME).ok_or_else(|| {
                Error::usage("no cluster is named").hint("name it with --name CLUSTER, or set KSPOT_CLUSTER_NAME")
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(env: &[(&str, &str)]) -> Context {
        let mut context = Context::fixed(jiff::Timestamp::UNIX_EPOCH, "ada", "host");
        for (k, v) in env {
            context = context.with_env(k, v);
        }
        context
    }

    /// A flag wins over our variable, ours over kOps'.
    #[test]
    fn precedence_is_flag_then_ours_then_kops() {
        let env = context(&[("KSPOT_STATE_STORE", "s3://ours"), ("KOPS_STATE_STORE", "s3://kops")]);
        let flag = Global { state: Some("s3://flag".into()), ..Global::default() };
        assert_eq!(flag.state_setting(&env).unwrap().value, "s3://flag");
        assert_eq!(Global::default().state_setting(&env).unwrap().source, "KSPOT_STATE_STORE");
        let kops = context(&[("KOPS_STATE_STORE", "s3://kops")]);
        assert_eq!(Global::default().state_setting(&kops).unwrap().source, "KOPS_STATE_STORE");
    }

    /// Two different names on one command line are refused, not guessed between.
    #[test]
    fn two_names_are_refused() {
        let global = Global { name: Some("a.example.com".into()), ..Global::default() };
        assert!(global.cluster_setting(&context(&[]), Some("b.example.com")).is_err());
        assert!(Global::default().cluster_setting(&context(&[]), None).is_err());
    }
}
