//! `ironic_boot_configuration`: whether nodes have the images that deploy them.
//!
//! The validation of this name in tripleo-validations checks that a kernel and a ramdisk are
//! configured; this one also looks the images up.

use std::collections::BTreeMap;

use tripleo_cloud::json::{node_label, text_at};
use tripleo_cloud::path::segment;
use tripleo_cloud::service::{IMAGE, read};
use tripleo_cloud::{CloudError, ReadCloud};

use crate::selection;
use crate::verdict::{Finding, Verdict};

/// The images of a node, and what people call them.
const IMAGES: &[(&str, &str)] = &[("deploy_kernel", "kernel"), ("deploy_ramdisk", "ramdisk")];

/// Checks the nodes of the given names or UUIDs, or all.
pub fn check(cloud: &impl ReadCloud, names: Option<&[String]>) -> Result<Verdict, CloudError> {
    let nodes = selection::nodes(cloud, names)?;
    let mut findings = Vec::new();
    // Nodes mostly share their images.
    let mut faults: BTreeMap<String, Option<String>> = BTreeMap::new();
    for node in &nodes {
        for (field, what) in IMAGES {
            let Some(image) = text_at(&node["driver_info"], field) else {
                findings.push(Finding {
                    subject: node_label(node).to_owned(),
                    message: format!("no {what} image is configured: driver_info/{field} is empty"),
                    hint: "configure the node's boot, as tripleo.baremetal.configure_boot does"
                        .to_owned(),
                });
                continue;
            };
            if !is_uuid(image) {
                // A file or an address: not the image service's to know.
                continue;
            }
            if !faults.contains_key(image) {
                faults.insert(image.to_owned(), fault(cloud, image)?);
            }
            let fault = faults.get(image).cloned().flatten();
            findings.extend(fault.map(|fault| Finding {
                subject: node_label(node).to_owned(),
                message: format!("the {what} image {image} {fault}"),
                hint: "upload the image again, and configure the node's boot with it".to_owned(),
            }));
        }
    }
    Ok(Verdict::over(
        nodes.len(),
        "has the images that deploy it",
        findings,
    ))
}

/// What is wrong with an image.
fn fault(cloud: &impl ReadCloud, id: &str) -> Result<Option<String>, CloudError> {
    match read(
        cloud,
        IMAGE,
        &format!("/v2/images/{}", segment(id)),
        &[],
        None,
    ) {
        Ok(image) => Ok(match text_at(&image, "status") {
            Some("active") => None,
            status => Some(format!(
                "is {}, not active",
                status.unwrap_or("of unknown status")
            )),
        }),
        Err(error) if error.status() == Some(404) => {
            Ok(Some("is not in the image service".to_owned()))
        }
        Err(error) => Err(error),
    }
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups
            .iter()
            .all(|group| group.bytes().all(|digit| digit.is_ascii_hexdigit()))
}
