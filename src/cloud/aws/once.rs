//! Creates that AWS offers no client token for, made safe against lost answers; and waiting for AWS to catch up.

use std::future::Future;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use super::error::{AwsError, Class};
use crate::error::{Error, Result};

/// Waits of 0.1, 0.2, 0.4 ... 5 s with jitter, `attempts` of them.
fn waits(attempts: usize) -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(5))
        .with_factor(2.0)
        .with_jitter()
        .with_max_times(attempts)
        .build()
}

/// How often a throttled or unanswered create is tried again.
const CREATE_ATTEMPTS: usize = 8;

/// How often a lost create is looked for before it counts as not having happened: about 3 s, since EC2's answers to
/// describe calls trail its writes.
const LOOKUPS: usize = 5;

/// Creates exactly one thing although the API has no client token: after a lost answer the thing is looked for by its
/// tags before the create is sent again. `create` must not be retried by the SDK itself (see [`super::no_retry`]).
pub async fn create_once<T, C, CF, F, FF>(create: C, find: F) -> Result<T>
where
    C: Fn() -> CF,
    CF: Future<Output = std::result::Result<T, AwsError>>,
    F: Fn() -> FF,
    FF: Future<Output = Result<Option<T>>>,
{
    let mut pauses = waits(CREATE_ATTEMPTS);
    loop {
        let error = match create().await {
            Ok(made) => return Ok(made),
            Err(e) => e,
        };
        match error.class {
            Class::Lost | Class::Server => {
                for pause in waits(LOOKUPS) {
                    if let Some(found) = find().await? {
                        return Ok(found);
                    }
                    tokio::time::sleep(pause).await;
                }
            }
            Class::Throttled | Class::NotYetVisible | Class::NotFound => {}
            Class::Exists => return find().await?.ok_or_else(|| error.into()),
            _ => return Err(error.into()),
        }
        match pauses.next() {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return Err(error.into()),
        }
    }
}

/// Repeats a call while AWS says that something it needs is not visible yet, or that something is still in use: both
/// end by themselves. About `attempts` x 5 s at most.
pub async fn settled<T, C, CF>(attempts: usize, call: C) -> Result<T>
where
    C: Fn() -> CF,
    CF: Future<Output = std::result::Result<T, AwsError>>,
{
    let mut pauses = waits(attempts);
    loop {
        let error = match call().await {
            Ok(done) => return Ok(done),
            Err(e) => e,
        };
        if !matches!(error.class, Class::NotFound | Class::NotYetVisible | Class::InUse) {
            return Err(error.into());
        }
        match pauses.next() {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return Err(error.into()),
        }
    }
}

/// Polls until `ready` gives a value; AWS has no push for this. `what` names it in the error.
pub async fn until<T, C, CF>(what: &str, attempts: usize, ready: C) -> Result<T>
where
    C: Fn() -> CF,
    CF: Future<Output = Result<Option<T>>>,
{
    for pause in waits(attempts) {
        if let Some(value) = ready().await? {
            return Ok(value);
        }
        tokio::time::sleep(pause).await;
    }
    Err(Error::failed(format!("{what} did not happen in time")).hint("run the same command again: it continues"))
}

/// A delete: repeats while the thing is in use, and counts a thing that is gone as deleted.
pub async fn deleted<T, C, CF>(attempts: usize, call: C) -> Result<()>
where
    C: Fn() -> CF,
    CF: Future<Output = std::result::Result<T, AwsError>>,
{
    let mut pauses = waits(attempts);
    loop {
        let error = match call().await {
            Ok(_) => return Ok(()),
            Err(e) => e,
        };
        match error.class {
            Class::NotFound => return Ok(()),
            Class::InUse => {}
            _ => return Err(error.into()),
        }
        match pauses.next() {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return Err(error.into()),
        }
    }
}
