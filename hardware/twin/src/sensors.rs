//! Placeholder of the public skeleton.
