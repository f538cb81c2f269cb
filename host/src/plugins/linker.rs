//! Which imports are connected to what.
//!
//! `ghost:host` is connected whole, because a component that imports what it is not granted never gets here.
//! Of WASI, everybody gets what standard libraries cannot do without (streams, clocks, random numbers; no
//! arguments, no environment); file systems by grant; the rest is connected to functions that trap and say why,
//! since toolchains import more than their programs use.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, HasSelf, Linker, ResourceType};
use wasmtime::{Engine, Result};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::{cli, filesystem, random};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{WasiView, p2};

use super::bindings::ghost::{collector, host};
use super::capability::{Need, need};
use super::state::{CallState, NotGranted};

/// What every component is linked against.
pub(super) fn base(engine: &Engine) -> Result<Linker<CallState>> {
    let mut linker = Linker::new(engine);
    p2::add_to_linker_proxy_interfaces_async(&mut linker)?;
    cli::exit::add_to_linker::<_, WasiCli>(&mut linker, CallState::cli)?;
    cli::environment::add_to_linker::<_, WasiCli>(&mut linker, CallState::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(&mut linker, CallState::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(&mut linker, CallState::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(&mut linker, CallState::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(&mut linker, CallState::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(&mut linker, CallState::cli)?;
    random::insecure::add_to_linker::<_, WasiRandom>(&mut linker, wasi_random)?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(&mut linker, wasi_random)?;

    collector::types::add_to_linker::<_, HasSelf<_>>(&mut linker, same)?;
    host::types::add_to_linker::<_, HasSelf<_>>(&mut linker, same)?;
    host::log::add_to_linker::<_, HasSelf<_>>(&mut linker, same)?;
    host::state::add_to_linker::<_, HasSelf<_>>(&mut linker, same)?;
    host::redact::add_to_linker::<_, HasSelf<_>>(&mut linker, same)?;
    host::processes::add_to_linker::<_, HasSelf<_>>(&mut linker, same)?;
    host::system::add_to_linker::<_, HasSelf<_>>(&mut linker, same)?;
    host::files::add_to_linker::<_, HasSelf<_>>(&mut linker, same)?;
    host::probe::add_to_linker::<_, HasSelf<_>>(&mut linker, same)?;
    host::clock::add_to_linker::<_, HasSelf<_>>(&mut linker, same)?;
    host::journal::add_to_linker::<_, HasSelf<_>>(&mut linker, same)?;
    host::sockets::add_to_linker::<_, HasSelf<_>>(&mut linker, same)?;
    host::units::add_to_linker::<_, HasSelf<_>>(&mut linker, same)?;
    host::commands::add_to_linker::<_, HasSelf<_>>(&mut linker, same)?;
    Ok(linker)
}

fn same(state: &mut CallState) -> &mut CallState {
    state
}

fn wasi_random(state: &mut CallState) -> &mut wasmtime_wasi::random::WasiRandomCtx {
    state.ctx().ctx.random()
}

/// What one component is linked against: the base, the file system where it is granted, and a trap for the rest
/// of WASI that it imports.
pub(super) fn for_component(
    base: &Linker<CallState>,
    component: &Component,
    filesystem_granted: bool,
) -> Result<Linker<CallState>> {
    let mut linker = base.clone();
    if filesystem_granted {
        filesystem::types::add_to_linker::<_, WasiFilesystem>(&mut linker, CallState::filesystem)?;
        filesystem::preopens::add_to_linker::<_, WasiFilesystem>(&mut linker, CallState::filesystem)?;
    }
    let engine = linker.engine().clone();
    for (name, item) in component.component_type().imports(&engine) {
        let closed = match need(name) {
            Need::Closed => true,
            Need::Grant(grant) => grant == "wasi:filesystem" && !filesystem_granted,
            _ => false,
        };
        if closed {
            close(&mut linker, &engine, name, &item.ty)?;
        }
    }
    Ok(linker)
}

/// Connects an interface to functions that trap.
fn close(linker: &mut Linker<CallState>, engine: &Engine, name: &str, item: &ComponentItem) -> Result<()> {
    let ComponentItem::ComponentInstance(interface) = item else { return Ok(()) };
    let mut instance = linker.instance(name)?;
    for (export, item) in interface.exports(engine) {
        match &item.ty {
            ComponentItem::ComponentFunc(_) => {
                let what = capability_of(name);
                let message = format!(
                    "`{name}` is not granted: `{export}` was called (add `grant = [\"{what}\"]` where that capability exists)"
                );
                instance.func_new(export, move |mut store, _, _, _| {
                    store.data_mut().lent.denied += 1;
                    Err(NotGranted(message.clone()).into())
                })?;
            }
            ComponentItem::Resource(_) => {
                instance.resource(export, resource_type(export), |_, _| Ok(()))?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// What stands for a resource of an interface that is closed. Streams and the like are those of `wasi:io`, which every
/// component has: were they others, one that imports both would not fit.
fn resource_type(name: &str) -> ResourceType {
    match name {
        "input-stream" => ResourceType::host::<p2::DynInputStream>(),
        "output-stream" => ResourceType::host::<p2::DynOutputStream>(),
        "pollable" => ResourceType::host::<p2::DynPollable>(),
        "error" => ResourceType::host::<p2::IoError>(),
        _ => ResourceType::host::<Closed>(),
    }
}

/// A resource of an interface that is closed: none is ever made.
struct Closed;

fn capability_of(import: &str) -> &str {
    import.split('/').next().unwrap_or(import)
}
