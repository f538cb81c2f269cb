//! The `ghostd` command.

fn main() -> std::process::ExitCode {
    one_heap();
    ghostd::cli::main()
}

/// glibc gives each thread a heap of its own, which grows page by page with a system call each time, and keeps what it
/// once had. ghostd's threads wait most of the time: one heap for all takes less memory and fewer calls.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn one_heap() {
    #[expect(unsafe_code, reason = "mallopt(3) is offered by libc alone")]
    // SAFETY: it is called before there is any other thread, and takes two integers.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn one_heap() {}
