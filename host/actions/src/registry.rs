//! Names to actions, and actions to outcomes.

use std::sync::Arc;

use async_trait::async_trait;
use ostro_core::{
    ActionCall, ActionContext, ActionError, ActionErrorKind, ActionOutcome, ActionRunner, Map,
    Value,
};
use ostro_lang::{ActionCatalogue, ActionParameter, AdHocAction, Definitions, Workflow};
use ostro_openstack::operations::{self, Operation};
use ostro_openstack::{Cloud, Delegations};
use ostro_sandbox::LoadedPack;

use crate::describe::{ActionDescription, check_names, meant};
use crate::pack::{PackAction, PackActions};
use crate::standard::http::HttpOptions;
use crate::standard::ssh::SshOptions;
use crate::standard::{Options, Standard, javascript};
use crate::versions::{self, Packs};
use crate::{Parameter, RegistryError, adhoc, openstack, outcome};

/// All actions that there are. Clones share everything.
#[derive(Clone)]
pub struct Registry {
    packs: Arc<Packs>,
    cloud: Arc<dyn Cloud>,
    delegations: Option<Arc<Delegations>>,
    definitions: Option<Arc<Definitions>>,
    options: Arc<Options>,
}

/// Puts a [`Registry`] together.
#[derive(Default)]
pub struct Builder {
    packs: Vec<Arc<dyn PackActions>>,
    cloud: Option<Arc<dyn Cloud>>,
    definitions: Option<Arc<Definitions>>,
    options: Options,
}

impl Builder {
    /// The cloud that OpenStack's operations and the host calls of packs go to. Without one,
    /// they fail and say so.
    #[must_use]
    pub fn cloud(mut self, cloud: Arc<dyn Cloud>) -> Self {
        self.cloud = Some(cloud);
        self
    }

    /// Adds a pack. It can be there in several versions, one of each major.
    #[must_use]
    pub fn pack(mut self, pack: LoadedPack) -> Self {
        self.packs.push(Arc::new(pack));
        self
    }

    /// The definitions whose ad-hoc actions can be called.
    #[must_use]
    pub fn definitions(mut self, definitions: Arc<Definitions>) -> Self {
        self.definitions = Some(definitions);
        self
    }

    /// How `std.http` and `std.mistral_http` behave, and where they may go.
    #[must_use]
    pub fn http(mut self, options: HttpOptions) -> Self {
        self.options.http = options;
        self
    }

    /// How `std.ssh`, `std.ssh_proxied` and `std.wait_ssh` behave.
    #[must_use]
    pub fn ssh(mut self, options: SshOptions) -> Self {
        self.options.ssh = options;
        self
    }

    #[cfg(test)]
    pub(crate) fn scripted(mut self, pack: Arc<dyn PackActions>) -> Self {
        self.packs.push(pack);
        self
    }

    /// The registry, if no two packs have the same action, and no two versions the same major.
    pub fn build(self) -> Result<Registry, RegistryError> {
        Ok(Registry {
            packs: Arc::new(Packs::new(self.packs)?),
            cloud: self.cloud.unwrap_or_else(|| Arc::new(openstack::NoCloud)),
            delegations: None,
            definitions: self.definitions,
            options: Arc::new(self.options),
        })
    }
}

/// What a name means.
enum Found {
    AdHoc(Arc<AdHocAction>),
    Base(Base),
}

/// An action that needs no other.
enum Base {
    Pack(PackAction),
    OpenStack(&'static Operation),
    Standard(Standard),
}

impl Base {
    fn describe(&self) -> ActionDescription {
        match self {
            Base::Pack(action) => action.describe(),
            Base::OpenStack(operation) => openstack::describe(operation),
            Base::Standard(action) => action.describe(),
        }
    }
}

impl Registry {
    /// A registry of std actions and OpenStack operations, to which more can be added.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The same registry with the ad-hoc actions of `definitions`. Definitions are checked
    /// against a registry before there are any to add to it.
    #[must_use]
    pub fn with_definitions(&self, definitions: Arc<Definitions>) -> Self {
        Self {
            definitions: Some(definitions),
            ..self.clone()
        }
    }

    /// The same registry with what `wrap` makes of its cloud.
    #[must_use]
    pub fn with_cloud(&self, wrap: impl FnOnce(Arc<dyn Cloud>) -> Arc<dyn Cloud>) -> Self {
        Self {
            cloud: wrap(Arc::clone(&self.cloud)),
            ..self.clone()
        }
    }

    /// The same registry, whose actions act on a cloud as `delegations` say; on its own where they
    /// say nothing.
    #[must_use]
    pub fn with_delegations(&self, delegations: Arc<Delegations>) -> Self {
        Self {
            delegations: Some(delegations),
            ..self.clone()
        }
    }

    /// The same registry with the cloud of `call` as its own, for that call alone.
    #[must_use]
    pub fn for_call(&self, call: &ActionCall) -> Self {
        Self {
            cloud: self.cloud_of(call),
            delegations: None,
            ..self.clone()
        }
    }

