const GAP = '  ';
const HEADINGS = ['worker', 'pid', 'node', 'score', 'in flight', 'handled'];
const NUMERIC_FROM = 3;

/**
 * One line for each worker: the node that runs in it, and how it does.
 *
 * @param {import('./child.mjs').Child[]} workers
 * @param {Map<number, import('./nodes.mjs').NodeInfo>} nodes by pid
 * @returns {string[]}
 */
export function nodeTable(workers, nodes) {
  const rows = workers.map(({ name, pid, isRunning }) => {
    const node = nodes.get(pid);
    if (isRunning && node) return [name, pid, node.id, node.score, node.running, node.handled];
    return [name, pid, isRunning ? 'starting' : 'dead', '-', '-', '-'];
  });
  return aligned([HEADINGS, ...rows.map((row) => row.map(String))]);
}

/** @param {string[][]} rows */
function aligned(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const cell = (/** @type {string} */ text, /** @type {number} */ column) =>
    column < NUMERIC_FROM ? text.padEnd(widths[column]) : text.padStart(widths[column]);
  return rows.map((row) => row.map(cell).join(GAP));
}
