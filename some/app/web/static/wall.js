// Tile wall: one tab stop, arrows move between the tiles (rows are days, columns hours).
export function walls(root) {
  for (const wall of root.querySelectorAll("[data-wall]")) {
    const rows = [...wall.tBodies[0].rows].map((row) => [...row.cells].slice(1).map((cell) => cell.querySelector("a")));
    const tiles = rows.flat().filter(Boolean);
    if (!tiles.length) continue;
    const first = tiles.find((tile) => tile.hasAttribute("aria-current")) || tiles[tiles.length - 1];
    const only = (chosen) => tiles.forEach((tile) => (tile.tabIndex = tile === chosen ? 0 : -1));
    only(first);
    wall.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!way || !event.target.matches("a")) return;
      event.preventDefault();
      let y = rows.findIndex((row) => row.includes(event.target));
      let x = rows[y].indexOf(event.target);
      do {
        y += way[0];
        x += way[1];
      } while (rows[y] && x >= 0 && x < 24 && !rows[y][x]);
      const next = rows[y]?.[x];
      if (next) {
        only(next);
        next.focus();
      }
    });
  }
}
