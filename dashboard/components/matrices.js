// Matrices of pairs of classes, one or more a setting. What is pointed at in one is marked in all, without the
// server, which receives the cell that is clicked. Classes are numbered: names would not fit beside each matrix.

const FRAME = { light: "#d4380d", dark: "#ff9c6e" };
const EDGE = 17; // pixels for the numbers of the classes

function create(parent) {
  const root = element("div", "hsx");
  root.innerHTML = `<div class="hsx-top"><button type="button" title="Save the matrices as an image">PNG</button></div>
    <div class="hsx-all" role="group" tabindex="0"></div><ol class="hsx-names"></ol>`;
  parent.appendChild(root);
  const $ = (selector) => root.querySelector(selector);
  const all = $(".hsx-all");
  const tip = element("div", "hsx-tip");
  tip.hidden = true;
  const view = { data: null, send: () => {}, canvases: [], over: null, pair: [-1, -1], setting: 0, drawn: "" };

  const css = (name) => themed(root, name);
  const font = () => css("--st-font") || "system-ui, sans-serif";
  const format = (value) => (value === null ? "–" : value.toFixed(3).replace("-", "−"));

  function colours() {
    const stops = view.data.scales[themeOf(root)].map(channels);
    return (share) => {
      const at = Math.min(1, Math.max(0, share)) * (stops.length - 1);
      const i = Math.min(stops.length - 2, Math.floor(at));
      return `rgb(${stops[i].map((c, k) => Math.round(c + (at - i) * (stops[i + 1][k] - c))).join(",")})`;
    };
  }
  // Width of the matrix within the canvas, and of one of its cells.
  const side = (width) => width - EDGE;

  function paint(ctx, number, setting, width, marks) {
    const { classes, numbers } = view.data;
    const n = classes.length;
    const cell = side(width) / n;
    const { ends: [low, high], values } = numbers[number];
    const colour = colours();
    const grid = values[setting];
    ctx.clearRect(0, 0, width, width);
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) {
      if (grid[i][j] === null) continue;
      ctx.fillStyle = colour((grid[i][j] - low) / (high - low));
      ctx.fillRect(EDGE + j * cell, EDGE + i * cell, cell - (cell > 7 ? 1 : 0), cell - (cell > 7 ? 1 : 0));
    }
    ctx.font = `${cell < 12 ? 9 : 10}px ${font()}`;
    ctx.textBaseline = "middle";
    ctx.fillStyle = css("--st-text-color");
    const step = Math.max(1, Math.ceil(11 / cell));
    const lit = new Set((marks ? [view.over, view.pair] : [view.pair]).filter(Boolean).flat());
    for (let i = 0; i < n; i++) {
      ctx.globalAlpha = lit.has(i) ? 1 : 0.6;
      if (i % step && !lit.has(i)) continue;
      ctx.textAlign = "right";
      ctx.fillText(i + 1, EDGE - 4, EDGE + (i + 0.5) * cell);
      ctx.textAlign = "center";
      ctx.fillText(i + 1, EDGE + (i + 0.5) * cell, EDGE - 8);
    }
    ctx.globalAlpha = 1;
    frame(ctx, view.pair, cell, FRAME[themeOf(root)], 2.5);
    if (marks && view.over) frame(ctx, view.over, cell, css("--st-text-color"), 1.5);
  }
  function frame(ctx, [i, j], cell, colour, width) {
    if (i < 0 || j < 0) return;
    // With an edge of the page's colour, so that it stands out from light and dark cells alike.
    for (const [line, wide] of [[css("--st-background-color"), width + 2.5], [colour, width]]) {
      ctx.strokeStyle = line;
      ctx.lineWidth = wide;
      for (const [r, c] of i === j ? [[i, j]] : [[i, j], [j, i]])
        ctx.strokeRect(EDGE + c * cell, EDGE + r * cell, cell - 1, cell - 1);
    }
  }
  function draw() {
    const scale = Math.min(3, window.devicePixelRatio || 1);
    for (const { canvas, number, setting } of view.canvases) {
      const width = Math.min(260, Math.floor(canvas.parentElement.clientWidth));
      if (!width) continue;
      if (canvas.width !== Math.round(width * scale)) {
        canvas.width = canvas.height = Math.round(width * scale);
        canvas.style.width = canvas.style.height = `${width}px`;
      }
      const ctx = canvas.getContext("2d");
      ctx.setTransform(scale, 0, 0, scale, 0, 0);
      paint(ctx, number, setting, width, true);
    }
    const lit = new Set([view.over, view.pair].filter(Boolean).flat());
    [...$(".hsx-names").children].forEach((li, i) => li.classList.toggle("hsx-on", lit.has(i)));
    root.dataset.pair = view.pair.join(",");
    root.dataset.over = view.over ? view.over.join(",") : "";
  }
  function at(canvas, event) {
    const box = canvas.getBoundingClientRect();
    const n = view.data.classes.length;
    const cell = side(box.width) / n;
    const [j, i] = [event.clientX - box.left, event.clientY - box.top].map((v) => Math.floor((v - EDGE) / cell));
    return i >= 0 && j >= 0 && i < n && j < n ? [i, j] : null;
  }
  function point(canvas, setting, cell, event) {
    const same = String(cell) === String(view.over);
    view.over = cell;
    if (!same) requestAnimationFrame(draw);
    tip.hidden = !cell;
    if (!cell) return;
    const { classes, numbers, settings } = view.data;
    const [a, b] = cell.map((i) => classes[i]);
    const head = element("b", "", a === b ? `within ${a}` : `${a} · ${b}`);
    const lines = numbers.map((n) => `${n.short} ${format(n.values[setting][cell[0]][cell[1]])}`);
    if (setting > 0) lines.push(...numbers.map((n) => `${settings[0].name}: ${n.short} ${format(n.values[0][cell[0]][cell[1]])}`));
    tip.replaceChildren(head, ...lines.map((text) => element("span", "", text)));
    const box = all.getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top;
    tip.style.left = `${Math.max(0, Math.min(x + 14, box.width - tip.offsetWidth - 2))}px`;
    tip.style.top = `${y + 16}px`;
  }
  function choose(setting, cell) {
    view.pair = cell;
    view.setting = setting;
    draw();
    const { classes, settings } = view.data;
    view.send("pair", [settings[setting].name, classes[cell[0]], classes[cell[1]]]);
  }
  function build() {
    const { settings, numbers, classes } = view.data;
    all.setAttribute("aria-label", `${view.data.label}. Arrow keys move the chosen pair; the lists below say the same in words.`);
    view.canvases = [];
    all.replaceChildren(...settings.map((s, setting) => {
      const one = element("div", "hsx-one");
      one.append(element("h4", "", s.name), element("p", "", s.about));
      numbers.forEach((n, number) => {
        const canvas = element("canvas");
        canvas.setAttribute("role", "img");
        canvas.setAttribute("aria-label", `${s.name}: ${n.name}, ${classes.length} by ${classes.length} classes`);
        canvas.dataset.setting = s.name;
        canvas.dataset.number = n.short;
        canvas.addEventListener("pointermove", (e) => point(canvas, setting, at(canvas, e), e));
        canvas.addEventListener("pointerleave", (e) => point(canvas, setting, null, e));
        canvas.addEventListener("click", (e) => { const cell = at(canvas, e); if (cell) choose(setting, cell); });
        view.canvases.push({ canvas, number, setting });
        one.append(canvas);
      });
      return one;
    }), tip);
    $(".hsx-names").replaceChildren(...classes.map((name, i) => {
      const li = element("li");
      li.append(element("b", "", i + 1), name);
      return li;
    }));
  }
  function scales() {
    const stops = view.data.scales[themeOf(root)].join(",");
    for (const old of root.querySelectorAll(".hsx-scale")) old.remove();
    $(".hsx-top").prepend(...view.data.numbers.map((n) => {
      const row = element("div", "hsx-scale");
      row.innerHTML = `<b></b><span></span><span class="hsx-ramp" style="background:linear-gradient(90deg,${stops})"></span><span></span>`;
      row.children[0].textContent = n.name;
      row.children[1].textContent = format(n.ends[0]);
      row.children[3].textContent = format(n.ends[1]) + (n.beyond ? ` (${n.beyond})` : "");
      return row;
    }));
  }
  all.addEventListener("keydown", (event) => {
    const move = ARROWS[event.key];
    if (!move) return;
    event.preventDefault();
    const n = view.data.classes.length;
    choose(view.setting, view.pair.map((v, k) => Math.min(n - 1, Math.max(0, v + move[k]))));
  });
  // One image of all matrices, with titles, scales and the names of the classes.
  function image() {
    const { settings, numbers, classes, file } = view.data;
    const width = 230, gap = 22, head = 46, scale = 2;
    const columns = Math.min(settings.length, 7), rows = Math.ceil(settings.length / columns);
    const high = head + numbers.length * (width + 6) + gap;
    const canvas = element("canvas");
    const w = Math.max(2, columns) * (width + gap) + gap;
    const ctx = canvas.getContext("2d");
    ctx.font = `13px ${font()}`;
    const lines = [""];
    classes.forEach((name, i) => {
      const word = `${i + 1} ${name}   `;
      if (ctx.measureText(lines.at(-1) + word).width > w - 2 * gap) lines.push("");
      lines[lines.length - 1] += word;
    });
    const h = rows * high + numbers.length * 24 + lines.length * 20 + 2 * gap;
    canvas.width = w * scale;
    canvas.height = h * scale;
    ctx.scale(scale, scale);
    ctx.fillStyle = css("--st-background-color");
    ctx.fillRect(0, 0, w, h);
    const text = (words, x, y, weight = 400) => {
      ctx.font = `${weight} 13px ${font()}`;
      ctx.textAlign = "left";
      ctx.textBaseline = "middle";
      ctx.fillStyle = css("--st-text-color");
      ctx.fillText(words, x, y);
    };
    const one = element("canvas");
    one.width = one.height = width * scale;
    settings.forEach((s, k) => {
      const x = gap + (k % columns) * (width + gap), y = gap + Math.floor(k / columns) * high;
      text(s.name, x, y + 8, 600);
      text(s.about, x, y + 27);
      numbers.forEach((_, number) => {
        const inner = one.getContext("2d");
        inner.setTransform(scale, 0, 0, scale, 0, 0);
        paint(inner, number, k, width, false);
        ctx.drawImage(one, x, y + head + number * (width + 6), width, width);
      });
    });
    const colour = colours();
    numbers.forEach((n, k) => {
      const y = gap + rows * high + 24 * k;
      text(`${n.name}: ${format(n.ends[0])}`, gap, y, 600);
      const from = gap + ctx.measureText(`${n.name}: ${format(n.ends[0])}`).width + 10;
      for (let i = 0; i < 120; i++) { ctx.fillStyle = colour(i / 119); ctx.fillRect(from + i, y - 5, 1.5, 10); }
      text(format(n.ends[1]) + (n.beyond ? ` (${n.beyond})` : ""), from + 130, y, 600);
    });
    lines.forEach((line, k) => text(line, gap, gap + rows * high + 24 * numbers.length + 20 * k));
    hearspaceSave(`${file}.png`, canvas.toDataURL("image/png"), "");
  }
  $("button").addEventListener("click", () => view.data && image());
  const ignore = onResize(all, () => view.data && requestAnimationFrame(draw));

  function update(data, component) {
    Object.assign(view, { data, send: component.setTriggerValue });
    view.pair = data.pair.map((name) => data.classes.indexOf(name));
    view.setting = Math.max(0, data.settings.findIndex((s) => s.name === data.setting));
    const content = JSON.stringify([data.classes, data.settings, data.numbers.map((n) => n.short)]);
    if (content !== view.drawn) build();
    view.drawn = content;
    scales();
    [...all.querySelectorAll(".hsx-one")].forEach((one, i) => one.classList.toggle("hsx-here", i === view.setting));
    draw();
  }
  return { update, destroy() { ignore(); root.remove(); } };
}

export default mount("matrices", create);
