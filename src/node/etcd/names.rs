//! `/etc/hosts`: names that stay while machines come and go, in a block of our own.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use crate::error::Result;
use crate::node::host::Host;

/// The file.
pub const FILE: &str = "/etc/hosts";
const BEGIN: &str = "# kspot: begin (kept by kspot)";
const END: &str = "# kspot: end";

/// The text with our block as it should be; the rest stays as it is.
pub fn with_block(text: &str, names: &BTreeMap<String, IpAddr>) -> String {
    let mut inside = false;
    let mut kept: Vec<&str> = Vec::new();
    for line in text.lines() {
        match line.trim() {
            BEGIN => inside = true,
            END if inside => inside = false,
            _ if inside => {}
            _ => kept.push(line),
        }
    }
    let own = names.iter().map(|(name, address)| format!("{address} {name}"));
    let all = kept.into_iter().map(str::to_owned).chain([BEGIN.to_owned()]).chain(own).chain([END.to_owned()]);
    all.map(|line| line + "\n").collect()
}

/// Writes the block, in place: pods have the file mounted. Whether it had to be written.
pub async fn keep(host: &dyn Host, names: &BTreeMap<String, IpAddr>) -> Result<bool> {
    let before = host.text(FILE).await?.unwrap_or_default();
    let after = with_block(&before, names);
    if before == after {
        return Ok(false);
    }
    host.rewrite(Path::new(FILE), after.as_bytes()).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::host::fake::Fake;

    /// Other people's lines stay; ours are replaced, not piled up.
    #[tokio::test]
    async fn the_block_is_kept() {
        let host = Fake::default();
        host.put(FILE, "127.0.0.1 localhost\n# mine\n");
        let names = |address: &str| BTreeMap::from([("a.etcd".to_owned(), address.parse().unwrap())]);
        assert!(keep(&host, &names("10.0.0.1")).await.unwrap());
        assert!(!keep(&host, &names("10.0.0.1")).await.unwrap());
        assert!(keep(&host, &names("10.0.0.2")).await.unwrap());
        let text = host.get(FILE).unwrap();
        assert_eq!(text, format!("127.0.0.1 localhost\n# mine\n{BEGIN}\n10.0.0.2 a.etcd\n{END}\n"));
    }

    /// A block whose end was cut off is replaced, too.
    #[test]
    fn a_damaged_block() {
        let names = BTreeMap::from([("b".to_owned(), "::1".parse().unwrap())]);
        assert_eq!(with_block(&format!("x\n{BEGIN}\n10.0.0.1 a\n"), &names), format!("x\n{BEGIN}\n::1 b\n{END}\n"));
    }
}
