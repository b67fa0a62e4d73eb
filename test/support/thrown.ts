/** The error that `act` throws; fails if it throws none. */
export function thrown<E = Error & { code?: string }>(act: () => unknown): E {
  let value: unknown;
  try {
    value = act();
  } catch (error) {
    return error as E;
  }
  throw new Error(`expected an error, got ${JSON.stringify(value)}`);
}
