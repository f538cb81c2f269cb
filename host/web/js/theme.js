// Before anything is drawn: the theme that was chosen last, so that nothing flashes.
(() => {
  try {
    const theme = localStorage.getItem("ghostd.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // A browser that keeps nothing follows the system.
  }
})();
