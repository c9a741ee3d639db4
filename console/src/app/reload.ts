const KEY = "undercast.reloaded";
const PAUSE_MS = 10_000;

/**
 * Pages are loaded when they are first opened. Where that fails (the console was built anew, the network changed),
 * the whole console is loaded again; not over and over when that does not help.
 */
export function reloadWhenCodeIsGone(): void {
  addEventListener("vite:preloadError", (event) => {
    if (Date.now() - Number(sessionStorage.getItem(KEY) ?? 0) < PAUSE_MS) return;
    sessionStorage.setItem(KEY, String(Date.now()));
    event.preventDefault();
    location.reload();
  });
}
