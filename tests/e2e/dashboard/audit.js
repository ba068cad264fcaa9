// Accessibility audit: evaluated in a page, returns a list of faults.
() => {
  const faults = [];
  const visible = (element) =>
    element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
  const name = (element) =>
    `${element.tagName.toLowerCase()}${element.id ? `#${element.id}` : ""}.${element.getAttribute("class") ?? ""} "${(element.textContent ?? "").trim().slice(0, 40)}"`;

  // Headings: one h1, and no skipped level.
  const headings = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].filter(visible);
  const levels = headings.map((heading) => Number(heading.tagName[1]));
  if (levels.filter((level) => level === 1).length !== 1)
    faults.push(`${levels.filter((level) => level === 1).length} h1 elements`);
  levels.forEach((level, index) => {
    if (index > 0 && level > levels[index - 1] + 1)
      faults.push(`heading level skipped before ${name(headings[index])}`);
  });

  // Landmarks, language, title.
  for (const selector of ["header", "nav", "main", "footer", "html[lang]"]) {
    if (!document.querySelector(selector)) faults.push(`no ${selector}`);
  }
  if (!document.title) faults.push("no title");

  // Ids are unique, and references to ids resolve.
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of new Set(ids.filter((id, index) => ids.indexOf(id) !== index)))
    faults.push(`duplicate id: ${id}`);
  for (const attribute of ["for", "aria-labelledby", "aria-describedby"]) {
    for (const element of document.querySelectorAll(`[${attribute}]`)) {
      for (const id of element.getAttribute(attribute).split(/\s+/)) {
        if (!document.getElementById(id))
          faults.push(`${attribute} of ${name(element)} does not resolve: ${id}`);
      }
    }
  }

  // Focus follows document order, and everything that scrolls is scrollable by keyboard.
  for (const element of document.querySelectorAll("[tabindex]")) {
    if (element.tabIndex > 0) faults.push(`tabindex above 0: ${name(element)}`);
  }
  const focusable = "a[href], button, input, select, textarea, summary, [tabindex='0']";
  for (const element of document.querySelectorAll("main *")) {
    const style = getComputedStyle(element);
    const scrolls =
      /auto|scroll/.test(style.overflowX + style.overflowY) &&
      (element.scrollWidth > element.clientWidth + 1 ||
        element.scrollHeight > element.clientHeight + 1);
    if (
      scrolls &&
      visible(element) &&
      !element.matches(focusable) &&
      !element.querySelector(focusable)
    )
      faults.push(`not scrollable by keyboard: ${name(element)}`);
  }

  // Tables have column headers.
  for (const table of document.querySelectorAll("table")) {
    if (visible(table) && !table.querySelector("thead th[scope=col]"))
      faults.push(`no column headers: ${name(table)}`);
  }

  // Images have a name or are hidden from screen readers.
  for (const image of document.querySelectorAll("main svg, main img, main canvas")) {
    const named = image.closest("[aria-hidden=true], [aria-label], [role=graphics-document]");
    if (visible(image) && !named) faults.push(`image without a name: ${name(image)}`);
  }

  // Targets are large enough (WCAG 2.2, 2.5.8); links in text are exempt.
  for (const element of document.querySelectorAll("button, select, input, summary")) {
    if (!visible(element)) continue;
    const target = element.closest("label") ?? element;
    const { width, height } = target.getBoundingClientRect();
    const small = Math.min(width, height) < 18;
    if (small)
      faults.push(`target too small, ${Math.round(width)}x${Math.round(height)}: ${name(element)}`);
  }

  // The page does not overflow horizontally.
  if (document.documentElement.scrollWidth > innerWidth + 1)
    faults.push(
      `page width ${document.documentElement.scrollWidth} exceeds window width ${innerWidth}`,
    );

  // Contrast of text (WCAG 2.2, 1.4.3).
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], below) =>
    [r, g, b].map((value, index) => value * a + below[index] * (1 - a));
  const luminance = (color) => {
    const [r, g, b] = color.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element) => {
    const layers = [];
    for (let node = element; node; node = node.parentElement) {
      const color = rgba(getComputedStyle(node).backgroundColor);
      layers.push(color);
      if (color[3] === 1) break;
    }
    return layers.reverse().reduce((below, color) => over(color, below), [255, 255, 255]);
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (
      !texts.currentNode.data.trim() ||
      seen.has(element) ||
      !visible(element) ||
      element.closest(".visually-hidden, .skip, option, :disabled, svg, noscript")
    )
      continue;
    seen.add(element);
    const style = getComputedStyle(element);
    const below = background(element);
    const color = over(rgba(style.color), below);
    const [light, dark] = [luminance(color), luminance(below)].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) faults.push(`contrast ${ratio.toFixed(2)}: ${name(element)}`);
  }
  return faults;
};
