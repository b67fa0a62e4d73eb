import type { CloudsOptions } from 'nestjs-clouds';

const { REDIS_URL: url, CLOUDS_PREFIX: prefix, CLOUDS_GROUP: group } = process.env;

/** The connections of a test file bear its prefix, so that the test finds those that were left. */
export const options: CloudsOptions = { redis: { url, connectionName: prefix }, prefix, group };
