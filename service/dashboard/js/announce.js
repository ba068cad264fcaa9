/** Says things to those who do not see the page. */

/** Say it when what is being said has ended. */
export function announce(text) {
  speak("polite", text);
}

/** Say it at once: something went wrong. */
export function alertUser(text) {
  speak("assertive", text);
}

function speak(id, text) {
  const region = document.getElementById(id);
  region.textContent = "";
  // Later: the same text twice in a row is said twice only if the region was empty in between.
  setTimeout(() => {
    region.textContent = text;
  }, 50);
}
