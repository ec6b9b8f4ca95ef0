//! As whom actions act on a cloud: the operator, or whoever started their execution.
//!
//! Architecture Invariant: where callers say who they are, nothing acts as the operator because
//! it is not known as whom it should ([`Delegations::required`]).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ostro_egress::IpNet;
use secrecy::SecretString;

use crate::{Cloud, CloudError, ServiceLimit, Session, Target, Throttled};

/// How many sessions by trust are kept at most: more log in again.
const MAX_SESSIONS: usize = 1024;

/// As whom an execution's actions act, and where.
#[derive(Clone)]
pub enum Delegation {
    /// On the operator's cloud, as the user who gave this trust.
    Trust(Arc<str>),
    /// On the operator's cloud, as the user of this token, as long as it lasts.
    Token {
        /// The token.
        token: SecretString,
        /// What is said once it does not.
        then: Arc<str>,
    },
    /// On another cloud.
    Target(Box<Target>),
    /// As nobody any more, for this reason.
    Lost(Arc<str>),
}

/// Without tokens.
impl fmt::Debug for Delegation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trust(trust) => f.debug_tuple("Trust").field(trust).finish(),
            Self::Token { .. } => f.write_str("Token"),
            Self::Target(target) => target.fmt(f),
            Self::Lost(reason) => f.debug_tuple("Lost").field(reason).finish(),
        }
    }
}

/// As whom all that runs acts, by the id of its root execution; of an action that runs by itself,
/// by its own.
pub struct Delegations {
    session: Session,
    throttled: Throttled,
    limits: Vec<ServiceLimit>,
    /// Where callers' clouds may not be.
    denied: Vec<IpNet>,
    required: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: HashMap<Arc<str>, Acting>,
    /// Those by trust, and when each was last asked for.
    trusted: HashMap<Arc<str>, (Arc<dyn Cloud>, u64)>,
    asked: u64,
}

/// What is made of a delegation.
enum Acting {
    Trust(Arc<str>),
    Cloud(Arc<dyn Cloud>),
}

impl Delegations {
    /// None yet. `session` is the operator's: its user is who is trusted. Services have the same
    /// limits, whoever asks them.
    pub fn new(session: Session, limits: &[ServiceLimit]) -> Self {
        Self {
            throttled: Throttled::new(Arc::new(session.clone()), limits),
            session,
            limits: limits.to_vec(),
            denied: Vec::new(),
            required: false,
            state: Mutex::default(),
        }
    }

    /// The same, where clouds that callers name may not be in the networks `denied`.
    #[must_use]
    pub fn denying(mut self, denied: Vec<IpNet>) -> Self {
        self.denied = denied;
        self
    }

    /// The same, where what has no delegation acts as nobody: callers say who they are, and none
    /// of them is the operator.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The operator's session, which makes trusts and deletes them.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Has what is known as `id` act so from now on.
    pub fn set(&self, id: &str, delegation: Delegation) {
        let acting = match delegation {
            Delegation::Trust(trust) => Acting::Trust(trust),
            Delegation::Token { token, then } => {
                let session = self.session.by_token(token, &then);
                Acting::Cloud(Arc::new(self.throttled.through(cloud(session))))
            }
            Delegation::Target(target) => {
                // The second cloud's services are not the first's.
                let session = cloud(target.session(&self.denied));
                Acting::Cloud(Arc::new(Throttled::new(session, &self.limits)))
            }
            Delegation::Lost(reason) => Acting::Cloud(nobody(&reason)),
        };
        self.lock().known.insert(id.into(), acting);
    }

    /// Knows nothing of `id` any more.
    pub fn remove(&self, id: &str) {
        self.lock().known.remove(id);
    }

    /// Has nobody act by `trust` any more.
    pub fn forget_trust(&self, trust: &str) {
        self.lock().trusted.remove(trust);
    }

    /// The cloud of what is known as `id`; none where that is the operator's own. It fails in a
    /// sentence where there is none.
    pub fn cloud(&self, id: &str) -> Option<Arc<dyn Cloud>> {
        let mut state = self.lock();
        let trust = match state.known.get(id) {
            None if self.required => {
                return Some(nobody(
                    "it is not known as whom this acts: its execution was started by nobody who \
                     said who they are, or has ended; start it again",
                ));
            }
            None => return None,
            Some(Acting::Cloud(cloud)) => return Some(Arc::clone(cloud)),
            Some(Acting::Trust(trust)) => Arc::clone(trust),
        };
        state.asked += 1;
        let now = state.asked;
        if let Some((cloud, asked)) = state.trusted.get_mut(&trust) {
            *asked = now;
            return Some(Arc::clone(cloud));
        }
        if state.trusted.len() >= MAX_SESSIONS {
            let oldest = state.trusted.iter().min_by_key(|(_, (_, asked))| *asked);
            if let Some(oldest) = oldest.map(|(trust, _)| Arc::clone(trust)) {
                state.trusted.remove(&oldest);
            }
        }
        let session = cloud(self.session.by_trust(&trust));
        let made: Arc<dyn Cloud> = Arc::new(self.throttled.through(session));
        state.trusted.insert(trust, (Arc::clone(&made), now));
        Some(made)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cloud of a session, or one that says why there is none.
fn cloud(session: Result<Session, CloudError>) -> Arc<dyn Cloud> {
    Arc::new(session.unwrap_or_else(Session::unconfigured))
}

fn nobody(reason: &str) -> Arc<dyn Cloud> {
    let reason = CloudError::Authentication(reason.to_owned());
    Arc::new(Session::unconfigured(reason))
}

impl fmt::Debug for Delegations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delegations")
            .field("session", &self.session)
            .field("required", &self.required)
            .finish_non_exhaustive()
    }
}
