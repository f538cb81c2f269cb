//! The `ghostd` command.

fn main() -> std::process::ExitCode {
    ghostd::cli::main()
}
