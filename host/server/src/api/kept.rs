//! What is the same for all resources that projects keep.

use axum::Json;
use serde_json::{Map, Value};

use crate::app::Request;
use crate::catalogue::{Owned, Table};
use crate::fault::Fault;
use crate::identity::Scope;
use crate::query::Resource;

/// The answer with a list: those of `table` that the caller sees, or may see of all projects, and
/// `more` that is nobody's. `unknown` says that there is no row that the marker names.
pub(super) fn listed<T: Owned>(
    table: &Table<T>,
    request: &Request,
    resource: &Resource,
    of: impl Fn(&T) -> bool,
    more: impl IntoIterator<Item = Map<String, Value>>,
    unknown: impl FnOnce(&str) -> Fault,
) -> Result<Json<Value>, Fault> {
    let listing = request.query.listing(resource)?;
    let of_all = all_projects(request, resource)?;
    let caller = &request.caller;
    let seen = table
        .all()
        .filter(|one| of(one) && (of_all || one.is_seen_by(caller)));
    let rows = seen.map(|one| one.row()).chain(more);
    let page = listing.page(rows, unknown)?;
    Ok(Json(listing.answer(resource, &request.url, page)))
}

/// Whether rows of all projects are wanted, for those who may have them. As in Mistral, an
/// administrator gets them anyway.
pub(super) fn all_projects(request: &Request, resource: &Resource) -> Result<bool, Fault> {
    let says = request.query.get("all_projects");
    let says = says.is_some_and(|says| !says.is_empty());
    if says && !request.may(&format!("{}:list:all_projects", resource.plural)) {
        return Err(not_permitted());
    }
    Ok(request.query.is_wanted("all_projects") || request.caller.is_admin)
}

/// Who is to see what a caller keeps among `plural`, as they say it; only administrators share with
/// everybody, unless the policy says otherwise. `odd` says that it is neither.
pub(super) fn scope(
    request: &Request,
    plural: &str,
    text: &str,
    odd: impl FnOnce(&str) -> Fault,
) -> Result<Scope, Fault> {
    match text {
        "private" => Ok(Scope::Private),
        "public" if request.may(&format!("{plural}:publicize")) => Ok(Scope::Public),
        "public" => Err(not_permitted()),
        other => Err(odd(other)),
    }
}

/// As [`scope`] of an attribute.
pub(super) fn scope_attribute(request: &Request, plural: &str, text: &str) -> Result<Scope, Fault> {
    scope(request, plural, text, |odd| {
        Fault::invalid(format!(
            "Invalid input for field/attribute scope. Value: '{odd}'. \
             Value should be one of: public, private"
        ))
    })
}

/// What the caller sees, and is not theirs to change.
pub(super) fn of_others(name: &str) -> Fault {
    Fault::forbidden(format!(
        "Can not modify a resource of other projects: {name}"
    ))
}

/// The caller may not.
pub(super) fn not_permitted() -> Fault {
    Fault::forbidden("Operation forbidden (insufficient permissions)")
}
