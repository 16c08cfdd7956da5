//! The program `msb`: the real world, and the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    match msb::world::real(|world| msb::cli::run(std::env::args_os(), world)) {
        Some(exit) => ExitCode::from(exit as u8),
        None => {
            eprintln!("msb: error: the clock is before 1970 or past the year 9999");
            ExitCode::FAILURE
        }
    }
}
