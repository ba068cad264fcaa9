/** Navigation within the dashboard; the router listens for it. */

export const NAVIGATED = "ridgeline-navigated";

/** Go to an address of the dashboard. */
export function go(address) {
  history.pushState(null, "", address);
  dispatchEvent(new Event(NAVIGATED));
}

/** Change the address to match what the page shows, without reloading the page. */
export function replaceAddress(address) {
  history.replaceState(null, "", address);
}
