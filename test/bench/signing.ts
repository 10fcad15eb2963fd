/** Signing: each signer in Node.js and in workerd. */
import { interleaved, micro, nsPerCall, printTable, ratioOf, seriesOf, times } from './measure.ts';
import { startWorkerd } from './servers.ts';
import { OURS, signers } from './signers.ts';

// Many short slices, because the machine's speed hardly drifts between two neighbouring ones.
const COUNT = 4_000;
const SLOW_COUNT = 400;
const SLICES_PER_ROUND = 5;
const countFor = (name: string) => (/WebCrypto|aws/.test(name) ? SLOW_COUNT : COUNT);

export async function benchSigning(rounds: number) {
  const slices = rounds * SLICES_PER_ROUND;
  const inNode = await interleaved(
    Object.fromEntries(Object.entries(signers).map(([name, sign]) => [name, () => nsPerCall(sign, countFor(name))])),
    slices,
  );
  const { url } = await startWorkerd('workers/signing.ts');
  const call = async (name: string, n: number) => {
    const start = process.hrtime.bigint();
    await (await fetch(`${url}/?signer=${encodeURIComponent(name)}&n=${n}`)).text();
    return Number(process.hrtime.bigint() - start);
  };
  const inWorkerd = await interleaved(
    Object.fromEntries(
      Object.keys(signers).map((name) => [
        name,
        async () => ((await call(name, countFor(name))) - (await call(name, 0))) / countFor(name),
      ]),
    ),
    slices,
  );
  const figures = (ns: Record<string, number[]>, name: string) => {
    const own = ns[name] ?? [];
    return { ns: seriesOf(own), timesOurs: ratioOf(own, ns[OURS] ?? []) };
  };
  const result = Object.keys(signers)
    .map((name) => ({ signer: name, node: figures(inNode, name), workerd: figures(inWorkerd, name) }))
    .sort((a, b) => a.node.ns.median - b.node.ns.median);
  const cells = ({ ns, timesOurs }: ReturnType<typeof figures>) => [micro(ns.median), times(timesOurs)];
  printTable(
    'Signing one deletion',
    ['signer', 'Node.js', 'times ours', 'workerd', 'times ours'],
    result.map(({ signer, node, workerd }) => [signer, ...cells(node), ...cells(workerd)]),
  );
  return result;
}
