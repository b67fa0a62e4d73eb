import { buildWhenOutdated } from '../../tools/start/build.mjs';

/** The apps use the package as it is published, so it is built first. */
export default async function setup(): Promise<void> {
  await buildWhenOutdated(['dist', 'sample', 'e2e']);
}
