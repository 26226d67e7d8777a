// Plotly and what it draws with: loading, figures, packed arrays, WebGL.
const ARRAYS = { f4: Float32Array, f8: Float64Array, i1: Int8Array, u1: Uint8Array, i2: Int16Array, u2: Uint16Array, i4: Int32Array };

function decode(value) {
  if (!value || value.bdata === undefined) return value;
  const text = atob(value.bdata);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new ARRAYS[value.dtype](bytes.buffer);
}
// A text that Plotly draws as it is, whatever it holds.
function plain(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
function loadPlotly(url) {
  if (window.Plotly) return Promise.resolve(window.Plotly);
  window.hearspacePlotly ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = url;
    script.onload = () => done(window.Plotly);
    script.onerror = () => { delete window.hearspacePlotly; failed(new Error("Plotly did not load")); };
    document.head.appendChild(script);
  });
  return window.hearspacePlotly;
}
function hasWebGL() {
  const canvas = document.createElement("canvas");
  const gl = canvas.getContext("webgl2") || canvas.getContext("webgl");
  // Given back at once: browsers allow only a few contexts at a time.
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return Boolean(gl);
}
// The figure that the server keeps under a name.
function fetchFigure(data) {
  return fetch(`${data.base}figures/${data.figure}.json`);
}
function purge(plot) {
  if (window.Plotly && plot.data) window.Plotly.purge(plot);
}
