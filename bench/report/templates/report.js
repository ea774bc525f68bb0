(function () {
  "use strict";
  var figures = JSON.parse(document.getElementById("figures").textContent);
  var places = Array.prototype.slice.call(document.querySelectorAll("[data-figure]"));
  var narrow = window.matchMedia("(max-width: 640px)").matches;
  var base = {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", size: 12 },
    margin: { l: 60, r: 20, t: 20, b: 50 },
    hoverlabel: { font: { size: 12 }, align: "left" },
    hovermode: "closest",
    dragmode: false,
  };

  function merged(own) {
    var layout = Object.assign({}, base, own);
    ["xaxis", "yaxis"].forEach(function (name) {
      layout[name] = Object.assign({ zeroline: false, automargin: true, fixedrange: true }, own[name]);
    });
    return layout;
  }

  function draw(place) {
    var figure = figures[place.dataset.figure];
    if (narrow) {
      figure.data.forEach(function (trace) {
        // Names over points collide on a phone: the legend and a tap tell them apart.
        if (trace.mode === "markers+text") trace.mode = "markers";
      });
    }
    return Plotly.newPlot(place, figure.data, merged(figure.layout), {
      responsive: true,
      displayModeBar: false,
      displaylogo: false,
    });
  }

  function drawNext() {
    var place = places.shift();
    if (!place) return;
    draw(place);
    window.setTimeout(drawNext, 0);
  }

  function drawn() {
    return Array.prototype.slice.call(document.querySelectorAll(".js-plotly-plot"));
  }

  window.addEventListener("beforeprint", function () {
    while (places.length) draw(places.shift());
    drawn().forEach(function (place) { Plotly.relayout(place, { width: Math.min(place.clientWidth, 660) }); });
  });
  window.addEventListener("afterprint", function () {
    drawn().forEach(function (place) { Plotly.relayout(place, { width: null, autosize: true }); });
  });
  // After the first paint: the tables are there before any plot.
  window.requestAnimationFrame(function () { window.setTimeout(drawNext, 0); });
})();
