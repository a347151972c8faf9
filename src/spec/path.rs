//! Paths of fields, as people write and read them: `spec.subnets[0].cidr`, `spec.nodeLabels.kops.k8s.io/lifecycle`.

/// `parent.key`, or the key alone at the top.
pub(crate) fn child(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}

/// `parent[index]`.
pub(crate) fn item(parent: &str, index: usize) -> String {
    format!("{parent}[{index}]")
}

/// The path with every `[n]` written `[]`: what rules about fields are keyed by.
pub(crate) fn pattern(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut in_index = false;
    for c in path.chars() {
        match c {
            '[' => in_index = true,
            ']' => in_index = false,
            _ if in_index => continue,
            _ => {}
        }
        out.push(c);
    }
    out
}

/// The path without its last step, for positions of fields that are not written.
pub(crate) fn parent(path: &str) -> Option<&str> {
    path.rfind(['.', '[']).map(|i| &path[..i])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rule about a list's items finds each of them.
    #[test]
    fn pattern_forgets_indices() {
        assert_eq!(pattern("spec.etcdClusters[12].etcdMembers[0].name"), "spec.etcdClusters[].etcdMembers[].name");
    }

    /// A field that is not written is looked for where it would stand.
    #[test]
    fn parent_drops_one_step() {
        assert_eq!(parent("spec.subnets[0].cidr"), Some("spec.subnets[0]"));
        assert_eq!(parent("spec.subnets[0]"), Some("spec.subnets"));
        assert_eq!(parent("spec"), None);
    }
}
