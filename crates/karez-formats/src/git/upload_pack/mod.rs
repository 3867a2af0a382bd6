//! The fetch protocol, versions 2 and 0.
