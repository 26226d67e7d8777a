// What components share, besides the player: elements, colours of the theme, sizes, keys and mounting.
// Comes before each component's own script, so that components need no bundler.
const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  if (tag === "button") made.type = "button";
  return made;
}
// A property of the theme, as it is where `root` is.
function themed(root, name) {
  return getComputedStyle(root).getPropertyValue(name).trim();
}
function channels(colour) {
  return [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
}
function themeOf(root) {
  const probe = document.createElement("canvas").getContext("2d");
  probe.fillStyle = themed(root, "--st-background-color") || "#fff";
  const [r, g, b] = channels(probe.fillStyle);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b < 0.4 * 255 ? "dark" : "light";
}
// Call `draw` whenever the width of an element is another one than `now()`; returns what ends it.
function onResize(root, draw, now = () => 0) {
  const observer = new ResizeObserver(() => {
    if (Math.abs(Math.floor(root.clientWidth) - now()) > 2) draw();
  });
  observer.observe(root);
  return () => observer.disconnect();
}
// Place a box beside a point within another box, on its left where it would stick out on the right.
function placeTip(tip, box, x, y) {
  const room = Math.max(4, Math.min(x + 14, box.width - tip.offsetWidth - 4));
  tip.style.left = `${x + 14 > room ? Math.max(4, x - tip.offsetWidth - 14) : room}px`;
  tip.style.top = `${Math.max(4, Math.min(y - 10, box.height - tip.offsetHeight - 4))}px`;
}
function showPlaying(button, playing, what) {
  button.textContent = playing ? "❚❚" : "▶";
  button.setAttribute("aria-label", [playing ? "Pause" : "Play", what].filter(Boolean).join(" "));
}
function spectrogram(base, dataset, id, name) {
  const picture = element("img", name);
  Object.assign(picture, { alt: "", loading: "lazy", src: hearspaceUrl(base, "spectrogram", dataset, id) });
  picture.addEventListener("error", () => { picture.style.visibility = "hidden"; });
  return picture;
}
function fileName(path) {
  return (path || "").split("/").pop();
}
function joined(parts) {
  return parts.filter(Boolean).join(" · ");
}
// What Streamlit calls each time it draws: the view is made once and then updated in place.
function mount(name, create) {
  const key = `hearspace-${name}`;
  return (component) => {
    const parent = component.parentElement;
    parent[key] ??= create(parent);
    const view = parent[key];
    view.update(component.data, component);
    return () => { view.destroy(); delete parent[key]; };
  };
}
function hearspaceUrl(base, kind, dataset, id) {
  return base + kind + "/" + encodeURIComponent(dataset) + "/" + id.split("/").map(encodeURIComponent).join("/");
}
function hearspaceCsv(rows) {
  const cell = (v) => {
    const s = v === null || v === undefined ? "" : String(v);
    return /[",\n\r]/.test(s) ? '"' + s.replaceAll('"', '""') + '"' : s;
  };
  return rows.map((r) => r.map(cell).join(",")).join("\r\n") + "\r\n";
}
function hearspaceSave(name, content, type) {
  const url = content.startsWith("data:") ? content : URL.createObjectURL(new Blob([content], { type }));
  const a = document.createElement("a");
  a.href = url;
  a.download = name;
  a.click();
  if (!content.startsWith("data:")) setTimeout(() => URL.revokeObjectURL(url), 10000);
}
