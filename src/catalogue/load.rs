//! Gets a catalogue from the cache, and from AWS what the cache lacks.

use jiff::Timestamp;

use super::cache::{Cache, Key};
use super::fetch::Market;
use super::image::{ImageInfo, ImageSpec};
use super::{Catalogue, Prices};
use crate::error::Result;

/// What a command needs of the catalogue.
#[derive(Clone, Debug)]
pub struct Need {
    /// Whose catalogue.
    pub key: Key,
    /// The time, for ages.
    pub now: Timestamp,
    /// Prices too. They are not fetched otherwise.
    pub prices: bool,
    /// Fetch again whatever the cache has.
    pub refresh: bool,
}

/// A catalogue, and what went wrong on the way without being worth a failure.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The catalogue, with prices if they were needed.
    pub catalogue: Catalogue,
    /// Whether any request was made.
    pub fetched: bool,
    /// One sentence each, for people.
    pub notes: Vec<String>,
}

/// The catalogue from the cache, or from the market that `connect` gives. `connect` is called only if something is
/// missing: a warm cache needs no credentials. A cache that can't be written is a note.
pub async fn load<M: Market>(cache: &Cache, need: &Need, connect: impl AsyncFnOnce() -> Result<M>) -> Result<Loaded> {
    let (key, now) = (&need.key, need.now);
    let cached = |there: bool| there && !need.refresh;
    let mut inventory = cached(true).then(|| cache.inventory(key, now)).flatten();
    let mut prices = cached(need.prices).then(|| cache.prices(key, now)).flatten();
    let mut notes = Vec::new();
    let fetched = inventory.is_none() || (need.prices && prices.is_none());
    if fetched {
        let market = connect().await?;
        if inventory.is_none() {
            let fresh = market.inventory(None, now).await?;
            note(&mut notes, cache.keep_inventory(key, &fresh));
            inventory = Some(fresh);
        }
        if let (true, None, Some(inventory)) = (need.prices, &prices, &inventory) {
            let zones: Vec<String> = inventory.offerings.keys().cloned().collect();
            prices = Some(fresh_prices(&market, cache, need, &zones, &mut notes).await);
        }
    }
    let mut catalogue = inventory.unwrap_or_else(|| Catalogue::empty(&key.region, now));
    notes.extend(prices.iter().flat_map(|prices| prices.missing.clone()));
    catalogue.prices = prices;
    Ok(Loaded { catalogue, fetched, notes })
}

/// Prices that miss something are used, but not kept: the next run asks again.
async fn fresh_prices(
    market: &impl Market,
    cache: &Cache,
    need: &Need,
    zones: &[String],
    notes: &mut Vec<String>,
) -> Prices {
    let prices = market.prices(zones, need.now).await;
    if prices.missing.is_empty() {
        note(notes, cache.keep_prices(&need.key, &prices));
    }
    prices
}

/// The image that a spec means. What never changes (an id, a full name) is asked for once and then cached for good.
pub async fn resolve_image(
    cache: &Cache,
    key: &Key,
    spec: &ImageSpec,
    architecture: Option<&str>,
    market: &impl Market,
) -> Result<ImageInfo> {
    let name = spec.to_string();
    if !spec.is_floating()
        && let Some(image) = cache.image(key, &name)
    {
        return Ok(image);
    }
    let image = market.image(spec, architecture).await?;
    let pinned = if spec.is_floating() { image.pinned() } else { name };
    if let Err(error) = cache.keep_image(key, &pinned, &image) {
        tracing::debug!(%error, "the image is not cached");
    }
    Ok(image)
}

