//! `kspot etcd status`.

use clap::Args as ClapArgs;
use jiff::SignedDuration;
use serde_json::Value;

use crate::cli::session::Session;
use crate::error::Result;
use crate::ops::etcd::{self, Member};
use crate::ops::specs::open;
use crate::ui::size::bytes;
use crate::ui::time::ago;
use crate::ui::{Column, Listing, Output};

/// A member that has told nothing for so long is silent.
const SILENT: SignedDuration = SignedDuration::from_mins(3);

/// Show the members of etcd, as their machines told of them last
///
/// A machine tells of its members every minute, and when something changes, by way of the state store.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot etcd status
  kspot etcd status -o json
")]
pub(super) struct Args {
    /// Form of the list
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let (store, specs) = session.specs(None).await?;
        let store = open(&store, specs.cluster.name())?;
        let now = session.context.now();
        let columns = ["etcd", "member", "state", "instance", "version", "size", "revision", "told", "volume"];
        let mut listing = Listing::new("members", columns.map(Column::new));
        for member in etcd::members(&store, &etcd::clusters(&specs)).await? {
            let said = |name: &str| member.report.as_ref().and_then(|r| r.status.as_ref()?.get(name)).cloned();
            let text = |value: Option<Value>| {
                value.map_or_else(|| "-".to_owned(), |v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
            };
            let report = member.report.as_ref();
            let cells = [
                member.etcd.as_str().into(),
                member.member.as_str().into(),
                state(&member, now).into(),
                report.map_or("-", |r| r.instance.as_str()).into(),
                text(said("version")).into(),
                said("size").and_then(|v| v.as_u64()).map_or_else(|| "-".to_owned(), bytes).into(),
                text(said("revision")).into(),
                report.map_or_else(|| "-".to_owned(), |r| ago(now, r.when)).into(),
                member.seeded.as_ref().map_or("-", |s| s.volume.as_str()).into(),
            ];
            let item = serde_json::to_value(&member).unwrap_or_default();
            listing.push(format!("{}/{}", member.etcd, member.member), item, cells);
        }
        session.ui.listing(&listing, self.output)?;
        Ok(0)
    }
}

fn state(member: &Member, now: jiff::Timestamp) -> String {
    let Some(report) = &member.report else {
        return if member.seeded.is_some() { "silent" } else { "never seeded" }.to_owned();
    };
    if now.duration_since(report.when) > SILENT {
        return "silent".to_owned();
    }
    if let Some(error) = &report.error {
        return error.clone();
    }
    if let Some(why) = report.restore.as_ref().and_then(|restore| restore.error.as_ref()) {
        return format!("not restored: {why}");
    }
    if let Some(alarm) = report.alarms().first() {
        return alarm.clone();
    }
    let leads = report.status.as_ref().and_then(|s| s.get("leads")).and_then(Value::as_bool).unwrap_or_default();
    if leads { "leader" } else { "follower" }.to_owned()
}
