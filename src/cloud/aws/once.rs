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

/// How often a create is tried again for which AWS does not see something yet that was just made: about a minute and a
/// half, since roles and profiles take that long to reach every service.
const VISIBLE_ATTEMPTS: usize = 24;

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
    let mut until_visible = waits(VISIBLE_ATTEMPTS);
    loop {
        let error = match create().await {
            Ok(made) => return Ok(made),
            Err(e) => e,
        };
        match error.class {
            // Either it happened or it did not; or it is there, made by an earlier try whose answer was lost.
            Class::Lost | Class::Server | Class::Exists => {
                if let Some(found) = look(&find).await? {
                    return Ok(found);
                }
                if error.class == Class::Exists {
                    return Err(error.into());
                }
            }
            Class::Throttled | Class::NotYetVisible | Class::NotFound => {}
            _ => return Err(error.into()),
        }
        let pause = if error.class == Class::NotYetVisible { until_visible.next() } else { pauses.next() };
        match pause {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return Err(error.into()),
        }
    }
}

/// Looks several times: what was just made may not be visible yet.
async fn look<T, F, FF>(find: &F) -> Result<Option<T>>
where
    F: Fn() -> FF,
    FF: Future<Output = Result<Option<T>>>,
{
    for pause in waits(LOOKUPS) {
        if let Some(found) = find().await? {
            return Ok(Some(found));
        }
        tokio::time::sleep(pause).await;
    }
    find().await
}

/// Repeats a call while AWS says that something it needs is not visible yet, or that something is still in use: both
/// end by themselves. About `attempts` x 5 s at most.
pub async fn settled<T, C, CF>(attempts: usize, call: C) -> Result<T>
where
    C: Fn() -> CF,
    CF: Future<Output = std::result::Result<T, AwsError>>,
{
    let passes = |class| matches!(class, Class::NotFound | Class::NotYetVisible | Class::InUse);
    Ok(repeated(attempts, call, passes).await?)
}

async fn repeated<T, C, CF>(
    attempts: usize,
    call: C,
    passes: impl Fn(Class) -> bool,
) -> std::result::Result<T, AwsError>
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
        match pauses.next() {
            Some(pause) if passes(error.class) => tokio::time::sleep(pause).await,
            _ => return Err(error),
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
    match repeated(attempts, call, |class| class == Class::InUse).await {
        Err(e) if e.class != Class::NotFound => Err(e.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn failure(class: Class) -> AwsError {
        AwsError { doing: "try".into(), code: None, message: "no".into(), request_id: None, class }
    }

    /// Runs `create_once` where the n-th create answers with the n-th class (then succeeds), and a lookup finds the
    /// thing from its `visible`-th time on. Gives the outcome and how many creates were sent.
    async fn creates(classes: &[Class], visible: usize) -> (Result<&'static str>, usize) {
        let (sent, looks) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let made = create_once(
            || async {
                let n = sent.fetch_add(1, Ordering::SeqCst);
                classes.get(n).map_or(Ok("made"), |class| Err(failure(*class)))
            },
            || async { Ok((looks.fetch_add(1, Ordering::SeqCst) >= visible).then_some("found")) },
        )
        .await;
        (made, sent.into_inner())
    }

    /// A create whose answer was lost is not sent again once the thing is seen, even if it is seen late.
    #[tokio::test]
    async fn a_lost_create_is_found() {
        let (made, sent) = creates(&[Class::Lost], 2).await;
        assert_eq!((made.unwrap(), sent), ("found", 1));
        let (made, sent) = creates(&[Class::Exists], 1).await;
        assert_eq!((made.unwrap(), sent), ("found", 1));
    }

    /// A throttled create did not happen: it is sent again without a look. A refused one is an error at once.
    #[tokio::test]
    async fn what_did_not_happen_is_tried_again() {
        let (made, sent) = creates(&[Class::Throttled, Class::NotYetVisible], usize::MAX).await;
        assert_eq!((made.unwrap(), sent), ("made", 3));
        let (made, sent) = creates(&[Class::Refused], 0).await;
        assert!(made.is_err());
        assert_eq!(sent, 1);
    }

    /// A delete waits while the thing is in use, and one that finds nothing is done.
    #[tokio::test]
    async fn a_delete_outlasts_use_and_absence() {
        for (second, fine) in [(Class::NotFound, true), (Class::Refused, false)] {
            let calls = AtomicUsize::new(0);
            let done = deleted(3, || async {
                let first = calls.fetch_add(1, Ordering::SeqCst) == 0;
                Err::<(), _>(failure(if first { Class::InUse } else { second }))
            });
            assert_eq!(done.await.is_ok(), fine);
            assert_eq!(calls.into_inner(), 2);
        }
    }
}
