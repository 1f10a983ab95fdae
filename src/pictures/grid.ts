/** A sheet's columns and rows of cells. */
export interface Grid {
  readonly columns: number;
  readonly rows: number;
}

const MOST_COLUMNS = 8;

/** The near-square grid, at most 8 columns wide, that leaves the fewest cells empty; of equals the narrowest. */
export function gridFor(cells: number): Grid {
  const square = Math.ceil(Math.sqrt(Math.max(1, cells)));
  const widest = Math.min(MOST_COLUMNS, Math.ceil((square * 4) / 3));
  let best = { columns: Math.min(square, MOST_COLUMNS), rows: 1 };
  let fewest = Number.POSITIVE_INFINITY;
  for (let columns = best.columns; columns <= widest; columns++) {
    const rows = Math.max(1, Math.ceil(cells / columns));
    if (columns * rows - cells < fewest) {
      fewest = columns * rows - cells;
      best = { columns, rows };
    }
  }
  return best;
}
