//! Objects of S3, whole. When an answer's content breaks off, the SDK already has its answer and no longer repeats: the
//! object is asked for again here.

use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, ByteStreamError};
use backon::{BackoffBuilder, ExponentialBuilder};

/// How often an object is asked for again.
const TIMES: usize = 5;

/// Why there is no object.
#[derive(Debug)]
pub enum Missed<E> {
    /// S3 said so, or did not answer.
    Refused(E),
    /// Its content broke off every time.
    CutOff(ByteStreamError),
}

/// What `ask` gets, with its content beside it.
pub async fn whole<E, F>(ask: impl Fn() -> F) -> Result<(GetObjectOutput, Vec<u8>), Missed<E>>
where
    F: Future<Output = Result<GetObjectOutput, E>>,
{
    let pauses = ExponentialBuilder::default().with_min_delay(Duration::from_millis(50)).with_max_times(TIMES);
    let mut pauses = pauses.with_jitter().build();
    loop {
        let mut object = ask().await.map_err(Missed::Refused)?;
        let body = std::mem::replace(&mut object.body, ByteStream::new(Vec::new().into()));
        match (body.collect().await, pauses.next()) {
            (Ok(bytes), _) => return Ok((object, bytes.to_vec())),
            (Err(e), None) => return Err(Missed::CutOff(e)),
            (Err(e), Some(pause)) => {
                tracing::debug!(error = %e, "an object's content broke off: asking again");
                tokio::time::sleep(pause).await;
            }
        }
    }
}
