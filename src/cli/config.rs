//! `kspot config`: what is set, and where it comes from.

use clap::Args as ClapArgs;
use serde_json::json;

use super::session::Session;
use crate::catalogue::cache::Cache;
use crate::error::Result;
use crate::ui::{Column, Listing, Output};

/// Show what is set, and where each setting comes from
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot config
  kspot config -o json
")]
pub(super) struct Args {
    /// Form of the list
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

impl Args {
    pub(super) fn run(self, session: &Session) -> Result<u8> {
        let mut listing =
            Listing::new("settings", [Column::new("setting"), Column::new("value").flexible(), Column::new("source")]);
        let mut add = |name: &str, value: Option<(String, &str)>| {
            let (value, source) = value.unwrap_or((String::new(), "not set"));
            let item = json!({ "setting": name, "value": value, "source": source });
            listing.push(name, item, [name.into(), value.as_str().into(), source.into()]);
        };
        let context = &session.context;
        add("state store", session.global.state_setting(context).map(|s| (s.value, s.source)));
        add("cluster", session.global.cluster_setting(context, None).ok().map(|s| (s.value, s.source)));
        let region = session.global.region.clone().map(|r| (r, "--region"));
        let named = |name: &'static str| context.env(name).map(|v| (v.to_owned(), name));
        add("region", region.or_else(|| named("AWS_REGION")).or_else(|| named("AWS_DEFAULT_REGION")));
        add("AWS profile", named("AWS_PROFILE"));
        add("AWS endpoint", named("AWS_ENDPOINT_URL"));
        let cache = Cache::from_env(|name| context.env(name).map(str::to_owned)).ok();
        let source = if context.env("KSPOT_CACHE_DIR").is_some() { "KSPOT_CACHE_DIR" } else { "default" };
        add("cache", cache.map(|c| (c.dir().display().to_string(), source)));
        add("editor", named("VISUAL").or_else(|| named("EDITOR")));
        session.ui.listing(&listing, self.output)?;
        Ok(0)
    }
}
