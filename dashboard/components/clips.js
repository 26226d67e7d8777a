// A list of clips: hear one, choose one. Plays through the window's one player.
const PAGE = 24;

function create(parent) {
  const player = hearspacePlayer();
  const root = document.createElement("div");
  root.className = "hsc";
  root.innerHTML = '<ol class="hsc-rows"></ol><button type="button" class="hsc-more" hidden></button>';
  parent.appendChild(root);
  const list = root.querySelector("ol");
  const more = root.querySelector(".hsc-more");
  const view = { data: null, send: () => {}, shown: PAGE, rows: new Map(), drawn: "" };

  function draw() {
    const { rows, columns, base, dataset } = view.data;
    list.replaceChildren();
    view.rows.clear();
    list.setAttribute("aria-label", view.data.label);
    for (const row of rows.slice(0, view.shown)) {
      const item = document.createElement("li");
      item.dataset.clip = row.id;
      item.innerHTML = '<button type="button" class="hsc-play"></button><img class="hsc-spec" alt="" loading="lazy" width="100" height="32">' +
        '<button type="button" class="hsc-text"><span class="hsc-label"><i></i><b></b></span><span class="hsc-file"></span></button><span class="hsc-numbers"></span>';
      item.querySelector("img").src = hearspaceUrl(base, "spectrogram", dataset, row.id);
      item.querySelector("img").addEventListener("error", (e) => { e.target.style.visibility = "hidden"; });
      item.querySelector("b").textContent = row.label || "no class";
      item.querySelector("b").title = row.label;
      item.querySelector("i").style.cssText = `--light:${row.light};--dark:${row.dark}`;
      item.querySelector(".hsc-file").textContent = row.file;
      item.querySelector(".hsc-file").title = row.file;
      const text = item.querySelector(".hsc-text");
      text.setAttribute("aria-label", `Choose ${row.label || "clip"}, ${row.file}`);
      const numbers = item.querySelector(".hsc-numbers");
      row.values.forEach((value, i) => {
        const cell = document.createElement("span");
        cell.title = columns[i];
        cell.innerHTML = "<small></small><span></span>";
        cell.firstChild.textContent = columns[i];
        cell.lastChild.textContent = value;
        numbers.append(cell);
      });
      const clip = { id: row.id, url: hearspaceUrl(base, "audio", dataset, row.id), label: [row.label, row.file.split("/").pop()].filter(Boolean).join(" · ") };
      item.querySelector(".hsc-play").addEventListener("click", () => player.toggle(clip));
      item.querySelector("img").addEventListener("click", () => player.toggle(clip));
      text.addEventListener("click", () => {
        player.play({ ...clip, again: true });
        if (view.data.choosable) view.send("chosen", row.id);
      });
      list.append(item);
      view.rows.set(row.id, item);
    }
    more.hidden = rows.length <= view.shown;
    more.textContent = `Show ${Math.min(PAGE * 2, rows.length - view.shown)} more of ${rows.length - view.shown} left`;
    mark(player.state);
  }
  function mark(state) {
    for (const [id, item] of view.rows) {
      const here = state.id === id;
      const playing = here && state.playing;
      item.classList.toggle("hsc-now", here);
      item.classList.toggle("hsc-chosen", id === view.data.chosen);
      const button = item.querySelector(".hsc-play");
      button.textContent = playing ? "❚❚" : "▶";
      button.setAttribute("aria-label", `${playing ? "Pause" : "Play"} ${item.querySelector("b").textContent}, ${item.querySelector(".hsc-file").textContent}`);
      button.setAttribute("aria-pressed", String(playing));
      if (here && state.error) item.querySelector(".hsc-file").textContent = state.error;
    }
  }
  more.addEventListener("click", () => {
    const first = view.shown;
    view.shown += PAGE * 2;
    draw();
    list.children[first]?.querySelector("button")?.focus();
  });
  list.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const item = event.target.closest("li");
    if (!step || !item) return;
    const next = step > 0 ? item.nextElementSibling : item.previousElementSibling;
    next?.querySelector("." + event.target.classList[0])?.focus();
    event.preventDefault();
  });
  const unsubscribe = player.subscribe((state) => view.data && mark(state));
  return {
    update(data, send) {
      Object.assign(view, { data, send });
      player.theme(root);
      const background = getComputedStyle(root).getPropertyValue("--st-background-color").trim();
      const probe = document.createElement("canvas").getContext("2d");
      probe.fillStyle = background || "#fff";
      root.dataset.theme = parseInt(probe.fillStyle.slice(3, 5), 16) < 100 ? "dark" : "light";
      const text = JSON.stringify(data.rows);
      if (text !== view.drawn) { view.drawn = text; view.shown = PAGE; draw(); } else mark(player.state);
    },
    destroy() { unsubscribe(); root.remove(); delete parent.hearspaceClips; },
  };
}

export default function ({ data, parentElement, setTriggerValue }) {
  parentElement.hearspaceClips ??= create(parentElement);
  parentElement.hearspaceClips.update(data, setTriggerValue);
  const view = parentElement.hearspaceClips;
  return () => view.destroy();
}
