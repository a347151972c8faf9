//! How a cluster is: the groups, what was found, and what changed while it was waited for.

use std::time::Duration;

use jiff::Timestamp;

use super::{Cell, Column, Role, Table, Ui, size, time};
use crate::validate::report::{Finding, News, Report, Severity};
use crate::validate::view::Boot;

/// How many findings of one severity a table shows; JSON has them all.
const SHOWN: usize = 20;

impl Ui {
    /// Prints a judgement: a table of groups, and one of findings if there are any.
    pub fn health(&self, report: &Report, now: Timestamp) {
        self.table(&groups(report), false);
        if report.findings.is_empty() {
            return;
        }
        self.data("");
        self.table(&findings(report, now), false);
        for (severity, what) in
            [(Severity::Blocks, "problem"), (Severity::Churn, "note"), (Severity::Warning, "warning")]
        {
            let all = report.findings.iter().filter(|f| f.severity == severity).count();
            if all > SHOWN {
                self.say(format!("and {} more; -o json lists them all", size::count(all - SHOWN, what)));
            }
        }
    }

    /// Says what changed between two looks, on stderr.
    pub fn health_news(&self, news: &News<'_>, after: Duration, now: Timestamp) {
        let after = format!("{:>7}", time::duration(after));
        let lines = |all: &[&Finding], line: &dyn Fn(&Finding) -> String| {
            for finding in all.iter().take(SHOWN) {
                self.say(format!("{} {}", Role::Dim.paint(&after), line(finding)));
            }
            if all.len() > SHOWN {
                self.say(format!("{} and {} more", Role::Dim.paint(&after), all.len() - SHOWN));
            }
        };
        lines(&news.over, &|f| format!("{} {} {}", Role::Add.paint("ok"), f.kind.as_str(), f.name));
        lines(&news.found, &|f| {
            format!(
                "{} {} {}: {}",
                mark(f.severity).0.paint(mark(f.severity).1),
                f.kind.as_str(),
                f.name,
                message(f, now)
            )
        });
    }
}

/// A finding's message with the time that a boot has been where it is.
fn message(finding: &Finding, now: Timestamp) -> String {
    let Some(boot) = &finding.boot else { return finding.message.clone() };
    match finding.message.split_once(&format!(": {}", boot.phase)) {
        Some((before, after)) => format!("{before}: {}{after}", phase(boot, now)),
        None => finding.message.clone(),
    }
}

/// `downloading https://example.com/kubelet for 1m 20s`; of an agent that does not tell since when, how long it has been
/// booting.
pub fn phase(boot: &Boot, now: Timestamp) -> String {
    let long = |then: Timestamp| time::duration(now.duration_since(then).try_into().unwrap_or_default());
    match (boot.since, boot.began) {
        (Some(since), _) => format!("{} for {}", boot.phase, long(since)),
        (None, Some(began)) => format!("{}, {} into its boot", boot.phase, long(began)),
        (None, None) => boot.phase.clone(),
    }
}

/// The look and the word of a severity.
fn mark(severity: Severity) -> (Role, &'static str) {
    match severity {
        Severity::Blocks => (Role::Delete, "problem"),
        Severity::Churn => (Role::Dim, "churn"),
        Severity::Warning => (Role::Warning, "warning"),
    }
}

fn groups(report: &Report) -> Table {
    let mut table = Table::new([
        Column::new("instance group"),
        Column::new("role"),
        Column::new("desired").right(),
        Column::new("ready").right(),
        Column::new("coming").right(),
        Column::new("going").right(),
        Column::new("failing").right(),
    ]);
    for group in &report.groups {
        let count = |n: u32| Cell::new(n.to_string());
        let ready = if group.desired.is_some_and(|d| group.ready >= d) { Role::Add } else { Role::Warning };
        let failing = if group.failing > 0 { count(group.failing).role(Role::Delete) } else { count(0) };
        table.row([
            group.name.as_str().into(),
            format!("{:?}", group.role).into(),
            group.desired.map(|d| d.to_string()).unwrap_or_default().into(),
            count(group.ready).role(ready),
            count(group.coming),
            count(group.going),
            failing,
        ]);
    }
    table
}

