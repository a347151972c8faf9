//! What there is of one machine: what EC2 says of it, how far its boot is, and what its console shows.

use jiff::Timestamp;
use serde::Serialize;

use super::machines::{boot_of, boots};
use super::prepare::Site;
use super::specs::{Specs, open};
use crate::cloud::aws::lookup::Instance;
use crate::error::{Error, Result, did_you_mean};
use crate::validate::view::Boot;

/// What kspot's own lines on a console have.
const OURS: &str = "kspot:";

/// What there is of a machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Logs {
    /// What EC2 says.
    #[serde(flatten)]
    pub instance: Instance,
    /// How far its boot is, as it said last.
    pub boot: Option<Boot>,
    /// What its console shows; none while EC2 has nothing of it.
    pub console: Option<Console>,
}

/// What a console shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Console {
    /// When EC2 took it down.
    pub when: Option<Timestamp>,
    /// How many lines it has.
    pub of: usize,
    /// The lines that were asked for: kspot's, or all.
    pub lines: Vec<String>,
}

/// Collects it; with `all`, every line of the console.
pub async fn collect(site: &Site, specs: &Specs, wanted: &str, all: bool) -> Result<Logs> {
    let store = open(&site.store, specs.cluster.name())?;
    let machines = site.cloud.instances(specs.cluster.name()).await?;
    let instance = machines.iter().find(|machine| machine.id == wanted).ok_or_else(|| {
        let error = Error::failed(format!("the cluster has no machine {wanted}"));
        let near = did_you_mean(wanted, machines.iter().map(|machine| machine.id.as_str()));
        let error = near.into_iter().fold(error, |e, near| e.hint(format!("did you mean {near}?")));
        error.hint("kspot get instances lists the machines")
    })?;
    let ids = [instance.id.clone()];
    let (console, told) = futures::try_join!(site.cloud.console(wanted), boots(&store, &ids))?;
    Ok(Logs {
        boot: boot_of(instance.launched, told.get(&instance.id)),
        instance: instance.clone(),
        console: console.map(|console| {
            let (of, lines) = lines(&console.text, all);
            Console { when: console.when, of, lines }
        }),
    })
}

/// How many lines there are, and those that were asked for, without what moves a terminal's cursor or colours its text.
fn lines(text: &str, all: bool) -> (usize, Vec<String>) {
    let every: Vec<String> = text.lines().map(plain).collect();
    let of = every.len();
    (of, every.into_iter().filter(|line| all || line.contains(OURS)).collect())
}

/// A line without its escape sequences and control characters.
fn plain(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' if rest.next_if_eq(&'[').is_some() => {
                // Parameters, then the letter that ends it.
                while rest.next_if(|c| !('@'..='~').contains(c)).is_some() {}
                rest.next();
            }
            '\t' => plain.push('\t'),
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Our own lines, whatever stands before them, or all; none can do anything to a terminal.
    #[test]
    fn lines_of_a_console() {
        let text = "[    0.0] Linux version 6.12\r\n[   14.2] kspot: instance=i-1 phase=kernel done\r\n\
                    \u{1b}[32mkspot:\u{1b}[0m phase=keys\u{7}\r\nlogin: \u{1b}";
        let ours = ["[   14.2] kspot: instance=i-1 phase=kernel done", "kspot: phase=keys"];
        assert_eq!(lines(text, false), (4, ours.map(str::to_owned).to_vec()));
        assert_eq!(lines(text, true).1.len(), 4);
        assert_eq!(lines(text, true).1[3], "login: ");
        assert_eq!(lines("", true), (0, Vec::new()));
    }
}
