/** Signs `n` times with a given signer. The caller measures the time, because a Worker's clock stops between I/O. */
import { signers } from '../signers.ts';

export default {
  async fetch(request: Request): Promise<Response> {
    const query = new URL(request.url).searchParams;
    const sign = signers[query.get('signer') ?? ''];
    if (sign === undefined) return new Response('no such signer');
    let length = 0;
    for (let call = 0; call < Number(query.get('n')); call++) {
      const signed = sign();
      length += (typeof signed === 'string' ? signed : await signed).length;
    }
    return new Response(String(length));
  },
};
