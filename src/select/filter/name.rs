//! Lists and patterns of names.

use super::Filter;
use crate::select::query::Query;

pub(super) fn filters<'a>(q: &Query) -> Vec<Filter<'a>> {
    let listed = (!q.instance_types.is_empty()).then(|| {
        let names = q.instance_types.clone();
        let want = names.iter().cloned().collect::<Vec<_>>().join(", ");
        Filter::new("instance-types", want, move |t| {
            if names.iter().any(|name| name.eq_ignore_ascii_case(&t.name)) { Ok(()) } else { Err(t.name.clone()) }
        })
    });
    let allowed = q.allow_list.clone().map(|pattern| {
        Filter::new("allow-list", format!("a name like {}", pattern.as_str()), move |t| {
            if pattern.matches(&t.name) { Ok(()) } else { Err(t.name.clone()) }
        })
    });
    let denied = q.deny_list.clone().map(|pattern| {
        Filter::new("deny-list", format!("no name like {}", pattern.as_str()), move |t| {
            if pattern.matches(&t.name) { Err(t.name.clone()) } else { Ok(()) }
        })
    });
    [listed, allowed, denied].into_iter().flatten().collect()
}
