/** What Redis, or the driver, quotes: it may be a password, or somebody's data. */
const QUOTED = /(, with args beginning with| Last reply): .*/s;

const REFUSED =
  /^(WRONGPASS|NOAUTH|NOPERM|ERR invalid password|ERR AUTH|ERR DB index|ERR invalid DB)/;

/**
 * The error without what was sent: the driver hangs the whole command on it, and that which signs in has the
 * password.
 */
export function withoutArguments<E extends Error & { command?: unknown }>(error: E): E {
  delete error.command;
  error.message = error.message.replace(QUOTED, '');
  error.stack = error.stack?.replace(QUOTED, '');
  return error;
}

/** Whether Redis said no to the connection itself: trying again does not help as long as nobody changes something. */
export function isRefusal({ message }: Error): boolean {
  return REFUSED.test(message);
}

/**
 * A refused connect to a name with several addresses is an AggregateError with an empty message. Redis ends some of its
 * sentences with a full stop, and explains to those who have no password how to speak its protocol.
 */
export function reasonOf(error: Error): string {
  const { message } = error;
  if (message.startsWith('NOAUTH')) return 'NOAUTH it asks for a password, and none was given';
  return message.replace(/\.$/, '') || (error as NodeJS.ErrnoException).code || error.name;
}
