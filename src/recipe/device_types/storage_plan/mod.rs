//! `storage_plan(disks, block_devices)`: from the layout that a job asks for and the block devices
//! that MAAS lists for the node, what has to be asked of MAAS.
//!
//! Everything is decided before anything is cleared: each entry is read ([`entry`]), the names by
//! which entries refer to each other are followed ([`layout`]), each disk of the layout is given a
//! block device on which its partitions fit ([`assign`], [`space`]), and the plan is written down
//! ([`plan`]). A layout that cannot be had is refused with all that is wrong in it.

mod assign;
mod block_device;
mod entry;
#[cfg(test)]
mod laws;
mod layout;
mod plan;
mod size;
mod space;

pub(crate) use plan::storage_plan;
