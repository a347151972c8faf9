//! `kspot toolbox logs`: what there is of one machine.

use clap::Args as ClapArgs;

use super::session::Session;
use super::update::Form;
use crate::error::Result;
use crate::ops::logs::{Logs, collect};
use crate::ui::health::phase;
use crate::ui::size;
use crate::ui::time::ago;

/// Show what there is of a machine: its state, how far its boot is, its console
///
/// The console is what EC2 keeps of it, the newest 64 KiB, some minutes late; of its lines those are shown that kspot's
/// agent wrote. It needs neither the machine nor the Kubernetes API to be reachable.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot toolbox logs i-0123456789abcdef0
  kspot toolbox logs i-0123456789abcdef0 --all       # every line of its console
  kspot toolbox logs i-0123456789abcdef0 -o json
")]
pub(super) struct Args {
    /// The machine's id
    instance: String,

    /// Every line of the console, also those of the kernel and of services
    #[arg(long)]
    all: bool,

    /// Form of the result
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let (site, specs) = session.site(None).await?;
        let reading = session.ui.waiting(&format!("reading the console of {}", self.instance));
        let logs = collect(&site, &specs, &self.instance, self.all).await?;
        drop(reading);
        match self.output {
            Form::Json => session.ui.json(&logs)?,
            Form::Text => self.show(session, &logs),
        }
        Ok(0)
    }

    fn show(&self, session: &Session, logs: &Logs) {
        let (ui, now, machine) = (&session.ui, session.context.now(), &logs.instance);
        let launched = machine.launched.map(|at| format!(", launched {}", ago(now, at))).unwrap_or_default();
        ui.data(format!(
            "{}: {}, group {}, {} ({}) in {}{launched}",
            machine.id, machine.state, machine.group, machine.instance_type, machine.lifecycle, machine.zone
        ));
        match &logs.boot {
            None => ui.data("  boot: it has said nothing"),
            Some(boot) if boot.is_over() => ui.data(format!("  boot: joined the cluster {}", ago(now, boot.when))),
            Some(boot) => {
                let began = boot.began.map(|at| format!(", began {}", ago(now, at))).unwrap_or_default();
                ui.data(format!("  boot: {}{began}, said {}", phase(boot, now), ago(now, boot.when)));
                if let Some(error) = &boot.error {
                    ui.data(format!("  last error: {error}"));
                }
            }
        }
        let Some(console) = &logs.console else {
            ui.data("  console: EC2 has nothing of it yet; it comes some minutes after what was printed");
            return;
        };
        let when = console.when.map(|at| format!(", as of {}", ago(now, at))).unwrap_or_default();
        ui.data(format!("  console: {}{when}", size::count(console.of, "line")));
        if !console.lines.is_empty() {
            ui.data(console.lines.join("\n"));
        } else if console.of > 0 {
            ui.say("  none of them is kspot's: --all shows them all");
        }
    }
}
