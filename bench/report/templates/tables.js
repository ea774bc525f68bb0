(function () {
  "use strict";
  var turns = { none: "ascending", ascending: "descending", descending: "none" };

  // The number behind a cell, its text where the column has none, null where the value is absent.
  function key(row, column, numeric) {
    var cell = row.cells[column];
    if (!numeric) return cell.textContent.trim();
    return cell.dataset.value ? Number(cell.dataset.value) : null;
  }

  function ordered(rows, column, direction) {
    var numeric = rows.some(function (row) { return row.cells[column].dataset.value !== undefined; });
    var sign = direction === "descending" ? -1 : 1;
    return rows.slice().sort(function (one, other) {
      var a = key(one, column, numeric), b = key(other, column, numeric);
      // What is absent stays last, whichever way.
      if (a === null || b === null) return (a === null ? 1 : 0) - (b === null ? 1 : 0);
      return sign * (numeric ? a - b : a.localeCompare(b, undefined, { numeric: true }));
    });
  }

  document.querySelectorAll("table.sortable").forEach(function (table) {
    var heads = Array.prototype.slice.call(table.tHead.rows[0].cells);
    var body = table.tBodies[0];
    var original = Array.prototype.slice.call(body.rows);
    heads.forEach(function (head, column) {
      var button = document.createElement("button");
      button.type = "button";
      button.title = "Sort: lowest first, highest first, as it was";
      while (head.firstChild) button.appendChild(head.firstChild);
      head.appendChild(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", function () {
        var direction = turns[head.getAttribute("aria-sort")];
        heads.forEach(function (other) { other.setAttribute("aria-sort", "none"); });
        head.setAttribute("aria-sort", direction);
        (direction === "none" ? original : ordered(original, column, direction)).forEach(function (row) {
          body.appendChild(row);
        });
      });
    });
  });
})();