    /// The cloud that `call` is for.
    fn cloud_of(&self, call: &ActionCall) -> Arc<dyn Cloud> {
        let delegations = self.delegations.as_deref();
        delegations
            .and_then(|delegations| delegations.cloud(call.root.as_str()))
            .unwrap_or_else(|| Arc::clone(&self.cloud))
    }

    /// The action that `name` means outside of any workflow; none if there is none.
    pub fn describe(&self, name: &str) -> Option<ActionDescription> {
        match self.find(name, None) {
            Ok(Some(Found::AdHoc(action))) => Some(adhoc::describe(&action)),
            Ok(Some(Found::Base(base))) => Some(base.describe()),
            Ok(None) => None,
            // Only an older version has it.
            Err(_) => self.packs.all(name).first().map(PackAction::describe),
        }
    }

    /// The full names of all actions, sorted.
    pub fn names(&self) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> = self.packs.names().cloned().collect();
        names.extend(
            operations::all()
                .iter()
                .map(|operation| operation.name.as_str().into()),
        );
        names.extend(Standard::names().map(Arc::from));
        if let Some(definitions) = &self.definitions {
            names.extend(definitions.actions().map(|action| Arc::clone(&action.name)));
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The workflow that a call comes from.
    fn workflow(&self, context: &ActionContext) -> Option<&Workflow> {
        let definitions = self.definitions.as_deref()?;
        let workflow =
            definitions.workflow_in(&context.workflow_namespace, &context.workflow_name)?;
        Some(workflow)
    }

    /// What `name` means in the workflow `from`: there, ad-hoc actions of its workbook have
    /// short names.
    fn find(&self, name: &str, from: Option<&Workflow>) -> Result<Option<Found>, String> {
        let definitions = self.definitions.as_deref();
        let ad_hoc = definitions.and_then(|definitions| match from {
            Some(workflow) => definitions.action(name, workflow),
            None => definitions.action_in("", name).cloned(),
        });
        match ad_hoc {
            Some(action) => Ok(Some(Found::AdHoc(action))),
            None => Ok(self.find_base(name, from)?.map(Found::Base)),
        }
    }

    /// What the base of `action` is, which the workflow `from` calls.
    fn behind_ad_hoc(
        &self,
        action: &AdHocAction,
        from: Option<&Workflow>,
    ) -> Result<Option<Found>, String> {
        let definitions = self.definitions.as_deref();
        let ad_hoc = definitions.and_then(|definitions| definitions.base_of(action));
        match ad_hoc.cloned() {
            Some(action) => Ok(Some(Found::AdHoc(action))),
            None => Ok(self.find_base(&action.base, from)?.map(Found::Base)),
        }
    }

    /// What `name` means to the workflow `from`, ad-hoc actions aside.
    fn find_base(&self, name: &str, from: Option<&Workflow>) -> Result<Option<Base>, String> {
        let tags = from.map_or(&[][..], |from| &from.tags);
        Ok(match self.packs.find(name, tags)? {
            Some(action) => Some(Base::Pack(action.clone())),
            None => Self::built_in(name),
        })
    }

    fn built_in(name: &str) -> Option<Base> {
        if let Some(operation) = operations::find(name) {
            Some(Base::OpenStack(operation))
        } else {
            Standard::find(name).map(Base::Standard)
        }
    }

    fn unknown(&self, name: &str) -> ActionError {
        let names = self.names();
        let hint = meant(name, names.iter().map(|name| &**name));
        ActionError::new(
            ActionErrorKind::Call,
            format!("no action is called {name}{hint}"),
        )
    }

    /// Follows ad-hoc actions down to their base, runs that, and makes their results of its.
    async fn dispatch(&self, call: &ActionCall) -> Result<ActionOutcome, ActionError> {
        let from = self.workflow(&call.context);
        let mut name = Arc::clone(&call.name);
        let mut input = Arc::clone(&call.input);
        let mut around: Vec<Arc<AdHocAction>> = Vec::new();
        let base = loop {
            let found = match around.last() {
                None => self.find(&name, from),
                Some(action) => self.behind_ad_hoc(action, from),
            };
            let found = found.map_err(|reason| ActionError::new(ActionErrorKind::Call, reason))?;
            match found.ok_or_else(|| self.unknown(&name))? {
                Found::Base(base) => break base,
                Found::AdHoc(action) => {
                    let known = around.iter().any(|above| Arc::ptr_eq(above, &action));
                    if known || around.len() == adhoc::MAX_CHAIN {
                        return Err(ActionError::new(
                            ActionErrorKind::Call,
                            format!("{}: its base leads back to {}", call.name, action.name),
                        ));
                    }
                    input = Arc::new(adhoc::base_input(&action, &input)?);
                    name = Arc::clone(&action.base);
                    around.push(action);
                }
            }
        };
        let mut outcome = self.run_base(base, &input, call).await?;
        for action in around.iter().rev() {
            if let ActionOutcome::Success(result) = outcome {
                outcome = ActionOutcome::Success(adhoc::output(action, result)?);
            }
        }
        Ok(outcome)
    }

    /// The action of a pack that does a std action's work.
    fn behind(&self, action: Standard) -> Option<&PackAction> {
        match action {
            Standard::Javascript | Standard::Js => self.packs.all(javascript::EVALUATE).first(),
            _ => None,
        }
    }

    async fn run_base(
        &self,
        base: Base,
        input: &Arc<Map>,
        call: &ActionCall,
    ) -> Result<ActionOutcome, ActionError> {
        match base {
            Base::Standard(action) => {
                check_names(action.name(), &action.parameters(), input)
                    .map_err(|message| ActionError::new(ActionErrorKind::Call, message))?;
                if let Some(PackAction { pack, signature }) = self.behind(action) {
                    let cloud = self.cloud_of(call);
                    let result = pack.call(&signature.name, input, call, cloud).await;
                    return result
                        .map(outcome::of_pack)
                        .map_err(|error| javascript::failed(error.into()));
                }
                Ok(action.run(input, call, &self.options).await)
            }
            Base::OpenStack(operation) => {
                let result = operations::call(&*self.cloud_of(call), &operation.name, input).await;
                result
                    .map(ActionOutcome::Success)
                    .map_err(|error| outcome::of_operation(&error))
            }
            Base::Pack(PackAction { pack, signature }) => {
                let cloud = self.cloud_of(call);
                let result = pack.call(&signature.name, input, call, cloud).await;
                result.map(outcome::of_pack).map_err(ActionError::from)
            }
        }
    }
}

#[async_trait]
impl ActionRunner for Registry {
    async fn run(&self, call: ActionCall) -> ActionOutcome {
        self.dispatch(&call)
            .await
            .unwrap_or_else(ActionOutcome::Error)
    }

