const TERMINAL_REFRESH_MS = 1_000;
const FILE_REFRESH_MS = 3_000;

/**
 * @typedef {object} Screen
 * @property {number} refreshMs how often to draw
 * @property {(lines: string[]) => void} draw shows a picture in place of the one before
 * @property {(line: string) => void} log
 */

/**
 * @param {NodeJS.WriteStream} output
 * @returns {Screen}
 */
export function screenOn(output) {
  return output.isTTY ? terminal(output) : file(output);
}

/**
 * The picture stays at the bottom and is drawn over; log lines go above it.
 *
 * @param {NodeJS.WriteStream} output
 * @returns {Screen}
 */
function terminal(output) {
  /** @type {string[]} */
  let picture = [];
  const erase = () => (picture.length ? `\x1b[${picture.length}A\x1b[J` : '');
  // A line that wraps would be two to go back over.
  const shown = () =>
    picture.map((line) => `${line.slice(0, (output.columns || 80) - 1)}\n`).join('');
  return {
    refreshMs: TERMINAL_REFRESH_MS,
    draw(lines) {
      const before = erase();
      picture = lines;
      output.write(before + shown());
    },
    log(line) {
      output.write(`${erase()}${line}\n${shown()}`);
    },
  };
}

/**
 * What was written stays, so a picture is written only when it is another one.
 *
 * @param {NodeJS.WriteStream} output
 * @returns {Screen}
 */
function file(output) {
  let last = '';
  return {
    refreshMs: FILE_REFRESH_MS,
    draw(lines) {
      const picture = lines.join('\n');
      if (picture !== last) output.write(`${picture}\n\n`);
      last = picture;
    },
    log: (line) => void output.write(`${line}\n`),
  };
}
