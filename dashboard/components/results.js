// Lists of results side by side. Arrow keys move, space plays, F and N mark; one sound plays at a time.
const EMPTY = { columns: [], letters: "" };

function create(parent) {
  const player = hearspacePlayer();
  // Outlives this element, which the page may put up anew at any time.
  const made = (window.hearspaceMarks ??= { question: 0, marks: {}, number: 0 });
  const root = element("div", "hsr");
  root.setAttribute("role", "group");
  const queryBox = element("div", "hsr-query");
  const tabs = element("div", "hsr-tabs");
  const lists = element("div", "hsr-columns");
  const none = element("button", "hsr-none", "None of them is good");
  root.append(queryBox, tabs, lists, none);
  parent.appendChild(root);
  const view = { data: EMPTY, trigger: () => {}, state: () => {}, drawn: "", cells: [], at: [0, 0], from: null, question: 0, warmed: new Set() };

  const audio = (row) => hearspaceUrl(view.data.base, "audio", row.dataset, row.id) + (view.data.equal ? "?level=equal" : "");
  const letter = (c) => view.data.letters[c];
  const name = (c) => (view.data.columns[c].title ? `${letter(c)} ${view.data.columns[c].title}` : letter(c));

  // -- playing
  function clip(cell) {
    const { row, column, position } = cell;
    const place = column < 0 ? "Query" : `${letter(column)} ${view.data.first + position}`;
    return { id: row.id, url: audio(row), label: joined([place, row.label, fileName(row.file)]) };
  }
  function warm(cell) {
    // The server makes what is played at equal loudness; the next one is made while this one plays.
    if (!cell || !view.data.equal || view.warmed.has(cell.row.id)) return;
    view.warmed.add(cell.row.id);
    fetch(audio(cell.row), { headers: { Range: "bytes=0-1" } }).catch(() => {});
  }
  function play(cell, again) {
    view.from = cell;
    const wanted = clip(cell);
    // Switched to equal loudness or back: another sound, though of the same clip.
    if (player.state.id === wanted.id && player.state.url !== wanted.url) again = true;
    again ? player.play({ ...wanted, again: true }) : player.toggle(wanted);
    warm(find(cell.column, cell.position + 1));
  }
  const find = (c, p) => view.cells.find((x) => x.column === c && x.position === p);
  function current(cell, focus) {
    view.cells.forEach((x) => { x.button.tabIndex = x === cell ? 0 : -1; });
    view.at = [cell.column, cell.position];
    if (focus) cell.button.focus();
  }

  // -- drawing
  function drawRow(row, column, position) {
    const item = element(column < 0 ? "div" : "li", "hsr-row");
    item.dataset.clip = row.id;
    if (row.fits !== undefined) item.dataset.fits = row.fits;
    const rank = element("span", "hsr-rank", column < 0 ? "" : String(view.data.first + position));
    const button = element("button", "hsr-play");
    const body = element("span", "hsr-body");
    const head = element("span", "hsr-head");
    if (column < 0) head.append(element("small", "", "Query"));
    if (row.label) {
      const dot = element("i");
      dot.style.cssText = `--light:${row.light};--dark:${row.dark}`;
      const label = element("b", "", row.label);
      label.title = row.label;
      head.append(dot, label);
    }
    if (row.fits) {
      const tick = element("span", "hsr-fits", "✓");
      tick.title = "carries the class asked for";
      tick.setAttribute("aria-hidden", "true");
      head.append(tick);
    }
    if (row.score) head.append(element("span", "hsr-score", row.score));
    const picture = spectrogram(view.data.base, row.dataset, row.id, "hsr-spec");
    const foot = element("span", "hsr-foot");
    const file = element("span", "hsr-file", fileName(row.file));
    file.title = row.file || "";
    foot.append(file);
    if (row.also) {
      const also = element("span", "hsr-also", "also " + row.also.map(([c, r]) => `${letter(c)} ${r}`).join(", "));
      const shown = (c, r) => r >= view.data.first && r < view.data.first + (view.data.columns[c].rows || []).length;
      also.classList.toggle("hsr-near", row.also.some(([c, r]) => shown(c, r)));
      also.title = "also returned by " + row.also.map(([c, r]) => `${name(c)} at rank ${r}`).join(", ");
      foot.append(also);
    }
    const credit = element("span", "hsr-credit");
    if (row.credit || row.link) {
      const source = row.link ? element("a", "", row.credit || "source") : element("span", "", row.credit);
      if (row.link) Object.assign(source, { href: row.link, target: "_blank", rel: "noopener noreferrer" });
      credit.append(source);
    }
    body.classList.toggle("hsr-bare", !row.label && column >= 0);
    if (row.label || column < 0) body.append(head);
    body.append(picture, foot, credit);
    item.append(rank, button, body);
    const cell = { row, column, position, item, button, marks: [] };
    if (column >= 0 && view.data.question) {
      const box = element("span", "hsr-marks");
      for (const [fits, sign, word, key] of [[true, "✓", "fits", "f"], [false, "✗", "does not fit", "n"]]) {
        const mark = element("button", "hsr-mark", sign);
        mark.tabIndex = -1;
        mark.title = `${word} (${key.toUpperCase()})`;
        mark.dataset.fits = fits;
        mark.disabled = !view.data.markable;
        mark.setAttribute("aria-label", `${letter(column)} ${view.data.first + position} ${word}`);
        mark.addEventListener("click", () => { current(cell); setMark(cell, fits); });
        cell.marks.push(mark);
        box.append(mark);
      }
      item.append(box);
    }
    button.addEventListener("click", () => { current(cell); play(cell); });
    picture.addEventListener("click", () => { current(cell, true); play(cell); });
    for (const kind of ["mouseenter", "focusin"]) item.addEventListener(kind, () => same(row.id));
    for (const kind of ["mouseleave", "focusout"]) item.addEventListener(kind, () => same(null));
    view.cells.push(cell);
    return item;
  }
  function same(id) {
    const many = id !== null && view.cells.filter((x) => x.row.id === id).length > 1;
    for (const cell of view.cells) cell.item.classList.toggle("hsr-same", many && cell.row.id === id);
  }
  function draw() {
    const { columns, query } = view.data;
    view.cells = [];
    root.setAttribute("aria-label", view.data.label);
    queryBox.replaceChildren();
    queryBox.hidden = !query;
    if (query) queryBox.append(drawRow(query, -1, 0));
    tabs.replaceChildren();
    lists.replaceChildren();
    lists.style.setProperty("--n", columns.length);
    columns.forEach((column, c) => {
      const section = element("section", "hsr-column");
      section.setAttribute("aria-label", name(c));
      const head = element("header");
      const title = element("span", "hsr-title");
      title.append(element("span", "hsr-letter", letter(c)));
      if (column.title) title.append(element("b", "", column.title));
      title.title = column.title || "";
      head.append(title);
      if (column.about) head.append(element("small", "", column.about));
      if (column.measure) head.append(element("span", "hsr-measure", column.measure));
      if (view.data.question) {
        const best = element("button", "hsr-best");
        best.addEventListener("click", () => choose(c));
        head.append(best);
      }
      const list = element("ol");
      list.setAttribute("aria-label", `Results of ${name(c)}`);
      list.append(...(column.rows || []).map((row, p) => drawRow(row, c, p)));
      section.append(head, list);
      if (column.note) section.append(element("p", "hsr-note", column.note));
      lists.append(section);
      const tab = element("button", "", name(c));
      tab.addEventListener("click", () => lists.scrollTo({ left: section.offsetLeft - lists.offsetLeft, behavior: "smooth" }));
      tabs.append(tab);
    });
    tabs.hidden = columns.length < 2;
    const begin = find(...view.at) || view.cells.find((x) => x.column >= 0) || view.cells[0];
    if (begin) current(begin);
    tabOf();
  }
  function tabOf() {
    const width = lists.firstElementChild?.offsetWidth || 1;
    const now = Math.round(lists.scrollLeft / width);
    [...tabs.children].forEach((tab, i) => tab.setAttribute("aria-pressed", String(i === now)));
  }
  lists.addEventListener("scroll", tabOf, { passive: true });

  // -- what changes without being drawn anew
  function mark(state) {
    const { question, choosable, chosen } = view.data;
    for (const cell of view.cells) {
      const here = state.id === cell.row.id;
      const playing = here && state.playing;
      cell.item.classList.toggle("hsr-now", here);
      const what = cell.column < 0 ? "the query" : `${letter(cell.column)} ${view.data.first + cell.position}`;
      showPlaying(cell.button, playing, [what, cell.row.label, cell.row.fits ? "fits the class asked for" : ""].filter(Boolean).join(", "));
      const given = made.marks[`${cell.column},${cell.position}`];
      for (const button of cell.marks) button.setAttribute("aria-pressed", String(String(given) === button.dataset.fits));
    }
    [...lists.children].forEach((section, c) => {
      section.classList.toggle("hsr-chosen", chosen === c);
      const best = section.querySelector(".hsr-best");
      if (!best) return;
      best.disabled = !choosable;
      best.textContent = chosen === c ? "★ Your choice" : choosable ? `${letter(c)} is best` : "";
      best.style.visibility = choosable || chosen === c ? "" : "hidden";
    });
    none.hidden = !question || !choosable;
  }
  function setMark(cell, fits) {
    if (!view.data.markable || cell.column < 0) return;
    const key = `${cell.column},${cell.position}`;
    // A mark that is taken back is sent as null: one that is not in a message is left as it is.
    made.marks[key] = made.marks[key] === fits ? null : fits;
    made.number += 1;
    mark(player.state);
    // All marks each time: if two messages meet on their way, the later one holds both.
    view.state("marks", message());
  }
  const message = () => ({ question: view.data.question, marks: { ...made.marks }, number: made.number });
  function choose(column) {
    if (view.data.choosable) view.trigger("choice", { ...message(), column });
  }
  none.addEventListener("click", () => choose(null));

  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("a")) return;
    const item = event.target.closest(".hsr-row");
    const cell = item && view.cells.find((x) => x.item === item);
    if (!cell) return;
    const last = (c) => view.cells.filter((x) => x.column === c).length - 1;
    let to = null;
    const { column, position } = cell;
    const key = event.key;
    const [down, right] = ARROWS[key] ?? [0, 0];
    if (down && column < 0) to = down > 0 ? find(0, 0) : null;
    else if (down) to = find(column, position + down) || (down < 0 ? find(-1, 0) : null);
    else if (right) {
      let c = column + right;
      while (c >= 0 && c < view.data.columns.length && last(c) < 0) c += right;
      to = column < 0 || c < 0 ? null : find(c, Math.min(position, last(c)));
    } else if (key === "Home") to = find(column, 0);
    else if (key === "End") to = find(column, last(column));
    else if ((key === "f" || key === "n") && view.data.question) setMark(cell, key === "f");
    else if (key === " " && event.target !== cell.button) play(cell);
    else return;
    event.preventDefault();
    event.stopPropagation();
    if (!to) return;
    current(to, true);
    // Moving on while something plays plays on.
    if (player.state.playing && to.row.id !== player.state.id) play(to, true);
  });

  const unsubscribe = player.subscribe((state) => view.data !== EMPTY && mark(state));
  return {
    update(data, component) {
      const asked = view.question !== data.question;
      Object.assign(view, { data, trigger: component.setTriggerValue, state: component.setStateValue, question: data.question });
      if (asked) {
        // What was marked here is newer than what the server had received when it drew this.
        if (made.question !== data.question) Object.assign(made, { question: data.question, marks: {} });
        made.marks = { ...data.marks, ...made.marks };
        view.at = [0, 0];
      }
      player.theme(root);
      root.dataset.theme = themeOf(root);
      const { equal, marks, chosen, ...content } = data;
      const text = JSON.stringify(content);
      if (text !== view.drawn) { view.drawn = text; view.warmed.clear(); draw(); }
      mark(player.state);
    },
    destroy() { unsubscribe(); root.remove(); },
  };
}

export default mount("results", create);
