// The map: one Plotly figure of one to four spaces. Playing, choosing and selecting happen here, without the
// server, which receives the clip that is chosen and those that are selected.

const SVG_POINTS = 4000; // without WebGL, more points than this would make the page crawl
const NARROW = 640;
const webgl = new URLSearchParams(location.search).has("nowebgl") ? false : hasWebGL();
const held = { a: false, shift: false };
const typing = () => document.activeElement?.closest("input,textarea,select,[contenteditable=true]");
window.addEventListener("keydown", (e) => { if (e.key.toLowerCase() === "a" && !typing() && !e.ctrlKey && !e.metaKey) held.a = true; });
window.addEventListener("keyup", (e) => { if (e.key.toLowerCase() === "a") held.a = false; });
window.addEventListener("blur", () => { held.a = false; });

function create(parent) {
  const player = hearspacePlayer();
  const $ = (selector) => root.querySelector(selector);
  const root = element("div", "hsm");
  root.innerHTML = `
    <div class="hsm-bar" role="toolbar" aria-label="Map tools">
      <span class="hsm-group">
        <button type="button" data-mode="pan" title="Drag to move; Ctrl or ⌘ with the wheel to zoom">Move</button>
        <button type="button" data-mode="lasso" title="Draw around points">Lasso</button>
        <button type="button" data-mode="select" title="Draw a box around points">Box</button>
      </span>
      <span class="hsm-group">
        <button type="button" data-do="in" aria-label="Zoom in">+</button>
        <button type="button" data-do="out" aria-label="Zoom out">−</button>
        <button type="button" data-do="fit">Fit</button>
      </span>
      <button type="button" class="hsm-clear" data-do="clear" hidden></button>
      <span class="hsm-space"></span>
      <span class="hsm-group" role="group" aria-label="Save">
        <button type="button" data-do="png" title="Save the map as an image">PNG</button>
        <button type="button" data-do="svg" title="Save the map as a drawing">SVG</button>
        <button type="button" data-do="csv" title="Save the points (the selected ones, if any) as a table">CSV</button>
      </span>
    </div>
    <div class="hsm-stage"><div class="hsm-plot" role="img"></div><div class="hsm-tip" hidden></div>
      <div class="hsm-wait">Drawing…</div></div>
    <div class="hsm-frames" hidden>
      <button type="button" aria-label="Play"></button>
      <input type="range" min="0" step="1">
      <output></output>
    </div>
    <div class="hsm-legend"></div>
    <button type="button" class="hsm-all" aria-expanded="false" hidden></button>
    <p class="hsm-note" role="status" hidden></p>`;
  parent.appendChild(root);
  // The wheel alone scrolls the page: a map that took it would trap the reader.
  $(".hsm-stage").addEventListener("wheel", (e) => { if (!e.ctrlKey && !e.metaKey) e.stopPropagation(); }, { capture: true, passive: true });
  const plot = $(".hsm-plot");
  const tip = $(".hsm-tip");

  const view = { data: null, send: () => {}, payload: null, name: null, drawn: null, chosen: null, selected: new Set(),
    selection: "", mode: matchMedia("(pointer: coarse)").matches ? false : "pan", narrow: null, busy: false, at: new Map() };

  const theme = () => themeOf(root);
  const ink = () => themed(root, "--st-text-color");
  const clip = (id) => {
    const i = view.index.get(id);
    return { id, url: hearspaceUrl(view.data.base, "audio", view.data.dataset, id), label: i === undefined ? id : caption(i) };
  };
  const name = (codes, names, i) => (codes[i] >= 0 ? names[codes[i]] : "");
  const caption = (i) => joined([name(view.labels, view.payload.labels.names, i), fileName(view.payload.files[i])]);
  function note(text) {
    $(".hsm-note").hidden = !text;
    $(".hsm-note").textContent = text || "";
  }

  // -- drawing ---------------------------------------------------------------------------------------
  function prepare(payload) {
    view.payload = payload;
    view.labels = decode(payload.labels.codes);
    view.families = decode(payload.families.codes);
    view.groups = decode(payload.legend.codes);
    view.values = payload.legend.values ? payload.legend.values.map(decode) : null;
    view.index = new Map(payload.ids.map((id, i) => [id, i]));
    for (const trace of payload.figure.data) {
      trace.x = decode(trace.x);
      trace.y = decode(trace.y);
      trace.marker.color = decode(trace.marker.color);
      if (trace.meta === "points") trace.customdata = payload.ids;
    }
    view.maps = payload.figure.data.filter((t) => t.meta === "points");
    film.prepare();
    if (!webgl) withoutWebGL(payload);
    view.at = new Map(view.maps[0].customdata.map((id, i) => [id, i]));
  }
  function withoutWebGL(payload) {
    const n = payload.ids.length;
    const stride = Math.ceil(n / SVG_POINTS);
    for (const trace of payload.figure.data) {
      trace.type = "scatter";
      if (stride === 1) continue;
      const thin = (a) => (a && a.length === trace.x.length && typeof a !== "string" ? Array.from(a).filter((_, i) => i % stride === 0) : a);
      const x = thin(trace.x), y = thin(trace.y), colour = thin(trace.marker.color), symbol = thin(trace.marker.symbol), ids = thin(trace.customdata);
      Object.assign(trace, { x, y }, ids ? { customdata: ids } : {});
      trace.marker.color = colour;
      if (symbol) trace.marker.symbol = symbol;
    }
    note(stride === 1
      ? "This browser has no WebGL, so the map is drawn more slowly."
      : `This browser has no WebGL, so every ${stride}th point is drawn: ${Math.ceil(n / stride).toLocaleString()} of ${n.toLocaleString()}. Lists and numbers use all of them.`);
  }
  function layoutFor(width) {
    const text = ink();
    const mode = theme();
    const layout = structuredClone(view.payload.figure.layout);
    const panels = layout.meta.panels;
    view.narrow = width < NARROW;
    layout.width = width;
    layout.height = view.narrow ? 350 * panels : panels === 1 ? 580 : panels === 2 ? 500 : 860;
    layout.autosize = false;
    layout.font = { family: getComputedStyle(root).fontFamily || "system-ui, sans-serif", size: 12, color: text };
    layout.coloraxis.colorscale = layout.meta.scales[mode];
    layout.dragmode = view.mode;
    layout.uirevision = view.data.revision;
    layout.selectionrevision = view.name;
    layout.newselection = { line: { color: text, width: 1, dash: "dot" } };
    if (view.narrow) layout.margin = { l: 24, r: 6, t: 28, b: 30 };
    for (let i = 0; i < panels; i++) {
      const suffix = i ? i + 1 : "";
      const [x, y] = [layout["xaxis" + suffix], layout["yaxis" + suffix]];
      if (view.narrow) {
        const gap = 0.05, h = (1 - gap * (panels - 1)) / panels;
        x.domain = [0, 1];
        y.domain = [1 - (i + 1) * h - i * gap, 1 - i * (h + gap)].map((v) => Math.min(1, Math.max(0, v)));
      }
      for (const axis of [x, y]) Object.assign(axis, {
        title: { ...axis.title, font: { size: 11, color: text }, standoff: 4 },
        showline: true, linecolor: themed(root, "--st-border-color"), mirror: true });
      layout.annotations[i].font = { size: 13, color: text, weight: 600 };
    }
    layout.shapes = rings(text);
    return layout;
  }
  function tracesFor() {
    const selected = selectedPoints();
    const mode = theme();
    return view.payload.figure.data.map((t) => {
      const trace = { ...t, marker: { ...t.marker } };
      if (t.meta === "points") trace.selectedpoints = selected;
      else trace.marker.color = view.payload.figure.layout.meta.neutral[mode];
      return trace;
    });
  }
  // Of a selection that a filter hides in part, what is on the map; all is bright where nothing of it is.
  const seen = () => [...view.selected].filter((id) => view.index?.has(id));
  const selectedPoints = () =>
    seen().length ? seen().map((id) => view.at.get(id)).filter((i) => i !== undefined) : null;
  function rings(colour) {
    const shapes = [];
    const ring = (id, radius, width, dash) => {
      const i = view.at.get(id);
      if (i === undefined) return;
      view.maps.forEach((trace) => {
        if (!Number.isFinite(trace.x[i])) return;
        shapes.push({ type: "circle", xref: trace.xaxis, yref: trace.yaxis, xsizemode: "pixel", ysizemode: "pixel",
          xanchor: trace.x[i], yanchor: trace.y[i], x0: -radius, x1: radius, y0: -radius, y1: radius,
          line: { color: colour, width, dash } });
      });
    };
    if (view.chosen) {
      for (const id of view.data.neighbours || []) if (id !== view.chosen) ring(id, 7, 1.2, "solid");
      ring(view.chosen, 11, 2.6, "solid");
    }
    return shapes;
  }
  async function draw() {
    const width = Math.floor(root.clientWidth);
    if (!width || !view.payload) return;
    const Plotly = await loadPlotly(view.data.base + view.data.plotly);
    if (!root.isConnected) return;
    view.busy = true;
    await Plotly.react(plot, tracesFor(), layoutFor(width), { displayModeBar: false, scrollZoom: true, responsive: false, showAxisDragHandles: false, doubleClick: "reset+autosize" });
    view.busy = false;
    view.drawn = theme() + view.name;
    $(".hsm-wait").hidden = true;
    root.dataset.drawn = view.name;
    plot.setAttribute("aria-label", `Map of ${view.payload.ids.length} clips in ${view.maps.length} space${view.maps.length > 1 ? "s" : ""}; the list below the map holds the same clips for the keyboard`);
    if (!plot.dataset.listens) listen();
    legend.draw();
  }
  function ringChosen() {
    if (!window.Plotly || !plot.layout) return;
    window.Plotly.relayout(plot, { shapes: rings(ink()) });
  }
  function showSelected() {
    const button = $(".hsm-clear");
    button.hidden = view.selected.size === 0;
    const shown = seen().length, hidden = view.selected.size - shown;
    button.textContent = `${shown.toLocaleString()} selected${hidden ? `, ${hidden.toLocaleString()} hidden` : ""} ×`;
    button.setAttribute("aria-label", `Clear the selection of ${view.selected.size} clips`);
    root.dataset.selected = shown;
    legend.pressed();
    if (!window.Plotly || !plot.data) return;
    view.busy = true;
    const points = selectedPoints();
    const which = plot.data.flatMap((t, i) => (t.meta === "points" ? [i] : []));
    window.Plotly.update(plot, { selectedpoints: which.map(() => points) }, { selections: [] }, which).finally(() => { view.busy = false; });
  }

  // -- playing, choosing, selecting ------------------------------------------------------------------
  function listen() {
    plot.dataset.listens = "1";
    plot.on("plotly_click", (event) => {
      const id = event.points?.find((p) => p.data.meta === "points")?.customdata;
      if (id) choose(id);
    });
    plot.on("plotly_hover", (event) => {
      const point = event.points?.find((p) => p.data.meta === "points");
      if (!point) return;
      showTip(point);
      if (held.a || (event.event?.shiftKey && !event.event.buttons)) player.play(clip(point.customdata));
    });
    plot.on("plotly_unhover", () => { tip.hidden = true; });
    plot.on("plotly_selected", (event) => {
      if (view.busy || !event) return;
      select(event.points.filter((p) => p.data.meta === "points").map((p) => p.customdata));
    });
    plot.on("plotly_deselect", () => { if (!view.busy && view.selected.size) select([]); });
  }
  function choose(id) {
    player.play({ ...clip(id), again: true });
    view.chosen = id;
    root.dataset.chosen = id;
    view.data = { ...view.data, neighbours: [] };
    ringChosen();
    view.send("chosen", id);
  }
  function select(ids) {
    view.selected = new Set(ids);
    view.selection = null; // the server names it when it receives it
    showSelected();
    view.send("selected", [...view.selected]);
  }
  function showTip(point) {
    const i = view.index.get(point.customdata);
    const lines = [
      [name(view.labels, view.payload.labels.names, i) || "no class", "hsm-tip-label"],
      [name(view.families, view.payload.families.names, i), "hsm-tip-family"],
      [view.payload.files[i], "hsm-tip-file"],
    ];
    const values = view.values && (view.values[view.maps.findIndex((m) => m.xaxis === point.data.xaxis)] || view.values[0]);
    if (values && Number.isFinite(values[i])) lines.push([`${view.payload.legend.title}: ${+values[i].toPrecision(4)}`, "hsm-tip-file"]);
    tip.replaceChildren(...lines.filter(([text]) => text).map(([text, cls]) => element("div", cls, text)));
    tip.hidden = false;
    const { xaxis, yaxis } = point;
    placeTip(tip, plot.getBoundingClientRect(), xaxis.l2p(point.x) + xaxis._offset, yaxis.l2p(point.y) + yaxis._offset);
  }

  const legend = hearspaceLegend({ root, view, theme, name, select });
  const film = hearspaceFilm({ root, view, plot, shapes: () => rings(ink()) });

  // -- tools -----------------------------------------------------------------------------------------
  function zoom(factor) {
    const change = {};
    for (const trace of view.maps) for (const which of ["xaxis", "yaxis"]) {
      const axis = plot._fullLayout[which + trace[which].slice(1)];
      const [a, b] = axis.range, middle = (a + b) / 2, half = ((b - a) / 2) * factor;
      change[axis._name + ".range"] = [middle - half, middle + half];
    }
    window.Plotly.relayout(plot, change);
  }
  function fit() {
    const change = {};
    for (const trace of view.maps) for (const which of ["xaxis", "yaxis"]) {
      const axis = which + trace[which].slice(1);
      const { range } = view.payload.figure.layout[axis]; // what holds the points at all times
      if (range) change[axis + ".range"] = [...range];
      else change[axis + ".autorange"] = true;
    }
    window.Plotly.relayout(plot, change);
  }
  async function image(format) {
    const layout = structuredClone(plot.layout);
    const data = [...plot.data];
    const { legend } = view.payload;
    layout.paper_bgcolor = themed(root, "--st-background-color");
    if (legend.kind === "group") {
      layout.showlegend = true;
      layout.legend = { title: { text: plain(legend.title) }, itemsizing: "constant" };
      data.forEach((t, i) => { data[i] = { ...t, showlegend: false }; });
      legend.names.forEach((text, code) => legend.counts[code] && data.push({
        type: "scatter", mode: "markers", x: [null], y: [null], showlegend: true,
        name: plain(text.length > 40 ? text.slice(0, 39).trimEnd() + "…" : text),
        marker: { color: legend[theme()][code], symbol: legend.symbols[code], size: 9 } }));
      layout.width += 190;
      layout.height = Math.max(layout.height, 60 + 19 * legend.names.length);
    } else layout.coloraxis.showscale = true;
    layout.margin = { ...layout.margin, r: 20 };
    const url = await window.Plotly.toImage({ data, layout }, { format, width: layout.width, height: layout.height, scale: format === "png" ? 2 : 1 });
    hearspaceSave(`${view.data.file}.${format}`, url, "");
  }
  function table() {
    const head = ["clip_id", "label", "family", "file"];
    const titles = view.maps.map((m) => m.name);
    if (view.values) view.values.forEach((_, i) => head.push(view.payload.legend.title + (view.values.length > 1 ? ` (${titles[i]})` : "")));
    titles.forEach((t) => head.push(`${t} x`, `${t} y`));
    const rows = [head];
    const some = seen().length > 0;
    view.maps[0].customdata.forEach((id, i) => {
      if (some && !view.selected.has(id)) return;
      const k = view.index.get(id);
      const row = [id, name(view.labels, view.payload.labels.names, k), name(view.families, view.payload.families.names, k), view.payload.files[k]];
      if (view.values) for (const values of view.values) row.push(Number.isFinite(values[k]) ? values[k] : "");
      view.maps.forEach((m) => row.push(...[m.x[i], m.y[i]].map((v) => (Number.isFinite(v) ? v : ""))));
      rows.push(row);
    });
    hearspaceSave(`${view.data.file}.csv`, hearspaceCsv(rows), "text/csv");
  }
  function setMode(mode) {
    view.mode = mode;
    for (const b of root.querySelectorAll("[data-mode]")) b.setAttribute("aria-pressed", String(b.dataset.mode === mode));
    if (plot.layout) window.Plotly.relayout(plot, { dragmode: mode });
  }
  root.addEventListener("click", (event) => {
    const button = event.target.closest(".hsm-bar button");
    if (!button) return;
    if (button.dataset.mode) return setMode(view.mode === button.dataset.mode && view.mode !== "pan" ? "pan" : button.dataset.mode);
    if (!plot.data) return;
    const act = { in: () => zoom(0.7), out: () => zoom(1 / 0.7), fit, clear: () => select([]), png: () => image("png"), svg: () => image("svg"), csv: table };
    act[button.dataset.do]();
  });
  setMode(view.mode);
  const ignore = onResize(root, () => view.payload && draw(), () => plot.layout?.width || 0);

  async function update(data, component) {
    Object.assign(view, { data, send: component.setTriggerValue });
    player.theme(root);
    const chosen = data.chosen || null;
    const fresh = data.figure !== view.name;
    if (fresh) {
      view.name = data.figure;
      const answer = await fetchFigure(data);
      if (view.name !== data.figure) return; // a newer one was asked for meanwhile
      if (!answer.ok) { view.name = null; return note(await answer.text()); }
      note("");
      prepare(await answer.json());
    }
    film.update(fresh);
    view.chosen = chosen;
    root.dataset.chosen = chosen || "";
    const asked = data.selection || "";
    if (asked !== view.selection) {
      view.selection = asked;
      let ids = [];
      if (asked) {
        const answer = await fetch(`${data.base}selections/${asked}.json`);
        if (answer.ok) ids = (await answer.json()).clips;
      }
      const same = ids.length === view.selected.size && ids.every((id) => view.selected.has(id));
      if (!same) { view.selected = new Set(ids); if (!fresh) showSelected(); }
    }
    if (fresh || view.drawn !== theme() + view.name) {
      await draw();
      showSelected();
    } else ringChosen();
  }
  const guarded = (data, component) => update(data, component).catch((error) => {
    console.warn("map", error);
    $(".hsm-wait").hidden = true;
    note("The map could not be drawn in this browser. Reload the page; the list below still plays every clip.");
  });
  return {
    update: guarded,
    destroy() { ignore(); film.stop(); purge(plot); root.remove(); },
  };
}

export default mount("map", create);
