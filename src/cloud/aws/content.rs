//! Objects of S3, whole. When an answer's content breaks off, the SDK already has its answer and no longer repeats: the
//! object is asked for again here.

use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, ByteStreamError};
use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::fs::File;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};

/// How often an object is asked for again.
const TIMES: usize = 5;

/// Why there is no object.
#[derive(Debug)]
pub enum Missed<E> {
    /// S3 said so, or did not answer.
    Refused(E),
    /// Its content broke off every time.
    CutOff(ByteStreamError),
    /// It could not be written where it should be.
    NotKept(std::io::Error),
}

/// What `ask` gets, with its content beside it.
pub async fn whole<E, F>(ask: impl Fn() -> F) -> Result<(GetObjectOutput, Vec<u8>), Missed<E>>
where
    F: Future<Output = Result<GetObjectOutput, E>>,
{
    let mut pauses = pauses();
    loop {
        let mut object = ask().await.map_err(Missed::Refused)?;
        let body = std::mem::replace(&mut object.body, ByteStream::new(Vec::new().into()));
        match body.collect().await {
            Ok(bytes) => return Ok((object, bytes.to_vec())),
            Err(e) => again(e, pauses.next()).await?,
        }
    }
}

/// The content of what `ask` gets, into a file, which holds nothing else afterwards.
pub async fn into_file<E, F>(ask: impl Fn() -> F, file: &mut File) -> Result<(), Missed<E>>
where
    F: Future<Output = Result<GetObjectOutput, E>>,
{
    let mut pauses = pauses();
    'again: loop {
        let mut body = ask().await.map_err(Missed::Refused)?.body;
        file.rewind().await.map_err(Missed::NotKept)?;
        file.set_len(0).await.map_err(Missed::NotKept)?;
        while let Some(piece) = body.next().await {
            match piece {
                Ok(piece) => file.write_all(&piece).await.map_err(Missed::NotKept)?,
                Err(e) => {
                    again(e, pauses.next()).await?;
                    continue 'again;
                }
            }
        }
        return file.flush().await.map_err(Missed::NotKept);
    }
}

fn pauses() -> impl Iterator<Item = Duration> {
    let pauses = ExponentialBuilder::default().with_min_delay(Duration::from_millis(50)).with_max_times(TIMES);
    pauses.with_jitter().build()
}

async fn again<E>(why: ByteStreamError, pause: Option<Duration>) -> Result<(), Missed<E>> {
    let Some(pause) = pause else { return Err(Missed::CutOff(why)) };
    tracing::debug!(error = %why, "an object's content broke off: asking again");
    tokio::time::sleep(pause).await;
    Ok(())
}
