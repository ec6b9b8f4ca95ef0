//! Where actions come from: `packs`, `cloud`, and what std actions may.

use ostro_actions::HttpOptions;
use ostro_openstack::ServiceLimit;

use super::reader::{Given, Section};
use crate::args::Sources;

/// As the file says, unless a flag does.
pub(super) fn read(section: &mut Section<'_>, flags: &Sources) -> Sources {
    let mut sources = section.section("packs", |section| {
        let grants = section.existing("grants");
        let sources = Sources {
            pack: section.list("folders", Given::existing),
            grants: grants.as_ref().map(|(path, _)| path.clone()),
            no_packs: section
                .truth("installed")
                .is_some_and(|(installed, _)| !installed),
            secrets: section.existing("secrets").map(|(path, _)| path),
            cloud: None,
            http_deny: Vec::new(),
            limit: Vec::new(),
            ssh_proxy_commands: false,
        };
        if let Some((_, at)) = grants
            && sources.pack.is_empty()
            && flags.pack.is_empty()
        {
            let message = "`grants` is for packs of `packs.folders`, and there is none";
            section.mistake(&at, message, None);
        }
        sources
    });
    sources.cloud = section.text("cloud");
    sources.limit = section.list("cloud_limits", |_, text| {
        let limit = text.parse::<ServiceLimit>();
        limit.map_err(|error| format!("{text:?}: {error}"))
    });
    sources.http_deny = section.list("http_deny", |_, text| match text {
        "none" => Ok(text.to_owned()),
        _ => HttpOptions::network(text)
            .map(|_| text.to_owned())
            .ok_or_else(|| format!("{text:?} is no network: write 10.0.0.0/8")),
    });
    let commands = section.truth("ssh_proxy_commands");
    sources.ssh_proxy_commands = commands.is_some_and(|(may, _)| may);
    over(sources, flags)
}

/// `under`, and over it what `flags` say.
fn over(under: Sources, flags: &Sources) -> Sources {
    fn list<T: Clone>(under: Vec<T>, flags: &[T]) -> Vec<T> {
        if flags.is_empty() {
            under
        } else {
            flags.to_vec()
        }
    }
    Sources {
        pack: list(under.pack, &flags.pack),
        grants: flags.grants.clone().or(under.grants),
        no_packs: flags.no_packs || under.no_packs,
        secrets: flags.secrets.clone().or(under.secrets),
        cloud: flags.cloud.clone().or(under.cloud),
        http_deny: list(under.http_deny, &flags.http_deny),
        limit: list(under.limit, &flags.limit),
        ssh_proxy_commands: flags.ssh_proxy_commands || under.ssh_proxy_commands,
    }
}
