import {
  type ClientProxy,
  ClientProxyFactory,
  type MicroserviceOptions,
  Transport,
} from '@nestjs/microservices';
import { CloudsClient, CloudsServer } from 'nestjs-clouds';
import { NullClient } from './null/null.client.js';
import { NullServer } from './null/null.server.js';

export const OURS = 'nestjs-clouds';

/** Where the servers of the peers are. */
export interface Addresses {
  readonly redisUrl: string;
  readonly natsUrl?: string | undefined;
  readonly rmqUrl?: string | undefined;
  readonly tcpPort: number;
  /** Separates one run from another on the same broker. */
  readonly run: string;
}

export interface Peer {
  readonly name: string;
  /** Whether it hands each request to one of several replicas. */
  readonly balances: boolean;
  /** Whether what Redis does for a call is its doing. */
  readonly usesRedis: boolean;
  /** Whether each half works by itself, the server without a caller. */
  readonly feedsItself: boolean;
  isAvailable(addresses: Addresses): boolean;
  server(addresses: Addresses): MicroserviceOptions;
  client(addresses: Addresses): ClientProxy;
}

/** Of keys and channels of this transport. */
export function cloudsPrefix({ run }: Addresses): string {
  return `${run}:`;
}

function redisOptions({ redisUrl }: Addresses) {
  const { hostname, port } = new URL(redisUrl);
  return { host: hostname, port: Number(port) };
}

const cloudsOptions = (addresses: Addresses) => ({
  redis: addresses.redisUrl,
  prefix: cloudsPrefix(addresses),
});

const clouds: Peer = {
  name: OURS,
  balances: true,
  usesRedis: true,
  feedsItself: false,
  isAvailable: () => true,
  server: (addresses) => ({ strategy: new CloudsServer(cloudsOptions(addresses)) }),
  client: (addresses) => new CloudsClient(cloudsOptions(addresses)),
};

const redis: Peer = {
  name: 'Nest Redis',
  balances: false,
  usesRedis: true,
  feedsItself: false,
  isAvailable: () => true,
  server: (addresses) => ({ transport: Transport.REDIS, options: redisOptions(addresses) }),
  client: (addresses) =>
    ClientProxyFactory.create({ transport: Transport.REDIS, options: redisOptions(addresses) }),
};

const nats: Peer = {
  name: 'Nest NATS',
  balances: true,
  usesRedis: false,
  feedsItself: false,
  isAvailable: ({ natsUrl }) => natsUrl !== undefined,
  server: ({ natsUrl, run }) => ({
    transport: Transport.NATS,
    options: { servers: [natsUrl!], queue: run },
  }),
  client: ({ natsUrl }) =>
    ClientProxyFactory.create({ transport: Transport.NATS, options: { servers: [natsUrl!] } }),
};

const rmqOptions = ({ rmqUrl, run }: Addresses) => ({
  urls: [rmqUrl!],
  queue: run,
  queueOptions: { durable: false, autoDelete: true },
});

const rmq: Peer = {
  name: 'Nest RMQ',
  balances: true,
  usesRedis: false,
  feedsItself: false,
  isAvailable: ({ rmqUrl }) => rmqUrl !== undefined,
  server: (addresses) => ({ transport: Transport.RMQ, options: rmqOptions(addresses) }),
  client: (addresses) =>
    ClientProxyFactory.create({ transport: Transport.RMQ, options: rmqOptions(addresses) }),
};

const tcp: Peer = {
  name: 'Nest TCP',
  balances: false,
  usesRedis: false,
  feedsItself: false,
  isAvailable: () => true,
  server: ({ tcpPort }) => ({
    transport: Transport.TCP,
    options: { host: '127.0.0.1', port: tcpPort },
  }),
  client: ({ tcpPort }) =>
    ClientProxyFactory.create({
      transport: Transport.TCP,
      options: { host: '127.0.0.1', port: tcpPort },
    }),
};

/** The ceiling: what Nest itself costs, with nothing between its two halves. */
const alone: Peer = {
  name: 'Nest alone',
  balances: false,
  usesRedis: false,
  feedsItself: true,
  isAvailable: () => true,
  server: () => ({ strategy: new NullServer() }),
  client: () => new NullClient(),
};

export const PEERS: readonly Peer[] = [clouds, redis, nats, rmq, tcp, alone];

export function peerNamed(name: string): Peer {
  const peer = PEERS.find((one) => one.name === name);
  if (!peer)
    throw new Error(
      `no peer is called "${name}"; there are: ${PEERS.map((one) => one.name).join(', ')}`,
    );
  return peer;
}
