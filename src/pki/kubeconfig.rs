//! kubeconfig: the file that `kubectl` and every other client reads.
//!
//! Only the entries of one cluster are touched; whatever else is in the file (other clusters, extensions, fields that
//! kspot does not know) stays.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_yaml::{Mapping, Value};

use super::issue::Pair;
use crate::error::{Context as _, Error, Result};

/// How one cluster is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The cluster's name, which its cluster, user and context have as well.
    pub name: String,
    /// `https://...`
    pub server: String,
    /// The name in the server's certificate, where that is not the server's.
    pub tls_server_name: Option<String>,
    /// The certificates of the authority that signed the server's, PEM.
    pub authority: String,
    /// The client's certificate and key; without them an existing user is kept.
    pub client: Option<Pair>,
}

/// Where the file is: as named, else the first of `KUBECONFIG`'s, else `~/.kube/config`.
pub fn place(named: Option<&Path>, env: impl Fn(&str) -> Option<String>) -> Result<PathBuf> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    if let Some(list) = env("KUBECONFIG") {
        let first = std::env::split_paths(&list).find(|path| !path.as_os_str().is_empty());
        if let Some(path) = first {
            return Ok(path);
        }
    }
    env("HOME").map(|home| Path::new(&home).join(".kube/config")).ok_or_else(|| {
        Error::failed("there is no place for the kubeconfig: HOME is not set").hint("name one with --kubeconfig FILE")
    })
}

/// The text with the entries of a cluster put in or replaced, and its context made the current one. An empty text is a
/// new file.
pub fn merge(text: &str, entries: &[Entry], current: Option<&str>) -> Result<String> {
    let mut config = match text.trim() {
        "" => Mapping::new(),
        _ => match serde_yaml::from_str(text) {
            Ok(Value::Mapping(config)) => config,
            Ok(_) => return Err(Error::failed("it is no kubeconfig: its top is not a mapping")),
            Err(e) => return Err(Error::failed("it is not YAML").because(e)),
        },
    };
    config.entry("apiVersion".into()).or_insert_with(|| "v1".into());
    config.entry("kind".into()).or_insert_with(|| "Config".into());
    for entry in entries {
        put(&mut config, "clusters", &entry.name, "cluster", cluster(entry))?;
        if let Some(client) = &entry.client {
            put(&mut config, "users", &entry.name, "user", user(client))?;
        }
        put(&mut config, "contexts", &entry.name, "context", context(entry))?;
    }
    if let Some(current) = current {
        config.insert("current-context".into(), current.into());
    }
    serde_yaml::to_string(&config).map_err(|e| Error::failed("can't write the kubeconfig as YAML").because(e))
}

/// Sets the fields that we know in the named item of a list; others of that item stay, unless they contradict.
fn put(config: &mut Mapping, list: &str, name: &str, field: &str, known: Known) -> Result<()> {
    let items = config.entry(list.into()).or_insert_with(|| Value::Sequence(Vec::new()));
    if items.is_null() {
        *items = Value::Sequence(Vec::new());
    }
    let items = items.as_sequence_mut().ok_or_else(|| Error::failed(format!("its {list} is no list")))?;
    let there = items.iter().position(|item| item.get("name").and_then(Value::as_str) == Some(name));
    let place = there.unwrap_or_else(|| {
        items.push(Value::Mapping(Mapping::from_iter([("name".into(), name.into())])));
        items.len() - 1
    });
    let item = items[place].as_mapping_mut().ok_or_else(|| Error::failed(format!("an item of its {list} is odd")))?;
    let inner = item.entry(field.into()).or_insert_with(|| Value::Mapping(Mapping::new()));
    if !inner.is_mapping() {
        *inner = Value::Mapping(Mapping::new());
    }
    if let Some(inner) = inner.as_mapping_mut() {
        known.contradicted.iter().for_each(|key| drop(inner.remove(*key)));
        for (key, value) in known.fields {
            inner.insert(key.into(), value.into());
        }
    }
    Ok(())
}

/// What is set, and what must not stand beside it.
struct Known {
    fields: Vec<(&'static str, String)>,
    contradicted: &'static [&'static str],
}

fn cluster(entry: &Entry) -> Known {
    let mut fields = vec![
        ("server", entry.server.clone()),
        ("certificate-authority-data", BASE64.encode(entry.authority.as_bytes())),
    ];
    fields.extend(entry.tls_server_name.clone().map(|name| ("tls-server-name", name)));
    Known { fields, contradicted: &["certificate-authority", "insecure-skip-tls-verify", "tls-server-name"] }
}

