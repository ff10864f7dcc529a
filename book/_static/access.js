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

  window.addEventListener("load", markScrollable);
  window.addEventListener("resize", markScrollable);
})();
