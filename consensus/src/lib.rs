//! The replicated log of Kimberlite.