fn findings(report: &Report, now: Timestamp) -> Table {
    let mut table = Table::new([
        Column::new("severity"),
        Column::new("kind"),
        Column::new("name"),
        Column::new("message").flexible(),
        Column::new("since"),
    ]);
    let mut shown = std::collections::BTreeMap::<Severity, usize>::new();
    for finding in &report.findings {
        let so_far = shown.entry(finding.severity).or_default();
        *so_far += 1;
        if *so_far > SHOWN {
            continue;
        }
        let (role, word) = mark(finding.severity);
        table.row([
            Cell::new(word).role(role),
            finding.kind.as_str().into(),
            finding.name.as_str().into(),
            message(finding, now).into(),
            finding.since.map(|since| time::ago(now, since)).unwrap_or_default().into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Role as Machines;
    use crate::validate::report::{GroupCount, Kind};

    fn report(findings: usize) -> Report {
        let finding = |n: usize| Finding {
            severity: Severity::Blocks,
            kind: Kind::Node,
            name: format!("i-{n:03}"),
            group: Some("nodes".into()),
            message: "is not ready: PLEG is not healthy".into(),
            since: Some(Timestamp::constant(940, 0)),
            boot: None,
        };
        let warning = Finding {
            severity: Severity::Warning,
            kind: Kind::Key,
            name: "etcd-ca 0001".into(),
            group: None,
            message: "expires soon".into(),
            since: None,
            boot: None,
        };
        let groups = vec![GroupCount {
            name: "nodes".into(),
            role: Machines::Node,
            desired: Some(5),
            ready: 3,
            coming: 1,
            going: 0,
            failing: 1,
        }];
        Report::new(Timestamp::constant(1000, 0), groups, (0..findings).map(finding).chain([warning]).collect())
    }

    /// Two tables; what blocks stands first.
    #[test]
    fn a_report() {
        let (ui, out, err) = Ui::captured();
        ui.health(&report(1), Timestamp::constant(1000, 0));
        insta::assert_snapshot!(out.take(), @r"
        INSTANCE GROUP   ROLE   DESIRED   READY   COMING   GOING   FAILING
        nodes            Node         5       3        1       0         1

        SEVERITY   KIND   NAME           MESSAGE                             SINCE
        problem    node   i-000          is not ready: PLEG is not healthy   1 minute ago
        warning    key    etcd-ca 0001   expires soon                        -
        ");
        assert_eq!(err.take(), "");
    }

    /// A boot's phase stands with the time that it has taken; an agent that does not tell it is known by its boot's.
    #[test]
    fn boots_have_times() {
        let boot = |since: Option<i64>, error: Option<&str>| Boot {
            phase: "downloading https://dl.k8s.io/kubelet".into(),
            error: error.map(str::to_owned),
            began: Some(Timestamp::constant(800, 0)),
            since: since.map(|s| Timestamp::constant(s, 0)),
            when: Timestamp::constant(990, 0),
        };
        let said = |boot: Boot| {
            let error = boot.error.as_ref().map(|e| format!(": {e}")).unwrap_or_default();
            let finding = Finding {
                message: format!("has not joined the cluster: {}{error}", boot.phase),
                boot: Some(boot),
                ..report(1).findings[0].clone()
            };
            message(&finding, Timestamp::constant(1000, 0))
        };
        assert_eq!(
            said(boot(Some(920), Some("the server answers 404"))),
            "has not joined the cluster: downloading https://dl.k8s.io/kubelet for 1m 20s: the server answers 404"
        );
        assert_eq!(
            said(boot(None, None)),
            "has not joined the cluster: downloading https://dl.k8s.io/kubelet, 3m 20s into its boot"
        );
        // A clock that is ahead is no time at all.
        assert!(said(boot(Some(1010), None)).ends_with("kubelet for 0.0s"));
    }

    /// Thousands of findings do not fill the screen.
    #[test]
    fn long_reports_are_cut() {
        let (ui, out, err) = Ui::captured();
        ui.health(&report(500), Timestamp::constant(1000, 0));
        assert_eq!(out.take().lines().filter(|l| l.starts_with("problem")).count(), SHOWN);
        assert_eq!(err.take(), "and 480 problems more; -o json lists them all\n");
    }

    /// Between two looks only what changed is said, with the time since the start.
    #[test]
    fn what_changed() {
        let (ui, _, err) = Ui::captured();
        let (before, after) = (report(1), report(0));
        let now = Timestamp::constant(1000, 0);
        ui.health_news(&before.since(None), Duration::from_secs(3), now);
        ui.health_news(&after.since(Some(&before)), Duration::from_secs(75), now);
        ui.health_news(&after.since(Some(&after)), Duration::from_secs(85), now);
        insta::assert_snapshot!(err.take(), @r"
          3.0s problem node i-000: is not ready: PLEG is not healthy
          3.0s warning key etcd-ca 0001: expires soon
        1m 15s ok node i-000
        ");
    }
}
