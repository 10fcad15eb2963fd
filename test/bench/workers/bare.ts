/** The bare runtime: forwards a deletion and does nothing else. */
export default {
  fetch: (request: Request, env: { BCC_ENDPOINT: string }) =>
    fetch(`${env.BCC_ENDPOINT}/v2/image/${request.url.slice(request.url.lastIndexOf('/') + 1)}`, {
      method: request.method,
    }),
};
