// Points of a map that move: a slider through its frames, between which they go in straight lines.
const STEP = 620; // milliseconds from one frame to the next
const EASE = (t) => t * t * (3 - 2 * t);

function hearspaceFilm({ root, view, plot, shapes }) {
  const box = root.querySelector(".hsm-frames");
  const [button, slider, words] = box.children;
  const state = { at: 0, asked: null, running: 0, frames: null };

  function prepare() {
    stop();
    const { frames } = view.payload;
    box.hidden = !frames;
    state.frames = frames && { ...frames, xy: frames.xy.map(decode) };
    if (!frames) return;
    slider.max = frames.words.length - 1;
    slider.setAttribute("aria-label", frames.title);
    state.at = Math.min(state.at, frames.words.length - 1);
    place(state.at);
    label();
  }
  // Coordinates of a place between the first frame, 0, and the last.
  function place(at) {
    state.at = at;
    const n = view.payload.ids.length, from = Math.floor(at), share = at - from;
    view.maps.forEach((trace, k) => {
      const xy = state.frames.xy[k];
      if (!xy) return; // this map stands still
      const [x, y] = [new Float32Array(n), new Float32Array(n)];
      for (const [axis, out] of [[0, x], [1, y]]) {
        const start = (2 * from + axis) * n, next = share ? start + 2 * n : start;
        for (let i = 0; i < n; i++) out[i] = xy[start + i] + share * (xy[next + i] - xy[start + i]);
      }
      // Without WebGL, many points are thinned out.
      const stride = Math.ceil(n / trace.customdata.length);
      const thin = (a) => (stride === 1 ? a : a.filter((_, i) => i % stride === 0));
      Object.assign(trace, { x: thin(x), y: thin(y) });
    });
  }
  function label() {
    const i = Math.round(state.at);
    slider.value = i;
    words.textContent = state.frames.words[i];
    slider.setAttribute("aria-valuetext", state.frames.words[i]);
    root.dataset.frame = i;
    showPlaying(button, state.running);
  }
  function show(at) {
    place(at);
    label();
    if (!window.Plotly || !plot.data) return Promise.resolve();
    const which = plot.data.flatMap((t, i) => (t.meta === "points" ? [i] : []));
    return window.Plotly.update(plot, { x: view.maps.map((t) => t.x), y: view.maps.map((t) => t.y) }, { shapes: shapes() }, which);
  }
  function keep() {
    const i = Math.round(state.at);
    if (i === state.asked) return;
    state.asked = i;
    view.send("frame", i);
  }
  function stop() {
    cancelAnimationFrame(state.running);
    state.running = 0;
  }
  function play() {
    const last = state.frames.words.length - 1;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    let from = state.at >= last ? 0 : Math.round(state.at), started = performance.now();
    async function tick(now) {
      const share = Math.min(1, Math.max(0, now - started) / STEP);
      await show(from + (still && share < 1 ? 0 : EASE(share)));
      if (!state.running) return;
      if (share === 1) {
        from += 1;
        started = performance.now();
        if (from >= last) {
          stop();
          label();
          return keep();
        }
      }
      state.running = requestAnimationFrame(tick);
    }
    state.running = requestAnimationFrame(tick);
    label();
  }
  slider.addEventListener("input", () => { stop(); show(+slider.value); });
  slider.addEventListener("change", keep);
  button.addEventListener("click", () => {
    if (!state.running) return play();
    stop();
    show(Math.round(state.at));
    keep();
  });
  function update(fresh) {
    if (!state.frames) return;
    const { frame } = view.data;
    if (frame === undefined || frame === null || frame === state.asked) return;
    state.asked = frame;
    stop();
    if (fresh) { place(frame); label(); } else show(frame);
  }
  return { prepare, update, stop };
}
