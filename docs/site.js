// Make what the theme inserts accessible: wide tables scroll by keyboard, and the rest has names.
function makeAccessible() {
  document.querySelectorAll(".md-typeset__scrollwrap:not([tabindex])").forEach((table) => {
    table.tabIndex = 0;
  });
  document.querySelectorAll(".md-code__nav:not([aria-label])").forEach((nav) => {
    nav.setAttribute("aria-label", `Actions for ${nav.parentElement.id || "code"}`);
  });
  document.querySelector(".md-search")?.setAttribute("aria-label", "Search");
}

makeAccessible();
new MutationObserver(makeAccessible).observe(document.body, { childList: true, subtree: true });
