/** Signing: each signer in Node.js and in workerd. */
import { interleaved, micro, nsPerCall, printTable, seriesOf } from './measure.ts';
import { startWorkerd } from './servers.ts';
import { signers } from './signers.ts';

const COUNT = 20_000;
const SLOW_COUNT = 1_000;
const countFor = (name: string) => (/WebCrypto|aws/.test(name) ? SLOW_COUNT : COUNT);

export async function benchSigning(rounds: number) {
  const inNode = await interleaved(
    Object.fromEntries(Object.entries(signers).map(([name, sign]) => [name, () => nsPerCall(sign, countFor(name))])),
    rounds,
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
    rounds,
  );
  const result = Object.keys(signers).map((name) => ({
    signer: name,
    nodeNs: seriesOf(inNode[name] ?? []),
    workerdNs: seriesOf(inWorkerd[name] ?? []),
  }));
  const [own] = result;
  const ratio = (theirs: number, ourNs: number | undefined) => `${(theirs / (ourNs ?? Number.NaN)).toFixed(1)}×`;
  printTable(
    'Signing one deletion (median of rounds, and how many times ours)',
    ['signer', 'Node.js', 'min–max', '', 'workerd', 'min–max', ''],
    result.map(({ signer, nodeNs, workerdNs }) => [
      signer,
      micro(nodeNs.median),
      `${micro(nodeNs.min)}–${micro(nodeNs.max)}`,
      ratio(nodeNs.median, own?.nodeNs.median),
      micro(workerdNs.median),
      `${micro(workerdNs.min)}–${micro(workerdNs.max)}`,
      ratio(workerdNs.median, own?.workerdNs.median),
    ]),
  );
  return result;
}
