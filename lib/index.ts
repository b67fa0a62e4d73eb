export { CloudsNode } from './node/node.js';
