/** Builds elements. API content is always inserted as text: nothing here parses HTML. */

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element. `on…` attributes are listeners; null and false attributes are skipped. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element, built the same way. */
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Replace an element's children. */
export function replace(element, ...children) {
  element.replaceChildren(...nodes(children));
  return element;
}

/** Set an element's text if it differs: a live region would repeat the same text. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

let lastId = 0;

/** An id unique in the page. */
export function uniqueId(prefix) {
  lastId += 1;
  return `${prefix}-${lastId}`;
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") setStyle(element, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...nodes(children));
  return element;
}

function setStyle(element, properties) {
  // The content security policy forbids style attributes, but not the object model.
  for (const [name, value] of Object.entries(properties)) element.style.setProperty(name, value);
}

function nodes(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : document.createTextNode(String(child))));
}
