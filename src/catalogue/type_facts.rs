//! The catalogue as what the rules about specs ask.

use super::Catalogue;
use crate::error::did_you_mean;
use crate::spec::validate::{Architecture, Facts, TypeFacts};

impl TypeFacts for Catalogue {
    fn facts(&self, instance_type: &str) -> Option<Facts> {
        let t = self.types.get(instance_type)?;
        let arch = if t.architectures.contains("arm64") { Architecture::Arm64 } else { Architecture::Amd64 };
        // AWS counts a fraction of a GPU as 0; whoever schedules on it needs the driver all the same.
        let gpus = t.gpu.as_ref().map_or(0, |g| g.count().max(1));
        Some(Facts { vcpus: t.vcpus, memory_mib: t.memory_mib, arch, gpus })
    }

    fn nearest(&self, unknown: &str) -> Option<String> {
        did_you_mean(unknown, self.types.keys().map(String::as_str)).map(str::to_owned)
    }
}
