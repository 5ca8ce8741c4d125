// SPDX-License-Identifier: Apache-2.0

package browser_test

// accessible lists what is wrong with a page for people who see little, or use a keyboard, or a screen reader: text
// without contrast (WCAG 1.4.3), controls without a name (4.1.2) or too small to hit (2.5.8; a line of text has 23 pixels and air around it), headings that skip a
// level, positive tabindex. It looks at what is to be seen.
const accessible = `(() => {
  const problems = [];
  const seen = (e) => e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && !e.closest(".hidden, .skip, [aria-disabled=true]");
  const name = (e) => "<" + e.tagName.toLowerCase() + (e.className.baseVal ?? e.className ? " ." + (e.className.baseVal ?? e.className) : "") + "> " + JSON.stringify((e.textContent || e.value || "").trim().slice(0, 40));
  const within = document.querySelector("dialog:modal") ?? document.body;

  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const back = (e) => {
    const color = rgba(getComputedStyle(e).backgroundColor);
    if (color[3] === 1) return color;
    return over(color, e.parentElement ? back(e.parentElement) : rgba("white"));
  };
  const light = ([r, g, b]) => { const f = (v) => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; return .2126 * f(r) + .7152 * f(g) + .0722 * f(b); };
  const opacity = (e) => e ? Number(getComputedStyle(e).opacity) * opacity(e.parentElement) : 1;
  const texts = document.createTreeWalker(within, NodeFilter.SHOW_TEXT);
  const done = new Set();
  while (texts.nextNode()) {
    const e = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || done.has(e) || e.closest("svg, option, script, .spoken") || !seen(e)) continue;
    done.add(e);
    const s = getComputedStyle(e), under = back(e), color = rgba(s.color);
    color[3] *= opacity(e);
    const [a, b] = [light(over(color, under)), light(under)].sort((x, y) => y - x);
    const size = parseFloat(s.fontSize), large = size >= 24 || size >= 18.66 && Number(s.fontWeight) >= 700;
    const ratio = (a + .05) / (b + .05);
    if (ratio < (large ? 3 : 4.5)) problems.push("contrast " + ratio.toFixed(2) + " of " + name(e));
  }

  for (const e of within.querySelectorAll("a[href], button, summary, input:not([type=hidden]), select, textarea")) {
    if (!seen(e)) continue;
    const label = e.getAttribute("aria-label") || e.textContent.trim() || [...(e.labels ?? [])].map((l) => l.textContent.trim()).join("");
    if (!label) problems.push("no name: " + name(e));
    const box = (e.labels?.[0] ?? e).getBoundingClientRect();
    const inText = getComputedStyle(e).display === "inline" || e.matches(".tabs input, .row-link"); // the first is drawn by its label, the second covers its row
    if (!inText && (box.width < 23 || box.height < 23)) problems.push("too small, " + Math.round(box.width) + " by " + Math.round(box.height) + ": " + name(e));
  }
  let level = within === document.body ? 0 : 1;
  for (const h of within.querySelectorAll("h1, h2, h3, h4")) {
    if (!seen(h)) continue;
    const n = Number(h.tagName[1]);
    if (n > level + 1) problems.push("the level " + level + " is followed by " + name(h));
    level = n;
  }
  if (document.querySelector("[tabindex]:not([tabindex='0'], [tabindex='-1'])")) problems.push("a positive tabindex");
  return [...new Set(problems)];
})()`
