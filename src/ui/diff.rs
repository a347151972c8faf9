//! The difference of two texts, line by line.

use similar::{ChangeTag, TextDiff};

use super::Role;

/// Lines of context around a change.
const CONTEXT: usize = 3;

/// One line of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Goes.
    Removed(String),
    /// Comes.
    Added(String),
    /// Stays, and is near a change.
    Same(String),
    /// This many lines that stay are left out.
    Gap(usize),
}

/// The lines that differ with those around them; empty when the texts are equal.
pub(super) fn lines(before: &str, after: &str) -> Vec<Line> {
    let diff = TextDiff::from_lines(before, after);
    let mut shown = Vec::new();
    let mut next = 0;
    for group in diff.grouped_ops(CONTEXT) {
        let starts = group.first().map_or(next, |op| op.old_range().start);
        if starts > next {
            shown.push(Line::Gap(starts - next));
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let text = change.value().trim_end_matches(['\n', '\r']).to_owned();
            shown.push(match change.tag() {
                ChangeTag::Delete => Line::Removed(text),
                ChangeTag::Insert => Line::Added(text),
                ChangeTag::Equal => Line::Same(text),
            });
        }
        next = group.last().map_or(next, |op| op.old_range().end);
    }
    let rest = diff.old_len().saturating_sub(next);
    if rest > 0 && !shown.is_empty() {
        shown.push(Line::Gap(rest));
    }
    shown
}

/// A unified diff under the names of the two texts, as `diff -u` and `patch` know it; empty when the texts are equal.
pub fn unified(before: (&str, &str), after: (&str, &str)) -> String {
    let diff = TextDiff::from_lines(before.1, after.1);
    let plain = diff.unified_diff().context_radius(CONTEXT).header(before.0, after.0).to_string();
    let mut text = String::new();
    for line in plain.lines() {
        let role = match line.as_bytes() {
            [b'-', b'-', b'-', b' ', ..] | [b'+', b'+', b'+', b' ', ..] => Some(Role::Strong),
            [b'@', ..] => Some(Role::Name),
            [b'-', ..] => Some(Role::Delete),
            [b'+', ..] => Some(Role::Add),
            _ => None,
        };
        text.push_str(&role.map_or_else(|| line.to_owned(), |r| r.paint(line).to_string()));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(changed: u32) -> String {
        (1..=20).map(|n| if n == changed { "changed\n".to_owned() } else { format!("{n}\n") }).collect()
    }

    /// Far lines are counted, near ones shown, and what `patch` reads stays exact.
    #[test]
    fn only_what_is_near_a_change_is_shown() {
        let seen = lines(&numbers(0), &numbers(10));
        assert_eq!(seen.first(), Some(&Line::Gap(6)));
        assert_eq!(seen[4..6], [Line::Removed("10".into()), Line::Added("changed".into())]);
        assert_eq!(seen.last(), Some(&Line::Gap(7)));
        assert_eq!(lines("a\n", "a\n"), []);
        let unified = unified(("revision 3", &numbers(0)), ("revision 4", &numbers(20)));
        insta::assert_snapshot!(anstream::adapter::strip_str(&unified).to_string(), @r"
        --- revision 3
        +++ revision 4
        @@ -17,4 +17,4 @@
         17
         18
         19
        -20
        +changed
        ");
    }
}
