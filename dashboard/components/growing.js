// A figure that is drawn in place: each time the server knows more, its lines grow.
function create(parent) {
  const root = element("div", "hsg");
  const plot = element("div");
  plot.setAttribute("role", "img");
  root.append(plot);
  parent.appendChild(root);
  const view = { data: null, name: null, figure: null };

  async function draw() {
    const width = Math.floor(root.clientWidth);
    if (!width || !view.figure) return;
    const Plotly = await loadPlotly(view.data.base + view.data.plotly);
    if (!root.isConnected) return;
    const layout = structuredClone(view.figure.layout);
    Object.assign(layout, { width, autosize: false, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" });
    layout.font = { ...layout.font, family: getComputedStyle(root).fontFamily, size: 12 };
    for (const axis of [layout.xaxis, layout.yaxis]) axis.gridcolor = themed(root, "--st-border-color");
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
    const answer = await fetchFigure(data);
    if (!answer.ok || view.name !== data.figure) return; // the next one comes soon
    view.figure = await answer.json();
    await draw();
  }
  const ignore = onResize(root, () => view.figure && draw(), () => plot.layout?.width || 0);
  return {
    update: (data) => update(data).catch((error) => console.warn("figure", error)),
    destroy() { ignore(); purge(plot); root.remove(); },
  };
}

export default mount("growing", create);
