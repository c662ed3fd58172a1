//! What files add to the contract: damage, torn writes, and space that is used again.

mod cuts;
mod damage;
mod faults;
mod full_disk;
mod harness;
mod histories;
mod late;
mod nonces;
mod promises;
mod renewal;
mod space;
