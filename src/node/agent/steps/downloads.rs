//! What the machine downloads: all at once, resumed where it broke off, checked, and put where it belongs.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use flate2::read::GzDecoder;
use futures::future::join_all;

use crate::digest::{sha256, sha256_of};
use crate::download;
use crate::error::{Context, Error, Result};
use crate::node::agent::report::Reporter;
use crate::node::agent::step::Step;
use crate::node::configuration::{Asset, Checksum};
use crate::node::host::Host;

/// Where downloads wait until they are whole and right.
const CACHE: &str = "var/cache/kspot";
/// Per asset, the URL and the checksum of what is installed.
const INSTALLED: &str = "var/lib/kspot/installed";

/// The files of the configuration.
pub struct Downloads {
    /// What is wanted.
    pub assets: Vec<Asset>,
    /// The machine's root directory.
    pub root: PathBuf,
}

/// How an asset becomes files.
enum Form {
    /// A program, as it is.
    Program(&'static str),
    /// The programs in an archive; `from` is cut off their paths, the rest is below `to`.
    Archive { from: &'static str, to: &'static str },
}

/// Where the assets go: the places that their projects document.
fn form(name: &str) -> Result<Form> {
    Ok(match name {
        "kubelet" => Form::Program("usr/local/bin/kubelet"),
        "kubeadm" => Form::Program("usr/local/bin/kubeadm"),
        "kubectl" => Form::Program("usr/local/bin/kubectl"),
        "crictl" => Form::Archive { from: "", to: "usr/local/bin" },
        "runc" => Form::Program("usr/local/sbin/runc"),
        "ecr-credential-provider" => Form::Program("usr/local/bin/ecr-credential-provider"),
        "containerd" => Form::Archive { from: "bin", to: "usr/local/bin" },
        "cni-plugins" => Form::Archive { from: "", to: "opt/cni/bin" },
        other => {
            return Err(Error::failed(format!("the configuration names the download {other}, which is not known")));
        }
    })
}

impl Downloads {
    /// What `INSTALLED` says of an asset that is in its place.
    fn note(asset: &Asset) -> String {
        let sum = match &asset.checksum {
            Checksum::Sha256(sum) => sum,
            Checksum::Sha256Url(url) => url,
        };
        format!("{}\n{sum}\n", asset.url)
    }

    fn note_file(&self, asset: &Asset) -> PathBuf {
        self.root.join(INSTALLED).join(&asset.name)
    }

    fn is_installed(&self, asset: &Asset) -> bool {
        std::fs::read_to_string(self.note_file(asset)).is_ok_and(|note| note == Self::note(asset))
            && match form(&asset.name) {
                Ok(Form::Program(place)) => self.root.join(place).is_file(),
                Ok(Form::Archive { to, .. }) => self.root.join(to).is_dir(),
                Err(_) => false,
            }
    }

    async fn install(&self, asset: &Asset) -> Result<()> {
        let wanted = match &asset.checksum {
            Checksum::Sha256(sum) => sum.clone(),
            Checksum::Sha256Url(url) => published(url, &asset.url).await?,
        };
        let cache = self.root.join(CACHE);
        std::fs::create_dir_all(&cache).context(|| format!("can't make the directory {}", cache.display()))?;
        let file = cache.join(format!("{}-{}", asset.name, sha256(asset.url.as_bytes()).get(..12).unwrap_or_default()));
        download::save(&asset.url, &file).await?;
        let (form, root, asset, kept) = (form(&asset.name)?, self.root.clone(), asset.clone(), file.clone());
        let placed = tokio::task::spawn_blocking(move || place(&asset.url, &kept, &wanted, &form, &root));
        placed.await.map_err(|e| Error::failed("unpacking a download was interrupted").because(e))?
    }
}

#[async_trait]
impl Step for Downloads {
    fn phase(&self) -> &'static str {
        "downloading"
    }

    async fn is_done(&self, _host: &dyn Host) -> Result<bool> {
        Ok(self.assets.iter().all(|asset| self.is_installed(asset)))
    }

    async fn act(&self, host: &dyn Host, report: &Reporter) -> Result<()> {
        let missing: Vec<&Asset> = self.assets.iter().filter(|asset| !self.is_installed(asset)).collect();
        if let Some(first) = missing.first() {
            report.detail(&first.url).await;
        }
        let all = missing.iter().map(|asset| async {
            self.install(asset).await?;
            host.replace(&self.note_file(asset), Self::note(asset).as_bytes(), 0o644).await
        });
        // Each is tried to its end: what is whole stays, and every problem is told.
        let mut failures = join_all(all).await.into_iter().filter_map(Result::err);
        let Some(first) = failures.next() else { return Ok(()) };
        Err(failures.fold(first, |first, next| first.detail(next.chain())))
    }
}

/// The sum that a project publishes: alone, or on the line that ends with the file's name.
async fn published(sums: &str, url: &str) -> Result<String> {
    let text = String::from_utf8_lossy(&download::fetch(sums).await?).into_owned();
    let name = url.rsplit('/').next().unwrap_or_default();
    let named =
        |line: &&str| line.split_whitespace().last().is_some_and(|f| f.trim_start_matches(['*', '.', '/']) == name);
    let line = text.lines().find(named).or_else(|| text.lines().next());
    let sum = line.and_then(|line| line.split_whitespace().next()).unwrap_or_default().to_lowercase();
    if sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(sum);
    }
    Err(Error::failed(format!("{sums} holds no sha256 of {name}")))
}

/// Checks a download and puts it into its place; a wrong one is thrown away, so that it is fetched anew.
fn place(url: &str, file: &Path, wanted: &str, form: &Form, root: &Path) -> Result<()> {
    let unreadable = || format!("can't read {}", file.display());
    let sum = sha256_of(file).context(unreadable)?;
    if sum != wanted {
        std::fs::remove_file(file).context(|| format!("can't remove {}", file.display()))?;
        return Err(Error::failed(format!("{url} is not what it should be: its sha256 is {sum}, not {wanted}")));
    }
    let content = File::open(file).context(unreadable)?;
    match form {
        Form::Program(to) => program(content, &root.join(to))?,
        Form::Archive { from, to } => {
            let broken = || format!("can't unpack {url}");
            let mut archive = tar::Archive::new(GzDecoder::new(content));
            for entry in archive.entries().context(broken)? {
                let entry = entry.context(broken)?;
                let path = entry.path().context(broken)?.into_owned();
                let path = path.strip_prefix("./").unwrap_or(&path);
                let inside = path.strip_prefix(from).ok().and_then(Path::to_str).filter(|p| !p.is_empty());
                let (Some(inside), true) = (inside, entry.header().entry_type().is_file()) else { continue };
                // A flat list of programs: nothing else is expected, and nothing leads out of the directory.
                if !inside.contains('/') && !inside.starts_with('.') {
                    program(entry, &root.join(to).join(inside))?;
                }
            }
        }
    }
    std::fs::remove_file(file).context(|| format!("can't remove {}", file.display()))
}

/// A program, in place of the one before; what runs keeps the old one.
fn program(mut content: impl Read, to: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let doing = || format!("can't write {}", to.display());
    let dir = to.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(dir).context(doing)?;
    let mut new = tempfile::Builder::new().prefix(".kspot-").tempfile_in(dir).context(doing)?;
    std::io::copy(&mut content, &mut new).context(doing)?;
    new.as_file().set_permissions(std::fs::Permissions::from_mode(0o755)).context(doing)?;
    new.as_file().sync_all().context(doing)?;
    new.persist(to).context(doing)?;
    Ok(())
}

#[cfg(test)]
mod tests;
