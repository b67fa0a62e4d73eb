/** Of a command, beside its name. */
export type Argument = string | number | Buffer;

const SKIP_ANSWER = '*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nSKIP\r\n';

/** Commands as they go over the wire, each preceded by the one that has Redis keep its answer to itself. */
export function quietText(commands: readonly (readonly Argument[])[]): string {
  return commands.map((command) => SKIP_ANSWER + textOf(command)).join('');
}

function textOf(command: readonly Argument[]): string {
  let text = `*${command.length}\r\n`;
  for (const argument of command) {
    const word = String(argument);
    text += `$${Buffer.byteLength(word)}\r\n${word}\r\n`;
  }
  return text;
}
