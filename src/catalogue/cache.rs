//! The cache on disk, and catalogues in files that people name.
//!
//! One directory, per region three files: types and offerings (they change when AWS launches something), prices (they
//! change by the hour), images (a full name never means another image). Files are replaced atomically. A file that is
//! damaged, of another format version or too old counts as absent; nothing in it can break a command.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Catalogue, FORMAT_VERSION, ImageInfo, Prices};
use crate::digest::sha256;
use crate::error::{Context, Error, Result};

/// How long types, zones and offerings are taken from the cache.
pub const INVENTORY_TTL: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long prices are taken from the cache.
pub const PRICES_TTL: SignedDuration = SignedDuration::from_hours(1);

/// Whose catalogue a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The region.
    pub region: String,
    /// The endpoint, where it is not AWS's own.
    pub endpoint: Option<String>,
    /// Who asks, for example the profile's name: in old regions the same zone name means different places in different
    /// accounts, so catalogues of two accounts must not mix. Only a hash of it is written.
    pub identity: Option<String>,
}

impl Key {
    /// A file name's stem: the region, and a hash of the rest if there is any.
    fn stem(&self) -> String {
        if self.endpoint.is_none() && self.identity.is_none() {
            return self.region.clone();
        }
        let rest = sha256(format!("{:?} {:?}", self.endpoint, self.identity).as_bytes());
        format!("{}-{}", self.region, &rest[..12])
    }
}

/// A directory of cached catalogues.
#[derive(Clone, Debug)]
pub struct Cache {
    dir: PathBuf,
}

