/** Replaces `cloudflare:test` in Node.js, and the globals of workerd that the tests use. */
import { setTimeout as wait } from 'node:timers/promises';
import { liveObject, living } from './workers.ts';

/** Node.js accepts a stream as a body only with `duplex: 'half'`, which workerd does not need. */
class HalfDuplexRequest extends Request {
  constructor(input: ConstructorParameters<typeof Request>[0], init?: RequestInit) {
    super(input, init?.body ? Object.assign({}, init, { duplex: 'half' }) : init);
  }
}

Object.assign(globalThis, { scheduler: { wait }, Request: HalfDuplexRequest });

const contexts = new WeakMap<object, Promise<unknown>[]>();

export function createExecutionContext() {
  const works: Promise<unknown>[] = [];
  const ctx = {
    waitUntil: (work: Promise<unknown>) => works.push(work),
    passThroughOnException: () => undefined,
    props: {},
  };
  contexts.set(ctx, works);
  return ctx;
}

export const waitOnExecutionContext = async (ctx: object) => Promise.allSettled(contexts.get(ctx) ?? []);

export async function runInDurableObject(
  { name }: { name: string },
  act: (instance: unknown, ctx: unknown) => unknown,
) {
  const { instance, ctx } = liveObject(name);
  return act(await instance, ctx);
}

export async function runDurableObjectAlarm({ name }: { name: string }) {
  const { instance, ctx } = liveObject(name);
  await (ctx.storage as { deleteAlarm: () => Promise<void> }).deleteAlarm();
  await (await instance).alarm();
  return true;
}

export async function evictDurableObject({ name }: { name: string }) {
  living.delete(name);
}
