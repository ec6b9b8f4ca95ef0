//! Where requests may not go, if who names the cloud is not the operator.

use std::io;
use std::net::{IpAddr, SocketAddr};

use ostro_egress::{IpNet, Lookup, Zone};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::{CloudConfig, CloudError};

/// Finds addresses of hosts, and none that is denied.
pub(super) struct Guarded {
    denied: Vec<IpNet>,
    lookup: Lookup,
}

impl Guarded {
    pub(super) fn new(denied: Vec<IpNet>) -> Self {
        let lookup = Lookup::default();
        Self { denied, lookup }
    }
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, denied) = (self.lookup.clone(), self.denied.clone());
        Box::pin(async move {
            // The port is the connection's own.
            let found = lookup.find(name.as_str(), 0).await?;
            if let Some(address) = found.iter().find(|one| is_denied(&denied, one.ip())) {
                let reason = format!("{} is at {}: {DENIED}", name.as_str(), address.ip());
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason).into());
            }
            let addresses: Addrs =
                Box::new(found.into_iter().collect::<Vec<SocketAddr>>().into_iter());
            Ok(addresses)
        })
    }
}

const DENIED: &str = "the operator lets no request of a caller's go there";

/// Refuses `url` where its host is an address that `config` denies. Names are for [`Guarded`].
pub(super) fn check(url: &Url, config: &CloudConfig) -> Result<(), CloudError> {
    let Some(denied) = &config.denied else {
        return Ok(());
    };
    let address: IpAddr = match url.host() {
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => address.into(),
        Some(Host::Domain(_)) | None => return Ok(()),
    };
    if is_denied(denied, address) {
        let label = &config.label;
        return Err(CloudError::Denied(format!("{label}: {address}: {DENIED}")));
    }
    Ok(())
}

fn is_denied(denied: &[IpNet], address: IpAddr) -> bool {
    let mapped = address.to_canonical();
    let is_in = |network: &IpNet| network.contains(&address) || network.contains(&mapped);
    Zone::of(address) == Zone::Closed || denied.iter().any(is_in)
}
