//! `karez serve`: open, listen, say what to type next, stop in peace.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use karez_federation::provider::Provider;
use karez_federation::upstream::Upstreams;
use karez_federation::{Federation, FederationParts, FileWays};
use karez_hub::{Hub, PreviewProgram};
use karez_server::AppState;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Serve;
use crate::config::Settings;
use crate::{chores, data_folder, federation, node, print, welcome};

/// Seconds for the store to answer at the start.
const STORE_CHECK_SECS_MAX: u64 = 20;

/// Runs the node until it is told to stop.
///
/// # Errors
/// When it cannot start.
pub async fn run(serve: &Serve, settings: &Settings) -> anyhow::Result<()> {
    let folder = settings.uses_folder()?.then_some(settings.data_dir.as_path());
    let _lock = match folder {
        Some(folder) => {
            data_folder::make(folder)?;
            Some(data_folder::lock(folder)?)
        }
        None => None,
    };
    // Before anything is printed: who stops the node early must not cut it off.
    let stop = stop_asked()?;
    let hub = node::open(settings).await?;
    store_check(&hub, settings).await?;
    match PreviewProgram::this() {
        Ok(program) => hub.preview_open(Arc::new(program)),
        Err(error) => tracing::warn!(%error, "no previews: it is not known where this program is"),
    }
    let listener = listen(&settings.listen).await?;
    settings.network.apply(&listener).context("cannot set up how connections send")?;
    let token = hub.first_run(&serve.admin).await.context("cannot make the first administrator")?;
    let url = public_url(settings, listener.local_addr()?);
    let data = folder.map(data_folder::shown);
    print::lines(&welcome::text(&url, data.as_deref(), &serve.admin, token.as_deref()));

    // What is on its way needs a place on this machine, also where everything else is elsewhere.
    let journals = karez_federation::follow::journal_folder(&settings.data_dir);
    std::fs::create_dir_all(&journals).with_context(|| format!("cannot make {}", journals.display()))?;
    let parts = federation::parts(&hub, settings);
    let ways = FileWays::new(&hub, &parts.entropy, &journals);
    let federation = Arc::new(Federation::new(FederationParts { ways: Some(ways.clone()), ..parts }));
    let upstreams = Upstreams::new(Arc::clone(&hub), &settings.federation, ways.clone());
    let provider = Provider::of_settings(&settings.sign_in, settings.federation.proxy.as_deref());
    let provider = provider.map_err(anyhow::Error::msg)?.map(Arc::new);
    let state = AppState::new(Arc::clone(&hub), settings.public_url.as_deref())
        .with_provider(provider)
        .with_node(settings.node.clone())
        .with_federation(Arc::clone(&federation))
        .with_upstreams(Arc::clone(&upstreams))
        .with_congestion(karez_server::congestion_of(&listener));
    let chores = chores::start(
        Arc::clone(&hub),
        Arc::clone(&upstreams),
        Arc::clone(&federation),
        settings.data_dir.join("search"),
        settings.garbage,
    );
    let running = federation.start();
    let cut = karez_server::serve(listener, state, stop, Duration::from_secs(settings.stop_secs_max)).await;
    if cut > 0 {
        tracing::warn!(connections = cut, secs = settings.stop_secs_max, "cut connections that did not finish in time");
    }
    ways.transfers.stop().await;
    running.stop().await;
    chores::finish(chores, &hub, &upstreams).await;
    hub.catalog().close().await;
    Ok(())
}

/// Writes and removes a small object: a wrong bucket, key or disk is better found now than at the first push.
async fn store_check(hub: &Hub, settings: &Settings) -> anyhow::Result<()> {
    let place = settings.store_location()?;
    let checked = tokio::time::timeout(Duration::from_secs(STORE_CHECK_SECS_MAX), hub.store().healthy()).await;
    match checked {
        Ok(Ok(())) => Ok(()),
        // Reading still works on a full disk, and the node says so to whoever pushes.
        Ok(Err(error)) if error.is_full() => {
            tracing::warn!(store = %place, "there is no room left: people can read but not push");
            Ok(())
        }
        Ok(Err(error)) => Err(anyhow::Error::new(error).context(format!("the store {place} does not work"))),
        Err(_) => {
            anyhow::bail!("the store {place} did not answer for {STORE_CHECK_SECS_MAX} seconds. Is its address right?")
        }
    }
}

async fn listen(address: &str) -> anyhow::Result<TcpListener> {
    let in_use = |error: &std::io::Error| error.kind() == std::io::ErrorKind::AddrInUse;
    TcpListener::bind(address).await.map_err(|error| match in_use(&error) {
        true => anyhow::anyhow!(
            "another program listens on {address} already. Stop it, or choose another port, for example --listen 127.0.0.1:8081"
        ),
        false => anyhow::Error::new(error).context(format!("cannot listen on {address}")),
    })
}

/// Returns the address to print: the setting, or where the node listens.
fn public_url(settings: &Settings, listening: SocketAddr) -> String {
    match &settings.public_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        // "All addresses" is no address that a client can use.
        None if listening.ip().is_unspecified() => format!("http://127.0.0.1:{}", listening.port()),
        None => format!("http://{listening}"),
    }
}

/// Resolves at SIGTERM or Ctrl-C; a second one ends the process at once.
fn stop_asked() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for signals")?;
    let (asked, stop) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let mut either = async || tokio::select! { _ = terminate.recv() => (), _ = interrupt.recv() => () };
        either().await;
        print::lines("Stopping. Running requests may finish. Press Ctrl-C again to stop at once.");
        let _ = asked.send(());
        either().await;
        // What was acknowledged is durable, so nothing is lost.
        std::process::exit(1);
    });
    Ok(async move { drop(stop.await) })
}