fn user(client: &Pair) -> Known {
    Known {
        fields: vec![
            ("client-certificate-data", BASE64.encode(client.public.as_bytes())),
            ("client-key-data", BASE64.encode(client.private.as_bytes())),
        ],
        contradicted: &["client-certificate", "client-key", "token", "tokenFile", "username", "password", "exec"],
    }
}

fn context(entry: &Entry) -> Known {
    Known { fields: vec![("cluster", entry.name.clone()), ("user", entry.name.clone())], contradicted: &[] }
}

/// The text without a cluster's entries. `None` if it has none, or if the one of that name trusts none of `authorities`
/// (PEM): then it is another cluster that is called the same.
pub fn forget(text: &str, name: &str, authorities: &str) -> Result<Option<String>> {
    let mut config: Mapping = match text.trim() {
        "" => return Ok(None),
        _ => serde_yaml::from_str(text).map_err(|e| Error::failed("it is no kubeconfig").because(e))?,
    };
    let is_named = |item: &Value| item.get("name").and_then(Value::as_str) == Some(name);
    let ours = |item: &Value| is_named(item) && trusts(item, authorities);
    if !config.get("clusters").and_then(Value::as_sequence).is_some_and(|all| all.iter().any(ours)) {
        return Ok(None);
    }
    for list in ["clusters", "users", "contexts"] {
        if let Some(items) = config.get_mut(list).and_then(Value::as_sequence_mut) {
            items.retain(|item| !is_named(item));
        }
    }
    if config.get("current-context").and_then(Value::as_str) == Some(name) {
        config.remove("current-context");
    }
    let text = serde_yaml::to_string(&config);
    text.map(Some).map_err(|e| Error::failed("can't write the kubeconfig as YAML").because(e))
}

/// Whether a cluster's entry trusts one of these authorities.
fn trusts(item: &Value, authorities: &str) -> bool {
    let data = item.get("cluster").and_then(|c| c.get("certificate-authority-data")).and_then(Value::as_str);
    let pem = data.and_then(|data| BASE64.decode(data).ok()).and_then(|bytes| String::from_utf8(bytes).ok());
    let blocks = |text: &str| -> Vec<String> {
        text.split_inclusive("-----END CERTIFICATE-----")
            .map(|b| b.trim().to_owned())
            .filter(|b| !b.is_empty())
            .collect()
    };
    let known = blocks(authorities);
    pem.is_some_and(|pem| blocks(&pem).iter().any(|block| known.contains(block)))
}

