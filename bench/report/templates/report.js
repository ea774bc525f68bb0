(function () {
  "use strict";
  var figures = JSON.parse(document.getElementById("figures").textContent);
  var waiting = Array.prototype.slice.call(document.querySelectorAll("[data-figure]"));
  var narrow = window.matchMedia("(max-width: 640px)").matches;
  var unpacking = null;
  var base = {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", size: 12 },
    margin: { l: 60, r: 20, t: 20, b: 50 },
    hoverlabel: { font: { size: 12 }, align: "left" },
    hovermode: "closest",
    dragmode: false,
  };

  // plotly.js lies compressed in the page, so that nothing waits for it before the first paint.
  function unpacked() {
    performance.mark("unpacking");
    var packed = window.atob(document.getElementById("plotly").textContent.trim());
    var bytes = new Uint8Array(packed.length);
    for (var i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
    var source = new ReadableStream({
      start: function (controller) {
        controller.enqueue(bytes);
        controller.close();
      },
    });
    return new Response(source.pipeThrough(new DecompressionStream("gzip"))).text();
  }

  function plotly() {
    if (!unpacking) {
      unpacking = Promise.resolve().then(unpacked).then(function (text) {
        performance.mark("unpacked");
        var script = document.createElement("script");
        // The page's policy admits exactly this text.
        script.textContent = text;
        document.head.appendChild(script);
        if (!window.Plotly) throw new Error("plotly.js did not start");
        performance.mark("plotly");
      });
      unpacking.catch(function () {
        waiting.forEach(function (place) {
          place.textContent = "Plots need a browser of 2023 or newer. Their numbers are in the tables, except single runs.";
          place.style.height = "auto";
        });
        waiting = [];
      });
    }
    return unpacking;
  }

  function below(layout) {
    return Boolean(layout.legend) && layout.legend.y < 0;
  }

  // On a phone a legend has a line for each entry: room for that, before anything is drawn and moves.
  function makeRoom(place) {
    var figure = figures[place.dataset.figure];
    if (!below(figure.layout)) return;
    var entries = figure.data.filter(function (trace) {
      return trace.showlegend !== false && trace.visible !== false;
    });
    place.style.height = parseInt(place.style.height, 10) + 19 * Math.max(entries.length - 3, 0) + "px";
  }
  if (narrow) waiting.forEach(makeRoom);

  function merged(own) {
    var layout = Object.assign({}, base, own);
    ["xaxis", "yaxis"].concat(Object.keys(own).filter(function (name) {
      return /^[xy]axis\d+$/.test(name);
    })).forEach(function (name) {
      layout[name] = Object.assign({ zeroline: false, automargin: true, fixedrange: true }, own[name]);
    });
    if (narrow && below(own)) {
      // A legend of many lines would reach up into the axis title.
      layout.legend = Object.assign({}, own.legend, { yref: "container", y: 0, yanchor: "bottom" });
    }
    return layout;
  }

  function draw(place) {
    if (waiting.indexOf(place) < 0) return;
    waiting.splice(waiting.indexOf(place), 1);
    var figure = figures[place.dataset.figure];
    if (narrow) {
      figure.data.forEach(function (trace) {
        // Names over points collide on a phone: the legend and a tap tell them apart.
        if (trace.mode === "markers+text") trace.mode = "markers";
      });
    }
    Plotly.newPlot(place, figure.data, merged(figure.layout), {
      responsive: true,
      displayModeBar: false,
      displaylogo: false,
    });
    performance.mark("figure " + place.dataset.figure);
  }

  function drawn() {
    return Array.prototype.slice.call(document.querySelectorAll(".js-plotly-plot"));
  }

  // A figure with choices shows the traces of one of them.
  function choose(select) {
    var figure = figures[select.dataset.chooses];
    var chosen = figure.choices[Number(select.value)];
    var visible = figure.data.map(function (_, place) { return chosen.indexOf(place) >= 0; });
    figure.data.forEach(function (trace, place) { trace.visible = visible[place]; });
    var place = document.querySelector('[data-figure="' + select.dataset.chooses + '"]');
    if (waiting.indexOf(place) < 0) Plotly.restyle(place, { visible: visible });
  }

  document.querySelectorAll("select[data-chooses]").forEach(function (select) {
    select.parentNode.hidden = false;
    // Browsers keep a selection over a reload.
    if (select.value !== "0") choose(select);
    select.addEventListener("change", function () { choose(select); });
  });

  var opened = [];
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details[data-print]:not([open])").forEach(function (item) {
      item.open = true;
      opened.push(item);
    });
    if (window.Plotly) waiting.slice().forEach(draw);
    drawn().forEach(function (place) { Plotly.relayout(place, { width: Math.min(place.clientWidth, 660) }); });
  });
  window.addEventListener("afterprint", function () {
    opened.splice(0).forEach(function (item) { item.open = false; });
    drawn().forEach(function (place) { Plotly.relayout(place, { width: null, autosize: true }); });
  });

  // Plots are drawn when they come near the window, one at a time.
  var near = [];
  function drawNear() {
    var place = near.shift();
    if (!place) return;
    draw(place);
    window.setTimeout(drawNear, 0);
  }
  var watcher = new IntersectionObserver(function (entries) {
    var found = entries.filter(function (entry) { return entry.isIntersecting; });
    found.forEach(function (entry) {
      watcher.unobserve(entry.target);
      near.push(entry.target);
    });
    if (found.length) plotly().then(drawNear, function () {});
  }, { rootMargin: "800px 0px" });

  // Two frames: the first paint is on the screen before any of this.
  window.requestAnimationFrame(function () {
    window.requestAnimationFrame(function () {
      waiting.forEach(function (place) { watcher.observe(place); });
      // Whoever prints without scrolling gets plots, too.
      window.setTimeout(function () { plotly().catch(function () {}); }, 200);
    });
  });
})();