fn note(notes: &mut Vec<String>, kept: Result<()>) {
    if let Err(error) = kept {
        notes.push(format!("the catalogue is not cached: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::error::Error;

    /// A market that counts what it is asked for.
    #[derive(Default)]
    struct Counting {
        inventories: AtomicUsize,
        prices: AtomicUsize,
        images: AtomicUsize,
        pricing_is_down: bool,
    }

    #[async_trait]
    impl Market for &Counting {
        async fn inventory(&self, _: Option<&BTreeSet<String>>, now: Timestamp) -> Result<Catalogue> {
            self.inventories.fetch_add(1, Ordering::Relaxed);
            Ok(Catalogue::empty("eu-west-1", now))
        }

        async fn prices(&self, _: &[String], now: Timestamp) -> Prices {
            self.prices.fetch_add(1, Ordering::Relaxed);
            let missing = self.pricing_is_down.then(|| "on-demand prices are unknown: down".to_owned());
            Prices { missing: missing.into_iter().collect(), ..Prices::none(now) }
        }

        async fn prices_of(&self, _: &BTreeSet<String>, now: Timestamp) -> Prices {
            self.prices(&[], now).await
        }

        async fn image(&self, spec: &ImageSpec, _: Option<&str>) -> Result<ImageInfo> {
            self.images.fetch_add(1, Ordering::Relaxed);
            let name = spec.to_string().replace('*', "20260301").split_off(4);
            let (id, owner) = ("ami-1".to_owned(), "self".to_owned());
            let (architecture, root_device_name) = ("x86_64".to_owned(), "/dev/sda1".to_owned());
            Ok(ImageInfo {
                id,
                name: name[1..].to_owned(),
                owner,
                architecture,
                root_device_name,
                created: String::new(),
            })
        }
    }

    fn need(prices: bool, refresh: bool, minute: i64) -> Need {
        let key = Key { region: "eu-west-1".into(), endpoint: None, identity: None };
        Need { key, now: Timestamp::from_second(1_000_000 + 60 * minute).unwrap(), prices, refresh }
    }

    fn asked(market: &Counting) -> (usize, usize) {
        (market.inventories.load(Ordering::Relaxed), market.prices.load(Ordering::Relaxed))
    }

    /// Only what is missing or stale is fetched; prices only when wanted; a warm cache does not even connect.
    #[tokio::test]
    async fn fetches_what_the_cache_lacks() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, market) = (Cache::new(dir.path()), Counting::default());
        let run = async |need: Need| load(&cache, &need, async || Ok(&market)).await.unwrap();
        assert!(run(need(false, false, 0)).await.fetched);
        assert_eq!(asked(&market), (1, 0));
        assert!(run(need(true, false, 1)).await.catalogue.prices.is_some());
        assert_eq!(asked(&market), (1, 1));
        run(need(true, false, 70)).await;
        assert_eq!(asked(&market), (1, 2), "prices are older than an hour");
        run(need(true, true, 71)).await;
        assert_eq!(asked(&market), (2, 3));
        let offline = async || Err::<&Counting, _>(Error::failed("no credentials"));
        assert!(!load(&cache, &need(true, false, 72), offline).await.unwrap().fetched);
        assert!(load(&cache, &need(true, true, 72), offline).await.is_err());
    }

    /// Prices that lack something say so, are used, and are asked for again.
    #[tokio::test]
    async fn incomplete_prices_are_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        let market = Counting { pricing_is_down: true, ..Counting::default() };
        for run in 1..=2 {
            let loaded = load(&cache, &need(true, false, 0), async || Ok(&market)).await.unwrap();
            assert_eq!(loaded.notes, ["on-demand prices are unknown: down"]);
            assert_eq!(asked(&market), (1, run));
        }
    }

    /// A cache that can't be written is a note, not a failure.
    #[tokio::test]
    async fn unwritable_cache_is_a_note() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let market = Counting::default();
        let loaded = load(&Cache::new(file.join("below")), &need(false, false, 0), async || Ok(&market)).await.unwrap();
        assert!(loaded.notes[0].contains("not cached"), "{:?}", loaded.notes);
    }

    /// A pattern is asked for each time; what it resolved to, and any full name, only once.
    #[tokio::test]
    async fn images_are_pinned() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, market) = (Cache::new(dir.path()), Counting::default());
        let key = need(false, false, 0).key;
        let floating: ImageSpec = "self/noble-*".parse().unwrap();
        let resolved = resolve_image(&cache, &key, &floating, None, &&market).await.unwrap();
        resolve_image(&cache, &key, &floating, None, &&market).await.unwrap();
        assert_eq!(market.images.load(Ordering::Relaxed), 2);
        let pinned: ImageSpec = resolved.pinned().parse().unwrap();
        assert_eq!(resolve_image(&cache, &key, &pinned, None, &&market).await.unwrap(), resolved);
        assert_eq!(market.images.load(Ordering::Relaxed), 2);
    }
}
