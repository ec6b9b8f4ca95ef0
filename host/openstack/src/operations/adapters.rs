//! What no row can say: listings of several pages, loops that wait, requests that depend on a
//! value.

mod heat;
mod introspection;
mod ironic;
mod mistral;
mod nova;
mod pages;
mod swift;

use ostro_core::Value;

use crate::Cloud;
use crate::operations::arguments::Arguments;
use crate::operations::{Operation, OperationError};

/// A behaviour by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Adapter {
    /// A listing whose pages link to the next; without `limit`, the first page.
    FirstPage,
    /// A listing whose pages link to the next; without `limit`, all pages.
    AllPages,
    /// The only item of a listing.
    OnlyOne,
    /// Ironic: a power state by its short name.
    PowerState,
    /// Ironic: maintenance set or cleared.
    Maintenance,
    /// Ironic: wait for a provision state.
    WaitForProvisionState,
    /// Inspector: wait for the end of introspections.
    WaitForFinish,
    /// Swift: a listing, whole if `full_listing` is true.
    Listing,
    /// Swift: copy on the server.
    Copy,
    /// `SwiftService.list`: all pages of a listing, as parts.
    ListingParts,
    /// Nova: servers, all pages for `limit: -1`.
    Servers,
    /// Nova: the one object with these attributes.
    Find,
    /// Nova: all objects with these attributes.
    FindAll,
    /// Heat: stacks, page by page up to `limit`.
    Stacks,
    /// Heat: something of a stack, whose id must be known.
    OfStack,
    /// Mistral: an execution of a workflow by name or id.
    ExecutionCreate,
    /// Mistral: an action execution.
    ActionExecutionCreate,
}

impl Adapter {
    pub(super) async fn run(
        self,
        cloud: &dyn Cloud,
        operation: &Operation,
        arguments: &Arguments,
    ) -> Result<Value, OperationError> {
        match self {
            Adapter::FirstPage => pages::links(cloud, operation, arguments, false).await,
            Adapter::AllPages => pages::links(cloud, operation, arguments, true).await,
            Adapter::OnlyOne => ironic::only_one(cloud, operation, arguments).await,
            Adapter::PowerState => ironic::power_state(cloud, operation, arguments).await,
            Adapter::Maintenance => ironic::maintenance(cloud, operation, arguments).await,
            Adapter::WaitForProvisionState => {
                ironic::wait_for_provision_state(cloud, operation, arguments).await
            }
            Adapter::WaitForFinish => introspection::wait(cloud, operation, arguments).await,
            Adapter::Listing => swift::listing(cloud, operation, arguments).await,
            Adapter::Copy => swift::copy(cloud, operation, arguments).await,
            Adapter::ListingParts => swift::parts(cloud, operation, arguments).await,
            Adapter::Servers => nova::servers(cloud, operation, arguments).await,
            Adapter::Find => nova::find(cloud, operation, arguments).await,
            Adapter::FindAll => nova::find_all(cloud, operation, arguments).await,
            Adapter::Stacks => heat::stacks(cloud, operation, arguments).await,
            Adapter::OfStack => heat::of_stack(cloud, operation, arguments).await,
            Adapter::ExecutionCreate => mistral::execution(cloud, operation, arguments).await,
            Adapter::ActionExecutionCreate => {
                mistral::action_execution(cloud, operation, arguments).await
            }
        }
    }
}
