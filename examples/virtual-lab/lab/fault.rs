//! What can be broken in the lab.

use clap::ValueEnum;

/// What is broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// Nothing
    #[default]
    None,
    /// A bit of the card flips after every write
    Card,
    /// The mux command hangs
    MuxHang,
    /// The mux command fails
    MuxFail,
    /// The power switch does not answer
    Power,
    /// The board never boots
    NoBoot,
    /// The board accepts connections and never answers
    Mute,
}

impl Fault {
    /// The exit status with which the recipe must end.
    pub(crate) fn exit_status(self) -> i32 {
        match self {
            Fault::None => 0,
            Fault::Power => 46,
            Fault::Card | Fault::MuxHang | Fault::MuxFail | Fault::NoBoot | Fault::Mute => 1,
        }
    }

    /// A line of the device config that shortens a wait of minutes, so that one can watch it end.
    pub(crate) fn device_config(self) -> Option<&'static str> {
        match self {
            Fault::MuxHang => Some("switch_timeout: 1s"),
            Fault::NoBoot | Fault::Mute => Some("boot_timeout: 10s"),
            Fault::None | Fault::Card | Fault::MuxFail | Fault::Power => None,
        }
    }
}
