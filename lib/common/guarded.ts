/**
 * Calls code of the application from within the engine. What it throws is thrown where it is seen, as an
 * uncaught exception, and not into the middle of what the engine was doing.
 */
export function guarded(call: () => void): void {
  try {
    call();
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
  }
}
