//! A client whose certificate is renewed as long as somebody asks for it.

use std::time::{Duration, Instant};

use kube::Client;
use tokio::sync::Mutex;

use super::connect;
use crate::error::Result;
use crate::pki::kubeconfig::Entry;

/// How long a client is used before the next one is made: the authorities may have changed, or the certificate may end.
const RENEWAL: Duration = Duration::from_secs(3600);

/// Makes the entry of a kubeconfig.
type Make = Box<dyn Fn() -> Result<Entry> + Send + Sync>;

/// A way into a cluster that stays open.
pub struct Door {
    make: Make,
    current: Mutex<Option<(Instant, Client)>>,
}

impl Door {
    /// A way by entries that `make` makes, each with a certificate that lasts longer than an hour.
    pub fn new(make: impl Fn() -> Result<Entry> + Send + Sync + 'static) -> Self {
        Door { make: Box::new(make), current: Mutex::new(None) }
    }

    /// A client with a certificate that lasts for hours.
    pub async fn client(&self) -> Result<Client> {
        let mut current = self.current.lock().await;
        if let Some((made, client)) = &*current
            && made.elapsed() < RENEWAL
        {
            return Ok(client.clone());
        }
        let client = connect(&(self.make)()?).await?;
        *current = Some((Instant::now(), client.clone()));
        Ok(client)
    }
}
