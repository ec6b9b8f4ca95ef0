//! The demo: three nodes from a file to `available`, on a real Ironic, by `ostro run`.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cloud::{Client, Cloud};
use crate::packs;
use crate::project::{self, Project, heading, seconds};

/// What the demo needs of OpenStack.
const SERVICES: [&str; 5] = ["keystone", "swift", "ironic", "ironic-inspector", "zaqar"];
/// The pack whose actions the workflow calls.
const PACK: &str = "plugins/tripleo";
/// The workflow: its file, and its name in it.
const FILE: &str = "workflows/baremetal.yaml";
const WORKFLOW: &str = "enroll";
/// The workflow's whole input.
const INPUT: &str = "tests/demo/instackenv.json";

/// Run it. A second time changes nothing, as the nodes are there already.
pub(crate) fn run(project: &Project) -> Result<()> {
    let began = Instant::now();
    heading(&format!("starting {}", SERVICES.join(", ")));
    let cloud = Cloud::new(project)?;
    cloud.up(&SERVICES)?;
    let client = cloud.client()?;

    let ostro = packs::binary(project)?;
    packs::pack(project, &ostro, Path::new(PACK))?;

    let ostro = project.display(&ostro).to_string();
    let run = format!("{ostro} run {FILE} {WORKFLOW} --input @{INPUT} --pack {PACK} --cloud admin");
    heading(&run);
    {
        // The machines do not exist, so their side of the introspection is played.
        let _ramdisks = client.ramdisks()?;
        let mut words = run.split_whitespace();
        let mut command = project.command(words.next().context("the command is empty")?);
        command.args(words);
        project::complete(&mut client.of(command), "")?;
    }

    heading("openstack baremetal node list");
    project::complete(&mut client.openstack(&["baremetal", "node", "list"])?, "")?;
    check(project, &client)?;
    eprintln!(
        "\nThe nodes are available, {} after the start.",
        seconds(began.elapsed())
    );
    println!("{}", suggestions(&ostro, &run));
    Ok(())
}

/// Whether Ironic agrees, asked through its real client, that every node is `available`.
fn check(project: &Project, client: &Client) -> Result<()> {
    let file = std::fs::read(project.path(INPUT)).context(INPUT)?;
    let wanted: Value = serde_json::from_slice(&file).context(INPUT)?;
    let wanted = wanted["nodes"]
        .as_array()
        .context("no list `nodes`")
        .context(INPUT)?;
    let arguments = [
        "baremetal",
        "node",
        "list",
        "--fields",
        "name",
        "provision_state",
    ];
    let mut list: Command = client.openstack(&arguments)?;
    let nodes = project::output(list.args(["-f", "json"]), "")?;
    let nodes: Vec<Value> =
        serde_json::from_slice(&nodes).context("the list of nodes from `openstack`")?;
    for name in wanted.iter().map(|node| &node["name"]) {
        let state = nodes
            .iter()
            .find(|node| node["Name"] == *name)
            .map_or(&Value::Null, |node| &node["Provisioning State"]);
        if state != "available" {
            bail!("the workflow succeeded, but Ironic says that node {name} is {state}");
        }
    }
    Ok(())
}

/// What to try after the demo.
fn suggestions(ostro: &str, run: &str) -> String {
    format!(
        "
Try next:

  Run the demo again: the nodes are registered already, and nothing changes
    cargo xtask demo
  The same by hand
    eval \"$(cargo xtask cloud env)\"
    {run}
  The nodes, by OpenStack's own client
    $CLOUD_BIN/openstack baremetal node list
    $CLOUD_BIN/openstack baremetal introspection data save controller-0
  The pack: its actions, what it imports, what it is granted
    {ostro} pack inspect {PACK}
  The services
    cargo xtask cloud status
    cargo xtask cloud down --purge"
    )
}
