//! Action packs: manifest, signatures by reflection, grants, digests.
