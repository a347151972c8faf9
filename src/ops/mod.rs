//! What commands do, without their command lines and without printing: each file is one operation over the pure middle
//! and its edges.

pub mod new_cluster;
