//! The images that deploy and rescue nodes.

use tripleo_cloud::json::text_at;
use tripleo_cloud::{ReadCloud, list};

use crate::error::ActionError;

/// The IDs of a kernel and a ramdisk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployImages {
    /// The kernel's.
    pub kernel: String,
    /// The ramdisk's.
    pub ramdisk: String,
}

/// Finds a kernel and a ramdisk by their names or IDs.
pub fn find(
    cloud: &impl ReadCloud,
    kernel: &str,
    ramdisk: &str,
) -> Result<DeployImages, ActionError> {
    Ok(DeployImages {
        kernel: find_one(cloud, kernel, "aki", "Kernel")?,
        ramdisk: find_one(cloud, ramdisk, "ari", "Ramdisk")?,
    })
}

/// Names are not unique: of several images the last one listed, which is the oldest, is taken,
/// as tripleo-common does.
fn find_one(
    cloud: &impl ReadCloud,
    name: &str,
    disk_format: &str,
    what: &'static str,
) -> Result<String, ActionError> {
    let images = list::images(cloud, disk_format)?;
    let named = |key, image| text_at(image, key) == Some(name);
    let image = images
        .iter()
        .rev()
        .find(|image| named("name", image) || named("id", image));
    image
        .and_then(|image| text_at(image, "id"))
        .map(ToOwned::to_owned)
        .ok_or(ActionError::NoImage(what))
}
