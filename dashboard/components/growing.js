// A figure that is drawn on in place: each time the server knows more, lines grow where they are.
function create(parent) {
  const root = document.createElement("div");
  root.className = "hsg";
  const plot = document.createElement("div");
  plot.setAttribute("role", "img");
  root.append(plot);
  parent.appendChild(root);
  const view = { data: null, name: null, figure: null };

  async function draw() {
    const width = Math.floor(root.clientWidth);
    if (!width || !view.figure) return;
    const Plotly = await loadPlotly(view.data.base + view.data.plotly);
    if (!root.isConnected) return;
    const css = getComputedStyle(root);
    const layout = structuredClone(view.figure.layout);
    Object.assign(layout, { width, autosize: false, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" });
    layout.font = { ...layout.font, family: css.fontFamily, size: 12 };
    for (const axis of [layout.xaxis, layout.yaxis]) axis.gridcolor = css.getPropertyValue("--st-border-color").trim();
    const data = view.figure.data.map((t) => ({ ...t, x: decode(t.x), y: decode(t.y) }));
    const config = { displaylogo: false, responsive: false, modeBarButtonsToRemove: ["autoScale2d"] };
    await Plotly.react(plot, data, layout, { ...config, toImageButtonOptions: { format: "png", filename: view.data.file, scale: 2 } });
    root.dataset.longest = Math.max(0, ...data.map((t) => (t.meta === "curves" ? t.x.length : 0)));
  }
  async function update(data) {
    view.data = data;
    plot.setAttribute("aria-label", data.alt);
    if (data.figure === view.name) return;
    view.name = data.figure;
    const answer = await fetch(`${data.base}figures/${data.figure}.json`);
    if (!answer.ok || view.name !== data.figure) return; // the next one comes soon
    view.figure = await answer.json();
    await draw();
  }
  const observer = new ResizeObserver(() => {
    if (view.figure && Math.abs(Math.floor(root.clientWidth) - (plot.layout?.width || 0)) > 2) draw();
  });
  observer.observe(root);
  return {
    update: (data) => update(data).catch((error) => console.warn("figure", error)),
    destroy() { observer.disconnect(); if (window.Plotly && plot.data) window.Plotly.purge(plot); root.remove(); delete parent.hearspaceGrowing; },
  };
}

export default function ({ data, parentElement }) {
  parentElement.hearspaceGrowing ??= create(parentElement);
  const view = parentElement.hearspaceGrowing;
  view.update(data);
  return () => view.destroy();
}
