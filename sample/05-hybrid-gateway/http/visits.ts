/** What a visitor of the gateway sees; stands for browsers. */
export async function visit(url: string): Promise<void> {
  await show(url, '/prices/bread');
  await show(url, '/prices/antique');
  await show(url, '/reviews/bread');
  await show(url, `/prices/${'very-'.repeat(250)}long`);
  await Promise.all([show(url, '/report'), show(url, '/report')]);
}

const SHOWN = 40;

async function show(url: string, path: string): Promise<void> {
  const response = await fetch(url + path);
  const shortPath = path.length > SHOWN ? `${path.slice(0, SHOWN)}...` : path;
  console.log(`GET ${shortPath} -> ${response.status} ${await response.text()}`);
}
