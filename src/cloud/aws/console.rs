//! What machines print on their consoles.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;

use super::{AwsCloud, AwsError};
use crate::error::{Error, Result};

/// What a console has shown, as far as EC2 keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Console {
    /// When EC2 took it down.
    pub when: Option<Timestamp>,
    /// The text.
    pub text: String,
}

impl AwsCloud {
    /// The newest console output of a machine; `None` while EC2 has none.
    pub async fn console(&self, instance: &str) -> Result<Option<Console>> {
        let read = async |latest: bool| {
            let call = self.ec2.get_console_output().instance_id(instance).set_latest(latest.then_some(true));
            let answer = call.customize().send().await;
            answer.map_err(|e| AwsError::of(format!("read the console of {instance}"), &e))
        };
        let answer = match read(true).await {
            // Types that are not of the Nitro system have no newest one, only the one of their start.
            Err(e) if e.code.as_deref().is_some_and(|code| code.starts_with("Unsupported")) => read(false).await?,
            answer => answer?,
        };
        let Some(encoded) = answer.output().filter(|text| !text.is_empty()) else { return Ok(None) };
        let bytes = BASE64.decode(encoded.trim());
        let bytes = bytes.map_err(|e| Error::failed(format!("the console of {instance} is no base64")).because(e))?;
        let when = answer.timestamp().and_then(|t| Timestamp::from_second(t.secs()).ok());
        Ok(Some(Console { when, text: String::from_utf8_lossy(&bytes).into_owned() }))
    }
}
