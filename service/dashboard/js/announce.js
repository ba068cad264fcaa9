/** Announces messages to screen readers through the page's live regions. */

/** Announce after the current speech ends. */
export function announce(text) {
  speak("polite", text);
}

/** Announce an error immediately. */
export function alertUser(text) {
  speak("assertive", text);
}

function speak(id, text) {
  const region = document.getElementById(id);
  region.textContent = "";
  // Delayed: a screen reader repeats the same text only if the region was empty in between.
  setTimeout(() => {
    region.textContent = text;
  }, 50);
}