    /// Validations, operations that change nothing, and what works within this process. Ad-hoc
    /// actions are called by names that mean something else in another workbook, and are not
    /// looked into.
    fn only_reads(&self, name: &str) -> bool {
        let versions = self.packs.all(name);
        if !versions.is_empty() {
            return versions.iter().all(|action| action.signature.is_validation);
        }
        match Self::built_in(name) {
            Some(Base::Pack(action)) => action.signature.is_validation,
            Some(Base::OpenStack(operation)) => operation.reads,
            Some(Base::Standard(action)) => action.only_reads(),
            None => false,
        }
    }
}

/// What definitions are checked against. Their own ad-hoc actions they know by themselves.
impl ActionCatalogue for Registry {
    fn parameters(&self, action: &str) -> Option<Vec<ActionParameter>> {
        Some(parameters(&self.find_base(action, None).ok()??))
    }

    fn check_value(&self, action: &str, parameter: &str, value: &Value) -> Option<String> {
        check_value(&self.find_base(action, None).ok()??, parameter, value)
    }

    fn takes_more(&self, action: &str) -> bool {
        takes_more(Registry::built_in(action).as_ref())
    }

    fn names(&self) -> Vec<Arc<str>> {
        Registry::names(self)
    }

    fn seen_by(&self, workflow: &Arc<Workflow>) -> Option<Box<dyn ActionCatalogue + '_>> {
        versions::matter(&workflow.tags).then(|| {
            let registry = self;
            let workflow = Arc::clone(workflow);
            Box::new(SeenBy { registry, workflow }) as _
        })
    }
}

/// The actions as a workflow gets them whose tags say which majors of packs.
struct SeenBy<'a> {
    registry: &'a Registry,
    workflow: Arc<Workflow>,
}

impl SeenBy<'_> {
    fn find(&self, action: &str) -> Option<Base> {
        self.registry
            .find_base(action, Some(&self.workflow))
            .ok()
            .flatten()
    }
}

impl ActionCatalogue for SeenBy<'_> {
    fn parameters(&self, action: &str) -> Option<Vec<ActionParameter>> {
        Some(parameters(&self.find(action)?))
    }

    fn check_value(&self, action: &str, parameter: &str, value: &Value) -> Option<String> {
        check_value(&self.find(action)?, parameter, value)
    }

    fn takes_more(&self, action: &str) -> bool {
        takes_more(self.find(action).as_ref())
    }

    fn names(&self) -> Vec<Arc<str>> {
        Registry::names(self.registry)
    }
}

fn parameters(base: &Base) -> Vec<ActionParameter> {
    if let Base::OpenStack(operation) = base {
        return openstack::parameters(operation);
    }
    let parameters = base.describe().parameters.into_iter();
    parameters
        .map(|Parameter { name, required, .. }| ActionParameter { name, required })
        .collect()
}

fn check_value(base: &Base, parameter: &str, value: &Value) -> Option<String> {
    match base {
        Base::Pack(action) => action.check_value(parameter, value),
        Base::OpenStack(operation) => openstack::check_value(operation, parameter, value),
        // Mistral's own take what Python makes of a value.
        Base::Standard(_) => None,
    }
}

fn takes_more(base: Option<&Base>) -> bool {
    matches!(base, Some(Base::OpenStack(operation)) if operation.open)
}
