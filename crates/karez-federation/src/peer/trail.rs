//! Roots that a log had at its latest sizes, as they were passed while it was read. Others see a log at
//! other moments; what they saw lately is compared with these, and costs no proof.

use std::collections::VecDeque;

use karez_governance::TreeHash;

/// Sizes that are remembered of one log: 32 KiB.
const ROOTS_MAX: usize = 1024;

/// The latest roots of one log.
#[derive(Debug, Clone, Default)]
pub struct Trail {
    /// Size at the first root.
    first: u64,
    roots: VecDeque<TreeHash>,
}

impl Trail {
    /// Notes the root at a size. Anything but the next size, or what is known, begins anew.
    pub fn note(&mut self, size: u64, root: TreeHash) {
        if self.root_at(size) == Some(root) {
            return;
        }
        if self.first + self.roots.len() as u64 != size {
            self.roots.clear();
        }
        if self.roots.is_empty() {
            self.first = size;
        }
        if self.roots.len() == ROOTS_MAX {
            self.roots.pop_front();
            self.first += 1;
        }
        self.roots.push_back(root);
    }

    /// Returns the root at a size, if it is remembered.
    pub fn root_at(&self, size: u64) -> Option<TreeHash> {
        let place = usize::try_from(size.checked_sub(self.first)?).ok()?;
        self.roots.get(place).copied()
    }

    /// Tells whether a root at this size would still be remembered when the log has been read to `end`.
    pub fn is_worth(size: u64, end: u64) -> bool {
        end.saturating_sub(size) < ROOTS_MAX as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_remembered() {
        let mut trail = Trail::default();
        assert_eq!(trail.root_at(0), None);
        let root = |size: u64| TreeHash([size as u8; 32]);
        for size in 5..2005 {
            trail.note(size, root(size));
        }
        assert_eq!((trail.root_at(2004), trail.root_at(2005)), (Some(root(2004)), None));
        assert_eq!((trail.root_at(981), trail.root_at(980)), (Some(root(981)), None));
        assert!(Trail::is_worth(981, 2004) && !Trail::is_worth(980, 2004));
        trail.note(1500, root(1500));
        assert_eq!(trail.root_at(2004), Some(root(2004)), "what is known changes nothing");
        // A gap: what was before says nothing about what lies between.
        trail.note(3000, root(3));
        assert_eq!((trail.root_at(3000), trail.root_at(2004)), (Some(root(3)), None));
    }
}
