import {
  type ClientProxy,
  ClientProxyFactory,
  type MicroserviceOptions,
  Transport,
} from '@nestjs/microservices';
import { CloudsClient, CloudsServer } from 'nestjs-clouds';

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
  isAvailable(addresses: Addresses): boolean;
  server(addresses: Addresses): MicroserviceOptions;
  client(addresses: Addresses): ClientProxy;
}

function redisOptions({ redisUrl }: Addresses) {
  const { hostname, port } = new URL(redisUrl);
  return { host: hostname, port: Number(port) };
}

const clouds: Peer = {
  name: 'nestjs-clouds',
  balances: true,
  isAvailable: () => true,
  server: ({ redisUrl, run }) => ({
    strategy: new CloudsServer({ redis: redisUrl, prefix: `${run}:` }),
  }),
  client: ({ redisUrl, run }) => new CloudsClient({ redis: redisUrl, prefix: `${run}:` }),
};

const redis: Peer = {
  name: 'Nest Redis',
  balances: false,
  isAvailable: () => true,
  server: (addresses) => ({ transport: Transport.REDIS, options: redisOptions(addresses) }),
  client: (addresses) =>
    ClientProxyFactory.create({ transport: Transport.REDIS, options: redisOptions(addresses) }),
};

const nats: Peer = {
  name: 'Nest NATS',
  balances: true,
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
  isAvailable: ({ rmqUrl }) => rmqUrl !== undefined,
  server: (addresses) => ({ transport: Transport.RMQ, options: rmqOptions(addresses) }),
  client: (addresses) =>
    ClientProxyFactory.create({ transport: Transport.RMQ, options: rmqOptions(addresses) }),
};

const tcp: Peer = {
  name: 'Nest TCP',
  balances: false,
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

export const PEERS: readonly Peer[] = [clouds, redis, nats, rmq, tcp];

export function peerNamed(name: string): Peer {
  const peer = PEERS.find((one) => one.name === name);
  if (!peer)
    throw new Error(
      `no peer is called "${name}"; there are: ${PEERS.map((one) => one.name).join(', ')}`,
    );
  return peer;
}
