// The legend of the map: a scale, or chips that select what they stand for.
const MANY = 12; // more classes than this are listed by family
const MARKS = {
  circle: '<circle cx="6" cy="6" r="5"/>',
  square: '<rect x="1.5" y="1.5" width="9" height="9"/>',
  diamond: '<path d="M6 0 12 6 6 12 0 6Z"/>',
  "triangle-up": '<path d="M6 .5 12 11H0Z"/>',
  "triangle-down": '<path d="M6 11.5 0 1h12Z"/>',
  cross: '<path d="M4 0h4v4h4v4H8v4H4V8H0V4h4Z"/>',
  x: '<path d="M3 0 6 3 9 0l3 3-3 3 3 3-3 3-3-3-3 3-3-3 3-3-3-3Z"/>',
  star: '<path d="m6 0 1.5 4.2 4.5.1-3.6 2.8L9.7 11.5 6 9 2.3 11.5 3.6 7.1 0 4.3l4.500-.1Z"/>',
  pentagon: '<path d="M6 0 12 4.6 9.7 11.5H2.3L0 4.6Z"/>',
};

function hearspaceLegend({ root, view, theme, name, select }) {
  const $ = (selector) => root.querySelector(selector);
  function draw() {
    const { legend } = view.payload;
    const mode = theme();
    const box = $(".hsm-legend");
    box.replaceChildren();
    if (legend.kind === "number") {
      const scale = view.payload.figure.layout.meta.scales[mode].map(([at, c]) => `${c} ${at * 100}%`).join(",");
      const row = element("div", "hsm-scale");
      const [low, high] = [legend.low, legend.high].map((v) => element("span", "", (+v.toPrecision(4)).toLocaleString()));
      const ramp = element("span", "hsm-ramp");
      ramp.style.background = `linear-gradient(90deg,${scale})`;
      row.append(low, ramp, high);
      box.append(element("span", "", legend.title), row);
      if (legend.beyond) box.append(element("span", "hsm-beyond", legend.beyond));
      $(".hsm-all").hidden = true;
      return;
    }
    const families = legend.title === "class" && legend.names.length > MANY ? familiesOf() : null;
    let row = box, last = null;
    legend.names.forEach((text, code) => {
      if (!legend.counts[code]) return;
      if (families && (last === null || families[code] !== last)) {
        last = families[code];
        row = element("div", "hsm-family");
        row.append(element("span", "", last || "no family"));
        box.append(row);
      }
      const chip = element("button", "hsm-chip");
      chip.dataset.code = code;
      chip.title = `Select the ${legend.counts[code]} clips of ${text}`;
      chip.innerHTML = `<svg viewBox="0 0 12 12" width="11" height="11" aria-hidden="true" fill="${legend[mode][code]}">${MARKS[legend.symbols[code]] || MARKS.circle}</svg><span></span><small>${legend.counts[code].toLocaleString()}</small>`;
      chip.querySelector("span").textContent = text;
      chip.addEventListener("click", (event) => {
        const ids = view.payload.ids.filter((_, i) => view.groups[i] === code);
        const on = chip.getAttribute("aria-pressed") === "true";
        const more = event.shiftKey || event.ctrlKey || event.metaKey;
        if (more) select(on ? [...view.selected].filter((id) => !new Set(ids).has(id)) : [...view.selected, ...ids]);
        else select(on ? [] : ids);
      });
      row.append(chip);
    });
    pressed();
    fold();
  }
  function familiesOf() {
    const families = [];
    view.groups.forEach((code, i) => { families[code] ??= name(view.families, view.payload.families.names, i); });
    return new Set(families.filter((f) => f !== undefined)).size > 1 ? families : null;
  }
  // A long legend shows its first rows, and the rest when asked.
  function fold() {
    const box = $(".hsm-legend"), all = $(".hsm-all");
    const open = all.getAttribute("aria-expanded") === "true";
    box.classList.toggle("hsm-open", open);
    all.hidden = !open && box.scrollHeight <= box.clientHeight + 4;
    all.textContent = open ? "Show fewer" : `Show all ${view.payload.legend.counts.filter(Boolean).length}`;
  }
  $(".hsm-all").addEventListener("click", (event) => {
    event.target.setAttribute("aria-expanded", String(event.target.getAttribute("aria-expanded") !== "true"));
    fold();
  });
  function pressed() {
    if (!view.payload || view.payload.legend.kind !== "group") return;
    const held = new Map();
    for (const id of view.selected) {
      const code = view.groups[view.index.get(id)];
      held.set(code, (held.get(code) || 0) + 1);
    }
    for (const chip of root.querySelectorAll(".hsm-chip"))
      chip.setAttribute("aria-pressed", String(held.get(+chip.dataset.code) === view.payload.legend.counts[chip.dataset.code]));
  }
  return { draw, pressed };
}
