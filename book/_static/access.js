// Small repairs that the theme needs for readers who use a keyboard or a screen reader.
(function () {
  "use strict";

  // A box that scrolls must be reachable with the keyboard, or its end cannot be read.
  function markScrollable() {
    const boxes = ".pst-scrollable-table-container, .cell_output .text_html, div.math";
    for (const box of document.querySelectorAll(boxes)) {
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  }

  // A full stop must not begin a line because the formula before it is a box of its own.
  function keepPunctuation() {
    for (const math of document.querySelectorAll("span.math")) {
      const next = math.nextSibling;
      if (!next || next.nodeType !== Node.TEXT_NODE || !/^[.,;:?)]/.test(next.data)) continue;
      next.splitText(1);
      const together = document.createElement("span");
      together.className = "vb-together";
      math.replaceWith(together);
      together.append(math, next);
    }
  }

  // A formula in a line does not break. One that is wider than its paragraph scrolls.
  function boxWideFormulas() {
    for (const formula of document.querySelectorAll("article span.math > mjx-container")) {
      formula.classList.remove("vb-wide");
      const block = formula.closest("p, li, dd, td, figcaption, h2, h3, legend, label");
      const wide = block && formula.scrollWidth > 0 &&
        formula.firstElementChild.getBoundingClientRect().width > block.clientWidth;
      formula.classList.toggle("vb-wide", Boolean(wide));
      if (wide) formula.tabIndex = 0;
      else formula.removeAttribute("tabindex");
    }
  }

  window.addEventListener("load", function () {
    const typeset = (window.MathJax && window.MathJax.startup && window.MathJax.startup.promise);
    Promise.resolve(typeset).then(keepPunctuation).then(boxWideFormulas);
  });
  window.addEventListener("load", markScrollable);
  window.addEventListener("resize", markScrollable);
  window.addEventListener("resize", boxWideFormulas);
})();
