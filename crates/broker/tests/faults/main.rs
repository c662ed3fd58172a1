//! What becomes of a data directory when its bytes are not what was written.
//!
//! Every test breaks a directory in some way, opens it as a start does, and receives what there is. Three things may
//! happen: the start is refused and names the file; the receive of what is damaged fails and everything else is served;
//! or all is served. Never is anything served that was not sent, and never does a message go in silence. Then the same
//! directory is repaired, and what a repair does not name as lost has to be there.

mod fixture;
mod flips;
mod mended;
mod trial;
