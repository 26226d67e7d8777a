// One sound at a time, on every page: a single audio element that the whole window shares.
function hearspacePlayer() {
  if (window.hearspace) return window.hearspace;
  const audio = document.createElement("audio");
  audio.id = "hearspace-player";
  audio.preload = "none";
  document.body.appendChild(audio);

  const listeners = new Set();
  const state = { id: null, url: null, label: "", colour: "", playing: false, error: null };
  let triedWav = false;

  const bar = document.createElement("div");
  bar.id = "hearspace-now";
  bar.setAttribute("role", "region");
  bar.setAttribute("aria-label", "Now playing");
  bar.hidden = true;
  bar.innerHTML =
    '<button type="button" class="hs-now-toggle" aria-label="Pause"></button>' +
    '<span class="hs-now-text"><span class="hs-now-label"></span>' +
    '<progress max="1" value="0" aria-label="Position in the sound"></progress></span>' +
    '<button type="button" class="hs-now-close" aria-label="Stop and close">×</button>';
  const style = document.createElement("style");
  style.textContent =
    "#hearspace-now{position:fixed;right:16px;bottom:16px;z-index:1000;display:flex;align-items:center;gap:10px;" +
    "padding:8px 10px;border-radius:12px;max-width:min(320px,calc(100vw - 32px));box-sizing:border-box;" +
    "font:500 13px/1.3 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;" +
    "background:var(--hs-bg,#fff);color:var(--hs-text,#222);border:1px solid var(--hs-border,#ddd);" +
    "box-shadow:0 4px 18px rgba(0,0,0,.18)}" +
    "#hearspace-now[hidden]{display:none}" +
    "#hearspace-now button{flex:none;border:0;background:transparent;color:inherit;cursor:pointer;width:32px;height:32px;" +
    "border-radius:50%;font-size:16px;line-height:1;padding:0}" +
    "#hearspace-now button:hover{background:color-mix(in srgb,currentColor 10%,transparent)}" +
    "#hearspace-now button:focus-visible{outline:2px solid var(--hs-primary,#2f5fd0);outline-offset:1px}" +
    ".hs-now-text{display:flex;flex-direction:column;gap:4px;min-width:0;flex:1}" +
    ".hs-now-label{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}" +
    "#hearspace-now progress{appearance:none;width:200px;max-width:100%;height:3px;border:0;border-radius:2px;" +
    "background:color-mix(in srgb,currentColor 18%,transparent);color:var(--hs-primary,#2f5fd0)}" +
    "#hearspace-now progress::-webkit-progress-bar{background:transparent}" +
    "#hearspace-now progress::-webkit-progress-value{background:var(--hs-primary,#2f5fd0);border-radius:2px}" +
    "#hearspace-now progress::-moz-progress-bar{background:var(--hs-primary,#2f5fd0);border-radius:2px}";
  document.head.appendChild(style);
  document.body.appendChild(bar);
  const toggleButton = bar.querySelector(".hs-now-toggle");

  function notify() {
    bar.hidden = !state.id;
    showPlaying(toggleButton, state.playing);
    bar.querySelector(".hs-now-label").textContent = state.error || state.label || state.id || "";
    for (const f of listeners) f(state);
  }
  function start() {
    const wanted = audio.src;
    audio.play().catch((reason) => {
      // Replaced by another sound, or about to be tried as WAV: neither is an error.
      if (audio.src !== wanted || reason.name === "AbortError" || audio.error) return;
      state.playing = false;
      state.error =
        reason.name === "NotAllowedError" ? "Click once on the page, then sounds may play." : "This clip cannot be played.";
      notify();
    });
  }
  function play(clip) {
    if (state.id === clip.id && state.playing && !audio.ended && !clip.again) return;
    triedWav = false;
    Object.assign(state, { id: clip.id, url: clip.url, label: clip.label || clip.id, error: null, playing: true });
    audio.src = clip.url;
    start();
    notify();
  }
  function toggle(clip) {
    if (clip && state.id !== clip.id) return play(clip);
    if (!state.id) return;
    if (audio.paused) {
      state.error = null;
      start();
    } else audio.pause();
  }
  function stop() {
    audio.pause();
    Object.assign(state, { id: null, url: null, playing: false, error: null });
    notify();
  }
  audio.addEventListener("playing", () => { state.playing = true; state.error = null; notify(); });
  audio.addEventListener("pause", () => { state.playing = false; notify(); });
  audio.addEventListener("ended", () => { state.playing = false; notify(); });
  audio.addEventListener("timeupdate", () => {
    bar.querySelector("progress").value = audio.duration ? audio.currentTime / audio.duration : 0;
  });
  audio.addEventListener("error", () => {
    if (!state.url) return;
    if (!triedWav) {
      // A codec that this browser lacks: the server decodes it instead.
      triedWav = true;
      audio.src = state.url + (state.url.includes("?") ? "&" : "?") + "as=wav";
      return start();
    }
    state.playing = false;
    state.error = "This clip cannot be played; its file may be gone or damaged.";
    notify();
  });
  toggleButton.addEventListener("click", () => toggle());
  bar.querySelector(".hs-now-close").addEventListener("click", stop);
  document.addEventListener("keydown", (event) => {
    if (event.code !== "Space" || event.ctrlKey || event.metaKey || event.altKey || !state.id) return;
    const at = document.activeElement;
    const busy = at && at !== document.body &&
      at.closest("input,textarea,select,button,a,summary,[contenteditable=true],[role=button],[role=option],[role=slider],[role=combobox],[role=tab]");
    if (busy) return;
    event.preventDefault();
    toggle();
  });
  window.hearspace = {
    state, play, toggle, stop,
    subscribe(f) { listeners.add(f); f(state); return () => listeners.delete(f); },
    // The bar sits outside Streamlit's own elements, which hold the theme.
    theme(from) {
      const names = { bg: "background", text: "text", border: "border", primary: "primary" };
      for (const [name, source] of Object.entries(names)) bar.style.setProperty(`--hs-${name}`, themed(from, `--st-${source}-color`));
    },
  };
  return window.hearspace;
}
