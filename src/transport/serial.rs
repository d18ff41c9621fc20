//! A serial port of this machine (`/dev/ttyUSB0`), to listen to.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::termios::{
    ControlModes, OptionalActions, QueueSelector, SpecialCodeIndex, tcflush, tcgetattr, tcsetattr,
};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

/// An open port. Its reading end is one of a pipe to tokio: a file that says when it can be read.
#[derive(Debug)]
pub struct SerialPort(Receiver);

impl SerialPort {
    /// Opens it: eight bits, no parity, one stop bit, no flow control, nothing changed on the way. It
    /// does not become anybody's terminal. What came before is not read.
    ///
    /// # Errors
    /// It is not there, may not be read, is no serial port, or can't be so fast.
    pub fn open(path: &Path, baud: u32) -> io::Result<Self> {
        let flags = OFlags::NOCTTY | OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
        let file = File::options()
            .read(true)
            .write(true)
            .custom_flags(flags)
            .open(path)?;
        let mut settings = tcgetattr(&file)?;
        settings.make_raw();
        settings.set_speed(baud)?;
        settings.control_modes |= ControlModes::CREAD | ControlModes::CLOCAL;
        settings.control_modes -= ControlModes::CRTSCTS | ControlModes::CSTOPB;
        settings.special_codes[SpecialCodeIndex::VMIN] = 1;
        settings.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&file, OptionalActions::Now, &settings)?;
        tcflush(&file, QueueSelector::IFlush)?;
        Ok(Self(Receiver::from_file_unchecked(file)?))
    }

    /// The next bytes; none where the port has gone.
    ///
    /// # Errors
    /// It can't be read: it was unplugged, say.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).await
    }
}
