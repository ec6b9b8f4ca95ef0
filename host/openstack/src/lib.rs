//! OpenStack: sessions and the catalogue of client operations.