impl Cache {
    /// A cache in this directory; it is made when something is written.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Cache { dir: dir.into() }
    }

    /// The directory that the environment names: `KSPOT_CACHE_DIR`, else `kspot` in `XDG_CACHE_HOME` or `~/.cache`.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let below = |name: &str, path: &str| set(name).map(|dir| dir.join(path));
        set("KSPOT_CACHE_DIR")
            .or_else(|| below("XDG_CACHE_HOME", "kspot"))
            .or_else(|| below("HOME", ".cache/kspot"))
            .map(Cache::new)
            .ok_or_else(|| Error::failed("no directory for the cache: HOME is not set").hint("set KSPOT_CACHE_DIR"))
    }

    /// Types, zones and offerings, unless they are missing, damaged or too old.
    pub fn inventory(&self, key: &Key, now: Timestamp) -> Option<Catalogue> {
        let catalogue: Catalogue = self.read(key, "types")?;
        let usable = catalogue.format_version == FORMAT_VERSION
            && catalogue.region == key.region
            && is_fresh(catalogue.fetched_at, now, INVENTORY_TTL);
        usable.then_some(catalogue)
    }

    /// Prices, unless they are missing, damaged or too old.
    pub fn prices(&self, key: &Key, now: Timestamp) -> Option<Prices> {
        self.read(key, "prices").filter(|prices: &Prices| is_fresh(prices.fetched_at, now, PRICES_TTL))
    }

    /// The image that a full name or id was resolved to before.
    pub fn image(&self, key: &Key, pinned: &str) -> Option<ImageInfo> {
        self.images(key).remove(pinned)
    }

    /// Keeps types, zones and offerings.
    pub fn keep_inventory(&self, key: &Key, catalogue: &Catalogue) -> Result<()> {
        self.write(key, "types", catalogue)
    }

    /// The types that specs used lately, unless they are missing, damaged or too old: a part of the inventory that costs
    /// three requests, not dozens.
    pub fn used_types(&self, key: &Key, now: Timestamp) -> Option<Catalogue> {
        let catalogue: Catalogue = self.read(key, "used-types")?;
        let usable = catalogue.format_version == FORMAT_VERSION && catalogue.region == key.region;
        (usable && catalogue.age(now) < INVENTORY_TTL).then_some(catalogue)
    }

    /// Keeps the types that specs use.
    pub fn keep_used_types(&self, key: &Key, catalogue: &Catalogue) -> Result<()> {
        self.write(key, "used-types", catalogue)
    }

    /// Prices of these types that were asked for lately, unless any was not asked for, or they are too old.
    pub fn used_prices(&self, key: &Key, types: &BTreeSet<String>, now: Timestamp) -> Option<Prices> {
        let (asked, prices): (BTreeSet<String>, Prices) = self.read(key, "used-prices")?;
        (types.is_subset(&asked) && is_fresh(prices.fetched_at, now, PRICES_TTL)).then_some(prices)
    }

    /// Keeps the prices of the types that were asked for: some of these may have none.
    pub fn keep_used_prices(&self, key: &Key, asked: &BTreeSet<String>, prices: &Prices) -> Result<()> {
        self.write(key, "used-prices", &(asked, prices))
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A file that somebody published, known by its sha256; its content is checked.
    pub fn download(&self, sum: &str) -> Option<Vec<u8>> {
        let bytes = std::fs::read(self.downloaded(sum)).ok()?;
        (sha256(&bytes) == sum).then_some(bytes)
    }

    /// Keeps such a file.
    pub fn keep_download(&self, sha256: &str, bytes: &[u8]) -> Result<()> {
        let path = self.downloaded(sha256);
        let dir = path.parent().unwrap_or(&self.dir);
        std::fs::create_dir_all(dir).context(|| format!("write {}", dir.display()))?;
        replace_bytes(&path, bytes)
    }

    fn downloaded(&self, sha256: &str) -> PathBuf {
        self.dir.join("manifests").join(sha256)
    }

    /// Keeps prices.
    pub fn keep_prices(&self, key: &Key, prices: &Prices) -> Result<()> {
        self.write(key, "prices", prices)
    }

    /// Keeps what a full name or id was resolved to.
    pub fn keep_image(&self, key: &Key, pinned: &str, image: &ImageInfo) -> Result<()> {
        let mut images = self.images(key);
        images.insert(pinned.to_owned(), image.clone());
        self.write(key, "images", &images)
    }

    fn images(&self, key: &Key) -> BTreeMap<String, ImageInfo> {
        self.read(key, "images").unwrap_or_default()
    }

    fn path(&self, key: &Key, what: &str) -> PathBuf {
        self.dir.join(format!("{}-{what}.json", key.stem()))
    }

    fn read<T: DeserializeOwned>(&self, key: &Key, what: &str) -> Option<T> {
        let path = self.path(key, what);
        let bytes = std::fs::read(&path).ok()?;
        match serde_json::from_slice(&bytes) {
            Ok(value) => Some(value),
            Err(error) => {
                tracing::debug!(path = %path.display(), %error, "the cache file is damaged and will be replaced");
                None
            }
        }
    }

    fn write(&self, key: &Key, what: &str, value: &impl Serialize) -> Result<()> {
        std::fs::create_dir_all(&self.dir).context(|| format!("make the cache directory {}", self.dir.display()))?;
        replace(&self.path(key, what), value)
    }
}

impl Catalogue {
    /// Reads a catalogue that [`Catalogue::save`] wrote.
    pub fn open(path: &Path) -> Result<Catalogue> {
        let bytes = std::fs::read(path).context(|| format!("read the catalogue {}", path.display()))?;
        let catalogue: Catalogue = serde_json::from_slice(&bytes).map_err(|e| {
            Error::failed(format!("{} is not a catalogue", path.display()))
                .because(e)
                .hint("write one with: kspot instance-types --save-catalogue FILE")
        })?;
        if catalogue.format_version == FORMAT_VERSION {
            return Ok(catalogue);
        }
        let (found, known) = (catalogue.format_version, FORMAT_VERSION);
        Err(Error::failed(format!("{} has catalogue format {found}; this kspot reads {known}", path.display())))
    }

    /// Writes the catalogue with its prices into a file, replacing it atomically.
    pub fn save(&self, path: &Path) -> Result<()> {
        replace(path, self)
    }

    /// How old types and offerings are, never negative.
    pub fn age(&self, now: Timestamp) -> SignedDuration {
        now.duration_since(self.fetched_at).max(SignedDuration::ZERO)
    }
}

/// A time in the future is as bad as one long ago: the clock was wrong when the file was written.
fn is_fresh(fetched_at: Timestamp, now: Timestamp, ttl: SignedDuration) -> bool {
    let age = now.duration_since(fetched_at);
    age >= SignedDuration::ZERO && age < ttl
}

