/** How a page goes elsewhere: the router hears of it. */

export const MOVED = "ridgeline-moved";

/** Go to an address of the dashboard. */
export function go(address) {
  history.pushState(null, "", address);
  dispatchEvent(new Event(MOVED));
}

/** Let the address say what the page shows, without showing it anew. */
export function note(address) {
  history.replaceState(null, "", address);
}