/// Changes the file in one step; it is readable by its owner only, whatever it was before. A file that is not there is
/// empty. Gives whether there was anything to change.
pub fn change(path: &Path, change: impl FnOnce(&str) -> Result<Option<String>>) -> Result<bool> {
    let doing = || format!("the kubeconfig {} can't be changed", path.display());
    // Somebody's link stays a link: what it leads to is replaced.
    let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let before = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(e).context(doing),
    };
    let Some(after) = change(&before).context(doing)? else { return Ok(false) };
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).context(doing)?;
    // Temporary files are made for their owner alone (0600), and the rename keeps that.
    let mut file = tempfile::NamedTempFile::new_in(dir).context(doing)?;
    file.write_all(after.as_bytes()).context(doing)?;
    file.as_file().sync_all().context(doing)?;
    file.persist(path).context(doing)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, client: bool) -> Entry {
        let client = client.then(|| Pair { public: "CERT".into(), private: "KEY".into() });
        Entry {
            name: name.into(),
            server: "https://api.example.com".into(),
            tls_server_name: Some("api.internal.c".into()),
            authority: "CA".into(),
            client,
        }
    }

    /// A new file has what kubectl needs.
    #[test]
    fn new_file() {
        insta::assert_snapshot!(merge("", &[entry("c", true)], Some("c")).unwrap(), @r"
        apiVersion: v1
        kind: Config
        clusters:
        - name: c
          cluster:
            server: https://api.example.com
            certificate-authority-data: Q0E=
            tls-server-name: api.internal.c
        users:
        - name: c
          user:
            client-certificate-data: Q0VSVA==
            client-key-data: S0VZ
        contexts:
        - name: c
          context:
            cluster: c
            user: c
        current-context: c
        ");
    }

    /// Other clusters, unknown fields and a namespace that somebody chose stay; a token beside our certificate goes.
    #[test]
    fn nothing_else_is_lost() {
        let text = "
kind: Config
preferences: {colors: true}
clusters:
- name: other
  cluster: {server: 'https://other', extensions: [{name: x, extension: {a: 1}}]}
- name: c
  cluster: {server: 'https://old', insecure-skip-tls-verify: true, proxy-url: 'socks5://p'}
contexts:
- name: c
  context: {cluster: c, user: c, namespace: mine}
users:
- name: c
  user: {token: t}
- name: other
  user: {exec: {command: aws}}
current-context: other
future: {field: 1}
";
        let merged: Value = serde_yaml::from_str(&merge(text, &[entry("c", true)], None).unwrap()).unwrap();
        let before: Value = serde_yaml::from_str(text).unwrap();
        for kept in ["preferences", "current-context", "future"] {
            assert_eq!(merged[kept], before[kept]);
        }
        assert_eq!((&merged["clusters"][0], &merged["users"][1]), (&before["clusters"][0], &before["users"][1]));
        assert_eq!(merged["contexts"][0]["context"]["namespace"], Value::from("mine"));
        assert_eq!(merged["clusters"][1]["cluster"]["proxy-url"], Value::from("socks5://p"));
        assert!(merged["clusters"][1]["cluster"].get("insecure-skip-tls-verify").is_none());
        assert!(merged["users"][0]["user"].get("token").is_none());
    }

    /// A deleted cluster's entries go, and nothing else; a cluster of the same name with another authority stays.
    #[test]
    fn forgetting() {
        let text = merge("", &[entry("c", true), entry("d", true)], Some("c")).unwrap();
        assert_eq!(forget(&text, "c", "OTHER CA").unwrap(), None);
        assert_eq!(forget(&text, "e", "CA").unwrap(), None);
        assert_eq!(forget("", "c", "CA").unwrap(), None);
        let gone: Value = serde_yaml::from_str(&forget(&text, "c", "CA\n").unwrap().unwrap()).unwrap();
        for list in ["clusters", "users", "contexts"] {
            assert_eq!(gone[list].as_sequence().unwrap().len(), 1, "{list}");
            assert_eq!(gone[list][0]["name"], Value::from("d"));
        }
        assert!(gone.get("current-context").is_none());
    }

    /// Merging twice is merging once.
    #[test]
    fn merging_again_changes_nothing() {
        let once = merge("", &[entry("c", true), entry("d", false)], Some("c")).unwrap();
        assert_eq!(merge(&once, &[entry("c", true), entry("d", false)], Some("c")).unwrap(), once);
    }

    /// What is no kubeconfig is left as it is.
    #[test]
    fn strange_files_are_refused() {
        assert!(merge("- a\n", &[entry("c", true)], None).is_err());
        assert!(merge("clusters: 7\n", &[entry("c", true)], None).is_err());
        assert!(merge("{", &[entry("c", true)], None).is_err());
    }

    /// The file is its owner's alone, even if it was everybody's; a link leads where it led; an error changes nothing.
    #[cfg(unix)]
    #[test]
    fn files_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("real"), dir.path().join("config"));
        std::fs::write(&file, "kind: Config\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        change(&link, |text| merge(text, &[entry("c", true)], None).map(Some)).unwrap();
        assert!(std::fs::read_to_string(&file).unwrap().contains("name: c"));
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        let before = std::fs::read_to_string(&file).unwrap();
        assert!(change(&link, |_| Err(Error::failed("no"))).is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
        change(&dir.path().join("a/b"), |text| merge(text, &[entry("c", true)], None).map(Some)).unwrap();
        assert!(!change(&dir.path().join("none"), |_| Ok(None)).unwrap() && !dir.path().join("none").exists());
        assert!(dir.path().join("a/b").exists());
    }

    /// The place follows the option, then KUBECONFIG, then HOME.
    #[test]
    fn place_of_the_file() {
        let env = |vars: &'static [(&str, &str)]| {
            move |name: &str| vars.iter().find(|(k, _)| *k == name).map(|(_, v)| (*v).to_owned())
        };
        assert_eq!(place(Some(Path::new("f")), env(&[])).unwrap(), Path::new("f"));
        assert_eq!(place(None, env(&[("KUBECONFIG", ":/a:/b")])).unwrap(), Path::new("/a"));
        assert_eq!(place(None, env(&[("HOME", "/h")])).unwrap(), Path::new("/h/.kube/config"));
        assert!(place(None, env(&[])).is_err());
    }
}
