// A list of clips: play one, choose one. Plays through the window's one player.
const PAGE = 24;

function create(parent) {
  const player = hearspacePlayer();
  const root = element("div", "hsc");
  const list = element("ol", "hsc-rows");
  const more = element("button", "hsc-more");
  more.hidden = true;
  root.append(list, more);
  parent.appendChild(root);
  const view = { data: null, send: () => {}, shown: PAGE, rows: new Map(), drawn: "" };

  function drawRow(row) {
    const { columns, base, dataset } = view.data;
    const item = element("li");
    item.dataset.clip = row.id;
    const button = element("button", "hsc-play");
    const picture = spectrogram(base, dataset, row.id, "hsc-spec");
    Object.assign(picture, { width: 100, height: 32 });
    const text = element("button", "hsc-text");
    text.setAttribute("aria-label", `Choose ${row.label || "clip"}, ${row.file}`);
    const label = element("span", "hsc-label");
    const dot = element("i");
    dot.style.cssText = `--light:${row.light};--dark:${row.dark}`;
    const name = element("b", "", row.label || "no class");
    const file = element("span", "hsc-file", row.file);
    [name.title, file.title] = [row.label, row.file];
    label.append(dot, name);
    text.append(label, file);
    const numbers = element("span", "hsc-numbers");
    row.values.forEach((value, i) => {
      const cell = element("span");
      cell.title = columns[i];
      cell.append(element("small", "", columns[i]), element("span", "", value));
      numbers.append(cell);
    });
    item.append(button, picture, text, numbers);
    const clip = { id: row.id, url: hearspaceUrl(base, "audio", dataset, row.id), label: joined([row.label, fileName(row.file)]) };
    for (const part of [button, picture]) part.addEventListener("click", () => player.toggle(clip));
    text.addEventListener("click", () => {
      player.play({ ...clip, again: true });
      if (view.data.choosable) view.send("chosen", row.id);
    });
    view.rows.set(row.id, { item, button, name, file });
    return item;
  }
  function draw() {
    const { rows } = view.data;
    view.rows.clear();
    list.setAttribute("aria-label", view.data.label);
    list.replaceChildren(...rows.slice(0, view.shown).map(drawRow));
    more.hidden = rows.length <= view.shown;
    more.textContent = `Show ${Math.min(PAGE * 2, rows.length - view.shown)} more of ${rows.length - view.shown} left`;
    mark(player.state);
  }
  function mark(state) {
    for (const [id, { item, button, name, file }] of view.rows) {
      const here = state.id === id;
      const playing = here && state.playing;
      item.classList.toggle("hsc-now", here);
      item.classList.toggle("hsc-chosen", id === view.data.chosen);
      showPlaying(button, playing, `${name.textContent}, ${file.textContent}`);
      button.setAttribute("aria-pressed", String(playing));
      if (here && state.error) file.textContent = state.error;
    }
  }
  more.addEventListener("click", () => {
    const first = view.shown;
    view.shown += PAGE * 2;
    draw();
    list.children[first]?.querySelector("button")?.focus();
  });
  list.addEventListener("keydown", (event) => {
    const [step] = ARROWS[event.key] ?? [0];
    const item = event.target.closest("li");
    if (!step || !item) return;
    const next = step > 0 ? item.nextElementSibling : item.previousElementSibling;
    next?.querySelector("." + event.target.classList[0])?.focus();
    event.preventDefault();
  });
  const unsubscribe = player.subscribe((state) => view.data && mark(state));
  return {
    update(data, component) {
      Object.assign(view, { data, send: component.setTriggerValue });
      player.theme(root);
      root.dataset.theme = themeOf(root);
      const text = JSON.stringify(data.rows);
      if (text !== view.drawn) { view.drawn = text; view.shown = PAGE; draw(); } else mark(player.state);
    },
    destroy() { unsubscribe(); root.remove(); },
  };
}

export default mount("clips", create);
