//! What is chosen for a run, and how the next run is made from those that got far.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ostro_core::Value;
use ostro_lang::{Definitions, Workflow};

use crate::values::{Random, Vocabulary};

/// What each input and each task of a run is given: a seed by name. What has no seed yet gets one
/// when it is asked for.
#[derive(Clone, Default)]
pub(crate) struct Seeds(BTreeMap<String, u64>);

impl Seeds {
    /// The same seeds but for a few, which are drawn anew.
    pub(crate) fn changed(&self, random: &mut Random) -> Self {
        let mut seeds = self.clone();
        for _ in 0..=random.below(3) {
            let chosen = random.below(seeds.0.len());
            if let Some(seed) = seeds.0.values_mut().nth(chosen) {
                *seed = random.next();
            }
        }
        seeds
    }
}

/// The words of the workflows that a root can reach.
pub(crate) struct Words {
    definitions: Arc<Definitions>,
    root: Arc<Workflow>,
    known: Mutex<BTreeMap<Arc<str>, Arc<Vocabulary>>>,
}

impl Words {
    /// For runs of `root`.
    pub(crate) fn new(definitions: &Arc<Definitions>, root: &Arc<Workflow>) -> Self {
        Self {
            definitions: Arc::clone(definitions),
            root: Arc::clone(root),
            known: Mutex::default(),
        }
    }

    fn of(&self, workflow: &str) -> Arc<Vocabulary> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let of = || {
            let workflow = self.definitions.workflow(workflow).unwrap_or(&self.root);
            Arc::new(Vocabulary::of(&workflow.definition, &self.root.definition))
        };
        Arc::clone(known.entry(workflow.into()).or_insert_with(of))
    }
}

/// The choices of a run that is under way.
pub(crate) struct Choices {
    words: Arc<Words>,
    seeds: Seeds,
    random: Random,
    asked: BTreeMap<String, u64>,
}

impl Choices {
    /// Choices by `seeds`, and by `seed` for what they don't say.
    pub(crate) fn new(words: &Arc<Words>, seeds: Seeds, seed: u64) -> Self {
        Self {
            words: Arc::clone(words),
            seeds,
            random: Random::new(seed),
            asked: BTreeMap::new(),
        }
    }

    /// The seeds that were used.
    pub(crate) fn into_seeds(self) -> Seeds {
        self.seeds
    }

    fn random(&mut self, name: &str) -> Random {
        let seed = *self
            .seeds
            .0
            .entry(name.to_owned())
            .or_insert_with(|| self.random.next());
        let times = self.asked.entry(name.to_owned()).or_default();
        *times += 1;
        // Half of what is asked again and again gives the same each time.
        Random::new(if seed.is_multiple_of(2) {
            seed
        } else {
            seed.wrapping_add(*times)
        })
    }

    /// The value of an input of `workflow`; None to leave it out where that can be done.
    pub(crate) fn input(&mut self, workflow: &str, name: &str, optional: bool) -> Option<Value> {
        let mut random = self.random(&format!("input {name}"));
        let left_out = optional && random.below(2) == 0;
        (!left_out).then(|| self.words.of(workflow).value(name, &mut random))
    }

    /// What a call of an action for a task gives: a result, or an error.
    pub(crate) fn result(&mut self, workflow: &str, task: &str) -> Result<Value, Arc<str>> {
        let mut random = self.random(&format!("{workflow}: {task}"));
        let words = self.words.of(workflow);
        if random.below(8) == 0 {
            return Err(words.text(&mut random));
        }
        Ok(words.any(&mut random))
    }
}
