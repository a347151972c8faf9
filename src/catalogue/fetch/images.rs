//! Which image a spec means.

use super::{Aws, convert, is};
use crate::catalogue::image::{self, ImageInfo, ImageSpec};
use crate::catalogue::pages::{self, Page};
use crate::cloud::aws::AwsError;
use crate::error::{Error, Result};

impl Aws {
    /// The image of this id, or the newest one of this owner that the name fits.
    pub(super) async fn find_image(&self, spec: &ImageSpec, architecture: Option<&str>) -> Result<ImageInfo> {
        let doing = format!("look up image {spec}");
        let found = pages::collect(&doing, |token| {
            let call = self.ec2.describe_images().include_deprecated(true).set_next_token(token);
            let call = match spec {
                ImageSpec::Id(id) => call.image_ids(id),
                ImageSpec::Named { owner, name } => {
                    let arch = architecture.map(|arch| is("architecture", [arch.to_owned()]));
                    let filters = [Some(is("name", [name.clone()])), Some(is("state", ["available".to_owned()])), arch];
                    call.owners(owner).set_filters(Some(filters.into_iter().flatten().collect())).max_results(1000)
                }
            };
            let doing = &doing;
            async move {
                let answer = call.customize().send().await.map_err(|e| AwsError::of(doing.clone(), &e))?;
                Ok(Page { items: answer.images.unwrap_or_default(), next: answer.next_token })
            }
        });
        let images = found.await?.into_iter().filter_map(convert::image).collect();
        image::newest(images).ok_or_else(|| {
            let which = architecture.map(|arch| format!(" for {arch}")).unwrap_or_default();
            Error::failed(format!("region {} has no image {spec}{which}", self.region))
                .hint("images belong to one region; a name may hold * and then means the newest that fits")
        })
    }
}
