//! Sends a call again that a busy API server turned away.
//!
//! kube's client would do so by itself, for minutes and without a word, also for an eviction that a budget does not allow:
//! that is the same answer, 429. So [`mod@super::connect`] takes that from it, and whoever wants it says so with this.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

/// The longest that the API's own word on when to come again is followed.
const LONGEST: Duration = Duration::from_secs(10);

/// Makes a call that may be made twice; up to six times while the API server is too busy to take it.
pub(super) async fn again<T, F>(call: impl Fn() -> F) -> kube::Result<T>
where
    F: Future<Output = kube::Result<T>>,
{
    let mut pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(2))
        .with_max_times(5)
        .with_jitter()
        .build();
    loop {
        let busy = match call().await {
            Err(kube::Error::Api(status)) if matches!(status.code, 429 | 503 | 504) => status,
            answer => return answer,
        };
        let Some(pause) = pauses.next() else { return Err(kube::Error::Api(busy)) };
        let asked = busy.details.as_ref().map_or(0, |details| details.retry_after_seconds);
        tokio::time::sleep(pause.max(Duration::from_secs(asked.into()).min(LONGEST))).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use kube::core::Status;

    use super::*;

    /// A busy API is asked again, a few times; any other answer counts at once.
    #[tokio::test]
    async fn busy_is_not_the_last_word() {
        let calls = Cell::new(0);
        let answers = async |code: u16, times: u32| {
            calls.set(0);
            again(|| async {
                calls.set(calls.get() + 1);
                let status = Status { code, ..Status::default() };
                if calls.get() > times { Ok(()) } else { Err(kube::Error::Api(Box::new(status))) }
            })
            .await
        };
        assert!(answers(429, 2).await.is_ok());
        assert_eq!(calls.get(), 3);
        assert!(answers(403, 1).await.is_err());
        assert_eq!(calls.get(), 1);
        assert!(answers(503, 99).await.is_err());
        assert_eq!(calls.get(), 6);
    }
}
