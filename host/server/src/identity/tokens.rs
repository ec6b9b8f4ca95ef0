//! What is known of tokens, for a while.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ostro_journal::{Blob, Digest};

use super::User;

/// Tokens, and what was found out about them. The tokens themselves are not kept: they are known by
/// their digest.
pub(super) struct Tokens {
    remember: Duration,
    /// How many there may be in each of the two generations.
    half: usize,
    known: Mutex<Generations>,
}

/// Those that were asked for of late, and those before. When the young are many they become the
/// old, which are forgotten.
#[derive(Default)]
struct Generations {
    young: HashMap<Digest, Arc<Known>>,
    old: HashMap<Digest, Arc<Known>>,
}

/// What is known of one token. Who comes while another finds it out waits for that.
#[derive(Default)]
struct Known(tokio::sync::Mutex<Found>);

#[derive(Default)]
struct Found {
    /// Whose it is, or that it does not count; and since when that is known.
    user: Option<(Instant, Option<Arc<User>>)>,
    /// Why it could not be found out the last time.
    failure: Option<(Instant, String)>,
}

impl Tokens {
    pub(super) fn new(remember: Duration, most: usize) -> Self {
        Self {
            remember,
            half: (most / 2).max(1),
            known: Mutex::default(),
        }
    }

    /// Whose `token` is; none where it does not count. `ask` finds it out where it is not known, or
    /// no longer, once for all who want to know at that time: they share a failure, too.
    pub(super) async fn get<A>(
        &self,
        token: &str,
        ask: impl FnOnce() -> A,
    ) -> Result<Option<Arc<User>>, String>
    where
        A: Future<Output = Result<Option<User>, String>>,
    {
        let came = Instant::now();
        let known = self.known(Blob::new(token.as_bytes()).digest());
        let mut found = known.0.lock().await;
        if let Some((since, user)) = &found.user
            && since.elapsed() < self.remember
        {
            return Ok(user.clone());
        }
        if let Some((when, reason)) = &found.failure
            && *when >= came
        {
            return Err(reason.clone());
        }
        // The time counts from before the answer: what is revoked meanwhile is not known longer.
        let asked = Instant::now();
        match ask().await {
            Ok(user) => {
                let user = user.map(Arc::new);
                *found = Found {
                    user: Some((asked, user.clone())),
                    failure: None,
                };
                Ok(user)
            }
            Err(reason) => {
                *found = Found {
                    user: None,
                    failure: Some((Instant::now(), reason.clone())),
                };
                Err(reason)
            }
        }
    }

    fn known(&self, token: Digest) -> Arc<Known> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.young.get(&token) {
            return Arc::clone(found);
        }
        let found = known.old.remove(&token).unwrap_or_default();
        if known.young.len() >= self.half {
            known.old = mem::take(&mut known.young);
        }
        known.young.insert(token, Arc::clone(&found));
        found
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_token_is_asked_about_once_for_all_who_come_meanwhile() {
        let tokens = Tokens::new(Duration::from_mins(1), 10);
        let asked = AtomicUsize::new(0);
        let ask = async || {
            asked.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(None)
        };
        let (one, two) = tokio::join!(tokens.get("t", &ask), tokens.get("t", &ask));
        assert!(one.unwrap().is_none() && two.unwrap().is_none());
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_failure_is_shared_and_not_kept() {
        let tokens = Tokens::new(Duration::from_mins(1), 10);
        let asked = AtomicUsize::new(0);
        let fail = async || {
            asked.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            Err("gone".to_owned())
        };
        let (one, two) = tokio::join!(tokens.get("t", &fail), tokens.get("t", &fail));
        assert_eq!(
            (one.unwrap_err(), two.unwrap_err()),
            ("gone".to_owned(), "gone".to_owned())
        );
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert!(tokens.get("t", async || Ok(None)).await.is_ok());
    }

    #[tokio::test]
    async fn few_tokens_are_remembered_and_for_a_while() {
        let tokens = Tokens::new(Duration::from_hours(1), 4);
        let asked = AtomicUsize::new(0);
        let ask = async || {
            asked.fetch_add(1, Ordering::SeqCst);
            Ok(None)
        };
        for token in ["a", "a", "b", "c", "d", "e"] {
            tokens.get(token, &ask).await.unwrap();
        }
        assert_eq!(asked.load(Ordering::SeqCst), 5);
        {
            let known = tokens.known.lock().unwrap();
            assert!(known.young.len() + known.old.len() <= 4);
        }
        let tokens = Tokens::new(Duration::ZERO, 4);
        for times in 6..8 {
            tokens.get("a", &ask).await.unwrap();
            assert_eq!(asked.load(Ordering::SeqCst), times);
        }
    }
}
