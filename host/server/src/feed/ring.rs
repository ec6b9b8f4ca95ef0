//! The latest changes, in memory.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use ostro_core::ExecutionId;

use super::item::Item;
use super::wanted::{Look, Wanted};

/// How many changes are looked at while the ring is held.
const MAX_LOOKS: usize = 2_048;
/// How many bytes are taken at a time.
const MAX_BYTES: usize = 64 << 10;

/// The latest changes: all that come after number `low`, without gaps.
pub(super) struct Ring {
    items: VecDeque<Arc<Item>>,
    low: u64,
    bytes: usize,
    /// The numbers of those of each root execution.
    of_root: HashMap<ExecutionId, VecDeque<u64>>,
    max_items: usize,
    max_bytes: usize,
}

/// What was taken out of the ring, or the journal.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) items: Vec<Arc<Item>>,
    /// Up to which number all were looked at.
    pub(super) reached: u64,
    /// Whether nothing after these is wanted.
    pub(super) is_end: bool,
}

impl Taken {
    /// Looks at one. Whether there is room for more.
    pub(super) fn look(
        &mut self,
        item: &Arc<Item>,
        wanted: &mut Wanted,
        bytes: &mut usize,
    ) -> bool {
        self.reached = item.sequence;
        let look = wanted.look(item);
        if matches!(look, Look::Take | Look::TakeLast) {
            *bytes += item.text.len();
            self.items.push(Arc::clone(item));
        }
        self.is_end = matches!(look, Look::TakeLast | Look::Last);
        !self.is_end && *bytes < MAX_BYTES
    }
}

impl Ring {
    pub(super) fn new(max_items: usize, max_bytes: usize) -> Self {
        Self {
            items: VecDeque::new(),
            low: 0,
            bytes: 0,
            of_root: HashMap::new(),
            max_items: max_items.max(1),
            max_bytes,
        }
    }

    /// Begins anew after number `last`.
    pub(super) fn begin(&mut self, last: u64) {
        self.items.clear();
        self.of_root.clear();
        self.bytes = 0;
        self.low = last;
    }

    /// The number of the last change.
    pub(super) fn last(&self) -> u64 {
        self.low + self.items.len() as u64
    }

    pub(super) fn push(&mut self, item: Arc<Item>) {
        // It came before the ring began.
        if item.sequence <= self.last() {
            return;
        }
        if item.sequence != self.last() + 1 {
            self.begin(item.sequence - 1);
        }
        self.bytes += item.bytes();
        if let Some(root) = &item.root {
            let numbers = self.of_root.entry(root.clone()).or_default();
            numbers.push_back(item.sequence);
        }
        self.items.push_back(item);
        while self.items.len() > self.max_items || self.bytes > self.max_bytes {
            self.pop();
        }
    }

    fn pop(&mut self) {
        let Some(item) = self.items.pop_front() else {
            return;
        };
        self.low = item.sequence;
        self.bytes -= item.bytes();
        if let Some(root) = &item.root
            && let Some(numbers) = self.of_root.get_mut(root)
        {
            numbers.pop_front();
            if numbers.is_empty() {
                self.of_root.remove(root);
            }
        }
    }

    /// What is wanted after number `position`, as much as is sent at a time. None if that is not
    /// in the ring any more.
    pub(super) fn take(&self, position: u64, wanted: &mut Wanted) -> Option<Taken> {
        if position < self.low {
            return None;
        }
        let mut taken = Taken {
            reached: position,
            ..Taken::default()
        };
        let root = wanted.root();
        let mut bytes = 0;
        let mut looks = 0;
        let mut look = |sequence: u64| {
            let index = usize::try_from(sequence - self.low - 1).ok();
            let Some(item) = index.and_then(|index| self.items.get(index)) else {
                return false;
            };
            looks += 1;
            taken.look(item, wanted, &mut bytes) && looks < MAX_LOOKS
        };
        let is_whole = if let Some(root) = root {
            let none = VecDeque::new();
            let numbers = self.of_root.get(&root).unwrap_or(&none);
            let first = numbers.partition_point(|number| *number <= position);
            numbers.range(first..).all(|number| look(*number))
        } else {
            (position + 1..=self.last()).all(look)
        };
        if is_whole {
            taken.reached = self.last().max(position);
        }
        Some(taken)
    }
}
