import { defineConfig } from 'vitest/config';

const seconds = (n: number) => n * 1000;
/** On a busy CI machine a process may not get its turn in time: such a test may try once more there. */
const retry = process.env.CI ? 1 : 0;

/** Tiers by what they need: nothing, one Redis, whole applications in processes of their own. */
export default defineConfig({
  // Applications of Nest in tests have decorators; `include` of tsconfig.json does not have the tests.
  oxc: { decorator: { legacy: true } },
  test: {
    pool: 'forks',
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        // None takes a second by itself; beside other work some have taken five.
        test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: seconds(20) },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: ['test/support/build.setup.ts', 'test/support/redis.setup.ts'],
          retry,
          testTimeout: seconds(20),
          hookTimeout: seconds(20),
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/support/redis.setup.ts', 'test/support/apps.setup.ts'],
          retry,
          testTimeout: seconds(60),
          hookTimeout: seconds(60),
        },
      },
    ],
  },
});