fn replace(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_vec(value).context(|| format!("write {}", path.display()))?;
    replace_bytes(path, &text)
}

/// Writes beside the file, then renames over it.
fn replace_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    let doing = || format!("write {}", path.display());
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir).context(doing)?;
    file.write_all(bytes).context(doing)?;
    file.persist(path).context(doing)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key { region: "eu-west-1".into(), endpoint: None, identity: None }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    /// What is kept comes back until it is too old; a clock that ran ahead makes it useless, not eternal.
    #[test]
    fn kept_until_too_old() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path().join("deep/er"));
        let catalogue = Catalogue::empty("eu-west-1", at(1_000_000));
        assert_eq!(cache.inventory(&key(), at(1_000_000)), None);
        cache.keep_inventory(&key(), &catalogue).unwrap();
        assert_eq!(cache.inventory(&key(), at(1_000_060)), Some(catalogue));
        assert_eq!(cache.inventory(&key(), at(1_000_000 + 7 * 86_400)), None);
        assert_eq!(cache.inventory(&key(), at(999_999)), None);
        cache.keep_prices(&key(), &Prices::none(at(1_000_000))).unwrap();
        assert!(cache.prices(&key(), at(1_003_599)).is_some() && cache.prices(&key(), at(1_003_600)).is_none());
    }

    /// Prices of a few types are of use only to who needs no other type.
    #[test]
    fn prices_of_a_few_types() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<String>>();
        let prices = Prices::none(at(1_000_000));
        cache.keep_used_prices(&key(), &names(&["m5.large", "m6i.large"]), &prices).unwrap();
        assert_eq!(cache.used_prices(&key(), &names(&["m5.large"]), at(1_000_001)), Some(prices));
        assert_eq!(cache.used_prices(&key(), &names(&["m5.large", "c5.large"]), at(1_000_001)), None);
        assert_eq!(cache.used_prices(&key(), &names(&["m5.large"]), at(1_003_600)), None);
    }

    /// A damaged file, and one of another format, count as absent; a catalogue given by name is an error instead.
    #[test]
    fn damaged_files_are_absent() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        let path = dir.path().join("eu-west-1-types.json");
        std::fs::write(&path, "{\"formatVersion\":1,\"reg").unwrap();
        assert_eq!(cache.inventory(&key(), at(0)), None);
        assert!(Catalogue::open(&path).unwrap_err().message().contains("is not a catalogue"));
        let newer = Catalogue { format_version: 99, ..Catalogue::empty("eu-west-1", at(0)) };
        newer.save(&path).unwrap();
        assert_eq!(cache.inventory(&key(), at(1)), None);
        assert!(Catalogue::open(&path).unwrap_err().message().contains("format 99"));
    }

    /// Other endpoints and other identities have files of their own, and the file names tell neither.
    #[test]
    fn keys_do_not_mix() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        let other = Key { identity: Some("production".into()), ..key() };
        cache.keep_inventory(&other, &Catalogue::empty("eu-west-1", at(0))).unwrap();
        assert_eq!(cache.inventory(&key(), at(1)), None);
        assert!(cache.inventory(&other, at(1)).is_some());
        let local = Key { endpoint: Some("http://127.0.0.1:5000".into()), ..other.clone() };
        assert_eq!(cache.inventory(&local, at(1)), None);
        let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(names.iter().all(|name| !name.to_string_lossy().contains("production")), "{names:?}");
    }

    /// The cache's place follows the environment.
    #[test]
    fn directory_comes_from_the_environment() {
        let dir = |vars: &[(&str, &str)]| {
            let vars: BTreeMap<_, _> = vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            Cache::from_env(|name| vars.get(name).cloned()).map(|cache| cache.dir)
        };
        assert_eq!(dir(&[("KSPOT_CACHE_DIR", "/k"), ("HOME", "/h")]).unwrap(), Path::new("/k"));
        assert_eq!(dir(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]).unwrap(), Path::new("/x/kspot"));
        assert_eq!(dir(&[("KSPOT_CACHE_DIR", ""), ("HOME", "/h")]).unwrap(), Path::new("/h/.cache/kspot"));
        assert!(dir(&[]).is_err());
    }
}
