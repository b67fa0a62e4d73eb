/** What Redis, or the driver, quotes: it may be a password, or somebody's data. */
const QUOTED = /(, with args beginning with| Last reply): .*/s;

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
